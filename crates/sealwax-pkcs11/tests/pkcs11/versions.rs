//! Several keys of one label, and what an operator does to a key.

use cryptoki::object::Attribute;
use pollster::block_on;
use sealwax::{EncryptionContext, KeyWrapper, Keyring, ProviderErrorKind as Kind};
use sealwax_pkcs11::{TokenError, TokenKey};

use crate::token::{Row, Token, source, with_token};

fn with_current(token: &Token, id: u8) -> TokenKey {
    block_on(TokenKey::connect(token.config().with_current([id]))).unwrap()
}

#[test]
fn a_version_wraps_and_the_others_unwrap() {
    with_token(|token| {
        let (old, row) = (token.key(), Row::new(1));
        assert_eq!(old.current(), [1]);
        let first = row.wrap(&old).unwrap();
        token.create("byok", &[2], &[]);
        let new = with_current(&token, 2);
        let second = row.wrap(&new).unwrap();
        assert_eq!((&first[..3], &second[..3]), (&[1, 1, 1][..], &[1, 1, 2][..]));
        for key in [&old, &new] {
            row.unwrap(key, &first).unwrap();
            row.unwrap(key, &second).unwrap();
        }
        assert!(old.is_current(&first) && !old.is_current(&second));
        assert!(new.is_current(&second) && !new.is_current(&first));
        assert!(!new.is_current(b"") && !new.is_current(b"vault:v1:AAAA"));
    });
}

#[test]
fn a_rewrap_moves_rows_to_the_current_version() {
    with_token(|token| {
        let keyring = |key| Keyring::new("hsm/byok".parse().unwrap(), key).unwrap();
        let before = keyring(token.key());
        let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
        token.create("byok", &[2], &[]);
        let after = keyring(with_current(&token, 2));
        block_on(async {
            let secret = "a customer's API key".into();
            let old = before.seal_async(&secret, &context).await.unwrap();
            assert!(before.rewrap_async(&old).await.unwrap().is_none());
            let fresh = after.rewrap_async(&old).await.unwrap().unwrap();
            assert!(after.rewrap_async(&fresh).await.unwrap().is_none());
            // A process that does not know of the rotation yet opens the new row too.
            assert!(before.open_async(&fresh, &context).await.unwrap() == secret);
        });
    });
}

#[test]
fn a_key_that_was_destroyed_is_missing() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        let operator = token.user();
        operator.destroy_object(token.find(&operator, "byok")).unwrap();
        for _ in 0..3 {
            let error = row.unwrap(&key, &body).unwrap_err();
            assert_eq!(error.kind(), Kind::WrongKeyMaterial, "{}", source(&error));
            assert!(matches!(source(&error), TokenError::UnknownVersion));
            let error = row.wrap(&key).unwrap_err();
            assert_eq!(error.kind(), Kind::NotFound, "{}", source(&error));
            let error = block_on(key.check(&row.key_id)).unwrap_err();
            assert_eq!(error.kind(), Kind::NotFound);
        }
        // Another key with the same CKA_ID is not the one that it was.
        token.create("byok", &[1], &[]);
        assert_eq!(row.unwrap(&key, &body).unwrap_err().kind(), Kind::Rejected);
        row.unwrap(&key, &row.wrap(&key).unwrap()).unwrap();
    });
}

#[test]
fn a_key_of_another_label_does_not_unwrap() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        token.create("other", &[2], &[]);
        let other =
            block_on(TokenKey::connect(token.config_of("other", crate::token::PIN))).unwrap();
        let body = row.wrap(&other).unwrap();
        assert_eq!(row.unwrap(&key, &body).unwrap_err().kind(), Kind::WrongKeyMaterial);
    });
}

/// The operator sets `CKA_DECRYPT` and `CKA_ENCRYPT`.
fn permit(token: &Token, encrypt: bool, decrypt: bool) {
    let operator = token.user();
    let template = [Attribute::Encrypt(encrypt), Attribute::Decrypt(decrypt)];
    operator.update_attributes(token.find(&operator, "byok"), &template).unwrap();
}

#[test]
fn a_disabled_key_is_disabled_and_can_be_enabled() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        permit(&token, false, false);
        assert_eq!(row.unwrap(&key, &body).unwrap_err().kind(), Kind::Disabled);
        assert_eq!(row.wrap(&key).unwrap_err().kind(), Kind::Disabled);
        assert_eq!(block_on(key.check(&row.key_id)).unwrap_err().kind(), Kind::Disabled);
        let error = block_on(TokenKey::connect(token.config())).unwrap_err();
        assert_eq!(error.kind(), Kind::Disabled);
        permit(&token, true, true);
        row.unwrap(&key, &body).unwrap();
        row.wrap(&key).unwrap();
        block_on(key.check(&row.key_id)).unwrap();
    });
}

#[test]
fn a_key_that_may_only_decrypt_opens_and_refuses() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        permit(&token, false, true);
        let only_opening = token.connect();
        for key in [&key, &only_opening] {
            row.unwrap(key, &body).unwrap();
            assert_eq!(row.wrap(key).unwrap_err().kind(), Kind::Disabled);
            block_on(key.check(&row.key_id)).unwrap();
            // The probe cannot encrypt here, but the token has replied to it.
            let moved = Row::new(2).unwrap(key, &body).unwrap_err();
            assert_eq!(moved.kind(), Kind::Rejected);
        }
    });
}
