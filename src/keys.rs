//! What a key is: the data key of one row, the master keys that wrap data keys, and who holds them.

use thiserror::Error;
use zeroize::Zeroize;

use crate::suite::KEY_LEN;

pub(crate) mod answer;
pub(crate) mod data_key;
pub(crate) mod keyring;
pub(crate) mod master_key;
pub(crate) mod provider;

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
    /// The randomness source failed, or answered one repeated byte.
    #[error("the randomness source failed")]
    Random,
}

/// Takes key bytes out of `source`, which is wiped whatever they are.
fn take_key_bytes(source: &mut [u8], key: &mut [u8; KEY_LEN]) -> Result<(), KeyError> {
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
fn is_weak(key: &[u8; KEY_LEN]) -> bool {
    let [first, ..] = key;
    key.iter().fold(0, |differences, byte| differences | (first ^ byte)) == 0
}
