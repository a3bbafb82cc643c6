//! `reseal` after a key has leaked.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use byok_vault::row::Place;
use rusqlite::Connection;
use sealwax::{Envelope, Secret};
use serde_json::{Value, json};

use crate::sandbox::{Key, Keys, Sandbox, audit_key, credential, owner, searched};

/// The keyrings of a leak of the key `bad`.
struct Leak {
    /// Before it was known.
    before: Keys,
    /// Of the job that reseals.
    job: Keys,
    /// Of every other process.
    service: Keys,
}

impl Leak {
    fn new() -> Self {
        let (bad, new, escrow) = (Key::new(), Key::new(), Key::new());
        let good = [("primary", "new", &new), ("escrow", "dr", &escrow)];
        Self {
            before: Keys::new(&[("primary", "bad", &bad)]),
            job: Keys::new(&[good[0], good[1], ("retired", "bad", &bad)]),
            service: Keys::new(&good).and("leaked", "bad"),
        }
    }
}

fn listed(sandbox: &Sandbox) -> Vec<Value> {
    let text = fs::read_to_string(sandbox.path("vault.db.untrusted.jsonl")).unwrap();
    // A killed run may leave its last line unfinished. The next run lists those rows again.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn listed_rows(sandbox: &Sandbox) -> BTreeSet<u64> {
    listed(sandbox).iter().map(|line| line["row"].as_u64().unwrap()).collect()
}

#[test]
fn the_rows_under_a_leaked_key_are_sealed_again_and_listed() {
    let (sandbox, keys) = (Sandbox::new(), Leak::new());
    sandbox.fill(&keys.before, 5);
    let replaced = sandbox.seal(&keys.job, 3, &credential(3));
    let old: Envelope = sandbox.envelope(0).parse().unwrap();
    sandbox.vault(&keys.service, &["audit"]).expect_code(11).expect_in_stdout("4 rows faulty");

    sandbox
        .vault(&keys.job, &["reseal", "bad", "--dry-run"])
        .expect_code(0)
        .expect_in_stdout("4 rows would be resealed, 1 row not wrapped for bad\n")
        .expect_in_stdout("4 rows not to be trusted");
    assert_eq!(sandbox.envelope(0), old.to_string());
    assert!(!sandbox.path("vault.db.untrusted.jsonl").exists());

    let ran = sandbox.vault(&keys.job, &["reseal", "bad"]).expect_code(0);
    for text in [
        "4 rows resealed, 1 row not wrapped for bad\n",
        "4 rows not to be trusted: other people may have read the credential, or written it\n",
        "    row 5 (tenant tenant-4, provider openai): OPENAI_API_KEY\n",
        "replace each credential at its provider",
        "vault.db.untrusted.jsonl lists these rows",
        "Write `leaked bad` into the keyring",
    ] {
        assert!(ran.stdout.contains(text), "no {text:?} in {ran:#?}");
    }
    assert_eq!(ran.stdout.matches("    row ").count(), 4);

    assert_eq!(sandbox.assert_rows_open(&keys.service), 5);
    assert_eq!(sandbox.current(&keys.service), 5);
    assert_eq!(sandbox.envelope(3), replaced, "a row without the key is left");
    // A fresh data key: everything that depends on it is different.
    let new: Envelope = sandbox.envelope(0).parse().unwrap();
    assert_ne!(new.commitment(), old.commitment());
    assert_ne!(new.ciphertext(), old.ciphertext());
    assert_eq!(listed_rows(&sandbox), BTreeSet::from([1, 2, 3, 5]));
    let first = json!({"row": 1, "tenant": "tenant-0", "provider": "openai", "label": null,
                       "variable": "OPENAI_API_KEY", "revision": 1, "leaked_key": "bad"});
    assert_eq!(listed(&sandbox)[0], first);
    let row = "SELECT revision, created_at, updated_at FROM credentials WHERE id = 1";
    let database = Connection::open(sandbox.db()).unwrap();
    let columns = database.query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    assert_eq!(columns.unwrap(), (1, 0, 0), "the credential is the same");

    sandbox
        .vault(&keys.job, &["reseal", "bad"])
        .expect_code(0)
        .expect_in_stdout("0 rows resealed, 5 rows not wrapped for bad\n");
    assert_eq!(listed(&sandbox).len(), 4);
}

#[cfg(unix)]
#[test]
fn the_list_is_private_and_an_unfinished_line_is_ended() {
    use std::os::unix::fs::PermissionsExt;

    let (sandbox, keys) = (Sandbox::new(), Leak::new());
    sandbox.fill(&keys.before, 1);
    let path = sandbox.path("vault.db.untrusted.jsonl");
    sandbox.vault(&keys.job, &["reseal", "bad"]).expect_code(0);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let whole = fs::read_to_string(&path).unwrap();
    let torn = format!("{whole}{}", whole.get(..20).unwrap());
    fs::write(&path, &torn).unwrap();
    sandbox.seal(&keys.before, 0, &credential(0));
    sandbox.vault(&keys.job, &["reseal", "bad"]).expect_code(0);
    assert!(fs::read_to_string(&path).unwrap() == format!("{torn}\n{whole}"));
}

