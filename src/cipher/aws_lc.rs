//! Feature `aws-lc`: the AEADs of aws-lc, in C and assembly.
//!
//! The key schedule is in memory of the C library, which wipes it when it frees it, unless the program has given the
//! library its own allocator.

use aws_lc_rs::aead::{
    AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use zeroize::Zeroize;

use super::{BadLength, NotAuthentic};
use crate::format::sizes::{IV_LEN, KEY_LEN, TAG_LEN};
use crate::format::suite::Suite;

/// Encrypts `plaintext` into `ciphertext`, which has the same length, and returns the tag.
pub(crate) fn encrypt(
    suite: Suite,
    key: &[u8; KEY_LEN],
    iv: &[u8; IV_LEN],
    associated_data: &[u8],
    plaintext: &[u8],
    ciphertext: &mut [u8],
) -> Result<[u8; TAG_LEN], BadLength> {
    let (iv, associated_data) = (Nonce::assume_unique_for_key(*iv), Aad::from(associated_data));
    let mut tag = [0; TAG_LEN];
    schedule(suite, key)
        .seal_out_of_place_scatter(iv, associated_data, plaintext, ciphertext, &[], &mut tag)
        .map_err(|_| BadLength)?;
    Ok(tag)
}

/// Decrypts `ciphertext` into `plaintext`, which has the same length. On failure, `plaintext` is zeros.
pub(crate) fn decrypt(
    suite: Suite,
    key: &[u8; KEY_LEN],
    iv: &[u8; IV_LEN],
    associated_data: &[u8],
    ciphertext: &[u8],
    tag: &[u8; TAG_LEN],
    plaintext: &mut [u8],
) -> Result<(), NotAuthentic> {
    let (iv, associated_data) = (Nonce::assume_unique_for_key(*iv), Aad::from(associated_data));
    let decrypted = schedule(suite, key)
        .open_separate_gather(iv, associated_data, ciphertext, tag, plaintext)
        .map_err(|_| NotAuthentic);
    if decrypted.is_err() {
        // According to the documentation of aws-lc-rs, it may hold anything now.
        plaintext.zeroize();
    }
    decrypted
}

#[expect(clippy::expect_used, reason = "fails only when out of memory, like any allocation")]
fn schedule(suite: Suite, key: &[u8; KEY_LEN]) -> LessSafeKey {
    let algorithm: &'static Algorithm = match suite {
        Suite::Aes256Gcm => &AES_256_GCM,
        Suite::ChaCha20Poly1305 => &CHACHA20_POLY1305,
    };
    LessSafeKey::new(UnboundKey::new(algorithm, key).expect("memory for a key of the right length"))
}
