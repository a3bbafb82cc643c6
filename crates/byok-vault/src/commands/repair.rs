//! `repair`: removes what tools put around envelopes.

use std::io::Write;

use crate::cli::{Cli, Repair};
use crate::commands::{by_kind, say_not_erased};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::keys::Keys;
use crate::log::Log;
use crate::repair;
use crate::rotation::{self, Mode};
use crate::row::Row;
use crate::store::{Access, Store};

/// Repairs the rows that open without what is around their envelopes, and reports the result.
///
/// # Errors
/// Returns an error if the keyring or the database fails. Rows that fail are reported instead.
pub fn repair(cli: &Cli, args: &Repair, out: &mut impl Write) -> Result<Exit, VaultError> {
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let opener = Log::of(cli, "repair")?.opener(&keys.keyring);
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Write };
    // A dry run writes too: into the log.
    let mut store = Store::open(&cli.db, Access::Write)?;
    let progress = rotation::bar("repairing");
    let trim = |store: &mut Store, page: &[Row]| opener.open_each(store, page, repair::trimmed);
    let outcome = rotation::rewrite(&mut store, args.batch_size, mode, &progress, trim, |_| Ok(()));
    progress.finish_and_clear();
    // Before a failure is reported too, because finished batches stay.
    let is_erased = mode == Mode::DryRun || store.erase_replaced();
    let outcome = outcome?;
    by_kind::of_outcome(&outcome, mode, "repaired", "with nothing around the envelope", out)?;
    writeln!(
        out,
        "A repaired row opens. The other rows were not opened: `byok-vault audit` does that."
    )?;
    if !is_erased {
        say_not_erased(out)?;
    }
    Ok(if outcome.is_complete() { Exit::Done } else { Exit::Partial })
}
