//! What binds a wrap to its row, and what the service sees of it.

use sealwax::{
    DataKey, EncryptionContext, KeyId, KeyWrapper, Keyring, MasterKeyProvider, ProviderErrorKind,
    Suite, UnwrapRequest, WrapRequest,
};
use sealwax_aws_kms::KmsKey;

use crate::with_moto;

fn context() -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme")]).unwrap()
}

#[test]
fn a_wrap_opens_with_the_same_entries_alone() {
    with_moto(|moto| async move {
        let plain = moto.key().await;
        let billing = plain.clone().with_entry("service", "billing").unwrap();
        let other = plain.clone().with_entry("service", "search").unwrap();
        let more = billing.clone().with_entry("team", "a").unwrap();
        let ring = |key: &KmsKey| Keyring::new("aws/byok".parse().unwrap(), key.clone()).unwrap();
        let row = ring(&billing).seal_async(&"sk-proj-1".into(), &context()).await.unwrap();
        let opened = ring(&billing).open_async(&row, &context()).await.unwrap();
        assert_eq!(opened, "sk-proj-1".into());
        for key in [&plain, &other, &more] {
            let error = ring(key).open_async(&row, &context()).await.unwrap_err();
            assert_eq!(error.name(), "wrap_altered");
        }
    });
}

#[test]
fn a_wrap_opens_in_its_row_alone() {
    with_moto(|moto| async move {
        let key = moto.key().await;
        let (id, other_id): (KeyId, KeyId) =
            ("aws/byok".parse().unwrap(), "aws/2".parse().unwrap());
        let (suite, other_suite) = (Suite::Aes256Gcm, Suite::ChaCha20Poly1305);
        let data_key = DataKey::generate().unwrap();
        let body = key.wrap_key(WrapRequest::new(&id, suite, &[7; 32], &data_key)).await.unwrap();
        let request = UnwrapRequest::new(&id, suite, &[7; 32], &body);
        let unwrapped = key.unwrap_key(request).await.unwrap();
        assert!(unwrapped.expose_secret() == data_key.expose_secret());
        for request in [
            UnwrapRequest::new(&other_id, suite, &[7; 32], &body),
            UnwrapRequest::new(&id, other_suite, &[7; 32], &body),
            UnwrapRequest::new(&id, suite, &[8; 32], &body),
        ] {
            let error = key.unwrap_key(request).await.unwrap_err();
            assert_eq!(error.kind(), ProviderErrorKind::Rejected);
        }
    });
}

#[test]
fn each_request_names_the_key_and_its_row() {
    with_moto(|moto| async move {
        let key = moto.key().await.with_entry("service", "billing").unwrap();
        let arn = key.arn().to_owned();
        let ring = Keyring::new("aws/2027".parse().unwrap(), key).unwrap();
        let row = ring.seal_async(&"sk-proj-1".into(), &context()).await.unwrap();
        drop(ring.open_async(&row, &context()).await.unwrap());
        let requests = moto.proxy.take_requests();
        assert_eq!(requests.len(), 2);
        // 01 ‖ suite ‖ len8(key id) ‖ commitment, in base64url.
        let bound = [&[1, 1, 8], &b"aws/2027"[..], row.commitment()].concat();
        let bound = base64url(&bound);
        for request in requests {
            assert!(request.contains(&format!(r#""KeyId":"{arn}""#)), "{request}");
            for entry in [
                format!(r#""sealwax":"{bound}""#),
                r#""sealwax-key-id":"aws/2027""#.to_owned(),
                r#""service":"billing""#.to_owned(),
            ] {
                assert!(request.contains(&entry), "{entry}: {request}");
            }
        }
    });
}

fn base64url(bytes: &[u8]) -> String {
    use base64ct::Encoding;
    base64ct::Base64UrlUnpadded::encode_string(bytes)
}
