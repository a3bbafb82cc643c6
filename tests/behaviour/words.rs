//! What the public types show and answer, word for word: logs, columns and look-ups stand on it.

use std::collections::{BTreeMap, HashMap};

use sealwax::{KeyId, Secret, Suite, WrapKind};
use secrecy::{ExposeSecret, SecretString};

use crate::fixtures::{SUITES, key_id, sealed};

#[test]
fn a_suite_is_shown_and_read_by_its_name_in_the_text_form() {
    for (suite, name) in SUITES.into_iter().zip(["a256gcm", "c20p"]) {
        assert_eq!((suite.to_string().as_str(), suite.as_str()), (name, name));
        assert_eq!(name.parse::<Suite>().unwrap(), suite);
        assert_eq!(format!("{suite:>9}"), format!("{name:>9}"));
    }
}

#[test]
fn a_kind_of_wrap_is_named_by_its_byte() {
    assert_eq!(WrapKind::from_byte(0), None);
    for byte in 1..=255 {
        let kind = WrapKind::from_byte(byte).unwrap();
        assert_eq!(kind.byte(), byte);
        let named = match byte {
            1 => matches!(kind, WrapKind::Local),
            2 => matches!(kind, WrapKind::Provider),
            3 => matches!(kind, WrapKind::Hpke),
            0x80.. => matches!(kind, WrapKind::Private { .. }),
            _ => matches!(kind, WrapKind::Unassigned { .. }),
        };
        assert!(named, "{byte:#04x}: {kind:?}");
        let shown = match byte {
            1 => "local".to_owned(),
            2 => "provider".to_owned(),
            3 => "hpke".to_owned(),
            0x80.. => format!("private-{byte:#04x}"),
            _ => format!("unassigned-{byte:#04x}"),
        };
        assert_eq!(kind.to_string(), shown);
    }
}

/// A map by key ids is looked up with a text, as a map by strings is.
#[test]
fn a_key_id_is_borrowed_as_its_text() {
    let ids = ["prod", "dr-2026"].map(key_id);
    let hashed: HashMap<KeyId, usize> = ids.clone().into_iter().zip(0..).collect();
    let sorted: BTreeMap<KeyId, usize> = ids.clone().into_iter().zip(0..).collect();
    for (number, id) in ids.iter().enumerate() {
        let text: &str = id.as_ref();
        assert_eq!(id.to_string(), text);
        assert_eq!(hashed.get(text), Some(&number));
        assert_eq!(sorted.get(text), Some(&number));
        assert_eq!(format!("{id:?}"), format!("KeyId({text:?})"));
    }
    assert_eq!(hashed.get("other"), None);
}

#[test]
fn an_envelope_shows_suite_key_ids_and_length() {
    let row = sealed(Suite::Aes256Gcm, 1);
    let len = row.ciphertext().len();
    let expected = format!(
        "Envelope {{ suite: Aes256Gcm, key_ids: [\"prod\", \"dr\"], ciphertext_len: {len}, .. }}"
    );
    assert_eq!(format!("{row:?}"), expected);
}

#[test]
fn a_secret_shows_that_it_is_one_and_tells_its_length() {
    for (text, len) in [("", 0), ("s", 1), ("s3cret", 6)] {
        let secret = Secret::from(text);
        assert_eq!(format!("{secret:?}"), "Secret([REDACTED])");
        assert_eq!((secret.len(), secret.is_empty()), (len, len == 0));
        assert_eq!(secret.expose_str().unwrap(), text);
    }
}

#[test]
fn a_secret_becomes_a_secret_string_if_it_is_text() {
    let secret = Secret::from("s3cret");
    assert_eq!(SecretString::try_from(&secret).unwrap().expose_secret(), "s3cret");
    assert_eq!(SecretString::try_from(secret).unwrap().expose_secret(), "s3cret");
    let bytes = Secret::from(vec![0xff]);
    assert!(SecretString::try_from(&bytes).is_err());
    assert!(SecretString::try_from(bytes).is_err());
}
