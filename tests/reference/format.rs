//! A second implementation to compare the crate with: written from the page *format*, slow, and as plain as possible.
//! It shares only the ciphers themselves with the crate, and uses nothing from it.
//!
//! The fuzzers, and the tests that build envelopes by hand, include this file by path. It is not a test itself, and
//! each of them uses a different part of it.

use aes_gcm::aead::array::Array;
use aes_gcm::aead::consts::{U16, U32};
use aes_gcm::aead::{AeadCore, AeadInOut, KeyInit, KeySizeUser};
use aes_gcm::aes::Aes256;
use aes_gcm::{Aes256Gcm, AesGcm};
use chacha20poly1305::ChaCha20Poly1305;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

pub mod context;
pub mod encoding;
pub mod envelope;
pub mod keyring;
pub mod procedures;

/// 16 MiB: the maximum length of a plaintext, and therefore of a ciphertext.
pub const MAX_LEN: usize = 16_777_216;

pub type Key = [u8; 32];

/// Takes the next `len` bytes, or returns `None` if there are fewer.
pub fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

pub fn take_u8(rest: &mut &[u8]) -> Option<usize> {
    take(rest, 1).map(|byte| byte[0].into())
}

fn take_u16(rest: &mut &[u8]) -> Option<usize> {
    take(rest, 2).map(|bytes| usize::from(bytes[0]) * 256 + usize::from(bytes[1]))
}

pub fn u8_of(n: usize) -> [u8; 1] {
    [n.try_into().unwrap()]
}

fn u16_of(n: usize) -> [u8; 2] {
    u16::try_from(n).unwrap().to_be_bytes()
}

fn u32_of(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap().to_be_bytes()
}

pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

pub fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
    hmac.update(&parts.concat());
    hmac.finalize().into_bytes().into()
}

/// HKDF-Expand to at most one block, which is all that the format needs: one HMAC.
pub fn expand(prk: &[u8], info: &[&[u8]], len: usize) -> Vec<u8> {
    hmac(prk, &[&info.concat(), &[1]])[..len].to_vec()
}

/// The ciphers used here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// AES-256-GCM with an IV of 12 bytes, or of 16 in rows from other programs.
    AesGcm,
    ChaChaPoly,
}

/// Returns ciphertext ‖ tag.
pub fn encrypt(cipher: Cipher, key: &[u8], iv: &[u8], bound: &[u8], plaintext: &[u8]) -> Vec<u8> {
    fn run<A>(key: &[u8], iv: &[u8], bound: &[u8], plaintext: &[u8]) -> Vec<u8>
    where
        A: AeadInOut + AeadCore<TagSize = U16> + KeyInit + KeySizeUser<KeySize = U32>,
    {
        let (key, iv) = (Array::try_from(key).unwrap(), Array::try_from(iv).unwrap());
        let mut buffer = plaintext.to_vec();
        let tag = A::new(&key).encrypt_inout_detached(&iv, bound, buffer.as_mut_slice().into());
        buffer.extend_from_slice(&tag.unwrap());
        buffer
    }
    let run = match (cipher, iv.len()) {
        (Cipher::ChaChaPoly, _) => run::<ChaCha20Poly1305>,
        (Cipher::AesGcm, 16) => run::<AesGcm<Aes256, U16>>,
        (Cipher::AesGcm, _) => run::<Aes256Gcm>,
    };
    run(key, iv, bound, plaintext)
}

/// Returns the plaintext of ciphertext ‖ tag, or `None` if it is not authentic.
pub fn decrypt(
    cipher: Cipher,
    key: &[u8],
    iv: &[u8],
    bound: &[u8],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    fn run<A>(key: &[u8], iv: &[u8], bound: &[u8], sealed: &[u8]) -> Option<Vec<u8>>
    where
        A: AeadInOut + AeadCore<TagSize = U16> + KeyInit + KeySizeUser<KeySize = U32>,
    {
        let (key, iv) = (Array::try_from(key).unwrap(), Array::try_from(iv).unwrap());
        let (ciphertext, tag) = sealed.split_last_chunk::<16>()?;
        let mut buffer = ciphertext.to_vec();
        A::new(&key)
            .decrypt_inout_detached(&iv, bound, buffer.as_mut_slice().into(), &(*tag).into())
            .ok()?;
        Some(buffer)
    }
    let run = match (cipher, iv.len()) {
        (Cipher::ChaChaPoly, _) => run::<ChaCha20Poly1305>,
        (Cipher::AesGcm, 16) => run::<AesGcm<Aes256, U16>>,
        (Cipher::AesGcm, _) => run::<Aes256Gcm>,
    };
    run(key, iv, bound, sealed)
}
