//! Whoever can write to the database cannot change the log unnoticed.

use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use super::{audited, change, entries};
use crate::sandbox::{Ran, Sandbox};

fn verify(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.without_keys(&[&["log", "--verify"], arguments].concat())
}

/// Overwrites an entry with another record, and with columns that fit it.
fn overwrite(sandbox: &Sandbox, subject: &str, number: u64, record: &str) {
    let quoted = |text: &str| text.replace('\'', "''");
    change(
        sandbox,
        &format!(
            "UPDATE sealwax_audit SET record = '{}' WHERE subject = '{subject}' AND number = {number};
             UPDATE OR IGNORE sealwax_audit SET subject = record ->> 'subject',
                 number = record ->> 'number', mac = unhex(record ->> 'mac')
             WHERE json_valid(record)",
            quoted(record)
        ),
    );
}

#[test]
fn every_field_of_every_entry_is_covered() {
    let (whole, _) = audited();
    verify(&whole, &[])
        .expect_code(0)
        .expect_in_stdout("6 entries in 3 chains, compared with 0 anchors\n")
        .expect_in_stdout("No entry was altered, removed, added or exchanged.")
        .expect_in_stdout("log --verify --anchors");
    let database = fs::read(whole.db()).unwrap();
    let (mut noticed, mut fields) = (0, 0);
    for record in entries(&whole) {
        let line: Value = serde_json::from_str(&record.to_string()).unwrap();
        let object = line.as_object().unwrap();
        fields = object.len();
        for (field, value) in object {
            let other = match value {
                Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
                Value::Null => "k".into(),
                Value::String(text) if text.len() == 64 => {
                    let first = if text.starts_with('0') { "1" } else { "0" };
                    format!("{first}{}", text.get(1..).unwrap()).into()
                }
                Value::String(text) => format!("{text}x").into(),
                _ => panic!("{field}"),
            };
            let mut altered = object.clone();
            altered[field] = other;
            let sandbox = Sandbox::new();
            fs::write(sandbox.db(), &database).unwrap();
            let altered = Value::Object(altered).to_string();
            overwrite(&sandbox, &record.subject, record.number, &altered);
            let ran = verify(&sandbox, &[]);
            assert!(ran.code == 12 || (ran.code, field.as_str()) == (11, "audit_key"), "{ran:#?}");
            let named = format!("    {}: entry ", record.subject);
            assert!(ran.stdout.contains(&named) || field == "subject", "{field}: {ran:#?}");
            noticed += 1;
        }
    }
    assert_eq!((noticed, fields), (6 * 12, 12));
}

