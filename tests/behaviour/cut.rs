//! A row that a column cut off, or padded. The MAC covers the length of the ciphertext, so
//! verifying detects this, and a rewrap does not repair it.

use sealwax::{DataKey, Envelope, Keyring, RewrapError, Secret, Suite, UnwrapError};

use crate::fixtures::{BASE64URL, CREDENTIAL, Counting, Parts, SUITES, acme, class};
use crate::fixtures::{counted_data_key, key_id, master_key, verdicts, wrap};
use crate::reference::hmac;

/// Returns a keyring with `prod` under a different primary: nothing is current, and everything is
/// rewrapped.
fn next() -> Keyring {
    let next = Keyring::new(key_id("next"), master_key(3)).unwrap();
    next.with_retired(key_id("prod"), master_key(1)).unwrap()
}

fn row(suite: Suite, plaintext: &str) -> Envelope {
    Keyring::new(key_id("prod"), master_key(1))
        .unwrap()
        .with_suite(suite)
        .seal_with_rng(&Secret::from(plaintext), &acme(), &mut Counting(1))
        .unwrap()
}

/// Asserts that every operation that looks at the envelope rejects it, even if the caller has the
/// data key.
fn refuse(cut: &Envelope, what: &str) {
    let told = ["envelope_altered"; 6].map(str::to_owned);
    assert_eq!(verdicts(&next(), cut, &acme()), told, "{what}");
    let data_key = counted_data_key(1);
    assert_eq!(class(&cut.verify_with(&data_key).unwrap_err()), "envelope_altered", "{what}");
    let opened = cut.open_with(&data_key, &acme());
    assert_eq!(class(&opened.unwrap_err()), "envelope_altered", "{what}");
    let by_next = wrap(&master_key(3), "next", cut.suite(), cut.commitment(), &data_key);
    let rewrapped = cut.rewrap_with(&data_key, vec![by_next]);
    assert!(
        matches!(rewrapped, Err(RewrapError::Unwrap(UnwrapError::EnvelopeAltered))),
        "{what}: {rewrapped:?}"
    );
}

/// Returns whether a ciphertext cut here is still canonical base64url: not one leftover character,
/// and the unused bits are zero.
fn is_canonical(text: &str) -> bool {
    let unused = match text.len() % 4 {
        0 => return true,
        1 => return false,
        rest => 8 - 2 * rest,
    };
    let last = text.bytes().last().unwrap();
    let value = BASE64URL.iter().position(|character| *character == last).unwrap();
    value.is_multiple_of(1 << unused)
}

#[test]
fn a_text_cut_within_its_ciphertext_is_refused_wherever_it_still_parses() {
    let mut refused = 0;
    for suite in SUITES {
        for plaintext in ["k", "ke", "key", CREDENTIAL, &CREDENTIAL.repeat(12)] {
            let text = row(suite, plaintext).to_string();
            let front = text.rfind(':').unwrap() + 1;
            let (mut parsed, mut expected) = (0, 0);
            for len in front..text.len() {
                let cut = &text[..len];
                let what = format!("{suite}, {} of {} characters", len - front, text.len() - front);
                let found = cut.parse::<Envelope>();
                assert_eq!(found.is_ok(), is_canonical(&cut[front..]), "{what}");
                expected += usize::from(is_canonical(&cut[front..]));
                if let Ok(cut) = found {
                    refuse(&cut, &what);
                    parsed += 1;
                }
            }
            assert_eq!(parsed, expected, "{suite}");
            // At every group of four characters, and at some other places.
            assert!(parsed >= (text.len() - front).div_ceil(4), "{suite}: {parsed}");
            refused += parsed;
        }
    }
    assert!(refused > 2 * (1 + 1 + 1 + 17 + 204), "{refused}");
}

#[test]
fn a_binary_row_cut_or_filled_up_by_any_number_of_bytes_is_refused() {
    let mut refused = 0;
    for suite in SUITES {
        let whole = row(suite, CREDENTIAL);
        let front = whole.as_bytes().len() - CREDENTIAL.len();
        for len in front..whole.as_bytes().len() {
            let cut = Envelope::from_bytes(&whole.as_bytes()[..len]).unwrap();
            refuse(&cut, &format!("{suite}, the first {len} bytes"));
            refused += 1;
        }
        // A column of fixed width: NULs or spaces.
        for filler in [0, b' '] {
            for more in [1, 2, 3, 16, 205, 256, 65_536] {
                let mut bytes = whole.as_bytes().to_vec();
                bytes.resize(bytes.len() + more, filler);
                let filled = Envelope::from_bytes(&bytes).unwrap();
                refuse(&filled, &format!("{suite}, {more} bytes more"));
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 2 * (51 + 14));
}

/// What a column of 255 characters does to a row that is slightly too long.
#[test]
fn a_row_in_a_column_of_255_characters_is_refused_by_verifying() {
    let mut refused = 0;
    for suite in SUITES {
        let text = row(suite, CREDENTIAL).to_string();
        assert!(text.len() > 255, "{suite}: {}", text.len());
        // If the cut is not valid base64url, a cut one, two or three characters earlier is.
        let cut = (252..=255).rev().find_map(|len| text[..len].parse::<Envelope>().ok());
        refuse(&cut.unwrap(), &format!("{suite}, 255 characters"));
        refused += 1;
    }
    assert_eq!(refused, 2);
}

/// The MAC covers only the length: a flipped byte of the ciphertext is found by opening, and by
/// nothing else.
#[test]
fn a_ciphertext_of_the_same_length_is_verified_and_rewrapped_and_does_not_open() {
    let mut tried = 0;
    for suite in SUITES {
        let whole = row(suite, CREDENTIAL);
        for at in 0..CREDENTIAL.len() {
            let mut parts = Parts::of(&whole);
            parts.ciphertext[at] ^= 0x10;
            let expected = ["payload_altered", "done", "done"];
            let expected = [expected, expected].concat();
            assert_eq!(verdicts(&next(), &parts.envelope(), &acme()), *expected, "{suite}, {at}");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * 51);
}

/// The MAC covers the length as four bytes, after the tag. A writer that omits it, or encodes it
/// differently, is rejected.
#[test]
fn the_length_in_the_mac_is_u32_big_endian() {
    let mut tried = 0;
    for suite in SUITES {
        let whole = row(suite, CREDENTIAL);
        let data_key: DataKey = counted_data_key(1);
        let mac_over = |len: &[u8]| {
            let mut parts = Parts::of(&whole);
            let covered = [&parts.head(), &parts.iv, &parts.tag].map(Vec::as_slice).concat();
            let mac = hmac(data_key.expose_secret(), &[b"sw1/mac", &covered, len]);
            parts.mac = mac[..16].to_vec();
            parts.envelope()
        };
        assert_eq!(mac_over(&[0, 0, 0, 51]), whole, "{suite}");
        let others: [&[u8]; 8] = [
            b"",
            &[51],
            &[0, 51],
            &[51, 0, 0, 0],
            &[0, 0, 0, 0, 0, 0, 0, 51],
            &[0, 0, 0, 50],
            &[0, 0, 1, 152],
            &[0, 0, 0, 68],
        ];
        for other in others {
            refuse(&mac_over(other), &format!("{suite}, a length of {other:?}"));
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * 8);
}
