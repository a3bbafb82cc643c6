//! `rotate` when it is killed, run twice at once, overtaken by other writers, and run over bad rows.

use std::collections::BTreeSet;
use std::process::Child;
use std::thread;
use std::time::Duration;

use byok_vault::commands;
use byok_vault::rotation::{Mode, Outcome, rotate};
use byok_vault::row::{Place, Row};
use byok_vault::store::{Access, Store};
use indicatif::ProgressBar;
use rusqlite::Connection;
use sealwax::Secret;

use crate::sandbox::{Change, Key, Keys, Sandbox, credential, owner, searched};

const ROWS: u64 = 1_200;
const BATCH: u64 = 5;

fn start(sandbox: &Sandbox, keys: &Keys) -> Child {
    let batch = BATCH.to_string();
    sandbox.command(Some(keys), &["rotate", "--batch-size", &batch]).spawn().unwrap()
}

/// Returns the number of rows that are wrapped for `new`, read directly from the table.
fn rotated(database: &Connection) -> u64 {
    let sql = "SELECT count(*) FROM credentials WHERE envelope LIKE 'sw1:a256gcm:new=%'";
    database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
}

#[test]
fn killed_anywhere_no_row_is_lost_and_the_next_run_finishes() {
    let mut killed_in_the_middle = 0;
    // At once, after the first batch, and later, up to the last batch but one.
    for rows_to_wait_for in [0, 1, 100, 333, 600, 901, ROWS - 2 * BATCH] {
        let (sandbox, keys) = (Sandbox::new(), Change::new());
        sandbox.fill(&keys.before, ROWS);
        let database = Connection::open(sandbox.db()).unwrap();

        let mut rotate = start(&sandbox, &keys.both);
        while rotated(&database) < rows_to_wait_for && rotate.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(300));
        }
        rotate.kill().unwrap();
        let status = rotate.wait().unwrap();
        drop(database);

        let done = sandbox.current(&keys.both);
        assert!(done >= rows_to_wait_for);
        assert_eq!(done % BATCH, 0, "half a batch was written");
        assert_eq!(sandbox.assert_rows_open(&keys.both), ROWS);
        assert_eq!(Store::open(&sandbox.db(), Access::Read).unwrap().count().unwrap(), ROWS);
        if !status.success() && done > 0 && done < ROWS {
            killed_in_the_middle += 1;
        }

        let left = ROWS - done;
        sandbox
            .vault(&keys.both, &["rotate"])
            .expect_code(0)
            .expect_in_stdout(&byok_vault::formatting::rows(left))
            .expect_in_stdout(&format!("{} already current", byok_vault::formatting::rows(done)));
        assert_eq!(sandbox.current(&keys.after), ROWS);
        assert_eq!(sandbox.assert_rows_open(&keys.after), ROWS, "the old key is not needed");
    }
    assert!(killed_in_the_middle >= 3, "only {killed_in_the_middle} kills hit a running rotation");
}

#[test]
fn killed_again_and_again_it_still_gets_there() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, ROWS);
    let database = Connection::open(sandbox.db()).unwrap();
    let mut kills = 0;
    loop {
        let before = rotated(&database);
        let mut rotate = start(&sandbox, &keys.both);
        while rotated(&database) < before + 150 && rotate.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(300));
        }
        rotate.kill().unwrap();
        if rotate.wait().unwrap().success() {
            break;
        }
        kills += 1;
        assert!(rotated(&database) > before, "a run that was killed made no progress");
    }
    assert!(kills >= 2, "{kills} kills");
    assert_eq!(sandbox.current(&keys.after), ROWS);
    assert_eq!(sandbox.assert_rows_open(&keys.after), ROWS);
}

#[test]
fn two_at_once_rewrap_each_row_once() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, ROWS);
    let both = [start(&sandbox, &keys.both), start(&sandbox, &keys.both)];
    let rewrapped: Vec<u64> = both
        .into_iter()
        .map(|rotate| {
            let ran = searched(rotate.wait_with_output().unwrap()).expect_code(0);
            let number = ran.stdout.split(' ').next().unwrap().replace(',', "");
            number.parse().unwrap()
        })
        .collect();
    assert_eq!(rewrapped.iter().sum::<u64>(), ROWS, "{rewrapped:?}");
    assert_eq!(sandbox.current(&keys.after), ROWS);
    assert_eq!(sandbox.assert_rows_open(&keys.after), ROWS);
}

