//! The key of one row.

use core::fmt;

use rand_core::TryCryptoRng;

use crate::format::sizes::KEY_LEN;
use crate::secret::key_bytes::{KeyBytes, KeyError};

/// The key of one credential: 32 bytes, wiped when dropped.
///
/// Not `Clone`: it seals once. Providers receive it to wrap it and answer it when they unwrap.
///
/// ```compile_fail,E0599
/// # fn f(key: &sealwax::DataKey) {
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
    /// Draws a key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] when it fails.
    #[cfg(feature = "getrandom")]
    pub fn generate() -> Result<Self, KeyError> {
        Self::generate_with_rng(&mut getrandom::SysRng)
    }

    /// Draws a key from `rng`, in one call of 32 bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] when it fails, or answers one repeated byte.
    pub fn generate_with_rng(rng: &mut (impl TryCryptoRng + ?Sized)) -> Result<Self, KeyError> {
        KeyBytes::draw(rng).map(Self)
    }

    /// Takes a key out of a buffer, which is wiped in every case.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`] when there are not exactly 32 bytes, [`KeyError::Weak`] when they are
    /// one repeated byte.
    pub fn from_bytes(bytes: &mut [u8]) -> Result<Self, KeyError> {
        KeyBytes::take(bytes).map(Self)
    }

    pub(crate) fn copy_of(key: &[u8; KEY_LEN]) -> Self {
        Self(KeyBytes::copy_of(key))
    }

    /// A key that was looked at already.
    pub(crate) fn from_key_bytes(bytes: KeyBytes) -> Self {
        Self(bytes)
    }

    /// The bytes, for a provider to wrap.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8; KEY_LEN] {
        self.0.expose()
    }

    /// A second copy, for a provider that has to move it to another thread. Each is wiped when
    /// dropped.
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
