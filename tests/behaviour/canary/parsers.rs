//! No parser of envelopes, words, keys, keyrings or contexts shows its input in an error.

use sealwax::{
    ContextError, DataKey, EncryptionContext, Envelope, KeyError, KeyId, KeyState, Keyring,
    KeyringError, LineProblem, MasterKey, ProviderError, Suite, WrapKind, WrappedKey,
};

use sealwax::companion::parse_key_lines;

use crate::canary::{
    DRAWN, OTHER, PLAINTEXT, PRIMARY, RETIRED, Shown, key, key_text, row, scanner, scanner_of,
};
use crate::fixtures::{Scripted, key_id};

/// Parses texts and bytes that are not an envelope, with a secret in every field of one.
#[test]
fn no_parser_of_an_envelope_or_of_its_words_shows_its_input() {
    let mut shown = Shown::default();
    let mut refused = 0;
    let inputs =
        [PLAINTEXT.to_owned(), PLAINTEXT[..11].to_owned(), key_text(PRIMARY), "q7Zx-".repeat(40)];
    let sealed = row(Suite::default()).to_string();
    let fields: Vec<&str> = sealed.split(':').collect();
    assert_eq!(fields.len(), 7);
    for input in &inputs {
        let mut texts = vec![
            input.clone(),
            format!("\"{input}\""),
            format!("{{\"key\":\"{input}\"}}"),
            format!("Bearer {input}"),
            format!("sw1:{input}"),
            format!("sw2:{input}"),
            format!("sw1:a256gcm:prod={input}"),
            format!("{input}:{input}:{input}"),
            format!("{sealed}:{input}"),
            format!("{sealed}{input}="),
            format!("sw1:a256gcm:{input}={}", fields[2..].join(":")),
            sealed.replacen("prod=", &format!("{input}:="), 1),
            sealed.replacen("prod=", &format!("prod={input}="), 1),
        ];
        for field in 0..7 {
            for changed in [format!("{input}="), format!("{}{input}", fields[field])] {
                let mut fields = fields.clone();
                fields[field] = &changed;
                texts.push(fields.join(":"));
            }
        }
        for text in texts {
            // A longer wrap or ciphertext still parses.
            if let Err(error) = text.parse::<Envelope>() {
                shown.variant("FormatError", "an envelope's text", &error);
                refused += 1;
            }
            shown.error("a suite", &text.parse::<Suite>().unwrap_err());
        }

        let bytes = input.as_bytes();
        let fronts: [&[u8]; 9] = [
            b"",
            b"SW",
            b"SW\x01",
            b"SW\x01\x01",
            b"SW\x01\x01\x01",
            b"SW\x01\x01\x01\xff",
            b"SW\x01\x01\x01\x08",
            b"SW\x01\x01\x01\x04prod\xff\xff",
            b"SW\x01\x01\x01\x04prod\0\x02\x02q",
        ];
        for front in fronts {
            let bytes = [front, bytes, b"\0\0\0"].concat();
            // If it is long enough, the last one is an envelope.
            if let Err(error) = Envelope::from_bytes(&bytes) {
                shown.variant("FormatError", "an envelope's bytes", &error);
                refused += 1;
            }
        }
        let spaced = format!("{input} ");
        shown.variant("FormatError", "a key id", &spaced.parse::<KeyId>().unwrap_err());
        let long = input.repeat(7000);
        let body = WrappedKey::new(key_id("prod"), WrapKind::Provider, long.as_bytes());
        shown.variant("FormatError", "a wrapped key", &body.unwrap_err());
    }
    assert!(refused > 100, "{refused}");
    shown.assert_variants("FormatError", &["Malformed", "NewerVersion"]);
    shown.assert_clean(&scanner_of(&inputs), 1000);
}

