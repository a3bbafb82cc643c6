//! What each command writes into the log.

use std::fs;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use byok_vault::row::{Owner, Place};
use rusqlite::Connection;
use sealwax::{EncryptionContext, Envelope, Secret};
use sealwax_audit::Record;

use super::{audit_keys, audited, change, entries, lines, verified_in_python};
use crate::import::{export, lobechat};
use crate::sandbox::{Change, Keys, Sandbox, credential, owner};

const RUN: [&str; 5] = ["run", "--tenant", "tenant-1", "--provider", "openai"];

fn run<'a>(options: &[&'a str]) -> Vec<&'a str> {
    [&RUN, options, &["--", "true"]].concat()
}

#[test]
fn each_opening_is_recorded_with_who_when_why_and_what() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, 3);
    let time = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let before = time();
    sandbox.vault(&keys, &run(&["--why", "nightly sync"])).expect_code(0);
    let recorded = entries(&sandbox);
    let [record] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!((record.subject.as_str(), record.number), ("tenant tenant-1", 1));
    assert_eq!(record.audit_key.as_ref(), "log-1");
    let entry = &record.entry;
    assert!((before..=time()).contains(&u128::from(entry.time)));
    assert_eq!((entry.action.as_str(), entry.outcome.as_str()), ("run", "opened"));
    assert_eq!(entry.why, "openai: nightly sync");
    assert_eq!(entry.key_id.as_ref().unwrap().as_ref(), "k");
    let envelope: Envelope = sandbox.envelope(1).parse().unwrap();
    assert_eq!(entry.commitment.as_ref(), Some(envelope.commitment()));
    let names =
        [("tenant", "tenant-1"), ("provider", "openai"), ("row", "2"), ("env", "OPENAI_API_KEY")];
    let context = EncryptionContext::new(names).unwrap();
    assert_eq!(entry.context, audit_keys().context_digest(&record.audit_key, &context));
    #[cfg(unix)]
    {
        let uid = rustix::process::geteuid().as_raw();
        assert!(entry.who.ends_with(&format!(" (uid {uid})")), "{}", entry.who);
        assert!(!entry.who.starts_with("unknown"));
    }
    let printed = sandbox.without_keys(&["log"]).expect_code(0);
    assert!(printed.stdout.lines().nth(1).unwrap().ends_with("openai: nightly sync"));
}

/// What a command wrote after its name, and whether it needs the keys of the log.
#[test]
fn every_command_that_decrypts_writes_and_no_other_does() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 2);
    let labelled = ["--tenant", "acme", "--provider", "x-ai", "--label", "staging"];
    let put = [&labelled[..], &["--env", "ACME_KEY"]].concat();
    sandbox.put(&keys.before, &put, credential(7).as_bytes()).expect_code(0);
    let again = [&labelled[..], &["--replace"]].concat();
    sandbox.put(&keys.before, &again, credential(8).as_bytes()).expect_code(0);
    let backup = sandbox.path("backup.db");
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["census"],
        &["census", "--retire", "old"],
        &["rotate", "--dry-run"],
        &["repair", "--trim"],
        &["backup", backup.to_str().unwrap()],
        &["log"],
        &["delete", "--tenant", "tenant-0", "--provider", "openai"],
    ] {
        let ran = sandbox.vault(&keys.both, arguments);
        assert!(ran.code < 2, "{ran:?}");
    }
    assert_eq!(lines(&sandbox), [""; 0]);

    let mut expected = Vec::new();
    let mut says = |arguments: &[&str], code, added: &[&str]| {
        sandbox.vault(&keys.both, arguments).expect_code(code);
        expected.extend(added.iter().map(|line| (*line).to_owned()));
        let mut found = lines(&sandbox);
        let mut sorted = expected.clone();
        // Of one tenant, the entries are in order.
        sorted.sort_by(|a, b| a.split(':').next().cmp(&b.split(':').next()));
        found.sort_by(|a, b| a.split(':').next().cmp(&b.split(':').next()));
        assert_eq!(found, sorted, "{arguments:?}");
    };
    let acme = [&["run"], &labelled[..], &["--why", "a test", "--", "true"]].concat();
    says(&acme, 0, &["tenant acme: run opened x-ai/staging: a test"]);
    let both = ["tenant acme: audit opened x-ai/staging", "tenant tenant-1: audit opened openai"];
    says(&["audit"], 0, &both);
    let verify = both.map(|line| line.replace("audit", "census --verify"));
    says(&["census", "--verify"], 0, &verify.each_ref().map(String::as_str));
    let reseal = both.map(|line| line.replace("audit", "reseal"));
    let reseal = reseal.each_ref().map(String::as_str);
    says(&["reseal", "old", "--dry-run"], 0, &reseal);
    says(&["reseal", "old"], 0, &reseal);
    says(
        &["rotate"],
        0,
        &[
            "vault: rotate started start",
            "vault: rotate complete end: 0 rows rewrapped, 2 already current, 0 failed, 0 overtaken",
        ],
    );
    let wrapped = format!("\"{}\"", sandbox.envelope(1));
    sandbox.overwrite(1, &wrapped);
    let repair = ["tenant tenant-1: repair opened openai"];
    says(&["repair", "--trim", "--dry-run"], 0, &repair);
    says(&["repair", "--trim"], 0, &repair);
    sandbox.overwrite(1, "null");
    says(
        &["rotate"],
        14,
        &[
            "vault: rotate started start",
            "vault: rotate partial end: 0 rows rewrapped, 1 already current, 1 failed, 0 overtaken",
        ],
    );
    // A command that does not start has been given nothing, but the credential was opened for it.
    let missing = [&["run"], &labelled[..], &["--", "no-such-program"]].concat();
    says(&missing, 127, &["tenant acme: run opened x-ai/staging"]);
    // Nothing is opened where there is no row.
    says(&["run", "--tenant", "nobody", "--provider", "openai", "--", "true"], 4, &[]);

    sandbox.without_keys(&["log", "--verify"]).expect_code(0).expect_in_stdout("in 3 chains");
    if let Some(anchors) = verified_in_python(&sandbox) {
        let printed = sandbox.without_keys(&["log", "--verify", "--anchors"]).expect_code(0).stdout;
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        assert_eq!(sorted(&anchors), sorted(&printed));
        assert_eq!(anchors.lines().count(), 3);
    }
}

