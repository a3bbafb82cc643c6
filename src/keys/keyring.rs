//! Who holds which master key, and what each may do.
//!
//! What a keyring does is written in `verbs/`: `sealing.rs` has seal, verify and open, `rewrapping.rs` rewrap and
//! `is_current`. Its text is read in `keyring/text.rs`.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::cipher;
use crate::format::error::{Field, FormatError};
use crate::format::key_id::KeyId;
use crate::format::sizes::MAX_WRAPS;
use crate::format::suite::Suite;
use crate::keys::keyring::errors::KeyringError;
use crate::keys::master_key::{self, CHECK_LEN};
use crate::keys::provider::MasterKeyProvider;
use crate::keys::usable_key::UsableKey;

pub(crate) mod errors;
pub(crate) mod replacing;
mod text;

/// The most keys of a keyring. Far more than a service has; it bounds what a text costs.
const MAX_KEYS: usize = 1024;

/// The master keys of a service: which one seals, which ones open, which ones must not.
///
/// An immutable value. To change it, build a new one and swap it; a clone shares the keys. It is
/// read from text (an environment variable, see [`crate::docs::operations`]) or put together here:
///
/// ```
/// use sealwax::{KeyState, Keyring, MasterKey};
///
/// let keyring = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)?
///     .with_retired("prod-2025".parse()?, MasterKey::generate()?)?
///     .with_escrow("eu-dr".parse()?, MasterKey::generate()?)?
///     .with_destroyed("prod-2022".parse()?)?;
/// assert_eq!(keyring.state("prod-2025"), Some(KeyState::Retired));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// All processes of a service should share one keyring text: a worker that lacks an escrow entry
/// drops that wrap when it rewraps.
#[derive(Clone)]
pub struct Keyring {
    /// In the order given. No two ids differ in case only, no two keys are the same.
    entries: Arc<[Entry]>,
    /// Which of them seals.
    primary: Option<usize>,
    suite: Suite,
}

/// An id, its state, and the key where the state needs one.
#[derive(Clone)]
enum Entry {
    Usable(KeyState, UsableKey),
    Refused(KeyState, KeyId),
}

/// What a master key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// Seals and opens. A keyring has one, or none if it only opens.
    Primary,
    /// Opens only.
    Retired,
    /// Every new seal is wrapped for it too; opens. At most seven.
    Escrow,
    /// Known and refused: an envelope that needs it names it in the error.
    Disabled,
    /// In the hands of others: an envelope that has a wrap under it is refused, whatever other wraps
    /// stand beside it, because its data key is known.
    Leaked,
    /// Without material: an envelope that needs it is gone for good, and the error says so.
    Destroyed,
}

impl KeyState {
    /// The word for it in the text of a keyring.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Retired => "retired",
            Self::Escrow => "escrow",
            Self::Disabled => "disabled",
            Self::Leaked => "leaked",
            Self::Destroyed => "destroyed",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for KeyState {
    type Err = FormatError;

    /// Reads what `Display` writes.
    fn from_str(word: &str) -> Result<Self, FormatError> {
        match word {
            "primary" => Ok(Self::Primary),
            "retired" => Ok(Self::Retired),
            "escrow" => Ok(Self::Escrow),
            "disabled" => Ok(Self::Disabled),
            "leaked" => Ok(Self::Leaked),
            "destroyed" => Ok(Self::Destroyed),
            _ => Err(FormatError::malformed(
                Field::KeyState,
                "primary, retired, escrow, disabled, leaked or destroyed",
                0,
            )),
        }
    }
}

#[cfg(feature = "serde")]
crate::format::serde::serde_as_text!(KeyState: "the state of a key");

impl Entry {
    fn key_id(&self) -> &KeyId {
        match self {
            Self::Usable(_, key) => &key.key_id,
            Self::Refused(_, key_id) => key_id,
        }
    }

    fn state(&self) -> KeyState {
        match self {
            Self::Usable(state, _) | Self::Refused(state, _) => *state,
        }
    }

    fn usable(&self) -> Option<&UsableKey> {
        match self {
            Self::Usable(_, key) => Some(key),
            Self::Refused(..) => None,
        }
    }

    fn is(&self, state: KeyState) -> bool {
        self.state() == state
    }
}

impl Keyring {
    /// A keyring of one key, which seals and opens.
    ///
    /// # Errors
    ///
    /// [`KeyringError::KeyAsKeyId`] when the id is the text of a key without its prefix.
    pub fn new(key_id: KeyId, key: impl MasterKeyProvider + 'static) -> Result<Self, KeyringError> {
        Self::opening_only().with([Entry::Usable(KeyState::Primary, UsableKey::new(key_id, key))])
    }

