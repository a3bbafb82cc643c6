//! Rows of Elixir's Cloak, as bytes: `Cloak.Ciphers.AES.GCM`, versions 0.7 to 1.1.
//!
//! ```text
//! row = 0x01 ‖ length of label ‖ label ‖ iv ‖ tag(16) ‖ ciphertext     associated data "AES256GCM"
//! ```
//!
//! The label is the `tag:` in the cipher's configuration, in most services `AES.GCM.V1`. The IV has 16
//! bytes, or 12 if the configuration says `iv_length: 12`; the row does not say which, so you declare
//! it. The key is in the configuration: 32 bytes, by convention in base64
//! ([`TripletKey::from_base64`]). Cloak does not encode its rows: if they are text, the service encoded
//! them.
//!
//! ```
//! use sealwax::legacy::cloak;
//! use sealwax::triplet::{IvLen, TripletKey};
//!
//! let key = TripletKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?;
//! # let row: Vec<u8> = cloak::encrypt(&key, "AES.GCM.V1", IvLen::Sixteen, &"sk-test-123".into())?;
//! assert_eq!(cloak::label(&row)?, b"AES.GCM.V1");
//! let secret = cloak::decrypt(&key, "AES.GCM.V1", IvLen::Sixteen, &row)?;
//! assert_eq!(secret.expose_str()?, "sk-test-123");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::vec::Vec;

use rand_core::TryCryptoRng;

use crate::format::error::Field;
use crate::format::sizes::TAG_LEN;
use crate::secret::Secret;
use crate::triplet::{IvLen, Triplet, TripletError, TripletKey};

/// Cloak's type byte in front of a field. Cloak has only this type.
const MARK: u8 = 0x01;
const ASSOCIATED_DATA: &[u8] = b"AES256GCM";
/// The longest label whose length takes one byte. No label is longer.
const MAX_LABEL_LEN: usize = 127;

const MARK_EXPECTED: &str = "the byte 0x01";
const LABEL_EXPECTED: &str = "a length of 1 to 127, then that many bytes";
const THIS_LABEL_EXPECTED: &str = "the declared label";

/// Returns the label of a row, which names a key of the Cloak vault.
///
/// The label is public and not authenticated.
///
/// # Errors
///
/// [`TripletError::Malformed`] if the bytes are not a row of Cloak.
pub fn label(row: &[u8]) -> Result<&[u8], TripletError> {
    split(row).map(|(label, _)| label)
}

/// Splits a row into its label and what follows the label.
fn split(row: &[u8]) -> Result<(&[u8], &[u8]), TripletError> {
    let (mark, rest) = row.split_first().ok_or(prefix_fault())?;
    if *mark != MARK {
        return Err(prefix_fault());
    }
    let fault = TripletError::malformed(Field::Label, LABEL_EXPECTED, 1);
    let (len, rest) = rest.split_first().ok_or(fault)?;
    match usize::from(*len) {
        len @ 1..=MAX_LABEL_LEN => rest.split_at_checked(len).ok_or(fault),
        _ => Err(fault),
    }
}

fn prefix_fault() -> TripletError {
    TripletError::malformed(Field::Prefix, MARK_EXPECTED, 0)
}

/// Decrypts a row.
///
/// # Errors
///
/// [`TripletError::Malformed`] if the bytes are not a row of Cloak with this label,
/// [`TripletError::NotAuthentic`] if the tag does not verify.
pub fn decrypt(
    key: &TripletKey,
    label: &str,
    iv_len: IvLen,
    row: &[u8],
) -> Result<Secret, TripletError> {
    let (found, rest) = split(row)?;
    if found != label.as_bytes() {
        return Err(TripletError::malformed(Field::Label, THIS_LABEL_EXPECTED, 2));
    }
    #[expect(clippy::arithmetic_side_effects, reason = "`rest` is the end of `row`")]
    let at = row.len() - rest.len();
    let short = || TripletError::malformed(Field::Row, "an IV and a tag after the label", at);
    let (iv, rest) = rest.split_at_checked(iv_len.bytes()).ok_or_else(short)?;
    let (tag, ciphertext) = rest.split_at_checked(TAG_LEN).ok_or_else(short)?;
    let triplet = Triplet::from_parts(iv, tag, ciphertext)?;
    key.decrypt_with_associated_data(&triplet, ASSOCIATED_DATA)
}

/// Encrypts the way Cloak does, for a reader that still needs such rows.
///
/// # Errors
///
/// [`TripletError::Malformed`] if the label is not 1 to 127 bytes long; otherwise the same as
/// [`TripletKey::encrypt`].
#[cfg(feature = "getrandom")]
pub fn encrypt(
    key: &TripletKey,
    label: &str,
    iv_len: IvLen,
    secret: &Secret,
) -> Result<Vec<u8>, TripletError> {
    encrypt_with_rng(key, label, iv_len, secret, &mut getrandom::SysRng)
}

/// Encrypts like [`encrypt`], and draws the IV from `rng` in one call.
///
/// # Errors
///
/// The same as `encrypt`.
pub fn encrypt_with_rng(
    key: &TripletKey,
    label: &str,
    iv_len: IvLen,
    secret: &Secret,
    rng: &mut (impl TryCryptoRng + ?Sized),
) -> Result<Vec<u8>, TripletError> {
    let len = match u8::try_from(label.len()) {
        Ok(len) if (1..=MAX_LABEL_LEN).contains(&label.len()) => len,
        _ => return Err(TripletError::malformed(Field::Label, "1 to 127 bytes", 0)),
    };
    let triplet = key.encrypt_bound_with_rng(secret, iv_len, ASSOCIATED_DATA, rng)?;
    let head = [MARK, len];
    let parts = [&head, label.as_bytes(), triplet.iv(), triplet.tag(), triplet.ciphertext()];
    Ok(parts.concat())
}
