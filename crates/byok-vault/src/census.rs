//! Which keys the rows need, and whether one can be retired.
//!
//! Counting reads key ids, which stand in every envelope in the clear, and needs no key. It can
//! prove that a key is needed by nothing. Where a row also names another key, only opening it
//! proves that the other key is enough, and that is what verifying does: the mac of every row is
//! checked with the key in question disabled. No plaintext is made in either case.

use std::collections::{BTreeMap, BTreeSet};

use sealwax::{Envelope, KeyId, KeyState, Keyring};

use crate::error::VaultError;
use crate::formatting::number;
use crate::row::Owner;
use crate::row_fault::{Fault, FaultKind};
use crate::store::Store;

/// The rows of one key.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyCount {
    /// Rows that name it.
    pub rows: u64,
    /// Those of them that name no other key which stays.
    pub alone: u64,
    /// What the keyring says about it; `None` if it does not, or if there is no keyring.
    pub state: Option<KeyState>,
}

/// What was found.
#[derive(Debug)]
pub struct Census {
    /// All rows.
    pub rows: u64,
    /// Every key that a row or the keyring names.
    pub keys: BTreeMap<KeyId, KeyCount>,
    /// Rows that are no envelopes, by id: what they need is not known.
    pub unreadable: BTreeMap<i64, (Owner, Fault)>,
    /// Rows whose mac did not verify, by id; `None` if that was not asked for.
    pub unverified: Option<BTreeMap<i64, (Owner, Fault)>>,
    /// The key that verification did without.
    rehearsed: Option<KeyId>,
    /// Whether a keyring told the states of the keys.
    with_keyring: bool,
}

/// Whether a key can leave the keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No row needs it.
    Safe,
    /// Neither a row nor the keyring names it: a slip of the pen more likely than a key.
    Unknown,
    /// It is the keyring's primary.
    Primary,
    /// So many rows name no other key that stays.
    Needed(u64),
    /// So many rows name it next to a key that stays, which was not tried.
    Untried(u64),
    /// So many rows cannot be read, and may need it.
    Unreadable(u64),
    /// So many rows do not verify without it.
    Unverified(u64),
}

/// Counts, and verifies if a keyring for that is given. `keyring` supplies the states of the keys.
/// With `rehearsed`, `verify_with` is the keyring without that key.
///
/// # Errors
/// The database failed.
pub fn take(
    store: &Store,
    keyring: Option<&Keyring>,
    verify_with: Option<&Keyring>,
    rehearsed: Option<&KeyId>,
) -> Result<Census, VaultError> {
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
        unverified: verify_with.map(|_| BTreeMap::new()),
        rehearsed: verify_with.and(rehearsed).cloned(),
        with_keyring: keyring.is_some(),
    };
    store.for_each(|row| {
        census.rows += 1;
        let envelope = match row.parse() {
            Ok(envelope) => envelope,
            Err(fault) => {
                census.unreadable.insert(row.place.id, (row.place.owner, fault));
                return Ok(());
            }
        };
        census.count(&envelope, &states);
        if let (Some(keyring), Some(unverified)) = (verify_with, &mut census.unverified)
            && let Err(error) = keyring.verify(&envelope)
        {
            unverified.insert(row.place.id, (row.place.owner, error.into()));
        }
        Ok(())
    })?;
    Ok(census)
}

impl Census {
    fn count(&mut self, envelope: &Envelope, states: &BTreeMap<KeyId, KeyState>) {
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

    /// Whether this key can leave the keyring, as far as was looked.
    #[must_use]
    pub fn verdict(&self, id: &KeyId) -> Verdict {
        let Some(count) = self.keys.get(id).copied() else { return self.verdict_on_unnamed(id) };
        let unverified = match &self.unverified {
            Some(rows) if self.rehearsed.as_ref() == Some(id) => Some(number(rows.len())),
            _ => None,
        };
        if count.state == Some(KeyState::Primary) {
            Verdict::Primary
        } else if count.alone > 0 {
            Verdict::Needed(count.alone)
        } else if !self.unreadable.is_empty() {
            Verdict::Unreadable(number(self.unreadable.len()))
        } else {
            match unverified {
                Some(0) => Verdict::Safe,
                Some(rows) => Verdict::Unverified(rows),
                None if count.rows == 0 => Verdict::Safe,
                None => Verdict::Untried(count.rows),
            }
        }
    }

    /// Without a keyring, a key that no row names is what a finished rotation leaves behind.
    fn verdict_on_unnamed(&self, id: &KeyId) -> Verdict {
        let alike = |other: &KeyId| other.as_ref().eq_ignore_ascii_case(id.as_ref());
        if self.with_keyring || self.keys.keys().any(alike) {
            Verdict::Unknown
        } else if self.unreadable.is_empty() {
            Verdict::Safe
        } else {
            Verdict::Unreadable(number(self.unreadable.len()))
        }
    }

    /// Every row that is unreadable or does not verify.
    pub fn faults(&self) -> impl Iterator<Item = (i64, &Owner, &Fault)> {
        let faults: BTreeMap<_, _> =
            self.unreadable.iter().chain(self.unverified.iter().flatten()).collect();
        faults.into_iter().map(|(id, (owner, fault))| (*id, owner, fault))
    }

    /// The gravest kind among [`Census::faults`].
    #[must_use]
    pub fn worst(&self) -> Option<FaultKind> {
        self.faults().map(|(_, _, fault)| fault.kind).min()
    }
}
