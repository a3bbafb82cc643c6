//! Checks the reference against the known answers, so that the fuzzers compare the crate with something that is itself
//! correct. A third implementation, in Python, made the answers.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::fuzz::reference::Key;
use super::fuzz::reference::context::{Pairs, encode};
use super::fuzz::reference::encoding::{hex, unhex};
use super::fuzz::reference::envelope::{Envelope, Refused};
use super::fuzz::reference::keyring::{Entry, Keyring, State};
use super::fuzz::reference::procedures::{self, Failure};

/// Returns the list with this name in a file of `tests/vectors`.
fn answers(file: &str, list: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    file[list].as_array().unwrap().clone()
}

fn text<'a>(answer: &'a Value, field: &str) -> &'a str {
    answer[field].as_str().unwrap_or_else(|| panic!("{answer} has no text field {field}"))
}

fn bytes(answer: &Value, field: &str) -> Vec<u8> {
    unhex(text(answer, field), false).unwrap()
}

/// The first key is the primary, the others are escrow keys.
fn keyring(keys: &Value) -> Keyring {
    let states = [State::Primary].into_iter().chain(std::iter::repeat(State::Escrow));
    let entry = |(key, state): (&Value, State)| {
        let material = Key::try_from(bytes(key, "key")).unwrap();
        Entry { state, id: text(key, "id").to_owned(), key: Some(material) }
    };
    keys.as_array().unwrap().iter().zip(states).map(entry).collect()
}

fn context(answer: &Value) -> Vec<u8> {
    let pairs = answer["context"].as_array().unwrap().iter().map(|pair| {
        let [name, value] = [0, 1].map(|place| pair[place].as_str().unwrap().to_owned());
        (name, value)
    });
    encode(&pairs.collect::<Pairs>()).unwrap()
}

#[test]
fn the_reference_makes_and_opens_the_known_answers() {
    let answers = answers("v1.json", "vectors");
    for answer in &answers {
        let (keyring, context) = (keyring(&answer["master_keys"]), context(answer));
        assert_eq!(hex(&context), text(answer, "context_encoded"));
        for (entry, key) in keyring.iter().zip(answer["master_keys"].as_array().unwrap()) {
            let check = procedures::check_value(&entry.key.unwrap());
            assert_eq!(hex(&check), text(key, "check"));
        }

        let suite = if text(answer, "suite") == "a256gcm" { 1 } else { 2 };
        let dek = Key::try_from(bytes(answer, "data_key")).unwrap();
        let iv = <[u8; 12]>::try_from(bytes(answer, "iv")).unwrap();
        let plaintext = bytes(answer, "plaintext");
        let mut sealed = procedures::seal(&keyring, suite, &context, &plaintext, &dek, &iv);
        // The wraps of a provider come last, and the MAC covers them.
        for opaque in answer["opaque"].as_array().unwrap() {
            let wrapped = [[2].as_slice(), &bytes(opaque, "body")].concat();
            sealed.wraps.push((text(opaque, "id").to_owned(), wrapped));
        }
        let sealed = procedures::with_mac(sealed, &dek);
        assert_eq!(hex(&sealed.binary()), text(answer, "binary"));
        assert_eq!(sealed.text(), text(answer, "text"));

        for parsed in [
            Envelope::from_binary(&bytes(answer, "binary")),
            Envelope::from_text(text(answer, "text")),
        ] {
            let parsed = parsed.unwrap();
            assert_eq!(parsed, sealed);
            assert_eq!(procedures::verify(&keyring, &parsed), Ok(()));
            assert_eq!(procedures::open(&keyring, &parsed, &context), Ok(plaintext.clone()));
        }
    }
    assert_eq!(answers.len(), 16);
}

#[test]
fn the_reference_refuses_what_has_to_be_refused_and_says_why() {
    let answers = answers("refused.json", "refused");
    let mut counts = std::collections::BTreeMap::new();
    for answer in &answers {
        let class = match Envelope::from_text(text(answer, "text")) {
            Err(Refused::Malformed) => "format",
            Err(Refused::Version(2..)) => "newer_version",
            Err(Refused::Version(version)) => panic!("version {version} is not newer"),
            Ok(envelope) => {
                let keyring = keyring(&answer["keys"]);
                match procedures::open(&keyring, &envelope, &context(answer)).unwrap_err() {
                    Failure::UnknownKey(_) => "unknown_key",
                    Failure::WrongWrapKind(_) => "wrong_wrap_kind",
                    Failure::WrongKeyMaterial(_) => "wrong_key_material",
                    Failure::WrapAltered(_) => "wrap_altered",
                    Failure::EnvelopeAltered => "envelope_altered",
                    Failure::ContextMismatch => "context_mismatch",
                    Failure::PayloadAltered => "payload_altered",
                    other => panic!("unexpected with a keyring of usable keys: {other:?}"),
                }
            }
        };
        assert_eq!(class, text(answer, "class"), "{}", text(answer, "name"));
        *counts.entry(class).or_insert(0) += 1;
    }
    let expected = [
        ("context_mismatch", 16),
        ("envelope_altered", 20),
        ("format", 108),
        ("newer_version", 8),
        ("payload_altered", 4),
        ("unknown_key", 4),
        ("wrap_altered", 22),
        ("wrong_key_material", 4),
        ("wrong_wrap_kind", 2),
    ];
    assert!(counts.into_iter().eq(expected));
    assert_eq!(answers.len(), 188);
}
