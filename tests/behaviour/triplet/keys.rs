//! A key for rows is 32 bytes, or their hex or base64 and nothing around it, or one made by an explicit conversion.

use std::error::Error;

use sealwax::triplet::{Encoding, IvLen, Layout, TripletError, TripletKey};
use sealwax::{KeyError, Secret, Surrounding};

use crate::fixtures::{CREDENTIAL, base64url, sha256};
use crate::triplet::{IV16_ROW, KEY_HEX, Told, encoded, forms, key, parsed, told, written};

const KEY_BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Returns whether this is the key of the known rows.
fn is_the_key(key: &TripletKey) -> bool {
    let row = parsed(IV16_ROW, Layout::HEX_IV16_TAG_CIPHERTEXT);
    key.decrypt(&row).is_ok_and(|secret| secret == Secret::from(CREDENTIAL))
}

#[test]
fn a_key_of_bytes_is_taken_and_its_source_wiped_whatever_it_held() {
    let counting = |len: u8| (1..=len).collect::<Vec<u8>>();
    let mut one_differs = vec![7; 32];
    one_differs[31] = 8;
    let rows = [
        ("no byte", counting(0), Some("Length 0")),
        ("one byte", counting(1), Some("Length 1")),
        ("AES-128", counting(16), Some("Length 16")),
        ("31 bytes", counting(31), Some("Length 31")),
        ("33 bytes", counting(33), Some("Length 33")),
        ("64 bytes", counting(64), Some("Length 64")),
        ("a key in hex", KEY_HEX.as_bytes().to_vec(), Some("Length 64")),
        ("zeros", vec![0; 32], Some("Weak")),
        ("one repeated byte", vec![0xa5; 32], Some("Weak")),
        ("one byte that differs", one_differs, None),
        ("a key", counting(32), None),
        ("the key", (0..32).collect(), None),
    ];
    for (name, mut source, expected) in rows {
        let found = TripletKey::from_bytes(&mut source);
        assert!(source.iter().all(|byte| *byte == 0), "{name}: its source is not wiped");
        let told = found.as_ref().err().map(|error| match error {
            KeyError::Length { expected: 32, found, .. } => format!("Length {found}"),
            KeyError::Weak => "Weak".to_owned(),
            other => panic!("{other}"),
        });
        assert_eq!(told.as_deref(), expected, "{name}");
        assert!(found.is_ok_and(|key| is_the_key(&key)) == (name == "the key"), "{name}");
    }
}

/// Returns texts that a reader of keys would accept if it ignored what people and tools put around a key.
fn around(text: &str) -> Vec<String> {
    let strays = ["\n", "\r\n", " ", "\t", "\0", "\"", "'", "\u{feff}", "\u{a0}", "=", "0", "A"];
    let mut faulty = vec![String::new(), "null".to_owned(), text.repeat(2)];
    for stray in strays {
        let [first, last] = [&text[stray.len()..], &text[..text.len() - stray.len()]];
        // Added, and in place of as many bytes, so that the length stays right.
        faulty.extend([format!("{stray}{text}"), format!("{text}{stray}")]);
        faulty.push(format!("{stray}{text}{stray}"));
        if !matches!(stray, "=" | "0" | "A") {
            faulty.extend([format!("{stray}{first}"), format!("{last}{stray}")]);
        }
    }
    for at in 0..text.len() {
        for stray in ["!", ":", "g!", "\u{430}", "\u{ff11}"] {
            let end = (at + stray.len()).min(text.len());
            faulty.push(format!("{}{stray}{}", &text[..at], &text[end..]));
        }
    }
    faulty
}

