//! `rotate`, when it is killed at random points.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use byok_vault::formatting::rows;
use byok_vault::store::{Access, Store};
use rusqlite::Connection;
use sealwax::Keyring;

use super::{BLOCK, Dice, Template, filled, integrity, len, lost, under};
use crate::sandbox::{Sandbox, searched};

const ROWS: u64 = 200;
const BATCH: u64 = 5;

/// When to kill the rotation.
#[derive(Debug)]
enum Point {
    /// This long after the start.
    After(Duration),
    /// This long after this many rows are rewrapped.
    Rewrapped(u64, Duration),
}

fn start(sandbox: &Sandbox, template: &Template) -> Child {
    let batch = BATCH.to_string();
    let rotate = ["rotate", "--batch-size", &batch];
    sandbox.command(Some(&template.keys.both), &rotate).spawn().unwrap()
}

/// Returns the duration of an undisturbed rotation: the shortest of three.
fn undisturbed(template: &Template) -> Duration {
    let took = [(); 3].map(|()| {
        let sandbox = template.sandbox();
        let began = Instant::now();
        let rotate = start(&sandbox, template);
        searched(rotate.wait_with_output().unwrap()).expect_code(0);
        began.elapsed()
    });
    took.into_iter().min().unwrap()
}

/// Returns a random point between the first batch and the last but one.
fn at_work(dice: &mut Dice, whole: Duration) -> Point {
    let batches = u32::try_from(ROWS / BATCH).unwrap();
    Point::Rewrapped(dice.below(ROWS - 2 * BATCH), dice.part_of(whole / batches))
}

/// Kills a rotation that has just been started, and returns whether it was still running.
fn kill_at(point: &Point, sandbox: &Sandbox, mut rotate: Child) -> bool {
    let began = Instant::now();
    match point {
        Point::After(time) => thread::sleep(time.saturating_sub(began.elapsed())),
        Point::Rewrapped(rows, then) => {
            let database = Connection::open(sandbox.db()).unwrap();
            let sql = "SELECT count(*) FROM credentials WHERE envelope LIKE 'sw1:a256gcm:new=%'";
            let mut rewrapped = database.prepare(sql).unwrap();
            let mut rewrapped = || rewrapped.query_row([], |row| row.get::<_, i64>(0)).unwrap();
            while u64::try_from(rewrapped()).unwrap() < *rows
                && rotate.try_wait().unwrap().is_none()
            {
                thread::sleep(Duration::from_micros(100));
            }
            thread::sleep(*then);
        }
    }
    rotate.kill().unwrap();
    let status = rotate.wait().unwrap();
    assert!(status.success() || status.signal() == Some(9), "{status}");
    !status.success()
}

/// Copies what a kill has left.
///
/// The first process that opens a vault recovers its log, and that must be the next run.
fn copy_of(killed: &Sandbox) -> Sandbox {
    let copy = Sandbox::new();
    for file in fs::read_dir(killed.directory.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path(file.file_name().to_str().unwrap())).unwrap();
    }
    copy
}

/// Asserts that a kill has lost no row and split no batch, and returns how many rows are rewrapped.
#[track_caller]
fn look(killed: &Sandbox, template: &Template) -> u64 {
    let sandbox = &copy_of(killed);
    assert_eq!(integrity(sandbox), "ok");
    let done = sandbox.current(&template.keys.both);
    assert_eq!(done % BATCH, 0, "half a batch was written");
    assert_eq!(sandbox.assert_rows_open(&template.keys.both), ROWS, "rows");
    assert_eq!(lost(sandbox, &template.keys.both, filled(ROWS)), 0, "rows were lost");
    done
}

/// Asserts that the next run does the rest, and that the old key is not needed afterwards.
#[track_caller]
fn finish(sandbox: &Sandbox, template: &Template, done: u64) {
    sandbox
        .vault(&template.keys.both, &["rotate"])
        .expect_code(0)
        .expect_in_stdout(&format!("{} rewrapped", rows(ROWS - done)))
        .expect_in_stdout(&format!("{} already current", rows(done)));
    assert_eq!(sandbox.current(&template.keys.after), ROWS);
    assert_eq!(lost(sandbox, &template.keys.after, filled(ROWS)), 0, "rows were lost");
    assert_eq!(integrity(sandbox), "ok");
}