#[test]
fn no_error_over_keys_and_contexts_shows_a_secret() {
    let mut shown = Shown::default();

    let long = PLAINTEXT.repeat(21);
    let contexts: [Vec<(String, String)>; 4] = [
        vec![(long.clone(), PLAINTEXT.to_owned())],
        vec![(PLAINTEXT.to_owned(), long)],
        vec![(PLAINTEXT.to_owned(), PLAINTEXT.to_owned()); 2],
        vec![(PLAINTEXT.to_owned(), PLAINTEXT.to_owned()); 33],
    ];
    for pairs in contexts {
        let error: ContextError = EncryptionContext::new(pairs).unwrap_err();
        shown.variant("ContextError", "a context", &error);
    }

    for len in [0, 1, 16, 31] {
        let error = MasterKey::from_bytes(&mut PRIMARY[..len].to_vec()).unwrap_err();
        shown.variant("KeyError", "a short master key", &error);
        let error = DataKey::from_bytes(&mut DRAWN[..len].to_vec()).unwrap_err();
        shown.variant("KeyError", "a short data key", &error);
        shown.variant("ProviderError", "a provider's data key", &ProviderError::from(error));
    }
    shown.variant(
        "KeyError",
        "a long data key",
        &DataKey::from_bytes(&mut DRAWN.to_vec()).unwrap_err(),
    );
    shown.variant("KeyError", "a weak key", &MasterKey::from_bytes(&mut [b'q'; 32]).unwrap_err());
    let text = key_text(PRIMARY);
    let mut mistyped = vec![text[..52].to_owned(), format!("{text}="), format!("\"{text}\"")];
    mistyped.extend([format!("{text}\n"), text[5..].to_owned(), PLAINTEXT.to_owned()]);
    for place in 5..text.len() {
        let other = if &text[place..=place] == "A" { "B" } else { "A" };
        let mut text = text.clone();
        text.replace_range(place..=place, other);
        mistyped.push(text);
    }
    assert_eq!(mistyped.len(), 6 + 48);
    for text in mistyped {
        let error = text.parse::<MasterKey>().unwrap_err();
        let is_told =
            matches!(error, KeyError::Malformed | KeyError::Checksum | KeyError::Surrounded { .. });
        assert!(is_told, "{error}");
        shown.variant("KeyError", "a mistyped key", &error);
    }
    let error = MasterKey::generate_with_rng(&mut Scripted(vec![])).unwrap_err();
    shown.variant("KeyError", "a generated key", &error);

    let (one, two, cut) = (key_text(PRIMARY), key_text(RETIRED), &key_text(OTHER)[..40]);
    let another = |i: u8| {
        let mut key = *RETIRED;
        key[0] ^= i;
        key_text(&key)
    };
    let escrows: String = (1..9).map(|i| format!("escrow e{i} {}\n", another(i))).collect();
    let test_key = MasterKey::generate_for_tests(1);
    let rings = [
        one.clone(),
        format!("prod {one}"),
        format!("primary {one}"),
        format!("primary prod {one} {two}"),
        format!("primary prod {cut}"),
        format!("primary prod \"{one}\""),
        format!("primary prod {one} # {two}"),
        format!("primary prod\u{a0}{one}"),
        format!("primary\nprod {one}"),
        format!("primary prod\n{one}"),
        format!("primary ={one} {two}"),
        format!("disabled prod {cut}"),
        format!("retired prod {one}"),
        format!("primary prod {one}; primary old {two}"),
        format!("primary prod {one}; retired prod {two}"),
        format!("primary prod {one}; retired old {one}"),
        format!("primary {} {two}", &one[5..]),
        format!("primary prod {one}\n{escrows}"),
        format!("{PLAINTEXT} {PLAINTEXT}"),
        format!("primary {PLAINTEXT} {one}"),
        format!("primary prod {PLAINTEXT}"),
        format!("SEALWAX_KEYS={one}"),
        format!("# keys; primary prod {one}; retired old {two}"),
        format!("primary prod {}", one.replacen("swk1_", "swa1_", 1)),
        format!("primary test/prod {one}"),
        format!("primary prod {}", test_key.to_text().expose_str().unwrap()),
    ];
    for text in &rings {
        let error = text.parse::<Keyring>().unwrap_err();
        if let KeyringError::Line { problem, .. } = &error {
            shown.variant::<LineProblem>("LineProblem", "a keyring's line", problem);
        }
        shown.variant("KeyringError", "a keyring", &error);
    }
    let of_tests = Keyring::new(key_id("prod"), MasterKey::generate_for_tests(1));
    shown.variant("KeyringError", "a test key", &of_tests.unwrap_err());
    let other_state = parse_key_lines::<MasterKey>(&rings[14], &[KeyState::Primary]).unwrap_err();
    if let KeyringError::Line { problem, .. } = &other_state {
        shown.variant::<LineProblem>("LineProblem", "a state of other keys", problem);
    }
    let of_another_kind = one.replacen("swk1_", "swa1_", 1).parse::<MasterKey>().unwrap_err();
    shown.variant("KeyError", "a key of another kind", &of_another_kind);
    let built =
        Keyring::new(key_id("prod"), key(PRIMARY)).unwrap().with_disabled(key_id(&two[5..]));
    shown.variant("KeyringError", "a key in the place of an id", &built.unwrap_err());

    let reserved = [(format!("sw1/{PLAINTEXT}"), PLAINTEXT)];
    shown.variant("ContextError", "a name", &EncryptionContext::new(reserved).unwrap_err());
    for hosts in [&[][..], &[PLAINTEXT], &["a.example", "a.example"]] {
        let error = EncryptionContext::empty().with_hosts(hosts).unwrap_err();
        shown.variant("ContextError", "hosts", &error);
    }

    shown.assert_variants(
        "ContextError",
        &[
            "DuplicateHost",
            "DuplicateName",
            "Host",
            "NameLength",
            "NoHosts",
            "ReservedName",
            "TooManyPairs",
            "ValueLength",
        ],
    );
    shown.assert_variants(
        "KeyError",
        &["Checksum", "Length", "Malformed", "OtherKind", "Random", "Surrounded", "Weak"],
    );
    shown.assert_variants(
        "KeyringError",
        &[
            "DuplicateKey",
            "DuplicateKeyId",
            "KeyAsKeyId",
            "Line",
            "NoPrimary",
            "NotATestKey",
            "TestKey",
            "TooManyEscrows",
            "TwoPrimaries",
        ],
    );
    shown.assert_variants(
        "LineProblem",
        &[
            "Commented",
            "ExtraWord",
            "Key",
            "KeyId",
            "MissingKey",
            "OtherState",
            "StrayCharacter",
            "Surrounded",
            "UnknownState",
        ],
    );
    shown.assert_clean(&scanner(), 400);
}
