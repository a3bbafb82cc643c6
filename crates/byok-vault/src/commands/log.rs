//! `log`: prints what was opened, and checks that nobody changed the log.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use sealwax_audit::{Anchor, AuditKeys, ChainError, Entry, Record, Verifier};
use serde_json::json;

use crate::audit_keys::LogKeys;
use crate::cli::{self, Cli};
use crate::commands::census::ADVICE_ON_EMPTY;
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::{counted, in_json, number, shown};
use crate::key_text::Given;
use crate::log;
use crate::store::log::Stored;
use crate::store::{Access, Store};

/// Prints the log, or the ends of its chains, or verifies it.
///
/// # Errors
/// Returns an error if there is no vault or the database fails, or if the audit key or the anchors cannot be read.
pub fn log(cli: &Cli, args: &cli::Log, out: &mut impl Write) -> Result<Exit, VaultError> {
    let subject = args.tenant.as_deref().map(log::subject);
    let subject = subject.as_deref();
    if args.verify {
        let given = LogKeys::load(cli.file(Given::AuditKeys))?;
        let anchors = args.anchor.as_deref().map_or(Ok(Vec::new()), read_anchors)?;
        let store = Store::open(&cli.db, Access::Read)?;
        return verify(&store, &given.keys, subject, anchors, out);
    }
    let store = Store::open(&cli.db, Access::Read)?;
    if args.anchors {
        for end in store.ends_of_log(subject)? {
            writeln!(out, "{end}")?;
        }
    } else {
        print(&store, subject, args.json, out)?;
    }
    Ok(Exit::Done)
}

/// The header of the printed log.
const HEADER: &str = "TIME                  TENANT                NUMBER  ACTION     OUTCOME            KEY                   SEAL      WHO                   WHY";

fn print(
    store: &Store,
    subject: Option<&str>,
    json: bool,
    out: &mut impl Write,
) -> Result<(), VaultError> {
    if !json {
        writeln!(out, "{HEADER}")?;
    }
    store.for_each_entry(subject, |stored| {
        let Stored { subject, number, record, .. } = &stored;
        match (record, json) {
            (Some(record), true) => writeln!(out, "{}", in_json(&record.to_string()))?,
            (Some(record), false) => writeln!(out, "{}", line(&stored, record))?,
            // No reader of the log takes this for an entry.
            (None, true) => {
                let not_an_entry = json!({ "subject": subject, "number": number }).to_string();
                writeln!(out, "{}", in_json(&not_an_entry))?;
            }
            (None, false) => {
                writeln!(out, "{:<21} {:<21} {number:>6}  not an entry", "-", of_tenant(subject))?;
            }
        }
        Ok(())
    })
}

fn line(stored: &Stored, record: &Record) -> String {
    let Entry { time: _, action, who, why, outcome, key_id, commitment, context: _ } =
        &record.entry;
    let [action, outcome, who, why] = [action, outcome, who, why].map(|text| shown(text));
    let key_id = key_id.as_ref().map_or("-", AsRef::as_ref);
    let seal = commitment.as_ref().map_or_else(
        || "-".to_owned(),
        |commitment| commitment.iter().take(4).map(|byte| format!("{byte:02x}")).collect(),
    );
    format!(
        "{:<21} {:<21} {:>6}  {action:<10} {outcome:<18} {key_id:<21} {seal:<9} {who:<21} {why}",
        stored.time,
        of_tenant(&stored.subject),
        stored.number,
    )
}

/// Returns the name of a subject's tenant, or a dash for the whole vault.
fn of_tenant(subject: &str) -> String {
    log::tenant(subject).map_or_else(|| "-".to_owned(), shown)
}

fn read_anchors(path: &Path) -> Result<Vec<Anchor>, VaultError> {
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
