//! Why keys are not a keyring.

use core::fmt;

use thiserror::Error;

use crate::format::error::FormatError;
use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::key_id::KeyId;
use crate::format::surrounding::Surrounding;
use crate::secret::key_bytes::KeyError;

/// Why keys, or a text of keys, are not a [`Keyring`](crate::Keyring). Never holds a byte of the text.
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
    /// An id is given twice; ids that differ only in case count as the same.
    #[error("duplicate key id {key_id} in the keyring (ids are compared case-insensitively)")]
    #[non_exhaustive]
    DuplicateKeyId {
        /// The later one.
        key_id: KeyId,
    },
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

impl KeyringError {
    const fn as_data(&self) -> (&'static str, ErrorClass) {
        let name = match self {
            Self::Line { .. } => "line",
            Self::DuplicateKeyId { .. } => "duplicate_key_id",
            Self::DuplicateKey { .. } => "duplicate_key",
            Self::KeyAsKeyId => "key_as_key_id",
            Self::NoPrimary => "no_primary",
            Self::TwoPrimaries => "two_primaries",
            Self::TooManyEscrows => "too_many_escrows",
            Self::TooManyKeys => "too_many_keys",
        };
        (name, ErrorClass::Misconfigured)
    }
}

error_as_data!(KeyringError);

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
    #[error("more words than expected: a line feed or ; separates two keys")]
    ExtraWord,
    /// Something around the line, or around the whole text, that is to be taken away.
    #[error("found {surrounding}")]
    #[non_exhaustive]
    Surrounded {
        /// What stands around it.
        surrounding: Surrounding,
    },
}

/// What a key id looks like, where there is a word that is none.
struct Reason<'a>(Option<&'a FormatError>);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}
