//! Known answers of an independent implementation: what must come out, and what must be refused.

use sealwax::{EncryptionContext, Envelope, FormatError, Keyring, MasterKey, Secret, WrapKind};
use serde_json::Value;

use crate::fixtures::{Opaque, Scripted, class, key_id, unhex};

const VECTORS: &str = include_str!("../vectors/v1.json");
const REFUSED: &str = include_str!("../vectors/refused.json");

const CLASSES: [&str; 8] = [
    "format",
    "newer_version",
    "unknown_key",
    "wrong_key_material",
    "wrap_altered",
    "envelope_altered",
    "context_mismatch",
    "payload_altered",
];

fn list<'a>(file: &'a Value, name: &str) -> &'a Vec<Value> {
    assert_eq!(file["format"], "sealwax/v1");
    file[name].as_array().unwrap()
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap()
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    unhex(text(vector, field))
}

fn context_of(vector: &Value) -> EncryptionContext {
    let pairs = vector["context"].as_array().unwrap();
    EncryptionContext::new(pairs.iter().map(|p| (p[0].as_str().unwrap(), p[1].as_str().unwrap())))
        .unwrap()
}

fn keyring_of(keys: &Value) -> Keyring {
    let mut keys = keys.as_array().unwrap().iter().map(|key| {
        (key_id(text(key, "id")), MasterKey::from_bytes(&mut bytes(key, "key")).unwrap())
    });
    let (id, primary) = keys.next().unwrap();
    keys.fold(Keyring::new(id, primary), |ring, (id, key)| ring.with_escrow(id, key).unwrap())
}

/// What is wrong with how this crate handles a vector; nothing if all is well.
fn check_vector(vector: &Value) -> Result<(), String> {
    let expect = |what: &str, holds: bool| if holds { Ok(()) } else { Err(what.to_owned()) };

    let context = context_of(vector);
    expect("context", context.encoded() == bytes(vector, "context_encoded"))?;
    for key in vector["master_keys"].as_array().unwrap() {
        let check = MasterKey::from_bytes(&mut bytes(key, "key")).unwrap().check_value();
        expect("check value", check.as_slice() == bytes(key, "check"))?;
    }

    let data_key = bytes(vector, "data_key");
    let mut keyring = keyring_of(&vector["master_keys"])
        .with_suite(text(vector, "suite").parse().map_err(|_| "suite")?);
    for opaque in vector["opaque"].as_array().unwrap() {
        let body = bytes(opaque, "body");
        let provider = Opaque { body, data_key: data_key.clone().try_into().unwrap() };
        keyring = keyring.with_escrow(key_id(text(opaque, "id")), provider).unwrap();
    }

    // Sealed, to the byte, from one RNG call of data key ‖ iv.
    let plaintext = bytes(vector, "plaintext");
    let mut rng = Scripted(vec![[data_key, bytes(vector, "iv")].concat()]);
    let sealed = keyring
        .seal_with_rng(&Secret::from(plaintext.as_slice()), &context, &mut rng)
        .map_err(|error| error.to_string())?;
    expect("sealed bytes", sealed.as_bytes() == bytes(vector, "binary"))?;
    expect("sealed text", sealed.to_string() == text(vector, "text"))?;

    // Opened and verified, from both forms, by the whole ring and by each of its keys alone.
    let from_text: Envelope =
        text(vector, "text").parse().map_err(|error: FormatError| error.to_string())?;
    let from_bytes =
        Envelope::from_bytes(&bytes(vector, "binary")).map_err(|error| error.to_string())?;
    expect("the two forms", from_text == from_bytes)?;
    for envelope in [from_text, from_bytes] {
        expect("current", keyring.is_current(&envelope))?;
        keyring.verify(&envelope).map_err(|error| error.to_string())?;
        let opened = keyring.open(&envelope, &context).map_err(|error| error.to_string())?;
        expect("opened plaintext", opened.expose_secret() == plaintext)?;
        for key in vector["master_keys"].as_array().unwrap() {
            let alone = keyring_of(&Value::Array(vec![key.clone()]));
            let opened = alone.open(&envelope, &context).map_err(|error| error.to_string())?;
            expect("plaintext opened by one key", opened.expose_secret() == plaintext)?;
        }
        let kinds: Vec<_> = envelope.wrapped_keys().map(|wrapped| wrapped.kind()).collect();
        let locals = vector["master_keys"].as_array().unwrap().len();
        let remotes = vector["opaque"].as_array().unwrap().len();
        let expected = [vec![WrapKind::Local; locals], vec![WrapKind::Provider; remotes]].concat();
        expect("kinds of wraps", kinds == expected)?;
    }
    Ok(())
}

