//! What is being protected: redacted when printed, wiped when dropped.

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

/// A credential: bytes that are wiped when dropped and that nothing prints.
///
/// Made from owned or borrowed text and bytes. An owned source is wiped over its whole capacity
/// (or becomes the secret itself, where nothing has to be copied); a borrowed one stays the
/// caller's to wipe. [`expose_secret`](Self::expose_secret) and [`expose_str`](Self::expose_str)
/// are the only ways out, so that one search of a code base finds every use.
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
/// and no `Serialize`, also with feature `serde`:
///
/// ```compile_fail,E0277
/// # let secret = sealwax::Secret::from("x");
/// serde_json::to_string(&secret);
/// ```
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// The bytes.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// The bytes as text.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] where they are not UTF-8. It tells a position and no byte.
    pub fn expose_str(&self) -> Result<&str, Utf8Error> {
        core::str::from_utf8(self.expose_secret())
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.expose_secret().len()
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose_secret().is_empty()
    }

    /// A new secret of a prefix and this one, as `Bearer ` and an API key are the value of a header.
    ///
    /// ```
    /// use sealwax::Secret;
    ///
    /// let header = Secret::from("sk-1").with_prefix("Bearer ");
    /// assert_eq!(header.expose_str(), Ok("Bearer sk-1"));
    /// ```
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> Self {
        // Both lengths are known: the bytes are written once, where they stay.
        Self([prefix.as_bytes(), self.expose_secret()].concat().into())
    }
}

impl From<Vec<u8>> for Secret {
    fn from(mut bytes: Vec<u8>) -> Self {
        if bytes.len() == bytes.capacity() {
            return Self(bytes.into());
        }
        // To shrink would reallocate and leave the old bytes behind.
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
        // Of exactly the right size, so that nothing is left behind on the way into the box.
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
    /// In constant time: hides the contents, not the length.
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
