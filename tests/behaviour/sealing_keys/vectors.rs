//! Known answers of an independent implementation.

use hkdf::Hkdf;
use sealwax::{Envelope, Keyring, MasterKey, OpeningKey, Sealer, SealingKey, Secret, Suite};
use serde_json::Value;
use sha2::Sha256;

use super::{PUBLIC_KEY_LEN, bytes_of, text};
use crate::fixtures::{Scripted, class, context, key_id, sha256, unhex};

fn file() -> Value {
    let file: Value = serde_json::from_str(include_str!("../../vectors/sealing.json")).unwrap();
    assert_eq!(file["format"], "sealwax/v1 sealing wraps");
    file
}

fn field<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap()
}

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    unhex(field(vector, name))
}

fn context_of(vector: &Value) -> sealwax::EncryptionContext {
    let pairs = vector["context"].as_array().unwrap();
    let pairs = pairs.iter().map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    context(&pairs.collect::<Vec<_>>())
}

fn opening_key(vector: &Value) -> OpeningKey {
    field(vector, "opening_key").parse().unwrap()
}

fn sealing_key(vector: &Value) -> SealingKey {
    field(vector, "sealing_key").parse().unwrap()
}

/// Returns the master keys of a vector, the first as primary, or an empty ring.
fn masters(vector: &Value) -> Keyring {
    let keys = vector["master_keys"].as_array().unwrap().iter();
    let mut keys = keys.map(|key| {
        (key_id(field(key, "id")), MasterKey::from_bytes(&mut bytes(key, "key")).unwrap())
    });
    let Some((id, primary)) = keys.next() else { return Keyring::opening_only() };
    keys.fold(Keyring::new(id, primary).unwrap(), |ring, (id, key)| {
        ring.with_escrow(id, key).unwrap()
    })
}

fn drawn(vector: &Value) -> Scripted {
    Scripted(vec![[bytes(vector, "data_key"), bytes(vector, "iv")].concat()])
}

#[test]
fn every_envelope_is_made_again_to_the_byte_and_opens() {
    let file = file();
    let vectors = file["vectors"].as_array().unwrap();
    let (mut suites, mut alone, mut offline) = (Vec::new(), 0, 0);
    for (number, vector) in vectors.iter().enumerate() {
        let suite: Suite = field(vector, "suite").parse().unwrap();
        let id = || key_id(field(vector, "key_id"));
        let (plaintext, context) = (bytes(vector, "plaintext"), context_of(vector));
        let secret = Secret::from(plaintext.as_slice());
        suites.push(suite);

        // The pair: both texts, and the check value.
        let pair = opening_key(vector);
        assert!(pair.to_text().expose_str().unwrap() == field(vector, "opening_key"));
        assert!(text(&pair.sealing_key()) == field(vector, "sealing_key"), "vector {number}");
        assert!(text(&sealing_key(vector)) == field(vector, "sealing_key"), "vector {number}");
        let reader = Keyring::new(id(), pair).unwrap().with_suite(suite);
        assert_eq!(reader.check_value(id().as_ref()).unwrap(), *bytes(vector, "check"));

        // Both forms open, with the pair alone.
        let envelope: Envelope = field(vector, "text").parse().unwrap();
        assert_eq!(envelope.as_bytes(), bytes(vector, "binary"), "vector {number}");
        assert!(reader.open(&envelope, &context).unwrap().expose_secret() == plaintext);
        reader.verify(&envelope).unwrap();

        // The coins.
        let public = sha256(&bytes_of(&sealing_key(vector))[..PUBLIC_KEY_LEN]);
        let len = u8::try_from(id().as_ref().len()).unwrap();
        let head = [&[1, suite.id(), len], id().as_ref().as_bytes()].concat();
        let coins = [b"sw1/mlkem".as_slice(), b"sw1/x25519"].map(|label| {
            let mut coin = [0; 32];
            Hkdf::<Sha256>::from_prk(&bytes(vector, "data_key"))
                .unwrap()
                .expand_multi_info(&[label, &head, envelope.commitment(), &public], &mut coin)
                .unwrap();
            coin
        });
        assert!(coins.concat() == bytes(vector, "coins"), "vector {number}");

        // Made again: by a ring that opens, by one that cannot, and by a sealer.
        let sealed = |ring: Keyring| {
            let ring = ring.with_suite(suite);
            let sealed = ring.seal_with_rng(&secret, &context, &mut drawn(vector)).unwrap();
            assert!(ring.is_current(&sealed));
            sealed
        };
        let mut made = Vec::new();
        if vector["master_keys"].as_array().unwrap().is_empty() {
            let sealer = Sealer::new(id(), sealing_key(vector)).unwrap().with_suite(suite);
            made.push(sealer.seal_with_rng(&secret, &context, &mut drawn(vector)).unwrap());
            made.push(sealed(Keyring::new(id(), opening_key(vector)).unwrap()));
            alone += 1;
        } else {
            made.push(sealed(masters(vector).with_escrow(id(), opening_key(vector)).unwrap()));
            let ring = masters(vector).with_offline_escrow(id(), sealing_key(vector)).unwrap();
            assert!(ring.open(&envelope, &context).unwrap().expose_secret() == plaintext);
            made.push(sealed(ring));
            offline += 1;
        }
        for sealed in made {
            assert_eq!(sealed.to_string(), field(vector, "text"), "vector {number}");
        }
    }
    assert_eq!((vectors.len(), alone, offline), (6, 4, 2));
    assert!(Suite::default() == suites[0] && suites.contains(&Suite::ChaCha20Poly1305));
}

