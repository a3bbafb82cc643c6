//! The SQL for SQLite: one statement a change, and of many writers one.

use std::fs;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use sealwax_tokens::sql::sqlite;
use sealwax_tokens::{
    Change, ChangeError, Existing, Grant, Issued, OldDigest, Raced, Record, Salt, State,
    TokenError, Tokens,
};
use sha2::{Digest, Sha256};

use crate::given::{NOW, SUBJECT, grant, issue, line, rotation, shown, tokens, under};

struct Table(Connection);

impl Table {
    fn open(file: &PathBuf) -> Self {
        let database = Connection::open(file).unwrap();
        database.busy_timeout(Duration::from_secs(60)).unwrap();
        Self(database)
    }

    fn new() -> Self {
        let table = Self(Connection::open_in_memory().unwrap());
        for _ in 0..2 {
            table.0.execute_batch(sqlite::TABLES).unwrap();
        }
        table
    }

    fn insert(&self, issued: &Issued) -> String {
        self.0.execute(sqlite::INSERT, issued.parameters()).unwrap();
        issued.claims.id.to_string()
    }

    /// Issues a token, and takes it out.
    fn issue(&self, tokens: &Tokens, grant: Grant) -> (String, String) {
        let issued = tokens.issue(grant).unwrap();
        let id = self.insert(&issued);
        (shown(issued.token), id)
    }

    fn convert(&self, tokens: &Tokens, existing: &Existing<'_>) -> String {
        let converted = tokens.convert(existing, grant()).unwrap();
        self.0.execute(sqlite::INSERT, converted.parameters()).unwrap();
        converted.claims.id.to_string()
    }

    fn find(&self, tokens: &Tokens, token: &str, now: u64) -> Result<(Record, bool), TokenError> {
        let by = tokens.lookup_keys(token)?.parameters(now);
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
        let found = self.0.query_row(sqlite::FIND, by, row).optional().unwrap();
        let (record, is_due) = found.ok_or(TokenError::Unknown)?;
        Ok((record.parse()?, is_due))
    }

    fn write<T>(&self, change: Change<T>) -> Result<T, Raced> {
        let rows = self.0.execute(sqlite::SWAP, change.parameters()).unwrap();
        change.finish(rows == 1)
    }

    fn verify(&self, tokens: &Tokens, token: &str, now: u64) -> Result<State, TokenError> {
        let (record, _) = self.find(tokens, token, now)?;
        let verified = tokens.verify(token, &record, now, "read")?;
        if let Some(change) = verified.change {
            // If somebody else is first, there is nothing to do.
            let (Ok(()) | Err(_)) = self.write(*change);
        }
        Ok(verified.claims.state)
    }

    fn get(&self, id: &str) -> Record {
        self.0.query_row(sqlite::GET, [id], |row| row.get::<_, String>(0)).unwrap().parse().unwrap()
    }

    fn rotate(&self, tokens: &Tokens, id: &str, now: u64, grace: Duration) -> String {
        let change = tokens.rotate(&self.get(id), SUBJECT, rotation(now, grace, None)).unwrap();
        shown(self.write(change).unwrap().token)
    }

