//! A wrap that parses, but that its key did not make, is rejected when it is used.

use sealwax::{
    DataKey, Envelope, Field, KeyWrapper, Keyring, MasterKeyProvider, ProviderError,
    ProviderFuture, Secret, Suite, UnwrapRequest, WrapKind, WrapRequest, WrappedKey,
};

use crate::bad_input::{WRAP_AT, binary_fault, one_wrap, text_fault};
use crate::fixtures::{
    CREDENTIAL, Counting, Parts, SUITES, acme, counted_data_key, key_id, master_bytes, master_key,
    opening,
};
use crate::reference::procedures::{check_value, padded, salt};

/// Builds a local wrap by hand, of a data key of any length; for a long one, the pad repeats.
///
/// check ‖ salt ‖ data key xor pad
fn hand_made_body(master: &[u8; 32], suite: Suite, commitment: &[u8], data_key: &[u8]) -> Vec<u8> {
    let salt = salt(master, "prod", suite.id(), commitment, data_key);
    let wrapped = data_key.chunks(32).flat_map(|dek| padded(master, &salt, dek)).collect();
    [check_value(master), salt, wrapped].concat()
}

#[test]
fn a_local_wrap_of_another_length_is_refused() {
    let mut tried = 0;
    for suite in SUITES {
        let envelope = one_wrap(suite, CREDENTIAL);
        let keyring = Keyring::new(key_id("prod"), master_key(1)).unwrap();
        let data_key = counted_data_key(9);
        let master = master_bytes(1);
        let with_body = |body: &[u8]| {
            let wrapped = WrappedKey::new(key_id("prod"), WrapKind::Local, body).unwrap();
            let parts = Parts::of(&envelope).with_wraps(&[wrapped]).with_mac_under(&data_key);
            opening(&keyring, &parts.envelope(), &acme())
        };
        // A control: the wrap built by hand from the right key opens, and equals the crate's.
        let right = hand_made_body(&master, suite, envelope.commitment(), data_key.expose_secret());
        assert_eq!(right, envelope.wrapped_keys().next().unwrap().body(), "{suite}");
        assert_eq!(with_body(&right), "opened", "{suite}");

        let long: Vec<u8> = [data_key.expose_secret().as_slice(); 2].concat();
        for len in [0, 16, 24, 31, 33, 64] {
            let body = hand_made_body(&master, suite, envelope.commitment(), &long[..len]);
            let found = with_body(&body);
            assert_eq!(found, "wrap_altered(prod)", "{suite}, a data key of {len} bytes");
            tried += 1;
        }
        let bare = data_key.expose_secret();
        assert_eq!(with_body(bare), "wrap_altered(prod)", "{suite}, the bare data key");
        // The right body, shorter and longer.
        for len in [1, 4, 28, 59, 61, 62, 76, 1000, 65_534] {
            let mut body = right.clone();
            body.resize(len, 0);
            assert_eq!(with_body(&body), "wrap_altered(prod)", "{suite}, a body of {len} bytes");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * (6 + 9));
}

/// A service that unwraps everything to these bytes.
struct Unwraps(Vec<u8>);

impl KeyWrapper for Unwraps {
    fn wrap_key<'a>(
        &'a self,
        _: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::ready(Ok(b"opaque".to_vec()))
    }
}

impl MasterKeyProvider for Unwraps {
    fn unwrap_key<'a>(
        &'a self,
        _: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let mut bytes = self.0.clone();
        ProviderFuture::ready(DataKey::from_bytes(&mut bytes).map_err(Into::into))
    }
}

#[test]
fn a_service_that_unwraps_to_another_length_is_refused_before_use() {
    let data_key = counted_data_key(1).expose_secret().to_vec();
    let ring = |bytes: &[u8]| Keyring::new(key_id("kms"), Unwraps(bytes.to_vec())).unwrap();
    let envelope = ring(&data_key)
        .seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut Counting(1))
        .unwrap();
    assert_eq!(opening(&ring(&data_key), &envelope, &acme()), "opened");
    let twice = data_key.repeat(2);
    for len in [0, 16, 24, 31, 33, 64] {
        let found = opening(&ring(&twice[..len]), &envelope, &acme());
        assert_eq!(found, "wrap_altered(kms)", "{len} bytes");
    }
    assert_eq!(opening(&ring(&[7; 32]), &envelope, &acme()), "wrap_altered(kms)", "a weak one");
    let other = counted_data_key(2);
    let found = opening(&ring(other.expose_secret()), &envelope, &acme());
    assert_eq!(found, "envelope_altered", "another data key");
}

#[test]
fn a_kind_that_the_key_does_not_make_parses_and_is_refused_when_used() {
    let mut tried = 0;
    for suite in SUITES {
        let envelope = one_wrap(suite, CREDENTIAL);
        let keyring = Keyring::new(key_id("prod"), master_key(1)).unwrap();
        assert_eq!(opening(&keyring, &envelope, &acme()), "opened");
        for kind in (0..=u8::MAX).filter(|kind| *kind != 1) {
            let mut parts = Parts::of(&envelope);
            parts.wraps[0].1[0] = kind;
            let parts = parts.with_mac_under(&counted_data_key(9));
            if kind == 0 {
                assert_eq!(binary_fault(&parts.binary()), (Field::WrappedKey, WRAP_AT));
                assert_eq!(text_fault(&parts.text()).0, Field::WrappedKey);
                continue;
            }
            let parsed = parts.envelope();
            assert_eq!(parsed.wrapped_keys().next().unwrap().kind().byte(), kind);
            assert_eq!(parts.text().parse::<Envelope>().unwrap(), parsed, "kind {kind:#04x}");
            let found = opening(&keyring, &parsed, &acme());
            assert_eq!(found, "wrong_wrap_kind(prod)", "{suite}, kind {kind:#04x}");
            assert!(!keyring.is_current(&parsed), "{suite}, kind {kind:#04x}");
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * 254);
}
