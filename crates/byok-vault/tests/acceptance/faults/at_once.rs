//! Several rotations at once, and all other commands at the same time.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;
use std::thread;
use std::time::Duration;

use byok_vault::store::{Access, Store};
use rusqlite::{Connection, TransactionBehavior};
use rustix::process::{Pid, Signal, kill_process};

use super::{Template, filled, integrity, lost};
use crate::import::{export, lobechat};
use crate::sandbox::{Keys, Sandbox, credential, searched};

fn start(sandbox: &Sandbox, keys: &Keys, batch: &str) -> Child {
    sandbox.command(Some(keys), &["rotate", "--batch-size", batch]).spawn().unwrap()
}

/// Returns how many rows a rotation reports as rewrapped.
fn rewrapped(rotate: Child) -> u64 {
    let ran = searched(rotate.wait_with_output().unwrap()).expect_code(0);
    ran.stdout.split(' ').next().unwrap().replace(',', "").parse().unwrap()
}

#[test]
fn rotations_that_meet_at_every_row_lose_none() {
    const ROWS: u64 = 200;
    let template = Template::new(ROWS);
    let (mut rounds, mut met) = (0, 0);
    // On a busy machine, the first rotation may end before it is stopped.
    while rounds < 5 || (met < 3 && rounds < 30) {
        let rotations = 2 + rounds % 3;
        let sandbox = template.sandbox();
        let mut database = Connection::open(sandbox.db()).unwrap();
        let mut running = vec![start(&sandbox, &template.keys.both, "1")];
        let rotated = |database: &Connection| rotated_up_to(database, &BTreeSet::new());
        while rotated(&database) == 0 {
            thread::sleep(Duration::from_micros(300));
        }
        // The others start while the first is stopped, most likely between reading a row and writing
        // the same row.
        let mut others = Vec::new();
        stopped(&running, &mut database, |database| {
            let before = rotated(database);
            others = (1..rotations).map(|_| start(&sandbox, &template.keys.both, "1")).collect();
            while rotated(database) == before && before < ROWS {
                thread::sleep(Duration::from_micros(300));
            }
        });
        running.append(&mut others);
        let shares: Vec<_> = running.into_iter().map(rewrapped).collect();
        assert_eq!(shares.iter().sum::<u64>(), ROWS, "{shares:?}");
        assert_eq!(sandbox.current(&template.keys.after), ROWS);
        assert_eq!(lost(&sandbox, &template.keys.after, filled(ROWS)), 0, "rows were lost");
        assert_eq!(integrity(&sandbox), "ok");
        met += u64::from(shares.iter().filter(|&&share| share > 0).count() > 1);
        rounds += 1;
    }
    println!("faults: {rounds} times rotations at once, {met} shared the rows, 0 rows lost");
    assert!(met >= 3, "rotations ran at the same time in only {met} of {rounds} rounds");
}

/// Stops these processes while none of them is writing, and continues them afterwards.
///
/// A process may be stopped between reading a row and writing it.
fn stopped(running: &[Child], database: &mut Connection, meanwhile: impl FnOnce(&Connection)) {
    let send = |signal| {
        for child in running {
            kill_process(Pid::from_child(child), signal).unwrap();
        }
    };
    // Processes that write again and again leave little time in between, and SQLite would try only
    // every 100 ms.
    database.busy_handler(Some(|_| true)).unwrap();
    let nobody_writes = database.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    send(Signal::STOP);
    drop(nobody_writes);
    meanwhile(database);
    send(Signal::CONT);
}

/// Returns how many rows, from the first on, the rotations have passed.
///
/// This is the last rotated row that nobody else changed, or the last row that somebody else changed,
/// whichever is later.
fn rotated_up_to(database: &Connection, changed: &BTreeSet<u64>) -> u64 {
    let sql = "SELECT id FROM credentials WHERE id <= 400 AND envelope LIKE 'sw1:a256gcm:new=%'";
    let mut statement = database.prepare(sql).unwrap();
    let ids = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    let ids = ids.map(|id| u64::try_from(id.unwrap()).unwrap());
    let rotated = ids.filter(|id| !changed.contains(&(id - 1))).max().unwrap_or(0);
    rotated.max(changed.last().map_or(0, |tenant| tenant + 1))
}

