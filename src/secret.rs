//! Secrets, which are redacted when printed and wiped when dropped.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::Utf8Error;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

pub(crate) mod key_bytes;
#[cfg(feature = "serde")]
mod serde;
pub(crate) mod wiping;

/// A credential whose bytes are wiped when dropped and never printed.
///
/// You create a secret from owned or borrowed text or bytes. An owned source is wiped over its whole capacity, or
/// becomes the secret itself if nothing has to be copied. A borrowed source is yours to wipe.
/// [`expose_secret`](Self::expose_secret) and [`expose_str`](Self::expose_str) are the only ways to read the bytes, so
/// one search of a code base finds every use.
///
/// ```
/// use sealwax::Secret;
///
/// let secret = Secret::from("not for the log");
/// assert_eq!(format!("{secret:?}"), "Secret([REDACTED])");
/// assert_eq!(secret.expose_str(), Ok("not for the log"));
/// ```
///
/// There is no `Display`:
///
/// ```compile_fail,E0277
/// # let secret = sealwax::Secret::from("x");
/// println!("{secret}");
/// ```
///
/// no `Clone`:
///
/// ```compile_fail,E0599
/// # let secret = sealwax::Secret::from("x");
/// let copy: sealwax::Secret = secret.clone();
/// ```
///
/// no `Deref` or `AsRef`:
///
/// ```compile_fail,E0308
/// # let secret = sealwax::Secret::from("x");
/// let bytes: &[u8] = &secret;
/// ```
///
/// ```compile_fail,E0277
/// # let secret = sealwax::Secret::from("x");
/// fn log(line: impl AsRef<[u8]>) {}
/// log(secret);
/// ```
///
/// and no `Serialize`, even with the feature `serde`:
///
/// ```compile_fail,E0277
/// # let secret = sealwax::Secret::from("x");
/// serde_json::to_string(&secret);
/// ```
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// Returns the bytes.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// Returns the bytes as text.
    ///
    /// # Errors
    ///
    /// Returns a [`Utf8Error`] if they are not UTF-8. It contains a position and none of the bytes.
    pub fn expose_str(&self) -> Result<&str, Utf8Error> {
        core::str::from_utf8(self.expose_secret())
    }

    /// Returns the number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.expose_secret().len()
    }

    /// Returns whether the secret has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose_secret().is_empty()
    }

    /// Returns a new secret: `prefix` followed by this one.
    ///
    /// For example, `Bearer ` and an API key make the value of a header.
    ///
    /// ```
    /// use sealwax::Secret;
    ///
    /// let header = Secret::from("sk-1").with_prefix("Bearer ");
    /// assert_eq!(header.expose_str(), Ok("Bearer sk-1"));
    /// ```
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> Self {
        // `concat` knows both lengths, so it writes the bytes only once, where they stay.
        Self([prefix.as_bytes(), self.expose_secret()].concat().into())
    }
}

impl From<Vec<u8>> for Secret {
    fn from(mut bytes: Vec<u8>) -> Self {
        if bytes.len() == bytes.capacity() {
            return Self(bytes.into());
        }
        // Shrinking would reallocate and leave the old bytes behind.
        let secret = Self::from(bytes.as_slice());
        bytes.zeroize();
        secret
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        // The `Vec` has exactly the right size, so nothing is left behind when it becomes a box.
        Self(bytes.to_vec().into())
    }
}

impl<const N: usize> From<&[u8; N]> for Secret {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&String> for Secret {
    fn from(text: &String) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<SecretString> for Secret {
    fn from(text: SecretString) -> Self {
        Self::from(text.expose_secret())
    }
}

impl TryFrom<Secret> for SecretString {
    type Error = Utf8Error;

    fn try_from(secret: Secret) -> Result<Self, Utf8Error> {
        Self::try_from(&secret)
    }
}

impl TryFrom<&Secret> for SecretString {
    type Error = Utf8Error;

    fn try_from(secret: &Secret) -> Result<Self, Utf8Error> {
        secret.expose_str().map(Self::from)
    }
}

impl PartialEq for Secret {
    /// Compares in constant time, which hides the contents but not the length.
    fn eq(&self, other: &Self) -> bool {
        self.expose_secret().ct_eq(other.expose_secret()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Secret([REDACTED])")
    }
}
