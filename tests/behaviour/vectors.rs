//! Known answers of an independent implementation: what must be produced, and what must be
//! rejected.

use sealwax::{ContextError, EncryptionContext, Envelope, FormatError, Keyring, MasterKey, Secret};
use sealwax::{DataKey, Suite, WrapKind};
use serde_json::Value;

use crate::fixtures::{Opaque, Scripted, class, key_id, unhex};

const VECTORS: &str = include_str!("../vectors/v1.json");
const REFUSED: &str = include_str!("../vectors/refused.json");

/// Returns the vectors for sealing and opening.
pub(crate) fn vectors() -> Vec<Value> {
    let vectors = list(VECTORS, "vectors");
    assert_eq!(vectors.len(), 16);
    vectors
}

/// Returns the vectors that must be refused.
pub(crate) fn refused() -> Vec<Value> {
    let refused = list(REFUSED, "refused");
    assert_eq!(refused.len(), 188);
    refused
}

fn list(file: &str, name: &str) -> Vec<Value> {
    let mut file: Value = serde_json::from_str(file).unwrap();
    assert_eq!(file["format"], "sealwax/v1");
    match file[name].take() {
        Value::Array(list) => list,
        other => panic!("{name} is not a list: {other}"),
    }
}

pub(crate) fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap()
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    unhex(text(vector, field))
}

fn context_of(vector: &Value) -> Result<EncryptionContext, ContextError> {
    let pairs = vector["context"].as_array().unwrap();
    EncryptionContext::new(pairs.iter().map(|p| (p[0].as_str().unwrap(), p[1].as_str().unwrap())))
}

fn keyring_of(keys: &Value) -> Keyring {
    let mut keys = keys.as_array().unwrap().iter().map(|key| {
        (key_id(text(key, "id")), MasterKey::from_bytes(&mut bytes(key, "key")).unwrap())
    });
    let (id, primary) = keys.next().unwrap();
    keys.fold(Keyring::new(id, primary).unwrap(), |ring, (id, key)| {
        ring.with_escrow(id, key).unwrap()
    })
}

