//! Parses a keyring from the text of an environment variable or a file.

use core::str::FromStr;

use crate::format::key_id::KeyId;
use crate::keys::in_memory::InMemory;
use crate::keys::keyring::errors::KeyringError;
use crate::keys::keyring::lines::{KeyLine, LineKey, TestKey, parse_key_lines};
use crate::keys::keyring::state::KeyState;
use crate::keys::keyring::{Entry, Keyring};
use crate::keys::master_key::MasterKey;
#[cfg(feature = "hpke")]
use crate::keys::pair::{OpeningKey, SealingKey};
use crate::keys::usable_key::UsableKey;
use crate::secret::key_bytes::KeyError;

impl FromStr for Keyring {
    type Err = KeyringError;

    /// Parses the text of a keyring.
    ///
    /// ```text
    /// primary   prod-2026  swk1_…     seals and opens; exactly one
    /// retired   prod-2025  swk1_…     opens only
    /// escrow    eu-dr      swk1_…     opens; every new envelope is wrapped for it too
    /// disabled  prod-2023             known, but refused
    /// leaked    prod-2024             refused, whatever other wraps the envelope has
    /// destroyed prod-2022             no material
    /// ```
    ///
    /// With the feature `hpke`, the key of a line may also be an opening key (`swo1_…`), and after `escrow` a sealing key
    /// (`sws1_…`): an [offline escrow](Self::with_offline_escrow).
    ///
    /// Each line has one entry, or several that are separated by `;`. Fields are separated by spaces and tabs; empty
    /// lines and lines that start with `#` are skipped. A key after `disabled`, `leaked` or `destroyed` is checked,
    /// wiped and not kept. No key may have two ids. [`parse_key_lines`] has the details.
    ///
    /// It reads no test keys: see [`from_test_text`](Self::from_test_text).
    fn from_str(text: &str) -> Result<Self, KeyringError> {
        Self::of_lines(text, RingKey::into_entry)
    }
}

impl Keyring {
    /// Parses the text of a keyring whose keys are [test keys](MasterKey::generate_for_tests), and no other.
    ///
    /// The text is like that of any keyring, but each key is a `swkt1_…`, and each id starts with `test/`. A service has
    /// one call of this, for its tests: nothing else that reads a text returns such a keyring.
    ///
    /// # Errors
    ///
    /// Returns the errors of a keyring's text, and [`KeyringError::NotATestKey`] for an id for production.
    pub fn from_test_text(text: &str) -> Result<Self, KeyringError> {
        Self::of_lines(text, |TestKey(key), state, key_id| {
            Entry::Usable(state, UsableKey::new(key_id, key))
        })
    }

    fn of_lines<K: LineKey>(
        text: &str,
        usable: fn(K, KeyState, KeyId) -> Entry,
    ) -> Result<Self, KeyringError> {
        let entry = |KeyLine { state, key_id, key }: KeyLine<K>| match key {
            Some(key) => usable(key, state, key_id),
            None => Entry::Refused(state, key_id),
        };
        let lines = parse_key_lines(text, &KeyState::ALL)?;
        Self::opening_only().with(lines.into_iter().map(entry))
    }
}

/// A key in the text of a keyring for production.
enum RingKey {
    Master(MasterKey),
    #[cfg(feature = "hpke")]
    Opening(OpeningKey),
    #[cfg(feature = "hpke")]
    Sealing(SealingKey),
}

impl RingKey {
    fn in_memory(&self) -> InMemory<'_> {
        match self {
            Self::Master(key) => InMemory::Master(key),
            #[cfg(feature = "hpke")]
            Self::Opening(key) => InMemory::Pair(key.sealing()),
            #[cfg(feature = "hpke")]
            Self::Sealing(key) => InMemory::Pair(key),
        }
    }

    fn into_entry(self, state: KeyState, key_id: KeyId) -> Entry {
        match self {
            Self::Master(key) => Entry::Usable(state, UsableKey::new(key_id, key)),
            #[cfg(feature = "hpke")]
            Self::Opening(key) => Entry::Usable(state, UsableKey::new(key_id, key)),
            // It fits no other state that has a key.
            #[cfg(feature = "hpke")]
            Self::Sealing(key) => {
                Entry::Usable(KeyState::OfflineEscrow, UsableKey::offline(key_id, key))
            }
        }
    }
}

impl FromStr for RingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        const NAMES: [&str; 3] = ["swk1_", "swo1_", "sws1_"];
        let starts = |name: &&str| text.starts_with(name);
        // Something may be around the key, which its own parser reports.
        let name = NAMES.into_iter().find(starts);
        match name.or_else(|| NAMES.into_iter().find(|name| text.contains(name))) {
            #[cfg(feature = "hpke")]
            Some("swo1_") => text.parse().map(Self::Opening),
            #[cfg(feature = "hpke")]
            Some("sws1_") => text.parse().map(Self::Sealing),
            #[cfg(not(feature = "hpke"))]
            Some("swo1_" | "sws1_") => Err(KeyError::NeedsFeature { feature: "hpke" }),
            _ => text.parse().map(Self::Master),
        }
    }
}

impl LineKey for RingKey {
    const NAME: &str = MasterKey::NAME;
    const LABEL: &str = MasterKey::LABEL;

    fn is_same(&self, other: &Self) -> bool {
        self.in_memory().is_one_material_with(other.in_memory())
    }

    fn check_id(&self, key_id: &KeyId) -> Result<(), KeyringError> {
        self.in_memory().check_id(key_id)
    }

    fn may_be(&self, state: KeyState) -> bool {
        match self {
            #[cfg(feature = "hpke")]
            Self::Sealing(_) => !matches!(state, KeyState::Primary | KeyState::Retired),
            _ => {
                let _ = state;
                true
            }
        }
    }
}
