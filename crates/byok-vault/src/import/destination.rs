//! Where opened rows go: into the vault, or nowhere in a dry run.

use std::collections::HashSet;
use std::path::Path;

use sealwax::{Keyring, Secret};

use super::refusal::{Reason, Refusal};
use crate::clock::now;
use crate::error::VaultError;
use crate::rotation::Mode;
use crate::row::{Owner, Row};
use crate::store::{Access, Store, Writer, file};

/// The vault, which is created only when there is a row for it.
#[derive(Debug)]
pub struct Destination<'v> {
    db: &'v Path,
    keyring: &'v Keyring,
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
pub(super) enum Became {
    Imported,
    Present,
    Refused(Refusal),
}

impl<'v> Destination<'v> {
    /// Opens the vault if it exists.
    ///
    /// # Errors
    /// Returns an error if the file is not a vault, or SQLite cannot open it.
    pub fn open(db: &'v Path, keyring: &'v Keyring, mode: Mode) -> Result<Self, VaultError> {
        let store = match mode {
            Mode::Write => Store::open_if_present(db)?,
            Mode::DryRun if file::exists(db)? => Some(Store::open(db, Access::Read)?),
            Mode::DryRun => None,
        };
        Ok(Self { db, keyring, mode, store, would_have: HashSet::new() })
    }

    /// Stores the candidates that can be stored in one transaction, and returns the result for each in
    /// order.
    pub(super) fn take(
        &mut self,
        candidates: Vec<Result<Candidate, Refusal>>,
        comes_again: impl Fn(&Owner) -> bool,
    ) -> Result<Vec<Became>, VaultError> {
        if candidates.iter().all(Result::is_err) {
            return Ok(candidates
                .into_iter()
                .filter_map(Result::err)
                .map(Became::Refused)
                .collect());
        }
        match self.mode {
            Mode::Write => self.write(candidates),
            Mode::DryRun => candidates
                .into_iter()
                .map(|candidate| match candidate {
                    Ok(candidate) => self.rehearse(candidate, &comes_again),
                    Err(refusal) => Ok(Became::Refused(refusal)),
                })
                .collect(),
        }
    }

    fn write(
        &mut self,
        candidates: Vec<Result<Candidate, Refusal>>,
    ) -> Result<Vec<Became>, VaultError> {
        let (keyring, now) = (self.keyring, now());
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert(Store::open(self.db, Access::Create)?),
        };
        let writer = store.begin()?;
        let became = candidates
            .into_iter()
            .map(|candidate| match candidate {
                Ok(candidate) => insert(&writer, keyring, candidate, now),
                Err(refusal) => Ok(Became::Refused(refusal)),
            })
            .collect::<Result<_, _>>()?;
        writer.commit()?;
        Ok(became)
    }

    fn rehearse(
        &mut self,
        candidate: Candidate,
        comes_again: &impl Fn(&Owner) -> bool,
    ) -> Result<Became, VaultError> {
        let found =
            self.store.as_ref().map(|store| store.find(&candidate.owner)).transpose()?.flatten();
        Ok(match found {
            Some(row) => compare(&row, self.keyring, &candidate),
            None if self.would_have.contains(&candidate.owner) => Became::Present,
            None => {
                if comes_again(&candidate.owner) {
                    self.would_have.insert(candidate.owner);
                }
                Became::Imported
            }
        })
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
) -> Result<Became, VaultError> {
    Ok(match writer.find(&candidate.owner)? {
        Some(row) => compare(&row, keyring, &candidate),
        None => {
            let env_name = candidate.variable();
            writer.add(keyring, candidate.owner, env_name, &candidate.secret, now)?;
            Became::Imported
        }
    })
}

/// Compares a candidate with the vault's row, which stays unchanged whatever the file says.
fn compare(row: &Row, keyring: &Keyring, candidate: &Candidate) -> Became {
    let place = format!("row {} of the vault", row.place.id);
    let present = match row.try_open(keyring) {
        Ok(present) => present,
        Err(fault) => {
            return Became::Refused(Refusal::new(Reason::VaultRow, format!("{place}: {fault}")));
        }
    };
    let refused = |reason| Became::Refused(Refusal::new(reason, format!("see {place}")));
    // A line without a variable accepts the vault's.
    let is_its_variable =
        candidate.env_name.as_ref().is_none_or(|name| *name == row.place.env_name);
    match present == candidate.secret {
        true if is_its_variable => Became::Present,
        true => refused(Reason::AnotherVariable),
        false => refused(Reason::AnotherCredential),
    }
}