/// Asserts that a text is not in the encoding. What surrounds it is named if the text has more characters than a key,
/// and only then.
fn refused(found: Result<TripletKey, KeyError>, text: &str, len: usize, what: &str) {
    let error = found.unwrap_err();
    let at_both = [" ", "\n", "\t", "\r", "\"", "'", "\u{a0}"];
    let is_marked = at_both.iter().any(|mark| text.starts_with(mark) || text.ends_with(mark))
        || ["\u{feff}", "0x", "\\x"].iter().any(|mark| text.starts_with(mark));
    match error {
        // The rest is long enough, or not a character of a key.
        KeyError::Surrounded { surrounding: Surrounding::Path, .. } => panic!("{what}: {error}"),
        KeyError::Surrounded { surrounding: Surrounding::Assignment, .. } => {
            assert!(text.len() > len + 1, "{what}: {error}");
        }
        KeyError::Surrounded { .. } => assert!(text.len() > len, "{what}: {error}"),
        KeyError::Encoding { .. } => assert!(text.len() <= len || !is_marked, "{what}: {error}"),
        other => panic!("{what}: {other}"),
    }
}

/// A variable's name is named only where what follows it is long enough for a key: base64 ends in `=` too.
#[test]
fn a_variable_in_front_of_a_key_is_named() {
    let hinted = |found: Result<TripletKey, KeyError>| match found.unwrap_err() {
        KeyError::Surrounded { surrounding, .. } => Some(surrounding),
        _ => None,
    };
    let hex = |text: &str| hinted(TripletKey::from_hex(text));
    let base64 = |text: &str| hinted(TripletKey::from_base64(text));
    assert_eq!(hex(&format!("KEY={KEY_HEX}")), Some(Surrounding::Assignment));
    assert_eq!(hex(&format!("KEY={}", &KEY_HEX[..63])), None);
    assert_eq!(base64(&format!("KEY={KEY_BASE64}")), Some(Surrounding::Assignment));
    assert_eq!(base64(&format!("KEY={}", &KEY_BASE64[..43])), None);
}

#[test]
fn a_key_in_hex_is_sixty_four_digits_and_nothing_around_them() {
    let mixed = KEY_HEX.replace('a', "A").replace("1f", "1F");
    for text in [KEY_HEX, &KEY_HEX.to_uppercase(), &mixed] {
        assert!(is_the_key(&TripletKey::from_hex(text).unwrap()));
    }
    let mut faulty = around(KEY_HEX);
    faulty.extend([&KEY_HEX[1..], &KEY_HEX[2..], &KEY_HEX[..32], KEY_BASE64].map(str::to_owned));
    faulty.extend(["0x", "0X", "\\x", "h'"].map(|prefix| format!("{prefix}{KEY_HEX}")));
    faulty.extend(["0x", "0X", "\\x"].map(|prefix| format!("{prefix}{}", &KEY_HEX[2..])));
    faulty.extend([format!("{KEY_HEX}00"), KEY_HEX.replace('0', "O"), KEY_HEX.replace('1', "l")]);
    faulty.push(KEY_HEX[..62].replace("0a", "0a:"));
    assert_eq!(faulty.len(), 3 + 12 * 3 + 9 * 2 + 64 * 5 + 4 + 4 + 3 + 3 + 1);
    for (i, text) in faulty.iter().enumerate() {
        refused(TripletKey::from_hex(text), text, 64, &format!("text {i}"));
    }
    for weak in ["0".repeat(64), "a".repeat(64), "5c".repeat(32), "Ff".repeat(32)] {
        assert_eq!(TripletKey::from_hex(&weak).unwrap_err(), KeyError::Weak);
    }
}