    fn salted(&self) -> Vec<String> {
        let mut select = self.0.prepare(sqlite::SALTED).unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn count(&self) -> u32 {
        self.0.query_row("SELECT count(*) FROM sealwax_tokens", [], |row| row.get(0)).unwrap()
    }

    /// Returns how SQLite executes a statement.
    fn plan(&self, sql: &str) -> String {
        let mut explain = self.0.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        for n in 1..=explain.parameter_count() {
            explain.raw_bind_parameter(n, "[]").unwrap();
        }
        let (mut rows, mut plan) = (explain.raw_query(), String::new());
        while let Some(row) = rows.next().unwrap() {
            plan += &row.get::<_, String>(3).unwrap();
            plan += "\n";
        }
        plan
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_token_lives_in_the_table() {
    let (table, tokens) = (Table::new(), tokens());
    let (token, id) = table.issue(&tokens, grant());
    let record = table.get(&id);
    assert_eq!(table.verify(&tokens, &token, NOW), Ok(State::Active));
    assert_eq!(table.verify(&tokens, &issue(&tokens, grant()).0, NOW), Err(TokenError::Unknown));

    // Rotated: both are valid, until the new one is used.
    let seen = table.get(&id);
    let rotate = || tokens.rotate(&seen, SUBJECT, rotation(NOW, HOUR, None)).unwrap();
    let new = shown(table.write(rotate()).unwrap().token);
    assert!(table.write(rotate()).is_err(), "the record is another one by now");
    assert_eq!(table.verify(&tokens, &token, NOW + 3599), Ok(State::Replaced));
    assert_eq!(table.verify(&tokens, &token, NOW + 3600), Err(TokenError::Expired));
    // Nobody received the new one: it is rotated again, and the old one keeps its grace.
    let newer = table.rotate(&tokens, &id, NOW + 9, Duration::from_secs(1));
    assert_eq!(table.verify(&tokens, &new, NOW), Err(TokenError::Unknown));
    assert_eq!(table.verify(&tokens, &token, NOW + 3599), Ok(State::Replaced));
    assert_eq!(table.verify(&tokens, &newer, NOW), Ok(State::Successor));
    assert_eq!(table.verify(&tokens, &newer, NOW), Ok(State::Active));
    assert_eq!(table.verify(&tokens, &token, NOW), Err(TokenError::Unknown));

    // A change by somebody who saw an older record changes nothing.
    assert!(table.write(tokens.revoke(&record, SUBJECT).unwrap()).is_err());
    assert_eq!(table.verify(&tokens, &newer, NOW), Ok(State::Active));
    // Rotated again without a grace before it was used: both end.
    let leaked = table.rotate(&tokens, &id, NOW, HOUR);
    let newest = table.rotate(&tokens, &id, NOW, Duration::ZERO);
    for ended in [&newer, &leaked] {
        assert_eq!(table.verify(&tokens, ended, NOW), Err(TokenError::Unknown));
    }
    // Revoked: the one that was rotated out ends too.
    assert_eq!(table.verify(&tokens, &newest, NOW), Ok(State::Successor));
    let last = table.rotate(&tokens, &id, NOW, HOUR);
    assert_eq!(table.verify(&tokens, &newest, NOW), Ok(State::Replaced));
    let revoked = table.write(tokens.revoke(&table.get(&id), SUBJECT).unwrap()).unwrap();
    assert_eq!(revoked.state, State::Revoked);
    assert_eq!(table.verify(&tokens, &newest, NOW), Err(TokenError::Unknown));
    assert_eq!(table.verify(&tokens, &last, NOW), Err(TokenError::Revoked));
    assert_eq!(table.0.execute(sqlite::DELETE, [&id]).unwrap(), 1);
}

/// Somebody finds a token that leaked during its grace: its text leads to the row, whose record is revoked.
#[test]
fn one_that_was_rotated_out_is_revoked_through_its_row() {
    let (table, tokens) = (Table::new(), tokens());
    let (leaked, id) = table.issue(&tokens, grant());
    table.rotate(&tokens, &id, NOW, HOUR);
    let (found, _) = table.find(&tokens, &leaked, NOW).unwrap();
    assert_eq!(tokens.revoke(&found, SUBJECT).unwrap_err(), ChangeError::Replaced);
    let row = table.get(&tokens.inspect(&found).unwrap().id.to_string());
    assert!(table.write(tokens.revoke(&row, SUBJECT).unwrap()).is_ok());
    assert_eq!(table.verify(&tokens, &leaked, NOW), Err(TokenError::Unknown));
}

/// Both searches use an index for each key, so they cost the same in a large table.
#[test]
fn requests_use_indexes() {
    let (table, tokens) = (Table::new(), tokens());
    let uses_indexes = || {
        for sql in
            [sqlite::FIND, sqlite::GET, sqlite::LIST, sqlite::SALTED, sqlite::SWAP, sqlite::PURGE]
        {
            let plan = table.plan(sql);
            assert!(!plan.contains("SCAN sealwax_tokens\n"), "{plan}");
        }
        assert!(table.plan(sqlite::FIND).contains("previous_lookup=?"));
    };
    uses_indexes();
    // SQLite counts what the indexes have, once without a token that was rotated out, and once with one.
    table.0.execute_batch("BEGIN").unwrap();
    for _ in 0..2000 {
        table.issue(&tokens, grant());
    }
    table.0.execute_batch("COMMIT; ANALYZE").unwrap();
    uses_indexes();
    let (_, id) = table.issue(&tokens, grant());
    table.rotate(&tokens, &id, NOW, HOUR);
    table.0.execute_batch("ANALYZE").unwrap();
    uses_indexes();
}

/// Ids and subjects are beside the record. Whoever exchanges them gains nothing, and the owner is told.
#[test]
fn a_row_is_changed_for_its_own_id_and_subject_alone() {
    let (table, tokens) = (Table::new(), tokens());
    let (_, ours) = table.issue(&tokens, grant());
    let (_, also_ours) = table.issue(&tokens, grant());
    let (_, theirs) = table.issue(&tokens, Grant::new("tenant/43", ["read"]).unwrap());
    let records = [&ours, &also_ours, &theirs].map(|id| table.get(id));
    let rename = |from: &str, to: &str| {
        let sql = "UPDATE sealwax_tokens SET id = ?2, subject = ?3 WHERE id = ?1";
        assert_eq!(table.0.execute(sql, [from, to, SUBJECT]).unwrap(), 1);
    };
    // Each of the three gets the id of the next one.
    for (from, to) in [(&ours, "1"), (&also_ours, "2"), (&theirs, "3")] {
        rename(from, to);
    }
    for (from, to) in [("1", &also_ours), ("2", &theirs), ("3", &ours)] {
        rename(from, to);
    }
    let other = tokens.revoke(&table.get(&ours), SUBJECT).unwrap_err();
    assert_eq!(other, ChangeError::OtherSubject);
    let raced = table.write(tokens.revoke(&table.get(&also_ours), SUBJECT).unwrap());
    assert!(raced.is_err(), "the row with this id has another record");
    let after = [&also_ours, &theirs, &ours].map(|id| table.get(id));
    assert_eq!(after, records);
}

#[test]
fn expired_tokens_are_purged() {
    let (table, tokens) = (Table::new(), tokens());
    let purge = |now: u64| table.0.execute(sqlite::PURGE, [now.to_string()]).unwrap();
    table.issue(&tokens, grant());
    table.issue(&tokens, grant().single_use().expires(NOW));
    let (_, id) = table.issue(&tokens, grant().expires(NOW + 99));
    // The old one is valid for longer than the new one, which is rotated once more.
    let shorter = |grace| {
        let rotation = rotation(NOW, Duration::from_secs(grace), Some(NOW + 5));
        table.write(tokens.rotate(&table.get(&id), SUBJECT, rotation).unwrap()).unwrap()
    };
    drop(shorter(50));
    drop(shorter(1));
    assert_eq!((purge(NOW - 1), table.count()), (0, 3));
    assert_eq!((purge(NOW), table.count()), (1, 2));
    assert_eq!((purge(NOW + 49), table.count()), (0, 2));
    assert_eq!((purge(NOW + 50), table.count()), (1, 1));
    table.issue(&tokens, grant().expires(NOW));
    assert_eq!((purge(NOW * 1000), purge(u64::MAX), table.count()), (0, 0, 2));
    assert_eq!((purge(100_000_000_000), table.count()), (1, 1));
}

#[test]
fn the_tokens_under_a_pepper_are_counted() {
    let table = Table::new();
    let old = under(&line("primary", "tokens-2025", 9));
    let both =
        under(&[line("primary", "tokens-2026", 0), line("retired", "tokens-2025", 9)].concat());
    let under = |pepper: &str| -> u32 {
        table.0.query_row(sqlite::UNDER, [pepper], |row| row.get(0)).unwrap()
    };
    let (token, _) = table.issue(&old, grant());
    let (_, id) = table.issue(&old, grant());
    assert_eq!((under("tokens-2025"), under("tokens-2026"), under("tokens-202")), (2, 0, 0));
    assert!(table.verify(&both, &token, NOW).is_ok());
    assert_eq!((under("tokens-2025"), under("tokens-2026")), (1, 1));
    // One that was rotated out counts too, while it has its grace.
    table.rotate(&both, &id, NOW, HOUR);
    assert_eq!((under("tokens-2025"), under("tokens-2026")), (1, 2));
}

#[test]
fn a_pepper_is_replaced_as_tokens_are_used() {
    let table = Table::new();
    let (old, both) = (
        under(&line("primary", "tokens-2025", 9)),
        under(&[line("primary", "tokens-2026", 0), line("retired", "tokens-2025", 9)].concat()),
    );
    let (token, _) = table.issue(&old, grant());
    assert_eq!(table.verify(&tokens(), &token, NOW), Err(TokenError::Unknown));
    assert_eq!(table.verify(&both, &token, NOW), Ok(State::Active));
    assert_eq!(table.verify(&tokens(), &token, NOW), Ok(State::Active));
}

#[test]
fn a_request_writes_when_five_minutes_are_over() {
    let (table, tokens) = (Table::new(), tokens());
    let (token, id) = table.issue(&tokens, grant());
    let is_due = |now| table.find(&tokens, &token, now).unwrap().1;
    let note = |now: u64| table.0.execute(sqlite::USED, [&id, &now.to_string()]).unwrap();
    assert!(is_due(NOW));
    assert_eq!((note(NOW), note(NOW), note(NOW + 299)), (1, 0, 0));
    assert!(!is_due(NOW) && !is_due(NOW + 299) && is_due(NOW + 300));
    assert_eq!(note(NOW + 300), 1);
    let rows = |subject: &str| {
        let mut select = table.0.prepare(sqlite::LIST).unwrap();
        let rows = select.query_map([subject], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect::<Vec<(String, i64)>>()
    };
    assert_eq!(rows(SUBJECT), [(table.get(&id).to_string(), NOW as i64 + 300)]);
    assert_eq!(rows("tenant/43"), []);
}

/// Opens a file with a table in it, which every thread opens for itself.
fn file(name: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(fs::remove_file(&file));
    Table::open(&file).0.execute_batch(sqlite::TABLES).unwrap();
    file
}

/// Each with a connection of its own, and all after they have read the same record.
#[test]
fn of_sixty_four_one_redeems_a_token() {
    let file = file("redeem.db");
    let table = Table::open(&file);
    let (token, _) = table.issue(&tokens(), grant().single_use());
    let (won, spent) = (AtomicU32::new(0), AtomicU32::new(0));
    let barrier = Barrier::new(64);
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let (table, tokens) = (Table::open(&file), tokens());
                let (record, _) = table.find(&tokens, &token, NOW).unwrap();
                barrier.wait();
                let redemption = tokens.redeem(&token, &record, NOW, "read").unwrap();
                let count = match table.write(redemption).map_err(TokenError::from) {
                    Ok(claims) => (claims.grant == grant().single_use()).then_some(&won),
                    Err(error) => (error == TokenError::Spent).then_some(&spent),
                };
                count.unwrap().fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!((won.into_inner(), spent.into_inner()), (1, 63));
    let (record, _) = table.find(&tokens(), &token, NOW).unwrap();
    assert_eq!(tokens().redeem(&token, &record, NOW, "read").unwrap_err(), TokenError::Spent);
}

/// A revocation, two rotations and the first use of a token that was rotated in, at once and by connections of their own.
/// One is first, and the row is what it wrote, whole.
#[test]
fn of_several_changes_one_is_written() {
    let file = file("changes.db");
    let table = Table::open(&file);
    for round in 0..16 {
        let (_, id) = table.issue(&tokens(), grant());
        let new = table.rotate(&tokens(), &id, NOW, HOUR);
        let seen = table.get(&id);
        let rotate = || {
            let change = tokens().rotate(&seen, SUBJECT, rotation(NOW, HOUR, None)).unwrap();
            (change.record.clone(), change.parameters())
        };
        let first_use = tokens().verify(&new, &seen, NOW, "read").unwrap().change.unwrap();
        let revoke = tokens().revoke(&seen, SUBJECT).unwrap();
        let changes = [
            (revoke.record.clone(), revoke.parameters()),
            rotate(),
            rotate(),
            (first_use.record.clone(), first_use.parameters()),
        ];
        let barrier = Barrier::new(changes.len());
        let written: Vec<Record> = thread::scope(|scope| {
            let threads = changes.map(|(record, parameters)| {
                let (file, barrier) = (&file, &barrier);
                scope.spawn(move || {
                    let table = Table::open(file);
                    barrier.wait();
                    let rows = table.0.execute(sqlite::SWAP, parameters).unwrap();
                    (rows == 1).then_some(record)
                })
            });
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(written, [table.get(&id)], "round {round}");
    }
}

#[test]
fn salted_tokens_are_found_by_trying_until_they_are_used() {
    let (table, tokens) = (Table::new(), tokens().accept_existing([]));
    let old = |n: u8| format!("old-token-{n}");
    for n in 0..60_u8 {
        let (token, salt) = (old(n), Salt::new(&[n; 16]).unwrap());
        let existing = match n % 4 {
            0 => Existing::Plaintext(&token),
            1 => Existing::Sha256(sha256(&[token.as_bytes()])),
            2 => Existing::SaltBefore(salt, sha256(&[&[n; 16], token.as_bytes()])),
            _ => Existing::SaltAfter(salt, sha256(&[token.as_bytes(), &[n; 16]])),
        };
        table.convert(&tokens, &existing);
    }
    assert_eq!(table.salted().len(), 30);
    let plan = table.plan(sqlite::SALTED);
    let indexes = ["sealwax_tokens_salted", "sealwax_tokens_previous_salted"];
    assert!(indexes.iter().all(|index| plan.contains(index)), "{plan}");
    for n in 0..60_u8 {
        let found = table.verify(&tokens, &old(n), NOW);
        assert_eq!(found.is_ok(), n % 4 < 2, "{n}");
        if n % 4 < 2 {
            continue;
        }
        let record = tokens.search(&old(n), table.salted()).unwrap();
        let verified = tokens.verify(&old(n), &record, NOW, "read").unwrap();
        table.write(*verified.change.unwrap()).unwrap();
        assert_eq!(table.verify(&tokens, &old(n), NOW), Ok(State::Active));
    }
    assert_eq!(table.salted().len(), 0);
}

/// A service converts its table, and rotates everybody with a grace: nobody is locked out.
#[test]
fn a_salted_token_that_was_rotated_out_keeps_its_grace() {
    let (table, tokens) = (Table::new(), tokens().accept_existing([]));
    let salted = |token: &str| {
        let salt = Salt::new(token.as_bytes()).unwrap();
        Existing::SaltAfter(salt, sha256(&[token.as_bytes(), token.as_bytes()]))
    };
    let [rotated, revoked, kept] =
        ["tok_1", "tok_2", "tok_3"].map(|token| table.convert(&tokens, &salted(token)));
    let new = table.rotate(&tokens, &rotated, NOW, HOUR);
    table.write(tokens.revoke(&table.get(&revoked), SUBJECT).unwrap()).unwrap();
    let verify = |token: &str, now| {
        let record = tokens.search(token, table.salted())?;
        tokens.verify(token, &record, now, "read").map(|verified| verified.claims.id.to_string())
    };
    assert_eq!(verify("tok_1", NOW + 3599), Ok(rotated));
    assert_eq!(verify("tok_1", NOW + 3600), Err(TokenError::Expired));
    assert_eq!(verify("tok_3", NOW), Ok(kept));
    // What ended is no longer tried.
    assert_eq!(verify("tok_2", NOW), Err(TokenError::Unknown));
    assert_eq!(table.salted().len(), 2);
    assert!(table.verify(&tokens, &new, NOW).is_ok());
    assert_eq!(table.salted().len(), 1);
}

fn sha256(parts: &[&[u8]]) -> OldDigest {
    OldDigest::from(<[u8; 32]>::from(Sha256::digest(parts.concat())))
}

#[test]
fn a_row_is_searched_by_what_its_record_has() {
    let (table, tokens) = (Table::new(), tokens());
    let (_, other) = issue(&tokens, grant());
    let (_, id) = table.issue(&tokens, grant());
    let record = table.get(&id);
    let refused = [
        format!("UPDATE sealwax_tokens SET lookup = '{}'", other.lookup_key()),
        format!("UPDATE sealwax_tokens SET record = '{other}'"),
        "UPDATE sealwax_tokens SET lookup = ''".into(),
        format!("UPDATE sealwax_tokens SET previous = '{other}'"),
        format!("UPDATE sealwax_tokens SET previous_lookup = '{}'", other.lookup_key()),
        format!(
            "UPDATE sealwax_tokens SET previous = '{other}', previous_lookup = '{}'",
            record.lookup_key()
        ),
        format!(
            "INSERT INTO sealwax_tokens (id, subject, lookup, record, expires) VALUES ('b', 's', '{}', '{record}', 1)",
            record.lookup_key()
        ),
    ];
    for sql in &refused {
        assert!(table.0.execute(sql, []).is_err(), "{sql}");
    }
    assert_eq!(table.get(&id), record);
}