#[test]
fn an_import_records_its_start_and_its_end_and_the_rows_that_it_compares() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let old = lobechat();
    let file = export(&sandbox, (0..3).map(|n| old.line(n)));
    let mut last = 0;
    let mut said = || {
        let mut entries = entries(&sandbox);
        entries.sort_by_key(|record| record.entry.time);
        let of_vault = |record: &&Record| record.subject == "vault";
        let in_vault = entries.iter().filter(of_vault).skip(last);
        let in_vault: Vec<_> = in_vault
            .map(|record| format!("{}: {}", record.entry.outcome, record.entry.why))
            .collect();
        last += in_vault.len();
        let compared = entries.iter().filter(|record| !of_vault(record));
        assert!(entries.iter().all(|record| record.entry.action == "import"));
        (in_vault, compared.count())
    };
    let counts = |dry: &str, outcome: &str, counts: &str| {
        vec![format!("started: {dry}start"), format!("{outcome}: {dry}end: {counts}")]
    };
    // Without a vault, there is no log.
    old.import(&sandbox, &keys, &[&file, "--dry-run"]).expect_code(0);
    assert!(!sandbox.db().exists());
    old.import(&sandbox, &keys, &[&file]).expect_code(0);
    let first = "3 rows imported, 0 already imported, 0 quarantined, 0 suspicious";
    assert_eq!(said(), (counts("", "complete", first), 0));
    old.import(&sandbox, &keys, &[&file, "--batch-size", "2"]).expect_code(0);
    let again = "0 rows imported, 3 already imported, 0 quarantined, 0 suspicious";
    assert_eq!(said(), (counts("", "complete", again), 3));
    old.import(&sandbox, &keys, &[&file, "--dry-run"]).expect_code(0);
    assert_eq!(said(), (counts("dry run, ", "complete", again), 6));
    // Two lines of a new row: the second is compared with what the first became.
    let twice = export(&sandbox, [old.line(7), old.line(7)]);
    old.import(&sandbox, &keys, &[&twice])
        .expect_code(0)
        .expect_in_stdout("1 row imported, 1 row already imported");
    let one = "1 row imported, 1 already imported, 0 quarantined, 0 suspicious";
    assert_eq!(said(), (counts("", "complete", one), 7));
    let bad = export(&sandbox, [old.line(8).replace("\"tenant\"", "\"customer\"")]);
    old.import(&sandbox, &keys, &[&bad]).expect_code(14);
    let none = "0 rows imported, 0 already imported, 1 quarantined, 0 suspicious";
    assert_eq!(said(), (counts("", "partial", none), 7));
    // Of a file of another kind, nothing is decrypted.
    let drawn = export(&sandbox, ["+----+".to_owned()]);
    old.import(&sandbox, &keys, &[&drawn]).expect_code(7);
    assert_eq!(said(), (Vec::new(), 7));
    sandbox.without_keys(&["log", "--verify"]).expect_code(0);

    // Where the start cannot be recorded, nothing is decrypted.
    change(&sandbox, "UPDATE sealwax_audit SET record = 'null' WHERE subject = 'vault'");
    let file = export(&sandbox, [old.line(9)]);
    for options in [&[file.as_str()][..], &[&file, "--dry-run"]] {
        old.import(&sandbox, &keys, options)
            .expect_code(12)
            .expect_in_stderr("somebody changed the end of the log of the vault");
    }
    assert_eq!(sandbox.assert_rows_open(&keys), 4);
}

