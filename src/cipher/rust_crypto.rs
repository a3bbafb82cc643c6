//! The AEADs of the RustCrypto project: in Rust, also without an operating system.

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

/// AES-256-GCM with an iv of 16 bytes, which goes through GHASH to J0 (SP 800-38D §7.1) where one of
/// 12 bytes is J0 but for its counter.
type Aes256GcmIv16 = AesGcm<Aes256, U16>;

/// Encrypts `plaintext` into `ciphertext`, which is as long, and answers the tag.
#[cfg_attr(all(feature = "aws-lc", not(test)), expect(dead_code, reason = "the other is called"))]
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

/// Decrypts `ciphertext` into `plaintext`, which is as long. Where it fails, `plaintext` is zeros.
#[cfg_attr(all(feature = "aws-lc", not(test)), expect(dead_code, reason = "the other is called"))]
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

/// [`encrypt`] by AES-256-GCM with an iv of 16 bytes.
pub(crate) fn encrypt_long_iv(
    key: &[u8; KEY_LEN],
    iv: &[u8; LONG_IV_LEN],
    associated_data: &[u8],
    plaintext: &[u8],
    ciphertext: &mut [u8],
) -> Result<[u8; TAG_LEN], BadLength> {
    encrypt_with::<Aes256GcmIv16>(key, iv.into(), associated_data, plaintext, ciphertext)
}

/// [`decrypt`] by AES-256-GCM with an iv of 16 bytes.
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
