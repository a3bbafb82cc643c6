//! The ciphers an envelope can be sealed with.

use core::fmt;
use core::str::FromStr;

use crate::format::error::{Field, FormatError};

/// The cipher of an envelope's payload.
///
/// Both suites have a 32-byte key, a 12-byte IV and a 16-byte tag. The payload key, the commitment, the salt of each
/// local wrap and the MAC are bound to the suite, so an envelope that is relabelled with the other suite does not open.
/// A local wrap uses no cipher and is made the same way in both suites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// AES-256-GCM (NIST SP 800-38D): id 0x01, text name `a256gcm`. The default.
    #[default]
    Aes256Gcm,
    /// ChaCha20-Poly1305 (RFC 8439): id 0x02, text name `c20p`. Runs in constant time even without AES
    /// instructions.
    ChaCha20Poly1305,
}

impl Suite {
    /// Returns the byte that identifies the suite in the binary form.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::Aes256Gcm => 0x01,
            Self::ChaCha20Poly1305 => 0x02,
        }
    }

    /// Returns the name of the suite in the text form, which `Display` also writes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "a256gcm",
            Self::ChaCha20Poly1305 => "c20p",
        }
    }

    pub(crate) const fn from_id(id: u8) -> Option<Self> {
        match id {
            0x01 => Some(Self::Aes256Gcm),
            0x02 => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Suite {
    type Err = FormatError;

    /// Reads the text name, case-sensitively.
    fn from_str(name: &str) -> Result<Self, FormatError> {
        match name {
            "a256gcm" => Ok(Self::Aes256Gcm),
            "c20p" => Ok(Self::ChaCha20Poly1305),
            _ => Err(FormatError::malformed(Field::Suite, "a256gcm or c20p", 0)),
        }
    }
}
