//! Sealing, opening and rewrapping.

use std::sync::Arc;

use sealwax::{
    EncryptionContext, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, OpenError,
    ProviderErrorKind, Secret, UnwrapError,
};
use sealwax_transit::version_of;
use serde_json::{Value, json};

use super::{unique, with_bao};
use crate::scripted::Row;

fn ring(key: Arc<impl MasterKeyProvider + 'static>) -> Keyring {
    Keyring::new("transit/byok".parse().unwrap(), key).unwrap()
}

fn tenant(name: &str) -> EncryptionContext {
    EncryptionContext::new([("tenant", name)]).unwrap()
}

#[test]
fn each_cipher_seals_and_opens() {
    with_bao(|bao| async move {
        for cipher in ["aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"] {
            bao.create(cipher, json!({ "type": cipher })).await;
            let ring = ring(bao.connect(cipher, bao.root()).await.unwrap());
            let secret = Secret::from("sk-proj-42");
            let envelope = ring.seal_async(&secret, &tenant("acme")).await.unwrap();
            assert_eq!(ring.open_async(&envelope, &tenant("acme")).await.unwrap(), secret);
            let other = ring.open_async(&envelope, &tenant("initech")).await.unwrap_err();
            assert!(matches!(other, OpenError::ContextMismatch));
            ring.verify_async(&envelope).await.unwrap();
        }
    });
}

#[test]
fn a_wrap_is_bound_to_its_row_and_key() {
    with_bao(|bao| async move {
        let (key, other) = (bao.key("byok").await, bao.key("other").await);
        let (row, another) = (Row::new(1), Row::new(2));
        let body = key.wrap_key(row.wrap()).await.unwrap();
        assert_eq!(body.len(), 89);
        let errors = [
            key.unwrap_key(another.unwrap(&body)).await.unwrap_err(),
            other.unwrap_key(row.unwrap(&body)).await.unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.kind() == ProviderErrorKind::Rejected));
        // One flipped bit in each byte.
        let damaged: Vec<Vec<u8>> = (0..body.len())
            .map(|place| {
                let mut damaged = body.clone();
                damaged[place] ^= 1;
                damaged
            })
            .collect();
        let requests: Vec<_> = damaged.iter().map(|body| row.unwrap(body)).collect();
        let results = key.unwrap_keys(&requests).await;
        assert_eq!(results.len(), 89);
        for (place, result) in results.into_iter().enumerate() {
            let kind = result.unwrap_err().kind();
            assert_eq!(kind, ProviderErrorKind::Rejected, "byte {place}");
        }
        // Version 3 does not exist, so that another key must have made it.
        let newer = String::from_utf8(body).unwrap().replace(":v1:", ":v3:");
        let error = key.unwrap_key(row.unwrap(newer.as_bytes())).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::WrongKeyMaterial);
    });
}

#[test]
fn a_thousand_rows() {
    with_bao(|bao| async move {
        let key = bao.key("byok").await;
        let rows: Vec<_> = (0..1000).map(Row::new).collect();
        let wraps: Vec<_> = rows.iter().map(Row::wrap).collect();
        let bodies: Vec<_> = key.wrap_keys(&wraps).await.into_iter().map(Result::unwrap).collect();
        // Each result is that of its row: none opens with the associated data of another.
        let requests: Vec<_> =
            rows.iter().zip(&bodies).map(|(row, body)| row.unwrap(body)).collect();
        let keys = key.unwrap_keys(&requests).await;
        assert_eq!(keys.len(), 1000);
        for (row, key) in rows.iter().zip(keys) {
            assert_eq!(key.unwrap().expose_secret(), row.wrap().data_key().expose_secret());
        }
        // One bad row among them is one error.
        let requests: Vec<_> = (0..300).map(|n| rows[n].unwrap(&bodies[n.max(1)])).collect();
        let results = key.unwrap_keys(&requests).await;
        assert_eq!(results[0].as_ref().unwrap_err().kind(), ProviderErrorKind::Rejected);
        assert!(results[1..].iter().all(Result::is_ok));
    });
}