#[test]
fn killed_at_random_points_no_row_is_lost() {
    let wanted = env::var("SEALWAX_FAULTS_KILLS").map_or(50, |kills| kills.parse().unwrap());
    let (template, mut dice) = (Template::new(ROWS), Dice::new());
    let whole = undisturbed(&template);
    let (mut kills, mut in_the_middle, mut places) = (0, 0, BTreeSet::new());
    // If the disk is so fast that most kills come too late, make more of them.
    while kills < wanted || (in_the_middle * 4 < wanted && kills < 8 * wanted) {
        // Half of the kills come at a random time, from before the program starts until it has ended.
        // The others hit a running rotation, however busy the machine is.
        let point = if kills % 2 == 0 {
            Point::After(dice.part_of(whole))
        } else {
            at_work(&mut dice, whole)
        };
        let sandbox = template.sandbox();
        let before_its_end = kill_at(&point, &sandbox, start(&sandbox, &template));
        let done = look(&sandbox, &template);
        if before_its_end && done > 0 && done < ROWS {
            in_the_middle += 1;
            places.insert(done);
        }
        finish(&sandbox, &template, done);
        kills += 1;
    }
    println!("faults: {kills} kills of rotate, {in_the_middle} in the middle, 0 rows lost");
    assert!(kills >= wanted);
    assert!(in_the_middle * 4 >= wanted, "{in_the_middle} of {kills} kills hit a running rotation");
    assert!(places.len() * 10 >= wanted.min(100), "{kills} kills at only {} places", places.len());
}

/// SIGXFSZ kills the rotation in the middle of a write, at a known byte.
///
/// It leaves a torn frame of the log, or a torn page.
#[test]
fn killed_in_the_middle_of_a_write_no_row_is_lost() {
    let (template, mut dice) = (Template::new(ROWS), Dice::new());
    let rotate = |sandbox: &Sandbox| {
        sandbox.command(Some(&template.keys.both), &["rotate", "--batch-size", "5"])
    };
    // Measure how long the log gets. The reader keeps the rotation from emptying it at the end.
    let sandbox = template.sandbox();
    let reader = Connection::open(sandbox.db()).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT count(*) FROM credentials", [], |_| Ok(())).unwrap();
    sandbox.finish(rotate(&sandbox), b"").expect_code(0);
    let blocks = len(&sandbox.path("vault.db-wal")) / BLOCK;
    drop(reader);

    let (mut kills, mut in_the_middle, mut torn) = (0, 0, 0);
    for kill in 0..16 {
        // Each kill hits its own sixteenth of the log.
        let limit = blocks * kill / 16 + dice.below(blocks / 16);
        let sandbox = template.sandbox();
        let limited = under(&format!("ulimit -c 0; ulimit -f {limit}"), &rotate(&sandbox));
        let output = { limited }.output().unwrap();
        assert!(output.status.signal().is_some(), "{limit} blocks: {output:?}");
        // The log has a header of 32 bytes, and frames of 24 + 4,096 bytes.
        let log = len(&sandbox.path("vault.db-wal"));
        torn += u64::from(log > 32 && !(log - 32).is_multiple_of(4_120));
        let done = look(&sandbox, &template);
        in_the_middle += u64::from(done > 0 && done < ROWS);
        finish(&sandbox, &template, done);
        kills += 1;
    }
    println!(
        "faults: {kills} kills in a write, {in_the_middle} in the middle, {torn} torn, 0 lost"
    );
    assert_eq!(kills, 16);
    assert!(in_the_middle >= 8, "{in_the_middle} of {kills} kills hit a running rotation");
    assert!(torn >= 8, "{torn} of {kills} kills tore what was written");
}

const CARELESS: &str = "faults::kills::a_careless_rotation";
const VAULT: &str = "SEALWAX_FAULTS_CARELESS_VAULT";

/// Control: such kills do find a rotation that removes the old envelope before it writes the new one.
#[test]
fn the_same_kills_lose_rows_of_a_rotation_that_is_careless() {
    let (template, mut dice) = (Template::new(ROWS), Dice::new());
    let whole = undisturbed(&template);
    let (mut kills, mut lost_rows) = (0, 0);
    while lost_rows == 0 && kills < 50 {
        let sandbox = template.sandbox();
        let mut careless = Command::new(env::current_exe().unwrap());
        careless.args(["--exact", CARELESS, "--ignored"]).env(VAULT, sandbox.db());
        careless.env("SEALWAX_KEYS", &template.keys.both.0).stdout(Stdio::null());
        kill_at(&at_work(&mut dice, whole), &sandbox, careless.spawn().unwrap());
        lost_rows += lost(&copy_of(&sandbox), &template.keys.both, filled(ROWS));
        kills += 1;
    }
    assert!(lost_rows > 0, "{kills} kills lost no row");
}

#[test]
#[ignore = "loses rows: the_same_kills_lose_rows_of_a_rotation_that_is_careless provides a vault"]
fn a_careless_rotation() {
    let Some(vault) = env::var_os(VAULT) else { return };
    let keyring: Keyring = env::var("SEALWAX_KEYS").unwrap().parse().unwrap();
    let mut store = Store::open(vault.as_ref(), Access::Write).unwrap();
    for row in store.page_from(1, u32::MAX).unwrap() {
        let fresh = keyring.rewrap(&row.parse().unwrap()).unwrap().unwrap().to_string();
        for (old, new) in [(row.envelope.as_str(), ""), ("", fresh.as_str())] {
            let writer = store.begin().unwrap();
            assert!(writer.exchange_envelope(row.place.id, old, new).unwrap());
            writer.commit().unwrap();
        }
    }
}
