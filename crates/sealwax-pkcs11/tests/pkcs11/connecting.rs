//! What `connect` refuses.

use cryptoki::object::Attribute;
use pollster::block_on;
use sealwax::{ProviderErrorKind as Kind, Secret};
use sealwax_pkcs11::{TokenConfig, TokenError, TokenKey};

use crate::token::{PIN, Row, Token, source, with_token};

/// Returns the kind and the text of what keeps a provider from connecting.
fn refused(config: TokenConfig) -> (Kind, String) {
    let error = block_on(TokenKey::connect(config)).unwrap_err();
    (error.kind(), source(&error).to_string())
}

#[test]
fn a_library_that_is_none() {
    with_token(|_| {
        for path in ["/nonexistent/libpkcs11.so", "/dev/null", env!("CARGO_MANIFEST_PATH")] {
            let config = TokenConfig::new(path, "byok", "byok", &Secret::from(PIN));
            let (kind, text) = refused(config);
            assert_eq!(kind, Kind::Other);
            assert!(text.starts_with("the PKCS#11 library cannot be loaded: "), "{text}");
        }
    });
}

#[test]
fn a_token_that_is_unknown() {
    with_token(|token| {
        token.create("byok", &[1], &[]);
        let library = std::env::var("SEALWAX_TEST_PKCS11").unwrap();
        let config = TokenConfig::new(library, "no such token", "byok", &Secret::from(PIN));
        assert_eq!(refused(config).0, Kind::NotFound);
        let serial = token.library.get_token_info(token.slot).unwrap().serial_number().to_owned();
        assert_eq!(refused(token.config().with_serial("0123")).0, Kind::NotFound);
        block_on(TokenKey::connect(token.config().with_serial(&serial))).unwrap();
    });
}

#[test]
fn a_key_that_is_unknown() {
    with_token(|token| {
        assert_eq!(refused(token.config()), (Kind::NotFound, "the token has no such key".into()));
        token.create("byok", &[1], &[]);
        assert_eq!(refused(token.config().with_current([2])).0, Kind::NotFound);
        assert_eq!(refused(token.config_of("byo", PIN)).0, Kind::NotFound);
        // A session's key is not the token's.
        let elsewhere = token.user();
        let template = [
            Attribute::Token(false),
            Attribute::ValueLen(32.into()),
            Attribute::Label("passing".into()),
            Attribute::Id(vec![1]),
        ];
        elsewhere.generate_key(&cryptoki::mechanism::Mechanism::AesKeyGen, &template).unwrap();
        assert_eq!(refused(token.config_of("passing", PIN)).0, Kind::NotFound);
    });
}

#[test]
fn two_keys_and_none_is_named() {
    with_token(|token| {
        token.create("byok", &[1], &[]);
        token.create("byok", &[2], &[]);
        let error = block_on(TokenKey::connect(token.config())).unwrap_err();
        assert!(matches!(source(&error), TokenError::SeveralKeys));
        assert_eq!(error.kind(), Kind::Other);
        let key = block_on(TokenKey::connect(token.config().with_current([1]))).unwrap();
        assert_eq!(key.current(), [1]);
    });
}

#[test]
fn a_key_label_that_is_empty() {
    with_token(|token| {
        token.create("", &[1], &[]);
        let (kind, text) = refused(token.config_of("", PIN));
        assert_eq!((kind, text.contains("label of the key is empty")), (Kind::Other, true));
    });
}

#[test]
fn two_keys_of_one_id() {
    with_token(|token| {
        token.create("byok", &[1], &[]);
        let config = token.config().with_sessions(std::num::NonZeroUsize::MIN);
        let (key, row) = (block_on(TokenKey::connect(config)).unwrap(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        token.create("byok", &[1], &[]);
        let (kind, text) = refused(token.config().with_current([1]));
        assert_eq!((kind, text.contains("another has the same CKA_ID")), (Kind::Other, true));
        // A session that has found the first one before does not go on with it.
        assert_eq!(row.unwrap(&key, &body).unwrap_err().kind(), Kind::Other);
        assert_eq!(
            block_on(sealwax::KeyWrapper::check(&key, &row.key_id)).unwrap_err().kind(),
            Kind::Other
        );
    });
}

fn unsuitable(token: &Token, id: &[u8], attributes: &[Attribute], because: &str) {
    token.create("unsuitable", id, attributes);
    let (kind, text) = refused(token.config_of("unsuitable", PIN).with_current(id));
    assert_eq!(kind, Kind::Other);
    assert!(text.contains(because), "{text}");
}

#[test]
fn a_key_that_can_leave_the_token_or_is_too_short() {
    with_token(|token| {
        unsuitable(&token, &[1], &[Attribute::Sensitive(false)], "CKA_SENSITIVE");
        unsuitable(&token, &[2], &[Attribute::Extractable(true)], "CKA_EXTRACTABLE");
        unsuitable(&token, &[3], &[Attribute::Private(false)], "CKA_PRIVATE");
        unsuitable(&token, &[4], &[Attribute::ValueLen(16.into())], "256 bits");
        unsuitable(&token, &[5; 256], &[], "CKA_ID");
    });
}

#[test]
fn a_key_that_may_not_unwrap() {
    with_token(|token| {
        token.create("byok", &[1], &[Attribute::Unwrap(false)]);
        token.connect();
        let error = block_on(TokenKey::connect_key_wrap(token.config())).unwrap_err();
        assert_eq!(error.kind(), Kind::Disabled);
        token.create("byok", &[2], &[Attribute::Decrypt(false)]);
        let config = || token.config().with_current([2]);
        assert_eq!(refused(config()).0, Kind::Disabled);
        block_on(TokenKey::connect_key_wrap(config())).unwrap();
    });
}

#[test]
fn a_key_without_an_id() {
    with_token(|token| {
        token.create("byok", &[], &[]);
        let (kind, text) = refused(token.config());
        assert_eq!((kind, text.contains("CKA_ID")), (Kind::Other, true));
        assert_eq!(refused(token.config().with_current([])).0, Kind::Other);
    });
}

#[test]
fn a_key_that_is_not_aes() {
    use cryptoki::mechanism::Mechanism;
    with_token(|token| {
        let template = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::ValueLen(32.into()),
            Attribute::Label("byok".into()),
            Attribute::Id(vec![1]),
        ];
        token.user().generate_key(&Mechanism::GenericSecretKeyGen, &template).unwrap();
        let (kind, text) = refused(token.config());
        assert_eq!((kind, text.contains("not an AES key")), (Kind::Other, true));
    });
}
