//! Each field has its limits, which are the same in both forms; an error for exceeding one names the field and the
//! position.

use sealwax::{Draft, Envelope, Field, KeyId, Secret, Suite, WrapKind, WrappedKey};

use crate::bad_input::{
    Fault, ID_AT, ID_LEN_AT, WRAP_AT, WRAP_LEN_AT, binary_fault, fault, text_fault,
};
use crate::fixtures::{CREDENTIAL, Counting, Parts, acme, base64url, key_id, sealed};

#[test]
fn a_key_id_is_one_to_128_characters_of_its_alphabet() {
    let longest = "k".repeat(128);
    for id in ["a", "Z", "0", "tenant/42@3", "a._-/@", "prod-2026", &longest] {
        assert_eq!(id.parse::<KeyId>().unwrap().as_ref(), id);
    }
    let mut tried = 0;
    // Every byte, at the start and later.
    for byte in 0..=u8::MAX {
        let envelope = sealed(Suite::default(), 3);
        for (at, alphabet) in [(0, ""), (1, "._-/@")] {
            let allowed = byte.is_ascii_alphanumeric() || alphabet.as_bytes().contains(&byte);
            let mut bytes = envelope.as_bytes().to_vec();
            bytes[ID_AT + at] = byte;
            match Envelope::from_bytes(&bytes) {
                Ok(_) => assert!(allowed, "byte {byte:#04x} at {at} of a key id"),
                Err(error) => {
                    assert!(!allowed, "byte {byte:#04x} at {at} of a key id");
                    assert_eq!(fault(&error), (Field::KeyId, ID_AT), "byte {byte:#04x} at {at}");
                }
            }
            if byte.is_ascii() {
                let id = String::from_utf8(bytes[ID_AT..WRAP_LEN_AT].to_vec()).unwrap();
                let expected = (Field::KeyId, at);
                match id.parse::<KeyId>() {
                    Ok(parsed) => assert!(allowed && parsed.as_ref() == id, "{byte:#04x} at {at}"),
                    Err(error) => assert_eq!(fault(&error), expected, "{byte:#04x} at {at}"),
                }
            }
            tried += 1;
        }
    }
    assert_eq!(tried, 512);
    let too_long = "k".repeat(129);
    let rows = [
        ("", 0),
        ("../x", 0),
        ("/x", 0),
        (".", 0),
        ("-rf", 0),
        ("@home", 0),
        ("_x", 0),
        ("a b", 1),
        ("a\0", 1),
        ("a\n", 1),
        ("a=b", 1),
        ("a,b", 1),
        ("a:b", 1),
        ("pr\u{43e}d", 2),
        ("caf\u{e9}", 3),
        ("\u{ff41}", 0),
        (too_long.as_str(), 128),
    ];
    for (id, offset) in rows {
        assert_eq!(fault(&id.parse::<KeyId>().unwrap_err()), (Field::KeyId, offset), "{id:?}");
        assert_eq!(fault(&KeyId::try_from(id).unwrap_err()), (Field::KeyId, offset), "{id:?}");
    }
}

