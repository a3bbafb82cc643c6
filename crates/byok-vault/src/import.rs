//! Moves rows that another program encrypted into the vault.
//!
//! The file is read twice: once for its ids and owners, because a mistake in the export is one for
//! all the rows that it touches, and once for the rows; in between once more if an owner stands
//! twice, because of two credentials nobody can tell which is right. Each batch is opened first and
//! then sealed and inserted in one transaction. So the run can be killed anywhere and started
//! again: a batch is in the vault or it is not, and a row that is there already is passed over.
//! What is not imported goes into quarantine as it was. Nothing in the vault is ever overwritten.

mod destination;
mod input;
mod quarantine;
mod record;
mod refusal;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};

use indicatif::ProgressBar;
use sealwax::Secret;

use crate::credential;
use crate::error::{CredentialProblem, VaultError};
use crate::formatting::number;
use crate::legacy_key::{Columns, LegacyKey};
use crate::row::Owner;

pub use destination::Destination;
pub use input::Input;
pub use quarantine::{Placed, Quarantine};
pub use record::Id;
pub use refusal::{Reason, Refusal};

use destination::{Became, Candidate};
use record::{Fields, Source};

/// What no import can tell.
pub const NO_CONTEXT: &str = "A legacy row carries no context, so a row that was moved between \
                              tenants before the import cannot be detected.";

/// How much text of rows is held at once; a batch ends there, however few rows it has.
const HELD_LIMIT: usize = 16 * 1024 * 1024;

/// What became of the rows.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Rows that this run stored, or would have.
    pub imported: u64,
    /// Rows whose credential was in the vault before.
    pub present: u64,
    /// Rows that were not imported, by line.
    pub quarantined: Vec<Quarantined>,
}

/// A row that was not imported.
#[derive(Debug)]
pub struct Quarantined {
    /// Its line in the file.
    pub line: u64,
    /// If the line tells one.
    pub id: Option<Id>,
    /// If the line tells one.
    pub owner: Option<Owner>,
    /// Why it was not.
    pub refusal: Refusal,
}

impl Outcome {
    /// Whether every row is in the vault now, or would be.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.quarantined.is_empty()
    }
}

/// Opens every row, and stores what opens.
///
/// # Errors
/// The file, the quarantine or the database failed; finished batches are kept.
pub fn import(
    input: &mut Input,
    key: &LegacyKey,
    destination: &mut Destination<'_>,
    quarantine: &mut Quarantine,
    batch_size: u32,
    progress: &ProgressBar,
) -> Result<Outcome, VaultError> {
    let mut survey = survey(input, key)?;
    survey.compare(input, key)?;
    progress.set_length(survey.rows);
    let changed = input.changed();
    let mut outcome = Outcome::default();
    let mut lines = input.lines()?;
    let mut is_over = false;
    while !is_over {
        // Outside of the transaction: other writers need not wait for key work.
        let (mut batch, mut held) = (Vec::new(), 0);
        while number(batch.len()) < u64::from(batch_size) && held < HELD_LIMIT {
            let Some(line) = lines.next()? else {
                is_over = true;
                break;
            };
            let (source, fields) = record::read(line, key.columns());
            held += source.original.len();
            let Some(candidate) = open(fields, source.line, key, &survey) else {
                return Err(changed);
            };
            batch.push((source, candidate));
        }
        outcome.settle(batch, destination, &survey, quarantine, progress)?;
    }
    Ok(outcome)
}

/// A row, and its credential or the reason that there is none.
type Opened = (Source, Result<Candidate, Refusal>);

impl Outcome {
    fn settle(
        &mut self,
        batch: Vec<Opened>,
        destination: &mut Destination<'_>,
        survey: &Survey,
        quarantine: &mut Quarantine,
        progress: &ProgressBar,
    ) -> Result<(), VaultError> {
        let rows = number(batch.len());
        let (sources, candidates): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let became = destination.take(candidates, |owner| survey.stands_twice(owner))?;
        for (source, became) in sources.into_iter().zip(became) {
            match became {
                Became::Imported => self.imported += 1,
                Became::Present => self.present += 1,
                Became::Refused(refusal) => {
                    quarantine.add(&source, &refusal)?;
                    let Source { line, id, owner, .. } = source;
                    self.quarantined.push(Quarantined { line, id, owner, refusal });
                }
            }
        }
        progress.inc(rows);
        Ok(())
    }
}

/// Opens a row; `None` if the file is not what it was when it was surveyed.
fn open(
    fields: Result<Fields, Refusal>,
    line: u64,
    key: &LegacyKey,
    survey: &Survey,
) -> Option<Result<Candidate, Refusal>> {
    let Fields { id, owner, env_name, columns } = match fields {
        Ok(fields) => fields,
        Err(refusal) => return Some(Err(refusal)),
    };
    let secret = survey
        .check(&id, &owner, line)?
        .and_then(|()| survey.check_owner(&owner, line))
        .and_then(|()| credential(&columns, key));
    Some(secret.map(|secret| Candidate { owner, env_name, secret }))
}