#[cfg(unix)]
#[test]
fn a_list_that_somebody_else_may_have_put_there_is_refused() {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    let (sandbox, keys) = (Sandbox::new(), Leak::new());
    sandbox.fill(&keys.before, 2);
    let before: Vec<_> = (0..2).map(|n| sandbox.envelope(n)).collect();
    let (list, other) = (sandbox.path("vault.db.untrusted.jsonl"), sandbox.path("other"));
    fs::write(&other, "theirs").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = || {
        sandbox
            .vault(&keys.job, &["reseal", "bad"])
            .expect_code(7)
            .expect_in_stderr("vault.db.untrusted.jsonl is a link, is not a file")
            .expect_in_stderr("find out who put it there");
        assert!(fs::read_to_string(&other).unwrap() == "theirs");
        let after: Vec<_> = (0..2).map(|n| sandbox.envelope(n)).collect();
        assert!(before == after, "a row was written");
    };
    symlink(&other, &list).unwrap();
    refused();
    fs::remove_file(&list).unwrap();
    symlink(sandbox.path("missing"), &list).unwrap();
    refused();
    assert!(!sandbox.path("missing").exists());
    fs::remove_file(&list).unwrap();
    fs::hard_link(&other, &list).unwrap();
    refused();
    fs::remove_file(&list).unwrap();
    fs::create_dir(&list).unwrap();
    refused();
    fs::remove_dir(&list).unwrap();
    assert!(Command::new("mkfifo").arg(&list).status().unwrap().success());
    refused();
    fs::remove_file(&list).unwrap();
    for mode in [0o620, 0o602] {
        fs::write(&list, "").unwrap();
        fs::set_permissions(&list, fs::Permissions::from_mode(mode)).unwrap();
        refused();
    }
    fs::set_permissions(&list, fs::Permissions::from_mode(0o600)).unwrap();
    // Only the superuser can give a file away.
    if chown(&list, Some(65_534), None).is_ok() {
        refused();
        fs::remove_file(&list).unwrap();
    }
    sandbox.vault(&keys.job, &["reseal", "bad"]).expect_code(0);
    assert_eq!(listed_rows(&sandbox), BTreeSet::from([1, 2]));
}

#[cfg(target_os = "linux")]
#[test]
fn no_row_is_written_before_it_is_listed() {
    use std::fs::File;
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let (sandbox, keys) = (Sandbox::new(), Leak::new());
    sandbox.fill(&keys.before, 12);
    let before: Vec<_> = (0..12).map(|n| sandbox.envelope(n)).collect();
    // The list is at the limit of the size of a file, from which the vault is far away.
    let mut options = File::options();
    options.append(true).create(true).mode(0o600);
    let mut list = options.open(sandbox.path("vault.db.untrusted.jsonl")).unwrap();
    list.set_len(64 * 1024 * 1024 - 1).unwrap();
    list.write_all(b"\n").unwrap();
    let reseal = sandbox.command(Some(&keys.job), &["reseal", "bad", "--batch-size", "5"]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\""]);
    command
        .arg(reseal.get_program())
        .args(reseal.get_args())
        .env("SEALWAX_KEYS", &keys.job.0)
        .env("SEALWAX_AUDIT_KEY", audit_key());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    sandbox
        .finish(command, b"")
        .expect_code(7)
        .expect_in_stderr("writing ")
        .expect_in_stderr("vault.db.untrusted.jsonl");
    let after: Vec<_> = (0..12).map(|n| sandbox.envelope(n)).collect();
    assert!(before == after, "a row was written");
}

#[test]
fn a_row_that_cannot_be_resealed_is_left_and_reported() {
    let (sandbox, keys) = (Sandbox::new(), Leak::new());
    sandbox.fill(&keys.before, 4);
    let of_another_row = sandbox.envelope(0);
    sandbox.overwrite(1, &of_another_row);
    sandbox.overwrite(2, "null");
    sandbox
        .vault(&keys.job, &["reseal", "bad"])
        .expect_code(14)
        .expect_in_stdout("2 rows resealed, 0 rows not wrapped for bad\n")
        .expect_in_stdout("1 row left untouched: in another row's place")
        .expect_in_stdout("1 row left untouched: not an envelope");
    assert_eq!(sandbox.envelope(1), of_another_row);
    assert_eq!(sandbox.envelope(2), "null");
    assert_eq!(listed_rows(&sandbox), BTreeSet::from([1, 4]));
}

