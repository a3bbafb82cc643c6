//! Rows of n8n: credentials under its rotatable keys (`N8N_ENV_FEAT_ENCRYPTION_KEY_ROTATION`).
//!
//! ```text
//! blob = base64( 0x01 ‖ salt(32) ‖ tag(16) ‖ ciphertext )
//!        key(32) ‖ iv(12) = HKDF-SHA-256(data key, salt, "n8n-encryption-v1", 44)
//! row  = key id ":" blob                                          data.credentials_entity
//! deployment_key.value = blob of the data key as 64 hex digits, under SHA-256(instance key)
//! ```
//!
//! The instance key is the text of `N8N_ENCRYPTION_KEY` (or of `encryptionKey` in n8n's settings file),
//! unchanged. The key id is the `id` of a row in the table `deployment_key` whose `type` is
//! `data_encryption` and whose `algorithm` is `aes-256-gcm`; after a change of keys there are several.
//! Rows without `:` have the older CBC form, which is not authenticated: see [`crate::docs::cookbook`].
//!
//! ```
//! use sealwax::legacy::n8n;
//!
//! let value = "AcF7H5Myxgxnp1ORSWMo/PxR3gj/0oFNLfRkmX1x/OhKvzfmiK0r8Oq8JFUtCyBBVTQ5uaOZeZXz14ZjOzPh\
//!              N/EnayZr9815zkQB6Q+g3twmRHTIoikquct/n76kV9obhUxh3yAxXe28CqX0cpGEbLk=";
//! let data_key = n8n::insecure_unwrap_key("my-instance-key-é", value)?;
//!
//! let row = "KEYID0123456789ab:AbsSBXX+hucCALMNTkOdWHxO5WqEdWlPfrw98AIL7pyFJVJsJR6Oq5GhVgc9NnpyoSQj\
//!            PeDWlyJj0Is6mW1PYLITMD2NzGSNsw==";
//! assert_eq!(n8n::key_id(row)?, "KEYID0123456789ab");
//! assert_eq!(n8n::decrypt(&data_key, row)?.expose_str()?, r#"{"apiKey":"sk-test-123"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::string::String;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;

use crate::cipher::Prf;
use crate::format::error::Field;
use crate::format::sizes::{IV_LEN, TAG_LEN};
use crate::secret::Secret;
use crate::secret::wiping::wipe_stack_after_row;
use crate::triplet::{Encoding, Iv, Triplet, TripletError, TripletKey, draw};

const VERSION: u8 = 0x01;
const SALT_LEN: usize = 32;
/// The length of a blob without its ciphertext.
const HEAD_LEN: usize = 1 + SALT_LEN + TAG_LEN;
const MAX_KEY_ID_LEN: usize = 36;

/// Returns the id of the data key that a row names.
///
/// The id is not authenticated. Use it to look up the data key, and do not log it before the look-up
/// succeeds: for a text such as `user:secret` it is `user`.
///
/// # Errors
///
/// [`TripletError::Malformed`] if there is no id: the row has the older form, or is not a row of n8n.
pub fn key_id(row: &str) -> Result<&str, TripletError> {
    split(row).map(|(key_id, _)| key_id)
}

fn split(row: &str) -> Result<(&str, &str), TripletError> {
    let fault = || TripletError::malformed(Field::KeyId, "a key id, then ':'", 0);
    let (key_id, blob) = row.split_once(':').ok_or_else(|| fault().of_text(row))?;
    check_key_id(key_id).map_err(|fault| fault.of_text(row))?;
    Ok((key_id, blob))
}

fn check_key_id(key_id: &str) -> Result<(), TripletError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=MAX_KEY_ID_LEN).contains(&key_id.len()) && key_id.bytes().all(allowed) {
        Ok(())
    } else {
        let expected = "1 to 36 characters of base64url";
        Err(TripletError::malformed(Field::KeyId, expected, 0))
    }
}

/// Unwraps the data key in the column `value` of `deployment_key` with the instance key.
///
/// The instance key is only hashed. n8n makes it from 24 random bytes, which is enough; if a person chose
/// the text, anyone who stole the database can guess it at billions of texts per second. Use this only for
/// rows that already exist.
///
/// Any value that holds 64 hex digits is accepted: pass the one whose id the credentials name.
///
/// # Errors
///
/// [`TripletError::Malformed`] if the value does not have this form, [`TripletError::NotAuthentic`] if
/// it was wrapped under another instance key, [`TripletError::Key`] if it does not hold such a key.
pub fn insecure_unwrap_key(instance_key: &str, value: &str) -> Result<TripletKey, TripletError> {
    let blob = Blob::parse(value)?;
    let digits = blob.decrypt(&TripletKey::insecure_sha256_of(instance_key))?;
    TripletKey::from_hex_digits(digits.expose_secret())
        .map_err(|source| TripletError::Key { source })
}

