//! Audit keys: 32 bytes, their text, and what is derived from them.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use rand_core::TryCryptoRng;
use sealwax::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::wiping::wipe_stack_after;

const KEY_LEN: usize = 32;
const CHECK_LEN: usize = 4;
/// Bytes of a key and its checksum, which are whole base64 groups of three bytes.
const CHECKED_LEN: usize = KEY_LEN + CHECK_LEN;
/// Characters of a key and its checksum, after the prefix.
const ENCODED_LEN: usize = 48;
/// The prefix of a key's text, by which secret scanners find a leaked key: `swa1_[A-Za-z0-9_-]{48}`.
const TEXT_PREFIX: &str = "swa1_";

/// The key of an audit log: 32 bytes from a CSPRNG, wiped when dropped.
///
/// Anyone who has it can forge entries. It is for audit logs only: do not use a master key, and do not hash a text to
/// make one.
///
/// ```
/// use sealwax_audit::AuditKey;
///
/// let key = AuditKey::generate()?;
/// let text = key.to_text(); // swa1_…, for the environment of a service
/// assert_eq!(text.len(), 53);
/// assert_eq!(format!("{key:?}"), "AuditKey([REDACTED])");
/// # Ok::<(), sealwax_audit::AuditKeyError>(())
/// ```
///
/// ```compile_fail,E0599
/// # fn f(key: &sealwax_audit::AuditKey) {
/// let copy: sealwax_audit::AuditKey = key.clone();
/// # }
/// ```
// Shared, so that the keys of a log hand out a key without copying its bytes.
pub struct AuditKey(Arc<Zeroizing<[u8; KEY_LEN]>>);

impl AuditKey {
    /// Generates a key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// Returns [`AuditKeyError::Random`] if the randomness source fails.
    #[cfg(feature = "getrandom")]
    pub fn generate() -> Result<Self, AuditKeyError> {
        Self::generate_with_rng(&mut getrandom::SysRng)
    }

    /// Generates a key from `rng`, in one call for 32 bytes.
    ///
    /// # Errors
    ///
    /// Returns [`AuditKeyError::Random`] if `rng` fails, or returns one repeated byte.
    pub fn generate_with_rng(
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Self, AuditKeyError> {
        wipe_stack_after(|| {
            let mut key = Zeroizing::new([0; KEY_LEN]);
            rng.try_fill_bytes(&mut *key).map_err(|_| AuditKeyError::Random)?;
            Self::new(key).map_err(|_| AuditKeyError::Random)
        })
    }

    /// Takes a key out of a buffer, and wipes the buffer even if this fails.
    ///
    /// # Errors
    ///
    /// Returns [`AuditKeyError::Length`] if the buffer is not exactly 32 bytes long, and [`AuditKeyError::Weak`] if it
    /// holds one repeated byte.
    pub fn from_bytes(bytes: &mut [u8]) -> Result<Self, AuditKeyError> {
        wipe_stack_after(|| {
            let key = <[u8; KEY_LEN]>::try_from(&*bytes).map(Zeroizing::new);
            let wrong_length = AuditKeyError::Length { expected: KEY_LEN, found: bytes.len() };
            bytes.zeroize();
            Self::new(key.map_err(|_| wrong_length)?)
        })
    }

    fn new(key: Zeroizing<[u8; KEY_LEN]>) -> Result<Self, AuditKeyError> {
        let [first, ..] = &*key;
        // Without a branch on any single byte.
        if key.iter().fold(0, |differences, byte| differences | (first ^ byte)) == 0 {
            return Err(AuditKeyError::Weak);
        }
        Ok(Self(Arc::new(key)))
    }

    /// Returns the key as text: `swa1_` and 48 characters of base64url.
    ///
    /// swa1_ base64url( key(32) ‖ first 4 bytes of SHA-256("swa1/key" ‖ key) )
    #[must_use]
    #[expect(clippy::expect_used, reason = "a default would lose the key")]
    #[expect(clippy::missing_panics_doc, reason = "the buffer has the encoded length")]
    pub fn to_text(&self) -> Secret {
        wipe_stack_after(|| {
            let mut bytes = Zeroizing::new([0; CHECKED_LEN]);
            let (key, check) = bytes.split_at_mut(KEY_LEN);
            key.copy_from_slice(&**self.0);
            check.copy_from_slice(&checksum(&self.0));
            let mut encoded = Zeroizing::new([0; ENCODED_LEN]);
            let encoded = Base64UrlUnpadded::encode(&*bytes, &mut *encoded)
                .expect("the buffer has the encoded length");
            let mut text = String::with_capacity(const { TEXT_PREFIX.len() + ENCODED_LEN });
            text.push_str(TEXT_PREFIX);
            text.push_str(encoded);
            Secret::from(text)
        })
    }

    /// Computes HKDF-Expand with SHA-256 (RFC 5869 §2.3) to one block: HMAC(key, info ‖ 01).
    ///
    /// It needs no HKDF-Extract first, because the key is 32 uniform bytes (RFC 5869 §3.3).
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    pub(crate) fn expand(&self, info: &[&[u8]]) -> [u8; 32] {
        wipe_stack_after(|| {
            let mut hmac = Hmac::<Sha256>::new_from_slice(&**self.0).expect("any length");
            info.iter().for_each(|part| hmac.update(part));
            hmac.update(&[0x01]);
            hmac.finalize().into_bytes().into()
        })
    }

    /// Returns the key that the ratchet makes of this one: k' = expand(k, "swa1/next", 32).
    pub(crate) fn ratcheted(&self) -> Self {
        wipe_stack_after(|| Self(Arc::new(Zeroizing::new(self.expand(&[b"swa1/next"])))))
    }

    /// Returns a handle to the same key. Not `Clone`, so that only the keys of a log share it.
    pub(crate) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Returns whether both are the same key, in constant time.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0.ct_eq(&**other.0).into()
    }
}

