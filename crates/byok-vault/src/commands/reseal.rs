//! `reseal`: seals the credentials under a leaked key again.

use std::collections::BTreeMap;
use std::io::Write;

use sealwax::Keyring;

use crate::cli::{Cli, Reseal};
use crate::commands::{by_kind, say_not_erased};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::{file, number, rows, shown};
use crate::keys::Keys;
use crate::log::Log;
use crate::reseal::{self, Untrusted};
use crate::rotation::{self, Mode};
use crate::row::Row;
use crate::store::{Access, Store};

/// Reseals every row that is wrapped for the leaked key, and lists these rows.
///
/// # Errors
/// Returns an error if the key is not `retired` in the keyring, or if the database or the list of rows
/// fails. Rows that fail are reported instead.
pub fn reseal(cli: &Cli, args: &Reseal, out: &mut impl Write) -> Result<Exit, VaultError> {
    let keys = Keys::load(cli.keys_file.as_deref())?;
    reseal::check_state(&keys.keyring, &args.leaked)?;
    let opener = Log::of(cli, "reseal")?.opener(&keys.keyring);
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Write };
    // A dry run writes too: into the log.
    let mut store = Store::open(&cli.db, Access::Write)?;
    let mut list = match mode {
        Mode::Write => Some(Untrusted::open(&cli.db)?),
        Mode::DryRun => None,
    };

    let reseal = |row: &Row, keyring: &Keyring| reseal::resealed(row, keyring, &args.leaked);
    let mut untrusted = BTreeMap::new();
    let progress = rotation::bar("resealing");
    let outcome = rotation::rewrite(
        &mut store,
        args.batch_size,
        mode,
        &progress,
        |store: &mut Store, page: &[Row]| opener.open_each(store, page, reseal),
        |changes| {
            untrusted.extend(changes.iter().map(|(row, _)| (row.place.id, row.place.clone())));
            list.as_mut().map_or(Ok(()), |list| list.add(changes, &args.leaked))
        },
    );
    progress.finish_and_clear();
    // Before a failure is reported too, because finished batches stay.
    let is_erased = mode == Mode::DryRun || store.erase_replaced();
    let outcome = outcome?;

    let id = &args.leaked;
    by_kind::of_outcome(&outcome, mode, "resealed", &format!("not wrapped for {id}"), out)?;
    if !untrusted.is_empty() {
        let count = rows(number(untrusted.len()));
        writeln!(
            out,
            "{count} not to be trusted: other people may have read the credential, or written it"
        )?;
        for (id, place) in &untrusted {
            writeln!(out, "    row {id} ({}): {}", place.owner, shown(&place.env_name))?;
        }
        writeln!(
            out,
            "  next: replace each credential at its provider, and store the new one with `put --replace \
             --env`, because others may have chosen its variable too"
        )?;
    }
    if let Some(list) = &list {
        writeln!(out, "{} lists these rows, and those of earlier runs", file(&list.path))?;
    }
    writeln!(
        out,
        "Write `leaked {id}` into the keyring of every other process. Rows that were rewrapped since \
         the leak, or from which somebody removed the wrap for {id}, do not name it and were not found: \
         compare with a backup from the time of the leak."
    )?;
    if !is_erased {
        say_not_erased(out)?;
    }
    Ok(if outcome.is_complete() { Exit::Done } else { Exit::Partial })
}
