//! Who holds which master key, and what each may do.
//!
//! What a keyring does is written in `verbs/`: `sealing.rs` has seal, verify and open, `rewrapping.rs` rewrap and
//! `is_current`. Its text is read in `keyring/text.rs`.

use alloc::sync::Arc;
use core::fmt;

use thiserror::Error;

use crate::format::error::FormatError;
use crate::format::key_id::KeyId;
use crate::format::sizes::MAX_WRAPS;
use crate::format::suite::Suite;
use crate::keys::master_key;
use crate::keys::provider::MasterKeyProvider;
use crate::keys::usable_key::UsableKey;
use crate::secret::key_bytes::KeyError;

mod text;

/// The most keys beside the primary. Far more than a service has; it bounds what a text costs.
const MAX_OTHERS: usize = 1023;

/// The master keys of a service: which one seals, which ones open, which ones must not.
///
/// An immutable value. To change it, build a new one and swap it; a clone shares the keys. It is
/// read from text (an environment variable, see [`crate::docs::operations`]) or put together here:
///
/// ```
/// use sealwax::{Keyring, MasterKey};
///
/// let keyring = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)
///     .with_retired("prod-2025".parse()?, MasterKey::generate()?)?
///     .with_escrow("eu-dr".parse()?, MasterKey::generate()?)?
///     .with_destroyed("prod-2022".parse()?)?;
/// assert_eq!(keyring.primary().as_ref(), "prod-2026");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// All processes of a service should share one keyring text: a worker that lacks an escrow entry
/// drops that wrap when it rewraps.
#[derive(Clone)]
pub struct Keyring {
    primary: UsableKey,
    /// In the order given. No two ids of the keyring differ in case only.
    others: Arc<[Entry]>,
    suite: Suite,
}

/// A key other than the primary.
#[derive(Clone)]
enum Entry {
    Retired(UsableKey),
    Escrow(UsableKey),
    Disabled(KeyId),
    Leaked(KeyId),
    Destroyed(KeyId),
}

/// What a master key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// Seals and opens. A keyring has exactly one.
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

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Primary => "primary",
            Self::Retired => "retired",
            Self::Escrow => "escrow",
            Self::Disabled => "disabled",
            Self::Leaked => "leaked",
            Self::Destroyed => "destroyed",
        })
    }
}

impl Entry {
    fn key_id(&self) -> &KeyId {
        match self {
            Self::Retired(key) | Self::Escrow(key) => &key.key_id,
            Self::Disabled(key_id) | Self::Leaked(key_id) | Self::Destroyed(key_id) => key_id,
        }
    }

    fn state(&self) -> KeyState {
        match self {
            Self::Retired(_) => KeyState::Retired,
            Self::Escrow(_) => KeyState::Escrow,
            Self::Disabled(_) => KeyState::Disabled,
            Self::Leaked(_) => KeyState::Leaked,
            Self::Destroyed(_) => KeyState::Destroyed,
        }
    }

    fn usable(&self) -> Option<&UsableKey> {
        match self {
            Self::Retired(key) | Self::Escrow(key) => Some(key),
            Self::Disabled(_) | Self::Leaked(_) | Self::Destroyed(_) => None,
        }
    }
}

impl Keyring {
    /// A keyring of one key, which seals and opens.
    ///
    /// Whether the id is a key without its prefix is looked at in a text only.
    #[must_use]
    pub fn new(key_id: KeyId, key: impl MasterKeyProvider + 'static) -> Self {
        Self::of_primary(UsableKey::new(key_id, key))
    }

    fn of_primary(primary: UsableKey) -> Self {
        Self { primary, others: Arc::new([]), suite: Suite::default() }
    }

    /// The same keyring, with a key that opens and does not seal.
    ///
    /// # Errors
    ///
    /// [`KeyringError::DuplicateKeyId`] when the id is there already, be it in other case;
    /// [`KeyringError::DuplicateKey`] when the key is; [`KeyringError::KeyAsKeyId`] when the id is one;
    /// [`KeyringError::TooManyKeys`] when there are 1,024 already.
    pub fn with_retired(
        self,
        key_id: KeyId,
        key: impl MasterKeyProvider + 'static,
    ) -> Result<Self, KeyringError> {
        self.with([Entry::Retired(UsableKey::new(key_id, key))])
    }