#[test]
fn what_is_removed_added_or_exchanged_is_named() {
    let (whole, keys) = audited();
    whole.vault(&keys, &["audit"]).expect_code(0);
    let database = fs::read(whole.db()).unwrap();
    let anchors = whole.path("anchors.txt");
    let anchors = anchors.to_str().unwrap();
    fs::write(anchors, whole.without_keys(&["log", "--verify", "--anchors"]).expect_code(0).stdout)
        .unwrap();
    verify(&whole, &["--anchor", anchors]).expect_code(0).expect_in_stdout("with 3 anchors\n");

    let delete = |which: &str| format!("DELETE FROM sealwax_audit WHERE {which}");
    let of_1 = "subject = 'tenant tenant-1'";
    // Each change, what is reported without anchors, and what is reported with them.
    let changes = [
        (delete(&format!("{of_1} AND number = 1")), Some("tenant-1: entry 1 is missing"), None),
        (delete(&format!("{of_1} AND number = 2")), Some("tenant-1: entry 2 is missing"), None),
        (
            delete(&format!("{of_1} AND number = 3")),
            None,
            Some("tenant-1: entry 3 and those after it were cut off"),
        ),
        (delete(of_1), None, Some("tenant-1: entry 1 and those after it were cut off")),
        (delete("1"), None, Some("tenant-2: entry 1 and those after it were cut off")),
        (
            format!(
                "UPDATE sealwax_audit SET number = 9 WHERE {of_1} AND number = 2;
                 UPDATE sealwax_audit SET number = 2 WHERE {of_1} AND number = 3;
                 UPDATE sealwax_audit SET number = 3 WHERE {of_1} AND number = 9"
            ),
            Some("tenant-1: entry 2 was altered"),
            None,
        ),
        (
            format!(
                "INSERT INTO sealwax_audit SELECT subject, 4, mac, record FROM sealwax_audit
                 WHERE {of_1} AND number = 3"
            ),
            Some("tenant-1: entry 4 was altered"),
            None,
        ),
        (
            "UPDATE sealwax_audit SET (mac, record) = (
                 SELECT mac, record FROM sealwax_audit AS other
                 WHERE other.subject = 'tenant tenant-0' AND other.number = sealwax_audit.number
             ) WHERE subject = 'tenant tenant-1'"
                .to_owned(),
            Some("tenant-1: entry 1 was altered"),
            None,
        ),
        (
            format!("UPDATE sealwax_audit SET record = 'null' WHERE {of_1} AND number = 3"),
            Some("tenant-1: entry 3 was altered"),
            None,
        ),
        (
            format!("UPDATE sealwax_audit SET record = x'ff' || '}}' WHERE {of_1} AND number = 2"),
            Some("tenant-1: entry 2 was altered"),
            None,
        ),
        (
            format!("UPDATE sealwax_audit SET mac = zeroblob(32) WHERE {of_1} AND number = 3"),
            Some("tenant-1: entry 3 was altered"),
            None,
        ),
    ];
    let mut noticed = 0;
    for (sql, alone, anchored) in changes {
        let sandbox = Sandbox::new();
        fs::write(sandbox.db(), &database).unwrap();
        change(&sandbox, &sql);
        let ran = verify(&sandbox, &[]);
        match alone {
            Some(says) => {
                let ran = ran.expect_code(12).expect_in_stdout(says);
                assert_eq!(ran.stdout.matches("    tenant ").count(), 1, "{ran:#?}");
                ran.expect_in_stdout("Somebody changed the log.");
                verify(&sandbox, &["--tenant", "tenant-1"]).expect_code(12);
                verify(&sandbox, &["--tenant", "tenant-0"]).expect_code(0);
            }
            // What no chain shows, only an anchor does.
            None => assert!(ran.code < 2, "{ran:#?}"),
        }
        let says = anchored.or(alone).unwrap();
        verify(&sandbox, &["--anchor", anchors]).expect_code(12).expect_in_stdout(says);
        // The log is printed all the same.
        sandbox.without_keys(&["log"]).expect_code(0);
        sandbox.without_keys(&["log", "--json"]).expect_code(0);
        noticed += 1;
    }
    assert_eq!(noticed, 11);
}

#[test]
fn an_anchor_is_refused_unless_it_is_one() {
    let (sandbox, _) = audited();
    let file = sandbox.path("anchors.txt");
    let path = file.to_str().unwrap();
    let whole = sandbox.without_keys(&["log", "--verify", "--anchors"]).expect_code(0).stdout;
    for (text, line) in [
        (format!("\n{whole}"), 1),
        (format!("{whole}\n"), 4),
        (whole.replacen("swa1:", "swa2:", 1), 1),
        (whole.replacen("tenant tenant-2", "", 1), 3),
    ] {
        fs::write(&file, text).unwrap();
        let says = format!("line {line} of the file of --anchor is invalid");
        verify(&sandbox, &["--anchor", path]).expect_code(7).expect_in_stderr(&says);
    }
    fs::write(&file, whole.replace('\n', "\r\n")).unwrap();
    verify(&sandbox, &["--anchor", path]).expect_code(0).expect_in_stdout("with 3 anchors");
    let one = ["--anchor", path, "--tenant", "tenant-1"];
    verify(&sandbox, &one).expect_code(0).expect_in_stdout("with 1 anchor\n");
    verify(&sandbox, &["--anchor", "/nonexistent"]).expect_code(7);
    sandbox.without_keys(&["log", "--anchor", path]).expect_code(2);
}

