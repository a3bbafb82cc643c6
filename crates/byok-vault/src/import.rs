//! Moves rows that another program encrypted into the vault.
//!
//! The file is read twice: once for its ids and owners, because a mistake in the export concerns all
//! the rows that it touches, and once for the rows. If an owner appears twice, the file is read once
//! more in between, because nobody can say which of two credentials is the right one. Each batch is
//! opened first, and then sealed and inserted in one transaction. An import can therefore be killed at
//! any point and started again: a batch is in the vault completely or not at all, and a row that is
//! already there is skipped. Rows that are not imported are quarantined unchanged. Nothing in the
//! vault is ever overwritten.

mod destination;
mod file_kind;
mod input;
mod quarantine;
mod record;
mod refusal;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};

use clap::ValueEnum;
use indicatif::ProgressBar;
use sealwax::Secret;
use sealwax_import::ForeignRow;

use crate::credential;
use crate::error::{CredentialProblem, VaultError};
use crate::formatting::number;
use crate::legacy_key::LegacyKey;
use crate::row::Owner;

pub use destination::Destination;
pub use file_kind::FileKind;
pub use input::Input;
pub use quarantine::{Placed, Quarantine};
pub use record::Id;
pub use refusal::{Reason, Refusal};

use destination::{Became, Candidate};
use record::{Fields, Source};

/// What no import can detect.
pub const NO_CONTEXT: &str = "A legacy row carries no context, so a row that was moved between \
                              tenants before the import cannot be detected.";

/// How many bytes of rows are held at once. A batch ends there, however few rows it has.
const HELD_LIMIT: usize = 16 * 1024 * 1024;

/// What to do with rows that open to something that does not look like a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suspicious {
    /// Write them to the quarantine file
    Quarantine,
    /// Import them and warn
    Import,
}

/// The result of an import.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The number of rows that this run stored, or would have stored.
    pub imported: u64,
    /// The number of rows whose credential was already in the vault.
    pub present: u64,
    /// The rows that were not imported, ordered by line.
    pub quarantined: Vec<Reported>,
    /// The rows that were not quarantined although they look like no credential, ordered by line.
    pub suspicious: Vec<Reported>,
}

/// A row that was not imported, or that was imported although it does not look like a credential.
#[derive(Debug)]
pub struct Reported {
    /// The number of its line in the file.
    pub line: u64,
    /// The id, if the line has a valid one.
    pub id: Option<Id>,
    /// The owner, if the line has a valid one.
    pub owner: Option<Owner>,
    /// Why it was not imported, or what it is suspected of.
    pub refusal: Refusal,
}

impl Outcome {
    /// Returns whether every row is in the vault now, or would be.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.quarantined.is_empty()
    }
}

/// Opens every row, and stores the credentials of the rows that open.
///
/// # Errors
/// Returns an error if the file, the quarantine file or the database fails; finished batches are kept.
pub fn import(
    input: &mut Input,
    key: &LegacyKey,
    destination: &mut Destination<'_>,
    quarantine: &mut Quarantine,
    batch_size: u32,
    suspicious: Suspicious,
    progress: &ProgressBar,
) -> Result<Outcome, VaultError> {
    file_kind::check(input)?;
    let mut survey = survey(input, key)?;
    destination.begins()?;
    survey.compare(input, key, suspicious)?;
    progress.set_length(survey.rows);
    let changed = input.changed();
    let mut outcome = Outcome::default();
    let mut lines = input.lines()?;
    let mut is_over = false;
    while !is_over {
        // Open the rows outside of the transaction, so that other writers do not wait for it.
        let (mut batch, mut held) = (Vec::new(), 0);
        while number(batch.len()) < u64::from(batch_size) && held < HELD_LIMIT {
            let Some(line) = lines.next()? else {
                is_over = true;
                break;
            };
            let (source, fields) = record::read(line, &key.declaration);
            held += source.original.len();
            let Some(candidate) = open(fields, source.line, key, &survey, suspicious) else {
                return Err(changed);
            };
            batch.push((source, candidate));
        }
        outcome.settle(batch, destination, &survey, quarantine, progress)?;
    }
    destination.ended(&outcome)?;
    Ok(outcome)
}

/// A row, and its credential or the reason why there is none.
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
        let (sources, mut candidates): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let suspicions: Vec<_> = candidates
            .iter_mut()
            .map(|candidate| candidate.as_mut().ok().and_then(|opened| opened.suspicion.take()))
            .collect();
        let became = destination.take(candidates, |owner| survey.stands_twice(owner))?;
        for ((source, suspicion), became) in sources.into_iter().zip(suspicions).zip(became) {
            let (report, refusal) = match became {
                Became::Imported => {
                    self.imported += 1;
                    (&mut self.suspicious, suspicion)
                }
                Became::Present => {
                    self.present += 1;
                    (&mut self.suspicious, suspicion)
                }
                Became::Refused(refusal) => {
                    quarantine.add(&source, &refusal)?;
                    (&mut self.quarantined, Some(refusal))
                }
            };
            let Source { line, id, owner, .. } = source;
            report.extend(refusal.map(|refusal| Reported { line, id, owner, refusal }));
        }
        progress.inc(rows);
        Ok(())
    }
}

