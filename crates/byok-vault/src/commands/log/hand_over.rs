//! `log --hand-over`: goes on under another audit key.

use std::collections::BTreeMap;
use std::io::Write;

use crate::audit_keys::LogKeys;
use crate::cli::Cli;
use crate::commands::census::ADVICE_ON_EMPTY;
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::{counted, number, shown};
use crate::key_text::Given;
use crate::log::Log;
use crate::rotation;
use crate::store::{Access, Store};

/// Hands each chain that is under another audit key over to the primary, and reports the chains that take no entry.
///
/// Each chain is a transaction of its own, so this can be killed and run again.
///
/// # Errors
/// Returns an error if the database fails, or the report cannot be written. Finished chains stay as they are.
pub(super) fn hand_over(
    cli: &Cli,
    subject: Option<&str>,
    out: &mut impl Write,
) -> Result<Exit, VaultError> {
    let keys = LogKeys::load(cli.file(Given::AuditKeys))?.keys;
    let primary = keys.primary().0.clone();
    let log = Log::new(keys, "log");
    let mut store = Store::open(&cli.db, Access::Write)?;
    let subjects = store.subjects_of_log(subject)?;
    let (mut handed_over, mut already) = (0, 0);
    // By what to do about it.
    let mut failed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let progress = rotation::bar("handing over");
    progress.set_length(number(subjects.len()));
    for subject in &subjects {
        match log.hand_over(&mut store, subject) {
            Ok(true) => handed_over += 1,
            Ok(false) => already += 1,
            Err(VaultError::Log(problem)) => {
                let line = format!("{}: {problem}", shown(subject));
                failed.entry(problem.advice()).or_default().push(line);
            }
            Err(error) => return Err(error),
        }
        progress.inc(1);
    }
    progress.finish_and_clear();

    let chains = |count| counted(count, "chain", "chains");
    writeln!(
        out,
        "{} handed over to {primary}, {} already there",
        chains(handed_over),
        chains(already)
    )?;
    for (advice, lines) in &failed {
        writeln!(out, "{} not handed over", chains(number(lines.len())))?;
        for line in lines {
            writeln!(out, "    {line}")?;
        }
        writeln!(out, "  next: {advice}, and run the same command again")?;
    }
    if !failed.is_empty() {
        return Ok(Exit::Partial);
    }
    if subjects.is_empty() {
        writeln!(out, "  next: {ADVICE_ON_EMPTY}")?;
        return Ok(Exit::No);
    }
    writeln!(
        out,
        "  next: once every process has {primary} as `primary`, take the other audit keys away from all of them, \
         and keep those keys offline: `log --verify` needs them"
    )?;
    Ok(Exit::Done)
}
