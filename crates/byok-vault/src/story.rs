//! The story: a demonstration of the whole life of a vault, in a temporary database.

mod attacks;
mod invented;
mod recorded;

use std::collections::BTreeMap;
use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sealwax::{Envelope, KeyId, Keyring, MasterKey, Secret};

use crate::audit;
use crate::audit_keys::LogKeys;
use crate::census::{self, Verdict};
use crate::clock::now;
use crate::commands::list::Line;
use crate::commands::{census as census_command, rotate};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::{Grouped, number, rows, took};
use crate::key_text::Given;
use crate::keys::Keys;
use crate::log::Opener;
use crate::rotation::{self, Mode};
use crate::row::Row;
use crate::store::{Access, Store};

pub use invented::{CREDENTIALS, credential, owner};

use recorded::{audit_key, opened_as_stored, opener};

/// The number of rows per transaction while the vault is filled.
const FILL_BATCH: u64 = 1_000;
/// One row in this many is opened and compared.
const SAMPLE: u64 = 50;
/// The number of rows per transaction of the rotation.
///
/// It is small, so that some rows are left when the rotation is killed.
const ROTATION_BATCH: u32 = 200;

/// Runs the story.
///
/// # Errors
/// Returns an error if the temporary directory or the database fails, or if a step of the story does
/// not have the expected result.
pub fn tell(out: &mut impl Write) -> Result<Exit, VaultError> {
    let began = Instant::now();
    let directory = tempfile::Builder::new()
        .prefix("byok-vault-")
        .tempdir()
        .map_err(io_while("creating a temporary directory"))?;
    let db = directory.path().join("vault.db");
    let (old, new): (KeyId, KeyId) = (key_id("prod-2025")?, key_id("prod-2026")?);
    let (old_key, new_key) = (new_key()?, new_key()?);

    writeln!(out, "1. A keyring with one key: primary {old}")?;
    let first = keyring(&[("primary", &old, &old_key)])?;

    let log = audit_key()?;
    let mut store = Store::open(&db, Access::Create)?;
    fill(&mut store, &first.keyring, out)?;
    list(&store, &first.keyring, out)?;
    open_some(&mut store, &opener(&log, &first.keyring)?, out)?;

    writeln!(
        out,
        "\n5. A new primary, {new}; {old} is retired: it still opens, but no longer seals."
    )?;
    let both = keyring(&[("primary", &new, &new_key), ("retired", &old, &old_key)])?;
    let before = payloads(&store)?;
    kill_a_rotation(&store, &db, &both, &log, &before, out)?;
    finish_the_rotation(&mut store, &both.keyring, out)?;
    compare(&before, &payloads(&store)?, out)?;
    drop(before);

    retire(&mut store, &both, &log, &old, out)?;
    let alone = keyring(&[("primary", &new, &new_key)])?;
    let alone = opener(&log, &alone.keyring)?;
    open_some_again(&mut store, &alone, out)?;
    attacks::tell(&mut store, &alone, &log, &new, out)?;
    recorded::tell(&store, &log, out)?;

    drop(store);
    directory.close().map_err(io_while("removing the temporary directory"))?;
    writeln!(
        out,
        "\nThat took {}. The database has been deleted, and no credential was printed.",
        took(began.elapsed())
    )?;
    Ok(Exit::Done)
}

fn fill(store: &mut Store, keyring: &Keyring, out: &mut impl Write) -> Result<(), VaultError> {
    let (began, now) = (Instant::now(), now());
    let progress = rotation::bar("sealing");
    progress.set_length(CREDENTIALS);
    let mut bytes = 0;
    for start in (0..CREDENTIALS).step_by(usize::try_from(FILL_BATCH).unwrap_or(1)) {
        let writer = store.begin()?;
        for n in start..CREDENTIALS.min(start + FILL_BATCH) {
            let (owner, env_name) = owner(n);
            let secret = Secret::from(credential(n));
            bytes += writer.add(keyring, owner, env_name, &secret, now)?.envelope.len();
        }
        writer.commit()?;
        progress.set_position(start + FILL_BATCH);
    }
    progress.finish_and_clear();
    let per_second = per_second(CREDENTIALS, began.elapsed());
    writeln!(
        out,
        "\n2. Sealed and stored {} credentials: API keys, PEM keys, service accounts.\n   {}, {} \
         per second, {} KiB of envelopes",
        Grouped(CREDENTIALS),
        took(began.elapsed()),
        Grouped(per_second),
        Grouped(number(bytes / 1024)),
    )?;
    Ok(())
}