#[test]
fn refusals_are_recorded() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 3);
    let whole = sandbox.envelope(1);
    let (front, ciphertext) = whole.rsplit_once(':').unwrap();
    let first = if ciphertext.starts_with('A') { "B" } else { "A" };
    let altered = format!("{front}:{first}{}", ciphertext.get(1..).unwrap());
    let head = whole.replacen("old=A", "old=B", 1);
    let mut last = 0;
    let mut says = |envelope: &str, keys: &Keys, code, outcomes: &[&str]| {
        sandbox.overwrite(1, envelope);
        for command in [&run(&[])[..], &["audit"]] {
            sandbox.vault(keys, command).expect_code(code);
            let all = entries(&sandbox);
            let ours = all.iter().filter(|record| record.subject == "tenant tenant-1");
            let ours: Vec<_> = ours.skip(last).map(|record| &record.entry.outcome).collect();
            assert_eq!(ours, outcomes, "{command:?}");
            last += outcomes.len();
        }
    };
    says(&whole, &keys.before, 0, &["opened"]);
    // The ciphertext is checked last, so there are two entries.
    says(&altered, &keys.before, 12, &["opened", "payload_altered"]);
    says(&sandbox.envelope(2), &keys.before, 12, &["context_mismatch"]);
    says(&head, &keys.before, 12, &["wrong_wrap_kind"]);
    says(&whole, &keys.after, 11, &["unknown_key"]);
    says(&whole, &keys.after.and("disabled", "old"), 11, &["key_disabled"]);
    // What is not an envelope cannot be opened by anybody.
    says("null", &keys.before, 12, &[]);
    sandbox.without_keys(&["log", "--verify"]).expect_code(0);
}

/// While another process writes, nothing is opened. What cannot be opened anyway is reported as what it is.
#[test]
fn a_log_that_cannot_be_written_hides_no_refusal() {
    let keys = Keys::primary("k");
    let [good, moved] = [(); 2].map(|()| Sandbox::new());
    for sandbox in [&good, &moved] {
        sandbox.fill(&keys, 2);
    }
    // Each has the other's envelope.
    let [first, second] = [0, 1].map(|row| moved.envelope(row));
    moved.overwrite(0, &second);
    moved.overwrite(1, &first);
    let audit_while_locked = |sandbox: &Sandbox| {
        let writer = Connection::open(sandbox.db()).unwrap();
        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        sandbox.vault(&keys, &["audit"])
    };
    // At once, because each waits for half a minute.
    let (of_good, of_moved) = thread::scope(|scope| {
        let of_good = scope.spawn(|| audit_while_locked(&good));
        let of_moved = audit_while_locked(&moved);
        (of_good.join().unwrap(), of_moved)
    });
    of_good.expect_code(13).expect_in_stderr("while starting to write: database is locked");
    assert!(!of_moved.expect_code(12).stderr.contains("locked"));
    assert!(entries(&good).is_empty() && entries(&moved).is_empty());
    // With the log, both are recorded.
    moved.vault(&keys, &["audit"]).expect_code(12);
    assert_eq!(entries(&moved).len(), 2);
}

#[test]
fn the_log_stays_when_a_credential_is_deleted_and_is_in_a_backup() {
    let (sandbox, keys) = audited();
    let recorded = entries(&sandbox);
    sandbox
        .vault(&keys, &["delete", "--tenant", "tenant-1", "--provider", "openai"])
        .expect_code(0);
    assert_eq!(entries(&sandbox), recorded);
    let backup = sandbox.path("backup.db");
    sandbox.without_keys(&["backup", backup.to_str().unwrap()]).expect_code(0);
    let restored = Sandbox::new();
    fs::copy(backup, restored.db()).unwrap();
    assert_eq!(entries(&restored), recorded);
    restored.without_keys(&["log", "--verify"]).expect_code(0).expect_in_stdout("6 entries in 3");
    restored.vault(&keys, &["audit"]).expect_code(0);
    assert_eq!(entries(&restored).len(), 8);
}

