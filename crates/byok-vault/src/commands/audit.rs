//! `audit`: opens every row, and reports those that do not open.

use std::collections::BTreeMap;
use std::io::Write;

use crate::audit;
use crate::cli::Cli;
use crate::commands::{by_kind, census};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::{Grouped, rows};
use crate::keys::Keys;
use crate::log::Log;
use crate::rotation::Outcome;
use crate::row_fault::FaultKind;
use crate::store::{Access, Store};

/// Opens every row and reports the result. A vault without rows is not a success.
///
/// # Errors
/// Returns an error if the keyring or the database fails. Rows that fail are reported instead.
pub fn audit(cli: &Cli, out: &mut impl Write) -> Result<Exit, VaultError> {
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let log = Log::of(cli, "audit")?;
    let mut store = Store::open(&cli.db, Access::Write)?;
    let audit = audit::audit(&mut store, &log.opener(&keys.keyring))?;
    writeln!(out, "{} opened", rows(audit.current))?;
    by_kind::of_rows(audit.faults(), "faulty", out)?;
    for (length, count) in cut_lengths(&audit) {
        writeln!(
            out,
            "{} of these rows have exactly {length} characters: a column or a tool probably cuts texts to \
             this length",
            Grouped(count)
        )?;
    }
    writeln!(
        out,
        "Checked that every row opens for its own tenant, provider, label, row and variable. Backups, \
         rows written later, and whether the providers still accept the credentials were not checked. \
         A row that somebody deleted, or replaced with an older envelope of the same row, cannot be \
         detected."
    )?;
    if audit.current == 0 && audit.is_complete() {
        writeln!(out, "  next: {}", census::ADVICE_ON_EMPTY)?;
        return Ok(Exit::No);
    }
    Ok(audit.worst().map_or(Exit::Done, FaultKind::exit))
}

/// Returns each length that several rows have whose end may be missing, with their number.
///
/// Some of them may still parse, and are called altered. Rows that somebody altered have a common length as
/// well, if their credentials have one, so at least one row must not be a whole envelope.
fn cut_lengths(audit: &Outcome) -> impl Iterator<Item = (usize, u64)> {
    let mut lengths: BTreeMap<usize, (u64, bool)> = BTreeMap::new();
    for (_, _, fault) in audit.faults() {
        if let Some(length) = fault.length() {
            let (count, has_cut) = lengths.entry(length).or_default();
            *count += 1;
            *has_cut |= fault.lacks_end();
        }
    }
    lengths
        .into_iter()
        .filter(|(_, (count, has_cut))| *count > 1 && *has_cut)
        .map(|(length, (count, _))| (length, count))
}
