//! Rows of LiteLLM's proxy: the values that it stores with AES-GCM.
//!
//! ```text
//! row = "v2:gcm:" ‖ base64url( iv(12) ‖ ciphertext ‖ tag(16) )        key = SHA-256(salt key)
//! row = "v3:gcm:" ‖ base64url( iv(12) ‖ ciphertext ‖ tag(16) )
//!                                  key = HKDF-SHA-256(salt key, no salt, "litellm-at-rest-v3", 32)
//! ```
//!
//! The encoding is base64url with padding. The salt key is the text of `LITELLM_SALT_KEY`, or of the
//! master key if that variable is not set; it is neither trimmed nor decoded. A value of a callback or a
//! guardrail has `litellm_enc::` in front: strip it first. Values without a mark are not AES-GCM: see
//! [`crate::docs::cookbook`].
//!
//! ```
//! use sealwax::legacy::litellm::{self, Version};
//!
//! let key = litellm::insecure_key(Version::V2, "sk-salt-aes-1234");
//! let row = "v2:gcm:AJ2oR7l8HJ4q2iCtZXLtcwB62fTe34VsRLHN5VEoEwSNUDtn9ep_";
//! assert_eq!(litellm::decrypt(&key, Version::V2, row)?.expose_str()?, "sk-test-123");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::string::String;

use rand_core::TryCryptoRng;

use crate::cipher::Prf;
use crate::format::error::Field;
use crate::secret::Secret;
use crate::secret::wiping::wipe_stack_after_row;
use crate::triplet::{Encoding, IvLen, Layout, Part, Triplet, TripletError, TripletKey};

const LAYOUT: Layout = Layout::joined(
    [Part::Iv, Part::Ciphertext, Part::Tag],
    Encoding::Base64UrlPadded,
    IvLen::Twelve,
);

/// The version of the row format, which each row begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Version {
    /// `v2:gcm:`, where the key is the SHA-256 of the salt key.
    V2,
    /// `v3:gcm:`, where HKDF derives the key from the salt key.
    V3,
}

impl Version {
    const fn prefix(self) -> &'static str {
        match self {
            Self::V2 => "v2:gcm:",
            Self::V3 => "v3:gcm:",
        }
    }
}

/// Derives the key of a version's rows from the text of the salt key.
///
/// Neither derivation slows down guessing: if a person chose the text, anyone who stole the database can
/// guess it at billions of texts per second. Use this only for rows that already exist.
#[must_use]
pub fn insecure_key(version: Version, salt_key: &str) -> TripletKey {
    match version {
        Version::V2 => TripletKey::insecure_sha256_of(salt_key),
        Version::V3 => wipe_stack_after_row(|| {
            let prf = Prf::extract(&[], salt_key.as_bytes());
            TripletKey::derived(&prf.expand(&[b"litellm-at-rest-v3"]))
        }),
    }
}

/// Decrypts a row.
///
/// # Errors
///
/// [`TripletError::Malformed`] if the text is not a row of this version,
/// [`TripletError::NotAuthentic`] if the tag does not verify.
pub fn decrypt(key: &TripletKey, version: Version, row: &str) -> Result<Secret, TripletError> {
    let prefix = version.prefix();
    let fault = || TripletError::malformed(Field::Prefix, prefix, 0).of_text(row);
    let encoded = row.strip_prefix(prefix).ok_or_else(fault)?;
    let triplet = Triplet::parse(encoded, LAYOUT).map_err(|error| error.moved_to(prefix.len()))?;
    key.decrypt(&triplet)
}

/// Encrypts the way LiteLLM does, for a reader that still needs such rows.
///
/// # Errors
///
/// The same as [`TripletKey::encrypt`].
#[cfg(feature = "getrandom")]
pub fn encrypt(
    key: &TripletKey,
    version: Version,
    secret: &Secret,
) -> Result<String, TripletError> {
    encrypt_with_rng(key, version, secret, &mut getrandom::SysRng)
}

/// Encrypts like [`encrypt`], and draws the 12 bytes of the IV from `rng` in one call.
///
/// # Errors
///
/// The same as `encrypt`.
pub fn encrypt_with_rng(
    key: &TripletKey,
    version: Version,
    secret: &Secret,
    rng: &mut (impl TryCryptoRng + ?Sized),
) -> Result<String, TripletError> {
    let encoded = key.encrypt_with_rng(secret, IvLen::Twelve, rng)?.encode(LAYOUT)?;
    Ok([version.prefix(), &encoded].concat())
}
