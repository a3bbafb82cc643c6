//! Commands that run out of room at many points report it and damage nothing, and finish the work
//! when there is room again.
//!
//! Every machine can limit the size of files, which makes a write fail with EFBIG. A disk that is really
//! full fails with ENOSPC, at other points and with other messages. It needs its own file system, which
//! not every machine lets every user mount. If it cannot be mounted, that test is skipped, or fails if
//! `SEALWAX_REQUIRE_FULL_DISK` is set.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use byok_vault::store::{Access, Store};

use super::recorded::openings;
use super::{BLOCK, Template, files, filled, integrity, lost, under};
use crate::import::{export, lobechat, quarantine_of, quarantined};
use crate::sandbox::{Keys, Ran, Sandbox, credential};

const ROWS: u64 = 120;
const BATCH: u64 = 10;
/// The number of lines of an import, of which every tenth is not a row.
const LINES: u64 = 60;
/// The number of the first imported tenant.
const IMPORTED: u64 = 1_000;

/// How much room there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) bytes: u64,
    /// Whether another process has the vault open.
    pub(super) reader: bool,
}

/// Returns amounts of room from none to more than enough, every other one with a reader.
pub(super) fn rooms(step: u64) -> impl Iterator<Item = Room> {
    (0..=20).map(move |n| Room { bytes: n * step, reader: n % 2 == 1 })
}

/// The way in which room runs out.
pub(super) enum Shortage {
    /// No file may be larger than the given room.
    Limit,
    /// The file system of the temporary directory has only the given room left.
    Disk { ballast: PathBuf },
}

impl Shortage {
    /// Runs a command with limited room, and makes room again.
    ///
    /// If there is a reader, the files next to the database already exist, and room runs out in the
    /// log.
    pub(super) fn run(&self, room: Room, sandbox: &Sandbox, command: Command, input: &[u8]) -> Ran {
        let _reader = room.reader.then(|| Store::open(&sandbox.db(), Access::Read).unwrap());
        let room = room.bytes;
        match self {
            Self::Limit => {
                let setting = format!("trap '' XFSZ; ulimit -f {}", room / BLOCK);
                sandbox.finish(under(&setting, &command), input)
            }
            Self::Disk { ballast } => {
                fill_up(ballast, room);
                let ran = sandbox.finish(command, input);
                fs::remove_file(ballast).unwrap();
                ran
            }
        }
    }
}

/// Writes until nothing more fits, and then frees the given room.
fn fill_up(ballast: &Path, room: u64) {
    let mut file = File::create_new(ballast).unwrap();
    let mut size = 0;
    while let Ok(written) = file.write(&[0; 4_096]) {
        size += u64::try_from(written).unwrap();
        assert!(size < 1 << 30, "this file system must not be filled up");
    }
    file.set_len(size.checked_sub(room).unwrap()).unwrap();
}

/// A command that writes, and how it changes the vault.
struct Writing {
    name: &'static str,
    arguments: Vec<String>,
    input: Vec<u8>,
    /// For each tenant, the number of the new credential, or `None` if it is deleted.
    changes: BTreeMap<u64, Option<u64>>,
    /// The difference between one [`Room`] and the next, in bytes.
    step: u64,
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn writings() -> Vec<Writing> {
    vec![
        Writing {
            name: "rotate",
            arguments: words("rotate --batch-size 10"),
            input: vec![],
            changes: BTreeMap::new(),
            step: 10 * 1_024,
        },
        Writing {
            name: "put",
            arguments: words("put --tenant tenant-500 --provider openai"),
            input: credential(500).into(),
            changes: [(500, Some(500))].into(),
            step: 3 * 1_024,
        },
        Writing {
            name: "put --replace",
            arguments: words("put --replace --tenant tenant-7 --provider openai"),
            input: credential(501).into(),
            changes: [(7, Some(501))].into(),
            step: 3 * 1_024,
        },
        Writing {
            name: "delete",
            arguments: words("delete --tenant tenant-9 --provider openai"),
            input: vec![],
            changes: [(9, None)].into(),
            step: 3 * 1_024,
        },
    ]
}

/// Asserts that the error helps the operator.
#[track_caller]
pub(super) fn assert_told(ran: &Ran, at: &str) {
    assert!(matches!(ran.code, 13 | 7), "{at}: {ran:#?}");
    assert_eq!(ran.stdout, "", "{at}");
    if ran.code == 13 {
        assert!(ran.stderr.contains("make room"), "{at}: {ran:#?}");
    } else {
        let says = ["No space left on device", "File too large"];
        assert!(says.iter().any(|text| ran.stderr.contains(text)), "{at}: {ran:#?}");
    }
}

/// How often a command ran, with each result.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) failed: u64,
    /// Failures that SQLite reports as a full disk.
    pub(super) full: u64,
    pub(super) in_the_middle: u64,
    pub(super) done: u64,
}