    /// A keyring without a key, and so without a primary: keys that open are added to it. For an auditor, for
    /// what is left of a tenant whose key was destroyed, for a drill with the escrow key.
    ///
    /// `seal` and `rewrap` return `NoPrimary`, and no envelope is current.
    ///
    /// ```
    /// use sealwax::{EncryptionContext, Keyring, MasterKey, SealError};
    ///
    /// let drill = Keyring::opening_only().with_escrow("eu-dr".parse()?, MasterKey::generate()?)?;
    /// let sealed = drill.seal(&"s3cret".into(), &EncryptionContext::empty());
    /// assert!(matches!(sealed, Err(SealError::NoPrimary)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn opening_only() -> Self {
        Self { entries: Arc::new([]), primary: None, suite: Suite::default() }
    }

    /// The same keyring, with a key that opens and does not seal.
    ///
    /// # Errors
    ///
    /// [`KeyringError::DuplicateKeyId`] if the keyring already contains the id (ASCII case is ignored);
    /// [`KeyringError::DuplicateKey`] if it contains the key; [`KeyringError::KeyAsKeyId`] if the id is one;
    /// [`KeyringError::TooManyKeys`] if it has 1,024 keys.
    pub fn with_retired(
        self,
        key_id: KeyId,
        key: impl MasterKeyProvider + 'static,
    ) -> Result<Self, KeyringError> {
        self.with([Entry::Usable(KeyState::Retired, UsableKey::new(key_id, key))])
    }

    /// The same keyring, with a key that every new seal is wrapped for too.
    ///
    /// # Errors
    ///
    /// As [`with_retired`](Self::with_retired); [`KeyringError::TooManyEscrows`] if it has seven escrow keys.
    pub fn with_escrow(
        self,
        key_id: KeyId,
        key: impl MasterKeyProvider + 'static,
    ) -> Result<Self, KeyringError> {
        self.with([Entry::Usable(KeyState::Escrow, UsableKey::new(key_id, key))])
    }

    /// The same keyring, with a key that is known and refused.
    ///
    /// # Errors
    ///
    /// [`KeyringError::DuplicateKeyId`] if the keyring already contains the id (ASCII case is ignored);
    /// [`KeyringError::KeyAsKeyId`] if the id is a key; [`KeyringError::TooManyKeys`] if it has 1,024 keys.
    pub fn with_disabled(self, key_id: KeyId) -> Result<Self, KeyringError> {
        self.with([Entry::Refused(KeyState::Disabled, key_id)])
    }

    /// The same keyring, with a key that others have. Whoever has it knows the data keys of its rows:
    /// they are to be opened by a job in whose keyring it is retired, and sealed again.
    ///
    /// # Errors
    ///
    /// As [`with_disabled`](Self::with_disabled).
    pub fn with_leaked(self, key_id: KeyId) -> Result<Self, KeyringError> {
        self.with([Entry::Refused(KeyState::Leaked, key_id)])
    }

    /// The same keyring, with a key whose material is gone for good.
    ///
    /// # Errors
    ///
    /// As [`with_disabled`](Self::with_disabled).
    pub fn with_destroyed(self, key_id: KeyId) -> Result<Self, KeyringError> {
        self.with([Entry::Refused(KeyState::Destroyed, key_id)])
    }

    /// The same keyring, sealing with another suite. It opens what was sealed with either.
    #[must_use]
    pub fn with_suite(self, suite: Suite) -> Self {
        Self { suite, ..self }
    }

    fn with(self, added: impl IntoIterator<Item = Entry>) -> Result<Self, KeyringError> {
        let mut entries = self.entries.to_vec();
        for entry in added {
            check_entry(&entries, &entry)?;
            entries.push(entry);
        }
        // The primary and the escrows are what an envelope is wrapped for.
        if entries.iter().filter(|entry| entry.is(KeyState::Escrow)).count() >= MAX_WRAPS {
            return Err(KeyringError::TooManyEscrows);
        }
        let primary = entries.iter().position(|entry| entry.is(KeyState::Primary));
        Ok(Self { entries: entries.into(), primary, ..self })
    }

