//! A key that a typing error creates, and a key that is not the one it was.

use sealwax::{KeyWrapper, ProviderErrorKind};
use sealwax_transit::{TransitError, version_of};
use serde_json::{Value, json};

use super::with_bao;
use crate::scripted::{Row, cause};

/// The policy in the README.
pub(super) fn policy() -> String {
    let readme = include_str!("../../../README.md");
    let (_, text) = readme.split_once("> byok.hcl <<'END'\n").unwrap();
    let (text, _) = text.split_once("\nEND\n").unwrap();
    assert_eq!(text.matches("path \"transit/").count(), 3, "{text}");
    assert!(!text.contains("\"create\""));
    text.replace("transit/", "MOUNT/")
}

/// Shows that the other tests here look for something that exists.
#[test]
fn without_a_guard_a_wrap_creates_the_key() {
    with_bao(|bao| async move {
        let key = bao.unchecked("typo", bao.root());
        key.wrap_key(Row::new(1).wrap()).await.unwrap();
        assert!(bao.exists("typo").await);
    });
}

#[test]
fn first_guard_connect_reads_the_key() {
    with_bao(|bao| async move {
        let error = bao.connect("typo", bao.root()).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::NotFound);
        assert!(!bao.exists("typo").await);
    });
}

#[test]
fn second_guard_a_policy_without_create() {
    with_bao(|bao| async move {
        let token = bao.token(&policy(), "1h").await;
        let wildcard = policy().replace("byok", "*");
        let wildcard = bao.token(&wildcard, "1h").await;
        for token in [token.clone(), wildcard] {
            let key = bao.unchecked("typo", token);
            let error = key.wrap_key(Row::new(1).wrap()).await.unwrap_err();
            assert_eq!(error.kind(), ProviderErrorKind::Denied);
            let error = key.wrap_keys(&[Row::new(1).wrap()]).await.remove(0).unwrap_err();
            assert_eq!(error.kind(), ProviderErrorKind::Denied);
            assert!(!bao.exists("typo").await);
        }
        // With this policy, everything that the provider does is allowed.
        bao.create("byok", json!({})).await;
        let key = bao.connect("byok", token).await.unwrap();
        let row = Row::new(1);
        let body = key.wrap_key(row.wrap()).await.unwrap();
        sealwax::MasterKeyProvider::unwrap_key(&*key, row.unwrap(&body)).await.unwrap();
        key.check(&"k".parse().unwrap()).await.unwrap();
    });
}

#[test]
fn third_guard_a_mount_that_creates_nothing() {
    with_bao(|bao| async move {
        let config = format!("{}/config/keys", bao.mount);
        bao.post(&config, json!({ "disable_upsert": true })).await;
        let key = bao.unchecked("typo", bao.root());
        let error = key.wrap_key(Row::new(1).wrap()).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::NotFound);
        assert!(!bao.exists("typo").await);
    });
}

#[test]
fn a_key_that_was_deleted_and_created_again_is_noticed() {
    with_bao(|bao| async move {
        let (key, row) = (bao.key("byok").await, Row::new(1));
        bao.rotate("byok").await;
        assert_eq!(version_of(&key.wrap_key(row.wrap()).await.unwrap()), Some(2));
        let config = format!("{}/keys/byok/config", bao.mount);
        bao.post(&config, json!({ "deletion_allowed": true })).await;
        let (status, _) =
            bao.send("DELETE", &format!("{}/keys/byok", bao.mount), Value::Null).await;
        assert_eq!(status, 204);
        // The root token may create, so the service makes a key with version 1.
        let error = key.wrap_key(row.wrap()).await.unwrap_err();
        assert!(bao.exists("byok").await);
        assert_eq!(error.kind(), ProviderErrorKind::WrongKeyMaterial);
        assert!(matches!(cause(&error), TransitError::VersionWentBack { before: 2, now: 1, .. }));
        let error = key.check(&"k".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::WrongKeyMaterial);
    });
}

#[test]
fn keys_that_cannot_bind_are_refused() {
    with_bao(|bao| async move {
        let unsuitable = [
            ("ed25519", json!({ "type": "ed25519" })),
            ("ecdsa-p256", json!({ "type": "ecdsa-p256" })),
            ("rsa-2048", json!({ "type": "rsa-2048" })),
            ("derived", json!({ "derived": true })),
            ("convergent", json!({ "derived": true, "convergent_encryption": true })),
        ];
        for (name, options) in unsuitable {
            bao.create(name, options).await;
            let error = bao.connect(name, bao.root()).await.unwrap_err();
            assert_eq!(error.kind(), ProviderErrorKind::Other, "{name}");
            assert!(matches!(cause(&error), TransitError::UnsuitableKey { .. }), "{name}");
        }
    });
}
