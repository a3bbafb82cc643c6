//! A key is 32 bytes that are not all equal, or their one text with its checksum, and nothing else.

use sealwax::{DataKey, KeyError, MasterKey};

use crate::fixtures::{BASE64URL, base64url, master_key, sha256};

type FromBytes = fn(&mut [u8]) -> Result<(), KeyError>;

/// The types that make a key from bytes: `MasterKey` and `DataKey`, which behave the same.
const FROM_BYTES: [(&str, FromBytes); 2] = [
    ("master key", |bytes| MasterKey::from_bytes(bytes).map(drop)),
    ("data key", |bytes| DataKey::from_bytes(bytes).map(drop)),
];

#[test]
fn a_key_is_32_bytes_that_are_not_one_repeated_and_its_source_is_wiped() {
    let mut tried = 0;
    for (name, from_bytes) in FROM_BYTES {
        for len in [0_usize, 1, 16, 24, 31, 33, 53, 64] {
            let mut bytes: Vec<u8> = (1..).take(len).collect();
            let error = from_bytes(&mut bytes).unwrap_err();
            assert!(
                matches!(error, KeyError::Length { expected: 32, found, .. } if found == len),
                "a {name} of {len} bytes: {error}"
            );
            assert!(bytes.iter().all(|byte| *byte == 0), "{name}, {len} bytes: not wiped");
            tried += 1;
        }
        for byte in 0..=u8::MAX {
            let mut bytes = [byte; 32];
            assert_eq!(from_bytes(&mut bytes), Err(KeyError::Weak), "{name} of {byte:#04x}");
            assert_eq!(bytes, [0; 32], "{name} of {byte:#04x}: not wiped");
            tried += 1;
        }
        for (place, bit) in (0..32).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
            let mut bytes = [0x55; 32];
            bytes[place] ^= 1 << bit;
            assert_eq!(from_bytes(&mut bytes), Ok(()), "{name}, bit {bit} of byte {place}");
            assert_eq!(bytes, [0; 32], "{name}, bit {bit} of byte {place}: not wiped");
            tried += 1;
        }
        // The content of an environment variable whose hex was never decoded.
        let mut hex = *b"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let error = from_bytes(&mut hex).unwrap_err();
        assert!(matches!(error, KeyError::Length { found: 64, .. }), "{name}: {error}");
        assert_eq!(hex, [0; 64], "{name} in hex: not wiped");
        tried += 1;
    }
    assert_eq!(tried, 2 * (8 + 256 + 256 + 1));
}

fn key_text(number: u8) -> String {
    master_key(number).to_text().expose_str().unwrap().to_owned()
}

fn key_fault(text: &str) -> KeyError {
    match text.parse::<MasterKey>() {
        Err(error) => error,
        Ok(_) => panic!("parsed"),
    }
}

#[test]
fn a_key_text_is_written_as_the_format_says() {
    let mut key = [1; 32];
    key[31] = !1;
    let checksum = sha256(&[b"sw1/key".as_slice(), &key].concat());
    let expected = format!("swk1_{}", base64url(&[key.as_slice(), &checksum[..4]].concat()));
    assert!(key_text(1) == expected, "wrong text");
    assert_eq!(expected.len(), 53);
    assert_eq!(expected.parse::<MasterKey>().unwrap().check_value(), master_key(1).check_value());
}

