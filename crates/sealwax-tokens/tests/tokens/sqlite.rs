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

use crate::given::{NOW, grant, issue, line, shown, tokens, under};

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

    fn insert(&self, tokens: &Tokens, record: &Record) -> String {
        let claims = tokens.inspect(record).unwrap();
        let (id, lookup) = (claims.id.to_string(), record.lookup_key().to_string());
        let row = params![id, claims.grant.subject(), lookup, record.to_string()];
        self.0.execute(sqlite::INSERT, row).unwrap();
        id
    }

    fn find(&self, tokens: &Tokens, token: &str, now: u64) -> Result<(Record, bool), TokenError> {
        for key in tokens.lookup_keys(token)? {
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
            let found = self.0.query_row(sqlite::FIND, params![key.as_ref(), now as i64], row);
            if let Some((record, is_due)) = found.optional().unwrap() {
                return Ok((record.parse()?, is_due));
            }
        }
        Err(TokenError::Unknown)
    }

    fn swap(&self, change: &Change) -> usize {
        self.0.execute(sqlite::SWAP, change.parameters()).unwrap()
    }

    fn verify(&self, tokens: &Tokens, token: &str, now: u64) -> Result<State, TokenError> {
        let (record, _) = self.find(tokens, token, now)?;
        let verified = tokens.verify(token, &record, now, "read")?;
        if let Some(change) = verified.change {
            self.swap(&change);
        }
        Ok(verified.claims.state)
    }

    fn get(&self, id: &str) -> Record {
        self.0.query_row(sqlite::GET, [id], |row| row.get::<_, String>(0)).unwrap().parse().unwrap()
    }
}

#[test]
fn a_token_lives_in_the_table() {
    let (table, tokens) = (Table::new(), tokens());
    let (token, record) = issue(&tokens, grant());
    let id = table.insert(&tokens, &record);
    assert_eq!(table.verify(&tokens, &token, NOW), Ok(State::Active));
    assert_eq!(table.verify(&tokens, &issue(&tokens, grant()).0, NOW), Err(TokenError::Unknown));

    // Rotated: both are valid, until the new one is used.
    let hour = Duration::from_secs(3600);
    let rotated = tokens.rotate(&table.get(&id), NOW, hour, None).unwrap();
    assert_eq!((table.swap(&rotated.change), table.swap(&rotated.change)), (1, 0));
    let new = shown(rotated.token);
    assert_eq!(table.verify(&tokens, &token, NOW + 3599), Ok(State::Replaced));
    assert_eq!(table.verify(&tokens, &token, NOW + 3600), Err(TokenError::Expired));
    // Nobody received the new one: it is rotated again, and the old one keeps its grace.
    let again = tokens.rotate(&table.get(&id), NOW + 9, Duration::ZERO, None).unwrap();
    assert_eq!(table.swap(&again.change), 1);
    assert_eq!(table.verify(&tokens, &new, NOW), Err(TokenError::Unknown));
    assert_eq!(table.verify(&tokens, &token, NOW + 3599), Ok(State::Replaced));
    let new = shown(again.token);
    assert_eq!(table.verify(&tokens, &new, NOW), Ok(State::Successor));
    assert_eq!(table.verify(&tokens, &new, NOW), Ok(State::Active));
    assert_eq!(table.verify(&tokens, &token, NOW), Err(TokenError::Unknown));

    // A change by somebody who saw an older record changes nothing.
    assert_eq!(table.swap(&tokens.revoke(&record).unwrap()), 0);
    assert_eq!(table.verify(&tokens, &new, NOW), Ok(State::Active));
    // Revoked: the one that was rotated out ends too.
    let rotated = tokens.rotate(&table.get(&id), NOW, hour, None).unwrap();
    assert_eq!(table.swap(&rotated.change), 1);
    assert_eq!(table.verify(&tokens, &new, NOW), Ok(State::Replaced));
    assert_eq!(table.swap(&tokens.revoke(&table.get(&id)).unwrap()), 1);
    assert_eq!(table.verify(&tokens, &new, NOW), Err(TokenError::Unknown));
    assert_eq!(table.verify(&tokens, &shown(rotated.token), NOW), Err(TokenError::Revoked));
    assert_eq!(table.0.execute(sqlite::DELETE, [&id]).unwrap(), 1);
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
        tokens.rotate(&record, NOW, Duration::ZERO, None).unwrap().change,
        tokens.revoke(&record).unwrap(),
        tokens.narrow(&record, grant().expires(NOW)).unwrap(),
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
