//! Tests a keyring that a KMS unlocks when the service starts.

use std::sync::Arc;

use sealwax::{EncryptionContext, Held, Secret};
use services::unlocking::{lock, unlock};

use crate::given;

#[tokio::test]
async fn one_request_unlocks_a_keyring_and_rows_cost_none() {
    let kms = Arc::new(given::Kms::new([]));
    let ring = given::remote(kms.clone());
    let text = Secret::from(format!("primary a {}", given::key()));
    let file = lock(&ring, "byok", &text).await.unwrap();
    assert!(!file.contains("swk1_"));
    assert_eq!(kms.calls(), 1);

    let local = unlock(&ring, "byok", &format!("{file}\n")).await.unwrap();
    assert_eq!(kms.calls(), 2);
    let context = EncryptionContext::empty();
    let row = local.seal(&"sk".into(), &context).unwrap();
    assert!(local.open(&row, &context).unwrap().expose_str() == Ok("sk"));
    assert_eq!(kms.calls(), 2);
    assert_eq!(local.fingerprint(), given::ring(text.expose_str().unwrap()).fingerprint());

    let held = EncryptionContext::new([("service", "byok")]).unwrap().holding(Held::Keyring).unwrap();
    assert!(ring.open_async(&file.parse().unwrap(), &held).await.is_ok());

    // `unlock` rejects the file of another service.
    assert!(unlock(&ring, "billing", &file).await.is_err());
    // `unlock` opens an older file, unless the revision is part of the name.
    let next = lock(&ring, "byok", &format!("primary b {}; leaked a", given::key()).into()).await.unwrap();
    assert!(unlock(&ring, "byok", &next).await.is_ok() && unlock(&ring, "byok", &file).await.is_ok());
    let first = lock(&ring, "byok/1", &text).await.unwrap();
    assert!(unlock(&ring, "byok/1", &first).await.is_ok());
    assert!(unlock(&ring, "byok/2", &first).await.is_err());
    // `unlock` rejects a credential in place of a keyring, and `lock` rejects a text that is not a keyring.
    let context = EncryptionContext::new([("service", "byok")]).unwrap();
    let credential = ring.seal_async(&text, &context).await.unwrap().to_string();
    assert!(unlock(&ring, "byok", &credential).await.is_err());
    assert!(lock(&ring, "byok", &"primary a swk1_".into()).await.is_err());
}
