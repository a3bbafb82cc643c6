//! Where opened rows go: into the vault, or nowhere if it is only to be told what would happen.

use std::collections::HashSet;
use std::path::Path;

use sealwax::{Keyring, Secret};

use super::refusal::{Reason, Refusal};
use crate::clock::now;
use crate::error::VaultError;
use crate::rotation::Mode;
use crate::row::{Owner, Row};
use crate::store::{Access, Store, Writer};

/// The vault, which is not made before there is a row for it.
#[derive(Debug)]
pub struct Destination<'v> {
    db: &'v Path,
    keyring: &'v Keyring,
    mode: Mode,
    store: Option<Store>,
    /// In a dry run, the owners of whom the vault would have a row, and who stand in the file again:
    /// with the same credential, or they would not come here.
    would_have: HashSet<Owner>,
}

/// A credential that can be stored, unless there is one.
pub(super) struct Candidate {
    pub(super) owner: Owner,
    /// If the line tells one.
    pub(super) env_name: Option<String>,
    pub(super) secret: Secret,
}

/// What became of a row.
pub(super) enum Became {
    Imported,
    Present,
    Refused(Refusal),
}

impl<'v> Destination<'v> {
    /// Opens the vault if there is one.
    ///
    /// # Errors
    /// What is there is no vault, or SQLite cannot open it.
    pub fn open(db: &'v Path, keyring: &'v Keyring, mode: Mode) -> Result<Self, VaultError> {
        let access = match mode {
            Mode::Write => Access::Create,
            Mode::DryRun => Access::Read,
        };
        let store = if db.exists() { Some(Store::open(db, access)?) } else { None };
        Ok(Self { db, keyring, mode, store, would_have: HashSet::new() })
    }

    /// Stores what can be stored, in one transaction, and tells what became of each, in order.
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
    /// The variable that `run` would pass it in.
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

/// What is in the vault stays there, whatever the file says.
fn compare(row: &Row, keyring: &Keyring, candidate: &Candidate) -> Became {
    let place = format!("row {} of the vault", row.place.id);
    let present = match row.try_open(keyring) {
        Ok(present) => present,
        Err(fault) => {
            return Became::Refused(Refusal::new(Reason::VaultRow, format!("{place}: {fault}")));
        }
    };
    let refused = |reason| Became::Refused(Refusal::new(reason, format!("it is in {place}")));
    // A line without a variable leaves it to the vault.
    let is_its_variable =
        candidate.env_name.as_ref().is_none_or(|name| *name == row.place.env_name);
    match present == candidate.secret {
        true if is_its_variable => Became::Present,
        true => refused(Reason::AnotherVariable),
        false => refused(Reason::AnotherCredential),
    }
}