fn database_commands(shortage: &Shortage) -> Count {
    let template = Template::new(ROWS);
    let keys = &template.keys;
    let mut total = Count::default();
    for writing in writings() {
        let mut count = Count::default();
        for room in rooms(writing.step) {
            let at = format!("{} with {room:?}", writing.name);
            let sandbox = template.sandbox();
            let arguments: Vec<_> = writing.arguments.iter().map(String::as_str).collect();
            let command = || sandbox.command(Some(&keys.both), &arguments);
            let ran = shortage.run(room, &sandbox, command(), &writing.input);

            let mut expected: BTreeMap<_, _> = filled(ROWS).collect();
            let done = sandbox.current(&keys.both);
            if ran.code == 0 {
                count.done += 1;
            } else {
                assert_told(&ran, &at);
                assert_as(&sandbox, &keys.both, &expected, &at);
                count.failed += 1;
                count.full += u64::from(ran.stderr.contains("database or disk is full"));
                if done > 0 && done < ROWS {
                    assert_eq!((done % BATCH, writing.name), (0, "rotate"), "{at}");
                    count.in_the_middle += 1;
                }
                sandbox.finish(command(), &writing.input).expect_code(0);
            }
            for (tenant, number) in &writing.changes {
                match number {
                    Some(number) => expected.insert(*tenant, *number),
                    None => expected.remove(tenant),
                };
            }
            if writing.name == "rotate" {
                assert_as(&sandbox, &keys.after, &expected, &at);
            }
            assert_as(&sandbox, &keys.both, &expected, &at);
        }
        assert!(count.failed >= 3, "{}: {count:?}", writing.name);
        assert!(count.done >= 3, "{}: {count:?}", writing.name);
        assert!(count.in_the_middle >= 3 || writing.name != "rotate", "{count:?}");
        println!("{}: {count:?}", writing.name);
        total.failed += count.failed;
        total.full += count.full;
        total.in_the_middle += count.in_the_middle;
        total.done += count.done;
    }
    total
}

/// Asserts that the database is intact and holds exactly these rows.
#[track_caller]
fn assert_as(sandbox: &Sandbox, keys: &Keys, expected: &BTreeMap<u64, u64>, at: &str) {
    assert_eq!(integrity(sandbox), "ok", "{at}");
    assert_eq!(lost(sandbox, keys, expected.clone()), 0, "{at}: rows were lost");
    let rows = Store::open(&sandbox.db(), Access::Read).unwrap().count().unwrap();
    assert_eq!(rows, u64::try_from(expected.len()).unwrap(), "{at}");
}

/// Runs imports, which also need room for their quarantine files.
fn imports(shortage: &Shortage) -> Count {
    let template = Template::new(ROWS);
    let keys = &template.keys.both;
    let old = lobechat();
    let mut count = Count::default();
    let lines: Vec<_> = (0..LINES)
        .map(|n| match n % 10 {
            9 => format!("no row {}", "x".repeat(2_000)),
            _ => old.line(IMPORTED + n),
        })
        .collect();
    let good: BTreeMap<u64, u64> =
        (0..LINES).filter(|n| n % 10 != 9).map(|n| (IMPORTED + n, IMPORTED + n)).collect();
    for room in rooms(12 * 1_024) {
        let at = format!("import with {room:?}");
        let sandbox = template.sandbox();
        let file = export(&sandbox, &lines);
        let command = || old.command(&sandbox, keys, &[&file, "--batch-size", "10"]);
        let before = files(&sandbox);
        let ran = shortage.run(room, &sandbox, command(), b"");

        let all: BTreeMap<_, _> = filled(ROWS).chain(good.clone()).collect();
        if ran.code == 14 {
            count.done += 1;
        } else {
            assert_told(&ran, &at);
            assert_eq!(integrity(&sandbox), "ok", "{at}");
            assert_eq!(lost(&sandbox, keys, filled(ROWS)), 0, "{at}: rows were lost");
            let rows = Store::open(&sandbox.db(), Access::Read).unwrap().count().unwrap() - ROWS;
            assert_eq!(rows % 9, 0, "{at}: half a batch");
            let stored = good.clone().into_iter().take(usize::try_from(rows).unwrap());
            assert_eq!(lost(&sandbox, keys, stored), 0, "{at}: rows were lost");
            // There is neither half a quarantine file nor an unfinished one.
            assert_eq!(files(&sandbox), before, "{at}");
            count.in_the_middle += u64::from(rows > 0);
            count.failed += 1;
            count.full += u64::from(ran.stderr.contains("database or disk is full"));
            sandbox.finish(command(), b"").expect_code(14);
        }
        assert_as(&sandbox, keys, &all, &at);
        assert_eq!(quarantined(quarantine_of(&file)).len(), 6, "{at}");
    }
    println!("import: {count:?}");
    assert!(count.failed >= 3 && count.in_the_middle >= 3 && count.done >= 3, "{count:?}");
    count
}

