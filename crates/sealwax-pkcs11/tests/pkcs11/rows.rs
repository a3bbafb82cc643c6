//! Wraps, and what is refused.

use cryptoki::object::Attribute;
use std::collections::BTreeMap;

use sealwax::{EncryptionContext, Keyring, MasterKeyProvider, OpenError, UnwrapError};
use sealwax::{ProviderErrorKind as Kind, Secret};
use sealwax_pkcs11::{TokenError, version_of};

use crate::token::{Row, source, with_token};

#[test]
fn a_wrap_has_its_bytes_and_opens() {
    with_token(|token| {
        token.create("byok", &[0xca, 0xfe], &[]);
        let (key, row) = (token.connect(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        // scheme ‖ len8(CKA_ID) ‖ CKA_ID ‖ IV(12) ‖ ciphertext(32) ‖ tag(16)
        assert_eq!((body.len(), &body[..4]), (64, &[1, 2, 0xca, 0xfe][..]));
        assert_eq!(version_of(&body), Some(&[0xca, 0xfe][..]));
        row.unwrap(&key, &body).unwrap();
        let again = row.wrap(&key).unwrap();
        assert_ne!(body[4..16], again[4..16], "the IV is drawn each time");
    });
}

#[test]
fn a_wrap_is_aes_gcm_of_the_associated_data() {
    use cryptoki::mechanism::Mechanism;
    use cryptoki::mechanism::aead::GcmParams;
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(7));
        let body = row.wrap(&key).unwrap();
        // 0x01 ‖ suite ‖ len8(key_id) ‖ commitment, as the page Format has it.
        let mut bound = vec![1, 1, 8];
        bound.extend(b"hsm/test");
        bound.extend([7; 32]);
        let mut iv = body[3..15].to_vec();
        let gcm = GcmParams::new(&mut iv, &bound, 128.into()).unwrap();
        let elsewhere = token.user();
        let handle = token.find(&elsewhere, "byok");
        let opened = elsewhere.decrypt(&Mechanism::AesGcm(gcm), handle, &body[15..]).unwrap();
        assert!(opened == row.data_key.expose_secret());
    });
}

/// Opens a body with one bit changed, for each byte, and counts the kinds of the errors.
fn flipped(key: &impl MasterKeyProvider, row: &Row, body: &[u8]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for position in 0..body.len() {
        let mut altered = body.to_vec();
        altered[position] ^= 0x20;
        let error = row.unwrap(key, &altered).unwrap_err();
        *kinds.entry(format!("{:?}", error.kind())).or_default() += 1;
    }
    kinds
}

#[test]
fn every_altered_byte_is_refused() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        let kinds = flipped(&key, &row, &body);
        // The byte of the CKA_ID names a version that the token does not have.
        assert_eq!(kinds, [("Rejected".into(), 62), ("WrongKeyMaterial".into(), 1)].into());
        row.unwrap(&key, &body).unwrap();
    });
}

#[test]
fn every_altered_byte_of_a_key_wrap_is_refused() {
    with_token(|token| {
        let (key, row) = (token.rebound(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        // len16 ‖ scheme ‖ len8(CKA_ID) ‖ CKA_ID ‖ wrap(40) ‖ local(60), whose first 4 bytes are a check value.
        assert_eq!((body.len(), &body[..5]), (105, &[0, 43, 2, 1, 1][..]));
        let kinds = flipped(&key, &row, &body);
        let wrong = kinds["WrongKeyMaterial"];
        assert_eq!((kinds.len(), kinds["Rejected"] + wrong), (2, 105), "{kinds:?}");
        assert!((1..=5).contains(&wrong), "{kinds:?}");
        row.unwrap(&key, &body).unwrap();
    });
}

#[test]
fn a_moved_wrap_is_refused() {
    with_token(|token| {
        let (key, row, other) = (token.key(), Row::new(1), Row::new(2));
        let body = row.wrap(&key).unwrap();
        let error = other.unwrap(&key, &body).unwrap_err();
        assert_eq!(error.kind(), Kind::Rejected);
        // SoftHSM says no more, so the provider has tried the token.
        let code = "CKR_GENERAL_ERROR";
        assert!(matches!(source(&error), TokenError::Altered { code: found, .. } if found == code));
    });
}

#[test]
fn a_moved_key_wrap_is_refused_by_rebound() {
    with_token(|token| {
        let (key, row, other) = (token.rebound(), Row::new(1), Row::new(2));
        let body = row.wrap(&key).unwrap();
        assert_eq!(other.unwrap(&key, &body).unwrap_err().kind(), Kind::Rejected);
        row.unwrap(&key, &body).unwrap();
    });
}

#[test]
fn neither_scheme_opens_what_the_other_made() {
    with_token(|token| {
        let (rebound, row) = (token.rebound(), Row::new(1));
        let gcm = token.connect();
        let wrapped = row.wrap(&rebound).unwrap();
        let error = row.unwrap(&gcm, &wrapped[2..45]).unwrap_err();
        assert!(matches!(source(&error), TokenError::NotAWrap));
        let body = row.wrap(&gcm).unwrap();
        let error = row.unwrap(rebound.service(), &body).unwrap_err();
        assert!(matches!(source(&error), TokenError::NotAWrap));
        // The body inside a rebound wrap is of this crate.
        assert_eq!(version_of(&wrapped[2..45]), Some(&[1][..]));
    });
}

#[test]
fn what_is_not_a_wrap_is_refused_without_the_token() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        let long = [&body[..], &[0]].concat();
        let no_id = [&[1, 0], &body[3..]].concat();
        let other_scheme = [&[2], &body[1..]].concat();
        let bad =
            [&[][..], &[1], &body[1..], &body[..62], &long, &no_id, &other_scheme, &[0xff; 63]];
        for bad in bad {
            let error = row.unwrap(&key, bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Rejected);
            assert!(matches!(source(&error), TokenError::NotAWrap), "{bad:?}");
            assert_eq!(version_of(bad), None);
        }
    });
}

#[test]
fn a_keyring_seals_and_opens() {
    with_token(|token| {
        let key = std::sync::Arc::new(token.key());
        let keyring = Keyring::new("hsm/byok".parse().unwrap(), key).unwrap();
        let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
        let other = EncryptionContext::new([("tenant", "evil")]).unwrap();
        pollster::block_on(async {
            let secret = Secret::from("a customer's API key");
            let envelope = keyring.seal_async(&secret, &context).await.unwrap();
            let opened = keyring.open_async(&envelope, &context).await.unwrap();
            assert!(opened == secret);
            let refused = keyring.open_async(&envelope, &other).await.unwrap_err();
            assert!(matches!(refused, OpenError::ContextMismatch));
            // A key behind threads is never ready at once.
            let error = keyring.open(&envelope, &context).unwrap_err();
            assert!(matches!(error, OpenError::Unwrap(UnwrapError::WouldBlock { .. })));
        });
    });
}

#[test]
fn key_wrap_leaves_no_object_behind() {
    with_token(|token| {
        let (key, row) = (token.rebound(), Row::new(1));
        for _ in 0..4 {
            row.unwrap(&key, &row.wrap(&key).unwrap()).unwrap();
        }
        // All sessions of a process see the objects of each.
        assert_eq!(token.user().find_objects(&[Attribute::Token(false)]).unwrap().len(), 0);
        assert_eq!(token.user().find_objects(&[Attribute::Token(true)]).unwrap().len(), 1);
    });
}