    /// The same keyring, with a key that every new seal is wrapped for too.
    ///
    /// # Errors
    ///
    /// [`KeyringError::DuplicateKeyId`] when the id is there already, be it in other case;
    /// [`KeyringError::DuplicateKey`] when the key is; [`KeyringError::KeyAsKeyId`] when the id is one;
    /// [`KeyringError::TooManyEscrows`] when there are seven already,
    /// [`KeyringError::TooManyKeys`] when there are 1,024 keys already.
    pub fn with_escrow(
        self,
        key_id: KeyId,
        key: impl MasterKeyProvider + 'static,
    ) -> Result<Self, KeyringError> {
        self.with([Entry::Escrow(UsableKey::new(key_id, key))])
    }

    /// The same keyring, with a key that is known and refused.
    ///
    /// # Errors
    ///
    /// [`KeyringError::DuplicateKeyId`] when the id is there already, be it in other case;
    /// [`KeyringError::KeyAsKeyId`] when it is a key; [`KeyringError::TooManyKeys`] when there are 1,024 already.
    pub fn with_disabled(self, key_id: KeyId) -> Result<Self, KeyringError> {
        self.with([Entry::Disabled(key_id)])
    }

    /// The same keyring, with a key that others have. Whoever has it knows the data keys of its rows:
    /// they are to be opened by a job in whose keyring it is retired, and sealed again.
    ///
    /// # Errors
    ///
    /// As [`with_disabled`](Self::with_disabled).
    pub fn with_leaked(self, key_id: KeyId) -> Result<Self, KeyringError> {
        self.with([Entry::Leaked(key_id)])
    }

    /// The same keyring, with a key whose material is gone for good.
    ///
    /// # Errors
    ///
    /// [`KeyringError::DuplicateKeyId`] when the id is there already, be it in other case;
    /// [`KeyringError::KeyAsKeyId`] when it is a key; [`KeyringError::TooManyKeys`] when there are 1,024 already.
    pub fn with_destroyed(self, key_id: KeyId) -> Result<Self, KeyringError> {
        self.with([Entry::Destroyed(key_id)])
    }

    /// The same keyring, sealing with another suite. It opens what was sealed with either.
    #[must_use]
    pub fn with_suite(self, suite: Suite) -> Self {
        Self { suite, ..self }
    }

    fn with(self, added: impl IntoIterator<Item = Entry>) -> Result<Self, KeyringError> {
        let mut others = self.others.to_vec();
        for entry in added {
            let key_id = entry.key_id();
            let mut ids =
                core::iter::once(&self.primary.key_id).chain(others.iter().map(Entry::key_id));
            if ids.any(|other| other.is_same(key_id)) {
                return Err(KeyringError::DuplicateKeyId);
            }
            if master_key::is_bare_key(key_id.as_ref()) {
                return Err(KeyringError::KeyAsKeyId);
            }
            if let Some(key) = entry.usable() {
                let mut keys =
                    core::iter::once(&self.primary).chain(others.iter().filter_map(Entry::usable));
                if let Some(other) = keys.find(|other| other.is_same(key)) {
                    let (key_id, other) = (key.key_id.clone(), other.key_id.clone());
                    return Err(KeyringError::DuplicateKey { key_id, other });
                }
            }
            if others.len() >= MAX_OTHERS {
                return Err(KeyringError::TooManyKeys);
            }
            others.push(entry);
        }
        // The primary and the escrows are what an envelope is wrapped for.
        let escrows = others.iter().filter(|entry| entry.state() == KeyState::Escrow).count();
        if escrows >= MAX_WRAPS {
            return Err(KeyringError::TooManyEscrows);
        }
        Ok(Self { others: others.into(), ..self })
    }