/// The limit is the server's: this fails if a later server allows more, or less.
#[test]
fn the_server_takes_249_rows_in_a_request() {
    with_bao(|bao| async move {
        bao.create("byok", json!({})).await;
        for (rows, expected) in [(249, 200), (250, 400)] {
            let item = json!({ "plaintext": "AAAA", "associated_data": "AAAA" });
            let batch =
                json!({ "partial_failure_response_code": 207, "batch_input": vec![item; rows] });
            let path = format!("{}/encrypt/byok", bao.mount);
            let (status, reply) = bao.send("POST", &path, batch).await;
            assert_eq!(status, expected, "{rows} rows: {}", reply["errors"]);
        }
    });
}

#[test]
fn a_rotation_at_the_service_renews_rows() {
    with_bao(|bao| async move {
        let (writer, worker) =
            (bao.key("byok").await, bao.connect("byok", bao.root()).await.unwrap());
        let (ring, working) = (ring(writer), ring(Arc::clone(&worker)));
        let envelope = ring.seal_async(&Secret::from("sk"), &tenant("acme")).await.unwrap();
        bao.rotate("byok").await;
        // This process has not heard of it.
        assert_eq!(working.rewrap_async(&envelope).await.unwrap(), None);
        let versions = worker.refresh().await.unwrap();
        assert_eq!((versions.latest, versions.min_decryption), (2, 1));
        let fresh = working.rewrap_async(&envelope).await.unwrap().unwrap();
        let version = fresh.wrapped_keys().next().map(|wrap| version_of(wrap.body()));
        assert_eq!(version, Some(Some(2)));
        assert_eq!(working.rewrap_async(&fresh).await.unwrap(), None);
        // A process that has not heard of it does not undo it.
        assert_eq!(ring.rewrap_async(&fresh).await.unwrap(), None);
        ring.open_async(&envelope, &tenant("acme")).await.unwrap();
        ring.open_async(&fresh, &tenant("acme")).await.unwrap();
        // Then the old version is switched off.
        let config = format!("{}/keys/byok/config", bao.mount);
        bao.post(&config, json!({ "min_decryption_version": 2 })).await;
        ring.open_async(&fresh, &tenant("acme")).await.unwrap();
        let error = ring.open_async(&envelope, &tenant("acme")).await.unwrap_err();
        assert!(matches!(error, OpenError::Unwrap(UnwrapError::KeyDisabled { .. })), "{error:?}");
        let versions = worker.refresh().await.unwrap();
        assert_eq!((versions.latest, versions.min_decryption), (2, 2));
    });
}

#[test]
fn a_local_key_and_one_at_the_service() {
    with_bao(|bao| async move {
        let local = || MasterKey::from_bytes(&mut (0..32).collect::<Vec<u8>>()).unwrap();
        let key = bao.key("byok").await;
        let ring = Keyring::new("local".parse().unwrap(), local()).unwrap();
        let ring = ring.with_escrow("transit/byok".parse().unwrap(), key).unwrap();
        let envelope = ring.seal_async(&Secret::from("sk"), &tenant("acme")).await.unwrap();
        assert_eq!(envelope.wrapped_keys().count(), 2);
        ring.open(&envelope, &tenant("acme")).unwrap();
    });
}

#[test]
fn a_namespace_is_a_world_of_its_own() {
    with_bao(|mut bao| async move {
        let namespace: &'static str = unique("ns").leak();
        bao.post(&format!("sys/namespaces/{namespace}"), json!({})).await;
        bao.create("byok", json!({})).await;
        bao.namespace = Some(namespace);
        let missing = bao.connect("byok", bao.root()).await.unwrap_err();
        assert_eq!(missing.kind(), ProviderErrorKind::NotFound);
        bao.mount().await;
        let ring = ring(bao.key("byok").await);
        let envelope = ring.seal_async(&Secret::from("sk"), &tenant("acme")).await.unwrap();
        ring.open_async(&envelope, &tenant("acme")).await.unwrap();
        bao.namespace = None;
        // The key with this name outside of the namespace is another one.
        let outside = super::rows::ring(bao.connect("byok", bao.root()).await.unwrap());
        let error = outside.open_async(&envelope, &tenant("acme")).await.unwrap_err();
        assert!(matches!(error, OpenError::Unwrap(UnwrapError::WrapAltered { .. })), "{error:?}");
        let (status, _) =
            bao.send("DELETE", &format!("sys/namespaces/{namespace}"), Value::Null).await;
        assert!(status < 300, "{status}");
        bao.namespace = Some("no-such-namespace");
        let missing = bao.connect("byok", bao.root()).await.unwrap_err();
        assert_eq!(missing.kind(), ProviderErrorKind::NotFound);
    });
}
