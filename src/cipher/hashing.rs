//! SHA-256, HMAC and HKDF, of the RustCrypto project with either backend: for messages as short as
//! ours it is sooner done, and nothing of a key goes into memory that nobody wipes.

use core::ops::Deref;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::suite::{KEY_LEN, MAC_LEN};

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
    const { assert!(MAC_LEN <= 32, "cut off the end of what there is") };
    full.first_chunk().copied().unwrap_or_default()
}

/// SHA-256 over the parts.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}
