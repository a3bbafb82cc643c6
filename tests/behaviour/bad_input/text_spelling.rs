//! A field of the text form has only one spelling, and any other spelling is rejected at its
//! position.

use sealwax::{Envelope, Field, Keyring, Suite};

use crate::bad_input::{TEXT_FIELDS, Text, fault, one_wrap, text_fault};
use crate::fixtures::{
    BASE64URL, CREDENTIAL, Parts, SUITES, acme, base64url, key_id, keyring, master_key, opening,
    sealed,
};

/// Characters that editors, spreadsheets, shells and careless copying put into a field.
const STRAY: [(&str, &str); 24] = [
    ("a space", " "),
    ("a tab", "\t"),
    ("a line feed", "\n"),
    ("a carriage return", "\r"),
    ("CRLF", "\r\n"),
    ("a vertical tab", "\u{b}"),
    ("NUL", "\0"),
    ("DEL", "\u{7f}"),
    ("a byte order mark", "\u{feff}"),
    ("a no-break space", "\u{a0}"),
    ("a zero-width space", "\u{200b}"),
    ("a line separator", "\u{2028}"),
    ("a full-width digit", "\u{ff11}"),
    ("an Arabic-Indic digit", "\u{661}"),
    ("a Cyrillic a", "\u{430}"),
    ("a full-width A", "\u{ff21}"),
    ("a combining accent", "\u{301}"),
    ("an emoji", "\u{1f511}"),
    ("a replacement character", "\u{fffd}"),
    ("a quotation mark", "\""),
    ("a plus sign", "+"),
    ("a percent sign", "%"),
    ("a tilde", "~"),
    ("a backslash", "\\"),
];