#[test]
fn the_table_only_grows() {
    let (sandbox, keys) = audited();
    let database = Connection::open(sandbox.db()).unwrap();
    let recorded = entries(&sandbox);
    let mut refused = 0;
    for sql in [
        "UPDATE sealwax_audit SET record = record",
        "DELETE FROM sealwax_audit",
        "DELETE FROM sealwax_audit WHERE number = 2",
        "INSERT INTO sealwax_audit SELECT subject, 7, mac, record FROM sealwax_audit WHERE number = 2",
    ] {
        assert!(database.execute(sql, []).is_err(), "{sql}");
        refused += 1;
    }
    assert_eq!(refused, 4);
    let replace = "INSERT OR REPLACE INTO sealwax_audit SELECT * FROM sealwax_audit";
    let _ = database.execute(replace, []);
    assert_eq!(entries(&sandbox), recorded);
    // Without a trigger, it is no vault.
    database.execute("DROP TRIGGER sealwax_audit_undeleted", []).unwrap();
    for arguments in [&["audit"][..], &["log"], &["log", "--hand-over"], &["list"]] {
        sandbox
            .vault(&keys, arguments)
            .expect_code(13)
            .expect_in_stderr("or lacks one of its own")
            .expect_in_stderr("log --verify");
    }
}

/// Returns SQL that makes a comment of the statement that keeps an entry from being replaced.
fn commented_out(sandbox: &Sandbox) -> String {
    let database = Connection::open(sandbox.db()).unwrap();
    let sql = "SELECT sql FROM sqlite_schema WHERE name = 'sealwax_audit_next'";
    let trigger: String = database.query_row(sql, [], |row| row.get(0)).unwrap();
    let lines: Vec<_> = trigger.lines().map(str::trim).collect();
    let comment = lines.iter().position(|line| line.starts_with("--")).unwrap();
    assert!(lines[comment + 1].starts_with("SELECT RAISE(IGNORE)"));
    let (before, after) = lines.split_at(comment + 1);
    let attack = [&before.join("\n"), " ", &after.join("\n")].concat();
    format!("DROP TRIGGER sealwax_audit_next; {attack}")
}

