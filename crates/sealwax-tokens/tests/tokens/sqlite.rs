//! The SQL for SQLite: one statement a change, and of many writers one.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use sealwax_tokens::sql::sqlite;
use sealwax_tokens::{Change, Existing, OldDigest, Record, Salt, State, TokenError, Tokens};
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
            drop(self.write(*change));
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
    let table = Table::new();
    for sql in [sqlite::FIND, sqlite::GET, sqlite::LIST, sqlite::SALTED, sqlite::SWAP, sqlite::PURGE] {
        let plan = table.plan(sql);
        assert!(!plan.contains("SCAN sealwax_tokens\n"), "{plan}");
    }
    assert!(table.plan(sqlite::FIND).contains("previous_lookup=?"));
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
    assert_eq!((purge(u64::MAX >> 2), table.count()), (0, 1));
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
    let (token, id) = table.issue(&old, grant());
    table.issue(&old, grant());
    assert_eq!((under("tokens-2025"), under("tokens-2026"), under("tokens-202")), (2, 0, 0));
    assert!(table.verify(&both, &token, NOW).is_ok());
    assert_eq!((under("tokens-2025"), under("tokens-2026")), (1, 1));
    // The one before counts too, while it has its grace.
    table.write(old.rotate(&table.get(&id), SUBJECT, rotation(NOW, HOUR, None)).unwrap_err()).ok();
}

#[test]
fn a_pepper_is_replaced_as_tokens_are_used() {
    let table = Table::new();
    let (old, both) = (
        under(&line("primary", "tokens-2025", 9)),
        under(&[line("primary", "tokens-2026", 0), line("retired", "tokens-2025", 9)].concat()),
    );
    let (token, record) = issue(&old, grant());
    table.insert(&old, &record);
    assert_eq!(table.verify(&tokens(), &token, NOW), Err(TokenError::Unknown));
    assert_eq!(table.verify(&both, &token, NOW), Ok(State::Active));
    assert_eq!(table.verify(&tokens(), &token, NOW), Ok(State::Active));
}

#[test]
fn a_request_writes_when_five_minutes_are_over() {
    let (table, tokens) = (Table::new(), tokens());
    let (token, record) = issue(&tokens, grant());
    let id = table.insert(&tokens, &record);
    let is_due = |now| table.find(&tokens, &token, now).unwrap().1;
    let note = |now: u64| table.0.execute(sqlite::USED, params![id, now as i64]).unwrap();
    assert!(is_due(NOW));
    assert_eq!((note(NOW), note(NOW), note(NOW + 299)), (1, 0, 0));
    assert!(!is_due(NOW) && !is_due(NOW + 299) && is_due(NOW + 300));
    assert_eq!(note(NOW + 300), 1);
    let rows = |subject: &str| {
        let mut select = table.0.prepare(sqlite::LIST).unwrap();
        let rows = select.query_map([subject], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect::<Vec<(String, i64)>>()
    };
    assert_eq!(rows("tenant/42"), [(record.to_string(), NOW as i64 + 300)]);
    assert_eq!(rows("tenant/43"), []);
}

/// Each with a connection of its own, and all after they have read the same record.
#[test]
fn of_sixty_four_one_redeems_a_token() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("redeem.db");
    drop(fs::remove_file(&file));
    let table = Table::open(&file);
    table.0.execute_batch(sqlite::TABLES).unwrap();
    let (token, record) = issue(&tokens(), grant().single_use());
    table.insert(&tokens(), &record);
    let (won, spent) = (AtomicU32::new(0), AtomicU32::new(0));
    let barrier = std::sync::Barrier::new(64);
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let (table, tokens) = (Table::open(&file), tokens());
                let (record, _) = table.find(&tokens, &token, NOW).unwrap();
                barrier.wait();
                let redemption = tokens.redeem(&token, &record, NOW, "read").unwrap();
                let rows = table.swap(redemption.change());
                let count = match redemption.finish(rows as u64) {
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

/// Rotation, revocation and a first use at once: whoever is first, the row is one of theirs, whole.
#[test]
fn of_several_changes_one_is_written() {
    let (table, tokens) = (Table::new(), tokens());
    let (_, record) = issue(&tokens, grant());
    let id = table.insert(&tokens, &record);
    let changes = [
        tokens.rotate(&record, SUBJECT, rotation(NOW, Duration::ZERO, None)).unwrap().change,
        tokens.revoke(&record, SUBJECT).unwrap(),
        tokens.narrow(&record, SUBJECT, grant().expires(NOW)).unwrap(),
    ];
    let written: Vec<_> = changes.iter().map(|change| table.swap(change)).collect();
    assert_eq!((written, table.get(&id)), (vec![1, 0, 0], changes[0].record.clone()));
}

#[test]
fn salted_tokens_are_found_by_trying_until_they_are_used() {
    let (table, tokens) = (Table::new(), tokens().accept_existing([]));
    let old = |n: u8| format!("old-token-{n}");
    for n in 0..60_u8 {
        let (token, salt) = (old(n), Salt::new(&[n; 16]).unwrap());
        let sha =
            |parts: &[&[u8]]| OldDigest::from(<[u8; 32]>::from(Sha256::digest(parts.concat())));
        let existing = match n % 4 {
            0 => Existing::Plaintext(&token),
            1 => Existing::Sha256(sha(&[token.as_bytes()])),
            2 => Existing::SaltBefore(salt, sha(&[&[n; 16], token.as_bytes()])),
            _ => Existing::SaltAfter(salt, sha(&[token.as_bytes(), &[n; 16]])),
        };
        table.insert(&tokens, &tokens.convert(&existing, grant()).unwrap().record);
    }
    let salted = || {
        let mut select = table.0.prepare(sqlite::SALTED).unwrap();
        let rows = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(|row| row.unwrap().parse().unwrap()).collect::<Vec<Record>>()
    };
    assert_eq!(salted().len(), 30);
    let plan: String = table
        .0
        .query_row(&format!("EXPLAIN QUERY PLAN {}", sqlite::SALTED), [], |row| row.get(3))
        .unwrap();
    assert!(plan.contains("sealwax_tokens_salted"), "{plan}");
    for n in 0..60_u8 {
        let found = table.verify(&tokens, &old(n), NOW);
        assert_eq!(found.is_ok(), n % 4 < 2, "{n}");
        if n % 4 < 2 {
            continue;
        }
        let tried = salted().into_iter().map(|record| tokens.verify(&old(n), &record, NOW, "read"));
        let mut verified: Vec<_> = tried.filter_map(Result::ok).collect();
        assert_eq!(verified.len(), 1);
        assert_eq!(table.swap(&verified.remove(0).change.unwrap()), 1);
        assert_eq!(table.verify(&tokens, &old(n), NOW), Ok(State::Active));
    }
    assert_eq!(salted().len(), 0);
}

#[test]
fn a_row_is_searched_by_what_its_record_has() {
    let (table, tokens) = (Table::new(), tokens());
    let (_, record) = issue(&tokens, grant());
    let (_, other) = issue(&tokens, grant());
    let id = table.insert(&tokens, &record);
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
            "INSERT INTO sealwax_tokens (id, subject, lookup, record) VALUES ('b', 's', '{}', '{record}')",
            record.lookup_key()
        ),
    ];
    for sql in &refused {
        assert!(table.0.execute(sql, []).is_err(), "{sql}");
    }
    assert_eq!(table.get(&id), record);
}
