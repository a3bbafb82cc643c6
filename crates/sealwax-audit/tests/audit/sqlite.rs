//! The SQL for SQLite, in a file and with a connection for each writer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, thread};

use rusqlite::{Connection, OptionalExtension};
use sealwax::{ProviderFuture, RecorderError};
use sealwax_audit::sql::sqlite;
use sealwax_audit::{Action, Appended, AuditSink, ChainError, Record, verify};

use crate::given::{Reply, append, log, now, only};
use crate::openings::{context, keyring, recorded, seal};

struct Table(Mutex<Connection>);

impl Table {
    fn open(file: &PathBuf) -> Self {
        let database = Connection::open(file).unwrap();
        database.busy_timeout(Duration::from_secs(60)).unwrap();
        database.pragma_update(None, "journal_mode", "WAL").unwrap();
        database.pragma_update(None, "synchronous", "OFF").unwrap();
        database.execute_batch(sqlite::TABLES).unwrap();
        Self(Mutex::new(database))
    }

    fn records(&self, sql: &str, subject: &str) -> rusqlite::Result<Vec<Record>> {
        let database = self.0.lock().unwrap();
        let mut select = database.prepare(sql)?;
        let lines = select.query_map([subject], |row| row.get::<_, String>(0))?;
        lines.map(|line| Ok(line?.parse().unwrap())).collect()
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<usize> {
        self.0.lock().unwrap().execute(sql, [])
    }

    fn text(&self, sql: &str) -> Option<String> {
        self.0.lock().unwrap().query_row(sql, [], |row| row.get(0)).optional().unwrap()
    }

    fn subjects(&self) -> Vec<String> {
        let database = self.0.lock().unwrap();
        let mut select = database.prepare(sqlite::SUBJECTS).unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn insert(&self, record: &Record, after: Option<&[u8; 32]>) -> rusqlite::Result<Appended> {
        let number = i64::try_from(record.number).unwrap();
        let row = (&record.subject, number, record.mac, record.to_string(), after);
        let inserted = self.0.lock().unwrap().execute(sqlite::APPEND, row)?;
        Ok(if inserted == 1 { Appended::Done } else { Appended::Raced })
    }
}

impl AuditSink for Table {
    fn last<'a>(&'a self, subject: &'a str) -> Reply<'a, Option<Record>> {
        let last = self.records(sqlite::LAST, subject).map(|mut last| last.pop());
        ProviderFuture::ready(last.map_err(RecorderError::new))
    }

    fn append<'a>(
        &'a self,
        record: &'a Record,
        after: Option<&'a [u8; 32]>,
    ) -> Reply<'a, Appended> {
        ProviderFuture::ready(self.insert(record, after).map_err(RecorderError::new))
    }
}

fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    for end in ["", "-wal", "-shm"] {
        drop(fs::remove_file(folder.join(format!("{name}{end}"))));
    }
    folder.join(name)
}

#[test]
fn sixty_four_writers_with_a_connection_each() {
    let file = file("writers.db");
    Table::open(&file);
    thread::scope(|scope| {
        for writer in 0..64 {
            let file = &file;
            scope.spawn(move || {
                let log = log(only("audit-2026", 0), Table::open(file));
                // Half of them in one chain, and each of the others in its own.
                let subject =
                    if writer % 2 == 0 { "acme".into() } else { format!("tenant {writer}") };
                for entry in 0..5 {
                    let why = format!("{writer}/{entry}");
                    now(log.append(&subject, Action::new("noted", "mia", &why, ""))).unwrap();
                }
            });
        }
    });
    let table = Table::open(&file);
    let keys = only("audit-2026", 0);
    let chain = table.records(sqlite::CHAIN, "acme").unwrap();
    let whys: std::collections::BTreeSet<_> = chain.iter().map(|r| r.entry.why.clone()).collect();
    assert_eq!((chain.len(), whys.len()), (160, 160));
    verify(&keys, "acme", &chain, &[]).unwrap();
    let subjects = table.subjects();
    assert_eq!(subjects.len(), 33);
    for subject in &subjects[1..] {
        let chain = table.records(sqlite::CHAIN, subject).unwrap();
        assert_eq!(verify(&keys, subject, &chain, &[]).unwrap().last.unwrap().number, 5);
    }
}

#[test]
fn a_chain_whose_first_entry_is_gone_has_its_subject() {
    let log = log(only("audit-2026", 0), Table::open(&file("subjects.db")));
    for subject in ["initech", "acme"] {
        append(&log, subject, 3);
    }
    log.sink().execute("DROP TRIGGER sealwax_audit_undeleted").unwrap();
    log.sink().execute("DELETE FROM sealwax_audit WHERE subject = 'acme' AND number = 1").unwrap();
    assert_eq!(log.sink().subjects(), ["acme", "initech"]);
    let chain = log.sink().records(sqlite::CHAIN, "acme").unwrap();
    let error = verify(log.keys(), "acme", &chain, &[]).unwrap_err();
    assert!(matches!(error, ChainError::Missing { number: 1, .. }), "{error}");
}

