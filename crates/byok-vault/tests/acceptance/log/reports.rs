//! What `log --verify` reports besides faults: anchors, what they do not cover, and chains under another audit key.

use std::fs;
use std::time::{Duration, Instant};

use sealwax_audit::Anchor;

use super::hand_over::Texts;
use super::{audited, change, entries, with};
use crate::sandbox::{Keys, Sandbox};

const VERIFY: [&str; 2] = ["log", "--verify"];
const ANCHORS: [&str; 3] = ["log", "--verify", "--anchors"];
const RUN: [&str; 7] = ["run", "--tenant", "tenant-1", "--provider", "openai", "--", "true"];

#[test]
fn only_a_chain_that_verifies_gets_an_anchor() {
    let (sandbox, keys) = audited();
    let subjects = |stdout: &str| -> Vec<String> {
        let anchors = stdout.lines().map(|line| line.parse::<Anchor>().unwrap());
        anchors.map(|anchor| format!("{}: {}", anchor.subject, anchor.number)).collect()
    };
    let ran = sandbox.without_keys(&ANCHORS).expect_code(0);
    assert_eq!(
        subjects(&ran.stdout),
        ["tenant tenant-0: 2", "tenant tenant-1: 2", "tenant tenant-2: 2"]
    );
    // The report has another way out.
    ran.expect_in_stderr("6 entries in 3 chains").expect_in_stderr("No entry was altered");

    for (sql, code, says) in [
        (
            "SET record = 'null' WHERE subject = 'tenant tenant-1' AND number = 1",
            12,
            "entry 1 was altered",
        ),
        (
            "SET record = replace(record, 'log-1', 'log-7') WHERE subject = 'tenant tenant-1' AND number = 2",
            12,
            "not under the audit key that the entry before it requires",
        ),
        (
            "SET record = replace(record, 'log-1', 'log-7') WHERE subject = 'tenant tenant-1' AND number = 1",
            11,
            "entry 1 is under the audit key log-7, which is not known",
        ),
    ] {
        let broken = Sandbox::new();
        fs::copy(sandbox.db(), broken.db()).unwrap();
        change(&broken, &format!("UPDATE sealwax_audit {sql}"));
        let ran = broken.without_keys(&ANCHORS).expect_code(code).expect_in_stderr(says);
        assert_eq!(subjects(&ran.stdout), ["tenant tenant-0: 2", "tenant tenant-2: 2"]);
    }
    let ran = with(&sandbox, &keys, None, &ANCHORS).expect_code(3);
    assert_eq!(ran.stdout, "");
    // No anchor is printed of what is not verified.
    sandbox.without_keys(&["log", "--anchors"]).expect_code(2);
    let nobody = [&ANCHORS[..], &["--tenant", "nobody"]].concat();
    assert_eq!(sandbox.without_keys(&nobody).expect_code(1).stdout, "");
}

#[test]
fn it_is_counted_what_no_anchor_covers() {
    let (sandbox, keys) = audited();
    let file = sandbox.path("anchors.txt");
    let anchors = [&VERIFY[..], &["--anchor", file.to_str().unwrap()]].concat();
    let covered = |text: &str| {
        let ran = sandbox.without_keys(&anchors).expect_code(0).expect_in_stdout(text);
        ran.expect_in_stdout(
            "No entry was altered, removed, added or exchanged.\n  next: add new anchors (",
        );
    };
    let first = sandbox.without_keys(&ANCHORS).expect_code(0).stdout;
    fs::write(&file, &first).unwrap();
    covered("\nNot covered by an anchor: 0 entries; without an anchor: 0 chains\n");
    sandbox.vault(&keys, &RUN).expect_code(0);
    sandbox.vault(&keys, &["rotate"]).expect_code(0);
    covered("\nNot covered by an anchor: 3 entries; without an anchor: 1 chain\n");
    // Of two anchors, the later one counts.
    let second = sandbox.without_keys(&ANCHORS).expect_code(0).stdout;
    fs::write(&file, [second, first].concat()).unwrap();
    covered("\nNot covered by an anchor: 0 entries; without an anchor: 0 chains\n");
    // Without anchors, that is all that is said.
    let ran = sandbox.without_keys(&VERIFY).expect_code(0);
    assert!(!ran.stdout.contains("Not covered"));
    ran.expect_in_stdout("next: keep the output of")
        .expect_in_stdout("only with --anchor is it noticed");
}