#[test]
fn a_key_text_with_anything_around_it_is_refused() {
    let text = key_text(1);
    let upper = text.to_uppercase();
    let hex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let rows: Vec<(&str, String)> = vec![
        ("nothing", String::new()),
        ("a newline at the end", format!("{text}\n")),
        ("CRLF at the end", format!("{text}\r\n")),
        ("a space at the end", format!("{text} ")),
        ("a space in front", format!(" {text}")),
        ("a tab in front", format!("\t{text}")),
        ("a NUL at the end", format!("{text}\0")),
        ("a byte order mark", format!("\u{feff}{text}")),
        ("a no-break space", format!("{text}\u{a0}")),
        ("quotes", format!("\"{text}\"")),
        ("single quotes", format!("'{text}'")),
        ("a name in front", format!("SEALWAX_KEY={text}")),
        ("padding", format!("{text}=")),
        ("one character more", format!("{text}A")),
        ("four characters more", format!("{text}AAAA")),
        ("twice", format!("{text}{text}")),
        ("upper case", upper),
        ("another prefix", text.replacen("swk1_", "swk2_", 1)),
        ("a prefix in upper case", text.replacen("swk1_", "SWK1_", 1)),
        ("a prefix with a hyphen", text.replacen("swk1_", "swk1-", 1)),
        ("no prefix", text.replacen("swk1_", "", 1)),
        ("the prefix alone", "swk1_".to_owned()),
        ("hex", hex.to_owned()),
        ("hex after the prefix", format!("swk1_{hex}")),
        ("base64 after the prefix", format!("swk1_{}=", base64url(&[9; 32]))),
        ("a key without a checksum", format!("swk1_{}", base64url(&[9; 32]))),
        ("a placeholder", "changeme".to_owned()),
    ];
    assert_eq!(rows.len(), 27);
    let mut surrounded = 0;
    for (name, text) in rows {
        match key_fault(&text) {
            KeyError::Surrounded { .. } => surrounded += 1,
            fault => assert_eq!(fault, KeyError::Malformed, "{name}"),
        }
    }
    assert_eq!(surrounded, 10, "white space, a byte order mark, quotes, a name");
}

#[test]
fn a_key_text_with_a_right_checksum_must_still_hold_a_key() {
    for byte in [0, 0x41, 0xff] {
        let key = [byte; 32];
        let checksum = sha256(&[b"sw1/key".as_slice(), &key].concat());
        let text = format!("swk1_{}", base64url(&[key.as_slice(), &checksum[..4]].concat()));
        assert_eq!(key_fault(&text), KeyError::Weak, "{byte:#04x}");
    }
    let text = format!("swk1_{}", base64url(&[&[1; 31][..], &[2], &[0; 4]].concat()));
    assert_eq!(key_fault(&text), KeyError::Checksum, "a checksum of zeros");
}

#[test]
fn every_truncation_of_a_key_text_is_refused() {
    let text = key_text(1);
    for len in 0..text.len() {
        assert_eq!(key_fault(&text[..len]), KeyError::Malformed, "the first {len} characters");
        let end = &text[len + 1..];
        assert_eq!(key_fault(end), KeyError::Malformed, "all but the first {}", len + 1);
    }
    assert_eq!(text.len(), 53);
}

#[test]
fn every_single_character_of_a_key_text_changed_deleted_or_doubled_is_refused() {
    let text = key_text(1);
    let (mut tried, mut of_another_kind) = (0, 0);
    for at in 0..text.len() {
        let (front, rest) = text.split_at(at);
        let (character, back) = rest.split_at(1);
        for other in (0..0x80_u8).map(char::from).chain(['\u{430}', '\u{ff11}', '\u{a0}']) {
            if character.starts_with(other) {
                continue;
            }
            let in_alphabet = BASE64URL.iter().any(|c| other == char::from(*c));
            let expected =
                if at >= 5 && in_alphabet { KeyError::Checksum } else { KeyError::Malformed };
            match key_fault(&format!("{front}{other}{back}")) {
                // The prefix that another kind of key has or may have, but not the same one in upper case.
                KeyError::OtherKind { expected: "swk1", .. } if at == 2 => {
                    assert!(other.is_ascii_alphabetic() && other != 'K', "{other:?}");
                    of_another_kind += 1;
                }
                // In place of the prefix is something that often comes before a text.
                KeyError::Surrounded { .. } if at < 5 => (),
                found => assert_eq!(found, expected, "character {at} as {other:?}"),
            }
            tried += 1;
        }
        assert_eq!(key_fault(&format!("{front}{back}")), KeyError::Malformed, "{at} deleted");
        let is_two_letters = at == 1 || at == 2;
        match key_fault(&format!("{front}{character}{character}{back}")) {
            KeyError::OtherKind { .. } if is_two_letters => of_another_kind += 1,
            found => assert_eq!(found, KeyError::Malformed, "{at} doubled"),
        }
        if let Some(next) = back.get(..1).filter(|next| *next != character) {
            let swapped = format!("{front}{next}{character}{}", &back[1..]);
            let expected = if at >= 5 { KeyError::Checksum } else { KeyError::Malformed };
            assert_eq!(key_fault(&swapped), expected, "{at} swapped with the next");
        }
    }
    assert_eq!(tried, 53 * (127 + 3));
    assert_eq!(of_another_kind, 50 + 2);
}
