//! Why a keyring could not be built or parsed.

use core::fmt;

use thiserror::Error;

use crate::format::error::FormatError;
use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::key_id::KeyId;
use crate::format::surrounding::Surrounding;
use crate::keys::keyring::state::KeyState;
use crate::secret::key_bytes::KeyError;

/// Why a [`Keyring`](crate::Keyring) could not be built or parsed.
///
/// It contains nothing of the input except key ids.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// A line is not `<state> <key id> [<key>]`.
    #[error("line {line} of the keys: {problem}")]
    #[non_exhaustive]
    Line {
        /// The number of the line: the first is 1, and each line feed starts another.
        line: usize,
        /// What is wrong with the line.
        problem: LineProblem,
    },
    /// An id is given twice; ids that differ only in case count as the same.
    #[error("duplicate key id {key_id} in the keyring (ids are compared case-insensitively)")]
    #[non_exhaustive]
    DuplicateKeyId {
        /// The later id.
        key_id: KeyId,
    },
    /// One key is given under two ids.
    ///
    /// If this were allowed, a leaked key that was "rotated" by renaming it would stay in use.
    #[error("key ids {key_id} and {other} in the keyring have the same key")]
    #[non_exhaustive]
    DuplicateKey {
        /// The later id.
        key_id: KeyId,
        /// The earlier id.
        other: KeyId,
    },
    /// The id of a test key does not start with `test/`.
    #[error("{key_id} is a test key: its id must start with test/")]
    #[non_exhaustive]
    TestKey {
        /// The id of the key.
        key_id: KeyId,
    },
    /// A key for production is where only test keys may be: under an id that starts with `test/`, or in a keyring with
    /// test keys.
    #[error("{key_id} is no test key, but its id starts with test/ or its keyring has test keys")]
    #[non_exhaustive]
    NotATestKey {
        /// The id of the key.
        key_id: KeyId,
    },
    /// A key id is the text of a key without its prefix.
    #[error("expected a key id in the keyring, found a key without its prefix")]
    KeyAsKeyId,
    /// No line names a primary.
    #[error("the keyring has no primary key: add a line `primary <key id> <key>`")]
    NoPrimary,
    /// More than one line names a primary.
    #[error("the keyring has more than one primary key: make all but one of them retired")]
    TwoPrimaries,
    /// There are more than seven escrow keys.
    #[error("the keyring has more than seven escrow keys")]
    TooManyEscrows,
    /// There are more than 1,024 keys, counting all states.
    #[error("the keyring has more than 1024 keys: remove those that are no longer needed")]
    TooManyKeys,
}

impl KeyringError {
    const fn as_data(&self) -> (&'static str, ErrorClass) {
        let name = match self {
            Self::Line { .. } => "line",
            Self::DuplicateKeyId { .. } => "duplicate_key_id",
            Self::DuplicateKey { .. } => "duplicate_key",
            Self::TestKey { .. } => "test_key",
            Self::NotATestKey { .. } => "not_a_test_key",
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
    /// A character may not appear where it does, or not at all.
    #[error("found {found}")]
    #[non_exhaustive]
    StrayCharacter {
        /// What kind of character it is, and what is allowed in its place.
        found: &'static str,
    },
    /// A line that starts with `#` has a key, and no other line has a primary.
    #[error("a line that starts with # is a comment to its end, and this one has a key")]
    Commented,
    /// The first word is a state that these keys cannot have.
    #[error("found {state}, which is no state of such keys")]
    #[non_exhaustive]
    OtherState {
        /// The state.
        state: KeyState,
    },
    /// The first word is not a state.
    #[error("expected primary, retired, escrow, disabled, leaked or destroyed as the first word")]
    UnknownState,
    /// The second word is missing, or is not a key id; a key (`swk1_…`) is not one.
    #[error("expected a key id after the state{}", Reason(.source.as_ref()))]
    #[non_exhaustive]
    KeyId {
        /// Why the word is not a key id, or `None` if there is no second word.
        source: Option<FormatError>,
    },
    /// The third word is missing, and the state needs one.
    #[error("expected a key after the key id")]
    MissingKey,
    /// The third word is not a key.
    #[error(transparent)]
    #[non_exhaustive]
    Key {
        /// Why it is not a key.
        source: KeyError,
    },
    /// There are more than three words.
    #[error("too many words: separate two keys by a line feed or ;")]
    ExtraWord,
    /// Something surrounds the line, or the whole text, and must be removed.
    #[error("expected a keyring entry, found {surrounding}")]
    #[non_exhaustive]
    Surrounded {
        /// What surrounds it.
        surrounding: Surrounding,
    },
}

/// Displays why a word is not a key id, if there is a word.
struct Reason<'a>(Option<&'a FormatError>);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}