#[test]
fn a_credential_that_is_put_meanwhile_wins() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, ROWS);
    let replaced: BTreeSet<u64> = (0..ROWS).step_by(7).collect();
    thread::scope(|scope| {
        // A process that still has the old keyring and replaces credentials.
        let putting = scope.spawn(|| {
            let keyring = keys.before.keyring();
            let mut store = Store::open(&sandbox.db(), Access::Write).unwrap();
            for &n in replaced.iter().rev() {
                let writer = store.begin().unwrap();
                let found = writer.find(&owner(n)).unwrap().unwrap();
                let secret = Secret::from(credential(n + ROWS));
                let envelope = found.place.seal(&keyring, &secret).unwrap();
                writer.replace(&Row { envelope, revision: 2, ..found }).unwrap();
                writer.commit().unwrap();
            }
        });
        let rotate = start(&sandbox, &keys.both);
        searched(rotate.wait_with_output().unwrap()).expect_code(0);
        putting.join().unwrap();
    });

    // Another run rewraps what was stored with the old key after the rotation had passed.
    sandbox.vault(&keys.both, &["rotate"]).expect_code(0);
    assert_eq!(sandbox.current(&keys.after), ROWS);
    let keyring = keys.after.keyring();
    let store = Store::open(&sandbox.db(), Access::Read).unwrap();
    for n in 0..ROWS {
        let expected = if replaced.contains(&n) { n + ROWS } else { n };
        let opened = store.find(&owner(n)).unwrap().unwrap().open(&keyring).unwrap();
        assert!(opened == Secret::from(credential(expected)), "row of tenant-{n}");
    }
}

#[test]
fn an_envelope_is_exchanged_only_for_the_one_that_was_read() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 2);
    let read = sandbox.envelope(0);
    sandbox.overwrite(0, "changed meanwhile");
    let mut store = Store::open(&sandbox.db(), Access::Write).unwrap();
    let writer = store.begin().unwrap();
    assert!(!writer.exchange_envelope(1, &read, "mine").unwrap());
    assert!(writer.exchange_envelope(1, "changed meanwhile", "mine").unwrap());
    writer.commit().unwrap();
    assert_eq!(sandbox.envelope(0), "mine");
}

/// Rotates a vault in which a trigger comes into being once it is open, and removes the trigger.
fn rotated_with(sandbox: &Sandbox, keys: &Change, trigger: &str) -> Outcome {
    let mut store = Store::open(&sandbox.db(), Access::Write).unwrap();
    let database = Connection::open(sandbox.db()).unwrap();
    database.execute_batch(trigger).unwrap();
    let (keyring, progress) = (keys.both.keyring(), ProgressBar::hidden());
    let outcome = rotate(&mut store, &keyring, 500, Mode::Write, &progress).unwrap();
    database.execute_batch("DROP TRIGGER overtake").unwrap();
    outcome
}

#[test]
fn a_row_that_is_overtaken_is_looked_at_again() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 4);
    let place = Place { id: 3, owner: owner(2), env_name: "OPENAI_API_KEY".to_owned() };
    let put = place.seal(&keys.before.keyring(), &Secret::from(credential(77))).unwrap();
    // A trigger plays the other writer: as soon as row 2 is written, it replaces row 3 with another
    // credential, sealed with the old key.
    let outcome = rotated_with(
        &sandbox,
        &keys,
        &format!(
            "CREATE TRIGGER overtake AFTER UPDATE OF envelope ON credentials WHEN old.id = 2
             BEGIN UPDATE credentials SET envelope = '{put}' WHERE id = 3; END;"
        ),
    );
    assert!(outcome.is_complete());
    assert_eq!((outcome.rewritten, outcome.current), (4, 0));

    assert_eq!(sandbox.current(&keys.after), 4);
    let store = Store::open(&sandbox.db(), Access::Read).unwrap();
    let opened = store.find(&owner(2)).unwrap().unwrap().open(&keys.after.keyring()).unwrap();
    assert!(opened == Secret::from(credential(77)), "the put was lost");
}