/// The class of the error that opening gives.
fn outcome(text: &str, keys: &Value, context: &EncryptionContext) -> &'static str {
    match text.parse::<Envelope>() {
        Err(FormatError::NewerVersion { .. }) => "newer_version",
        Err(_) => "format",
        Ok(envelope) => match keyring_of(keys).open(&envelope, context) {
            Ok(_) => "opened",
            Err(error) => class(&error),
        },
    }
}

#[test]
fn every_vector_is_sealed_to_the_byte_verified_and_opened() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = list(&file, "vectors");
    assert_eq!(vectors.len(), 16);
    for (number, vector) in vectors.iter().enumerate() {
        assert_eq!(check_vector(vector), Ok(()), "vector {number}");
    }
}

#[test]
fn every_refused_text_is_refused_with_its_class() {
    let file: Value = serde_json::from_str(REFUSED).unwrap();
    let refused = list(&file, "refused");
    assert_eq!(refused.len(), 140);
    for vector in refused {
        let found = outcome(text(vector, "text"), &vector["keys"], &context_of(vector));
        assert_eq!(found, text(vector, "class"), "{}", text(vector, "name"));
    }
}

/// A rewrap must not turn what was refused for its key side into something that opens.
#[test]
fn no_refused_text_is_rewrapped_unless_only_its_context_or_payload_is_wrong() {
    let file: Value = serde_json::from_str(REFUSED).unwrap();
    let mut tried = 0;
    for vector in list(&file, "refused") {
        let Ok(envelope) = text(vector, "text").parse::<Envelope>() else { continue };
        let keyring = keyring_of(&vector["keys"])
            .with_retired(key_id("unrelated"), MasterKey::generate().unwrap())
            .unwrap();
        // Another primary, so that no envelope is current.
        let mut keys = keyring.keys();
        let (old, _) = keys.next().unwrap();
        let material = &vector["keys"][0]["key"];
        let key = MasterKey::from_bytes(&mut unhex(material.as_str().unwrap())).unwrap();
        let next = Keyring::new(key_id("next"), MasterKey::generate().unwrap())
            .with_retired(old.clone(), key)
            .unwrap();
        let rewrapped = next.rewrap(&envelope);
        match text(vector, "class") {
            "context_mismatch" | "payload_altered" => {
                let fresh = rewrapped.unwrap().unwrap();
                let error = next.open(&fresh, &context_of(vector)).unwrap_err();
                assert_eq!(class(&error), text(vector, "class"), "{}", text(vector, "name"));
            }
            _ => assert!(rewrapped.is_err(), "{}", text(vector, "name")),
        }
        tried += 1;
    }
    assert_eq!(tried, 60);
}

/// A test of the tests above: each vector, damaged in each of its fields, turns them red.
#[test]
fn each_vector_corrupted_once_is_noticed() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let mut noticed = 0;
    for vector in list(&file, "vectors") {
        for field in ["context_encoded", "data_key", "iv", "plaintext", "binary", "text"] {
            let mut damaged = vector.clone();
            if !damage(&mut damaged[field]) {
                continue; // The empty plaintext.
            }
            assert_ne!(check_vector(&damaged), Ok(()), "{field}");
            noticed += 1;
        }
        for part in ["key", "check"] {
            let mut damaged = vector.clone();
            assert!(damage(&mut damaged["master_keys"][0][part]));
            assert_ne!(check_vector(&damaged), Ok(()), "{part}");
            noticed += 1;
        }
    }
    assert_eq!(noticed, 16 * 8 - 2);

    let file: Value = serde_json::from_str(REFUSED).unwrap();
    let mut noticed = 0;
    for vector in list(&file, "refused") {
        // What is refused is damaged by mending it, and by naming another class.
        let (keys, context) = (&vector["keys"], context_of(vector));
        let mended = keyring_of(keys).seal(&Secret::from("mended"), &context).unwrap();
        assert_eq!(outcome(&mended.to_string(), keys, &context), "opened");
        let found = outcome(text(vector, "text"), keys, &context);
        let others = CLASSES.iter().filter(|class| **class != text(vector, "class"));
        noticed += others.filter(|class| **class != found).count();
    }
    assert_eq!(noticed, 140 * 7);
}

/// Changes the last hex digit or base64url character to another one of its kind.
fn damage(value: &mut Value) -> bool {
    let text = value.as_str().unwrap();
    let Some(last) = text.chars().last() else { return false };
    let kept = &text[..text.len() - 1];
    *value = Value::String(match last {
        // A text that ends with an empty ciphertext.
        ':' => format!("{text}AAAA"),
        '0' | 'A' => format!("{kept}4"),
        _ => format!("{kept}0"),
    });
    true
}
