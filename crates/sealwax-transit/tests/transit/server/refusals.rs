//! What the real server says when it refuses.

use std::time::Duration;

use sealwax::{KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind, Secret};
use sealwax_transit::{Token, TransitError, TransportErrorKind};
use serde_json::{Value, json};

use super::own::with_own_bao;
use super::{unique, with_bao};
use crate::scripted::{Row, cause};

#[test]
fn a_soft_deleted_key_is_disabled() {
    with_bao(|bao| async move {
        let (key, row) = (bao.key("byok").await, Row::new(1));
        let body = key.wrap_key(row.wrap()).await.unwrap();
        let (status, _) =
            bao.send("DELETE", &format!("{}/keys/byok/soft-delete", bao.mount), Value::Null).await;
        assert_eq!(status, 200);
        let errors = [
            key.wrap_key(row.wrap()).await.unwrap_err(),
            key.wrap_keys(&[row.wrap()]).await.remove(0).unwrap_err(),
            key.unwrap_key(row.unwrap(&body)).await.unwrap_err(),
            key.unwrap_keys(&[row.unwrap(&body)]).await.remove(0).unwrap_err(),
            key.check(&"k".parse().unwrap()).await.unwrap_err(),
            bao.connect("byok", bao.root()).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ProviderErrorKind::Disabled, "{error:?}");
        }
        bao.post(&format!("{}/keys/byok/soft-delete-restore", bao.mount), json!({})).await;
        key.unwrap_key(row.unwrap(&body)).await.unwrap();
    });
}

/// The id of the request that an error has.
fn request_id(error: &ProviderError) -> Option<&str> {
    let TransitError::Refused { request_id, .. } = cause(error) else { panic!("{error:?}") };
    request_id.as_deref()
}

#[test]
fn a_version_that_is_too_old_is_disabled() {
    with_bao(|bao| async move {
        let (key, row) = (bao.key("byok").await, Row::new(1));
        let body = key.wrap_key(row.wrap()).await.unwrap();
        bao.rotate("byok").await;
        let config = format!("{}/keys/byok/config", bao.mount);
        bao.post(&config, json!({ "min_decryption_version": 2 })).await;
        let fresh = key.wrap_key(row.wrap()).await.unwrap();
        let results = key.unwrap_keys(&[row.unwrap(&body), row.unwrap(&fresh)]).await;
        assert_eq!(results[0].as_ref().unwrap_err().kind(), ProviderErrorKind::Disabled);
        assert!(results[1].is_ok());
        // The service says the id of a request only if it has results.
        assert_eq!(request_id(results[0].as_ref().unwrap_err()).map(str::len), Some(36));
        let error = key.unwrap_key(row.unwrap(&body)).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Disabled);
        assert_eq!(request_id(&error), None);
    });
}

#[test]
fn unknown_keys_and_mounts() {
    with_bao(|mut bao| async move {
        let row = Row::new(1);
        let body = bao.key("byok").await.wrap_key(row.wrap()).await.unwrap();
        let key = bao.unchecked("other", bao.root());
        let errors = [
            key.unwrap_key(row.unwrap(&body)).await.unwrap_err(),
            key.unwrap_keys(&[row.unwrap(&body)]).await.remove(0).unwrap_err(),
            key.refresh().await.unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.kind() == ProviderErrorKind::NotFound));
        bao.mount = unique("no-mount");
        let key = bao.unchecked("byok", bao.root());
        let errors = [
            key.wrap_key(row.wrap()).await.unwrap_err(),
            key.unwrap_key(row.unwrap(&body)).await.unwrap_err(),
            key.refresh().await.unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.kind() == ProviderErrorKind::NotFound));
    });
}

#[test]
fn a_token_that_expires_and_is_replaced() {
    with_bao(|bao| async move {
        bao.create("byok", json!({})).await;
        let policy = r#"path "MOUNT/*" { capabilities = ["read", "update"] }"#;
        let token = bao.token(policy, "1s").await;
        let key = bao.connect("byok", token.clone()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let row = Row::new(1);
        let errors = [
            key.wrap_key(row.wrap()).await.unwrap_err(),
            key.wrap_keys(&[row.wrap()]).await.remove(0).unwrap_err(),
            key.check(&"k".parse().unwrap()).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ProviderErrorKind::Unauthenticated, "{error:?}");
        }
        token.replace(&Secret::from(&bao.root)).unwrap();
        key.wrap_key(row.wrap()).await.unwrap();
        let wrong = Token::new(&Secret::from("s.nobody")).unwrap();
        let error = bao.connect("byok", wrong).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Unauthenticated);
    });
}

#[test]
fn a_policy_that_does_not_allow() {
    with_bao(|bao| async move {
        let row = Row::new(1);
        let body = bao.key("byok").await.wrap_key(row.wrap()).await.unwrap();
        let policy = r#"path "MOUNT/encrypt/byok" { capabilities = ["update"] }"#;
        let key = bao.unchecked("byok", bao.token(policy, "1h").await);
        key.wrap_key(row.wrap()).await.unwrap();
        let errors = [
            key.unwrap_key(row.unwrap(&body)).await.unwrap_err(),
            key.unwrap_keys(&[row.unwrap(&body)]).await.remove(0).unwrap_err(),
            key.check(&"k".parse().unwrap()).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ProviderErrorKind::Denied, "{error:?}");
        }
    });
}

#[test]
fn a_quota_throttles() {
    with_bao(|bao| async move {
        let (key, row) = (bao.key("byok").await, Row::new(1));
        let quota = format!("sys/quotas/rate-limit/{}", bao.mount);
        let path = format!("{}/", bao.mount);
        bao.post(&quota, json!({ "path": path, "rate": 2, "interval": "60s" })).await;
        let mut throttled = 0;
        for _ in 0..5 {
            if let Err(error) = key.wrap_key(row.wrap()).await {
                assert_eq!(error.kind(), ProviderErrorKind::Throttled, "{error:?}");
                assert!(error.is_transient());
                throttled += 1;
            }
        }
        let (status, _) = bao.send("DELETE", &quota, Value::Null).await;
        assert_eq!(status, 204);
        assert_eq!(throttled, 3);
        key.wrap_key(row.wrap()).await.unwrap();
    });
}

#[test]
fn a_server_that_is_sealed_and_then_gone() {
    with_own_bao(|bao, running| async move {
        let (key, row) = (bao.key("byok").await, Row::new(1));
        let body = key.wrap_key(row.wrap()).await.unwrap();
        bao.post("sys/seal", json!({})).await;
        let errors = [
            key.wrap_key(row.wrap()).await.unwrap_err(),
            key.unwrap_keys(&[row.unwrap(&body)]).await.remove(0).unwrap_err(),
            key.check(&"k".parse().unwrap()).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ProviderErrorKind::Unavailable, "{error:?}");
            assert!(matches!(cause(&error), TransitError::Refused { status: 503, .. }));
        }
        drop(running);
        // The first request may still find a connection in the pool, which the server has closed.
        let error = key.unwrap_key(row.unwrap(&body)).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Unavailable, "{error:?}");
        let error = key.unwrap_key(row.unwrap(&body)).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Unavailable, "{error:?}");
        let TransitError::Transport { source, .. } = cause(&error) else { panic!("{error:?}") };
        assert_eq!(source.kind(), TransportErrorKind::Connect);
    });
}
