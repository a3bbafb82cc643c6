//! Where opened rows go: into the vault, or nowhere in a dry run.

use std::collections::HashSet;
use std::path::Path;

use sealwax::{Keyring, Secret};

use super::Outcome;
use super::refusal::{Reason, Refusal};
use crate::clock::now;
use crate::error::VaultError;
use crate::formatting::rows;
use crate::log::Opener;
use crate::rotation::Mode;
use crate::row::{Owner, Row};
use crate::store::{Access, Store, Writer, file};

/// The vault, which is created only when there is a row for it.
#[derive(Debug)]
pub struct Destination<'v> {
    db: &'v Path,
    keyring: &'v Keyring,
    opener: Opener,
    mode: Mode,
    store: Option<Store>,
    /// In a dry run, the owners that the vault would now have a row for and that appear again in the
    /// file.
    ///
    /// They appear with the same credential: otherwise their rows would have been rejected before.
    would_have: HashSet<Owner>,
}

/// A credential that can be stored, unless its owner already has one.
pub(super) struct Candidate {
    pub(super) owner: Owner,
    /// The variable, if the line has one.
    pub(super) env_name: Option<String>,
    pub(super) secret: Secret,
    /// What the credential is suspected of, if it is stored all the same.
    pub(super) suspicion: Option<Refusal>,
}

/// The result for one row.
#[derive(Clone)]
pub(super) enum Became {
    Imported,
    Present,
    Refused(Refusal),
}

/// What the transaction did with a candidate.
enum Step {
    Done(Became),
    /// Its owner has this row, which stays unchanged whatever the file says.
    Compare(Box<Row>, Candidate),
}

impl Step {
    fn refused(refusal: Refusal) -> Self {
        Self::Done(Became::Refused(refusal))
    }

    fn done(self) -> Option<Became> {
        match self {
            Self::Done(became) => Some(became),
            Self::Compare(..) => None,
        }
    }
}

impl<'v> Destination<'v> {
    /// Opens the vault if it exists. Its rows are opened by `opener`, also in a dry run.
    ///
    /// # Errors
    /// Returns an error if the file is not a vault, or SQLite cannot open it.
    pub fn open(
        db: &'v Path,
        keyring: &'v Keyring,
        opener: Opener,
        mode: Mode,
    ) -> Result<Self, VaultError> {
        let store = match mode {
            Mode::Write => Store::open_if_present(db)?,
            Mode::DryRun if file::exists(db)? => Some(Store::open(db, Access::Write)?),
            Mode::DryRun => None,
        };
        Ok(Self { db, keyring, opener, mode, store, would_have: HashSet::new() })
    }

    /// Records that rows of another program are decrypted from now on.
    ///
    /// Without a vault, there is no log yet: a vault that is created begins with this entry.
    pub(super) fn begins(&mut self) -> Result<(), VaultError> {
        match &mut self.store {
            Some(store) => self.opener.log().begins(store, self.keyring, self.mode),
            None => Ok(()),
        }
    }

