//! The text of a key, with a checksum that shows typing errors.

use alloc::vec;
use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::cipher;
use crate::format::key_id::starts_like_a_key;
use crate::format::sizes::KEY_LEN;
use crate::format::surrounding::Surrounding;
use crate::secret::Secret;
use crate::secret::key_bytes::KeyError;
use crate::secret::wiping::wipe_stack_after;

const CHECK_LEN: usize = 4;
/// Bytes of an opening key: seed(32) ‖ psk(32). No longer key's text is short enough for a key id.
pub(super) const OPENING_KEY_LEN: usize = 2 * KEY_LEN;
/// Bytes of an opening key and its checksum.
const LONGEST_CHECKED_LEN: usize = OPENING_KEY_LEN + CHECK_LEN;

/// How the keys of one kind are written.
///
/// text = name ‖ "_" ‖ base64url( key ‖ first 4 bytes of SHA-256(label ‖ "/key" ‖ key) )
pub(crate) struct TextForm {
    /// The name, by which secret scanners find a leaked key, such as `swk1_[A-Za-z0-9_-]{48}`.
    pub(crate) name: &'static str,
    /// So that a key of one kind has the wrong checksum for another kind.
    pub(crate) label: &'static str,
    /// Bytes of the key.
    pub(crate) key_len: usize,
}

impl TextForm {
    /// Master keys.
    pub(crate) const MASTER: Self = Self::new("swk1", "sw1");
    /// Master keys for tests.
    pub(crate) const TEST: Self = Self::new("swkt1", "swkt1");

    /// The form of keys of 32 bytes.
    pub(crate) const fn new(name: &'static str, label: &'static str) -> Self {
        Self { name, label, key_len: KEY_LEN }
    }

    /// Returns the number of bytes of a key and its checksum.
    const fn checked_len(&self) -> usize {
        self.key_len.saturating_add(CHECK_LEN)
    }

    /// Returns the number of characters of a key and its checksum, after the prefix.
    const fn encoded_len(&self) -> usize {
        self.checked_len().saturating_mul(4).div_ceil(3)
    }

    /// Writes a key. The caller must wipe the stack.
    #[expect(clippy::expect_used, reason = "a default would lose the key")]
    pub(super) fn write(&self, parts: &[&[u8]]) -> Secret {
        // Exact, so that it does not move.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.checked_len()));
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        let check = self.checksum(&bytes);
        bytes.extend_from_slice(&check);
        let mut encoded = Zeroizing::new(vec![0; self.encoded_len()]);
        let encoded = Base64UrlUnpadded::encode(&bytes, &mut encoded)
            .expect("the buffer has the encoded length");
        // The array knows its length, so the text is not moved either.
        Secret::from([self.name, "_", encoded].concat())
    }

    /// Reads a key. The caller must wipe the stack.
    pub(super) fn read(&self, text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let surrounded = |surrounding| KeyError::Surrounded { surrounding };
        let encoded = text.strip_prefix(self.name).and_then(|rest| rest.strip_prefix('_'));
        let Some(encoded) = encoded else {
            let name = text.split('_').next().unwrap_or_default();
            if starts_like_a_key(text.as_bytes()) && !name.eq_ignore_ascii_case(self.name) {
                return Err(KeyError::OtherKind { expected: self.name });
            }
            if text.len() == self.encoded_len() {
                // This may be a key without its prefix, so its characters are not inspected.
                return Err(KeyError::Malformed);
            }
            let found = Surrounding::of(text, &[self.name]);
            return Err(found.map_or(KeyError::Malformed, surrounded));
        };
        // Only what follows the key is inspected here, not the characters of the key.
        let after = encoded.get(self.encoded_len()..).and_then(Surrounding::after);
        if let Some(by) = after {
            return Err(surrounded(by));
        }
        let mut bytes = Zeroizing::new(vec![0; self.checked_len()]);
        let decoded =
            Base64UrlUnpadded::decode(encoded, &mut bytes).map_err(|_| KeyError::Malformed)?;
        let (key, found) = decoded.split_last_chunk::<CHECK_LEN>().ok_or(KeyError::Malformed)?;
        if key.len() != self.key_len {
            return Err(KeyError::Malformed);
        }
        if !bool::from(found.ct_eq(&self.checksum(key))) {
            return Err(KeyError::Checksum);
        }
        bytes.truncate(self.key_len);
        Ok(bytes)
    }

    fn checksum(&self, key: &[u8]) -> [u8; CHECK_LEN] {
        let [a, b, c, d, ..] = cipher::sha256(&[self.label.as_bytes(), b"/key", key]);
        [a, b, c, d]
    }

    /// Returns whether a text is a key of this kind, or of a kind of this crate, without its prefix.
    ///
    /// A key in the place of an id must not become an id, because ids are printed.
    pub(super) fn is_bare_key(&self, text: &str) -> bool {
        wipe_stack_after(|| {
            let mut bytes = Zeroizing::new([0; LONGEST_CHECKED_LEN]);
            let Ok(decoded) = Base64UrlUnpadded::decode(text, &mut *bytes) else { return false };
            let Some((key, found)) = decoded.split_last_chunk::<CHECK_LEN>() else { return false };
            let is_checked = |form: &Self| found.ct_eq(&form.checksum(key)).into();
            match key.len() {
                KEY_LEN => [&Self::MASTER, &Self::TEST, self].into_iter().any(is_checked),
                OPENING_KEY_LEN => is_checked(&Self::MASTER),
                _ => false,
            }
        })
    }
}
