//! The 32 bytes of a key: where they come from, where they lie, and what is refused.

use alloc::boxed::Box;

use rand_core::TryCryptoRng;
use thiserror::Error;
use zeroize::Zeroize;

use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::sizes::KEY_LEN;
use crate::format::surrounding::Surrounding;
use crate::secret::wiping::Wiped;

/// Why bytes or text are not a key, or why none could be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not as many bytes as a key has.
    #[error("a key of {found} bytes: expected {expected}")]
    #[non_exhaustive]
    Length {
        /// The bytes of a key: 32.
        expected: usize,
        /// The bytes that were there.
        found: usize,
    },
    /// One byte, repeated: a placeholder, or a buffer that nothing was written to.
    #[error("a key of one repeated byte is no key: generate one")]
    Weak,
    /// Text that is not `swk1_` and 48 characters of base64url.
    #[error("not a master key: expected swk1_ and 48 characters of base64url")]
    Malformed,
    /// Text that was mistyped or cut off: its checksum is wrong.
    #[error("a mistyped or truncated master key: its checksum does not match")]
    Checksum,
    /// Text that is not in the encoding it was declared to be in.
    #[error("not a key: expected {expected}")]
    #[non_exhaustive]
    Encoding {
        /// What the encoding asks for.
        expected: &'static str,
    },
    /// Text that may be a key, with something around it that is to be taken away.
    #[error("not a key: found {surrounding}")]
    #[non_exhaustive]
    Surrounded {
        /// What stands around it.
        surrounding: Surrounding,
    },
    /// The randomness source failed, or answered one repeated byte.
    #[error("the randomness source failed")]
    Random,
}

impl KeyError {
    const fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::Length { .. } => ("length", ErrorClass::Misconfigured),
            Self::Weak => ("weak", ErrorClass::Misconfigured),
            Self::Malformed => ("malformed", ErrorClass::Misconfigured),
            Self::Checksum => ("checksum", ErrorClass::Misconfigured),
            Self::Encoding { .. } => ("encoding", ErrorClass::Misconfigured),
            Self::Surrounded { .. } => ("surrounded", ErrorClass::Misconfigured),
            Self::Random => ("random", ErrorClass::Failed),
        }
    }
}

error_as_data!(KeyError);

/// The bytes of a key that is handed around, wiped when dropped.
// In a box, so that moving the key, into an answer, a future or a thread, moves a pointer.
pub(crate) struct KeyBytes(Box<Wiped<KEY_LEN>>);

impl KeyBytes {
    /// A place to put a key, on the heap from the start.
    pub(crate) fn zeroed() -> Self {
        Self(Box::new(Wiped::zeroed()))
    }

    /// Draws a key, in one call of 32 bytes.
    pub(crate) fn draw(rng: &mut (impl TryCryptoRng + ?Sized)) -> Result<Self, KeyError> {
        let mut key = Self::zeroed();
        rng.try_fill_bytes(key.0.as_mut_slice()).map_err(|_| KeyError::Random)?;
        if is_weak(&key.0) { Err(KeyError::Random) } else { Ok(key) }
    }

    /// Takes a key out of `source`, which is wiped whatever it holds.
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

/// Takes key bytes out of `source`, which is wiped whatever they are.
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

/// Whether a key is one byte repeated, told without a branch on any single byte.
pub(crate) fn is_weak(key: &[u8; KEY_LEN]) -> bool {
    let [first, ..] = key;
    key.iter().fold(0, |differences, byte| differences | (first ^ byte)) == 0
}
