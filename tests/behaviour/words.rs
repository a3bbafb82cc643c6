//! The exact output of the public types, which logs, columns and look-ups depend on.

use core::time::Duration;
use std::collections::{BTreeMap, HashMap};

use sealwax::triplet::{Encoding, Triplet, TripletKey};
use sealwax::{
    Draft, Envelope, ErrorClass, KeyId, Keyring, ProviderError, ProviderErrorKind, ProviderFuture,
    Secret, Suite, WrapKind,
};
use secrecy::{ExposeSecret, SecretString};

use crate::fixtures::{SUITES, acme, counted_data_key, key_id, keyring, master_key, sealed};

#[test]
fn a_suite_is_shown_and_read_by_its_name_in_the_text_form() {
    for (suite, name) in SUITES.into_iter().zip(["a256gcm", "c20p"]) {
        assert_eq!((suite.to_string().as_str(), suite.as_str()), (name, name));
        assert_eq!(name.parse::<Suite>().unwrap(), suite);
        assert_eq!(format!("{suite:>9}"), format!("{name:>9}"));
    }
}

#[test]
fn a_class_is_shown_by_its_name() {
    use ErrorClass::{Altered, Bug, Failed, Gone, Misconfigured, Refused, Transient};
    let names = ["transient", "gone", "altered", "misconfigured", "refused", "failed", "bug"];
    let classes = [Transient, Gone, Altered, Misconfigured, Refused, Failed, Bug];
    for (class, name) in classes.into_iter().zip(names) {
        assert_eq!((class.as_str(), class.to_string().as_str()), (name, name));
        assert_eq!(format!("{class:>14}"), format!("{name:>14}"));
    }
}

#[test]
fn the_text_form_in_place_of_the_binary_form_is_named() {
    let text = sealed(Suite::default(), 1).to_string();
    let error = Envelope::from_bytes(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "invalid prefix at byte 0: expected \"SW\": this is the text form");
    let error = Envelope::from_bytes(b"credential").unwrap_err().to_string();
    assert!(!error.contains("text form"), "{error}");
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
            4 => matches!(kind, WrapKind::Branch),
            5 => matches!(kind, WrapKind::Rebound),
            0x80.. => matches!(kind, WrapKind::Private { .. }),
            _ => matches!(kind, WrapKind::Unassigned { .. }),
        };
        assert!(named, "{byte:#04x}: {kind:?}");
        let shown = match byte {
            1 => "local".to_owned(),
            2 => "provider".to_owned(),
            3 => "hpke".to_owned(),
            4 => "branch".to_owned(),
            5 => "rebound".to_owned(),
            0x80.. => format!("private-{byte:#04x}"),
            _ => format!("unassigned-{byte:#04x}"),
        };
        assert_eq!(kind.to_string(), shown);
        assert_eq!(shown.parse::<WrapKind>(), Ok(kind));
    }
}

/// A map keyed by key ids can be looked up with a text, like a map keyed by strings.
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
fn what_holds_a_key_says_so_and_no_more() {
    let mut answer = ProviderFuture::ready(());
    let triplet_key = TripletKey::from_bytes(&mut (1..=32).collect::<Vec<u8>>()).unwrap();
    let draft = Draft::new(&Secret::from("s3cret"), &acme(), Suite::Aes256Gcm).unwrap();
    let triplet = Triplet::from_parts(&[1; 16], &[2; 16], b"ciphertext").unwrap();
    for (shown, expected) in [
        (format!("{:?}", counted_data_key(1)), "DataKey([REDACTED])"),
        (format!("{:?}", master_key(1)), "MasterKey([REDACTED])"),
        (format!("{triplet_key:?}"), "TripletKey([REDACTED])"),
        (format!("{draft:?}"), "Draft { suite: Aes256Gcm, .. }"),
        (format!("{triplet:?}"), "Triplet { iv_len: Sixteen, ciphertext_len: 10, .. }"),
        (format!("{answer:?}"), "ProviderFuture::Ready(..)"),
        (format!("{:?}", ProviderFuture::boxed(async {})), "ProviderFuture::Boxed(..)"),
    ] {
        assert_eq!(shown, expected);
    }
    pollster::block_on(&mut answer);
    assert_eq!(format!("{answer:?}"), "ProviderFuture::Taken");
    let shown = format!("{:?}", keyring(Suite::Aes256Gcm));
    for word in ["Keyring", "prod", "dr", "Primary", "Escrow"] {
        assert!(shown.contains(word), "{word} is not in {shown}");
    }
}

#[test]
fn an_unknown_key_is_told_with_the_keys_that_the_envelope_names() {
    let stranger = Keyring::new(key_id("other"), master_key(9)).unwrap();
    let error = stranger.open(&sealed(Suite::default(), 1), &acme()).unwrap_err();
    assert!(error.to_string().ends_with(": prod, dr"), "{error}");
}

#[test]
fn a_provider_s_error_shows_its_kind_its_source_and_when_to_try_again() {
    let error = ProviderError::from(ProviderErrorKind::Throttled);
    assert_eq!(
        format!("{error:?}"),
        "ProviderError { kind: Throttled, retry_after: None, source: None }"
    );
    let error = error.with_retry_after(Duration::from_secs(3));
    assert!(format!("{error:?}").contains("retry_after: Some(3s)"), "{error:?}");
}

#[test]
fn a_column_in_another_encoding_is_told_with_the_one_that_was_expected() {
    for (encoding, expected) in [
        (Encoding::HexLower, "lowercase hex, two digits per byte"),
        (Encoding::HexAnyCase, "hex, two digits per byte"),
        (Encoding::Base64, "canonical base64 with padding"),
        (Encoding::Base64Url, "canonical base64url without padding"),
        (Encoding::Base64UrlPadded, "canonical base64url with padding"),
    ] {
        let error = encoding.decode("!").unwrap_err();
        assert!(error.to_string().contains(&format!("expected {expected}")), "{error}");
    }
}

#[test]
fn a_line_without_a_key_id_is_told_from_one_with_a_bad_one() {
    let told = |text: &str| text.parse::<Keyring>().unwrap_err().to_string();
    let missing = told("retired");
    assert!(missing.ends_with("expected a key id after the state"), "{missing}");
    let bad = told("retired -");
    assert!(bad.contains("expected a key id after the state: "), "{bad}");
    assert!(bad.len() > missing.len() + 10, "{bad}");
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