#[test]
fn a_stray_character_in_any_field_is_refused_there() {
    let mut tried = 0;
    for suite in SUITES {
        let row = Text::of(&one_wrap(suite, CREDENTIAL));
        for field in TEXT_FIELDS {
            for (name, stray) in STRAY {
                // In front of the field, inside it and after it; added, and in place of as many
                // bytes, so that the length stays right.
                for (at, replaces) in [(0, 0), (1, 0), (usize::MAX, 0), (0, 1), (1, 1)] {
                    let mut changed = row.with(field, |text| {
                        let at = at.min(text.len());
                        let kept = at + replaces * stray.len();
                        format!("{}{stray}{}", &text[..at], text.get(kept..).unwrap_or_default())
                    });
                    let expected = (field, changed.start(field));
                    let found = text_fault(&changed.join());
                    assert_eq!(found, expected, "{suite}, {name} at {at} of the {field}");
                    tried += 1;
                }
            }
        }
        // Around the whole row, as in a line that was read and not stripped.
        for (name, stray) in STRAY {
            let found = text_fault(&format!("{stray}{}", row.join()));
            assert_eq!(found, (Field::Prefix, 0), "{suite}, {name} in front");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * (7 * 24 * 5 + 24));
}

/// Separators do not stay in their field, so each moves the fault to its own position.
#[test]
fn a_stray_separator_is_refused() {
    let row = Text::of(&one_wrap(Suite::default(), CREDENTIAL));
    let length = row.join().len();
    let mut tried = 0;
    for field in TEXT_FIELDS {
        // An eighth field: the text after the last colon.
        let mut with_colon = row.with(field, |text| format!("{}:{}", &text[..1], &text[1..]));
        let last = with_colon.start(Field::Ciphertext);
        let expected = if field == Field::Ciphertext { last + 2 } else { last };
        assert_eq!(text_fault(&with_colon.join()), (Field::Envelope, expected), ": in the {field}");

        let mut with_equals = row.with(field, |text| format!("{}={}", &text[..1], &text[1..]));
        let expected = match field {
            // The id ends at the first one, and the rest of it is not a wrapped key.
            Field::KeyId => (Field::WrappedKey, with_equals.start(Field::KeyId) + 2),
            field => (field, with_equals.start(field)),
        };
        assert_eq!(text_fault(&with_equals.join()), expected, "= in the {field}");

        let mut with_comma = row.with(field, |text| format!("{},{}", &text[..4], &text[4..]));
        let expected = match field {
            // Two wraps, the first of them without its second half.
            Field::KeyId => (Field::WrappedKey, with_comma.start(Field::KeyId)),
            Field::WrappedKey => (Field::WrappedKey, with_comma.start(Field::WrappedKey) + 5),
            field => (field, with_comma.start(field)),
        };
        assert_eq!(text_fault(&with_comma.join()), expected, ", in the {field}");
        tried += 3;
    }
    assert_eq!(tried, 21);
    assert_eq!(row.join().len(), length);
}

#[test]
fn another_encoding_of_a_field_is_refused() {
    let byte_fields = [Field::WrappedKey, Field::Proof, Field::Iv, Field::Tag, Field::Ciphertext];
    let mut tried = 0;
    for plaintext in ["1", "22", "333", CREDENTIAL] {
        let envelope = one_wrap(Suite::default(), plaintext);
        let parts = Parts::of(&envelope);
        let row = Text::of(&envelope);
        for field in byte_fields {
            let bytes = match field {
                Field::WrappedKey => parts.wraps[0].1.clone(),
                Field::Proof => [parts.commitment.clone(), parts.mac.clone()].concat(),
                Field::Iv => parts.iv.clone(),
                Field::Tag => parts.tag.clone(),
                _ => parts.ciphertext.clone(),
            };
            let encoded = base64url(&bytes);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let padding = "=".repeat((4 - encoded.len() % 4) % 4);
            let mut faulty = vec![
                ("padding where none is due", format!("{encoded}=")),
                ("four characters of padding", format!("{encoded}====")),
                ("plus", format!("+{}", &encoded[1..])),
                ("slash", format!("/{}", &encoded[1..])),
                ("a dot", format!("{}.", &encoded[1..])),
                ("a line break in the middle", format!("{}\n{}", &encoded[..1], &encoded[1..])),
                ("CRLF at the end", format!("{encoded}\r\n")),
            ];
            if !padding.is_empty() {
                faulty.push(("padding", format!("{encoded}{padding}")));
            }
            // A wrapped key or a ciphertext of another length parses, and is rejected by the keys.
            if !matches!(field, Field::WrappedKey | Field::Ciphertext) {
                faulty.push(("one character fewer", encoded[1..].to_owned()));
                faulty.push(("one character more", format!("{encoded}A")));
                faulty.push(("hex", hex.clone()));
                faulty.push(("upper-case hex", hex.to_uppercase()));
                faulty.push(("0x and hex", format!("0x{hex}")));
                faulty.push(("hex of odd length", format!("{hex}0")));
            }
            for (name, text) in faulty {
                let mut changed = row.with(field, |_| text.clone());
                let expected = (field, changed.start(field));
                assert_eq!(text_fault(&changed.join()), expected, "{name} in the {field}");
                tried += 1;
            }
        }
    }
    // Padded if padding is possible: the wrapped key and the tag always, the ciphertext three
    // times.
    assert_eq!(tried, 4 * (5 * 7 + 3 * 6 + 2) + 2);
}

#[test]
fn unused_bits_that_are_not_zero_are_refused() {
    let mut tried = 0;
    // Fields of 61 and 16 bytes end in 4 unused bits; a ciphertext of 1 byte in 4, and of 2 bytes
    // in 2.
    for (plaintext, ciphertext_bits) in [("1", 4), ("22", 2), ("333", 0), ("4444", 4)] {
        let row = Text::of(&one_wrap(Suite::default(), plaintext));
        for (field, bits) in [
            (Field::WrappedKey, 4),
            (Field::Tag, 4),
            (Field::Proof, 0),
            (Field::Iv, 0),
            (Field::Ciphertext, ciphertext_bits),
        ] {
            for value in 1..1_usize << bits {
                let mut changed = row.with(field, |text| {
                    let (rest, last) = text.split_at(text.len() - 1);
                    let last = BASE64URL.iter().position(|c| *c == last.as_bytes()[0]).unwrap();
                    assert!(last.is_multiple_of(1 << bits), "the sealed {field} is not canonical");
                    format!("{rest}{}", char::from(BASE64URL[last | value]))
                });
                let expected = (field, changed.start(field));
                let found = text_fault(&changed.join());
                assert_eq!(found, expected, "unused bits {value:#b} in the {field}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 4 * (15 + 15) + 15 + 3 + 15);
}

#[test]
fn a_field_of_another_length_is_refused_in_the_text_form() {
    let mut tried = 0;
    for suite in SUITES {
        let envelope = one_wrap(suite, CREDENTIAL);
        let row = Text::of(&envelope);
        let lengths: [(Field, &[usize]); 3] = [
            (Field::Tag, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 32]),
            (Field::Iv, &[0, 1, 8, 11, 13, 15, 16, 17, 24]),
            (Field::Proof, &[0, 16, 32, 47, 49, 64]),
        ];
        for (field, lengths) in lengths {
            for len in lengths {
                let mut changed = row.with(field, |_| base64url(&vec![7; *len]));
                let expected = (field, changed.start(field));
                assert_eq!(text_fault(&changed.join()), expected, "{suite}, a {field} of {len}");
                tried += 1;
            }
        }
        let mut exchanged = Text::of(&envelope);
        std::mem::swap(&mut exchanged.iv, &mut exchanged.tag);
        let at = exchanged.start(Field::Iv);
        assert_eq!(text_fault(&exchanged.join()), (Field::Iv, at), "{suite}, IV and tag swapped");
        tried += 1;
    }
    assert_eq!(tried, 2 * (18 + 9 + 6 + 1));

    // The binary form has no separators, so there the MAC detects the swap.
    let envelope = sealed(Suite::default(), 5);
    let mut exchanged = Parts::of(&envelope);
    std::mem::swap(&mut exchanged.iv, &mut exchanged.tag);
    let found = opening(&keyring(Suite::default()), &exchanged.envelope(), &acme());
    assert_eq!(found, "envelope_altered");
}

#[test]
fn names_are_case_sensitive() {
    let row = one_wrap(Suite::default(), CREDENTIAL);
    let text = row.to_string();
    let at = "sw1:".len();
    for name in ["A256GCM", "A256gcm", "C20P", "aes-256-gcm", "a256gcm ", "a256", "c20p1305", ""] {
        let changed = text.replacen("a256gcm", name, 1);
        assert_eq!(text_fault(&changed), (Field::Suite, at), "suite {name:?}");
        assert_eq!(fault(&name.parse::<Suite>().unwrap_err()), (Field::Suite, 0), "{name:?}");
    }
    // This is another id, not another spelling of the same one.
    let renamed: Envelope = text.replacen("prod=", "PROD=", 1).parse().unwrap();
    let keyring = Keyring::new(key_id("prod"), master_key(1)).unwrap();
    assert_eq!(opening(&keyring, &renamed, &acme()), "unknown_key(PROD)");
}
