//! The master keys of a service, and what each of them may do.
//!
//! The operations of a keyring are in `verbs/`: `sealing.rs` has seal, verify and open, and `rewrapping.rs` has rewrap
//! and `is_current`. `keyring/text.rs` parses the text of a keyring, line by line with `keyring/lines.rs`.

use alloc::sync::Arc;
use core::fmt;

use crate::format::key_id::KeyId;
use crate::format::sizes::MAX_WRAPS;
use crate::format::suite::Suite;
use crate::keys::keyring::errors::KeyringError;
use crate::keys::keyring::lines::is_bare_key;
use crate::keys::keyring::state::KeyState;
use crate::keys::master_key::{CHECK_LEN, MasterKey};
use crate::keys::provider::{KeyWrapper, MasterKeyProvider};
use crate::keys::recorder::OpenRecorder;
use crate::keys::usable_key::UsableKey;

pub(crate) mod errors;
mod fingerprint;
pub(crate) mod lines;
pub(crate) mod replacing;
pub(crate) mod state;
mod text;

/// The maximum number of keys in a keyring: far more than a service has, but it bounds the cost of parsing a text.
const MAX_KEYS: usize = 1024;

/// The master keys of a service: which one seals, which ones open, and which ones must not.
///
/// A keyring is immutable. To change it, build a new one and swap it in; a clone shares the keys. Parse one from text
/// (an environment variable, see [`crate::docs::operations`]), or build one in code:
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
/// All processes of a service should share one keyring text: a worker that lacks an escrow entry drops that wrap when
/// it rewraps.
#[derive(Clone)]
pub struct Keyring {
    /// In the order given. Ids are unique (ASCII case is ignored), and so are keys in memory.
    entries: Arc<[Entry]>,
    /// The index of the entry that seals.
    primary: Option<usize>,
    suite: Suite,
    recorder: Option<Arc<dyn OpenRecorder>>,
}

/// An id, its state, and the key if the state needs one.
#[derive(Clone)]
enum Entry {
    Usable(KeyState, UsableKey),
    Refused(KeyState, KeyId),
}

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

    fn opens(&self) -> bool {
        self.usable().is_some_and(|key| !key.is_offline())
    }

    fn is_escrow(&self) -> bool {
        matches!(self.state(), KeyState::Escrow | KeyState::OfflineEscrow)
    }
}

impl Keyring {
    /// Creates a keyring with one key, which seals and opens.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError::KeyAsKeyId`] if the id is the text of a key without its prefix,
    /// [`KeyringError::TestKey`] if the key is a test key and the id does not start with `test/`, and
    /// [`KeyringError::NotATestKey`] if it is the other way round.
    pub fn new(key_id: KeyId, key: impl MasterKeyProvider + 'static) -> Result<Self, KeyringError> {
        Self::opening_only().with([Entry::Usable(KeyState::Primary, UsableKey::new(key_id, key))])
    }

