//! `log --verify`: checks that nobody changed the log.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use sealwax::KeyId;
use sealwax_audit::{Anchor, AuditKeys, ChainError, Verified, Verifier};

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
    // They would prove nothing, and whoever cuts off the end of a chain may also empty the file.
    if text.trim().is_empty() {
        return Err(VaultError::NoAnchors);
    }
    let lines = text.strip_suffix('\n').unwrap_or(&text).split('\n');
    (1..)
        .zip(lines)
        .map(|(line, text)| {
            let text = text.strip_suffix('\r').unwrap_or(text);
            text.parse().map_err(|source| VaultError::Anchor { line, source })
        })
        .collect()
}

/// A chain that somebody changed, that cannot be checked, or that ends under another audit key than the primary.
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

/// A chain without a fault.
struct Intact {
    end: Anchor,
    /// The number of entries after the last one that an anchor proves.
    unanchored: u64,
    has_anchor: bool,
}

impl Intact {
    /// Returns `None` if the chain has no entries.
    fn new(verified: Verified, primary: &KeyId) -> Result<Option<Self>, Broken> {
        let Verified { last, anchored, audit_key, .. } = verified;
        // Whoever has an earlier key can cut the chain back to where it was under that key, and go on from there.
        if let Some(key) = audit_key.filter(|key| key != primary) {
            let what = format!("it ends under the audit key {key}, and the primary is {primary}");
            return Err(Broken { what, exit: Exit::Partial });
        }
        Ok(last.map(|end| Self {
            unanchored: end.number.saturating_sub(anchored),
            has_anchor: anchored > 0,
            end,
        }))
    }
}

/// Verifies each chain, reports those that are not as they were written, and returns the ends of the others.
///
/// # Errors
/// Returns an error if the database fails, or the report cannot be written.
pub fn verify(
    store: &Store,
    keys: &AuditKeys,
    subject: Option<&str>,
    mut anchors: Vec<Anchor>,
    report: &mut impl Write,
) -> Result<(Exit, Vec<Anchor>), VaultError> {
    // First, because it may be why the log cannot be read.
    if !store.differences().is_empty() {
        report_differences(store, report)?;
    }
    anchors.retain(|anchor| subject.is_none_or(|subject| subject == anchor.subject));
    anchors.sort_by(|one, other| one.subject.cmp(&other.subject));
    let begin = |subject: &str, anchors| Ok(Verifier::new(keys, subject, anchors));
    // A chain of which nothing is left has only its anchors.
    let anchored = anchors.chunk_by(|one, other| one.subject == other.subject);
    let anchored = anchored.filter_map(|own| Some((&own.first()?.subject, own)));
    let mut chains: BTreeMap<String, Result<Verifier<'_>, Broken>> =
        anchored.map(|(subject, own)| (subject.clone(), begin(subject, own))).collect();
    let mut entries = 0;
    store.for_each_entry(subject, |Stored { subject, number, record, .. }| {
        entries += 1;
        let chain = chains.entry(subject).or_insert_with_key(|subject| begin(subject, &[]));
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
        report,
        "{} in {}, compared with {}",
        counted(entries, "entry", "entries"),
        self::chains(chains.len()),
        counted(number(anchors.len()), "anchor", "anchors"),
    )?;
    let (primary, _) = keys.primary();
    let mut exit = if entries == 0 { Exit::No } else { Exit::Done };
    let mut intact = Vec::new();
    for (subject, chain) in chains {
        match chain.and_then(|chain| Intact::new(chain.finish()?, primary)) {
            Ok(chain) => intact.extend(chain),
            Err(Broken { what, exit: found }) => {
                writeln!(report, "    {}: {what}", shown(&subject))?;
                exit = match (exit, found) {
                    (Exit::Altered, _) | (Exit::Key, Exit::Partial) => exit,
                    _ => found,
                };
            }
        }
    }
    let (verdict, next) = match exit {
        Exit::Done if anchors.is_empty() => (INTACT, NEXT_ANCHORS),
        Exit::Done => (INTACT, NEW_ANCHORS),
        Exit::No => ("Nothing was ever opened, or this is not the log", ADVICE_ON_EMPTY),
        Exit::Key => (
            "These chains were not checked.",
            "add the key to those of the log, as `retired ID swa1_...`; if you never had that key, somebody changed \
             the log",
        ),
        Exit::Partial => {
            ("These chains end under another audit key than the primary.", NEXT_HAND_OVER)
        }
        _ => (
            "Somebody changed the log.",
            "treat it as a security incident, and find out who can write to the database; the entries before \
             the one named here are as they were written",
        ),
    };
    writeln!(report, "{verdict}\n  next: {next}")?;
    if !anchors.is_empty() {
        report_unanchored(&intact, report)?;
    }
    if !store.differences().is_empty() {
        exit = Exit::Altered;
    }
    Ok((exit, intact.into_iter().map(|chain| chain.end).collect()))
}

/// Reports how much may have been cut off or exchanged without notice.
fn report_unanchored(intact: &[Intact], report: &mut impl Write) -> Result<(), VaultError> {
    let entries = intact.iter().map(|chain| chain.unanchored).sum();
    let without = intact.iter().filter(|chain| !chain.has_anchor).count();
    writeln!(
        report,
        "Not covered by an anchor: {}; without an anchor: {}",
        counted(entries, "entry", "entries"),
        chains(without),
    )?;
    Ok(())
}

/// Reports what nobody but the owner of the file can have changed.
fn report_differences(store: &Store, report: &mut impl Write) -> Result<(), VaultError> {
    writeln!(report, "The tables and triggers of the vault are not those of a new one:")?;
    for difference in store.differences() {
        writeln!(report, "    {difference}")?;
    }
    writeln!(report, "  next: {NEXT_DIFFERENCES}")?;
    Ok(())
}

fn chains(count: usize) -> String {
    counted(number(count), "chain", "chains")
}

const INTACT: &str = "No entry was altered, removed, added or exchanged.";

const NEXT_ANCHORS: &str = "keep the output of `log --verify --anchors` where nobody can change it: only with --anchor \
                            is it noticed that the end of a chain was cut off";

const NEW_ANCHORS: &str =
    "add new anchors (`log --verify --anchors`) to the file, for the entries since the last ones";

const NEXT_HAND_OVER: &str = "after a change of key, run `byok-vault log --hand-over`. If you have done that, and no \
                              process has another primary, somebody cut them back with the earlier key: treat it as a \
                              security incident";

const NEXT_DIFFERENCES: &str = "find out who changed the database, and put back what is missing, for which the README has \
                                the steps, or restore a backup: until then, no other command opens this vault";