#[test]
fn all_commands_at_once_lose_no_row() {
    let template = Template::new(BESIDE);
    let (mut rounds, mut ran, mut met) = (0, 0, 0);
    // With a fast disk and a busy machine, a rotation may end after one or two stops.
    while met < 5 && rounds < 20 {
        let (commands, stops) = commands_beside_rotations(&template);
        ran += commands;
        met += stops;
        rounds += 1;
    }
    println!("faults: {ran} commands at {met} stops of rotations and an import, 0 rows lost");
    assert!(met >= 5, "in {rounds} rounds, only {met} stops were in the middle of a rotation");
}

/// The number of rows in the vault on which all commands run.
const BESIDE: u64 = 400;

/// Runs all commands at once.
///
/// Returns how many commands ran, and at how many stops in the middle of a rotation.
fn commands_beside_rotations(template: &Template) -> (u64, u64) {
    const LINES: u64 = 60;
    let keys = &template.keys;
    let sandbox = &template.sandbox();
    let old = lobechat();
    let file = export(sandbox, (2_000..2_000 + LINES).map(|n| old.line(n)));
    let mut expected: BTreeMap<u64, u64> = filled(BESIDE).collect();
    let owned = |command: &[&str], tenant: u64, keys: &Keys, credential: &str| {
        let tenant = format!("tenant-{tenant}");
        let arguments = [command, &["--tenant", &tenant, "--provider", "openai"]].concat();
        let command = sandbox.command(Some(keys), &arguments);
        sandbox.finish(command, credential.as_bytes()).expect_code(0);
    };

    let mut database = Connection::open(sandbox.db()).unwrap();
    let [one, two] = [(); 2].map(|()| start(sandbox, &keys.both, "1"));
    let import = old.command(sandbox, &keys.both, &[&file, "--batch-size", "1"]);
    let running = [one, two, { import }.spawn().unwrap()];
    let (mut ran, mut met) = (0, 0);
    thread::scope(|scope| {
        // These commands run independently of the rotations.
        scope.spawn(|| {
            for n in 1_100..1_108 {
                owned(&["put"], n, &keys.both, &credential(n));
            }
        });
        // And these change rows that a rotation has read but not written, or is about to read.
        let mut changed = BTreeSet::new();
        for stop in 0..10 {
            while rotated_up_to(&database, &changed) == 0 {
                thread::sleep(Duration::from_micros(300));
            }
            let next = Cell::new(0);
            stopped(&running, &mut database, |database| {
                // The row of tenant n has the id n + 1, so this is the tenant after the last row.
                next.set(rotated_up_to(database, &changed));
                let next = next.get();
                owned(&["put"], 1_000 + stop, &keys.both, &credential(1_000 + stop));
                ran += 1;
                if next + 3 > BESIDE {
                    return;
                }
                for n in next..next + 2 {
                    // Every other time, the process still has the old keyring.
                    let keys = if stop % 2 == 0 { &keys.both } else { &keys.before };
                    owned(&["put", "--replace"], n, keys, &credential(n + 5_000));
                    ran += 1;
                }
                owned(&["delete"], next + 2, &keys.both, "");
                ran += 1;
            });
            let next = next.get();
            if next + 3 <= BESIDE {
                expected.extend((next..next + 2).map(|n| (n, n + 5_000)));
                assert!(expected.remove(&(next + 2)).is_some());
                changed.extend(next..next + 3);
                met += 1;
            }
            thread::sleep(Duration::from_micros(500));
        }
    });
    let [one, two, import] = running;
    for rotate in [one, two] {
        rewrapped(rotate);
    }
    searched(import.wait_with_output().unwrap()).expect_code(0);
    expected.extend((1_000..1_010).chain(1_100..1_108).chain(2_000..2_060).map(|n| (n, n)));

    // Another run rewraps what was sealed with the old key after the rotation had passed.
    sandbox.vault(&keys.both, &["rotate"]).expect_code(0);
    let rows = u64::try_from(expected.len()).unwrap();
    assert_eq!(rows, BESIDE + 10 + 8 + LINES - met);
    assert_eq!(Store::open(&sandbox.db(), Access::Read).unwrap().count().unwrap(), rows);
    assert_eq!(sandbox.current(&keys.after), rows);
    assert_eq!(lost(sandbox, &keys.after, expected), 0, "rows were lost");
    assert_eq!(integrity(sandbox), "ok");
    assert_eq!(ran, 10 + 3 * met);
    (ran, met)
}
