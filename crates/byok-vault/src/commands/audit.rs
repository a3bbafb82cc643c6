//! `audit`: opens every row, and reports those that do not open.

use std::io::Write;

use crate::audit;
use crate::cli::Cli;
use crate::commands::{by_kind, census};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::rows;
use crate::keys::Keys;
use crate::row_fault::FaultKind;
use crate::store::{Access, Store};

/// Opens every row and reports the result. A vault without rows is not a success.
///
/// # Errors
/// Returns an error if the keyring or the database fails. Rows that fail are reported instead.
pub fn audit(cli: &Cli, out: &mut impl Write) -> Result<Exit, VaultError> {
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let mut store = Store::open(&cli.db, Access::Read)?;
    let audit = audit::audit(&mut store, &keys.keyring)?;
    writeln!(out, "{} opened", rows(audit.current))?;
    by_kind::of_rows(audit.faults(), "faulty", out)?;
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
