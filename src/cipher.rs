//! The machine room: the only file that names an AEAD, a KDF or a hash.

use core::ops::Deref;

use aes_gcm::aead::array::Array;
use aes_gcm::aead::consts::{U16, U32};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadCore, AeadInOut, KeyInit, KeySizeUser, Nonce};
use aes_gcm::aes::Aes256;
use aes_gcm::{Aes256Gcm, AesGcm};
use chacha20poly1305::ChaCha20Poly1305;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

use crate::suite::{IV_LEN, KEY_LEN, MAC_LEN, Suite, TAG_LEN};

/// The one answer of a failed decryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

/// The lengths of input and output differ, or the message is too long for the cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadLength;

/// AES-256-GCM with an iv of 16 bytes, which goes through GHASH to J0 (SP 800-38D §7.1) where one of
/// 12 bytes is J0 but for its counter. For rows that others wrote; no suite has it.
type Aes256GcmIv16 = AesGcm<Aes256, U16>;
/// Bytes of that iv.
pub(crate) const LONG_IV_LEN: usize = 16;

/// Encrypts `plaintext` into `ciphertext`, which is as long, and answers the tag.
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

/// HKDF-Expand of RFC 5869 with SHA-256 over one pseudorandom key, its schedule made once.
pub(crate) struct Prf(Hkdf<Sha256>);

impl Prf {
    /// Without HKDF-Extract, because every key of the envelope is 32 uniform bytes (RFC 5869 §3.3).
    #[expect(clippy::expect_used, reason = "RFC 5869 asks for at least 32 bytes, which these are")]
    pub(crate) fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(Hkdf::from_prk(key).expect("a key of hash length"))
    }

    /// HKDF-Extract. No salt is the empty one: to HMAC the same as the zeros of RFC 5869 §2.2.
    pub(crate) fn extract(salt: &[u8], key_material: &[u8]) -> Self {
        Self(Hkdf::new(Some(salt), key_material))
    }

    /// The first ROWS × N bytes of T1 ‖ T2, in rows of N; at most 64 bytes.
    #[expect(clippy::expect_used, reason = "RFC 5869 allows 8160 bytes, and these are at most 64")]
    pub(crate) fn expand<const ROWS: usize, const N: usize>(&self, info: &[&[u8]]) -> Okm<ROWS, N> {
        const { assert!(ROWS * N <= 64, "the format expands to 64 bytes at the most") };
        let mut okm = Okm([[0; N]; ROWS]);
        self.0.expand_multi_info(info, okm.0.as_flattened_mut()).expect("a short output");
        okm
    }
}

/// What [`Prf::expand`] answers, in rows; wiped when dropped.
pub(crate) struct Okm<const ROWS: usize, const N: usize>([[u8; N]; ROWS]);

impl<const ROWS: usize, const N: usize> Deref for Okm<ROWS, N> {
    type Target = [[u8; N]; ROWS];

    fn deref(&self) -> &[[u8; N]; ROWS] {
        &self.0
    }
}

impl<const ROWS: usize, const N: usize> Drop for Okm<ROWS, N> {
    fn drop(&mut self) {
        self.0.as_flattened_mut().zeroize();
    }
}

/// HMAC-SHA-256 (RFC 2104) over the parts, cut to 16 bytes.
#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
pub(crate) fn mac(key: &[u8; KEY_LEN], parts: &[&[u8]]) -> [u8; MAC_LEN] {
    let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("a key of any length");
    for part in parts {
        hmac.update(part);
    }
    let full: [u8; 32] = hmac.finalize().into_bytes().into();
    let (mac, _) = full.split_at(MAC_LEN);
    mac.try_into().unwrap_or_default()
}

/// Whether two secrets, or a secret and a guess at it, are the same, in constant time.
// By words, because `subtle` puts a barrier behind each thing that it compares.
pub(crate) fn is_equal<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    const { assert!(N.is_multiple_of(8), "whole words") };
    let (a, _) = a.as_chunks::<8>();
    let (b, _) = b.as_chunks::<8>();
    let equal =
        |(a, b): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*a).ct_eq(&u64::from_ne_bytes(*b));
    a.iter().zip(b).map(equal).fold(Choice::from(1), core::ops::BitAnd::bitand).into()
}

/// SHA-256 over the parts.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod wycheproof;

#[cfg(test)]
mod tests {
    use super::{BadLength, NotAuthentic, Prf, decrypt, encrypt, sha256};
    use crate::suite::Suite;

    const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];
    const KEY: [u8; 32] = [7; 32];
    const IV: [u8; 12] = [9; 12];

    #[test]
    fn a_failed_decryption_leaves_zeros() {
        for suite in SUITES {
            let plaintext = *b"not for those who fail";
            let mut ciphertext = [0; 22];
            let mut tag = encrypt(suite, &KEY, &IV, b"a", &plaintext, &mut ciphertext).unwrap();
            let mut opened = [0xaa; 22];
            assert_eq!(decrypt(suite, &KEY, &IV, b"a", &ciphertext, &tag, &mut opened), Ok(()));
            assert_eq!(opened, plaintext);

            tag[15] ^= 1;
            let mut opened = [0xaa; 22];
            let decrypted = decrypt(suite, &KEY, &IV, b"a", &ciphertext, &tag, &mut opened);
            assert_eq!((decrypted, opened), (Err(NotAuthentic), [0; 22]), "{suite}");

            let mut short = [0xaa; 21];
            let decrypted = decrypt(suite, &KEY, &IV, b"a", &ciphertext, &tag, &mut short);
            assert_eq!((decrypted, short), (Err(NotAuthentic), [0; 21]), "{suite}");
        }
    }

    #[test]
    fn input_and_output_of_different_lengths_are_refused() {
        for suite in SUITES {
            let encrypted = encrypt(suite, &KEY, &IV, &[], &[0; 4], &mut [0; 5]);
            assert_eq!(encrypted, Err(BadLength), "{suite}");
        }
    }

    /// RFC 5869, appendix A.1: PRK, info and OKM.
    #[test]
    fn expand_is_that_of_rfc_5869() {
        let prk = [
            0x07, 0x77, 0x09, 0x36, 0x2c, 0x2e, 0x32, 0xdf, 0x0d, 0xdc, 0x3f, 0x0d, 0xc4, 0x7b,
            0xba, 0x63, 0x90, 0xb6, 0xc7, 0x3b, 0xb5, 0x0f, 0x9c, 0x31, 0x22, 0xec, 0x84, 0x4a,
            0xd7, 0xc2, 0xb3, 0xe5,
        ];
        let okm = [
            0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36,
            0x2f, 0x2a, 0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56,
            0xec, 0xc4, 0xc5, 0xbf, 0x34, 0x00, 0x72, 0x08, 0xd5, 0xb8, 0x87, 0x18, 0x58, 0x65,
        ];
        // The parts of the info are joined, however it is cut.
        let info: [&[u8]; 2] = [b"\xf0\xf1\xf2", b"\xf3\xf4\xf5\xf6\xf7\xf8\xf9"];
        assert_eq!(*Prf::new(&prk).expand::<1, 42>(&info), [okm]);
    }

    /// FIPS 180-4, the example of one block.
    #[test]
    fn sha256_joins_its_parts() {
        let [first, ..] = sha256(&[b"a", b"", b"bc"]);
        assert_eq!(first, 0xba);
        assert_eq!(sha256(&[b"a", b"", b"bc"]), sha256(&[b"abc"]));
        assert_ne!(sha256(&[b"ab"]), sha256(&[b"abc"]));
    }
}