#[test]
fn other_coins_open_and_every_fault_is_refused_with_its_class() {
    let file = file();
    let one = &file["one_pair"];
    let pair = opening_key(one);
    assert!(text(&pair.sealing_key()) == field(one, "sealing_key"));
    let ring = Keyring::new(key_id(field(one, "key_id")), pair).unwrap();
    let context = context_of(one);

    let other_coins: Envelope = field(one, "other_coins").parse().unwrap();
    let opened = ring.open(&other_coins, &context).unwrap();
    assert!(opened.expose_secret() == bytes(one, "plaintext"));

    let refused = one["refused"].as_array().unwrap();
    for vector in refused {
        let envelope: Envelope = field(vector, "text").parse().unwrap();
        let error = ring.open(&envelope, &context).unwrap_err();
        assert_eq!(class(&error), field(vector, "class"), "{}", field(vector, "name"));
        let error = ring.verify(&envelope).unwrap_err();
        assert_eq!(class(&error), field(vector, "class"), "{}, verified", field(vector, "name"));
    }
    assert_eq!(refused.len(), 15);
}

/// The known answer on the format page.
#[test]
fn the_fingerprint_has_the_check_value_of_a_pair() {
    let mut key: Vec<u8> = (0..32).collect();
    let master = || MasterKey::from_bytes(&mut key.clone()).unwrap();
    let ring = |escrow: Option<Keyring>| {
        let ring = escrow.unwrap_or_else(|| Keyring::new(key_id("prod-2026"), master()).unwrap());
        ring.with_disabled(key_id("prod-2023")).unwrap().fingerprint()
    };
    assert_eq!(ring(None), *unhex("b7e0c12a3e0bb379"));
    let pair = super::text_of("swo1", &[sha256(b"seed"), sha256(b"psk")].concat());
    let pair: OpeningKey = pair.parse().unwrap();
    let sealing_key = pair.sealing_key();
    let primary = || Keyring::new(key_id("prod-2026"), master()).unwrap();
    let with_escrow = primary().with_escrow(key_id("eu-dr"), pair).unwrap();
    assert_eq!(ring(Some(with_escrow)), *unhex("906171cf0b838b7d"));
    // An offline escrow has another state word.
    let offline = primary().with_offline_escrow(key_id("eu-dr"), sealing_key).unwrap();
    assert_eq!(ring(Some(offline)), *unhex("c33e6001dd1fdb1f"));
    key.clear();
}
