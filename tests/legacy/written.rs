//! Rows that the crate writes with the operating system's randomness: no IV or salt occurs twice. A repeated one under
//! the same key would reveal what the two rows have in common, and the key that authenticates.

use std::collections::HashSet;

use sealwax::legacy::litellm::Version;
use sealwax::legacy::{cloak, litellm, n8n};
use sealwax::triplet::{Encoding, IvLen, TripletError, TripletKey};
use sealwax::{Field, Secret};

const ROWS: usize = 100;
const LABEL: &str = "AES.GCM.V1";

fn key() -> TripletKey {
    TripletKey::from_bytes(&mut (1..=32).collect::<Vec<u8>>()).unwrap()
}

fn secret() -> Secret {
    Secret::from("sk-test-123")
}

/// Asserts that these bytes are different in every row.
#[track_caller]
fn distinct(rows: impl Iterator<Item = Vec<u8>>, at: usize, len: usize) {
    let found: HashSet<Vec<u8>> = rows.map(|row| row[at..at + len].to_vec()).collect();
    assert_eq!(found.len(), ROWS);
}

#[test]
fn no_row_of_cloak_has_the_iv_of_another() {
    for iv_len in [IvLen::Twelve, IvLen::Sixteen] {
        let row = |_| {
            let row = cloak::encrypt(&key(), LABEL, iv_len, &secret()).unwrap();
            assert_eq!(cloak::decrypt(&key(), LABEL, iv_len, &row).unwrap(), secret());
            row
        };
        distinct((0..ROWS).map(row), 2 + LABEL.len(), iv_len.bytes());
    }
}

#[test]
fn a_label_of_cloak_has_1_to_127_bytes() {
    for len in [0, 1, 127, 128, 255, 256] {
        let label = "x".repeat(len);
        let written = cloak::encrypt(&key(), &label, IvLen::Twelve, &secret());
        if (1..=127).contains(&len) {
            let read = cloak::decrypt(&key(), &label, IvLen::Twelve, &written.unwrap());
            assert_eq!(read.unwrap(), secret(), "{len} bytes");
        } else {
            let refused =
                matches!(written, Err(TripletError::Malformed { field: Field::Label, .. }));
            assert!(refused, "{len} bytes");
        }
    }
}

#[test]
fn no_row_of_litellm_has_the_iv_of_another() {
    for (version, prefix) in [(Version::V2, "v2:gcm:"), (Version::V3, "v3:gcm:")] {
        let row = |_| {
            let row = litellm::encrypt(&key(), version, &secret()).unwrap();
            assert_eq!(litellm::decrypt(&key(), version, &row).unwrap(), secret());
            Encoding::Base64UrlPadded.decode(row.strip_prefix(prefix).unwrap()).unwrap()
        };
        distinct((0..ROWS).map(row), 0, 12);
    }
}

/// The crate reads 16 MiB of plaintext, and rejects one byte more before decoding it.
#[test]
fn the_longest_row_of_n8n_is_read() {
    const MAX: usize = 16_777_216;
    let longest = Secret::from(vec![0x5a; MAX]);
    let row = n8n::encrypt(&key(), "KEYID", &longest).unwrap();
    assert_eq!(n8n::decrypt(&key(), &row).unwrap(), longest);

    let mut blob = vec![0; 1 + 32 + 16 + MAX + 1];
    blob[0] = 1;
    let row = ["KEYID:", &Encoding::Base64.encode(&blob)].concat();
    let refused = n8n::decrypt(&key(), &row);
    assert!(matches!(refused, Err(TripletError::Malformed { field: Field::Row, .. })));
}

#[test]
fn no_row_of_n8n_has_the_salt_of_another() {
    let row = |_| {
        let row = n8n::encrypt(&key(), "KEYID", &secret()).unwrap();
        assert_eq!(n8n::decrypt(&key(), &row).unwrap(), secret());
        Encoding::Base64.decode(row.strip_prefix("KEYID:").unwrap()).unwrap()
    };
    // One version byte, then the salt.
    distinct((0..ROWS).map(row), 1, 32);
}