    /// The ids and states: the primary, then the others in the order given. No key material.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, KeyState)> {
        let others = self.entries.iter().filter(|entry| !entry.is(KeyState::Primary));
        let entries = self.primary_entry().into_iter().chain(others);
        entries.map(|entry| (entry.key_id(), entry.state()))
    }

    /// The id of the key that seals; none for a keyring that only opens.
    #[must_use]
    pub fn primary(&self) -> Option<&KeyId> {
        self.primary_entry().map(Entry::key_id)
    }

    /// The state of the key with this id. Case matters, as it does in an envelope.
    #[must_use]
    pub fn state(&self, key_id: &str) -> Option<KeyState> {
        self.entry(key_id).map(Entry::state)
    }

    /// The check value of the key with this id: four public bytes that stand in every wrap it makes. None for a
    /// key that is not held in memory.
    #[must_use]
    pub fn check_value(&self, key_id: &str) -> Option<[u8; CHECK_LEN]> {
        self.entry(key_id)?.usable()?.check_value()
    }

    /// Eight public bytes that two keyrings have in common if they have the same suite, and the same ids, in the
    /// same states, with the same keys in memory, in the same order: do all processes have one text?
    ///
    /// SHA-256("sw1/ring" ‖ suite ‖ u16(n) ‖ n × (len8(state) ‖ len8(id) ‖ kind ‖ len8(check value)))[0..8]
    ///
    /// The check value of a key that is not in memory is empty; where there is no key, the kind is 0x00.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 8] {
        let mut encoded = Vec::from(*b"sw1/ring");
        encoded.push(self.suite.id());
        encoded.extend_from_slice(&counted::<u16>(self.entries.len()).to_be_bytes());
        for entry in self.entries.iter() {
            let key = entry.usable();
            let check = key.and_then(UsableKey::check_value);
            let check = check.as_ref().map_or([].as_slice(), |check| check);
            put_counted(&mut encoded, entry.state().as_str().as_bytes());
            put_counted(&mut encoded, entry.key_id().as_ref().as_bytes());
            encoded.push(key.map_or(0x00, |key| key.kind.byte()));
            put_counted(&mut encoded, check);
        }
        let [a, b, c, d, e, f, g, h, ..] = cipher::sha256(&[&encoded]);
        [a, b, c, d, e, f, g, h]
    }

    /// The suite that new envelopes are sealed with.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    fn entry(&self, key_id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key_id().as_ref() == key_id)
    }

    fn primary_entry(&self) -> Option<&Entry> {
        self.entries.get(self.primary?)
    }

    fn primary_key(&self) -> Option<&UsableKey> {
        self.primary_entry().and_then(Entry::usable)
    }

    /// The keys in a state in which they do not open.
    pub(crate) fn refused_keys(&self, state: KeyState) -> impl Iterator<Item = &KeyId> {
        self.entries.iter().filter(move |entry| entry.is(state)).map(Entry::key_id)
    }

    /// The keys that a new envelope is wrapped for, in the order of its wraps: the primary, then
    /// the escrows. At most [`MAX_WRAPS`]; none where there is no primary.
    pub(crate) fn sealing_keys(&self) -> Option<impl Iterator<Item = &UsableKey> + Clone> {
        let escrows = self.entries.iter().filter_map(|entry| match entry {
            Entry::Usable(KeyState::Escrow, key) => Some(key),
            _ => None,
        });
        Some(core::iter::once(self.primary_key()?).chain(escrows))
    }

    /// The keys that may open, in the order they are tried: the primary, then the other local
    /// ones, then those that cost a network trip.
    pub(crate) fn opening_keys(&self) -> impl Iterator<Item = &UsableKey> {
        let others = || {
            self.entries.iter().filter_map(|entry| match entry {
                Entry::Usable(KeyState::Retired | KeyState::Escrow, key) => Some(key),
                _ => None,
            })
        };
        self.primary_key()
            .into_iter()
            .chain(others().filter(|key| key.is_local()))
            .chain(others().filter(|key| !key.is_local()))
    }
}

/// Whether an entry may stand behind these.
fn check_entry(entries: &[Entry], added: &Entry) -> Result<(), KeyringError> {
    let key_id = added.key_id();
    // First, because the other errors show the id.
    if master_key::is_bare_key(key_id.as_ref()) {
        return Err(KeyringError::KeyAsKeyId);
    }
    if entries.iter().any(|entry| entry.key_id().is_same(key_id)) {
        return Err(KeyringError::DuplicateKeyId { key_id: key_id.clone() });
    }
    if let Some(key) = added.usable() {
        let mut keys = entries.iter().filter_map(Entry::usable);
        if let Some(other) = keys.find(|other| other.is_same(key)) {
            let (key_id, other) = (key_id.clone(), other.key_id.clone());
            return Err(KeyringError::DuplicateKey { key_id, other });
        }
    }
    if entries.len() >= MAX_KEYS { Err(KeyringError::TooManyKeys) } else { Ok(()) }
}

/// len8(bytes) ‖ bytes
fn put_counted(encoded: &mut Vec<u8>, bytes: &[u8]) {
    encoded.push(counted(bytes.len()));
    encoded.extend_from_slice(bytes);
}

/// A number of things of which there are not many.
#[expect(clippy::expect_used, reason = "what a fingerprint leaves out it does not compare")]
fn counted<N: TryFrom<usize>>(count: usize) -> N {
    count.try_into().ok().expect("at most 1,024 entries, and 128 bytes of an id")
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries: _, primary: _, suite: _ } = self;
        f.write_str("Keyring ")?;
        f.debug_map().entries(self.keys()).finish()
    }
}
