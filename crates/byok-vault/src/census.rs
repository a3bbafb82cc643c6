//! Which keys the rows need, and whether one can be retired.
//!
//! Counting needs no key: it reads the key ids, which every envelope contains in plaintext. It can
//! prove that no row names a key. It cannot prove that the rows open without that key, or at all: an
//! audit with the key disabled does that.

use std::collections::{BTreeMap, BTreeSet};

use sealwax::{Envelope, KeyId, KeyState, Keyring};

use crate::error::VaultError;
use crate::formatting::number;
use crate::rotation::Outcome;
use crate::row::Owner;
use crate::row_fault::{Fault, FaultKind};
use crate::store::Store;

/// The number of rows of one key.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyCount {
    /// The number of rows that name the key.
    pub rows: u64,
    /// How many of those rows name no other key that opens and stays in the keyring.
    pub alone: u64,
    /// The state of the key in the keyring, or `None` if the key or the keyring is missing.
    pub state: Option<KeyState>,
}

/// The result of a census.
#[derive(Debug)]
pub struct Census {
    /// The number of all rows.
    pub rows: u64,
    /// Every key that a row or the keyring names.
    pub keys: BTreeMap<KeyId, KeyCount>,
    /// The rows that are not envelopes, by id. The keys that they need are not known.
    pub unreadable: BTreeMap<i64, (Owner, Fault)>,
    /// The rows that did not open, by id, or `None` if there was no audit.
    pub unopened: Option<BTreeMap<i64, (Owner, Fault)>>,
    /// The key that was disabled for the audit.
    rehearsed: Option<KeyId>,
}

/// Whether a key can leave the keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No row needs it.
    Safe,
    /// Neither a row nor the keyring names it, so the id is probably misspelled.
    Unknown,
    /// The vault has no rows, so nothing is known about the rows that it should have.
    Empty,
    /// It is the keyring's primary.
    Primary,
    /// This many rows name no other key that opens and stays.
    Needed(u64),
    /// This many rows also name a key that stays, but that key was not tried.
    Untried(u64),
    /// This many rows cannot be read, and may need it.
    Unreadable(u64),
    /// This many rows do not open without it.
    Unopened(u64),
}

/// Counts the rows of each key; `keyring` supplies the states of the keys.
///
/// # Errors
/// Returns an error if the database fails.
pub fn take(store: &Store, keyring: Option<&Keyring>) -> Result<Census, VaultError> {
    let states: BTreeMap<KeyId, KeyState> = keyring
        .into_iter()
        .flat_map(Keyring::keys)
        .map(|(id, state)| (id.clone(), state))
        .collect();
    let mut census = Census {
        rows: 0,
        keys: states
            .iter()
            .map(|(id, state)| (id.clone(), KeyCount { state: Some(*state), ..Default::default() }))
            .collect(),
        unreadable: BTreeMap::new(),
        unopened: None,
        rehearsed: None,
    };
    store.for_each(|row| {
        census.rows += 1;
        match row.parse() {
            Ok(envelope) => census.count(&envelope, &states),
            Err(fault) => {
                census.unreadable.insert(row.place.id, (row.place.owner, fault));
            }
        }
        Ok(())
    })?;
    Ok(census)
}

impl Census {
    /// Adds the result of an audit, for which the key `rehearsed` was disabled, if there is one.
    #[must_use]
    pub fn with_audit(self, audit: Outcome, rehearsed: Option<&KeyId>) -> Self {
        Self { unopened: Some(audit.failed), rehearsed: rehearsed.cloned(), ..self }
    }

    /// Returns the key that was disabled for the audit.
    #[must_use]
    pub fn rehearsed(&self) -> Option<&KeyId> {
        self.rehearsed.as_ref()
    }

    fn count(&mut self, envelope: &Envelope, states: &BTreeMap<KeyId, KeyState>) {
        // An offline escrow stays, too, but it opens nothing.
        let stays =
            |id: &KeyId| matches!(states.get(id), Some(KeyState::Primary | KeyState::Escrow));
        let named: BTreeSet<KeyId> = envelope.key_ids().collect();
        for id in &named {
            let count = self.keys.entry(id.clone()).or_default();
            count.rows += 1;
            if !named.iter().any(|other| other != id && stays(other)) {
                count.alone += 1;
            }
        }
    }

    /// Returns whether this key can leave the keyring, as far as the census checked.
    #[must_use]
    pub fn verdict(&self, id: &KeyId) -> Verdict {
        let named = self.keys.get(id).copied();
        if self.rows == 0 && named.and_then(|count| count.state) != Some(KeyState::Primary) {
            return Verdict::Empty;
        }
        let Some(count) = named else {
            // A row that cannot be read may name it.
            return match number(self.unreadable.len()) {
                0 => Verdict::Unknown,
                rows => Verdict::Unreadable(rows),
            };
        };
        let unopened = match &self.unopened {
            Some(rows) if self.rehearsed.as_ref() == Some(id) => {
                // A row whose variable `run` refuses has been opened all the same.
                let is_closed = |fault: &Fault| fault.kind != FaultKind::Variable;
                let closed = rows.values().filter(|(_, fault)| is_closed(fault));
                Some(number(closed.count()))
            }
            _ => None,
        };
        if count.state == Some(KeyState::Primary) {
            Verdict::Primary
        } else if count.alone > 0 {
            Verdict::Needed(count.alone)
        } else if !self.unreadable.is_empty() {
            Verdict::Unreadable(number(self.unreadable.len()))
        } else {
            match unopened {
                Some(0) => Verdict::Safe,
                Some(rows) => Verdict::Unopened(rows),
                None if count.rows == 0 => Verdict::Safe,
                None => Verdict::Untried(count.rows),
            }
        }
    }

    /// Returns every row that is unreadable or does not open.
    pub fn faults(&self) -> impl Iterator<Item = (i64, &Owner, &Fault)> {
        let faults: BTreeMap<_, _> =
            self.unreadable.iter().chain(self.unopened.iter().flatten()).collect();
        faults.into_iter().map(|(id, (owner, fault))| (*id, owner, fault))
    }

    /// Returns the most urgent kind among [`Census::faults`].
    #[must_use]
    pub fn worst(&self) -> Option<FaultKind> {
        self.faults().map(|(_, _, fault)| fault.kind).min()
    }
}
