//! Envelopes.

use std::fmt::Debug;

use sealwax::{Envelope, FormatError, Suite, WrapKind};

use crate::{at, context, id, key, key_ids, ring, sealed, sealed_by, secret};

fn is_value<T: Clone + Eq + Debug>() {}

#[test]
fn an_envelope_is_text_and_bytes() {
    is_value::<Envelope>();
    let envelope = sealed();

    let text: String = envelope.to_string();
    let parsed: Result<Envelope, FormatError> = text.parse();
    assert_eq!(parsed.unwrap(), envelope);

    let bytes: &[u8] = envelope.as_bytes();
    let parsed: Result<Envelope, FormatError> = Envelope::from_bytes(bytes);
    assert_eq!(parsed.unwrap(), envelope);
    assert_eq!(envelope.clone(), envelope);
}

#[test]
fn an_envelope_is_converted_from_owned_and_borrowed_forms() {
    let envelope = sealed();
    let text = envelope.to_string();
    let bytes = envelope.as_bytes().to_vec();

    let results: [Result<Envelope, FormatError>; 4] = [
        Envelope::try_from(text.as_str()),
        Envelope::try_from(text.clone()),
        Envelope::try_from(bytes.as_slice()),
        Envelope::try_from(bytes.clone()),
    ];
    for result in results {
        assert_eq!(result.unwrap(), envelope);
    }
    assert_eq!(String::from(envelope.clone()), text);
    assert_eq!(Vec::<u8>::from(envelope), bytes);
}

#[test]
fn what_is_no_envelope_is_refused_in_every_form() {
    let results: [Result<Envelope, FormatError>; 6] = [
        "nonsense".parse(),
        Envelope::from_bytes(b"nonsense"),
        Envelope::try_from("nonsense"),
        Envelope::try_from(String::from("nonsense")),
        Envelope::try_from(b"nonsense".as_slice()),
        Envelope::try_from(b"nonsense".to_vec()),
    ];
    for result in results {
        assert!(result.is_err());
    }
}

#[test]
fn every_field_is_a_view_of_the_bytes() {
    let envelope = sealed();
    let suite: Suite = envelope.suite();
    let commitment: &[u8; 32] = envelope.commitment();
    let mac: &[u8; 16] = envelope.mac();
    let iv: &[u8; 12] = envelope.iv();
    let tag: &[u8; 16] = envelope.tag();
    let ciphertext: &[u8] = envelope.ciphertext();

    assert_eq!(suite, Suite::Aes256Gcm);
    assert_eq!(ciphertext.len(), secret().len());
    let rest = [commitment.as_slice(), mac, iv, tag, ciphertext].concat();
    assert!(envelope.as_bytes().ends_with(&rest));
    assert!(envelope.as_bytes().starts_with(b"SW\x01\x01\x01\x09prod-2026\x00\x3d\x01"));
    assert_eq!(envelope.as_bytes().len(), at::CIPHERTEXT.saturating_add(secret().len()));
}

#[test]
fn the_wraps_are_listed_in_their_order() {
    let ring = ring().with_escrow(id("eu-dr"), key(1)).unwrap();
    let envelope = sealed_by(&ring);
    let mut seen = Vec::new();
    for wrap in envelope.wrapped_keys() {
        seen.push((wrap.key_id().to_string(), wrap.kind(), wrap.body().len()));
    }

    assert_eq!(key_ids(&envelope), ["prod-2026", "eu-dr"]);
    assert_eq!(
        seen,
        [("prod-2026".to_owned(), WrapKind::Local, 60), ("eu-dr".to_owned(), WrapKind::Local, 60)]
    );
}

#[test]
fn two_seals_of_one_secret_differ() {
    assert_ne!(sealed(), sealed());
    assert_ne!(sealed().commitment(), sealed().commitment());
}

#[test]
fn the_second_suite_has_its_name_in_the_text() {
    let ring = ring().with_suite(Suite::ChaCha20Poly1305);
    let envelope = sealed_by(&ring);

    assert_eq!(envelope.suite(), Suite::ChaCha20Poly1305);
    assert!(envelope.to_string().starts_with("sw1:c20p:prod-2026="));
    assert_eq!(ring.open(&envelope, &context()).unwrap(), secret());
}

#[cfg(feature = "serde")]
mod with_serde {
    use std::fmt::Debug;

    use sealwax::{Envelope, KeyId, KeyState, Suite};
    use serde::{Serialize, de::DeserializeOwned};

    use crate::{id, sealed};

    fn is_a_string_in_json_and_postcard<T>(value: &T, text: &str)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug,
    {
        let json = serde_json::to_string(value).unwrap();
        assert_eq!(json, serde_json::to_string(text).unwrap());
        assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *value);
        assert_eq!(serde_json::from_reader::<_, T>(json.as_bytes()).unwrap(), *value);

        let bytes = postcard::to_allocvec(value).unwrap();
        assert_eq!(bytes, postcard::to_allocvec(text).unwrap());
        assert_eq!(postcard::from_bytes::<T>(&bytes).unwrap(), *value);
    }

    #[test]
    fn an_envelope_is_a_string_for_humans() {
        let envelope = sealed();
        let json = serde_json::to_string(&envelope).unwrap();

        assert_eq!(json, format!("\"{envelope}\""));
        assert_eq!(serde_json::from_str::<Envelope>(&json).unwrap(), envelope);
        assert_eq!(serde_json::from_reader::<_, Envelope>(json.as_bytes()).unwrap(), envelope);
        assert!(serde_json::from_str::<Envelope>("\"nonsense\"").is_err());
    }

    #[test]
    fn an_envelope_is_bytes_for_machines() {
        let envelope = sealed();
        let bytes = postcard::to_allocvec(&envelope).unwrap();

        assert!(bytes.ends_with(envelope.as_bytes()));
        assert_eq!(postcard::from_bytes::<Envelope>(&bytes).unwrap(), envelope);
    }

    #[test]
    fn an_envelope_is_found_in_an_untagged_enum() {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Column {
            Sealed(Envelope),
            Other(u32),
        }
        let envelope = sealed();
        let json = serde_json::to_string(&envelope).unwrap();

        assert!(matches!(serde_json::from_str(&json).unwrap(), Column::Sealed(e) if e == envelope));
        assert!(matches!(serde_json::from_str("7").unwrap(), Column::Other(7)));
    }

    #[test]
    fn ids_suites_and_states_are_strings() {
        is_a_string_in_json_and_postcard::<KeyId>(&id("prod-2026"), "prod-2026");
        is_a_string_in_json_and_postcard(&Suite::Aes256Gcm, "a256gcm");
        is_a_string_in_json_and_postcard(&Suite::ChaCha20Poly1305, "c20p");
        is_a_string_in_json_and_postcard(&KeyState::Primary, "primary");
        is_a_string_in_json_and_postcard(&KeyState::Retired, "retired");
        is_a_string_in_json_and_postcard(&KeyState::Escrow, "escrow");
        is_a_string_in_json_and_postcard(&KeyState::Disabled, "disabled");
        is_a_string_in_json_and_postcard(&KeyState::Leaked, "leaked");
        is_a_string_in_json_and_postcard(&KeyState::Destroyed, "destroyed");
    }

    #[test]
    fn words_that_are_none_are_refused() {
        assert!(serde_json::from_str::<KeyId>("\"-a\"").is_err());
        assert!(serde_json::from_str::<Suite>("\"A256GCM\"").is_err());
        assert!(serde_json::from_str::<KeyState>("\"Primary\"").is_err());
    }
}
