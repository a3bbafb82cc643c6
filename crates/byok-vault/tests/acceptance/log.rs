//! The log has an entry for whatever was opened, and shows it if somebody changes one.

mod broken_ends;
mod changes;
mod entries;
mod hand_over;
mod keys;
mod reports;

use std::fs;
use std::process::Command;

use rusqlite::Connection;
use sealwax_audit::{AuditKeys, Record};

use crate::sandbox::{Keys, Ran, Sandbox, audit_key};

/// Returns the entries of the log.
pub(crate) fn entries(sandbox: &Sandbox) -> Vec<Record> {
    let printed = sandbox.without_keys(&["log", "--json"]).expect_code(0);
    printed.stdout.lines().map(|line| line.parse().unwrap()).collect()
}

/// Returns subject, action, outcome and reason of each entry.
fn lines(sandbox: &Sandbox) -> Vec<String> {
    let line = |Record { subject, entry, .. }: Record| {
        format!("{subject}: {} {} {}", entry.action, entry.outcome, entry.why)
    };
    entries(sandbox).into_iter().map(line).collect()
}

fn audit_keys() -> AuditKeys {
    audit_key().parse().unwrap()
}

/// Runs a command with these audit keys, or without.
#[track_caller]
fn with(sandbox: &Sandbox, keys: &Keys, audit: Option<&str>, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command(Some(keys), arguments);
    match audit {
        Some(audit) => command.env("SEALWAX_AUDIT_KEY", audit),
        None => command.env_remove("SEALWAX_AUDIT_KEY"),
    };
    sandbox.finish(command, b"")
}

/// Changes the log as the owner of the file can, who has no audit key.
pub(crate) fn change(sandbox: &Sandbox, sql: &str) {
    let database = Connection::open(sandbox.db()).unwrap();
    let mut triggers =
        database.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").unwrap();
    let triggers: Vec<(String, String)> = triggers
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(triggers.len(), 3);
    database.pragma_update(None, "ignore_check_constraints", true).unwrap();
    for (name, _) in &triggers {
        database.execute(&format!("DROP TRIGGER {name}"), []).unwrap();
    }
    database.execute_batch(sql).unwrap();
    for (_, sql) in &triggers {
        database.execute(sql, []).unwrap();
    }
}

/// Lets the verifier in Python check the log, and returns the anchors that it prints.
fn verified_in_python(sandbox: &Sandbox) -> Option<String> {
    let (keys, log) = (sandbox.path("audit.txt"), sandbox.path("log.jsonl"));
    fs::write(&keys, audit_key()).unwrap();
    fs::write(&log, sandbox.without_keys(&["log", "--json"]).expect_code(0).stdout).unwrap();
    let verifier = concat!(env!("CARGO_MANIFEST_DIR"), "/../sealwax-audit/verify.py");
    let Ok(output) = Command::new("python3").arg(verifier).args([keys, log]).output() else {
        println!("skipped: no python3 on this machine");
        return None;
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// A vault with three rows, each of which an audit has opened twice.
fn audited() -> (Sandbox, Keys) {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, 3);
    for _ in 0..2 {
        sandbox.vault(&keys, &["audit"]).expect_code(0);
    }
    assert_eq!(entries(&sandbox).len(), 6);
    (sandbox, keys)
}
