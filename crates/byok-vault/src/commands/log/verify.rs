//! `log --verify`: checks that nobody changed the log.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use sealwax_audit::{Anchor, AuditKeys, ChainError, Verifier};

use crate::commands::census::ADVICE_ON_EMPTY;
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::{counted, number, shown};
use crate::store::Store;
use crate::store::log::Stored;

pub(super) fn read_anchors(path: &Path) -> Result<Vec<Anchor>, VaultError> {
    let reading = |source| VaultError::InputOutput {
        doing: "reading the file of --anchor".to_owned(),
        source,
    };
    let text = fs::read_to_string(path).map_err(reading)?;
    // An empty file is one empty line, which is no anchor: it would prove nothing.
    let lines = text.strip_suffix('\n').unwrap_or(&text).split('\n');
    (1..)
        .zip(lines)
        .map(|(line, text)| {
            let text = text.strip_suffix('\r').unwrap_or(text);
            text.parse().map_err(|source| VaultError::Anchor { line, source })
        })
        .collect()
}

/// A chain that somebody changed, or that cannot be checked.
struct Broken {
    what: String,
    exit: Exit,
}

impl From<ChainError> for Broken {
    fn from(error: ChainError) -> Self {
        let exit = match error {
            ChainError::UnknownKey { .. } => Exit::Key,
            _ => Exit::Altered,
        };
        Self { what: error.to_string(), exit }
    }
}

/// Verifies each chain, and reports those that are not as they were written.
///
/// # Errors
/// Returns an error if the database fails, or the report cannot be written.
pub fn verify(
    store: &Store,
    keys: &AuditKeys,
    subject: Option<&str>,
    mut anchors: Vec<Anchor>,
    out: &mut impl Write,
) -> Result<Exit, VaultError> {
    anchors.retain(|anchor| subject.is_none_or(|subject| subject == anchor.subject));
    let begin = |subject: &str| Ok(Verifier::new(keys, subject, &anchors));
    // A chain of which nothing is left has only its anchors.
    let ends = anchors.iter().map(|anchor| (anchor.subject.clone(), begin(&anchor.subject)));
    let mut chains: BTreeMap<String, Result<Verifier<'_>, Broken>> = ends.collect();
    let mut entries = 0;
    store.for_each_entry(subject, |Stored { subject, number, record, .. }| {
        entries += 1;
        let chain = chains.entry(subject).or_insert_with_key(|subject| begin(subject));
        if let Ok(verifier) = chain {
            let altered =
                || Broken { what: format!("entry {number} was altered"), exit: Exit::Altered };
            let checked = record.as_ref().ok_or_else(altered);
            if let Err(broken) = checked.and_then(|record| Ok(verifier.check(record)?)) {
                *chain = Err(broken);
            }
        }
        Ok(())
    })?;

    writeln!(
        out,
        "{} in {}, compared with {}",
        counted(entries, "entry", "entries"),
        counted(number(chains.len()), "chain", "chains"),
        counted(number(anchors.len()), "anchor", "anchors"),
    )?;
    let mut exit = if entries == 0 { Exit::No } else { Exit::Done };
    for (subject, chain) in chains {
        if let Err(Broken { what, exit: found }) = chain.and_then(|chain| Ok(chain.finish()?)) {
            writeln!(out, "    {}: {what}", shown(&subject))?;
            exit = if exit == Exit::Altered { exit } else { found };
        }
    }
    let (verdict, next) = match exit {
        Exit::Done if anchors.is_empty() => (INTACT, NEXT_ANCHORS),
        Exit::Done => (
            INTACT,
            "add new anchors to the file (`log --anchors`), for the entries since the last ones",
        ),
        Exit::No => ("Nothing was ever opened, or this is not the log", ADVICE_ON_EMPTY),
        Exit::Key => (
            "These chains were not checked.",
            "add the key to those of the log, as `retired ID swa1_...`",
        ),
        _ => (
            "Somebody changed the log.",
            "treat it as a security incident, and find out who can write to the database; the entries before \
             the one named here are as they were written",
        ),
    };
    writeln!(out, "{verdict}\n  next: {next}")?;
    Ok(exit)
}

const INTACT: &str = "No entry was altered, removed, added or exchanged.";

const NEXT_ANCHORS: &str = "keep the output of `log --anchors` where nobody can change it: only with --anchor is it \
                            noticed that the end of a chain was cut off";
