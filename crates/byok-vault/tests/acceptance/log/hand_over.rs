//! A new key for the log: each chain ends under the old key and goes on under the new one, when the operator says so.

use std::collections::BTreeMap;

use super::{audited, change, entries, with};
use crate::sandbox::{Keys, Sandbox, audit_key, credential, new_audit_key};

const VERIFY: [&str; 2] = ["log", "--verify"];
const HAND_OVER: [&str; 2] = ["log", "--hand-over"];

fn run(tenant: &str) -> [&str; 7] {
    ["run", "--tenant", tenant, "--provider", "openai", "--", "true"]
}

/// The texts of the audit keys before, during and after a change from `log-1` to `log-2`.
pub(super) struct Texts {
    /// The new key is retired.
    prepared: String,
    /// The old key is retired. An auditor keeps this text.
    pub(super) both: String,
    /// The old key is gone.
    pub(super) after: String,
}

impl Texts {
    pub(super) fn new() -> Self {
        let (old, after) = (audit_key(), new_audit_key("primary", "log-2"));
        let retired = |line: &str| line.replace("primary", "retired");
        let (prepared, both) =
            (format!("{old}{}", retired(&after)), format!("{after}{}", retired(old)));
        Self { prepared, both, after }
    }
}

/// Returns the audit key and the action of each entry, by subject.
fn chains(sandbox: &Sandbox) -> BTreeMap<String, Vec<String>> {
    let mut chains: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in entries(sandbox) {
        let of_chain = chains.entry(record.subject).or_default();
        of_chain.push(format!("{} {}", record.audit_key, record.entry.action));
    }
    chains
}

#[test]
fn a_key_is_changed_while_two_processes_work() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, 4);
    let texts = Texts::new();
    let opens =
        |audit: &str, tenant| with(&sandbox, &keys, Some(audit), &run(tenant)).expect_code(0);
    for tenant in ["tenant-0", "tenant-1", "tenant-2"] {
        opens(audit_key(), tenant);
    }
    // Its chain stays, without a row.
    let gone = ["--tenant", "tenant-2", "--provider", "openai"];
    sandbox.vault(&keys, &[&["delete"], &gone[..]].concat()).expect_code(0);
    sandbox.vault(&keys, &["rotate"]).expect_code(0);

    // First every process gets the new key, then each of them makes it the primary: one earlier than the other.
    opens(&texts.prepared, "tenant-1");
    for _ in 0..2 {
        opens(&texts.both, "tenant-1");
        opens(&texts.prepared, "tenant-1");
    }
    // A chain stays under its key, whichever primary a process has. A new one is under the primary.
    assert_eq!(chains(&sandbox)["tenant tenant-1"], ["log-1 run"; 6]);
    opens(&texts.both, "tenant-3");
    opens(&texts.prepared, "tenant-3");
    assert_eq!(chains(&sandbox)["tenant tenant-3"], ["log-2 run"; 2]);

    let hand_over = || with(&sandbox, &keys, Some(&texts.both), &HAND_OVER).expect_code(0);
    hand_over().expect_in_stdout("4 chains handed over to log-2, 1 chain already there\n");
    let handed_over = entries(&sandbox);
    hand_over()
        .expect_in_stdout("0 chains handed over to log-2, 5 chains already there\n")
        .expect_in_stdout("take the other audit keys away from all of them");
    assert_eq!(entries(&sandbox), handed_over);
    let ends = ["log-1 swa1/end", "log-2 swa1/begin"];
    assert_eq!(chains(&sandbox)["tenant tenant-0"], [&["log-1 run"], &ends[..]].concat());
    assert_eq!(chains(&sandbox)["tenant tenant-3"], ["log-2 run"; 2]);
    assert_eq!(chains(&sandbox)["vault"], [&["log-1 rotate"; 2], &ends[..]].concat());

    // The services have the new key alone.
    for tenant in ["tenant-0", "tenant-1", "tenant-3"] {
        opens(&texts.after, tenant);
    }
    sandbox.put(&keys, &gone, credential(2).as_bytes()).expect_code(0);
    opens(&texts.after, "tenant-2");
    for command in ["rotate", "audit"] {
        with(&sandbox, &keys, Some(&texts.after), &[command]).expect_code(0);
    }
    let chains = chains(&sandbox);
    assert_eq!(chains.len(), 5);
    assert!(chains.values().all(|chain| chain.last().unwrap().starts_with("log-2 ")), "{chains:?}");
    with(&sandbox, &keys, Some(&texts.both), &VERIFY)
        .expect_code(0)
        .expect_in_stdout("in 5 chains");
    // Either key alone does not verify what is under the other.
    for alone in [audit_key(), &texts.after] {
        with(&sandbox, &keys, Some(alone), &VERIFY)
            .expect_code(11)
            .expect_in_stdout("which is not known")
            .expect_in_stdout("These chains were not checked.")
            .expect_in_stdout("if you never had that key, somebody changed the log");
    }
    // Another key under the same id is not the key that wrote the log.
    let other = new_audit_key("primary", "log-1");
    let other = format!("{other}{}", texts.after.replace("primary", "retired"));
    with(&sandbox, &keys, Some(&other), &VERIFY)
        .expect_code(12)
        .expect_in_stdout("tenant tenant-0: entry 1 was altered");
}

#[test]
fn without_the_key_of_a_chain_nothing_is_opened() {
    let (sandbox, keys) = audited();
    let texts = Texts::new();
    let refused = |arguments: &[&str], code| {
        with(&sandbox, &keys, Some(&texts.after), arguments).expect_code(code)
    };
    refused(&run("tenant-1"), 11)
        .expect_in_stderr("the chain is under the audit key log-1, which is not known")
        .expect_in_stderr("as `retired ID swa1_...`");
    refused(&HAND_OVER, 14)
        .expect_in_stdout(
            "0 chains handed over to log-2, 0 chains already there\n3 chains not handed over\n",
        )
        .expect_in_stdout(
            "    tenant tenant-2: cannot append to the log: the chain is under the audit key log-1",
        )
        .expect_in_stdout("as `retired ID swa1_...`, and run the same command again");
    assert_eq!(entries(&sandbox).len(), 6);
}

#[test]
fn a_chain_that_cannot_be_handed_over_stops_no_other() {
    let (sandbox, keys) = audited();
    let of_1 = "subject = 'tenant tenant-1' AND number = 2";
    change(&sandbox, &format!("UPDATE sealwax_audit SET record = 'null' WHERE {of_1}"));
    let texts = Texts::new();
    let hand_over = |arguments: &[&str]| {
        with(&sandbox, &keys, Some(&texts.both), &[&HAND_OVER, arguments].concat())
    };
    hand_over(&["--tenant", "tenant-0"]).expect_code(0).expect_in_stdout("1 chain handed over");
    hand_over(&[])
        .expect_code(14)
        .expect_in_stdout(
            "1 chain handed over to log-2, 1 chain already there\n1 chain not handed over\n",
        )
        .expect_in_stdout(
            "    tenant tenant-1: somebody changed the end of the log of the tenant tenant-1\n",
        )
        .expect_in_stdout("log --verify");
    hand_over(&["--tenant", "tenant-2"]).expect_code(0).expect_in_stdout("1 chain already there");
    // With nothing to hand over, this may not be the log.
    hand_over(&["--tenant", "nobody"]).expect_code(1).expect_in_stdout("check --db");
    for conflict in ["--verify", "--json"] {
        hand_over(&[conflict]).expect_code(2);
    }
}
