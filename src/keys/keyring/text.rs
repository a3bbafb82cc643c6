//! Parses a keyring from the text of an environment variable or a file.

use core::str::FromStr;

use crate::keys::keyring::errors::KeyringError;
use crate::keys::keyring::lines::{KeyLine, LineKey, TestKey, parse_key_lines};
use crate::keys::keyring::state::KeyState;
use crate::keys::keyring::{Entry, Keyring};
use crate::keys::master_key::MasterKey;
use crate::keys::usable_key::UsableKey;

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
    /// Each line has one entry, or several that are separated by `;`. Fields are separated by spaces and tabs; empty
    /// lines and lines that start with `#` are skipped. A key after `disabled`, `leaked` or `destroyed` is checked,
    /// wiped and not kept. No key may have two ids. [`parse_key_lines`] has the details.
    ///
    /// It reads no test keys: see [`from_test_text`](Self::from_test_text).
    fn from_str(text: &str) -> Result<Self, KeyringError> {
        Self::of_lines::<MasterKey>(text, |key| key)
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
        Self::of_lines::<TestKey>(text, |TestKey(key)| key)
    }

    fn of_lines<K: LineKey>(text: &str, master: fn(K) -> MasterKey) -> Result<Self, KeyringError> {
        let entry = |KeyLine { state, key_id, key }: KeyLine<K>| match key {
            Some(key) => Entry::Usable(state, UsableKey::new(key_id, master(key))),
            None => Entry::Refused(state, key_id),
        };
        let lines = parse_key_lines(text, &KeyState::ALL)?;
        Self::opening_only().with(lines.into_iter().map(entry))
    }
}
