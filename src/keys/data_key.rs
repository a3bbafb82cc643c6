//! The data key of one row.

use core::fmt;

use rand_core::TryCryptoRng;

use crate::format::sizes::KEY_LEN;
use crate::secret::key_bytes::{KeyBytes, KeyError};

/// The data key of one credential: 32 bytes, wiped when dropped.
///
/// It is not `Clone`, because it seals only once. Providers receive a data key to wrap, and return one when they
/// unwrap.
///
/// ```compile_fail,E0599
/// # fn f(key: sealwax::DataKey) {
/// let copy: sealwax::DataKey = key.clone();
/// # }
/// ```
///
/// ```compile_fail,E0277
/// # fn f(key: &sealwax::DataKey) {
/// println!("{key}");
/// # }
/// ```
pub struct DataKey(KeyBytes);

impl DataKey {
    /// Generates a key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::Random`] if the randomness source fails.
    #[cfg(feature = "getrandom")]
    pub fn generate() -> Result<Self, KeyError> {
        Self::generate_with_rng(&mut getrandom::SysRng)
    }

    /// Generates a key from `rng`, in one call for 32 bytes.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::Random`] if `rng` fails, or returns one repeated byte.
    pub fn generate_with_rng(rng: &mut (impl TryCryptoRng + ?Sized)) -> Result<Self, KeyError> {
        KeyBytes::draw(rng).map(Self)
    }

    /// Takes a key out of a buffer, and wipes the buffer even if this fails.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::Length`] if the buffer is not exactly 32 bytes long, and [`KeyError::Weak`] if it holds
    /// one repeated byte.
    pub fn from_bytes(bytes: &mut [u8]) -> Result<Self, KeyError> {
        KeyBytes::take(bytes).map(Self)
    }

    pub(crate) fn copy_of(key: &[u8; KEY_LEN]) -> Self {
        Self(KeyBytes::copy_of(key))
    }

    /// Makes a data key of bytes that were already checked.
    pub(crate) fn from_key_bytes(bytes: KeyBytes) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the key, for a provider to wrap.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8; KEY_LEN] {
        self.0.expose()
    }

    /// Returns a second copy of the key, for a provider that has to move it to another thread.
    ///
    /// Each copy is wiped when it is dropped.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::copy_of(self.expose_secret())
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("DataKey([REDACTED])")
    }
}
