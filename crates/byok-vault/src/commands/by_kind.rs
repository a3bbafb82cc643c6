//! The report on faulty rows that all commands share.

use std::collections::BTreeMap;
use std::io::Write;

use crate::error::VaultError;
use crate::formatting::{number, rows};
use crate::rotation::{Mode, Outcome};
use crate::row::Owner;
use crate::row_fault::{Fault, Kind};

/// Reports faulty rows by kind: their number, a line for each row, and what to do about the kind.
///
/// # Errors
/// Returns an error if the report cannot be written.
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

/// Reports faulty rows of the vault, each with its id.
///
/// # Errors
/// Returns an error if the report cannot be written.
pub fn of_rows<'f>(
    faulty: impl Iterator<Item = (i64, &'f Owner, &'f Fault)>,
    verb: &str,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    let lines =
        faulty.map(|(id, owner, fault)| (fault.kind, format!("row {id} ({owner}): {fault}")));
    report(lines, verb, out)
}

/// Reports the result of a run that rewrites rows.
///
/// `verb` says what it did to a row, and `current` what the other rows already were.
///
/// # Errors
/// Returns an error if the report cannot be written.
pub fn of_outcome(
    outcome: &Outcome,
    mode: Mode,
    verb: &str,
    current: &str,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    let (would, left) = match mode {
        Mode::Write => ("", "left untouched"),
        Mode::DryRun => ("would be ", "would be left untouched"),
    };
    writeln!(
        out,
        "{} {would}{verb}, {} {current}",
        rows(outcome.rewritten),
        rows(outcome.current)
    )?;
    if outcome.overtaken > 0 {
        writeln!(
            out,
            "{} left untouched: changed by another process on every attempt\n  next: run the same \
             command again when that process has finished",
            rows(outcome.overtaken)
        )?;
    }
    of_rows(outcome.faults(), left, out)
}