/// Runs the first `put` and the first `keygen`.
///
/// Afterwards the file does not exist or is complete, and in both cases the same command works once
/// there is room.
fn first_files(shortage: &Shortage) -> Count {
    let mut count = Count::default();
    let keys = Keys::primary("k");
    for bytes in (0..=20).map(|n| n * 5 * 1_024) {
        let room = Room { bytes, reader: false };
        let at = format!("the first put with {room:?}");
        let sandbox = Sandbox::new();
        let put = ["put", "--tenant", "tenant-0", "--provider", "openai"];
        let command = || sandbox.command(Some(&keys), &put);
        let ran = shortage.run(room, &sandbox, command(), credential(0).as_bytes());
        if ran.code == 0 {
            count.done += 1;
        } else {
            assert_told(&ran, &at);
            count.failed += 1;
            count.full += u64::from(ran.stderr.contains("database or disk is full"));
            sandbox.finish(command(), credential(0).as_bytes()).expect_code(0);
        }
        assert_as(&sandbox, &keys, &filled(1).collect(), &at);
    }
    assert!(count.failed >= 3 && count.done >= 3, "{count:?}");

    let sandbox = Sandbox::new();
    let path = sandbox.path("keys.txt");
    let keygen = || sandbox.command(None, &["keygen", "prod", "--out", path.to_str().unwrap()]);
    let ran =
        shortage.run(Room { bytes: 0, reader: false }, &sandbox, keygen(), b"").expect_code(7);
    assert_told(&ran, "keygen");
    assert!(!path.exists(), "half a key was left");
    sandbox.finish(keygen(), b"").expect_code(0);
    Keys(fs::read_to_string(&path).unwrap()).keyring();
    count.failed += 1;
    println!("first files: {count:?}");
    count
}

fn all(shortage: &Shortage) -> [Count; 4] {
    [database_commands, imports, first_files, openings].map(|run| run(shortage))
}

/// Prints one line of figures, and returns how many failures SQLite reported as a full disk.
fn tell(what: &str, counts: [Count; 4]) -> u64 {
    let sum = |of: fn(&Count) -> u64| counts.iter().map(of).sum::<u64>();
    println!(
        "faults: {what}: {} commands failed, {} of them in the middle, {} had room, 0 rows lost",
        sum(|count| count.failed),
        sum(|count| count.in_the_middle),
        sum(|count| count.done),
    );
    sum(|count| count.full)
}

#[test]
fn where_no_file_may_grow_no_row_is_lost() {
    let shortage = Shortage::Limit;
    let counts = all(&shortage);
    assert_eq!(tell("file too large", counts), 0, "SQLite reported a full disk");
}

/// If the output cannot be written, the work is still done, and the exit code reports the failed output.
#[cfg(target_os = "linux")]
#[test]
fn an_output_that_takes_nothing_is_7_and_loses_nothing() {
    let template = Template::new(ROWS);
    let mut told = 0;
    for arguments in [&["rotate"][..], &["list"], &["list", "--json"], &["census"]] {
        let sandbox = template.sandbox();
        let mut command = sandbox.command(Some(&template.keys.both), arguments);
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        sandbox.finish(command, b"").expect_code(7).expect_in_stderr("No space left on device");
        let keys = if arguments == ["rotate"] { &template.keys.after } else { &template.keys.both };
        assert_as(&sandbox, keys, &filled(ROWS).collect(), arguments[0]);
        told += 1;
    }
    assert_eq!(told, 4);
}

const INNER: &str = "faults::full_disk::inside_a_file_system_of_its_own";
const MOUNTED: &str = "SEALWAX_FULL_DISK_MOUNTED_AT";

#[cfg(target_os = "linux")]
#[test]
fn where_the_disk_is_full_no_row_is_lost() {
    let place = tempfile::TempDir::new().unwrap();
    // Run in a user namespace, with mounts that only its children see.
    let in_its_own = |words: &[&str]| {
        let script = "mount -t tmpfs -o size=3m full \"$1\" && shift && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        command.arg(place.path()).args(words).stdin(Stdio::null());
        command
    };
    if !in_its_own(&["true"]).output().is_ok_and(|output| output.status.success()) {
        println!("skipped: no file system can be mounted here");
        assert!(env::var_os("SEALWAX_REQUIRE_FULL_DISK").is_none(), "the test was skipped");
        return;
    }
    let this = env::current_exe().unwrap();
    let mut inner = in_its_own(&[
        this.to_str().unwrap(),
        "--exact",
        INNER,
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    inner.env("TMPDIR", place.path()).env(MOUNTED, place.path());
    let output = inner.output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    // The test inside did run.
    assert!(stdout.contains("1 passed"), "{stdout}");
    let figures: Vec<_> =
        stdout.lines().filter(|line| line.contains("faults: disk full")).collect();
    assert_eq!(figures.len(), 1, "{stdout}");
    println!("{}", figures[0]);
}

#[test]
#[ignore = "fills up its file system: where_the_disk_is_full_no_row_is_lost provides one to fill"]
fn inside_a_file_system_of_its_own() {
    let Some(mounted) = env::var_os(MOUNTED) else { return };
    let shortage = Shortage::Disk { ballast: PathBuf::from(mounted).join("ballast") };
    let counts = all(&shortage);
    println!();
    let full = tell("disk full", counts);
    assert!(full >= 10, "SQLite reported a full disk only {full} times");
}
