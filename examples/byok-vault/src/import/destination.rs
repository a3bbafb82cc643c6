//! Where opened rows go: into the vault, or nowhere if it is only to be told what would happen.

use std::collections::HashMap;
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
    /// In a dry run, what the vault would have of the owners that stand in the file again.
    would_have: HashMap<Owner, Secret>,
}

/// A credential that can be stored, unless there is one.
pub(super) struct Candidate {
    pub(super) owner: Owner,
    pub(super) env_name: String,
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
        Ok(Self { db, keyring, mode, store, would_have: HashMap::new() })
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
        let Candidate { owner, secret, .. } = candidate;
        let found = self.store.as_ref().map(|store| store.find(&owner)).transpose()?.flatten();
        Ok(match (found, self.would_have.get(&owner)) {
            (Some(row), _) => compare(&row, self.keyring, &secret),
            (None, Some(before)) if *before == secret => Became::Present,
            (None, Some(_)) => another("an earlier line of the file"),
            (None, None) => {
                if comes_again(&owner) {
                    self.would_have.insert(owner, secret);
                }
                Became::Imported
            }
        })
    }
}

fn insert(
    writer: &Writer<'_>,
    keyring: &Keyring,
    candidate: Candidate,
    now: i64,
) -> Result<Became, VaultError> {
    let Candidate { owner, env_name, secret } = candidate;
    Ok(match writer.find(&owner)? {
        Some(row) => compare(&row, keyring, &secret),
        None => {
            writer.add(keyring, owner, env_name, &secret, now)?;
            Became::Imported
        }
    })
}

/// What is in the vault stays there, whatever the file says.
fn compare(row: &Row, keyring: &Keyring, secret: &Secret) -> Became {
    let place = format!("row {} of the vault", row.place.id);
    match row.try_open(keyring) {
        Ok(present) if present == *secret => Became::Present,
        Ok(_) => another(&place),
        Err(fault) => Became::Refused(Refusal::new(Reason::VaultRow, format!("{place}: {fault}"))),
    }
}

fn another(place: &str) -> Became {
    Became::Refused(Refusal::new(Reason::AnotherCredential, format!("it is in {place}")))
}