/// Opens a row, or returns `None` if the file has changed since it was surveyed.
fn open(
    fields: Result<Fields, Refusal>,
    line: u64,
    key: &LegacyKey,
    survey: &Survey,
    suspicious: Suspicious,
) -> Option<Result<Candidate, Refusal>> {
    let Fields { id, owner, env_name, row } = match fields {
        Ok(fields) => fields,
        Err(refusal) => return Some(Err(refusal)),
    };
    let secret = survey
        .check(&id, &owner, line)?
        .and_then(|()| survey.check_owner(&owner, line))
        .and_then(|()| credential(&row, key, suspicious));
    Some(secret.map(|(secret, suspicion)| Candidate { owner, env_name, secret, suspicion }))
}

/// Returns the credential of a row, and what it is suspected of if it is imported all the same.
fn credential(
    row: &ForeignRow,
    key: &LegacyKey,
    suspicious: Suspicious,
) -> Result<(Secret, Option<Refusal>), Refusal> {
    let secret = key.open(row)?;
    match credential::check(&secret) {
        Ok(()) => {}
        Err(CredentialProblem::Empty) => {
            return Err(Refusal::new(Reason::Empty, "the plaintext is empty"));
        }
        Err(problem) => return Err(Refusal::new(Reason::CredentialRefused, problem.to_string())),
    }
    let doubts = credential::doubts(&secret);
    match (doubts.map(|doubts| Refusal::new(Reason::Suspicious, doubts)), suspicious) {
        (Some(suspicion), Suspicious::Quarantine) => Err(suspicion),
        (suspicion, _) => Ok((secret, suspicion)),
    }
}

/// What is known only after reading the whole file.
struct Survey {
    rows: u64,
    /// By the text of the id.
    ids: HashMap<String, Seen>,
    owners: HashMap<Owner, u64>,
    /// For each owner whose lines disagree, two such lines.
    disputed: HashMap<Owner, (u64, u64)>,
}

/// Where an id appears.
struct Seen {
    line: u64,
    owner: Option<Owner>,
    /// The first line with the same id but not the same owner.
    other: Option<u64>,
}

fn survey(input: &mut Input, key: &LegacyKey) -> Result<Survey, VaultError> {
    let mut survey =
        Survey { rows: 0, ids: HashMap::new(), owners: HashMap::new(), disputed: HashMap::new() };
    let mut lines = input.lines()?;
    while let Some(line) = lines.next()? {
        let (source, _) = record::read(line, &key.declaration);
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
        match self.ids.entry(id.text) {
            Entry::Vacant(place) => drop(place.insert(Seen { line, owner, other: None })),
            Entry::Occupied(seen) => {
                let seen = seen.into_mut();
                // A line without a valid owner also counts: its owner may be a different one.
                if owner.is_none() || owner != seen.owner {
                    seen.other.get_or_insert(line);
                }
            }
        }
    }

    /// Checks that no other owner has the id.
    ///
    /// Returns `None` if the survey did not see the row. A join that went wrong gives one tenant's
    /// credential to another. Nothing here says which of the lines is right, so all of them are rejected.
    fn check(&self, id: &Id, owner: &Owner, line: u64) -> Option<Result<(), Refusal>> {
        let seen = self.ids.get(&id.text)?;
        let is_first_owner = seen.owner.as_ref() == Some(owner);
        match seen.other {
            None => is_first_owner.then_some(Ok(())),
            Some(other) => {
                let elsewhere = if is_first_owner { other } else { seen.line };
                let detail =
                    format!("lines {line} and {elsewhere} have this id but not the same owner");
                Some(Err(Refusal::new(Reason::IdTwice, detail)))
            }
        }
    }

    /// Opens the rows of owners that appear more than once, and compares them.
    ///
    /// This happens before any of them is imported, because being the first does not make a line the
    /// right one.
    fn compare(
        &mut self,
        input: &mut Input,
        key: &LegacyKey,
        suspicious: Suspicious,
    ) -> Result<(), VaultError> {
        if self.owners.values().all(|count| *count == 1) {
            return Ok(());
        }
        let changed = input.changed();
        let mut lines = input.lines()?;
        let (fingerprints, mut first) = (RandomState::new(), HashMap::new());
        while let Some(line) = lines.next()? {
            let (source, fields) = record::read(line, &key.declaration);
            let line = source.line;
            if !source.owner.is_some_and(|owner| self.stands_twice(&owner)) {
                continue;
            }
            // A row that does not open disputes nothing. It is quarantined for that reason alone.
            let candidate = match open(fields, line, key, self, suspicious) {
                None => return Err(changed),
                Some(Err(_)) => continue,
                Some(Ok(candidate)) => candidate,
            };
            // Compare fingerprints, because the credentials may be many and long. If two fingerprints
            // are equal by chance, the vault still sees the difference when the second row is stored.
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
        let detail = format!("lines {line} and {elsewhere} have the same owner but differ");
        Err(Refusal::new(Reason::OwnerTwice, detail))
    }

    fn stands_twice(&self, owner: &Owner) -> bool {
        self.owners.get(owner).is_some_and(|count| *count > 1)
    }
}
