//! Keys for tests: production refuses them, and they refuse production.

use std::sync::Arc;

use sealwax::{
    DataKey, EncryptionContext, KeyError, KeyId, KeyState, KeyWrapper, Keyring, KeyringError,
    LineProblem, MasterKey, MasterKeyProvider, OpenError, ProviderError, ProviderFuture,
    RewrapError, SealError, UnwrapError, UnwrapRequest, WrapKind, WrapRequest,
};
use sha2::{Digest, Sha256};

use crate::fixtures::{key_id, master_key};

fn test_key(number: u64) -> MasterKey {
    MasterKey::generate_for_tests(number)
}

fn text(key: &MasterKey) -> String {
    key.to_text().expose_str().unwrap().to_owned()
}

fn told(result: Result<Keyring, KeyringError>) -> String {
    match result {
        Ok(_) => "accepted".to_owned(),
        Err(KeyringError::TestKey { key_id, .. }) => format!("{key_id} is a test key"),
        Err(KeyringError::NotATestKey { key_id, .. }) => format!("{key_id} is none"),
        Err(KeyringError::Line {
            line: 1,
            problem: LineProblem::Key { source: KeyError::OtherKind { expected, .. }, .. },
            ..
        }) => format!("no {expected}"),
        Err(other) => panic!("unexpected error: {other}"),
    }
}

#[test]
fn a_test_key_is_the_same_everywhere_and_its_text_keeps_the_mark() {
    for number in [0_u64, 1, u64::MAX] {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(b"swkt1/test")
            .chain_update(number.to_be_bytes())
            .finalize()
            .into();
        let key = test_key(number);
        // The same bytes without the mark, and so the same wraps.
        assert_eq!(
            key.check_value(),
            MasterKey::from_bytes(&mut hash.clone()).unwrap().check_value()
        );
        assert!(text(&key).starts_with("swkt1_"));
        assert!(matches!(
            text(&key).parse::<MasterKey>(),
            Err(KeyError::OtherKind { expected: "swk1", .. })
        ));
        let again = MasterKey::from_test_text(&text(&key)).unwrap();
        assert_eq!((again.check_value(), text(&again)), (key.check_value(), text(&key)));
        assert_eq!(told(Keyring::new(key_id("prod"), again)), "prod is a test key");
        // A label of its own, so that a changed prefix makes no key of another kind.
        assert!(text(&key).replacen("swkt1_", "swk1_", 1).parse::<MasterKey>().is_err());
    }
}

fn shared(key: MasterKey) -> Arc<dyn MasterKeyProvider> {
    Arc::new(key)
}

#[test]
fn every_constructor_checks_the_mark_against_the_id() {
    type Add = fn(Keyring, &str, MasterKey) -> Result<Keyring, KeyringError>;
    let constructors: [Add; 6] = [
        |_, id, key| Keyring::new(key_id(id), key),
        |_, id, key| Keyring::new(key_id(id), Arc::new(Box::new(key))),
        |ring, id, key| ring.with_retired(key_id(id), key),
        |ring, id, key| ring.with_retired(key_id(id), shared(key)),
        |ring, id, key| ring.with_escrow(key_id(id), key),
        |ring, id, key| ring.with_escrow(key_id(id), Box::new(key)),
    ];
    let tests = || Keyring::new(key_id("test/a"), test_key(1)).unwrap();
    let prod = || Keyring::new(key_id("prod-a"), master_key(1)).unwrap();
    for (number, add) in constructors.into_iter().enumerate() {
        assert_eq!(told(add(tests(), "test/b", test_key(2))), "accepted", "{number}");
        assert_eq!(told(add(prod(), "prod-b", master_key(2))), "accepted", "{number}");
        for ring in [tests, prod] {
            assert_eq!(
                told(add(ring(), "prod-b", test_key(2))),
                "prod-b is a test key",
                "{number}"
            );
            assert_eq!(told(add(ring(), "test/b", master_key(2))), "test/b is none", "{number}");
        }
        if number > 1 {
            assert_eq!(told(add(tests(), "prod-b", master_key(2))), "prod-b is none", "{number}");
            assert_eq!(told(add(prod(), "test/b", test_key(2))), "prod-a is none", "{number}");
        }
    }
    // Keys that are not kept: all ids of a ring for tests are its own, and a ring for production may name any.
    assert_eq!(told(tests().with_disabled(key_id("prod"))), "prod is none");
    assert_eq!(told(tests().with_leaked(key_id("test/b"))), "accepted");
    assert_eq!(told(prod().with_destroyed(key_id("test/b"))), "accepted");
}

