//! The label of a master key.

use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use crate::format_error::{Field, FormatError};

/// Bytes of the longest key id. One byte counts them.
pub(crate) const MAX_LEN: usize = 128;
const _: () = assert!(MAX_LEN < 256, "u8 counts a key id");
const EXPECTED: &str =
    "1 to 128 characters out of A-Z a-z 0-9 . _ - / @, the first a letter or digit";

/// The label of a master key: `prod-2026`, `tenant/42@3`. Chosen by people, never a secret.
///
/// 1 to 128 characters out of `A-Z a-z 0-9 . _ - / @`, the first a letter or digit; case-sensitive.
/// It stands in every envelope that the key wraps. A clone shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// The same bytes as text, if they are a key id; otherwise where the fault is.
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
        match id.iter().position(|byte| !allowed(byte)) {
            Some(offset) => Err(fault(offset)),
            None => core::str::from_utf8(id).map_err(|error| fault(error.valid_up_to())),
        }
    }
}

impl TryFrom<&str> for KeyId {
    type Error = FormatError;

    fn try_from(id: &str) -> Result<Self, FormatError> {
        Self::check(id.as_bytes()).map(|id| Self(Arc::from(id)))
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
