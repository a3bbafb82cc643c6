//! A secret: made from each source, turned into each form, compared, and read from formats.

use std::hint::black_box;

use residue::pipe::role;
use sealwax::{Secret, Suite};
use secrecy::SecretString;

use crate::given::{Lent, bytes, secret, text};
use crate::{SOME, step};

const SUITE: Suite = Suite::Aes256Gcm;

/// Returns bytes with at least as much spare capacity, which has been written to before.
fn roomy(size: usize) -> Vec<u8> {
    let lent = Lent::new(role::PLAINTEXT, 0, size);
    let mut roomy = Vec::with_capacity(2 * size + 8);
    roomy.extend_from_slice(&lent);
    roomy.extend_from_slice(&lent);
    roomy.truncate(size);
    roomy
}

fn roomy_text(size: usize) -> String {
    String::from_utf8(roomy(size)).expect("text")
}

pub fn steps(sizes: &[usize]) {
    for &size in sizes {
        let from = "secret from";
        step(from, SUITE, size, &mut || drop(Secret::from(bytes(role::PLAINTEXT, 0, size))));
        step(from, SUITE, size, &mut || drop(Secret::from(text(role::PLAINTEXT, 0, size))));
        step(from, SUITE, size, &mut || drop(Secret::from(roomy(size))));
        step(from, SUITE, size, &mut || drop(Secret::from(roomy_text(size))));
        step(from, SUITE, size, &mut || {
            let lent = Lent::new(role::PLAINTEXT, 0, size);
            drop(black_box(Secret::from(lent.as_slice())));
            drop(black_box(Secret::from(lent.text())));
        });
        step(from, SUITE, size, &mut || {
            drop(black_box(Secret::from(SecretString::from(text(role::PLAINTEXT, 0, size)))));
        });
        step("secret into secrecy", SUITE, size, &mut || {
            drop(black_box(SecretString::try_from(secret(size)).expect("text")));
            drop(black_box(SecretString::try_from(&secret(size)).expect("text")));
        });
        step("secret with a prefix", SUITE, size, &mut || {
            drop(black_box(secret(size).with_prefix("Bearer ")));
        });
        step("secrets compared", SUITE, size, &mut || {
            let (one, same) = (secret(size), secret(size));
            let other = Secret::from(bytes(role::PLAINTEXT, 1, size));
            let shorter = Secret::from(&one.expose_secret()[..size / 2]);
            assert!(one == same && (one != other) == (size > 0) && (one == shorter) == (size == 0));
            black_box(format!("{one:?} {} {}", one.len(), one.is_empty()));
            assert!(one.expose_str().is_ok());
        });
    }
    formats();
    step("secret from an array", SUITE, 32, &mut || {
        let lent = Lent::new(role::DATA_KEY, 0, 32);
        let array: &[u8; 32] = lent.as_slice().try_into().expect("32 bytes");
        let secret = Secret::from(array);
        // Most likely this is not text; the error then contains a position.
        drop(black_box(SecretString::try_from(&secret).map_err(|error| error.to_string())));
        drop(black_box(SecretString::try_from(secret).map_err(|error| error.to_string())));
    });
}

/// Feature `serde`.
fn formats() {
    for size in [0, SOME, 1000] {
        step("secret deserialised", SUITE, size, &mut || {
            let json = Lent::new(role::JSON, 0, size);
            drop(black_box(serde_json::from_str::<Secret>(json.text()).expect("a string")));
            drop(black_box(serde_json::from_slice::<Secret>(&json).expect("a string")));
            drop(black_box(serde_json::from_str::<Option<Secret>>(json.text()).expect("a string")));
            let cut = &json[..json.len() - 1];
            black_box(serde_json::from_slice::<Secret>(cut).expect_err("cut off").to_string());
        });
        // A value that was parsed before, whose string becomes the secret.
        step("secret deserialised", SUITE, size, &mut || {
            let value = serde_json::Value::String(text(role::PLAINTEXT, 0, size));
            drop(black_box(serde_json::from_value::<Secret>(value).expect("a string")));
        });
        step("secret deserialised", SUITE, size, &mut || {
            let binary = Lent::new(role::POSTCARD, 0, size);
            drop(black_box(postcard::from_bytes::<Secret>(&binary).expect("bytes")));
            let cut = postcard::from_bytes::<Secret>(&binary[..binary.len() - 1]);
            assert_eq!(cut.is_err(), size > 0 || binary.len() == 1);
        });
    }
    // The library cannot wipe a format's own buffer. What it keeps is known and counted separately.
    step("known: serde_json unescapes", SUITE, SOME, &mut || {
        let json = Lent::new(role::JSON, 1, SOME);
        drop(black_box(serde_json::from_str::<Secret>(json.text()).expect("a string")));
    });
}