/// Decrypts a row.
///
/// The key id served to look up the key and is not compared: under a wrong key the tag does not verify.
///
/// # Errors
///
/// [`TripletError::Malformed`] if the text does not have this form, [`TripletError::NotAuthentic`] if
/// the tag does not verify.
pub fn decrypt(data_key: &TripletKey, row: &str) -> Result<Secret, TripletError> {
    let (key_id, blob) = split(row)?;
    #[expect(clippy::arithmetic_side_effects, reason = "the blob follows the id and its colon")]
    let at = key_id.len() + 1;
    Blob::parse(blob).map_err(|error| error.moved_to(at))?.decrypt(data_key)
}

/// 0x01 ‖ salt(32) ‖ tag(16) ‖ ciphertext
struct Blob {
    salt: [u8; SALT_LEN],
    tag: [u8; TAG_LEN],
    ciphertext: Vec<u8>,
}

impl Blob {
    fn parse(text: &str) -> Result<Self, TripletError> {
        let fault = |field, expected| TripletError::malformed(field, expected, 0);
        let bytes = Encoding::Base64.decode_up_to(Field::Row, HEAD_LEN, text)?;
        let (version, rest) = bytes.split_first().ok_or(fault(Field::Prefix, "the byte 0x01"))?;
        if *version != VERSION {
            return Err(fault(Field::Prefix, "the byte 0x01"));
        }
        let short = fault(Field::Row, "at least a version, a salt and a tag");
        let (salt, rest) = rest.split_first_chunk().ok_or(short)?;
        let (tag, ciphertext) = rest.split_first_chunk().ok_or(short)?;
        Ok(Self { salt: *salt, tag: *tag, ciphertext: ciphertext.to_vec() })
    }

    fn decrypt(self, data_key: &TripletKey) -> Result<Secret, TripletError> {
        let Self { salt, tag, ciphertext } = self;
        wipe_stack_after_row(|| {
            let (key, iv) = derive(data_key, &salt);
            key.decrypt(&Triplet::new(Iv::Twelve(iv), tag, ciphertext)?)
        })
    }
}

/// key(32) ‖ iv(12) = HKDF-SHA-256(data key, salt, "n8n-encryption-v1", 44)
fn derive(data_key: &TripletKey, salt: &[u8; SALT_LEN]) -> (TripletKey, [u8; IV_LEN]) {
    let (prf, info) = (Prf::extract(salt, data_key.expose()), b"n8n-encryption-v1");
    // T1 is the key, and T2 = HMAC(T1 ‖ info ‖ 02) starts with the IV (RFC 5869 §2.3).
    let key = prf.expand(&[info]);
    let iv = *prf.mac(&[key.as_slice(), info, &[0x02]]);
    (TripletKey::derived(&key), iv)
}

/// Encrypts the way n8n does, for a reader that still needs such rows.
///
/// # Errors
///
/// [`TripletError::Malformed`] if the key id is not valid; otherwise the same as
/// [`TripletKey::encrypt`].
#[cfg(feature = "getrandom")]
pub fn encrypt(
    data_key: &TripletKey,
    key_id: &str,
    secret: &Secret,
) -> Result<String, TripletError> {
    encrypt_with_rng(data_key, key_id, secret, &mut getrandom::SysRng)
}

/// Encrypts like [`encrypt`], and draws the 32 bytes of the salt from `rng` in one call.
///
/// # Errors
///
/// The same as `encrypt`.
pub fn encrypt_with_rng(
    data_key: &TripletKey,
    key_id: &str,
    secret: &Secret,
    rng: &mut (impl TryCryptoRng + ?Sized),
) -> Result<String, TripletError> {
    check_key_id(key_id)?;
    let salt = draw(rng)?;
    let triplet = wipe_stack_after_row(|| {
        let (key, iv) = derive(data_key, &salt);
        key.encrypt_bound(secret, Iv::Twelve(iv), &[])
    })?;
    let blob = [&[VERSION], salt.as_slice(), triplet.tag(), triplet.ciphertext()].concat();
    Ok([key_id, ":", &Encoding::Base64.encode(&blob)].concat())
}
