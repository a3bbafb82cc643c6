//! Imports that are killed, that fail, and that run at once.

use std::ffi::OsString;
use std::process::Child;
use std::time::Duration;
use std::{fs, thread};

use rusqlite::{Connection, OpenFlags};
use sealwax::Secret;
use sealwax::triplet::{IvLen, Layout};
use serde_json::json;

use super::{
    OTHER_HEX_KEY, Old, export, files, key, line, lobechat, new, quarantine_of, quarantined,
    reasons, text,
};
use crate::sandbox::{Keys, Sandbox, credential, owner, searched};

const ROWS: u64 = 3_000;
const BATCH: u64 = 10;
/// One row in this many is under another key.
const STRANGE: u64 = 100;

fn many(sandbox: &Sandbox, old: &Old) -> String {
    let stranger = key(OTHER_HEX_KEY);
    let layout = Layout::HEX_IV12_TAG_CIPHERTEXT;
    let lines = (0..ROWS).map(|n| match n % STRANGE {
        99 => {
            let secret = Secret::from(credential(n));
            line(json!(n), &owner(n), &text(&stranger, layout, IvLen::Twelve, &secret))
        }
        _ => old.line(n),
    });
    export(sandbox, lines)
}

fn start(sandbox: &Sandbox, keys: &Keys, old: &Old, file: &str) -> Child {
    let batch = BATCH.to_string();
    old.command(sandbox, keys, &[file, "--batch-size", &batch]).spawn().unwrap()
}

/// Returns the number of rows in the table, or 0 if there is no table yet.
fn stored(sandbox: &Sandbox) -> u64 {
    let count = || {
        let database =
            Connection::open_with_flags(sandbox.db(), OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
        let sql = "SELECT count(*) FROM credentials";
        database.query_row(sql, [], |row| row.get::<_, i64>(0)).ok()
    };
    count().unwrap_or(0).try_into().unwrap()
}

fn is_unfinished(name: &OsString) -> bool {
    name.to_string_lossy().ends_with(".unfinished")
}

#[test]
fn killed_anywhere_no_row_is_lost_and_the_next_run_finishes() {
    let old = lobechat();
    let good = ROWS - ROWS / STRANGE;
    let mut killed_in_the_middle = 0;
    for rows_to_wait_for in [0, 1, 500, 1_300, good - 20 * BATCH] {
        let (sandbox, keys) = new();
        let file = many(&sandbox, &old);
        let mut import = start(&sandbox, &keys, &old, &file);
        while stored(&sandbox) < rows_to_wait_for && import.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(300));
        }
        import.kill().unwrap();
        let finished = import.wait().unwrap().code().is_some();
        let done = stored(&sandbox);
        assert!(done >= rows_to_wait_for);
        let whole_batches = (0..=ROWS / BATCH).map(|n| n * BATCH - n * BATCH / STRANGE);
        assert!(whole_batches.into_iter().any(|rows| rows == done), "half a batch: {done}");
        if done > 0 {
            assert_eq!(sandbox.assert_rows_open(&keys), done, "a row does not open");
        }
        if !finished && done > 0 && done < good {
            killed_in_the_middle += 1;
            assert!(!quarantine_of(&file).exists(), "half a quarantine file is in place");
        }

        let ran = old.import(&sandbox, &keys, &[&file]).expect_code(14);
        let grouped = byok_vault::formatting::rows;
        let first_line =
            format!("{} imported, {} already imported, ", grouped(good - done), grouped(done));
        assert!(ran.stdout.starts_with(&first_line), "no {first_line:?} in {ran:#?}");
        assert_eq!(sandbox.assert_rows_open(&keys), good);
        let strange: Vec<_> =
            (1..=ROWS / STRANGE).map(|n| (n * STRANGE, "not-authentic".to_owned())).collect();
        assert_eq!(reasons(quarantine_of(&file)), strange);
        // The unfinished file of the killed run is gone.
        let unfinished = files(&sandbox);
        assert!(!unfinished.iter().any(is_unfinished), "{unfinished:?}");
    }
    assert!(killed_in_the_middle >= 3, "only {killed_in_the_middle} kills hit a running import");
}