#[test]
fn each_fault_of_the_binary_form_is_named_with_its_field_and_place() {
    let envelope = sealed(Suite::default(), 3);
    let row = envelope.as_bytes();
    let parts = Parts::of(&envelope);
    let with_byte = |at: usize, byte: u8| {
        let mut bytes = row.to_vec();
        bytes[at] = byte;
        bytes
    };
    let with_ids = |ids: &[&str]| {
        let mut changed = parts.clone();
        changed.wraps = ids.iter().map(|id| ((*id).to_owned(), parts.wraps[0].1.clone())).collect();
        changed.binary()
    };
    let with_wrapped = |wrapped: &[u8]| {
        let mut changed = parts.clone();
        changed.wraps[0].1 = wrapped.to_vec();
        changed.binary()
    };
    let with_len = |len: u16| {
        let mut bytes = row.to_vec();
        bytes[WRAP_LEN_AT..WRAP_AT].copy_from_slice(&len.to_be_bytes());
        bytes
    };
    let many: Vec<String> = (0..255_u8).map(|i| format!("k{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let second_at = WRAP_AT + 61;
    let commitment_at = second_at + 1 + "dr".len() + 2 + 61;

    let rows: Vec<(&str, Vec<u8>, Fault)> = vec![
        ("nothing", vec![], (Field::Prefix, 0)),
        ("half the magic", b"S".to_vec(), (Field::Prefix, 0)),
        ("the magic alone", b"SW".to_vec(), (Field::Prefix, 2)),
        ("another magic", with_byte(0, b's'), (Field::Prefix, 0)),
        ("no suite", row[..3].to_vec(), (Field::Suite, 3)),
        ("suite 0", with_byte(3, 0), (Field::Suite, 3)),
        ("an unknown suite", with_byte(3, 3), (Field::Suite, 3)),
        ("suite 255", with_byte(3, 255), (Field::Suite, 3)),
        ("no number of wraps", row[..4].to_vec(), (Field::WrapCount, 4)),
        ("0 wraps", with_ids(&[]), (Field::WrapCount, 4)),
        ("9 wraps", with_ids(&many[..9]), (Field::WrapCount, 4)),
        ("255 wraps", with_ids(&many), (Field::WrapCount, 4)),
        ("0 wraps said, 2 there", with_byte(4, 0), (Field::WrapCount, 4)),
        ("255 wraps said, 2 there", with_byte(4, 255), (Field::WrapCount, 4)),
        ("a key id of 0 bytes", with_ids(&[""]), (Field::KeyId, ID_AT)),
        ("a key id of 129 bytes", with_ids(&[&"k".repeat(129)]), (Field::KeyId, ID_AT)),
        ("a key id of 255 bytes", with_ids(&[&"k".repeat(255)]), (Field::KeyId, ID_AT)),
        ("a key id that climbs", with_ids(&["../x"]), (Field::KeyId, ID_AT)),
        ("a key id with a NUL", with_ids(&["pr\0d"]), (Field::KeyId, ID_AT)),
        ("a key id that is not UTF-8", with_byte(ID_AT + 2, 0xff), (Field::KeyId, ID_AT)),
        ("a key id in UTF-8", with_ids(&["pr\u{43e}d"]), (Field::KeyId, ID_AT)),
        ("one key id twice", with_ids(&["prod", "prod"]), (Field::KeyId, second_at)),
        ("no key id", row[..ID_LEN_AT].to_vec(), (Field::KeyId, ID_LEN_AT)),
        ("half a key id", row[..ID_AT + 2].to_vec(), (Field::KeyId, ID_AT)),
        ("no wrap", row[..WRAP_LEN_AT].to_vec(), (Field::WrappedKey, WRAP_LEN_AT)),
        ("half a wrap's length", row[..WRAP_LEN_AT + 1].to_vec(), (Field::WrappedKey, WRAP_LEN_AT)),
        ("half a wrap", row[..WRAP_AT + 40].to_vec(), (Field::WrappedKey, WRAP_AT)),
        ("a wrap of 0 bytes", with_wrapped(&[]), (Field::WrappedKey, WRAP_AT)),
        ("a wrap of its kind alone", with_wrapped(&[1]), (Field::WrappedKey, WRAP_AT)),
        ("a wrap of kind 0", with_byte(WRAP_AT, 0), (Field::WrappedKey, WRAP_AT)),
        ("a wrap of 0 bytes said", with_len(0), (Field::WrappedKey, WRAP_AT)),
        ("a wrap of 65535 bytes said", with_len(u16::MAX), (Field::WrappedKey, WRAP_AT)),
        (
            "the second wrap of kind 0",
            with_byte(second_at + 5, 0),
            (Field::WrappedKey, second_at + 5),
        ),
        (
            "half a commitment",
            row[..commitment_at + 31].to_vec(),
            (Field::Commitment, commitment_at),
        ),
        ("half a MAC", row[..commitment_at + 47].to_vec(), (Field::Mac, commitment_at + 32)),
        ("half an IV", row[..commitment_at + 59].to_vec(), (Field::Iv, commitment_at + 48)),
        ("half a tag", row[..commitment_at + 75].to_vec(), (Field::Tag, commitment_at + 60)),
    ];
    assert_eq!(rows.len(), 37);
    for (name, bytes, expected) in rows {
        assert_eq!(binary_fault(&bytes), expected, "{name}");
    }
    // The shortest possible envelope.
    let least = &row[..commitment_at + 76];
    assert_eq!(Envelope::from_bytes(least).unwrap().ciphertext(), b"");
}

#[test]
fn the_text_form_keeps_every_limit_of_the_binary_form() {
    let envelope = sealed(Suite::default(), 3);
    let parts = Parts::of(&envelope);
    assert_eq!(parts.text(), envelope.to_string(), "the parts are put together as the format says");
    assert_eq!(parts.binary(), envelope.as_bytes());
    let wraps_at = "sw1:a256gcm:".len();
    let with_wraps = |wraps: &str| {
        let text = parts.text();
        let fields: Vec<&str> = text.split(':').collect();
        [&fields[..2], &[wraps], &fields[3..]].concat().join(":")
    };
    let wrapped = base64url(&parts.wraps[0].1);
    let nine: Vec<String> = (0..9).map(|i| format!("k{i}={wrapped}")).collect();
    let ninth_at = wraps_at + 8 * (nine[0].len() + 1);
    let many: Vec<String> = (0..70_000).map(|i| format!("{i:05}={wrapped}")).collect();
    let too_long = base64url(&vec![1; 65_536]);
    let rows: Vec<(&str, String, Fault)> = vec![
        ("0 wraps", String::new(), (Field::WrappedKey, wraps_at)),
        ("a comma alone", ",".to_owned(), (Field::WrappedKey, wraps_at)),
        ("9 wraps", nine.join(","), (Field::WrapCount, ninth_at)),
        ("70 000 wraps", many.join(","), (Field::WrapCount, wraps_at + 8 * (many[0].len() + 1))),
        ("8 wraps and a comma", format!("{},", nine[..8].join(",")), (Field::WrapCount, ninth_at)),
        ("a comma after a wrap", format!("prod={wrapped},"), (Field::WrappedKey, wraps_at + 88)),
        ("no id", format!("={wrapped}"), (Field::KeyId, wraps_at)),
        ("no wrapped key", "prod=".to_owned(), (Field::WrappedKey, wraps_at + 5)),
        ("an id alone", "prod".to_owned(), (Field::WrappedKey, wraps_at)),
        ("a wrap of its kind alone", "prod=AQ".to_owned(), (Field::WrappedKey, wraps_at + 5)),
        ("a wrap of 65536 bytes", format!("prod={too_long}"), (Field::WrappedKey, wraps_at + 5)),
        ("an id of 129", format!("{}={wrapped}", "k".repeat(129)), (Field::KeyId, wraps_at)),
        ("an id of 255", format!("{}={wrapped}", "k".repeat(255)), (Field::KeyId, wraps_at)),
        ("an id that climbs", format!("../x={wrapped}"), (Field::KeyId, wraps_at)),
        ("a wrap of kind 0", "prod=AAAA".to_owned(), (Field::WrappedKey, wraps_at + 5)),
    ];
    assert_eq!(rows.len(), 15);
    for (name, wraps, expected) in rows {
        assert_eq!(text_fault(&with_wraps(&wraps)), expected, "{name}");
    }
    let longest = base64url(&vec![1; 65_535]);
    let parsed: Envelope = with_wraps(&format!("prod={longest}")).parse().unwrap();
    assert_eq!(parsed.wrapped_keys().next().unwrap().body().len(), 65_534);
    let parsed: Envelope = with_wraps(&nine[..8].join(",")).parse().unwrap();
    assert_eq!(parsed.key_ids().count(), 8);
}

/// The error for the text form points to the start of the invalid wrap, as for the binary form.
#[test]
fn a_fault_in_a_later_wrap_is_placed_at_that_wrap_in_the_text_form() {
    let parts = Parts::of(&sealed(Suite::default(), 3));
    let second_at = "sw1:a256gcm:prod=,".len() + base64url(&parts.wraps[0].1).len();
    let mut twice = parts.clone();
    twice.wraps[1].0 = "prod".to_owned();
    assert_eq!(text_fault(&twice.text()), (Field::KeyId, second_at), "an id twice");
    let mut kind = parts;
    kind.wraps[1].1[0] = 0;
    let expected = (Field::WrappedKey, second_at + "dr=".len());
    assert_eq!(text_fault(&kind.text()), expected, "kind 0");
}

#[test]
fn a_wrap_has_a_body_of_1_to_65534_bytes() {
    for (len, fits) in [(0, false), (1, true), (60, true), (65_534, true), (65_535, false)] {
        let made = WrappedKey::new(key_id("prod"), WrapKind::Provider, &vec![7; len]);
        match made {
            Ok(made) => assert!(fits && made.body().len() == len, "{len} bytes"),
            Err(error) => {
                assert_eq!(fault(&error), (Field::WrappedKey, 0), "{len} bytes");
                assert!(!fits, "{len} bytes");
            }
        }
    }
}

#[test]
fn a_draft_takes_1_to_8_wraps_and_no_id_twice() {
    let draft = || {
        let secret = Secret::from(CREDENTIAL);
        Draft::new_with_rng(&secret, &acme(), Suite::default(), &mut Counting(1)).unwrap()
    };
    let wraps = |count: usize| -> Vec<WrappedKey> {
        let wrapped =
            |i| WrappedKey::new(key_id(&format!("k{i}")), WrapKind::Provider, b"body").unwrap();
        (0..count).map(wrapped).collect()
    };
    for count in [1, 2, 8] {
        assert_eq!(draft().finish(wraps(count)).unwrap().wrapped_keys().count(), count);
    }
    for count in [0, 9, 255, 256, 257] {
        let error = draft().finish(wraps(count)).unwrap_err();
        assert_eq!(fault(&error), (Field::WrapCount, 4), "{count} wraps");
    }
    let twice = [wraps(2), wraps(1)].concat();
    let at = 5 + 2 * (1 + 2 + 2 + 5);
    assert_eq!(fault(&draft().finish(twice).unwrap_err()), (Field::KeyId, at), "k0 twice");
}