fn expect(what: &str, holds: bool) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn described(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Returns what is wrong with how this crate encodes a vector's context and computes the check
/// values of its master keys, or nothing if all is well. The two checks below do the same.
pub(crate) fn check_encodings(vector: &Value) -> Result<(), String> {
    let context = context_of(vector).map_err(described)?;
    expect("context", context.encoded() == bytes(vector, "context_encoded"))?;
    for key in vector["master_keys"].as_array().unwrap() {
        let check = MasterKey::from_bytes(&mut bytes(key, "key")).unwrap().check_value();
        expect("check value", check.as_slice() == bytes(key, "check"))?;
    }
    Ok(())
}

/// Returns a keyring of all keys of a vector, remote ones last.
fn keyring_of_all(vector: &Value, suite: Suite) -> Keyring {
    let mut keyring = keyring_of(&vector["master_keys"]).with_suite(suite);
    for opaque in vector["opaque"].as_array().unwrap() {
        let data_key = bytes(vector, "data_key").try_into().unwrap();
        let provider = Opaque { body: bytes(opaque, "body"), data_key };
        keyring = keyring.with_escrow(key_id(text(opaque, "id")), provider).unwrap();
    }
    keyring
}

/// Seals to the byte, from one RNG call that yields data key ‖ IV.
pub(crate) fn check_sealed(vector: &Value) -> Result<(), String> {
    let context = context_of(vector).map_err(described)?;
    let suite = text(vector, "suite").parse().map_err(described)?;
    let plaintext = Secret::from(bytes(vector, "plaintext").as_slice());
    let mut rng = Scripted(vec![[bytes(vector, "data_key"), bytes(vector, "iv")].concat()]);
    let sealed = keyring_of_all(vector, suite)
        .seal_with_rng(&plaintext, &context, &mut rng)
        .map_err(described)?;
    expect("sealed bytes", sealed.as_bytes() == bytes(vector, "binary"))?;
    expect("sealed text", sealed.to_string() == text(vector, "text"))
}

/// Parses, verifies and opens both forms, with the whole keyring and with each of its keys alone.
pub(crate) fn check_opened(vector: &Value) -> Result<(), String> {
    let context = context_of(vector).map_err(described)?;
    let suite: Suite = text(vector, "suite").parse().map_err(described)?;
    let keyring = keyring_of_all(vector, suite);
    let plaintext = bytes(vector, "plaintext");
    let masters = vector["master_keys"].as_array().unwrap();
    let opaque = vector["opaque"].as_array().unwrap();

    let from_text: Envelope =
        text(vector, "text").parse().map_err(|error: FormatError| error.to_string())?;
    let from_bytes = Envelope::from_bytes(&bytes(vector, "binary")).map_err(described)?;
    expect("the two forms", from_text == from_bytes)?;
    for envelope in [from_text, from_bytes] {
        expect("suite", envelope.suite() == suite)?;
        expect("iv", envelope.iv().as_slice() == bytes(vector, "iv"))?;
        let wraps: Vec<_> = envelope.wrapped_keys().collect();
        let kinds = wraps.iter().map(|wrap| wrap.kind());
        let locals = masters.iter().map(|_| WrapKind::Local);
        let remotes = opaque.iter().map(|_| WrapKind::Provider);
        expect("kinds of wraps", kinds.eq(locals.chain(remotes)))?;
        let bodies = wraps.iter().skip(masters.len()).map(|wrap| wrap.body().to_vec());
        expect("opaque bodies", bodies.eq(opaque.iter().map(|key| bytes(key, "body"))))?;
        expect("current", keyring.is_current(&envelope))?;

        let data_key = DataKey::from_bytes(&mut bytes(vector, "data_key")).map_err(described)?;
        envelope.verify_with(&data_key).map_err(described)?;
        keyring.verify(&envelope).map_err(described)?;
        let opened = keyring.open(&envelope, &context).map_err(described)?;
        expect("opened plaintext", opened.expose_secret() == plaintext)?;
        for key in masters {
            let alone = keyring_of(&Value::Array(vec![key.clone()]));
            let opened = alone.open(&envelope, &context).map_err(described)?;
            expect("plaintext opened by one key", opened.expose_secret() == plaintext)?;
        }
    }
    Ok(())
}

/// Returns what is wrong with how this crate refuses a vector, or nothing if all is well.
pub(crate) fn check_refused(vector: &Value) -> Result<(), String> {
    let context = context_of(vector).map_err(described)?;
    let found = outcome(text(vector, "text"), &vector["keys"], &context);
    if found == text(vector, "class") { Ok(()) } else { Err(found.to_owned()) }
}

/// Returns the class of the error when opening.
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
    for (number, vector) in vectors().iter().enumerate() {
        for check in [check_encodings, check_sealed, check_opened] {
            assert_eq!(check(vector), Ok(()), "vector {number}");
        }
    }
}

#[test]
fn every_refused_text_is_refused_with_its_class() {
    for vector in refused() {
        assert_eq!(check_refused(&vector), Ok(()), "{}", vector["name"]);
    }
}

/// If an envelope was refused because of its wraps or its MAC, a rewrap must not turn it into one
/// that opens.
#[test]
fn no_refused_text_is_rewrapped_unless_only_its_context_or_payload_is_wrong() {
    let mut tried = 0;
    for vector in &refused() {
        let Ok(envelope) = text(vector, "text").parse::<Envelope>() else { continue };
        let keyring = keyring_of(&vector["keys"])
            .with_retired(key_id("unrelated"), MasterKey::generate().unwrap())
            .unwrap();
        // A different primary, so that no envelope is current.
        let mut keys = keyring.keys();
        let (old, _) = keys.next().unwrap();
        let material = &vector["keys"][0]["key"];
        let key = MasterKey::from_bytes(&mut unhex(material.as_str().unwrap())).unwrap();
        let next = Keyring::new(key_id("next"), MasterKey::generate().unwrap())
            .unwrap()
            .with_retired(old.clone(), key)
            .unwrap();
        let rewrapped = next.rewrap(&envelope);
        match text(vector, "class") {
            "context_mismatch" | "payload_altered" => {
                let fresh = rewrapped.unwrap().unwrap();
                let error = next.open(&fresh, &context_of(vector).unwrap()).unwrap_err();
                assert_eq!(class(&error), text(vector, "class"), "{}", text(vector, "name"));
            }
            _ => assert!(rewrapped.is_err(), "{}", text(vector, "name")),
        }
        tried += 1;
    }
    assert_eq!(tried, 72);
}
