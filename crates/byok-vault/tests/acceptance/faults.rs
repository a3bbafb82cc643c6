//! Kills, full disks, read-only databases and several writers at once lose no row.
//!
//! The tests count the rows that are lost. `SEALWAX_FAULTS_KILLS` sets the number of kills, and
//! `SEALWAX_FAULTS_SEED` the seed of the random numbers.

mod at_once;
mod control;
mod full_disk;
mod kills;
mod read_only;
mod recorded;

use std::env;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use byok_vault::store::{Access, Store};
use rusqlite::Connection;
use sealwax::Secret;

use crate::sandbox::{Change, Keys, Sandbox, credential, owner};

/// Returns how many of these tenants have no row, or a row that does not open to their credential.
///
/// `rows` has each tenant with the number of its credential.
fn lost(sandbox: &Sandbox, keys: &Keys, rows: impl IntoIterator<Item = (u64, u64)>) -> u64 {
    let keyring = keys.keyring();
    let store = Store::open(&sandbox.db(), Access::Read).unwrap();
    let mut lost = 0;
    for (tenant, number) in rows {
        let found = store.find(&owner(tenant)).ok().flatten();
        let opened = found.and_then(|row| row.open(&keyring).ok());
        lost += u64::from(opened != Some(Secret::from(credential(number))));
    }
    lost
}

/// Returns the rows that [`Sandbox::fill`] stores.
fn filled(rows: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..rows).map(|n| (n, n))
}

/// Lets SQLite check the whole file, and returns "ok" or what is damaged.
fn integrity(sandbox: &Sandbox) -> String {
    let database = Connection::open(sandbox.db()).unwrap();
    database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

/// A vault with rows under the old key, from which many tests can start.
struct Template {
    keys: Change,

    database: Vec<u8>,
}

impl Template {
    fn new(rows: u64) -> Self {
        let (sandbox, keys) = (Sandbox::new(), Change::new());
        sandbox.fill(&keys.before, rows);
        assert!(!sandbox.path("vault.db-wal").exists(), "not everything is in the database file");
        let database = fs::read(sandbox.db()).unwrap();
        Self { keys, database }
    }

    fn sandbox(&self) -> Sandbox {
        let sandbox = Sandbox::new();
        fs::write(sandbox.db(), &self.database).unwrap();
        sandbox
    }
}

/// Returns a shell that runs `command` after `setting`.
///
/// The shell is POSIX sh, where `ulimit -f` counts blocks of 512 bytes. Such a limit on file sizes lets
/// a write go up to the last permitted byte and then sends SIGXFSZ, which kills the process. If the
/// signal is ignored, the write fails.
fn under(setting: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{setting}; exec \"$@\"")).arg("sh");
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(std::process::Stdio::null());
    shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    shell
}

/// Returns the files of a sandbox, except those that SQLite creates next to a database.
fn files(sandbox: &Sandbox) -> Vec<String> {
    let names = fs::read_dir(sandbox.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> =
        names.filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm")).collect();
    names.sort_unstable();
    names
}

const BLOCK: u64 = 512;

fn len(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Random numbers, different on each run.
///
/// A failure shows their seed, but the point at which a kill hits still depends on the machine.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = env::var("SEALWAX_FAULTS_SEED")
            .map_or_else(|_| RandomState::new().hash_one(0), |seed| seed.parse().unwrap());
        println!("SEALWAX_FAULTS_SEED={seed}");
        Self(seed)
    }

    /// Returns a number less than `end` (SplitMix64).
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn part_of(&mut self, time: Duration) -> Duration {
        Duration::from_nanos(self.below(u64::try_from(time.as_nanos()).unwrap().max(1)))
    }
}
