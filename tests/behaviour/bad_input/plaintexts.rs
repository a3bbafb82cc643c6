//! Any plaintext of up to 16 MiB is returned unchanged, including an empty one, and none is opened
//! twice.

use sealwax::{Draft, EncryptionContext, Envelope, Field, Keyring, SealError, Secret, Suite};

use crate::bad_input::{Text, binary_fault, one_wrap, text_fault};
use crate::fixtures::{
    CREDENTIAL, Counting, Parts, SUITES, acme, key_id, keyring, master_key, opening, sealed,
};

fn round_trips(keyring: &Keyring, context: &EncryptionContext, plaintext: &[u8], name: &str) {
    let sealed = keyring
        .seal_with_rng(&Secret::from(plaintext), context, &mut Counting(1))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(sealed.ciphertext().len(), plaintext.len(), "{name}");
    let from_text: Envelope = sealed.to_string().parse().unwrap();
    let from_bytes = Envelope::from_bytes(sealed.as_bytes()).unwrap();
    for envelope in [from_text, from_bytes] {
        assert_eq!(envelope, sealed, "{name}");
    }
    let opened = keyring.open(&sealed, context).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(opened.expose_secret() == plaintext, "{name}: wrong plaintext");
}

#[test]
fn any_plaintext_comes_back_as_it_was() {
    for suite in SUITES {
        let keyring = keyring(suite);
        for len in [0, 1, 15, 16, 17, 4096] {
            let plaintext: Vec<u8> = (0..=250).cycle().take(len).collect();
            round_trips(&keyring, &acme(), &plaintext, &format!("{suite}, {len} bytes"));
        }
        let row = sealed(suite, 3);
        let row_text = row.to_string();
        let texts: [(&str, &[u8]); 14] = [
            ("NUL", b"\0"),
            ("NULs around", b"\0key\0"),
            ("a newline at the end", b"key\n"),
            ("CRLF", b"key\r\n"),
            ("a newline alone", b"\n"),
            ("a byte order mark", "\u{feff}key".as_bytes()),
            ("spaces", b"  key  "),
            ("colons", b":::::::"),
            ("equals signs", b"key=value=="),
            ("not UTF-8", b"\xff\xfe\x00\xc3\x28"),
            ("null", b"null"),
            ("a row in text", row_text.as_bytes()),
            ("a row in binary", row.as_bytes()),
            ("a credential", CREDENTIAL.as_bytes()),
        ];
        for (name, plaintext) in texts {
            round_trips(&keyring, &acme(), plaintext, &format!("{suite}, {name}"));
        }
    }
}

/// A service once opened its own output again, because it looked sealed.
#[test]
fn an_envelope_within_an_envelope_is_opened_once() {
    for suite in SUITES {
        let keyring = keyring(suite);
        let inner = sealed(suite, 1);
        for plaintext in [inner.to_string().into_bytes(), inner.as_bytes().to_vec()] {
            let outer = keyring
                .seal_with_rng(&Secret::from(plaintext.as_slice()), &acme(), &mut Counting(100))
                .unwrap();
            let opened = keyring.open(&outer, &acme()).unwrap();
            assert!(opened.expose_secret() == plaintext, "{suite}: opened twice, or not at all");
            assert!(opened.expose_secret() != CREDENTIAL.as_bytes(), "{suite}: opened twice");
        }
    }
}

#[test]
fn an_empty_plaintext_is_not_a_failure_and_a_failure_is_not_empty() {
    let keyring = keyring(Suite::default());
    let sealed = keyring.seal(&Secret::from(""), &acme()).unwrap();
    let opened = keyring.open(&sealed, &acme()).unwrap();
    assert!(opened.is_empty());
    assert_eq!(opening(&keyring, &sealed, &EncryptionContext::empty()), "context_mismatch");
}

#[test]
fn a_plaintext_that_is_no_text_is_an_error_when_asked_as_text_and_whole_as_bytes() {
    let keyring = keyring(Suite::default());
    let plaintext = b"sk-\xff\xfetest";
    let sealed = keyring.seal(&Secret::from(plaintext), &acme()).unwrap();
    let opened = keyring.open(&sealed, &acme()).unwrap();
    assert_eq!(opened.expose_str().unwrap_err().valid_up_to(), 3);
    assert!(opened.expose_secret() == plaintext);
}

/// The longest plaintext, one byte more, and ciphertexts of either length in both forms.
#[test]
fn sixteen_mebibytes_are_the_longest_plaintext() {
    const LONGEST: usize = 16 * 1024 * 1024;
    let keyring = Keyring::new(key_id("prod"), master_key(1)).unwrap();
    let context = acme();
    let mut plaintext = vec![b'x'; LONGEST + 1];
    plaintext[LONGEST - 1] = b'y';

    let too_long = Secret::from(plaintext.as_slice());
    for suite in SUITES {
        let keyring = keyring.clone().with_suite(suite);
        let error = keyring.seal_with_rng(&too_long, &context, &mut Counting(1)).unwrap_err();
        assert!(matches!(error, SealError::TooLong), "{suite}: {error}");
        let error = Draft::new(&too_long, &context, suite).unwrap_err();
        assert!(matches!(error, SealError::TooLong), "{suite}: {error}");
    }
    drop(too_long);

    round_trips(&keyring, &context, &plaintext[..1024 * 1024], "1 MiB");
    plaintext.pop();
    // In the suite and the form that take the least time without optimisation.
    let keyring = keyring.with_suite(Suite::ChaCha20Poly1305);
    let longest = keyring.seal(&Secret::from(plaintext.as_slice()), &context).unwrap();
    assert_eq!(longest.ciphertext().len(), LONGEST);
    let longest = Envelope::from_bytes(longest.as_bytes()).unwrap();
    let opened = keyring.open(&longest, &context).unwrap();
    assert!(opened.expose_secret() == plaintext, "wrong plaintext");

    let mut parts = Parts::of(&one_wrap(Suite::default(), ""));
    let front = parts.binary().len();
    parts.ciphertext = plaintext;
    assert_eq!(parts.envelope().ciphertext().len(), LONGEST);
    parts.ciphertext.push(0);
    assert_eq!(binary_fault(&parts.binary()), (Field::Ciphertext, front), "binary");

    // In the text form every length is checked before a byte is decoded. The ciphertext's is
    // checked before the wraps, so a fault in a wrap shows that the length check passed.
    let mut row = Text::of(&one_wrap(Suite::default(), ""));
    row.wrapped.clear();
    for (len, expected) in [
        (LONGEST, (Field::WrappedKey, row.start(Field::WrappedKey))),
        (LONGEST + 1, (Field::Ciphertext, row.start(Field::Ciphertext))),
        (2 * LONGEST, (Field::Ciphertext, row.start(Field::Ciphertext))),
    ] {
        row.ciphertext = "A".repeat((len * 4).div_ceil(3));
        assert_eq!(text_fault(&row.join()), expected, "text, {len} bytes");
    }
}
