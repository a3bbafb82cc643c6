//! The text of a key, with a checksum that shows typing errors.

use alloc::string::String;

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
/// Bytes of a key and its checksum, which are whole base64 groups of three bytes.
const CHECKED_LEN: usize = KEY_LEN + CHECK_LEN;
/// Characters of a key and its checksum, after the prefix.
const ENCODED_LEN: usize = 48;
/// Bytes of an opening key, the longest key whose text is short enough for a key id.
const OPENING_KEY_LEN: usize = 64;
/// Bytes of an opening key and its checksum.
const LONGEST_CHECKED_LEN: usize = 68;
const _: () = assert!(OPENING_KEY_LEN + CHECK_LEN == LONGEST_CHECKED_LEN, "a key and its checksum");

/// How the keys of one kind are written.
///
/// text = name ‖ "_" ‖ base64url( key(32) ‖ first 4 bytes of SHA-256(label ‖ "/key" ‖ key) )
pub(crate) struct TextForm {
    /// The name, by which secret scanners find a leaked key, such as `swk1_[A-Za-z0-9_-]{48}`.
    pub(crate) name: &'static str,
    /// So that a key of one kind has the wrong checksum for another kind.
    pub(crate) label: &'static str,
}

impl TextForm {
    /// Master keys.
    pub(crate) const MASTER: Self = Self { name: "swk1", label: "sw1" };
    /// Master keys for tests.
    pub(crate) const TEST: Self = Self { name: "swkt1", label: "swkt1" };

    /// Writes a key. The caller must wipe the stack.
    #[expect(clippy::expect_used, reason = "a default would lose the key")]
    pub(super) fn write(&self, key: &[u8; KEY_LEN]) -> Secret {
        let mut bytes = Zeroizing::new([0; CHECKED_LEN]);
        let (place, check) = bytes.split_at_mut(KEY_LEN);
        place.copy_from_slice(key);
        check.copy_from_slice(&self.checksum(key));
        let mut encoded = Zeroizing::new([0; ENCODED_LEN]);
        let encoded = Base64UrlUnpadded::encode(&*bytes, &mut *encoded)
            .expect("the buffer has the encoded length");
        let mut text = String::with_capacity(self.name.len().saturating_add(1 + ENCODED_LEN));
        text.push_str(self.name);
        text.push('_');
        text.push_str(encoded);
        Secret::from(text)
    }

    /// Reads a key. The caller must wipe the stack.
    pub(super) fn read(&self, text: &str) -> Result<Zeroizing<[u8; KEY_LEN]>, KeyError> {
        let surrounded = |surrounding| KeyError::Surrounded { surrounding };
        let encoded = text.strip_prefix(self.name).and_then(|rest| rest.strip_prefix('_'));
        let Some(encoded) = encoded else {
            let name = text.split('_').next().unwrap_or_default();
            if starts_like_a_key(text.as_bytes()) && !name.eq_ignore_ascii_case(self.name) {
                return Err(KeyError::OtherKind { expected: self.name });
            }
            if text.len() == ENCODED_LEN {
                // This may be a key without its prefix, so its characters are not inspected.
                return Err(KeyError::Malformed);
            }
            let found = Surrounding::of(text, &[self.name]);
            return Err(found.map_or(KeyError::Malformed, surrounded));
        };
        // Only what follows the key is inspected here, not the characters of the key.
        let after = encoded.get(ENCODED_LEN..).and_then(Surrounding::after);
        if let Some(by) = after {
            return Err(surrounded(by));
        }
        let mut bytes = Zeroizing::new([0; CHECKED_LEN]);
        let decoded =
            Base64UrlUnpadded::decode(encoded, &mut *bytes).map_err(|_| KeyError::Malformed)?;
        let (key, found) = decoded.split_first_chunk::<KEY_LEN>().ok_or(KeyError::Malformed)?;
        if found.len() != CHECK_LEN {
            return Err(KeyError::Malformed);
        }
        if !bool::from(found.ct_eq(&self.checksum(key))) {
            return Err(KeyError::Checksum);
        }
        Ok(Zeroizing::new(*key))
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