#[test]
fn a_trigger_is_known_by_its_lines() {
    let (sandbox, keys) = audited();
    let database = Connection::open(sandbox.db()).unwrap();
    let replace = "INSERT OR REPLACE INTO sealwax_audit
        SELECT subject, number, mac, json_set(record, '$.why', 'x') FROM sealwax_audit";
    let replaced = || -> i64 {
        let sql = "SELECT count(*) FROM sealwax_audit WHERE record ->> 'why' = 'x'";
        database.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    // Only the indentation may differ.
    let sql = "SELECT sql FROM sqlite_schema WHERE name = 'sealwax_audit_next'";
    let trigger: String = database.query_row(sql, [], |row| row.get(0)).unwrap();
    let indented = trigger.replace('\n', " \r\n\t\t");
    database.execute_batch(&format!("DROP TRIGGER sealwax_audit_next; {indented}")).unwrap();
    database.execute(replace, []).unwrap();
    assert_eq!(replaced(), 0);
    sandbox.vault(&keys, &["audit"]).expect_code(0);
    // Without the statement, entries are replaced.
    database.execute_batch(&commented_out(&sandbox)).unwrap();
    database.execute(replace, []).unwrap();
    assert_eq!(replaced(), 9);
    sandbox.vault(&keys, &["audit"]).expect_code(13).expect_in_stderr("log --verify");
}

#[test]
fn an_auditor_verifies_a_log_whose_triggers_were_changed() {
    let (whole, _) = audited();
    const DIFFER: &str = "The tables and triggers of the vault are not those of a new one:\n";
    let intact = verify(&whole, &[]).expect_code(0);
    assert!(!intact.stdout.contains(DIFFER));
    let mut found = 0;
    for (sql, says) in [
        (
            "DROP TRIGGER sealwax_audit_undeleted",
            "    the trigger sealwax_audit_undeleted is missing\n",
        ),
        (
            "CREATE TRIGGER \"a\u{1b}[2J\" AFTER INSERT ON sealwax_audit BEGIN SELECT 1; END",
            "    the trigger a\\u{1b}[2J is not the vault's own\n",
        ),
        (
            "DROP VIEW sealwax_audit_entries; CREATE VIEW sealwax_audit_entries AS SELECT 1",
            "    the view sealwax_audit_entries was changed\n",
        ),
        (&commented_out(&whole), "    the trigger sealwax_audit_next was changed\n"),
    ] {
        let sandbox = Sandbox::new();
        fs::copy(whole.db(), sandbox.db()).unwrap();
        Connection::open(sandbox.db()).unwrap().execute_batch(sql).unwrap();
        let ran = verify(&sandbox, &[]).expect_code(12).expect_in_stdout(DIFFER);
        assert_eq!(ran.stdout.matches("\n    ").count(), 1, "{ran:#?}");
        ran.expect_in_stdout(says).expect_in_stdout("No entry was altered");
        let ran = verify(&sandbox, &["--anchors"]).expect_code(12).expect_in_stderr(says);
        assert_eq!(ran.stdout.lines().count(), 3);
        found += 1;
    }
    assert_eq!(found, 4);
    // What was deleted without the trigger is found all the same.
    let database = Connection::open(whole.db()).unwrap();
    let sql = "DROP TRIGGER sealwax_audit_undeleted; DELETE FROM sealwax_audit WHERE number = 1";
    database.execute_batch(sql).unwrap();
    verify(&whole, &[])
        .expect_code(12)
        .expect_in_stdout("tenant-1: entry 1 is missing")
        .expect_in_stdout("sealwax_audit_undeleted is missing");
    database.execute_batch("DROP TABLE sealwax_audit").unwrap();
    verify(&whole, &[]).expect_code(12).expect_in_stdout("the table sealwax_audit is missing");
}

/// Whoever changed the table may have changed its types and columns. That is reported, whatever can be read then.
#[test]
fn an_auditor_verifies_a_log_whose_table_was_changed() {
    let (whole, _) = audited();
    for (column, value, says) in [
        ("mac", "hex(mac)", "tenant-1: entry 1 was altered"),
        ("number", "'x' || number", "tenant-1: entry 0 was altered"),
    ] {
        let sandbox = Sandbox::new();
        fs::copy(whole.db(), sandbox.db()).unwrap();
        let database = Connection::open(sandbox.db()).unwrap();
        let sql = format!(
            "CREATE TABLE kept AS SELECT * FROM sealwax_audit; DROP TABLE sealwax_audit;
             CREATE TABLE sealwax_audit (subject, number, mac, record);
             INSERT INTO sealwax_audit SELECT * FROM kept; DROP TABLE kept;
             UPDATE sealwax_audit SET {column} = {value}"
        );
        database.execute_batch(&sql).unwrap();
        verify(&sandbox, &[])
            .expect_code(12)
            .expect_in_stdout(says)
            .expect_in_stdout("the table sealwax_audit was changed");
        let sql = format!("ALTER TABLE sealwax_audit RENAME COLUMN {column} TO other");
        database.execute_batch("DROP VIEW sealwax_audit_entries").unwrap();
        database.execute_batch(&sql).unwrap();
        verify(&sandbox, &[])
            .expect_code(13)
            .expect_in_stdout("the table sealwax_audit was changed");
    }
}