/// Returns the checksum in the text of a key, which shows typing errors.
fn checksum(key: &[u8; KEY_LEN]) -> [u8; CHECK_LEN] {
    let hash: [u8; 32] =
        Sha256::new().chain_update(b"swa1/key").chain_update(key).finalize().into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

impl FromStr for AuditKey {
    type Err = AuditKeyError;

    /// Parses `swa1_` and 48 characters of base64url.
    fn from_str(text: &str) -> Result<Self, AuditKeyError> {
        wipe_stack_after(|| {
            let encoded = text.strip_prefix(TEXT_PREFIX).ok_or(AuditKeyError::Malformed)?;
            let mut bytes = Zeroizing::new([0; CHECKED_LEN]);
            let decoded = Base64UrlUnpadded::decode(encoded, &mut *bytes)
                .map_err(|_| AuditKeyError::Malformed)?;
            let (key, found) =
                decoded.split_first_chunk::<KEY_LEN>().ok_or(AuditKeyError::Malformed)?;
            if found.len() != CHECK_LEN {
                return Err(AuditKeyError::Malformed);
            }
            if !bool::from(found.ct_eq(&checksum(key))) {
                return Err(AuditKeyError::Checksum);
            }
            Self::new(Zeroizing::new(*key))
        })
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("AuditKey([REDACTED])")
    }
}

/// An error in the bytes or text of an audit key, or in generating one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuditKeyError {
    /// The key has the wrong length.
    #[error("the audit key has {found} bytes: expected {expected}")]
    #[non_exhaustive]
    Length {
        /// The length of a key in bytes: 32.
        expected: usize,
        /// The number of bytes found.
        found: usize,
    },
    /// The key is one repeated byte: a placeholder, or a buffer that nothing was written to.
    #[error("weak audit key: all bytes are the same; generate a random key")]
    Weak,
    /// The text is not `swa1_` followed by 48 base64url characters.
    #[error("invalid audit key: expected swa1_ followed by 48 base64url characters")]
    Malformed,
    /// The checksum of the text is wrong, so the text was mistyped or changed.
    #[error("mistyped or changed audit key: the checksum does not match")]
    Checksum,
    /// The randomness source failed, or returned one repeated byte.
    #[error("the randomness source failed")]
    Random,
}