fn credential(columns: &Columns, key: &LegacyKey) -> Result<Secret, Refusal> {
    let secret = key.open(columns)?;
    match credential::check(&secret) {
        Ok(()) => Ok(secret),
        Err(CredentialProblem::Empty) => Err(Refusal::new(Reason::Empty, "it opened to nothing")),
        Err(problem) => Err(Refusal::new(Reason::CredentialRefused, problem.to_string())),
    }
}

/// What only the whole file tells.
struct Survey {
    rows: u64,
    ids: HashMap<Id, Seen>,
    owners: HashMap<Owner, u64>,
    /// Two lines of each owner that do not say the same.
    disputed: HashMap<Owner, (u64, u64)>,
}

/// Where an id stands.
struct Seen {
    line: u64,
    owner: Option<Owner>,
    /// The first line that has the id and not the owner.
    other: Option<u64>,
}

fn survey(input: &mut Input, key: &LegacyKey) -> Result<Survey, VaultError> {
    let mut survey =
        Survey { rows: 0, ids: HashMap::new(), owners: HashMap::new(), disputed: HashMap::new() };
    let mut lines = input.lines()?;
    while let Some(line) = lines.next()? {
        let (source, _) = record::read(line, key.columns());
        survey.note(source);
    }
    Ok(survey)
}

impl Survey {
    fn note(&mut self, source: Source) {
        let Source { line, id, owner, .. } = source;
        self.rows += 1;
        if let Some(owner) = &owner {
            *self.owners.entry(owner.clone()).or_default() += 1;
        }
        let Some(id) = id else { return };
        match self.ids.entry(id) {
            Entry::Vacant(place) => drop(place.insert(Seen { line, owner, other: None })),
            Entry::Occupied(seen) => {
                let seen = seen.into_mut();
                // Also a line that tells no owner: nobody knows that it would be the same.
                if owner.is_none() || owner != seen.owner {
                    seen.other.get_or_insert(line);
                }
            }
        }
    }

    /// Whether the id is this owner's alone; `None` if the row was not there before.
    ///
    /// Which of the lines is right cannot be told here: a join that went wrong gives one tenant's
    /// credential to another. So none of them is.
    fn check(&self, id: &Id, owner: &Owner, line: u64) -> Option<Result<(), Refusal>> {
        let seen = self.ids.get(id)?;
        let is_first_owner = seen.owner.as_ref() == Some(owner);
        match seen.other {
            None => is_first_owner.then_some(Ok(())),
            Some(other) => {
                let elsewhere = if is_first_owner { other } else { seen.line };
                let detail =
                    format!("lines {line} and {elsewhere} have this id, and not one owner");
                Some(Err(Refusal::new(Reason::IdTwice, detail)))
            }
        }
    }

    /// Opens the rows of the owners that stand twice, before one of them is imported: the first line
    /// is not right because it is the first.
    fn compare(&mut self, input: &mut Input, key: &LegacyKey) -> Result<(), VaultError> {
        if self.owners.values().all(|count| *count == 1) {
            return Ok(());
        }
        let changed = input.changed();
        let mut lines = input.lines()?;
        let (fingerprints, mut first) = (RandomState::new(), HashMap::new());
        while let Some(line) = lines.next()? {
            let (source, fields) = record::read(line, key.columns());
            let line = source.line;
            if !source.owner.is_some_and(|owner| self.stands_twice(&owner)) {
                continue;
            }
            // What does not open is in nobody's way: it goes into quarantine on its own.
            let candidate = match open(fields, line, key, self) {
                None => return Err(changed),
                Some(Err(_)) => continue,
                Some(Ok(candidate)) => candidate,
            };
            // Not the credentials, which may be many and long. Two that agree by chance are still
            // told apart by the vault, where the second one finds the first.
            let own =
                fingerprints.hash_one((candidate.secret.expose_secret(), candidate.variable()));
            let (before, fingerprint) =
                *first.entry(candidate.owner.clone()).or_insert((line, own));
            if fingerprint != own {
                self.disputed.insert(candidate.owner, (before, line));
            }
        }
        Ok(())
    }

    fn check_owner(&self, owner: &Owner, line: u64) -> Result<(), Refusal> {
        let Some((one, other)) = self.disputed.get(owner) else { return Ok(()) };
        let elsewhere = if line == *one { other } else { one };
        let detail = format!("lines {line} and {elsewhere} are for one owner");
        Err(Refusal::new(Reason::OwnerTwice, detail))
    }

    fn stands_twice(&self, owner: &Owner) -> bool {
        self.owners.get(owner).is_some_and(|count| *count > 1)
    }
}