#[test]
fn killed_again_and_again_it_still_gets_there() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let file = many(&sandbox, &old);
    let mut kills = 0;
    loop {
        let before = stored(&sandbox);
        let mut import = start(&sandbox, &keys, &old, &file);
        while stored(&sandbox) < before + 400 && import.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(300));
        }
        import.kill().unwrap();
        if import.wait().unwrap().code().is_some() {
            break;
        }
        kills += 1;
        assert!(stored(&sandbox) > before, "a run that was killed made no progress");
    }
    assert!(kills >= 2, "{kills} kills");
    assert_eq!(sandbox.assert_rows_open(&keys), ROWS - ROWS / STRANGE);
    assert_eq!(quarantined(quarantine_of(&file)).len(), 30);
}

#[test]
fn two_at_once_import_each_row_once() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let file = many(&sandbox, &old);
    let first = start(&sandbox, &keys, &old, &file);
    // The second run must find the file that the first is writing, and leave it alone.
    let is_begun = || files(&sandbox).iter().any(is_unfinished);
    while !is_begun() {
        thread::sleep(Duration::from_millis(1));
    }
    let both = [first, start(&sandbox, &keys, &old, &file)];
    let imported: Vec<u64> = both
        .into_iter()
        .map(|import| {
            let ran = searched(import.wait_with_output().unwrap()).expect_code(14);
            ran.stdout.split(' ').next().unwrap().replace(',', "").parse().unwrap()
        })
        .collect();
    assert_eq!(imported.iter().sum::<u64>(), ROWS - ROWS / STRANGE, "{imported:?}");
    assert_eq!(sandbox.assert_rows_open(&keys), ROWS - ROWS / STRANGE);
    assert_eq!(quarantined(quarantine_of(&file)).len(), 30);
}

#[test]
fn an_unfinished_quarantine_that_somebody_writes_is_left_alone() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let file = export(&sandbox, [old.line(0)]);
    let name =
        |random| sandbox.path(&format!(".export.jsonl.quarantine.jsonl.{random}.unfinished"));
    let held = fs::File::create(name("abc123")).unwrap();
    held.try_lock().unwrap();
    fs::write(name("def456"), "left by a run that was killed").unwrap();
    fs::write(sandbox.path(".other.jsonl.def456.unfinished"), "of another file").unwrap();
    old.import(&sandbox, &keys, &[&file]).expect_code(0);
    assert!(name("abc123").exists());
    assert!(!name("def456").exists());
    assert!(sandbox.path(".other.jsonl.def456.unfinished").exists());
}

#[test]
fn a_database_that_fails_in_the_middle_keeps_what_is_finished() {
    let (sandbox, keys) = new();
    let old = lobechat();
    sandbox.fill(&keys, 1);
    let database = Connection::open(sandbox.db()).unwrap();
    let ids_after = |seq: i64| {
        database.execute("UPDATE sqlite_sequence SET seq = ?1", [seq]).unwrap();
    };
    // There are ids for six rows, and none for that of tenant-7.
    ids_after(i64::MAX - 6);
    let lines = ["{}".to_owned()].into_iter().chain((1..10).map(|n| old.line(n)));
    let file = export(&sandbox, lines);
    let arguments = [file.as_str(), "--batch-size", "2"];
    let earlier = "{\"quarantined\":{},\"row\":\"of an earlier run\"}";
    fs::write(quarantine_of(&file), earlier).unwrap();
    let before = files(&sandbox);
    old.import(&sandbox, &keys, &arguments).expect_code(13);
    // The batches `{}` and 1, 2 and 3, 4 and 5 are stored, but not 6 and 7.
    assert_eq!(sandbox.assert_rows_open(&keys), 6);
    assert_eq!(fs::read_to_string(quarantine_of(&file)).unwrap(), earlier);
    assert_eq!(files(&sandbox), before);
    ids_after(1);
    old.import(&sandbox, &keys, &arguments)
        .expect_code(14)
        .expect_in_stdout("4 rows imported, 5 rows already imported")
        .expect_in_stdout("export.jsonl.quarantine.2.jsonl: a new name");
    assert_eq!(fs::read_to_string(quarantine_of(&file)).unwrap(), earlier);
    assert_eq!(sandbox.assert_rows_open(&keys), 10);
}