    /// Records how the import has ended.
    pub(super) fn ended(&mut self, outcome: &Outcome) -> Result<(), VaultError> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let Outcome { imported, present, quarantined, suspicious } = outcome;
        let counts = format!(
            "{} imported, {present} already imported, {} quarantined, {} suspicious",
            rows(*imported),
            quarantined.len(),
            suspicious.len(),
        );
        let is_complete = outcome.is_complete();
        self.opener.log().ended(store, self.keyring, self.mode, &counts, is_complete)
    }

    /// Stores the candidates that can be stored in one transaction, and returns the result for each in
    /// order.
    pub(super) fn take(
        &mut self,
        candidates: Vec<Result<Candidate, Refusal>>,
        comes_again: impl Fn(&Owner) -> bool,
    ) -> Result<Vec<Became>, VaultError> {
        let steps = if candidates.iter().all(Result::is_err) {
            candidates.into_iter().filter_map(Result::err).map(Step::refused).collect()
        } else {
            match self.mode {
                Mode::Write => self.write(candidates)?,
                Mode::DryRun => candidates
                    .into_iter()
                    .map(|candidate| match candidate {
                        Ok(candidate) => self.rehearse(candidate, &comes_again),
                        Err(refusal) => Ok(Step::refused(refusal)),
                    })
                    .collect::<Result<_, _>>()?,
            }
        };
        self.compare_each(steps)
    }

    fn write(
        &mut self,
        candidates: Vec<Result<Candidate, Refusal>>,
    ) -> Result<Vec<Step>, VaultError> {
        let (keyring, now) = (self.keyring, now());
        let store = match &mut self.store {
            Some(store) => store,
            none => {
                let store = none.insert(Store::open(self.db, Access::Create)?);
                self.opener.log().begins(store, keyring, self.mode)?;
                store
            }
        };
        let writer = store.begin()?;
        let steps = candidates
            .into_iter()
            .map(|candidate| match candidate {
                Ok(candidate) => insert(&writer, keyring, candidate, now),
                Err(refusal) => Ok(Step::refused(refusal)),
            })
            .collect::<Result<_, _>>()?;
        writer.commit()?;
        Ok(steps)
    }

    fn rehearse(
        &mut self,
        candidate: Candidate,
        comes_again: &impl Fn(&Owner) -> bool,
    ) -> Result<Step, VaultError> {
        let found =
            self.store.as_ref().map(|store| store.find(&candidate.owner)).transpose()?.flatten();
        Ok(match found {
            Some(row) => Step::Compare(row.into(), candidate),
            None if self.would_have.contains(&candidate.owner) => Step::Done(Became::Present),
            None => {
                if comes_again(&candidate.owner) {
                    self.would_have.insert(candidate.owner);
                }
                Step::Done(Became::Imported)
            }
        })
    }

    /// Opens the rows that candidates have to be compared with.
    ///
    /// This comes after the transaction, because a row is opened only once the log says so.
    fn compare_each(&mut self, steps: Vec<Step>) -> Result<Vec<Became>, VaultError> {
        let Some(store) = &mut self.store else {
            return Ok(steps.into_iter().filter_map(Step::done).collect());
        };
        let became = self.opener.open_each(store, &steps, |step, keyring| match step {
            Step::Done(became) => Ok(became.clone()),
            Step::Compare(row, candidate) => Ok(compare(row, &row.open(keyring)?, candidate)),
        })?;
        let refused = |became| match became {
            Err(VaultError::Row { id, fault, .. }) => {
                let detail = format!("{}: {fault}", in_the_vault(id));
                Ok(Became::Refused(Refusal::new(Reason::VaultRow, detail)))
            }
            became => became,
        };
        became.into_iter().map(refused).collect()
    }
}

impl Candidate {
    /// Returns the variable in which `run` would pass the credential.
    pub(super) fn variable(&self) -> String {
        self.env_name.clone().unwrap_or_else(|| self.owner.variable())
    }
}

fn insert(
    writer: &Writer<'_>,
    keyring: &Keyring,
    candidate: Candidate,
    now: i64,
) -> Result<Step, VaultError> {
    Ok(match writer.find(&candidate.owner)? {
        Some(row) => Step::Compare(row.into(), candidate),
        None => {
            let env_name = candidate.variable();
            writer.add(keyring, candidate.owner, env_name, &candidate.secret, now)?;
            Step::Done(Became::Imported)
        }
    })
}

/// Compares a candidate with the credential of the vault's row.
fn compare(row: &Row, present: &Secret, candidate: &Candidate) -> Became {
    let refused = |reason| {
        Became::Refused(Refusal::new(reason, format!("see {}", in_the_vault(row.place.id))))
    };
    // A line without a variable accepts the vault's.
    let is_its_variable =
        candidate.env_name.as_ref().is_none_or(|name| *name == row.place.env_name);
    match *present == candidate.secret {
        true if is_its_variable => Became::Present,
        true => refused(Reason::AnotherVariable),
        false => refused(Reason::AnotherCredential),
    }
}

fn in_the_vault(id: i64) -> String {
    format!("row {id} of the vault")
}
