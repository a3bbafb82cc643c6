//! The SQL of `sealwax-audit` for PostgreSQL, in a sink that has to be waited for.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealwax::{EncryptionContext, Keyring, MasterKey, ProviderFuture, RecorderError};
use sealwax_audit::sql::postgres;
use sealwax_audit::{Action, Appended, AuditKey, AuditKeys, AuditLog, AuditSink, ChainError, Record, Recorder, verify};
use sqlx::{AssertSqlSafe, Connection, PgPool, query, query_scalar, raw_sql};

use crate::server;

type AnyError = Box<dyn Error + Send + Sync>;

pub(crate) struct Table {
    db: PgPool,
    raced: AtomicU64,
}

impl Table {
    async fn last(&self, subject: &str) -> Result<Option<Record>, AnyError> {
        let line: Option<String> = query_scalar(postgres::LAST).bind(subject).fetch_optional(&self.db).await?;
        Ok(line.map(|line| line.parse()).transpose()?)
    }

    async fn insert(&self, record: &Record, after: Option<&[u8; 32]>) -> Result<Appended, AnyError> {
        let row = query(postgres::APPEND).bind(&record.subject).bind(i64::try_from(record.number)?).bind(record.mac);
        let row = row.bind(record.to_string()).bind(after.map(<[u8; 32]>::as_slice));
        if row.execute(&self.db).await?.rows_affected() == 1 {
            return Ok(Appended::Done);
        }
        let raced = self.raced.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(std::time::Duration::from_micros(raced * 7919 % 3000)).await;
        Ok(Appended::Raced)
    }

    pub(crate) async fn chain(&self, subject: &str) -> Vec<Record> {
        let lines: Vec<String> = query_scalar(postgres::CHAIN).bind(subject).fetch_all(&self.db).await.unwrap();
        lines.iter().map(|line| line.parse().unwrap()).collect()
    }
}

impl AuditSink for Table {
    fn last<'a>(&'a self, subject: &'a str) -> ProviderFuture<'a, Result<Option<Record>, RecorderError>> {
        ProviderFuture::boxed(async { self.last(subject).await.map_err(RecorderError::new) })
    }

    fn append<'a>(
        &'a self,
        record: &'a Record,
        after: Option<&'a [u8; 32]>,
    ) -> ProviderFuture<'a, Result<Appended, RecorderError>> {
        ProviderFuture::boxed(async move { self.insert(record, after).await.map_err(RecorderError::new) })
    }
}

/// Returns a log over an empty table.
async fn log() -> Option<Arc<AuditLog<Table>>> {
    let (db, _) = server::empty().await?;
    for _ in 0..2 {
        raw_sql(postgres::TABLES).execute(&db).await.unwrap();
    }
    Some(Arc::new(log_in(db)))
}

/// Returns a log over the table of a database.
pub(crate) fn log_in(db: PgPool) -> AuditLog<Table> {
    let keys = AuditKeys::new("audit-2026".parse().unwrap(), AuditKey::generate().unwrap()).unwrap();
    AuditLog::new(keys, table(db), || 1_790_000_000_000)
}

pub(crate) fn table(db: PgPool) -> Table {
    Table { db, raced: AtomicU64::new(0) }
}

