//! A chain that cannot go on concerns its own tenant, and nobody else.

use std::fs;

use rusqlite::Connection;

use super::{audited, change, with};
use crate::import::{export, lobechat};
use crate::sandbox::{Change, Sandbox, new_audit_key};

const CHANGED: &str = "not opened, because somebody changed the log of the tenant";

fn run<'a>(tenant: &'a str, command: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--tenant", tenant, "--provider", "openai", "--"], command].concat()
}

#[test]
fn only_the_rows_of_its_tenant_stay_closed() {
    let (whole, keys) = audited();
    let of_1 = "WHERE subject = 'tenant tenant-1' AND number = 2";
    let junk = |record: &str| {
        format!(
            "INSERT INTO sealwax_audit SELECT subject, 3, mac, {record} FROM sealwax_audit {of_1}"
        )
    };
    // Each change, and how `run` and `audit` report it.
    let changes = [
        (format!("UPDATE sealwax_audit SET record = 'null' {of_1}"), CHANGED, 12),
        (format!("UPDATE sealwax_audit SET mac = zeroblob(32) {of_1}"), CHANGED, 12),
        (junk("'junk'"), CHANGED, 12),
        (junk("record"), CHANGED, 12),
        (
            junk("replace(replace(record, 'log-1', 'log-7'), '\"number\":2', '\"number\":3')"),
            "not opened, because the audit key of the tenant's log is not known",
            11,
        ),
    ];
    let mut noticed = 0;
    for (sql, kind, code) in changes {
        let sandbox = Sandbox::new();
        fs::copy(whole.db(), sandbox.db()).unwrap();
        change(&sandbox, &sql);
        let touched = sandbox.path("touched");
        sandbox
            .vault(&keys, &run("tenant-1", &["touch", touched.to_str().unwrap()]))
            .expect_code(code)
            .expect_in_stderr("row 2 (tenant tenant-1, provider openai) cannot be opened: ");
        assert!(!touched.exists());
        let run = run("tenant-0", &["true"]);
        sandbox.vault(&keys, &run).expect_code(0);
        for command in [&["audit"][..], &["census", "--verify"]] {
            sandbox
                .vault(&keys, command)
                .expect_code(code)
                .expect_in_stdout(&format!("1 row faulty: {kind}\n    row 2 (tenant tenant-1, "));
        }
        sandbox.vault(&keys, &["audit"]).expect_code(code).expect_in_stdout("2 rows opened\n");
        let recorded = sandbox.without_keys(&["log", "--json"]).expect_code(0).stdout;
        let of = |n| recorded.matches(&format!("\"subject\":\"tenant tenant-{n}\"")).count();
        assert_eq!((of(0), of(2)), (2 + 4, 2 + 3));
        assert!(of(1) <= 3, "nothing is appended to a chain that somebody changed");
        noticed += 1;
    }
    assert_eq!(noticed, 5);
}

#[test]
fn the_commands_on_all_rows_go_on_with_the_others() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 3);
    sandbox.vault(&keys.before, &["audit"]).expect_code(0);
    change(&sandbox, "UPDATE sealwax_audit SET record = 'null' WHERE subject = 'tenant tenant-1'");
    let (says, row) = (format!("1 row left untouched: {CHANGED}\n"), sandbox.envelope(1));
    sandbox
        .vault(&keys.both, &["reseal", "old"])
        .expect_code(14)
        .expect_in_stdout("2 rows resealed")
        .expect_in_stdout(&says);
    assert_eq!(sandbox.envelope(1), row);
    for n in 0..3 {
        sandbox.overwrite(n, &format!("'{}'", sandbox.envelope(n)));
    }
    sandbox
        .vault(&keys.both, &["repair", "--trim"])
        .expect_code(14)
        .expect_in_stdout("2 rows repaired")
        .expect_in_stdout(&says);
    sandbox.overwrite(1, &row);
    let old = lobechat();
    let file = export(&sandbox, (0..4).map(|n| old.line(n)));
    old.import(&sandbox, &keys.both, &[&file])
        .expect_code(14)
        .expect_in_stdout("1 row imported, 2 rows already imported, 1 row quarantined")
        .expect_in_stdout("somebody changed the end of the log of the tenant tenant-1");
}

#[test]
fn a_broken_chain_of_the_vault_stops_no_tenant() {
    let (sandbox, keys) = audited();
    sandbox.vault(&keys, &["rotate"]).expect_code(0);
    change(&sandbox, "UPDATE sealwax_audit SET record = 'null' WHERE subject = 'vault'");
    sandbox.vault(&keys, &run("tenant-1", &["true"])).expect_code(0);
    sandbox.vault(&keys, &["audit"]).expect_code(0).expect_in_stdout("3 rows opened");
    // What would be recorded there is not done.
    sandbox
        .vault(&keys, &["rotate"])
        .expect_code(12)
        .expect_in_stderr("somebody changed the end of the log of the vault")
        .expect_in_stderr("log --verify");
}

#[test]
fn a_rows_own_fault_comes_first() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 3);
    sandbox.vault(&keys.before, &["audit"]).expect_code(0);
    change(&sandbox, "UPDATE sealwax_audit SET record = 'null' WHERE subject = 'tenant tenant-1'");
    let run = run("tenant-1", &["true"]);
    sandbox.vault(&keys.after, &run).expect_code(11).expect_in_stderr("`retired ID swk1_...`");
    sandbox
        .vault(&keys.after, &["audit"])
        .expect_code(11)
        .expect_in_stdout("3 rows faulty: key not in the keyring");
    // Also if the audit key is not that of the log.
    let other = new_audit_key("primary", "log-2");
    with(&sandbox, &keys.after, Some(&other), &run)
        .expect_code(11)
        .expect_in_stderr("`retired ID swk1_...`");
}

/// Runs the statement of the README that deletes a chain, with this condition.
fn delete_as_in_the_readme(sandbox: &Sandbox, condition: &str) {
    let readme = include_str!("../../../README.md");
    let statement = readme.split("sqlite3 vault.db \"").nth(1).unwrap().split('"').next().unwrap();
    let of_acme = "subject = 'tenant acme'";
    assert_eq!(statement.matches(of_acme).count(), 1);
    let database = Connection::open(sandbox.db()).unwrap();
    database.execute_batch(&statement.replace(of_acme, condition)).unwrap();
}

#[test]
fn the_owner_can_delete_a_chain_or_its_end() {
    let (sandbox, keys) = audited();
    let of_1 = "subject = 'tenant tenant-1'";
    change(
        &sandbox,
        &format!(
            "INSERT INTO sealwax_audit SELECT subject, 3, mac, 'junk' FROM sealwax_audit
             WHERE {of_1} AND number = 2"
        ),
    );
    let verify = ["log", "--verify"];
    let run = run("tenant-1", &["true"]);
    sandbox.without_keys(&verify).expect_code(12).expect_in_stdout("tenant-1: entry 3 was altered");
    sandbox.vault(&keys, &run).expect_code(12);
    delete_as_in_the_readme(&sandbox, &format!("{of_1} AND number > 2"));
    sandbox.without_keys(&verify).expect_code(0).expect_in_stdout("6 entries in 3 chains");
    sandbox.vault(&keys, &run).expect_code(0);
    delete_as_in_the_readme(&sandbox, of_1);
    sandbox.without_keys(&verify).expect_code(0).expect_in_stdout("4 entries in 2 chains");
    sandbox.vault(&keys, &run).expect_code(0);
    sandbox.without_keys(&verify).expect_code(0).expect_in_stdout("5 entries in 3 chains");
}
