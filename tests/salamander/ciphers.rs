//! The ciphers alone, as a naive construction uses them.

use aes_gcm::AesGcm;
use aes_gcm::aead::array::typenum::{U12, U16};
use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{AeadCore, AeadInOut, KeyInit, KeySizeUser, Nonce};
use aes_gcm::aes::Aes256;
use chacha20poly1305::ChaCha20Poly1305;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    Gcm,
    /// With an IV of 16 bytes.
    GcmLongIv,
    ChaCha,
}

pub(crate) const CIPHERS: [Cipher; 3] = [Cipher::Gcm, Cipher::GcmLongIv, Cipher::ChaCha];

impl Cipher {
    pub(crate) fn iv_len(self) -> usize {
        if self == Self::GcmLongIv { 16 } else { 12 }
    }

    pub(crate) fn encrypt(
        self,
        key: &[u8; 32],
        iv: &[u8],
        associated_data: &[u8],
        plaintext: &[u8],
    ) -> (Vec<u8>, [u8; 16]) {
        let encrypt = match self {
            Self::Gcm => encrypt::<AesGcm<Aes256, U12>>,
            Self::GcmLongIv => encrypt::<AesGcm<Aes256, U16>>,
            Self::ChaCha => encrypt::<ChaCha20Poly1305>,
        };
        encrypt(key, iv, associated_data, plaintext)
    }

    /// Returns the plaintext if the tag verifies.
    pub(crate) fn decrypt(
        self,
        key: &[u8; 32],
        iv: &[u8],
        associated_data: &[u8],
        ciphertext: &[u8],
        tag: &[u8; 16],
    ) -> Option<Vec<u8>> {
        let decrypt = match self {
            Self::Gcm => decrypt::<AesGcm<Aes256, U12>>,
            Self::GcmLongIv => decrypt::<AesGcm<Aes256, U16>>,
            Self::ChaCha => decrypt::<ChaCha20Poly1305>,
        };
        decrypt(key, iv, associated_data, ciphertext, tag)
    }
}

fn encrypt<A>(key: &[u8; 32], iv: &[u8], bound: &[u8], plaintext: &[u8]) -> (Vec<u8>, [u8; 16])
where
    A: AeadInOut + AeadCore<TagSize = U16> + KeyInit + KeySizeUser<KeySize = U32>,
{
    let mut text = plaintext.to_vec();
    let iv = <&Nonce<A>>::try_from(iv).unwrap();
    let tag = A::new(key.into()).encrypt_inout_detached(iv, bound, text.as_mut_slice().into());
    (text, tag.unwrap().into())
}

fn decrypt<A>(
    key: &[u8; 32],
    iv: &[u8],
    bound: &[u8],
    ciphertext: &[u8],
    tag: &[u8; 16],
) -> Option<Vec<u8>>
where
    A: AeadInOut + AeadCore<TagSize = U16> + KeyInit + KeySizeUser<KeySize = U32>,
{
    let mut text = ciphertext.to_vec();
    let iv = <&Nonce<A>>::try_from(iv).unwrap();
    let buffer = text.as_mut_slice().into();
    A::new(key.into()).decrypt_inout_detached(iv, bound, buffer, tag.into()).ok()?;
    Some(text)
}