    /// The ids and states: the primary, then the others in the order given. No key material.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, KeyState)> {
        let others = self.others.iter().map(|entry| (entry.key_id(), entry.state()));
        core::iter::once((&self.primary.key_id, KeyState::Primary)).chain(others)
    }

    /// The keys in a state in which they do not open.
    pub(crate) fn refused_keys(&self, state: KeyState) -> impl Iterator<Item = &KeyId> {
        self.others.iter().filter(move |entry| entry.state() == state).map(Entry::key_id)
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn primary(&self) -> &KeyId {
        &self.primary.key_id
    }

    /// The suite that new envelopes are sealed with.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The keys that a new envelope is wrapped for, in the order of its wraps: the primary, then
    /// the escrows. At most [`MAX_WRAPS`].
    pub(crate) fn sealing_keys(&self) -> impl Iterator<Item = &UsableKey> + Clone {
        let escrows = self.others.iter().filter_map(|entry| match entry {
            Entry::Escrow(key) => Some(key),
            _ => None,
        });
        core::iter::once(&self.primary).chain(escrows)
    }

    /// The keys that may open, in the order they are tried: the primary, then the other local
    /// ones, then those that cost a network trip.
    pub(crate) fn opening_keys(&self) -> impl Iterator<Item = &UsableKey> {
        let others = || self.others.iter().filter_map(Entry::usable);
        core::iter::once(&self.primary)
            .chain(others().filter(|key| key.is_local()))
            .chain(others().filter(|key| !key.is_local()))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { primary: _, others: _, suite: _ } = self;
        f.write_str("Keyring ")?;
        f.debug_map().entries(self.keys()).finish()
    }
}

/// Why keys, or a text of keys, are not a [`Keyring`]. Never holds a byte of the text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// A line that is not `<state> <key id> [<key>]`.
    #[error("keyring line {line}: {problem}")]
    #[non_exhaustive]
    Line {
        /// The line, counted from 1 at each line feed.
        line: usize,
        /// What is wrong with it.
        problem: LineProblem,
    },
    /// An id stands twice; ids that differ only in case count as the same.
    #[error("a key id stands twice in the keyring (case does not tell two ids apart)")]
    DuplicateKeyId,
    /// One key under two ids. A leaked key that was "rotated" by renaming it would stay in use.
    #[error("keys {key_id} and {other} of the keyring are the same key")]
    #[non_exhaustive]
    DuplicateKey {
        /// The later one.
        key_id: KeyId,
        /// The one before it.
        other: KeyId,
    },
    /// A key id that is the text of a key, but for its prefix.
    #[error("a key stands in the place of a key id")]
    KeyAsKeyId,
    /// No line names a primary.
    #[error("no key of the keyring is the primary: a line `primary <key id> swk1_…` is needed")]
    NoPrimary,
    /// More than one line names a primary.
    #[error("two keys of the keyring are primary: make all but one retired")]
    TwoPrimaries,
    /// More than seven escrow keys.
    #[error("more than seven escrow keys in the keyring")]
    TooManyEscrows,
    /// More than 1,024 keys of any state.
    #[error("more than 1024 keys in the keyring: take out those that nothing needs")]
    TooManyKeys,
}

/// What is wrong with a line of a keyring text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LineProblem {
    /// White space other than spaces and tabs, a byte order mark, or a `#` after the start.
    #[error(
        "a stray character: only spaces and tabs separate, # only starts a line, and a carriage return only ends one"
    )]
    StrayCharacter,
    /// The first word is not a state.
    #[error("expected primary, retired, escrow, disabled, leaked or destroyed at its start")]
    UnknownState,
    /// No second word, or one that is not a key id; a key (`swk1_…`) is none.
    #[error("expected a key id after the state{}", Reason(.source.as_ref()))]
    #[non_exhaustive]
    KeyId {
        /// What a key id looks like; none where there was no second word.
        source: Option<FormatError>,
    },
    /// No third word where one is needed.
    #[error("expected a key (swk1_…) after the key id")]
    MissingKey,
    /// A third word that is not a key.
    #[error(transparent)]
    #[non_exhaustive]
    Key {
        /// Why it is not.
        source: KeyError,
    },
    /// More words than the state takes.
    #[error("more words than expected")]
    ExtraWord,
}

/// What a key id looks like, where there is a word that is none.
struct Reason<'a>(Option<&'a FormatError>);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}
