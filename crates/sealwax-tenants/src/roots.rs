//! The keys of the service that tenants' keys are sealed under.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use sealwax::{Envelope, KeyId, KeyState, Keyring};

use crate::tombstone::TombstoneError;

/// Roots by their ids, each with the check values of the keys that had the id, as far as these were in memory.
///
/// As text: `epoch-2026-10 epoch-2026-11:0a1b2c3d`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Roots(BTreeMap<KeyId, BTreeSet<u32>>);

impl Roots {
    /// Returns the keys of a keyring, except those that are destroyed.
    pub(crate) fn of_ring(ring: &Keyring) -> Self {
        let mut roots = Self::default();
        for (key_id, _) in ring.keys().filter(|(_, state)| *state != KeyState::Destroyed) {
            roots.add(key_id.clone(), ring);
        }
        roots
    }

    /// Adds a root, with the check value that it has in a keyring.
    pub(crate) fn add(&mut self, key_id: KeyId, ring: &Keyring) {
        let check = ring.check_value(key_id.as_ref()).map(u32::from_be_bytes);
        self.0.entry(key_id).or_default().extend(check);
    }

    /// Adds the roots that envelopes name. A text that is no envelope opens nowhere.
    pub(crate) fn add_named<'a>(&mut self, texts: impl Iterator<Item = &'a str>) {
        let envelopes = texts.filter_map(|text| text.parse::<Envelope>().ok());
        for key_id in envelopes.flat_map(|envelope| envelope.key_ids().collect::<Vec<_>>()) {
            self.0.entry(key_id).or_default();
        }
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        for (key_id, checks) in &others.0 {
            self.0.entry(key_id.clone()).or_default().extend(checks);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn key_ids(&self) -> impl Iterator<Item = &KeyId> {
        self.0.keys()
    }

    /// Returns those that others do not have.
    pub(crate) fn missing_in(&self, others: &Self) -> BTreeSet<KeyId> {
        self.key_ids().filter(|key_id| !others.0.contains_key(*key_id)).cloned().collect()
    }

    /// Returns the keys that are not destroyed in a keyring: roots that are in another state there, or that it does not know,
    /// or whose id two keys had, so that it says nothing of one of them; and what a root is called there now.
    pub(crate) fn left_in(&self, ring: &Keyring) -> BTreeSet<KeyId> {
        let is_left = |key_id: &KeyId, checks: &BTreeSet<u32>| {
            checks.len() > 1 || ring.state(key_id.as_ref()) != Some(KeyState::Destroyed)
        };
        let left = self.0.iter().filter(|(key_id, checks)| is_left(key_id, checks));
        let checks: BTreeSet<_> = self.0.values().flatten().copied().collect();
        let is_renamed = |key_id: &KeyId| {
            let check = ring.check_value(key_id.as_ref()).map(u32::from_be_bytes);
            check.is_some_and(|check| checks.contains(&check))
        };
        let renamed = ring.keys().map(|(key_id, _)| key_id).filter(|key_id| is_renamed(key_id));
        left.map(|(key_id, _)| key_id).chain(renamed).cloned().collect()
    }
}

impl fmt::Display for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (key_id, checks)) in self.0.iter().enumerate() {
            write!(f, "{}{key_id}", if at == 0 { "" } else { " " })?;
            for (at, check) in checks.iter().enumerate() {
                write!(f, "{}{check:08x}", if at == 0 { ':' } else { ',' })?;
            }
        }
        Ok(())
    }
}

impl FromStr for Roots {
    type Err = TombstoneError;

    /// Takes at least one root, each once and in order.
    fn from_str(text: &str) -> Result<Self, TombstoneError> {
        let roots = text.split(' ').map(|word| {
            let (key_id, checks) =
                word.split_once(':').map_or((word, None), |(id, checks)| (id, Some(checks)));
            let checks = checks.into_iter().flat_map(|checks| checks.split(','));
            let checks =
                checks.map(|check| u32::from_str_radix(check, 16)).collect::<Result<_, _>>();
            Ok((
                KeyId::try_from(key_id).map_err(|_| TombstoneError)?,
                checks.map_err(|_| TombstoneError)?,
            ))
        });
        let roots = Self(roots.collect::<Result<_, _>>()?);
        // They have one text.
        if roots.to_string() == text { Ok(roots) } else { Err(TombstoneError) }
    }
}