#[test]
fn a_key_in_base64_is_forty_four_characters_and_nothing_around_them() {
    assert!(is_the_key(&TripletKey::from_base64(KEY_BASE64).unwrap()));
    // Both characters that the other alphabet lacks.
    let signs = format!("{}8=", "+/".repeat(21));
    assert!(TripletKey::from_base64(&signs).is_ok());

    let unpadded = &KEY_BASE64[..43];
    let key: Vec<u8> = (0..32).collect();
    let mut faulty = around(KEY_BASE64);
    faulty.extend([unpadded, KEY_HEX, &KEY_HEX[..44], &"=".repeat(44)].map(str::to_owned));
    faulty.extend([signs.replace('+', "-"), signs.replace('/', "_"), signs.replace("8=", "8")]);
    // Two unused bits.
    faulty.extend(["9", "+", "/"].map(|last| format!("{}{last}=", &KEY_BASE64[..42])));
    for bytes in [&key[..16], &key[..24], &key[..31], &[&key[..], &[9]].concat(), &key.repeat(2)] {
        faulty.push(encoded(Encoding::Base64, bytes));
    }
    faulty.push(base64url(&key));
    faulty.push(format!("{}\n{}", &KEY_BASE64[..22], &KEY_BASE64[22..]));
    assert_eq!(faulty.len(), 3 + 12 * 3 + 9 * 2 + 44 * 5 + 4 + 3 + 3 + 5 + 2);
    for (i, text) in faulty.iter().enumerate() {
        refused(TripletKey::from_base64(text), text, 44, &format!("text {i}"));
    }
    for weak in [0, 0x5c, 0xff].map(|byte| encoded(Encoding::Base64, &[byte; 32])) {
        assert_eq!(TripletKey::from_base64(&weak).unwrap_err(), KeyError::Weak);
    }
}

#[test]
fn a_key_in_base64url_is_forty_three_characters_or_forty_four_and_nothing_around_them() {
    let unpadded = &KEY_BASE64[..43];
    let signs = format!("{}8", "-_".repeat(21));
    for text in [KEY_BASE64, unpadded] {
        assert!(is_the_key(&TripletKey::from_base64url(text).unwrap()));
    }
    for text in [&signs, &format!("{signs}=")] {
        assert!(TripletKey::from_base64url(text).is_ok());
    }
    let key: Vec<u8> = (0..32).collect();
    let mut faulty = around(KEY_BASE64);
    faulty.extend([&KEY_BASE64[..42], KEY_HEX, &KEY_HEX[..43], &KEY_HEX[..44]].map(str::to_owned));
    faulty.extend([signs.replace('-', "+"), signs.replace('_', "/"), "=".repeat(44)]);
    // Two unused bits.
    faulty.extend(["9", "-", "_"].map(|last| format!("{}{last}", &KEY_BASE64[..42])));
    for bytes in [&key[..16], &key[..24], &key[..31], &[&key[..], &[9]].concat(), &key.repeat(2)] {
        faulty.push(base64url(bytes));
    }
    // One of those around the text without padding is the padding.
    faulty.extend(around(unpadded).into_iter().filter(|text| text != KEY_BASE64));
    let [around_both, others] = [3 * 2 + 12 * 3 * 2 + 9 * 2 * 2 + (44 + 43) * 5 - 1, 4 + 3 + 3 + 5];
    assert_eq!(faulty.len(), around_both + others);
    for (i, text) in faulty.iter().enumerate() {
        let len = if text.len() == 44 && text.ends_with('=') { 44 } else { 43 };
        refused(TripletKey::from_base64url(text), text, len, &format!("text {i}"));
    }
    for weak in [0, 0x5c, 0xff].map(|byte| base64url(&[byte; 32])) {
        assert_eq!(TripletKey::from_base64url(&weak).unwrap_err(), KeyError::Weak);
    }
}

#[test]
fn a_hashed_key_is_that_of_the_text_as_it_stands() {
    let rows = [
        // From NIST's examples for FIPS 180-4.
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        // From Node: createHash('sha256').update('ключ').digest('hex').
        ("ключ", "1de36a32af798da0c1ac9297603a320ed8fe567cf21c9177112a4ce914ebb8be"),
    ];
    for (text, hash) in rows {
        let row = TripletKey::from_hex(hash).unwrap().encrypt(&"s".into(), IvLen::Twelve).unwrap();
        let opens = |text: &str| TripletKey::insecure_sha256_of(text).decrypt(&row).is_ok();
        assert!(opens(text), "{text:?}");
        let others = ["{}\n", "{}\r\n", " {}", "{} ", "\"{}\"", "{}\0", "\u{feff}{}", "{}="];
        for other in others.map(|other| other.replace("{}", text)) {
            assert!(!opens(&other), "{other:?}");
        }
    }
    // From Node, whose key is createHash('sha256').update('correct horse\n').digest().
    let row = "505152535455565758595a5b:293994ae56853986bd3319a6efe0cdd0:c714";
    let row = parsed(row, Layout::HEX_IV12_TAG_CIPHERTEXT);
    let decrypt = |text| TripletKey::insecure_sha256_of(text).decrypt(&row);
    assert_eq!(decrypt("correct horse\n").unwrap(), Secret::from("sk"));
    assert_eq!(told(&decrypt("correct horse")), Told::NotAuthentic);
    // A text that is a key in hex is hashed all the same.
    let hashed = TripletKey::from_bytes(&mut sha256(KEY_HEX.as_bytes())).unwrap();
    let row = hashed.encrypt(&"s".into(), IvLen::Sixteen).unwrap();
    assert!(TripletKey::insecure_sha256_of(KEY_HEX).decrypt(&row).is_ok());
}

