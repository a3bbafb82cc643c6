//! The 32 bytes of a key: where they come from, where they are kept, and which are rejected.

use alloc::boxed::Box;

use rand_core::TryCryptoRng;
use thiserror::Error;
use zeroize::Zeroize;

use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::sizes::KEY_LEN;
use crate::format::surrounding::Surrounding;
use crate::secret::wiping::Wiped;

/// An error in the bytes or text of a key, or in generating one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key has the wrong length.
    #[error("the key has {found} bytes: expected {expected}")]
    #[non_exhaustive]
    Length {
        /// The length of a key in bytes: 32.
        expected: usize,
        /// The number of bytes found.
        found: usize,
    },
    /// The key, or one half of a pair's key, is one repeated byte: a placeholder, or a buffer that nothing was written to.
    ///
    /// Or the public key in a sealing key is one that nobody generates: its X25519 part has a small order, or its ML-KEM
    /// part is not encoded as in FIPS 203.
    #[error("weak key, such as one repeated byte: generate a random key")]
    Weak,
    /// The text is not the prefix of such keys, such as `swk1_`, followed by as many base64url characters as they have.
    #[error(
        "invalid key: expected a prefix, such as swk1_, followed by 48 base64url characters (after swo1_ 91, after sws1_ 1670)"
    )]
    Malformed,
    /// The text starts like that of another kind of key.
    #[error("a key of another kind: expected one that starts with {expected}_")]
    #[non_exhaustive]
    OtherKind {
        /// The name of the expected kind, with which its texts start.
        expected: &'static str,
    },
    /// The text is a sealing key (`sws1_…`) or an opening key (`swo1_…`), and this program was built without them.
    #[error("a sealing key or an opening key: build with the feature {feature}")]
    #[non_exhaustive]
    NeedsFeature {
        /// The feature of this crate.
        feature: &'static str,
    },
    /// The checksum of the text is wrong, so the text was mistyped or changed.
    #[error("mistyped or changed key: the checksum does not match")]
    Checksum,
    /// The text is not in the encoding that was declared.
    #[error("invalid key: expected {expected}")]
    #[non_exhaustive]
    Encoding {
        /// What the encoding requires.
        expected: &'static str,
    },
    /// The text may be a key, but something around it must be removed.
    #[error("invalid key: found {surrounding}")]
    #[non_exhaustive]
    Surrounded {
        /// What was found around the text.
        surrounding: Surrounding,
    },
    /// The randomness source failed, or returned one repeated byte.
    #[error("the randomness source failed")]
    Random,
}

impl KeyError {
    const fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::Length { .. } => ("length", ErrorClass::Misconfigured),
            Self::Weak => ("weak", ErrorClass::Misconfigured),
            Self::Malformed => ("malformed", ErrorClass::Misconfigured),
            Self::OtherKind { .. } => ("other_kind", ErrorClass::Misconfigured),
            Self::NeedsFeature { .. } => ("needs_feature", ErrorClass::Misconfigured),
            Self::Checksum => ("checksum", ErrorClass::Misconfigured),
            Self::Encoding { .. } => ("encoding", ErrorClass::Misconfigured),
            Self::Surrounded { .. } => ("surrounded", ErrorClass::Misconfigured),
            Self::Random => ("random", ErrorClass::Failed),
        }
    }
}

error_as_data!(KeyError);

/// The bytes of a key that is passed around, wiped when dropped.
// Boxed, so that moving the key into a return value, a future or a thread moves only a pointer.
pub(crate) struct KeyBytes(Box<Wiped<KEY_LEN>>);

impl KeyBytes {
    /// Creates a place for a key, which is on the heap from the start.
    pub(crate) fn zeroed() -> Self {
        Self(Box::new(Wiped::zeroed()))
    }

    /// Draws a key from `rng` in one call for 32 bytes.
    pub(crate) fn draw(rng: &mut (impl TryCryptoRng + ?Sized)) -> Result<Self, KeyError> {
        let mut key = Self::zeroed();
        rng.try_fill_bytes(key.0.as_mut_slice()).map_err(|_| KeyError::Random)?;
        if is_weak(&key.0) { Err(KeyError::Random) } else { Ok(key) }
    }

    /// Takes a key out of `source`, which is wiped in every case.
    pub(crate) fn take(source: &mut [u8]) -> Result<Self, KeyError> {
        let mut key = Self::zeroed();
        take_key_bytes(source, key.expose_mut())?;
        Ok(key)
    }

    pub(crate) fn copy_of(key: &[u8; KEY_LEN]) -> Self {
        let mut copy = Self::zeroed();
        copy.0.copy_from_slice(key);
        copy
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8; KEY_LEN] {
        &mut self.0
    }
}

/// Copies the bytes of a key from `source` to `key` and wipes `source` in every case.
pub(crate) fn take_key_bytes(source: &mut [u8], key: &mut [u8; KEY_LEN]) -> Result<(), KeyError> {
    let taken = match source.first_chunk::<KEY_LEN>() {
        Some(bytes) if source.len() == KEY_LEN => {
            key.copy_from_slice(bytes);
            if is_weak(key) { Err(KeyError::Weak) } else { Ok(()) }
        }
        _ => Err(KeyError::Length { expected: KEY_LEN, found: source.len() }),
    };
    source.zeroize();
    taken
}

/// Whether a key is one repeated byte, without branching on any single byte.
pub(crate) fn is_weak(key: &[u8; KEY_LEN]) -> bool {
    let [first, ..] = key;
    key.iter().fold(0, |differences, byte| differences | (first ^ byte)) == 0
}