/// A file of anchors that was begun too early, or that somebody emptied, does not pass for one that proves something.
#[test]
fn a_file_without_anchors_is_refused_until_it_is_begun_again() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, 2);
    let file = sandbox.path("anchors.txt");
    let night = [&VERIFY[..], &["--anchor", file.to_str().unwrap(), "--anchors"]].concat();
    // Nothing was opened yet, so this is what a shell writes to the file.
    let begun = sandbox.without_keys(&ANCHORS).expect_code(1);
    let begun = begun.expect_in_stderr("Nothing was ever opened, or this is not the log\n").stdout;
    assert_eq!(begun, "");
    sandbox.vault(&keys, &["audit"]).expect_code(0);
    for empty in [&begun, "\n", "\r\n \n"] {
        fs::write(&file, empty).unwrap();
        let ran = sandbox.without_keys(&night).expect_code(7);
        assert_eq!(ran.stdout, "", "nothing may be appended that looks like a whole night");
        ran.expect_in_stderr("there is no anchor in the file of --anchor\n")
            .expect_in_stderr("begin it again, without --anchor")
            .expect_in_stderr("Otherwise somebody emptied it");
    }
    fs::write(&file, sandbox.without_keys(&ANCHORS).expect_code(0).stdout).unwrap();
    let ran = sandbox.without_keys(&night).expect_code(0);
    let ran = ran.expect_in_stderr("compared with 2 anchors");
    assert_eq!(ran.stdout, fs::read_to_string(&file).unwrap());
}

/// The README appends the anchors of every night to one file.
#[test]
fn anchors_of_a_year_are_compared_in_seconds() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, 1_000);
    sandbox.vault(&keys, &["audit"]).expect_code(0);
    let night = sandbox.without_keys(&ANCHORS).expect_code(0).stdout;
    let file = sandbox.path("anchors.txt");
    fs::write(&file, night.repeat(365)).unwrap();
    let started = Instant::now();
    sandbox
        .without_keys(&[&VERIFY[..], &["--anchor", file.to_str().unwrap()]].concat())
        .expect_code(0)
        .expect_in_stdout("1,000 entries in 1,000 chains, compared with 365,000 anchors\n");
    let took = started.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn a_chain_that_was_cut_back_to_the_old_key_is_a_finding() {
    let (sandbox, keys) = audited();
    let texts = Texts::new();
    let verify = || with(&sandbox, &keys, Some(&texts.both), &VERIFY);
    let anchors = || with(&sandbox, &keys, Some(&texts.both), &ANCHORS);
    const VERDICT: &str = "\nThese chains end under another audit key than the primary.\n";
    let under_the_old = |stdout: &str| {
        stdout.matches(": it ends under the audit key log-1, and the primary is log-2\n").count()
    };
    let before = verify().expect_code(14);
    assert_eq!(under_the_old(&before.stdout), 3);
    before.expect_in_stdout(VERDICT).expect_in_stdout("run `byok-vault log --hand-over`");
    assert_eq!(anchors().expect_code(14).stdout, "");
    with(&sandbox, &keys, Some(&texts.both), &["log", "--hand-over"]).expect_code(0);
    let after = verify().expect_code(0);
    assert_eq!(under_the_old(&after.stdout), 0);
    assert!(!after.stdout.contains("hand-over"));

    // The thief of the old key goes on where the chain was under it.
    change(&sandbox, "DELETE FROM sealwax_audit WHERE subject = 'tenant tenant-1' AND number > 2");
    sandbox.vault(&keys, &RUN).expect_code(0);
    assert_eq!(entries(&sandbox).len(), 4 + 3 + 4);
    let cut = verify().expect_code(14);
    assert_eq!(under_the_old(&cut.stdout), 1);
    cut.expect_in_stdout("    tenant tenant-1: it ends under the audit key log-1")
        .expect_in_stdout(VERDICT)
        .expect_in_stdout("somebody cut them back with the earlier key");
    let printed = anchors().expect_code(14).stdout;
    assert_eq!(printed.lines().count(), 2);
    assert!(!printed.contains("tenant-1"));
    // What is worse decides about the code, and the chain is listed all the same.
    for (altered, code) in [("audit_key", 11), ("who", 12)] {
        let worse = Sandbox::new();
        fs::copy(sandbox.db(), worse.db()).unwrap();
        for tenant in ["tenant-0", "tenant-2"] {
            let sql = format!(
                "UPDATE sealwax_audit SET record = json_set(record, '$.{altered}', 'log-7')
                 WHERE subject = 'tenant {tenant}' AND number = 1"
            );
            change(&worse, &sql);
            let ran = with(&worse, &keys, Some(&texts.both), &VERIFY).expect_code(code);
            assert_eq!(under_the_old(&ran.stdout), 1);
        }
    }
    with(&sandbox, &keys, Some(&texts.after), &RUN).expect_code(11);
}