#[test]
fn a_repeated_byte_is_a_key_where_it_is_asked_for() {
    // The credential under 64 zeros, from Node, and checked with Python's `cryptography`.
    let row = "404142434445464748494a4b4c4d4e4f:1a42e56fb70cf66d555b5bdde5af1dcb:\
        12d768963fc973cf3270c7c16904987cffe71924ecfdca15cf17c3bd1d07c2a212d4a6e803592c2800d3d8498c\
        aa01643147d8";
    let row = parsed(row, Layout::HEX_IV16_TAG_CIPHERTEXT);
    let zeros = TripletKey::insecure_repeated_byte(0);
    assert_eq!(zeros.decrypt(&row).unwrap(), Secret::from(CREDENTIAL));
    let mut opened = 0;
    for byte in 0..=255 {
        let key = TripletKey::insecure_repeated_byte(byte);
        opened += usize::from(key.decrypt(&row).is_ok());
        let own = key.encrypt(&"s".into(), IvLen::Twelve).unwrap();
        assert_eq!(key.decrypt(&own).unwrap(), Secret::from("s"), "{byte}");
    }
    assert_eq!(opened, 1);
}

#[test]
fn a_key_of_another_row_is_unwrapped_where_it_is_one() {
    let mut tried = 0;
    for form in forms() {
        let layout = form.layout();
        let wrap = |bytes: &[u8]| written(form.iv_len, bytes).encode(layout).unwrap();
        let unwrap = |text: &str| key().unwrap_key(&parsed(text, layout));
        let mut bytes: Vec<u8> = (0x61..0x81).collect();
        let wrapped = wrap(&bytes);
        let data_key = TripletKey::from_bytes(&mut bytes).unwrap();
        let row = data_key.encrypt(&CREDENTIAL.into(), form.iv_len).unwrap();
        assert_eq!(told(&key().decrypt(&row)), Told::NotAuthentic);
        assert_eq!(unwrap(&wrapped).unwrap().decrypt(&row).unwrap(), Secret::from(CREDENTIAL));
        let other = data_key.unwrap_key(&parsed(&wrapped, layout));
        assert_eq!(told(&other), Told::NotAuthentic, "{form:?}, under another key");

        // A plaintext of another length is not a key, for any key that is asked: it is rejected before a key is used.
        for len in [0, 2, 16, 31, 33, 64] {
            let bytes: Vec<u8> = (1..=len).collect();
            let row = parsed(&wrap(&bytes), layout);
            for asked in [key(), &data_key] {
                let error = asked.unwrap_key(&row).unwrap_err().to_string();
                let expected = "invalid ciphertext at byte 0: expected a wrapped key of 32 bytes";
                assert_eq!(error, expected, "{form:?}, {len}");
            }
            assert_eq!(key().decrypt(&row).unwrap(), Secret::from(bytes), "{form:?}, {len}");
            tried += 1;
        }
        for byte in [0, 0xa5] {
            let error = unwrap(&wrap(&[byte; 32])).unwrap_err();
            let TripletError::Key { source: KeyError::Weak, .. } = error else {
                panic!("{form:?}: {error}")
            };
            assert_eq!(error.source().unwrap().to_string(), KeyError::Weak.to_string());
            tried += 1;
        }
    }
    assert_eq!(tried, 120 * 8);
}
