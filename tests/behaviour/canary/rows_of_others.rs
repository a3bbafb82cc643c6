//! No error about rows from other programs, or about their keys, shows a secret.

use sealwax::Secret;
use sealwax::triplet::{IvLen, Layout, Part, Triplet, TripletError, TripletKey};

use crate::canary::{
    OTHER, PLAINTEXT, PRIMARY, Shown, base64, key_text, scanner_of, secret, triplet, triplet_key,
};
use crate::fixtures::{Scripted, base64url};
use crate::triplet::ENCODINGS;

/// Tries rows from other programs with a secret in every part, and the keys of such rows.
#[test]
fn no_error_over_rows_that_others_wrote_shows_a_secret() {
    let mut shown = Shown::default();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let inputs = [
        PLAINTEXT.to_owned(),
        PLAINTEXT[..11].to_owned(),
        hex(PLAINTEXT.as_bytes()),
        hex(OTHER),
        base64(OTHER),
        base64url(OTHER),
        key_text(PRIMARY),
        "q7Zx-".repeat(40),
    ];
    let orders = [[Part::Iv, Part::Tag, Part::Ciphertext], [Part::Ciphertext, Part::Tag, Part::Iv]];
    let mut refused = 0;
    for iv_len in [IvLen::Twelve, IvLen::Sixteen] {
        let row = triplet(iv_len);
        for encoding in ENCODINGS {
            let [iv, tag, ciphertext] = row.to_columns(encoding);
            for input in &inputs {
                let mut reads = Vec::new();
                for text in [
                    input.clone(),
                    format!("\"{input}\""),
                    format!("{input}:{input}:{input}"),
                    format!("{input}:{tag}:{ciphertext}"),
                    format!("{iv}:{input}:{ciphertext}"),
                    format!("{iv}:{tag}:{input}"),
                    format!("{iv}:{tag}:{ciphertext}:{input}"),
                    format!("{iv}{tag}{ciphertext}{input}"),
                ] {
                    for order in orders {
                        let separated = Layout::separated(':', order, encoding, iv_len);
                        reads.push(Triplet::parse(&text, separated));
                        let joined = Layout::joined(order, encoding, iv_len);
                        reads.push(Triplet::parse(&text, joined));
                        let twice = Layout::joined([order[0]; 3], encoding, iv_len);
                        reads.push(Triplet::parse(&text, twice));
                    }
                }
                reads.push(Triplet::from_columns(input, &tag, &ciphertext, encoding));
                reads.push(Triplet::from_columns(&iv, input, &ciphertext, encoding));
                reads.push(Triplet::from_columns(&iv, &tag, input, encoding));
                reads.push(Triplet::from_joined(input, &ciphertext, encoding));
                reads.push(Triplet::from_joined(&iv, input, encoding));
                reads.push(Triplet::from_parts(input.as_bytes(), row.tag(), row.ciphertext()));
                reads.push(Triplet::from_parts(row.iv(), input.as_bytes(), row.ciphertext()));
                reads.push(Triplet::from_parts(row.iv(), row.tag(), input.as_bytes()));
                reads.push(Triplet::from_joined_parts(row.iv(), input.as_bytes()));
                for read in reads {
                    let error = read.and_then(|row| triplet_key().decrypt(&row)).unwrap_err();
                    shown.variant("TripletError", "a row from another program", &error);
                    refused += 1;
                }
            }
        }
        let other = TripletKey::from_bytes(&mut PRIMARY.clone()).unwrap();
        for error in [
            other.decrypt(&row).unwrap_err(),
            triplet_key().decrypt_with_associated_data(&row, PLAINTEXT.as_bytes()).unwrap_err(),
            triplet_key().unwrap_key(&row).unwrap_err(),
            other.unwrap_key(&row).unwrap_err(),
        ] {
            shown.variant("TripletError", "a row that does not open", &error);
        }
        for wrapped in [&PRIMARY[..31], &[PRIMARY.as_slice(), b"q"].concat(), b"", &[b'q'; 32]] {
            let wrapped = triplet_key().encrypt(&Secret::from(wrapped), iv_len).unwrap();
            let error = triplet_key().unwrap_key(&wrapped).unwrap_err();
            shown.variant("TripletError", "an unwrapped key", &error);
            match &error {
                TripletError::Key { source, .. } => {
                    shown.variant("KeyError", "an unwrapped key", source);
                }
                // A plaintext of another length is rejected before decryption.
                other => assert!(matches!(other, TripletError::Malformed { .. }), "{other}"),
            }
        }
        let encrypted = triplet_key().encrypt_with_rng(&secret(), iv_len, &mut Scripted(vec![]));
        shown.variant("TripletError", "randomness that fails", &encrypted.unwrap_err());
        let long = Secret::from(PLAINTEXT.repeat(16 * 1024 * 1024 / PLAINTEXT.len() + 1));
        let encrypted = triplet_key().encrypt(&long, iv_len);
        shown.variant("TripletError", "a long plaintext", &encrypted.unwrap_err());
    }
    assert_eq!(refused, 2 * 5 * 8 * (8 * 2 * 3 + 9));

    let (hex, base64_text) = (hex(OTHER), base64(OTHER));
    let faulty = |text: &str, other: &str| {
        [text[1..].to_owned(), format!("{text}\n"), format!("0x{text}"), other.to_owned()]
    };
    for text in faulty(&hex, &base64_text).into_iter().chain(["71".repeat(32)]) {
        shown.variant("KeyError", "a key in hex", &TripletKey::from_hex(&text).unwrap_err());
    }
    for text in faulty(&base64_text, &hex).into_iter().chain([base64(&[b'q'; 32])]) {
        shown.variant("KeyError", "a key in base64", &TripletKey::from_base64(&text).unwrap_err());
    }
    let error = TripletKey::from_bytes(&mut OTHER[..31].to_vec()).unwrap_err();
    shown.variant("KeyError", "a short key", &error);

    shown.assert_variants(
        "TripletError",
        &["Key", "Layout", "Malformed", "NotAuthentic", "Random", "TooLong"],
    );
    shown.assert_variants("KeyError", &["Encoding", "Length", "Surrounded", "Weak"]);
    shown.assert_clean(&scanner_of(&inputs), 10_000);
}