#[test]
fn a_row_that_is_overtaken_each_time_is_left_in_the_end() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 4);
    let outcome = rotated_with(
        &sandbox,
        &keys,
        "CREATE TRIGGER overtake BEFORE UPDATE OF envelope ON credentials WHEN old.id = 3
         BEGIN SELECT RAISE(IGNORE); END;",
    );
    assert!(!outcome.is_complete());
    assert_eq!((outcome.rewritten, outcome.current, outcome.overtaken), (3, 0, 1));
    let mut report = Vec::new();
    commands::rotate::report(&outcome, Mode::Write, &mut report).unwrap();
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains("1 row left untouched: changed by another process on every attempt"));
    assert_eq!(sandbox.current(&keys.after), 3);
    assert_eq!(sandbox.assert_rows_open(&keys.both), 4);
}

#[test]
fn bad_rows_are_reported_and_left_and_stop_nothing() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 40);
    let whole = sandbox.envelope(5);
    let of_another_row = sandbox.envelope(6);
    let bad = [
        (1, "null".to_owned()),
        (5, whole.get(..whole.len() / 2).unwrap().to_owned()),
        (9, "sk-canary-plaintext-key".to_owned()),
        (13, String::new()),
        (17, format!("{whole} ")),
        (21, whole.replacen("old=", "old=AAAA", 1)),
        (25, flipped_mac(&sandbox.envelope(25))),
    ];
    for (n, envelope) in &bad {
        sandbox.overwrite(*n, envelope);
    }
    // Not UTF-8.
    let database = Connection::open(sandbox.db()).unwrap();
    let sql =
        "UPDATE credentials SET envelope = CAST(x'73ff77' AS TEXT) WHERE tenant = 'tenant-29'";
    assert_eq!(database.execute(sql, []).unwrap(), 1);
    // A valid envelope in another row's place is rewrapped, because a rotation does not know the
    // context. It still does not open.
    sandbox.overwrite(33, &of_another_row);

    for (arguments, first_line) in [
        (&["rotate", "--dry-run"][..], "32 rows would be rewrapped, 0 rows already current\n"),
        (&["rotate", "--batch-size", "3"], "32 rows rewrapped, 0 rows already current\n"),
        (&["rotate"], "0 rows rewrapped, 32 rows already current\n"),
    ] {
        let ran = sandbox.vault(&keys.both, arguments).expect_code(14);
        assert!(ran.stdout.starts_with(first_line), "{ran:#?}");
        for (count, label) in [
            ("5 rows", "not an envelope"),
            ("1 row", "cut off by a column?"),
            ("1 row", "something around the envelope"),
            ("1 row", "altered"),
        ] {
            let is_count = |line: &str| line.starts_with(count) && line.ends_with(label);
            assert_eq!(ran.stdout.lines().filter(|line| is_count(line)).count(), 1, "{ran:#?}");
        }
        assert!(ran.stdout.ends_with("`byok-vault audit` opens every row.\n"), "{ran:#?}");
        for n in [1, 5, 9, 13, 17, 21, 25, 29] {
            let line = format!("    row {} (tenant tenant-{n}, provider openai): ", n + 1);
            assert_eq!(ran.stdout.matches(&line).count(), 1, "row {n} in {ran:#?}");
        }
        assert_eq!(ran.stdout.matches("    row ").count(), 8);
    }
    for (n, envelope) in &bad {
        assert_eq!(sandbox.envelope(*n), *envelope);
    }
    assert_eq!(sandbox.current(&keys.after), 32);
    let run = ["run", "--tenant", "tenant-33", "--provider", "openai", "--", "true"];
    sandbox.vault(&keys.after, &run).expect_code(12);
    let listed = sandbox.vault(&keys.after, &["list"]).expect_code(0);
    assert_eq!(listed.stdout.matches(" unreadable ").count(), 7);
    assert_eq!(listed.stdout.lines().count(), 41);
}

