//! Nothing is opened that is not in the log: with 64 processes at once, when they are killed, and on a full disk.
//!
//! The command that `run` starts is the witness of what was opened: it writes a line into a file. The reason of the entry
//! has the same text.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Instant;

use byok_vault::error::VaultError;
use byok_vault::log::Log;
use byok_vault::row::Row;
use byok_vault::row_fault::FaultKind;
use byok_vault::store::{Access, Store};
use rusqlite::Connection;
use sealwax::{Envelope, Keyring};

use super::full_disk::{Count, Room, Shortage, assert_told, rooms};
use super::{Dice, Template, filled, integrity, lost};
use crate::log::{change, entries};
use crate::sandbox::{Keys, Sandbox, audit_key};

const ROWS: u64 = 40;
const PROCESSES: u64 = 64;
/// One in this many is an audit of all rows.
const AUDITS: u64 = 4;

/// Starts a process that opens something: an audit, or a command that writes a line.
fn start(sandbox: &Sandbox, keys: &Keys, round: u64, n: u64) -> Child {
    let (name, witness) = (format!("process {round}-{n}"), sandbox.path("witness"));
    // Eight processes open rows of one tenant.
    let tenant = format!("tenant-{}", n % 8);
    let run = ["run", "--tenant", &tenant, "--provider", "openai", "--why", &name, "--"];
    let script = "test -n \"$OPENAI_API_KEY\" && echo \"$0\" >> \"$1\"";
    let run = [&run[..], &["sh", "-c", script, &name, witness.to_str().unwrap()]].concat();
    let arguments = if n.is_multiple_of(AUDITS) { &["audit"][..] } else { &run };
    let mut command = sandbox.command(Some(keys), arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Returns the lines that the commands wrote.
fn witnessed(sandbox: &Sandbox) -> BTreeSet<String> {
    let text = fs::read_to_string(sandbox.path("witness")).unwrap_or_default();
    // A killed command may have written a part of its line.
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    lines.map(str::to_owned).collect()
}

/// Returns what was opened but has no entry.
fn unrecorded(sandbox: &Sandbox, opened: &BTreeSet<String>) -> Vec<String> {
    let entries = entries(sandbox);
    let opened_for = entries.iter().filter(|record| record.entry.outcome == "opened");
    let reasons: BTreeSet<_> =
        opened_for.filter_map(|record| record.entry.why.strip_prefix("openai: ")).collect();
    opened.iter().filter(|line| !reasons.contains(line.as_str())).cloned().collect()
}

/// Asserts that each line has its entry, and that all chains verify.
#[track_caller]
fn assert_recorded(sandbox: &Sandbox, keys: &Keys) -> BTreeSet<String> {
    let opened = witnessed(sandbox);
    assert_eq!(unrecorded(sandbox, &opened), [""; 0]);
    sandbox.without_keys(&["log", "--verify"]).expect_code(0);
    assert_eq!(integrity(sandbox), "ok");
    assert_eq!(lost(sandbox, keys, filled(ROWS)), 0, "rows were lost");
    opened
}

#[test]
fn what_64_processes_open_at_once_is_recorded() {
    let template = Template::new(ROWS);
    let (sandbox, keys) = (template.sandbox(), &template.keys.before);
    let processes: Vec<_> = (0..PROCESSES).map(|n| start(&sandbox, keys, 0, n)).collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    let opened = assert_recorded(&sandbox, keys);
    let (audits, commands) = (PROCESSES / AUDITS, PROCESSES - PROCESSES / AUDITS);
    assert_eq!(u64::try_from(opened.len()).unwrap(), commands);
    let of = |action| {
        let entries = entries(&sandbox);
        entries.iter().filter(|record| record.entry.action == action).count()
    };
    assert_eq!((of("run"), of("audit")), (48, 640));
    assert_eq!((commands, audits * ROWS), (48, 640));
    println!(
        "faults: {PROCESSES} processes at once, {commands} commands and {audits} audits recorded"
    );
    // Control: what has no entry is noticed.
    let strange = BTreeSet::from(["process 0-0".to_owned(), "process 0-1".to_owned()]);
    assert_eq!(unrecorded(&sandbox, &strange), ["process 0-0"]);
}

#[test]
fn what_killed_processes_have_opened_is_recorded() {
    let template = Template::new(ROWS);
    let (sandbox, keys) = (template.sandbox(), &template.keys.before);
    let mut dice = Dice::new();
    let began = Instant::now();
    assert!(start(&sandbox, keys, 0, 1).wait().unwrap().success());
    // Processes that run at once take longer than one.
    let mut whole = began.elapsed() * 32;
    let (mut rounds, mut kills) = (0, 0);
    while rounds < 6 || (kills < 2 * PROCESSES && rounds < 30) {
        rounds += 1;
        let begin = |n| (start(&sandbox, keys, rounds, n), Instant::now() + dice.part_of(whole));
        let mut processes: Vec<_> = (0..PROCESSES).map(begin).collect();
        processes.sort_by_key(|(_, end)| *end);
        let before = kills;
        for (process, end) in &mut processes {
            thread::sleep(end.saturating_duration_since(Instant::now()));
            kills += u64::from(process.try_wait().unwrap().is_none());
            // The process that `run` has become, too.
            process.kill().unwrap();
        }
        for (mut process, _) in processes {
            process.wait().unwrap();
        }
        assert_recorded(&sandbox, keys);
        if kills - before < PROCESSES / 2 {
            whole /= 2;
        }
    }
    let opened = witnessed(&sandbox).len();
    let recorded = entries(&sandbox);
    let runs = recorded.iter().filter(|record| record.entry.action == "run").count();
    println!(
        "faults: {kills} of {} processes killed, {opened} wrote a line, {} were killed between the entry and \
         the line, 0 opened without an entry",
        rounds * PROCESSES,
        runs - opened,
    );
    assert!(kills >= 2 * PROCESSES && opened > 20, "{kills} kills, {opened} lines");
}

/// Runs `run` and `audit` with little room. They open what they can record, and nothing else.
pub(super) fn openings(shortage: &Shortage) -> Count {
    let template = Template::new(ROWS);
    let keys = &template.keys.before;
    let mut count = Count::default();
    let run = ["run", "--tenant", "tenant-7", "--provider", "openai", "--", "echo", "opened"];
    for arguments in [&run[..], &["audit"]] {
        let before = (count.failed, count.done);
        for room in rooms(3 * 1_024) {
            let Room { bytes, reader } = room;
            let at = format!("{} with {bytes} bytes, {reader}", arguments[0]);
            let sandbox = template.sandbox();
            let ran = shortage.run(room, &sandbox, sandbox.command(Some(keys), arguments), b"");
            let recorded = entries(&sandbox).len();
            if ran.code == 0 {
                let all = usize::try_from(ROWS).unwrap();
                assert_eq!(recorded, if arguments == run { 1 } else { all }, "{at}");
                count.done += 1;
            } else {
                assert_told(&ran, &at);
                count.failed += 1;
                count.full += u64::from(ran.stderr.contains("database or disk is full"));
                sandbox.vault(keys, arguments).expect_code(0);
            }
            sandbox.without_keys(&["log", "--verify"]).expect_code(0);
            assert_eq!(integrity(&sandbox), "ok", "{at}");
        }
        assert!(count.failed - before.0 >= 3 && count.done - before.1 >= 3, "{count:?}");
    }
    println!("run and audit: {count:?}");
    count
}

/// Returns how many entries another process sees for a row.
fn seen(sandbox: &Sandbox, row: &Row) -> i64 {
    let envelope: Envelope = row.envelope.parse().unwrap();
    let commitment: String =
        envelope.commitment().iter().map(|byte| format!("{byte:02x}")).collect();
    let sql = "SELECT count(*) FROM sealwax_audit_entries WHERE commitment = ?1";
    let database = Connection::open(sandbox.db()).unwrap();
    database.query_row(sql, [commitment], |row| row.get(0)).unwrap()
}

fn kind<T>(opened: &Result<T, VaultError>) -> Option<FaultKind> {
    match opened {
        Err(VaultError::Row { fault, .. }) => Some(fault.kind),
        _ => None,
    }
}

#[test]
fn a_row_is_decrypted_only_once_its_entry_is_committed() {
    let template = Template::new(ROWS);
    let (sandbox, keyring) = (template.sandbox(), template.keys.before.keyring());
    let opener = || Log::new(audit_key().parse().unwrap(), "test").opener(&keyring);
    let rows = Store::open(&sandbox.db(), Access::Read).unwrap().page_from(0, 100).unwrap();
    let decrypted = Cell::new(0);
    let open = |row: &Row, keyring: &Keyring| {
        row.open(keyring)?;
        assert_eq!(seen(&sandbox, row), 1, "decrypted before its entry was committed");
        decrypted.set(decrypted.get() + 1);
        Ok(())
    };
    // A store that cannot be written to.
    let mut store = Store::open(&sandbox.db(), Access::Read).unwrap();
    assert!(opener().open_each(&mut store, &rows, open).is_err());
    assert!(opener().open(&mut store, &rows[0]).is_err());
    assert_eq!(decrypted.get(), 0);

    // What cannot be opened anyway is reported as it is.
    let other =
        Log::new(audit_key().parse().unwrap(), "test").opener(&Keys::primary("k").keyring());
    assert_eq!(kind(&other.open(&mut store, &rows[0])), Some(FaultKind::UnknownKey));
    let refused = other.open_each(&mut store, &rows, |row, keyring| row.open(keyring)).unwrap();
    assert_eq!(refused.len(), 40);
    assert!(refused.iter().all(|refused| kind(refused) == Some(FaultKind::UnknownKey)));

    let mut store = Store::open(&sandbox.db(), Access::Write).unwrap();
    let opened = opener().open_each(&mut store, &rows, open).unwrap();
    assert!(opened.iter().all(Result::is_ok));
    assert_eq!((decrypted.get(), opened.len()), (40, 40));

    // One entry is for one opening, and for one credential.
    let opener = opener();
    let twice = |row: &Row, keyring: &Keyring| {
        row.open(keyring)?;
        row.open(keyring)
    };
    let opened = opener.open_each(&mut store, &rows[..1], twice).unwrap();
    assert!(opened[0].is_err());
    let calls = Cell::new(0);
    let another = |_: &Row, keyring: &Keyring| {
        calls.set(calls.get() + 1);
        rows[calls.get()].open(keyring)
    };
    let opened = opener.open_each(&mut store, &rows[..1], another).unwrap();
    assert!(opened[0].is_err() && calls.get() == 2);
}

#[test]
fn an_altered_ciphertext_is_reported_even_if_that_cannot_be_recorded() {
    let template = Template::new(ROWS);
    let (sandbox, keyring) = (template.sandbox(), template.keys.before.keyring());
    let mut store = Store::open(&sandbox.db(), Access::Write).unwrap();
    let mut row = store.page_from(0, 1).unwrap().remove(0);
    let mut bytes = row.parse().unwrap().as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    row.envelope = Envelope::from_bytes(&bytes).unwrap().to_string();
    let opener = Log::new(audit_key().parse().unwrap(), "test").opener(&keyring);
    let calls = Cell::new(0);
    let open = |row: &Row, keyring: &Keyring| {
        calls.set(calls.get() + 1);
        if calls.get() == 2 {
            change(&sandbox, "UPDATE sealwax_audit SET record = 'null'");
        }
        row.open(keyring)
    };
    let opened = opener.open_each(&mut store, &[row], open).unwrap();
    assert_eq!((kind(&opened[0]), calls.get()), (Some(FaultKind::Altered), 2));
}
