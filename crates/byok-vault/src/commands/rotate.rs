//! `rotate`: every row to the keyring's present keys.

use std::io::Write;

use crate::cli::{Cli, Rotate};
use crate::commands::by_kind;
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::rows;
use crate::keys::Keys;
use crate::rotation::{self, Mode, Outcome};
use crate::store::{Access, Store};

/// Rewraps what is not current and reports what became of every row.
///
/// # Errors
/// The keyring or the database failed. Rows that fail are in the report instead.
pub fn rotate(cli: &Cli, args: &Rotate, out: &mut impl Write) -> Result<Exit, VaultError> {
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let (mode, access) =
        if args.dry_run { (Mode::DryRun, Access::Read) } else { (Mode::Write, Access::Write) };
    let mut store = Store::open(&cli.db, access)?;
    let progress = rotation::bar("rewrapping");
    let outcome = rotation::rotate(&mut store, &keys.keyring, args.batch_size, mode, &progress);
    progress.finish_and_clear();
    let outcome = outcome?;
    report(&outcome, mode, out)?;
    Ok(if outcome.is_complete() { Exit::Done } else { Exit::Partial })
}

/// Says what became of the rows.
///
/// # Errors
/// It cannot be written.
pub fn report(outcome: &Outcome, mode: Mode, out: &mut impl Write) -> Result<(), VaultError> {
    let (rewrapped, kept) = match mode {
        Mode::Write => ("rewrapped", "left untouched"),
        Mode::DryRun => ("would be rewrapped", "could not be"),
    };
    writeln!(
        out,
        "{} {rewrapped}, {} already current",
        rows(outcome.rewrapped),
        rows(outcome.current)
    )?;
    if outcome.overtaken > 0 {
        writeln!(
            out,
            "{} left untouched: written by another process each time\n  next: run `rotate` again \
             when that process has finished",
            rows(outcome.overtaken)
        )?;
    }
    let failed = outcome.failed.iter().map(|(id, (owner, fault))| (*id, owner, fault));
    by_kind::of_rows(failed, kept, out)
}