#[test]
fn a_text_is_all_test_keys_or_none() {
    let [t1, t2] = [1, 2].map(|number| text(&test_key(number)));
    let [p1, p2] = [1, 2].map(|number| text(&master_key(number)));
    let rows = [
        // text, from_str, from_test_text
        (format!("primary prod {p1}"), "accepted", "no swkt1"),
        (format!("primary test/a {t1}"), "no swk1", "accepted"),
        (format!("primary test/a {t1}; retired test/b {t2}"), "no swk1", "accepted"),
        (format!("primary prod {t1}"), "no swk1", "prod is a test key"),
        (format!("primary test/a {p1}"), "test/a is none", "no swkt1"),
        (format!("primary prod {p1}; retired test/b {t2}"), "no swk1", "no swkt1"),
        (format!("primary test/a {t1}; escrow dr {p2}"), "no swk1", "no swkt1"),
        (format!("primary test/a {t1}; disabled old"), "no swk1", "old is none"),
        (format!("primary prod {p1}; disabled test/b"), "accepted", "no swkt1"),
        // The key of a line that does not keep it is checked as well.
        (format!("primary prod {p1}; disabled old {t2}"), "no swk1", "no swkt1"),
        (format!("primary prod {p1}; disabled test/b {p2}"), "test/b is none", "no swkt1"),
        (format!("primary test/a {t1}; leaked test/b {p2}"), "no swk1", "no swkt1"),
        (format!("primary test/a {t1}; leaked old {t2}"), "no swk1", "old is a test key"),
    ];
    for (text, from_str, from_test_text) in &rows {
        assert_eq!(told(text.parse()), *from_str);
        assert_eq!(told(Keyring::from_test_text(text)), *from_test_text);
    }
    assert_eq!(rows.len(), 13);
    assert!(matches!(Keyring::from_test_text(""), Err(KeyringError::NoPrimary)));
}