#[test]
fn the_log_of_one_tenant_is_printed() {
    let (sandbox, _) = audited();
    let ran = sandbox.without_keys(&["log", "--tenant", "tenant-1"]).expect_code(0);
    assert_eq!(ran.stdout.lines().count(), 3);
    assert_eq!(ran.stdout.matches("tenant-1 ").count(), 2);
    let time = ran.stdout.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert!(time.len() == 20 && time.starts_with("20") && time.ends_with('Z'), "{time}");
    let json = sandbox.without_keys(&["log", "--tenant", "tenant-1", "--json"]).expect_code(0);
    assert_eq!(json.stdout.lines().count(), 2);
    let none = sandbox.without_keys(&["log", "--tenant", "tenant"]).expect_code(0);
    assert_eq!(none.stdout.lines().count(), 1);
    let anchors = ["log", "--tenant", "tenant-1", "--verify", "--anchors"];
    let anchors = sandbox.without_keys(&anchors).expect_code(0).stdout;
    assert!(anchors.starts_with("swa1:2:") && anchors.ends_with(":tenant tenant-1\n"), "{anchors}");
    let verify = ["log", "--tenant", "tenant-1", "--verify"];
    sandbox.without_keys(&verify).expect_code(0).expect_in_stdout("2 entries in 1 chain,");
    let verify = ["log", "--tenant", "nobody", "--verify"];
    sandbox.without_keys(&verify).expect_code(1).expect_in_stdout("0 entries in 0 chains");
}

#[test]
fn a_reason_is_bounded_and_holds_no_key() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, 2);
    let long = "x".repeat(201);
    let mut refused = 0;
    for why in [
        "",
        " x",
        "a\nb",
        "a\u{1b}[2J",
        "a\u{202e}b",
        "my swa1_key",
        "SWK1_x",
        "swh1_x",
        "swkt1_x",
        &long,
    ] {
        sandbox
            .vault(&keys, &run(&["--why", why]))
            .expect_code(2)
            .expect_in_stderr("a reason must");
        refused += 1;
    }
    assert_eq!(refused, 10);
    assert_eq!(lines(&sandbox), [""; 0]);
    let longest = "é".repeat(100);
    sandbox.vault(&keys, &run(&["--why", &longest])).expect_code(0);
    assert_eq!(lines(&sandbox), [format!("tenant tenant-1: run opened openai: {longest}")]);
}

/// Whoever can write to the database can write names there that no command accepts.
#[test]
fn no_name_in_the_database_keeps_a_row_from_being_recorded() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let names =
        ["", "vault", " vault", "a\u{1b}[2Jb", &"x".repeat(1_000), "\u{1}".repeat(1_000).as_str()]
            .map(str::to_owned);
    sandbox.fill(&keys, 6);
    let database = Connection::open(sandbox.db()).unwrap();
    for (n, tenant) in (0_i64..).zip(&names) {
        let owner = Owner { tenant: tenant.clone(), provider: names[5].clone(), label: None };
        let place = Place { id: n + 1, owner, env_name: "OPENAI_API_KEY".to_owned() };
        let envelope = place.seal(&keys.keyring(), &Secret::from(credential(0))).unwrap();
        let sql = "UPDATE credentials SET tenant = ?1, provider = ?2, envelope = ?3 WHERE id = ?4";
        assert_eq!(database.execute(sql, (tenant, &names[5], envelope, n + 1)).unwrap(), 1);
    }
    sandbox.vault(&keys, &["audit"]).expect_code(0).expect_in_stdout("6 rows opened");
    let recorded = entries(&sandbox);
    let subjects: Vec<_> = recorded.iter().map(|record| record.subject.as_str()).collect();
    assert_eq!(subjects, ["tenant vault", "vault", "vault", "vault", "vault", "vault"]);
    // The reason names the tenant that has no chain, escaped and bounded, and leaves room for the provider.
    let provider = "\\u{1}".repeat(40);
    let whys: Vec<_> = recorded.iter().map(|record| record.entry.why.as_str()).collect();
    let in_the_vault = |tenant: &str| format!("tenant {tenant}: {provider}");
    assert_eq!(
        whys,
        [
            provider.clone(),
            in_the_vault(""),
            in_the_vault(" vault"),
            in_the_vault("a\\u{1b}[2Jb"),
            in_the_vault(&"x".repeat(200)),
            in_the_vault(&provider),
        ]
    );
    sandbox.without_keys(&["log", "--verify"]).expect_code(0);
    sandbox.without_keys(&["log", "--verify", "--tenant", "vault"]).expect_code(0);
    let printed = sandbox.without_keys(&["log"]).expect_code(0).stdout;
    assert!(!printed.contains('\u{1b}') && !printed.contains('\u{1}'));
    assert_eq!(owner(1).tenant, "tenant-1");
}
