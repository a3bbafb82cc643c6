//! The AEADs of the RustCrypto project, which are in Rust and need no operating system.

use aes_gcm::aead::array::Array;
use aes_gcm::aead::consts::{U16, U32};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadCore, AeadInOut, KeyInit, KeySizeUser, Nonce};
use aes_gcm::aes::Aes256;
use aes_gcm::{Aes256Gcm, AesGcm};
use chacha20poly1305::ChaCha20Poly1305;
use zeroize::Zeroize;

use super::{BadLength, LONG_IV_LEN, NotAuthentic};
use crate::format::sizes::{IV_LEN, KEY_LEN, TAG_LEN};
use crate::format::suite::Suite;

/// AES-256-GCM with an IV of 16 bytes.
///
/// Such an IV goes through GHASH to become J0 (SP 800-38D §7.1), whereas an IV of 12 bytes is J0 except for its
/// counter.
type Aes256GcmIv16 = AesGcm<Aes256, U16>;

/// Encrypts `plaintext` into `ciphertext`, which has the same length, and returns the tag.
#[cfg_attr(all(feature = "aws-lc", not(test)), expect(dead_code, reason = "aws-lc is used"))]
pub(crate) fn encrypt(
    suite: Suite,
    key: &[u8; KEY_LEN],
    iv: &[u8; IV_LEN],
    associated_data: &[u8],
    plaintext: &[u8],
    ciphertext: &mut [u8],
) -> Result<[u8; TAG_LEN], BadLength> {
    let encrypt = match suite {
        Suite::Aes256Gcm => encrypt_with::<Aes256Gcm>,
        Suite::ChaCha20Poly1305 => encrypt_with::<ChaCha20Poly1305>,
    };
    encrypt(key, iv.into(), associated_data, plaintext, ciphertext)
}

/// Decrypts `ciphertext` into `plaintext`, which has the same length. On failure, `plaintext` is zeros.
#[cfg_attr(all(feature = "aws-lc", not(test)), expect(dead_code, reason = "aws-lc is used"))]
pub(crate) fn decrypt(
    suite: Suite,
    key: &[u8; KEY_LEN],
    iv: &[u8; IV_LEN],
    associated_data: &[u8],
    ciphertext: &[u8],
    tag: &[u8; TAG_LEN],
    plaintext: &mut [u8],
) -> Result<(), NotAuthentic> {
    let decrypt = match suite {
        Suite::Aes256Gcm => decrypt_with::<Aes256Gcm>,
        Suite::ChaCha20Poly1305 => decrypt_with::<ChaCha20Poly1305>,
    };
    decrypt(key, iv.into(), associated_data, ciphertext, tag, plaintext)
}

/// Like [`encrypt`], with AES-256-GCM and an IV of 16 bytes.
pub(crate) fn encrypt_long_iv(
    key: &[u8; KEY_LEN],
    iv: &[u8; LONG_IV_LEN],
    associated_data: &[u8],
    plaintext: &[u8],
    ciphertext: &mut [u8],
) -> Result<[u8; TAG_LEN], BadLength> {
    encrypt_with::<Aes256GcmIv16>(key, iv.into(), associated_data, plaintext, ciphertext)
}

/// Like [`decrypt`], with AES-256-GCM and an IV of 16 bytes.
pub(crate) fn decrypt_long_iv(
    key: &[u8; KEY_LEN],
    iv: &[u8; LONG_IV_LEN],
    associated_data: &[u8],
    ciphertext: &[u8],
    tag: &[u8; TAG_LEN],
    plaintext: &mut [u8],
) -> Result<(), NotAuthentic> {
    decrypt_with::<Aes256GcmIv16>(key, iv.into(), associated_data, ciphertext, tag, plaintext)
}

fn encrypt_with<A>(
    key: &[u8; KEY_LEN],
    iv: &Nonce<A>,
    associated_data: &[u8],
    plaintext: &[u8],
    ciphertext: &mut [u8],
) -> Result<[u8; TAG_LEN], BadLength>
where
    A: AeadInOut + AeadCore<TagSize = U16> + KeyInit + KeySizeUser<KeySize = U32>,
{
    let buffer = InOutBuf::new(plaintext, ciphertext).map_err(|_| BadLength)?;
    A::new(key.into())
        .encrypt_inout_detached(iv, associated_data, buffer)
        .map(Array::into)
        .map_err(|_| BadLength)
}

fn decrypt_with<A>(
    key: &[u8; KEY_LEN],
    iv: &Nonce<A>,
    associated_data: &[u8],
    ciphertext: &[u8],
    tag: &[u8; TAG_LEN],
    plaintext: &mut [u8],
) -> Result<(), NotAuthentic>
where
    A: AeadInOut + AeadCore<TagSize = U16> + KeyInit + KeySizeUser<KeySize = U32>,
{
    let decrypted =
        InOutBuf::new(ciphertext, plaintext).map_err(|_| NotAuthentic).and_then(|buffer| {
            A::new(key.into())
                .decrypt_inout_detached(iv, associated_data, buffer, tag.into())
                .map_err(|_| NotAuthentic)
        });
    if decrypted.is_err() {
        // CVE-2023-42811: a release of aes-gcm decrypted before it compared the tag.
        plaintext.zeroize();
    }
    decrypted
}
