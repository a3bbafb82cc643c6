//! `rotate`: rewraps every row for the current keys of the keyring.

use std::io::Write;

use crate::cli::{Cli, Rotate};
use crate::commands::{by_kind, say_not_erased};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::rows;
use crate::keys::Keys;
use crate::log::Log;
use crate::rotation::{self, Mode, Outcome};
use crate::store::{Access, Store};

/// Rewraps the rows that are not current and reports the result.
///
/// # Errors
/// Returns an error if the keyring or the database fails. Rows that fail are reported instead.
pub fn rotate(cli: &Cli, args: &Rotate, out: &mut impl Write) -> Result<Exit, VaultError> {
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let (mode, access) =
        if args.dry_run { (Mode::DryRun, Access::Read) } else { (Mode::Write, Access::Write) };
    // A dry run decrypts nothing and changes nothing.
    let log = if args.dry_run { None } else { Some(Log::of(cli, "rotate")?) };
    let mut store = Store::open(&cli.db, access)?;
    if let Some(log) = &log {
        log.begins(&mut store, &keys.keyring, mode)?;
    }
    let progress = rotation::bar("rewrapping");
    let outcome = rotation::rotate(&mut store, &keys.keyring, args.batch_size, mode, &progress);
    progress.finish_and_clear();
    let ended = match (&log, &outcome) {
        (Some(log), Ok(outcome)) => {
            let (counts, is_complete) = (counts(outcome), outcome.is_complete());
            log.ended(&mut store, &keys.keyring, mode, &counts, is_complete)
        }
        _ => Ok(()),
    };
    // Before a failure is reported too, because finished batches stay.
    let is_erased = mode == Mode::DryRun || store.erase_replaced();
    let outcome = outcome?;
    ended?;
    report(&outcome, mode, out)?;
    writeln!(out, "No ciphertext was read: `byok-vault audit` opens every row.")?;
    if !is_erased {
        say_not_erased(out)?;
    }
    Ok(if outcome.is_complete() { Exit::Done } else { Exit::Partial })
}

fn counts(outcome: &Outcome) -> String {
    let Outcome { rewritten, current, failed, overtaken } = outcome;
    let (rewritten, failed) = (rows(*rewritten), failed.len());
    format!(
        "{rewritten} rewrapped, {current} already current, {failed} failed, {overtaken} overtaken"
    )
}

/// Reports the result of a rotation.
///
/// # Errors
/// Returns an error if the report cannot be written.
pub fn report(outcome: &Outcome, mode: Mode, out: &mut impl Write) -> Result<(), VaultError> {
    by_kind::of_outcome(outcome, mode, "rewrapped", "already current", out)
}