/// `keygen` was run again with an id that was in use. From public reports of other services.
#[test]
fn two_rotations_bring_over_the_rows_of_two_keys_under_one_id() {
    let (sandbox, first, second, third) = (Sandbox::new(), Key::new(), Key::new(), Key::new());
    let alone = [&first, &second].map(|key| Keys::new(&[("primary", "prod", key)]));
    sandbox.fill(&alone[0], 4);
    for n in [1, 3] {
        sandbox.seal(&alone[1], n, &credential(n));
    }
    for keys in &alone {
        sandbox
            .vault(keys, &["audit"])
            .expect_code(11)
            .expect_in_stdout("2 rows opened")
            .expect_in_stdout("2 rows faulty: different key under the same id")
            .expect_in_stdout("`rotate` twice");
    }

    // A keyring cannot hold both, so each has its turn, and neither run undoes the other.
    let turn = |key: &Key| Keys::new(&[("primary", "prod-2027", &third), ("retired", "prod", key)]);
    sandbox
        .vault(&turn(&first), &["rotate"])
        .expect_code(14)
        .expect_in_stdout("2 rows rewrapped, 0 rows already current")
        .expect_in_stdout("2 rows left untouched: different key under the same id");
    sandbox
        .vault(&turn(&second), &["rotate"])
        .expect_code(0)
        .expect_in_stdout("2 rows rewrapped, 2 rows already current");
    let after = Keys::new(&[("primary", "prod-2027", &third)]);
    sandbox.vault(&after, &["audit"]).expect_code(0).expect_in_stdout("4 rows opened");
    assert_eq!(sandbox.assert_rows_open(&after), 4);
}

/// Changes the last character but one of the proof, which ends in the MAC.
fn flipped_mac(envelope: &str) -> String {
    let mut fields: Vec<String> = envelope.split(':').map(str::to_owned).collect();
    let at = fields[3].len() - 2;
    let other = if fields[3].get(at..=at) == Some("A") { "B" } else { "A" };
    fields[3].replace_range(at..=at, other);
    fields.join(":")
}

#[test]
fn no_id_is_passed_over() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 4);
    let database = Connection::open(sandbox.db()).unwrap();
    for (old, new) in [(1, -5), (2, 0), (3, i64::MAX)] {
        let sql = "UPDATE credentials SET id = ?1 WHERE id = ?2";
        assert_eq!(database.execute(sql, [new, old]).unwrap(), 1);
    }
    sandbox
        .vault(&keys.both, &["rotate", "--batch-size", "1"])
        .expect_code(0)
        .expect_in_stdout("4 rows rewrapped, 0 rows already current");
    assert_eq!(sandbox.current(&keys.after), 4);
}

#[test]
fn a_dry_run_writes_nothing() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 12);
    let before: Vec<_> = (0..12).map(|n| sandbox.envelope(n)).collect();
    sandbox
        .vault(&keys.both, &["rotate", "--dry-run", "--batch-size", "5"])
        .expect_code(0)
        .expect_in_stdout("12 rows would be rewrapped, 0 rows already current");
    assert_eq!((0..12).map(|n| sandbox.envelope(n)).collect::<Vec<_>>(), before);
    sandbox.vault(&keys.both, &["rotate"]).expect_code(0);
    sandbox
        .vault(&keys.both, &["rotate", "--dry-run"])
        .expect_code(0)
        .expect_in_stdout("0 rows would be rewrapped, 12 rows already current");
}

#[test]
fn nothing_but_the_wraps_and_the_mac_changes() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 3);
    let all = || {
        let database = Connection::open(sandbox.db()).unwrap();
        let sql =
            "SELECT id, tenant, provider, env_name, revision, created_at, updated_at, envelope
                   FROM credentials ORDER BY id";
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| {
            let columns: (i64, String, String, String, i64, i64, i64) = (
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
            );
            Ok((columns, row.get::<_, String>(7)?.parse::<sealwax::Envelope>().unwrap()))
        });
        rows.unwrap().collect::<Result<Vec<_>, _>>().unwrap()
    };
    let before = all();
    sandbox.vault(&keys.both, &["rotate"]).expect_code(0);
    let after = all();
    assert_eq!(after.len(), 3);
    for ((columns, envelope), (columns_after, envelope_after)) in before.iter().zip(&after) {
        assert_eq!(columns, columns_after);
        assert_ne!(envelope, envelope_after);
        assert_eq!(envelope.commitment(), envelope_after.commitment());
        assert_eq!(envelope.iv(), envelope_after.iv());
        assert_eq!(envelope.tag(), envelope_after.tag());
        assert_eq!(envelope.ciphertext(), envelope_after.ciphertext());
    }
}
