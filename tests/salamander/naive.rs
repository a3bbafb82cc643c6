//! Without a commitment to the key, one row has two readings.

use sealwax::triplet::{Encoding, Triplet, TripletKey};

use crate::ciphers::{CIPHERS, Cipher};
use crate::forgery::Pair;
use crate::page::drawn;

/// The ciphertext decrypts under both keys, to different plaintexts, and not under a third.
#[test]
fn a_cipher_alone_accepts_one_ciphertext_under_two_keys() {
    let [one, other, third] = ["one", "other", "third"].map(drawn::<32>);
    let mut accepted = 0;
    for cipher in CIPHERS {
        let iv = &drawn::<16>("iv")[..cipher.iv_len()];
        for associated_data in [b"".as_slice(), b"a row's id", &[7; 32]] {
            // Two blocks, a credential of the usual length, and one that ends at a block boundary.
            for len in [32, 51, 64] {
                let pair = Pair { cipher, keys: [&one, &other], iv, associated_data };
                let mut ciphertext = drawn::<64>("ciphertext")[..len].to_vec();
                let tag = pair.reconcile(&mut ciphertext);

                let readings = pair.readings(&ciphertext, &tag).map(Option::unwrap);
                assert_ne!(readings[0], readings[1], "{cipher:?}, {len} bytes");
                let third = cipher.decrypt(&third, iv, associated_data, &ciphertext, &tag);
                assert_eq!(third, None, "{cipher:?}, {len} bytes");
                accepted += readings.len();
            }
        }
    }
    println!("ciphers alone: {accepted} decryptions of 27 ciphertexts, each by two keys");
    assert_eq!(accepted, 3 * 3 * 3 * 2);
}

/// A row of IV, tag and ciphertext is no better than its cipher. An envelope closes this gap.
#[test]
fn a_triplet_opens_under_two_keys() {
    let keys = ["one", "other"].map(drawn::<32>);
    let mut opened = 0;
    for cipher in [Cipher::Gcm, Cipher::GcmLongIv] {
        let iv = &drawn::<16>("iv")[..cipher.iv_len()];
        let pair = Pair { cipher, keys: [&keys[0], &keys[1]], iv, associated_data: &[] };
        let mut ciphertext = drawn::<51>("ciphertext").to_vec();
        let tag = pair.reconcile(&mut ciphertext);
        let readings = pair.readings(&ciphertext, &tag).map(Option::unwrap);
        let row = Triplet::from_parts(iv, &tag, &ciphertext).unwrap();
        // As it is read from the database.
        let [iv, tag, ciphertext] = row.to_columns(Encoding::HexLower);
        let row = Triplet::from_columns(&iv, &tag, &ciphertext, Encoding::HexLower).unwrap();
        for (mut key, reading) in keys.into_iter().zip(&readings) {
            let secret = TripletKey::from_bytes(&mut key).unwrap().decrypt(&row).unwrap();
            assert!(secret.expose_secret() == reading, "{cipher:?}");
            opened += 1;
        }
        assert_ne!(readings[0], readings[1], "{cipher:?}");
    }
    assert_eq!(opened, 4);
}

/// One data key for each master key, and one payload: an envelope without a commitment and a MAC.
/// The plaintext depends on the reader.
#[test]
fn an_envelope_without_a_commitment_reads_otherwise_for_each_of_its_keys() {
    let [iv, wrap_iv] = ["iv", "wrap iv"].map(drawn::<16>);
    let masters = ["master one", "master other"].map(drawn::<32>);
    let data_keys = ["data key one", "data key other"].map(drawn::<32>);
    for cipher in CIPHERS {
        let [iv, wrap_iv] = [&iv, &wrap_iv].map(|iv| &iv[..cipher.iv_len()]);
        let wrap = |index: usize| cipher.encrypt(&masters[index], wrap_iv, b"", &data_keys[index]);
        let wraps = [wrap(0), wrap(1)];
        let keys = [&data_keys[0], &data_keys[1]];
        let pair = Pair { cipher, keys, iv, associated_data: &[] };
        let mut ciphertext = drawn::<51>("ciphertext").to_vec();
        let tag = pair.reconcile(&mut ciphertext);

        let read = |index: usize| {
            let (wrapped, wrap_tag) = &wraps[index];
            let data_key = cipher.decrypt(&masters[index], wrap_iv, b"", wrapped, wrap_tag)?;
            cipher.decrypt(data_key.first_chunk().unwrap(), iv, b"", &ciphertext, &tag)
        };
        let readings = [read(0), read(1)].map(Option::unwrap);
        assert_ne!(readings[0], readings[1], "{cipher:?}");
    }
}