#[tokio::test]
async fn an_opening_is_recorded_before_it_is_decrypted() {
    let Some(log) = log().await else { return };
    let keyring = Keyring::new("prod-2026".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
    let sealed = keyring.seal(&"a secret of a test".into(), &context).unwrap();
    let keyring = keyring.with_recorder(Recorder::new(&log, "acme", "mia", "ticket 7").unwrap());
    keyring.open_async(&sealed, &context).await.unwrap();
    // This sink has to be waited for.
    assert_eq!(keyring.open(&sealed, &context).unwrap_err().name(), "not_recorded");
    let db = &log.sink().db;
    let found: Vec<String> = query_scalar(
        "SELECT concat_ws('|', subject, number, time, action, who, why, outcome, key_id, audit_key)
         FROM sealwax_audit_entries WHERE commitment = encode($1, 'hex') AND length(context) = 64",
    )
    .bind(sealed.commitment())
    .fetch_all(db)
    .await
    .unwrap();
    assert_eq!(found, ["acme|1|1790000000000|open|mia|ticket 7|opened|prod-2026|audit-2026"]);
    query("DROP TABLE sealwax_audit CASCADE").execute(db).await.unwrap();
    assert_eq!(keyring.open_async(&sealed, &context).await.unwrap_err().name(), "not_recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_writers_none_loses_an_entry() {
    let Some(log) = log().await else { return };
    let writers = (0..64).map(|writer| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            // Half of them in one chain.
            let subject = if writer % 2 == 0 { "acme".into() } else { format!("tenant {writer}") };
            for entry in 0..5 {
                let why = format!("{writer}/{entry}");
                log.append(&subject, Action::new("noted", "mia", &why, "")).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let chain = log.sink().chain("acme").await;
    let whys: BTreeSet<_> = chain.iter().map(|record| &record.entry.why).collect();
    assert_eq!((chain.len(), whys.len()), (160, 160));
    verify(log.keys(), "acme", &chain, &[]).unwrap();
    let subjects: Vec<String> = query_scalar(postgres::SUBJECTS).fetch_all(&log.sink().db).await.unwrap();
    assert_eq!(subjects.len(), 33);
    for subject in &subjects[1..] {
        let chain = log.sink().chain(subject).await;
        assert_eq!(verify(log.keys(), subject, &chain, &[]).unwrap().last.unwrap().number, 5);
    }
    assert!(log.sink().raced.load(Ordering::Relaxed) > 0, "nobody raced");
}

#[tokio::test]
async fn the_table_only_grows() {
    let Some(log) = log().await else { return };
    for _ in 0..3 {
        log.append("acme", Action::new("noted", "mia", "", "")).await.unwrap();
    }
    let before = log.sink().chain("acme").await;
    let db = &log.sink().db;
    let refused = [
        ("DELETE FROM sealwax_audit", "only grows"),
        ("TRUNCATE sealwax_audit", "only grows"),
        ("UPDATE sealwax_audit SET number = 4 WHERE number = 3", "only grows"),
        ("UPDATE sealwax_audit SET record = record", "only grows"),
        (
            "INSERT INTO sealwax_audit SELECT subject, 5, mac, record FROM sealwax_audit WHERE number = 3",
            "not the next",
        ),
        ("INSERT INTO sealwax_audit SELECT subject, 4, mac, record FROM sealwax_audit WHERE number = 3", "check"),
        ("INSERT INTO sealwax_audit SELECT 'b', 1, mac, record FROM sealwax_audit WHERE number = 1", "check"),
        ("INSERT INTO sealwax_audit SELECT subject, number, mac, record FROM sealwax_audit", "duplicate key"),
        (
            "INSERT INTO sealwax_audit SELECT * FROM sealwax_audit ON CONFLICT (subject, number) DO UPDATE SET mac = ''",
            "only grows",
        ),
        ("INSERT INTO sealwax_audit VALUES ('b', 1, '', 'no JSON')", "json"),
    ];
    for (sql, expected) in refused {
        let error = query(sql).execute(db).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
    assert_eq!(log.sink().chain("acme").await, before);

    // The guarded insert.
    let [first, second, third] = &before[..] else { panic!("three entries") };
    assert_eq!(log.sink().insert(third, Some(&second.mac)).await.unwrap(), Appended::Raced);
    log.append("acme", Action::new("noted", "mia", "", "")).await.unwrap();
    let chain = log.sink().chain("acme").await;
    let other = self::log().await.unwrap();
    let insert = |record, after| other.sink().insert(record, after);
    assert_eq!(insert(second, Some(&first.mac)).await.unwrap(), Appended::Raced);
    assert_eq!(insert(first, None).await.unwrap(), Appended::Done);
    assert_eq!(insert(second, None).await.unwrap(), Appended::Raced);
    assert_eq!(insert(second, Some(&[0; 32])).await.unwrap(), Appended::Raced);
    assert_eq!(insert(third, Some(&first.mac)).await.unwrap(), Appended::Raced);
    assert_eq!(insert(second, Some(&first.mac)).await.unwrap(), Appended::Done);
    assert_eq!(insert(second, Some(&first.mac)).await.unwrap(), Appended::Raced);
    assert_eq!(other.sink().chain("acme").await, chain[..2]);
}

#[tokio::test]
async fn a_chain_whose_first_entry_is_gone_has_its_subject() {
    let Some(log) = log().await else { return };
    for subject in ["initech", "initech", "acme", "acme"] {
        log.append(subject, Action::new("noted", "mia", "", "")).await.unwrap();
    }
    for sql in [
        "ALTER TABLE sealwax_audit DISABLE TRIGGER USER",
        "DELETE FROM sealwax_audit WHERE subject = 'acme' AND number = 1",
    ] {
        query(sql).execute(&log.sink().db).await.unwrap();
    }
    let subjects: Vec<String> = query_scalar(postgres::SUBJECTS).fetch_all(&log.sink().db).await.unwrap();
    assert_eq!(subjects, ["acme", "initech"]);
    let error = verify(log.keys(), "acme", log.sink().chain("acme").await, &[]).unwrap_err();
    assert!(matches!(error, ChainError::Missing { number: 1, .. }), "{error}");
}

/// A driver that leaves the types of the parameters to the server.
#[tokio::test]
async fn the_server_infers_the_types_of_the_statements() {
    let Some(log) = log().await else { return };
    let mut connection = log.sink().db.acquire().await.unwrap();
    let expected = [
        (postgres::LAST, "{text}"),
        (postgres::CHAIN, "{text}"),
        (postgres::SUBJECTS, "{}"),
        (postgres::APPEND, "{text,bigint,bytea,text,bytea}"),
    ];
    for (sql, types) in expected {
        let prepare = format!("PREPARE inferred AS {sql}");
        raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await.unwrap();
        let inferred: String =
            query_scalar("SELECT parameter_types::text FROM pg_prepared_statements WHERE name = 'inferred'")
                .fetch_one(&mut *connection)
                .await
                .unwrap();
        assert_eq!(inferred, types, "{sql}");
        raw_sql("DEALLOCATE inferred").execute(&mut *connection).await.unwrap();
    }
}

/// What a session can set, without being the owner of the table, does not silence or mislead the triggers.
#[tokio::test]
async fn no_setting_of_a_session_gets_past_the_triggers() {
    let Some(log) = log().await else { return };
    log.append("acme", Action::new("noted", "mia", "", "")).await.unwrap();
    let before = log.sink().chain("acme").await;
    let insert = |subject: &str, number: u64| {
        let record = format!(r#"{{"subject":"{subject}","number":{number},"mac":"00"}}"#);
        format!("INSERT INTO public.sealwax_audit VALUES ('{subject}', {number}, '\\x00', '{record}')")
    };
    let settings = [
        "SET session_replication_role = replica",
        "CREATE TEMPORARY TABLE sealwax_audit AS SELECT 'acme' AS subject, 98 AS number",
        "SET search_path = pg_catalog",
        "CREATE SCHEMA other; CREATE TABLE other.sealwax_audit AS SELECT 'acme' AS subject, 98 AS number;
         SET search_path = other, public",
        "CREATE SCHEMA equal; CREATE FUNCTION equal.always(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE OPERATOR equal.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = equal.always);
         SET search_path = equal, pg_catalog, public",
    ];
    for setting in settings {
        let mut connection = log.sink().db.acquire().await.unwrap().detach();
        raw_sql(setting).execute(&mut connection).await.unwrap();
        let refused = [
            (insert("acme", 99), "not the next"),
            ("DELETE FROM public.sealwax_audit".into(), "only grows"),
            ("UPDATE public.sealwax_audit SET record = record".into(), "only grows"),
            ("TRUNCATE public.sealwax_audit".into(), "only grows"),
        ];
        for (sql, expected) in refused {
            let error = raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{setting}: {error}");
        }
        // And the chain of another subject goes on.
        let mut transaction = connection.begin().await.unwrap();
        for number in 1..=3 {
            raw_sql(AssertSqlSafe(insert("initech", number))).execute(&mut *transaction).await.unwrap();
        }
        transaction.rollback().await.unwrap();
    }
    assert_eq!(log.sink().chain("acme").await, before);
}

/// A writer waits for another one's transaction on the same number, and goes on if that is rolled back.
#[tokio::test]
async fn a_writer_waits_for_the_transaction_of_another() {
    let Some(log) = log().await else { return };
    let source = self::log().await.unwrap();
    source.append("acme", Action::new("noted", "mia", "", "")).await.unwrap();
    let first = source.sink().chain("acme").await.remove(0);
    for commits in [false, true] {
        let mut transaction = log.sink().db.begin().await.unwrap();
        let row = query(postgres::APPEND).bind(&first.subject).bind(1_i64).bind(first.mac);
        let row = row.bind(first.to_string()).bind(None::<&[u8]>);
        assert_eq!(row.execute(&mut *transaction).await.unwrap().rows_affected(), 1);
        let other = {
            let (log, first) = (Arc::clone(&log), first.clone());
            tokio::spawn(async move { log.sink().insert(&first, None).await.unwrap() })
        };
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert!(!other.is_finished());
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        let expected = if commits { Appended::Raced } else { Appended::Done };
        let appended = other.await.unwrap();
        assert_eq!(appended, expected);
        if !commits {
            for sql in [
                "ALTER TABLE sealwax_audit DISABLE TRIGGER USER",
                "DELETE FROM sealwax_audit",
                "ALTER TABLE sealwax_audit ENABLE TRIGGER USER",
            ] {
                query(sql).execute(&log.sink().db).await.unwrap();
            }
        }
    }
}