#[test]
fn what_a_test_key_has_sealed_is_told_as_such_by_production() {
    let context = EncryptionContext::empty();
    let tests = Keyring::new(key_id("test/a"), test_key(1)).unwrap();
    let tests = tests.with_escrow(key_id("test/b"), test_key(2)).unwrap();
    let row = tests.seal(&"mock".into(), &context).unwrap();
    assert_eq!(tests.open(&row, &context).unwrap().expose_secret(), b"mock");

    let prod = || Keyring::new(key_id("prod"), master_key(1)).unwrap();
    let unwraps = |ring: Keyring| match ring.open(&row, &context).unwrap_err() {
        OpenError::Unwrap(error) => {
            format!("{} {:?}", error.name(), error.key_id().unwrap().as_ref())
        }
        other => panic!("{other}"),
    };
    assert_eq!(unwraps(prod()), r#"test_key "test/a""#);
    assert_eq!(unwraps(Keyring::opening_only()), r#"test_key "test/a""#);
    // What the ring says about the key itself comes first.
    assert_eq!(
        unwraps(prod().with_disabled(key_id("test/b")).unwrap()),
        r#"key_disabled "test/b""#
    );
    assert!(matches!(prod().rewrap(&row), Err(RewrapError::Unwrap(UnwrapError::TestKey { .. }))));
    // Among tests, it is a key that is not there.
    let others = Keyring::new(key_id("test/c"), test_key(3)).unwrap();
    assert_eq!(unwraps(others), r#"unknown_key "test/a""#);
    // And a row of production is one for tests.
    let of_prod = prod().seal(&"sk-1".into(), &context).unwrap();
    assert_eq!(tests.verify(&of_prod).unwrap_err().name(), "unknown_key");
    assert_eq!(tests.state("test/b"), Some(KeyState::Escrow));
}

/// A type around a key, in which no keyring can see it.
struct Around(MasterKey, WrapKind);

fn around(key: MasterKey) -> Around {
    Around(key, WrapKind::Local)
}

impl KeyWrapper for Around {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.0.wrap_key(request)
    }

    fn kind(&self) -> WrapKind {
        self.1
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.0.is_current(body)
    }
}

impl MasterKeyProvider for Around {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.0.unwrap_key(request)
    }
}

#[test]
fn a_key_behind_another_type_still_fits_its_id_alone() {
    let context = EncryptionContext::empty();
    for (id, key, is_sealed) in [
        ("test/a", test_key(1), true),
        ("prod", master_key(1), true),
        ("prod", test_key(1), false),
        ("test/a", master_key(1), false),
    ] {
        let ring = Keyring::new(key_id(id), around(key)).unwrap();
        match ring.seal(&"sk-1".into(), &context) {
            Ok(row) => assert!(is_sealed && ring.open(&row, &context).is_ok()),
            Err(error) => assert!(!is_sealed && matches!(error, SealError::Wrap { .. }), "{error}"),
        }
    }
    // Nor does it unwrap: what an honest key wrapped under this id, it says nothing about.
    let row = Keyring::new(key_id("prod"), master_key(1)).unwrap().seal(&"sk-1".into(), &context);
    let ring = Keyring::new(key_id("prod"), around(test_key(1))).unwrap();
    assert_eq!(ring.verify(&row.unwrap()).unwrap_err().name(), "provider");
}

/// Whichever of its keys a keyring cannot see, and whichever comes first.
#[test]
fn a_test_key_behind_another_type_is_among_test_keys_alone() {
    type Ring = fn() -> Keyring;
    type Add = fn(Keyring, KeyId, Around) -> Result<Keyring, KeyringError>;
    let tests: [Ring; 3] = [
        || Keyring::new(key_id("test/a"), test_key(1)).unwrap(),
        || Keyring::new(key_id("test/a"), around(test_key(1))).unwrap(),
        || Keyring::opening_only().with_retired(key_id("test/a"), around(test_key(1))).unwrap(),
    ];
    let prod: [Ring; 3] = [
        || Keyring::new(key_id("prod-a"), master_key(1)).unwrap(),
        || Keyring::new(key_id("prod-a"), around(master_key(1))).unwrap(),
        || Keyring::opening_only().with_escrow(key_id("prod-a"), around(master_key(1))).unwrap(),
    ];
    let adds: [Add; 2] = [Keyring::with_retired, Keyring::with_escrow];
    let mut checked = 0;
    for add in adds {
        for ring in tests {
            assert_eq!(told(add(ring(), key_id("test/b"), around(test_key(2)))), "accepted");
            assert_eq!(told(ring().with_retired(key_id("test/b"), test_key(2))), "accepted");
            assert_eq!(told(add(ring(), key_id("prod"), around(master_key(2)))), "prod is none");
            assert_eq!(told(ring().with_retired(key_id("prod"), master_key(2))), "prod is none");
            assert_eq!(told(ring().with_disabled(key_id("prod"))), "prod is none");
            checked += 1;
        }
        for ring in prod {
            assert_eq!(told(add(ring(), key_id("test/b"), around(test_key(2)))), "prod-a is none");
            assert_eq!(told(ring().with_escrow(key_id("test/b"), test_key(2))), "prod-a is none");
            assert_eq!(told(add(ring(), key_id("prod-b"), around(master_key(2)))), "accepted");
            checked += 1;
        }
    }
    assert_eq!(checked, 12);
    // What it has sealed is a row of a test for production, and of another test for tests.
    let context = EncryptionContext::empty();
    let row = Keyring::new(key_id("test/a"), test_key(1)).unwrap().seal(&"mock".into(), &context);
    let row = row.unwrap();
    let name = |ring: &Keyring| ring.verify(&row).unwrap_err().name();
    assert_eq!(name(&Keyring::new(key_id("prod"), around(master_key(1))).unwrap()), "test_key");
    assert_eq!(name(&Keyring::new(key_id("test/b"), around(test_key(1))).unwrap()), "unknown_key");
}

/// A keyring does not see what wrapped a branch key or a fresh key.
#[test]
fn a_branch_or_a_rebound_key_with_the_id_of_a_test_key_is_one() {
    let mut checked = 0;
    for kind in [WrapKind::Branch, WrapKind::Rebound] {
        let prod = || Keyring::new(key_id("prod-a"), master_key(1)).unwrap();
        let tests = || Keyring::new(key_id("test/a"), test_key(1)).unwrap();
        let of = |key| Around(key, kind);
        assert_eq!(told(prod().with_escrow(key_id("test/b"), of(test_key(2)))), "prod-a is none");
        assert_eq!(told(prod().with_escrow(key_id("kms"), of(master_key(2)))), "accepted");
        assert_eq!(told(tests().with_escrow(key_id("test/b"), of(test_key(2)))), "accepted");
        assert_eq!(told(tests().with_escrow(key_id("kms"), of(master_key(2)))), "kms is none");
        checked += 1;
    }
    assert_eq!(checked, 2);
}

#[test]
fn a_key_at_a_service_may_have_any_id() {
    let at_service = |number| Around(master_key(number), WrapKind::Provider);
    let prod = || Keyring::new(key_id("prod-a"), master_key(1)).unwrap();
    let tests = || Keyring::new(key_id("test/a"), test_key(1)).unwrap();
    assert_eq!(told(prod().with_escrow(key_id("test/kms"), at_service(2))), "accepted");
    assert_eq!(told(tests().with_escrow(key_id("test/kms"), at_service(2))), "accepted");
    assert_eq!(told(tests().with_escrow(key_id("kms"), at_service(2))), "kms is none");
    let ring = Keyring::new(key_id("test/kms"), at_service(2)).unwrap();
    assert_eq!(told(ring.with_retired(key_id("prod-a"), master_key(1))), "accepted");
}