/// Anyone with the leaked key can seal a row with a variable of their choice.
#[test]
fn a_row_with_a_variable_that_programs_may_obey_is_left_and_reported() {
    let (sandbox, keys) = (Sandbox::new(), Leak::new());
    sandbox.fill(&keys.before, 4);
    let database = Connection::open(sandbox.db()).unwrap();
    let forged = ["LD_PRELOAD=/nonexistent/x.so:X_KEY", "LD_PRELOAD", "STARTUP"];
    for (n, name) in (0..).zip(forged) {
        let place = Place { id: n + 1, owner: owner(n.unsigned_abs()), env_name: name.to_owned() };
        let secret = Secret::from("sk-canary");
        let envelope = place.seal(&keys.before.keyring(), &secret).unwrap();
        let sql = "UPDATE credentials SET env_name = ?1, envelope = ?2 WHERE id = ?3";
        assert_eq!(database.execute(sql, (name, &envelope, n + 1)).unwrap(), 1);
    }
    let before: Vec<_> = (0..3).map(|n| sandbox.envelope(n)).collect();
    sandbox
        .vault(&keys.job, &["reseal", "bad"])
        .expect_code(14)
        .expect_in_stdout("1 row resealed, 0 rows not wrapped for bad\n")
        .expect_in_stdout("3 rows left untouched: a variable that programs may obey")
        .expect_in_stdout("put --replace --env");
    let after: Vec<_> = (0..3).map(|n| sandbox.envelope(n)).collect();
    assert!(before == after);
    assert_eq!(listed_rows(&sandbox), BTreeSet::from([4]));
}

#[test]
fn the_key_must_be_retired_for_this_job() {
    let (sandbox, keys) = (Sandbox::new(), Leak::new());
    sandbox.fill(&keys.before, 1);
    let before = sandbox.envelope(0);
    for (ring, id, says, next) in [
        (&keys.service, "bad", "it is `leaked` in this keyring", "for this job alone"),
        (&keys.before, "bad", "it is `primary`", "another key the primary"),
        (&keys.job, "dr", "it is `escrow`", "for this job alone"),
        (&keys.job, "sk-canary", "no such key", "for this job alone"),
    ] {
        let ran = sandbox.vault(ring, &["reseal", id]).expect_code(3);
        ran.expect_in_stderr(says).expect_in_stderr(next);
    }
    sandbox.without_keys(&["reseal", "bad"]).expect_code(3);
    assert_eq!(sandbox.envelope(0), before);
    assert!(!sandbox.path("vault.db.untrusted.jsonl").exists());
}

const ROWS: u64 = 600;

fn start(sandbox: &Sandbox, keys: &Leak) -> Child {
    let arguments = ["reseal", "bad", "--batch-size", "5"];
    sandbox.command(Some(&keys.job), &arguments).spawn().unwrap()
}

/// Returns the rows that no longer name the leaked key.
fn resealed(database: &Connection) -> BTreeSet<u64> {
    let sql = "SELECT id FROM credentials WHERE envelope NOT LIKE '%bad=%'";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    rows.map(|id| u64::try_from(id.unwrap()).unwrap()).collect()
}

#[test]
fn killed_anywhere_every_resealed_row_is_listed_and_the_next_run_finishes() {
    let (sandbox, keys) = (Sandbox::new(), Leak::new());
    sandbox.fill(&keys.before, ROWS);
    let database = Connection::open(sandbox.db()).unwrap();
    let mut kills = 0;
    loop {
        let before = resealed(&database).len();
        let mut run = start(&sandbox, &keys);
        while resealed(&database).len() < before + 100 && run.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(300));
        }
        run.kill().unwrap();
        if run.wait().unwrap().success() {
            break;
        }
        kills += 1;
        let done = resealed(&database);
        assert_eq!(done.len() % 5, 0, "half a batch was written");
        assert!(done.is_subset(&listed_rows(&sandbox)), "a resealed row is not listed");
    }
    assert!(kills >= 2, "{kills} kills");
    assert_eq!(listed_rows(&sandbox), (1..=ROWS).collect());
    assert_eq!(sandbox.assert_rows_open(&keys.service), ROWS);
}

#[test]
fn two_at_once_reseal_each_row_once() {
    let (sandbox, keys) = (Sandbox::new(), Leak::new());
    sandbox.fill(&keys.before, ROWS);
    let both = [start(&sandbox, &keys), start(&sandbox, &keys)];
    let counts = both.map(|run| {
        let ran = searched(run.wait_with_output().unwrap()).expect_code(0);
        ran.stdout.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    assert_eq!(counts.iter().sum::<u64>(), ROWS, "{counts:?}");
    assert_eq!(listed_rows(&sandbox), (1..=ROWS).collect());
    assert_eq!(sandbox.assert_rows_open(&keys.service), ROWS);
}
