//! Key ids, the labels of master keys.

use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use crate::format::error::{Field, FormatError};

/// The maximum length of a key id in bytes. One byte holds the length.
pub(crate) const MAX_LEN: usize = 128;
const _: () = assert!(MAX_LEN < 256, "a u8 holds the length of a key id");
const EXPECTED: &str =
    "1 to 128 characters from A-Z a-z 0-9 . _ - / @, starting with a letter or digit";
const NO_KEY_EXPECTED: &str = "a label, not a key";

/// The label of a master key, such as `prod-2026` or `tenant/42@3`.
///
/// People choose it, and it is never a secret. It has 1 to 128 characters from `A-Z a-z 0-9 . _ - / @`, starts with a
/// letter or digit, and is case-sensitive.
///
/// A key id appears in every envelope that is wrapped for the key, in logs and in lists. So anything that looks like a
/// key is rejected: text that contains `sw`, one or two letters and `1_` (as in `swk1_…`), in any case and at any
/// position.
///
/// Clones share the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// Checks that the bytes are a key id and returns them as text. The error says where the fault is.
    pub(crate) fn check(id: &[u8]) -> Result<&str, FormatError> {
        let fault = |offset| FormatError::malformed(Field::KeyId, EXPECTED, offset);
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/@".contains(byte);
        match id.first() {
            Some(first) if first.is_ascii_alphanumeric() => (),
            _ => return Err(fault(0)),
        }
        if id.len() > MAX_LEN {
            return Err(fault(MAX_LEN));
        }
        if let Some(offset) = id.iter().position(|byte| !allowed(byte)) {
            return Err(fault(offset));
        }
        let is_key = |at: &usize| id.get(*at..).is_some_and(starts_like_a_key);
        if let Some(offset) = (0..id.len()).find(is_key) {
            return Err(FormatError::malformed(Field::KeyId, NO_KEY_EXPECTED, offset));
        }
        core::str::from_utf8(id).map_err(|error| fault(error.valid_up_to()))
    }

    /// Whether a keyring treats both as the same id. ASCII case is ignored.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// Whether it is the id of a test key.
    pub(crate) fn is_for_tests(&self) -> bool {
        self.0.starts_with("test/")
    }

    /// Returns the error for a key in the place of an id, when the characters alone would make a valid id.
    pub(crate) fn is_a_key() -> FormatError {
        FormatError::malformed(Field::KeyId, NO_KEY_EXPECTED, 0)
    }
}

/// Returns the length of a key id as one byte.
#[expect(clippy::expect_used, reason = "a key id is at most 128 bytes")]
pub(crate) fn len_byte(key_id: &str) -> u8 {
    key_id.len().try_into().expect("one byte holds the length of a key id")
}

/// Returns whether this starts like a key's text: with `swk1_`, or a prefix that another kind of keys has or may have.
pub(crate) fn starts_like_a_key(text: &[u8]) -> bool {
    match text {
        [b's' | b'S', b'w' | b'W', kind, b'1', b'_', ..] => kind.is_ascii_alphabetic(),
        [b's' | b'S', b'w' | b'W', one, two, b'1', b'_', ..] => {
            one.is_ascii_alphabetic() && two.is_ascii_alphabetic()
        }
        _ => false,
    }
}

impl TryFrom<&str> for KeyId {
    type Error = FormatError;

    fn try_from(id: &str) -> Result<Self, FormatError> {
        Self::check(id.as_bytes()).map(|id| Self(Arc::from(id)))
    }
}

impl TryFrom<String> for KeyId {
    type Error = FormatError;

    fn try_from(id: String) -> Result<Self, FormatError> {
        Self::try_from(id.as_str())
    }
}

impl From<KeyId> for String {
    fn from(key_id: KeyId) -> Self {
        Self::from(key_id.as_ref())
    }
}

impl FromStr for KeyId {
    type Err = FormatError;

    fn from_str(id: &str) -> Result<Self, FormatError> {
        Self::try_from(id)
    }
}

impl AsRef<str> for KeyId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for KeyId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyId").field(&self.as_ref()).finish()
    }
}