fn list(store: &Store, keyring: &Keyring, out: &mut impl Write) -> Result<(), VaultError> {
    let (began, now) = (Instant::now(), now());
    writeln!(out, "\n3. Listed without decrypting anything:\n   {}", Line::HEADER)?;
    let mut listed = 0;
    store.for_each(|row| {
        let line = Line::new(row, Some(keyring), now);
        if listed < 8 {
            writeln!(out, "   {line}")?;
        }
        listed += 1;
        Ok(())
    })?;
    writeln!(out, "   ... {} in {}", rows(listed), took(began.elapsed()))?;
    Ok(())
}

fn open_some(store: &mut Store, opener: &Opener, out: &mut impl Write) -> Result<(), VaultError> {
    let began = Instant::now();
    let opened = opened_as_stored(store, opener)?;
    writeln!(
        out,
        "\n4. Opened {opened} of them: each is what was stored ({}, including the comparison)",
        took(began.elapsed())
    )?;
    Ok(())
}

fn open_some_again(
    store: &mut Store,
    opener: &Opener,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    let opened = opened_as_stored(store, opener)?;
    writeln!(out, "   with the new key alone, {opened} rows open to what was stored")?;
    Ok(())
}

/// The part of an envelope that a rotation must not change: everything except its wraps and its MAC.
type Payload = (Vec<u8>, [u8; 32]);

fn payloads(store: &Store) -> Result<BTreeMap<i64, (Payload, String)>, VaultError> {
    let mut payloads = BTreeMap::new();
    store.for_each(|row| {
        let envelope = parsed(&row)?;
        let payload = [envelope.iv().as_slice(), envelope.tag(), envelope.ciphertext()].concat();
        payloads.insert(row.place.id, ((payload, *envelope.commitment()), row.envelope));
        Ok(())
    })?;
    Ok(payloads)
}

