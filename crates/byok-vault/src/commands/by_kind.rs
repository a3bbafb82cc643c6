//! Rows that something is wrong with, as every command reports them.

use std::collections::BTreeMap;
use std::io::Write;

use crate::error::VaultError;
use crate::formatting::{number, rows};
use crate::row::Owner;
use crate::row_fault::{Fault, Kind};

/// Counts rows by what is wrong with them, with a line for each row below, and what to do about the
/// kind.
///
/// # Errors
/// It cannot be written.
pub fn report<K: Kind>(
    faulty: impl Iterator<Item = (K, String)>,
    verb: &str,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    let mut by_kind: BTreeMap<K, Vec<String>> = BTreeMap::new();
    for (kind, line) in faulty {
        by_kind.entry(kind).or_default().push(line);
    }
    for (kind, lines) in by_kind {
        writeln!(out, "{} {verb}: {}", rows(number(lines.len())), kind.label())?;
        for line in lines {
            writeln!(out, "    {line}")?;
        }
        writeln!(out, "  next: {}", kind.advice())?;
    }
    Ok(())
}

/// The same for rows of the vault, each by its id.
///
/// # Errors
/// It cannot be written.
pub fn of_rows<'f>(
    faulty: impl Iterator<Item = (i64, &'f Owner, &'f Fault)>,
    verb: &str,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    let lines =
        faulty.map(|(id, owner, fault)| (fault.kind, format!("row {id} ({owner}): {fault}")));
    report(lines, verb, out)
}
