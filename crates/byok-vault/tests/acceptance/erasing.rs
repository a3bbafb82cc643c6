//! What is deleted or replaced leaves the files, or the command that did it says that it has not; and rows at the limits of a table.

use std::fs;

use rusqlite::Connection;

use crate::sandbox::{CANARY, Change, Keys, Sandbox, credential, owner};
use byok_vault::row::{Place, Row};
use byok_vault::store::{Access, Store};
use sealwax::Secret;

const STILL: &str = "what was replaced or deleted is still in the vault's files";
const ROW_1: [&str; 4] = ["--tenant", "tenant-1", "--provider", "openai"];

/// Returns whether a file of the vault contains this text.
fn is_in_a_file(sandbox: &Sandbox, text: &str) -> bool {
    let entries = fs::read_dir(sandbox.directory.path()).unwrap();
    let files: Vec<_> = entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!files.is_empty());
    files.iter().any(|file| file.windows(text.len()).any(|part| part == text.as_bytes()))
}

/// Runs each command that deletes or replaces an envelope, and passes the part of the envelope that is
/// replaced.
fn each(run: impl Fn(&Sandbox, &Change, &[&str], &str)) {
    let replace = [&["put", "--replace"], &ROW_1[..]].concat();
    let delete = [&["delete"], &ROW_1[..]].concat();
    let mut ran = 0;
    for arguments in [&delete[..], &replace, &["rotate"], &["reseal", "old"]] {
        let (sandbox, keys) = (Sandbox::new(), Change::new());
        sandbox.fill(&keys.before, 20);
        let envelope = sandbox.envelope(1);
        // The wrap, which all of them replace, and which is different in each envelope.
        let wrap = envelope.split([':', '=']).nth(3).unwrap().to_owned();
        assert!(wrap.len() > 40 && is_in_a_file(&sandbox, &wrap));
        run(&sandbox, &keys, arguments, &wrap);
        ran += 1;
    }
    // What surrounded an envelope is replaced too.
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 20);
    let hex: String = sandbox.envelope(1).bytes().map(|byte| format!("{byte:02x}")).collect();
    sandbox.overwrite(1, &format!("\\x{hex}"));
    let part = hex.get(40..160).unwrap();
    assert!(is_in_a_file(&sandbox, part));
    run(&sandbox, &keys, &["repair", "--trim"], part);
    assert_eq!(ran, 4);
}

fn change(sandbox: &Sandbox, keys: &Change, arguments: &[&str]) -> crate::sandbox::Ran {
    let command = sandbox.command(Some(&keys.both), arguments);
    sandbox.finish(command, format!("{CANARY}-new").as_bytes()).expect_code(0)
}

#[test]
fn what_is_replaced_leaves_the_files_of_a_vault_that_another_process_has_open() {
    each(|sandbox, keys, arguments, wrap| {
        // While another process has the vault open, the -wal file stays.
        let other = Connection::open(sandbox.db()).unwrap();
        let rows = || other.query_row("SELECT count(*) FROM credentials", [], |row| row.get(0));
        let _: i64 = rows().unwrap();
        let ran = change(sandbox, keys, arguments);
        assert!(!ran.stdout.contains(STILL), "{ran:?}");
        assert!(!is_in_a_file(sandbox, wrap), "after {arguments:?}");
    });
}

#[test]
fn what_a_reader_still_needs_is_reported_and_leaves_with_the_next_change() {
    each(|sandbox, keys, arguments, wrap| {
        let mut other = Connection::open(sandbox.db()).unwrap();
        let reading = other.transaction().unwrap();
        let rows = "SELECT count(*) FROM credentials";
        let _: i64 = reading.query_row(rows, [], |row| row.get(0)).unwrap();
        change(sandbox, keys, arguments).expect_in_stdout(STILL);
        assert!(is_in_a_file(sandbox, wrap), "the message is wrong after {arguments:?}");
        reading.rollback().unwrap();
        let ran = change(sandbox, keys, &["rotate"]);
        assert!(!ran.stdout.contains(STILL), "{ran:?}");
        assert!(!is_in_a_file(sandbox, wrap), "after {arguments:?}");
    });
}

#[test]
fn rows_with_the_least_and_the_greatest_id_are_rotated() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 5);
    let database = Connection::open(sandbox.db()).unwrap();
    for (id, n) in [(i64::MIN, 0), (i64::MIN + 1, 1), (i64::MAX - 1, 3), (i64::MAX, 4)] {
        let place = Place { id, owner: owner(n), env_name: "OPENAI_API_KEY".to_owned() };
        let envelope = place.seal(&keys.before.keyring(), &Secret::from(credential(n))).unwrap();
        let changed = database
            .execute(
                "UPDATE credentials SET id = ?1, envelope = ?2 WHERE tenant = ?3",
                (id, envelope, &owner(n).tenant),
            )
            .unwrap();
        assert_eq!(changed, 1);
    }
    for size in ["1", "2", "5", "6"] {
        let rotate = ["rotate", "--dry-run", "--batch-size", size];
        let ran = sandbox.vault(&keys.both, &rotate).expect_code(0);
        ran.expect_in_stdout("5 rows would be rewrapped");
    }
    let rotated = sandbox.vault(&keys.both, &["rotate", "--batch-size", "1"]).expect_code(0);
    rotated.expect_in_stdout("5 rows rewrapped, 0 rows already current");
    assert_eq!(sandbox.assert_rows_open(&keys.after), 5);
    let retire = sandbox.vault(&keys.both, &["census", "--retire", "old"]).expect_code(0);
    retire.expect_in_stdout("5 rows");
}

#[test]
fn after_the_greatest_id_there_is_no_other() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, 2);
    let database = Connection::open(sandbox.db()).unwrap();
    let set = |seq: i64| database.execute("UPDATE sqlite_sequence SET seq = ?1", [seq]).unwrap();
    set(i64::MAX - 1);
    let put =
        |tenant| sandbox.put(&keys, &["--tenant", tenant, "--provider", "openai"], b"sk-canary");
    put("last").expect_code(0).expect_in_stdout("(row 9223372036854775807,");
    put("next").expect_code(13).expect_in_stderr("the vault has used the last row id");
    let replace = [&ROW_1[..], &["--replace"]].concat();
    sandbox.put(&keys, &replace, credential(1).as_bytes()).expect_code(0);
}

#[test]
fn a_page_of_long_rows_has_fewer() {
    const ROWS: u64 = 400;
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    let (old, long) = (keys.before.keyring(), Secret::from("k".repeat(65_536)));
    let mut store = Store::open(&sandbox.db(), Access::Create).unwrap();
    let writer = store.begin().unwrap();
    for n in 0..ROWS {
        writer.add(&old, owner(n), "OPENAI_API_KEY".to_owned(), &long, 0).unwrap();
    }
    writer.commit().unwrap();

    let (mut first, mut pages, mut rows) = (i64::MIN, 0, 0);
    loop {
        let page = store.page_from(first, 100_000).unwrap();
        let Some(last) = page.last() else { break };
        let length: usize = page.iter().map(|row: &Row| row.envelope.len()).sum();
        assert!(length < 9 * 1024 * 1024, "{length} bytes");
        first = last.place.id + 1;
        pages += 1;
        rows += page.len();
    }
    assert_eq!(rows, 400);
    assert!(pages >= 4, "{pages} pages");
    drop(store);
    let rotate = ["rotate", "--batch-size", "100000"];
    sandbox.vault(&keys.both, &rotate).expect_code(0).expect_in_stdout("400 rows rewrapped");
}