/// Starts `rotate` in a separate process and kills it halfway.
fn kill_a_rotation(
    store: &Store,
    db: &Path,
    keys: &Keys,
    log: &LogKeys,
    before: &BTreeMap<i64, (Payload, String)>,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    let began = Instant::now();
    let program = env::current_exe().map_err(io_while("finding this program"))?;
    let mut command = Command::new(program);
    command
        .args(["rotate", "--batch-size", &ROTATION_BATCH.to_string(), "--db"])
        .arg(db)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    keys.text.pass_to(&mut command);
    log.text.pass_to(&mut command);
    let mut child = command.spawn().map_err(io_while("starting `rotate`"))?;
    drop(command);

    // When the row in the middle of the table has changed, about half of the work is done.
    let (middle, _) = owner(CREDENTIALS / 2);
    let finished = loop {
        if child.try_wait().map_err(io_while("watching `rotate`"))?.is_some() {
            break true;
        }
        let row = store.find(&middle)?.ok_or_else(|| unexpected("a row is gone"))?;
        if before.get(&row.place.id).is_some_and(|(_, envelope)| *envelope != row.envelope) {
            child.kill().map_err(io_while("killing `rotate`"))?;
            child.wait().map_err(io_while("killing `rotate`"))?;
            break false;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let (mut current, mut stale) = (0, 0);
    store.for_each(|row| {
        let envelope = parsed(&row)?;
        *if keys.keyring.is_current(&envelope) { &mut current } else { &mut stale } += 1;
        Ok(())
    })?;
    writeln!(
        out,
        "   `rotate` was {} after {}: {} current, {} stale, none lost",
        if finished { "too fast to be killed: it finished" } else { "killed (SIGKILL)" },
        took(began.elapsed()),
        rows(current),
        rows(stale),
    )?;
    if current + stale == CREDENTIALS { Ok(()) } else { Err(unexpected("rows were lost")) }
}

fn finish_the_rotation(
    store: &mut Store,
    keyring: &Keyring,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    let began = Instant::now();
    let progress = rotation::bar("rewrapping");
    let outcome = rotation::rotate(store, keyring, ROTATION_BATCH, Mode::Write, &progress);
    progress.finish_and_clear();
    let outcome = outcome?;
    write!(out, "   the next run does the rest: ")?;
    rotate::report(&outcome, Mode::Write, out)?;
    writeln!(
        out,
        "   {}, {} per second, one transaction for every {ROTATION_BATCH} rows",
        took(began.elapsed()),
        Grouped(per_second(outcome.rewritten, began.elapsed())),
    )?;
    if outcome.is_complete() { Ok(()) } else { Err(unexpected("rows were not rewrapped")) }
}

fn compare(
    before: &BTreeMap<i64, (Payload, String)>,
    after: &BTreeMap<i64, (Payload, String)>,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    let began = Instant::now();
    let (mut same, mut bytes, mut rewrapped) = (0, 0, 0);
    for (id, (payload, envelope)) in before {
        let (payload_now, envelope_now) =
            after.get(id).ok_or_else(|| unexpected("a row is gone"))?;
        same += u64::from(payload == payload_now);
        bytes += number(payload.0.len() + payload.1.len());
        rewrapped += u64::from(envelope != envelope_now);
    }
    writeln!(
        out,
        "\n6. Compared IV, tag, ciphertext and commitment of {} with those before the rotation:\n   \
         {} unchanged, {} bytes ({}); {} have a new wrap",
        rows(CREDENTIALS),
        Grouped(same),
        Grouped(bytes),
        took(began.elapsed()),
        Grouped(rewrapped),
    )?;
    if (same, rewrapped) == (CREDENTIALS, CREDENTIALS) {
        Ok(())
    } else {
        Err(unexpected("a payload changed"))
    }
}

fn retire(
    store: &mut Store,
    keys: &Keys,
    log: &LogKeys,
    old: &KeyId,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    let began = Instant::now();
    let rehearsed = keys.without(old)?;
    let audit = audit::audit(store, &opener(log, &rehearsed)?)?;
    let census = census::take(store, Some(&keys.keyring))?.with_audit(audit, Some(old));
    writeln!(
        out,
        "\n7. Retire {old}? Every row was opened with {old} disabled ({}):",
        took(began.elapsed())
    )?;
    let mut answer = Vec::new();
    census_command::answer(&census, old, &mut answer)?;
    for line in String::from_utf8_lossy(&answer).lines() {
        writeln!(out, "   {line}")?;
    }
    if census.verdict(old) == Verdict::Safe {
        Ok(())
    } else {
        Err(unexpected("the old key is still needed"))
    }
}

fn parsed(row: &Row) -> Result<Envelope, VaultError> {
    row.parse().map_err(|fault| VaultError::Row {
        id: row.place.id,
        owner: row.place.owner.clone(),
        fault,
    })
}

fn row_of(store: &Store, n: u64) -> Result<Row, VaultError> {
    let (owner, _) = owner(n);
    store.find(&owner)?.ok_or(VaultError::NotFound { owner })
}

fn key_id(id: &str) -> Result<KeyId, VaultError> {
    id.parse().map_err(|_| unexpected("a key id was rejected"))
}

fn new_key() -> Result<MasterKey, VaultError> {
    MasterKey::generate().map_err(|source| VaultError::NewKey { source })
}

fn keyring(entries: &[(&str, &KeyId, &MasterKey)]) -> Result<Keys, VaultError> {
    // Large enough that it never grows, because growing would leave a copy of the keys behind.
    let mut text = String::with_capacity(1024);
    for (state, id, key) in entries {
        let key = key.to_text();
        text.extend([*state, " ", id.as_ref(), " ", key.expose_str().unwrap_or_default(), "\n"]);
    }
    Keys::parse(Secret::from(text), Given::Keyring.variable().to_owned())
}

fn per_second(count: u64, duration: Duration) -> u64 {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1);
    count * 1_000 / millis
}

fn io_while(doing: &'static str) -> impl Fn(std::io::Error) -> VaultError {
    move |source| VaultError::InputOutput { doing: doing.to_owned(), source }
}

fn unexpected(what: &'static str) -> VaultError {
    VaultError::Story { what }
}