#[test]
fn the_table_only_grows() {
    let log = log(only("audit-2026", 0), Table::open(&file("grows.db")));
    append(&log, "acme", 3);
    let before = log.sink().records(sqlite::CHAIN, "acme").unwrap();
    let line = before[0].to_string();
    let columns = "SELECT subject, number, mac, record FROM sealwax_audit WHERE number = 1";
    let refused = [
        "DELETE FROM sealwax_audit".to_owned(),
        "DELETE FROM sealwax_audit WHERE number = 3".into(),
        "UPDATE sealwax_audit SET number = 4 WHERE number = 3".into(),
        "UPDATE sealwax_audit SET record = record".into(),
        "UPDATE OR REPLACE sealwax_audit SET number = 1 WHERE number = 3".into(),
        // Numbers that leave a gap, and rows that are not what their record says.
        format!("INSERT INTO sealwax_audit VALUES ('acme', 5, zeroblob(32), '{line}')"),
        format!("INSERT INTO sealwax_audit SELECT subject, 4, mac, record FROM ({columns})"),
        format!("INSERT INTO sealwax_audit SELECT 'initech', number, mac, record FROM ({columns})"),
        format!(
            "INSERT INTO sealwax_audit SELECT subject, 4, zeroblob(32), record FROM ({columns})"
        ),
        "INSERT INTO sealwax_audit VALUES ('b', 1, zeroblob(32), 'no JSON')".into(),
        "INSERT INTO sealwax_audit VALUES ('b', 1, zeroblob(32), NULL)".into(),
    ];
    for sql in &refused {
        assert!(log.sink().execute(sql).is_err(), "{sql}");
    }
    // A number that is taken: whatever the conflict clause says, the row stays.
    for or in ["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ROLLBACK"] {
        let inserted = log.sink().execute(&format!("INSERT {or} INTO sealwax_audit {columns}"));
        assert_eq!(inserted.unwrap_or(0), 0, "{or}");
    }
    assert_eq!(log.sink().records(sqlite::CHAIN, "acme").unwrap(), before);
    // Running it again changes nothing, and the chain goes on.
    log.sink().0.lock().unwrap().execute_batch(sqlite::TABLES).unwrap();
    append(&log, "acme", 1);
    let chain = log.sink().records(sqlite::CHAIN, "acme").unwrap();
    assert_eq!((&chain[..3], chain.len()), (&before[..], 4));
    verify(log.keys(), "acme", &chain, &[]).unwrap();
}

#[test]
fn an_entry_is_inserted_only_after_the_one_that_its_writer_has_seen() {
    let table = Table::open(&file("guard.db"));
    let log = log(only("audit-2026", 0), Table::open(&file("source.db")));
    append(&log, "acme", 3);
    let chain = log.sink().records(sqlite::CHAIN, "acme").unwrap();
    let [first, second, third] = &chain[..] else { panic!("three entries") };
    // Without the guard of the statement, the trigger leaves no gap.
    let row = (&third.subject, 3, third.mac, third.to_string());
    let inserted =
        table.0.lock().unwrap().execute("INSERT INTO sealwax_audit VALUES (?1, ?2, ?3, ?4)", row);
    assert!(inserted.unwrap_err().to_string().contains("not the next entry"));
    let insert = |record: &Record, after| table.insert(record, after).unwrap_or(Appended::Raced);
    assert_eq!(insert(second, Some(&first.mac)), Appended::Raced);
    assert_eq!(insert(first, None), Appended::Done);
    assert_eq!(insert(first, None), Appended::Raced);
    assert_eq!(insert(second, None), Appended::Raced);
    assert_eq!(insert(second, Some(&[0; 32])), Appended::Raced);
    assert_eq!(insert(third, Some(&first.mac)), Appended::Raced);
    assert_eq!(insert(second, Some(&first.mac)), Appended::Done);
    assert_eq!(insert(second, Some(&first.mac)), Appended::Raced);
    assert_eq!(insert(third, Some(&first.mac)), Appended::Raced);
    assert_eq!(insert(third, Some(&second.mac)), Appended::Done);
    assert_eq!(table.records(sqlite::CHAIN, "acme").unwrap(), chain);
    assert_eq!(table.records(sqlite::LAST, "acme").unwrap(), chain[2..]);
    assert_eq!(table.records(sqlite::LAST, "initech").unwrap(), []);
}

#[test]
fn the_view_has_a_column_for_each_field() {
    let log = Arc::new(log(only("audit-2026", 0), Table::open(&file("view.db"))));
    let keyring = keyring();
    let sealed = seal(&keyring);
    recorded(&keyring, &log).open(&sealed, &context("42")).unwrap();
    let hex: String = sealed.commitment().iter().map(|byte| format!("{byte:02x}")).collect();
    let row = log.sink().text(&format!(
        "SELECT concat_ws('|', subject, number, time, action, who, why, outcome, key_id, audit_key)
         FROM sealwax_audit_entries WHERE commitment = '{hex}' AND length(context) = 64"
    ));
    assert_eq!(row.unwrap(), "acme|1|1790000000000|open|mia|ticket 7|opened|prod-2026|audit-2026");
}