    /// Creates a keyring without a primary, to which you add the keys that open.
    ///
    /// Use it for an auditor, for the remaining rows of a tenant whose key was destroyed, or for a drill with the
    /// escrow key. `seal` and `rewrap` return `NoPrimary`, and no envelope is current.
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
        Self { entries: Arc::new([]), primary: None, suite: Suite::default(), recorder: None }
    }

    /// Adds a key that opens but does not seal.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError::DuplicateKeyId`] if the keyring already contains the id (ASCII case is ignored),
    /// [`KeyringError::DuplicateKey`] if it already contains the key, [`KeyringError::TooManyKeys`] if it already has
    /// 1,024 keys, and [`KeyringError::NotATestKey`] if some of its keys would be test keys and some would not. It also
    /// returns the errors of [`new`](Self::new).
    pub fn with_retired(
        self,
        key_id: KeyId,
        key: impl MasterKeyProvider + 'static,
    ) -> Result<Self, KeyringError> {
        self.with([Entry::Usable(KeyState::Retired, UsableKey::new(key_id, key))])
    }

    /// Adds a key that opens, and that every new envelope is wrapped for too.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`with_retired`](Self::with_retired), and [`KeyringError::TooManyEscrows`] if the
    /// keyring already has seven escrow keys.
    pub fn with_escrow(
        self,
        key_id: KeyId,
        key: impl MasterKeyProvider + 'static,
    ) -> Result<Self, KeyringError> {
        self.with([Entry::Usable(KeyState::Escrow, UsableKey::new(key_id, key))])
    }

    /// Adds a key that every new envelope is wrapped for, and that this process cannot open with.
    ///
    /// `open` and `verify` never use its wraps. A rewrap cannot unwrap its new wrap to check it, so it wraps twice and
    /// compares the bytes: a key that does not wrap the same way twice is refused as
    /// [`Unverified`](crate::RewrapError::Unverified).
    ///
    /// Give it a `SealingKey`. It also takes a key that can open, such as a master key, which a reader of this process's
    /// memory then gets.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`with_escrow`](Self::with_escrow).
    pub fn with_offline_escrow(
        self,
        key_id: KeyId,
        key: impl KeyWrapper + 'static,
    ) -> Result<Self, KeyringError> {
        self.with([Entry::Usable(KeyState::OfflineEscrow, UsableKey::offline(key_id, key))])
    }

    /// Adds a key that is known but refused.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`with_retired`](Self::with_retired), except [`KeyringError::DuplicateKey`] and
    /// [`KeyringError::TestKey`]. [`KeyringError::NotATestKey`] says that the id does not start with `test/`, and the
    /// keyring has test keys.
    pub fn with_disabled(self, key_id: KeyId) -> Result<Self, KeyringError> {
        self.with([Entry::Refused(KeyState::Disabled, key_id)])
    }

    /// Adds a key that has leaked to others.
    ///
    /// They know the data keys of its rows: a job that has it as retired must open the rows and seal them again.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`with_disabled`](Self::with_disabled).
    pub fn with_leaked(self, key_id: KeyId) -> Result<Self, KeyringError> {
        self.with([Entry::Refused(KeyState::Leaked, key_id)])
    }

    /// Adds a key whose material is gone for good.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`with_disabled`](Self::with_disabled).
    pub fn with_destroyed(self, key_id: KeyId) -> Result<Self, KeyringError> {
        self.with([Entry::Refused(KeyState::Destroyed, key_id)])
    }

    /// Sets the suite that new envelopes are sealed with; the keyring opens envelopes of either suite.
    #[must_use]
    pub fn with_suite(self, suite: Suite) -> Self {
        Self { suite, ..self }
    }

    /// Sets who records each credential before it is opened; see [`OpenRecorder`].
    ///
    /// To record who asks and why, give each request a clone with a recorder of its own. A recorder replaces the one
    /// before it.
    #[must_use]
    pub fn with_recorder(self, recorder: impl OpenRecorder + 'static) -> Self {
        Self { recorder: Some(Arc::new(recorder)), ..self }
    }

    fn with(self, added: impl IntoIterator<Item = Entry>) -> Result<Self, KeyringError> {
        let mut entries = self.entries.to_vec();
        for entry in added {
            check_entry(&entries, &entry)?;
            entries.push(entry);
        }
        // An envelope is wrapped for the primary and every escrow, so one of its wraps is the primary's.
        if entries.iter().filter(|entry| entry.is_escrow()).count() >= MAX_WRAPS {
            return Err(KeyringError::TooManyEscrows);
        }
        let primary = entries.iter().position(|entry| entry.is(KeyState::Primary));
        let keyring = Self { entries: entries.into(), primary, ..self };
        let mut others = keyring.entries.iter().map(Entry::key_id).filter(|id| !id.is_for_tests());
        match others.next() {
            Some(key_id) if keyring.test_key().is_some() => {
                Err(KeyringError::NotATestKey { key_id: key_id.clone() })
            }
            _ => Ok(keyring),
        }
    }

    /// Returns the ids and states, but no key material: the primary first, then the others in the order given.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, KeyState)> {
        self.ordered().map(|entry| (entry.key_id(), entry.state()))
    }

    fn ordered(&self) -> impl Iterator<Item = &Entry> {
        let others = self.entries.iter().filter(|entry| !entry.is(KeyState::Primary));
        self.primary_entry().into_iter().chain(others)
    }

    /// Returns the id of the key that seals, or `None` if the keyring only opens.
    #[must_use]
    pub fn primary(&self) -> Option<&KeyId> {
        self.primary_entry().map(Entry::key_id)
    }

    /// Returns the state of the key with this id; the case of the id matters, as it does in an envelope.
    #[must_use]
    pub fn state(&self, key_id: &str) -> Option<KeyState> {
        self.entry(key_id).map(Entry::state)
    }

    /// Returns the check value of the key with this id: four public bytes that are in every wrap it makes.
    ///
    /// Returns `None` if the keyring does not hold such a key in memory.
    #[must_use]
    pub fn check_value(&self, key_id: &str) -> Option<[u8; CHECK_LEN]> {
        self.entry(key_id)?.usable()?.check_value()
    }

    /// Returns the suite that new envelopes are sealed with.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Returns whether the keyring has a recorder, for a health endpoint.
    #[must_use]
    pub fn has_recorder(&self) -> bool {
        self.recorder.is_some()
    }

    pub(crate) fn recorder(&self) -> Option<&dyn OpenRecorder> {
        self.recorder.as_deref()
    }

    /// Returns the id of a test key, if the keyring has one. Then all of its keys are test keys.
    pub(crate) fn test_key(&self) -> Option<&KeyId> {
        let is_for_tests = |entry: &&Entry| entry.usable().is_some_and(UsableKey::is_for_tests);
        self.entries.iter().find(is_for_tests).map(Entry::key_id)
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

    /// Returns the ids of the keys in `state`, a state in which keys do not open.
    pub(crate) fn refused_keys(&self, state: KeyState) -> impl Iterator<Item = &KeyId> {
        self.entries.iter().filter(move |entry| entry.is(state)).map(Entry::key_id)
    }

    /// Returns the keys that a new envelope is wrapped for, or `None` if there is no primary.
    ///
    /// They are in the order of the wraps: the primary, then the escrows, at most [`MAX_WRAPS`] in all.
    pub(crate) fn sealing_keys(&self) -> Option<impl Iterator<Item = &UsableKey> + Clone> {
        let escrows = self.entries.iter().filter_map(|entry| match entry {
            Entry::Usable(KeyState::Escrow | KeyState::OfflineEscrow, key) => Some(key),
            _ => None,
        });
        Some(core::iter::once(self.primary_key()?).chain(escrows))
    }

    /// Returns the keys that open or seal, each with whether it seals, in the order of [`keys`](Self::keys).
    pub(crate) fn usable_keys(&self) -> impl Iterator<Item = (&UsableKey, bool)> {
        self.ordered().filter_map(|entry| {
            let seals = entry.is(KeyState::Primary) || entry.is_escrow();
            Some((entry.usable()?, seals))
        })
    }

    /// Returns the keys that may open, in the order they are tried: the primary, other local keys, then remote keys.
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

/// Checks that a keyring with these entries may have this one too.
fn check_entry(entries: &[Entry], added: &Entry) -> Result<(), KeyringError> {
    let key_id = added.key_id();
    // Checked first, because the other errors show the id.
    if is_bare_key::<MasterKey>(key_id.as_ref()) {
        return Err(KeyringError::KeyAsKeyId);
    }
    if let Some(key) = added.usable().and_then(UsableKey::in_memory) {
        key.check_id(key_id)?;
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

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries: _, primary: _, suite: _, recorder: _ } = self;
        f.write_str("Keyring ")?;
        f.debug_map().entries(self.keys()).finish()
    }
}
