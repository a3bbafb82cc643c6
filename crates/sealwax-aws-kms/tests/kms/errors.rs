//! What the service, or the way to it, answers, by script: moto has none of these cases.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealwax::ProviderErrorKind::{
    self, Denied, Disabled, NotFound, Other, Rejected, Throttled, Unauthenticated, Unavailable, WrongKeyMaterial,
};
use sealwax::{DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, Suite, UnwrapRequest, WrapRequest};
use sealwax_aws_kms::{KmsError, KmsKey};

use crate::proxy::{Mode, Proxy};
use crate::{client, run};

const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// A session token, as a proxy or the service might quote it.
const TOKEN: &str = "FwoGZXIvYXdzEBYaDKtESTtoken/with+base64==";

async fn proxied() -> (Arc<Proxy>, KmsKey) {
    // Nobody is upstream.
    let proxy = Proxy::start("127.0.0.1:1").await;
    let client = client(&proxy.address(), Duration::from_millis(400));
    (proxy, KmsKey::unchecked(client, ARN).unwrap())
}

/// Returns the errors of all three operations.
async fn errors(key: &KmsKey) -> [ProviderError; 3] {
    let (key_id, data_key): (KeyId, _) = ("aws/byok".parse().unwrap(), DataKey::generate().unwrap());
    let wrap = WrapRequest::new(&key_id, Suite::default(), &[7; 32], &data_key);
    let unwrap = UnwrapRequest::new(&key_id, Suite::default(), &[7; 32], b"ciphertext");
    let encrypted = key.wrap_key(wrap).await.unwrap_err();
    let decrypted = key.unwrap_key(unwrap).await.unwrap_err();
    [encrypted, decrypted, key.check(&key_id).await.unwrap_err()]
}

fn source(error: &ProviderError) -> &KmsError {
    error.source().unwrap().downcast_ref().unwrap()
}

#[test]
fn each_code_is_a_kind() {
    const CODES: [(u16, &str, ProviderErrorKind); 30] = [
        (400, "NotFoundException", NotFound),
        (400, "AccessDeniedException", Denied),
        (400, "InvalidGrantTokenException", Denied),
        (403, "OptInRequired", Denied),
        (400, "ExpiredTokenException", Unauthenticated),
        (400, "UnrecognizedClientException", Unauthenticated),
        (400, "InvalidSignatureException", Unauthenticated),
        (403, "InvalidClientTokenId", Unauthenticated),
        (400, "IncompleteSignature", Unauthenticated),
        (400, "MissingAuthenticationTokenException", Unauthenticated),
        (400, "RequestExpired", Unauthenticated),
        (400, "DisabledException", Disabled),
        (400, "KMSInvalidStateException", Disabled),
        (400, "ThrottlingException", Throttled),
        (400, "LimitExceededException", Throttled),
        (400, "RequestLimitExceeded", Throttled),
        (429, "TooManyRequestsException", Throttled),
        (500, "KeyUnavailableException", Unavailable),
        (503, "DependencyTimeoutException", Unavailable),
        (500, "KMSInternalException", Unavailable),
        (500, "InternalFailure", Unavailable),
        (503, "ServiceUnavailableException", Unavailable),
        (400, "IncorrectKeyException", WrongKeyMaterial),
        (400, "InvalidCiphertextException", Rejected),
        (400, "InvalidKeyUsageException", Other),
        (400, "ValidationException", Other),
        (400, "InvalidArnException", Other),
        (400, "DryRunOperationException", Other),
        (400, "XksKeyInvalidConfigurationException", Other),
        (400, "UnknownOperationException", Other),
    ];
    run(async {
        let (proxy, key) = proxied().await;
        for (status, code, kind) in CODES {
            proxy.set(Mode::Answer(status, code, "not today"));
            for (error, operation) in errors(&key).await.iter().zip(["Encrypt", "Decrypt", "DescribeKey"]) {
                assert_eq!(error.kind(), kind, "{code}: {error:?}");
                let KmsError::Refused { operation: asked, code: found, message, request_id, .. } = source(error) else {
                    panic!("{error:?}")
                };
                assert_eq!((*asked, &**found, &**message), (operation, code, "not today"));
                assert_eq!(request_id.as_deref(), Some("1b39c8ac-0000-4000-8000-0123456789ab"));
            }
        }
        assert_eq!(proxy.requests(), 3 * CODES.len());
    });
}

#[test]
fn a_status_without_a_code_is_a_kind_too() {
    run(async {
        let (proxy, key) = proxied().await;
        for (status, body, kind) in [
            (502, "<html>bad gateway</html>", Unavailable),
            (503, "", Unavailable),
            (429, "slow down", Throttled),
            (404, "<html>", Other),
            (307, "", Other),
            (200, "<html>", Other),
            (200, "{", Other),
        ] {
            proxy.set(Mode::Raw(status, body));
            for error in errors(&key).await {
                assert_eq!(error.kind(), kind, "{status} {body}: {error:?}");
            }
        }
        // A success that has not what it must have, or that another key made.
        proxy.set(Mode::Raw(200, "{}"));
        let kinds = errors(&key).await.map(|error| error.kind());
        assert_eq!(kinds, [WrongKeyMaterial, Other, Other]);
        proxy.set(Mode::Raw(200, r#"{"KeyId":"arn:aws:kms:eu-central-1:111122223333:key/5678"}"#));
        let kinds = errors(&key).await.map(|error| error.kind());
        assert_eq!(kinds, [WrongKeyMaterial, Other, Other]);
        proxy.set(Mode::Raw(
            200,
            r#"{"KeyId":"arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}"#,
        ));
        let kinds = errors(&key).await.map(|error| error.kind());
        assert_eq!(kinds, [Other, Other, Other]);
        proxy.set(Mode::Raw(
            200,
            r#"{"KeyId":"arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab","Plaintext":"AAAA","CiphertextBlob":""}"#,
        ));
        let [encrypted, decrypted, _] = errors(&key).await;
        assert_eq!((encrypted.kind(), decrypted.kind()), (Rejected, Rejected));
        assert!(matches!(source(&encrypted), KmsError::NotACiphertext { len: 0, .. }));
        assert!(matches!(source(&decrypted), KmsError::NotADataKey { .. }));
        // A data key of another key is not used.
        proxy.set(Mode::Raw(
            200,
            r#"{"KeyId":"arn:aws:kms:eu-central-1:111122223333:key/5678","Plaintext":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}"#,
        ));
        let [_, decrypted, _] = errors(&key).await;
        assert_eq!(decrypted.kind(), WrongKeyMaterial);
        assert!(matches!(source(&decrypted), KmsError::OtherKey { .. }));
    });
}

#[test]
fn a_connection_that_fails_is_transient() {
    run(async {
        let (proxy, key) = proxied().await;
        for mode in [Mode::Hang, Mode::Cut, Mode::Pass, Mode::CutBody] {
            proxy.set(mode.clone());
            let start = Instant::now();
            for error in errors(&key).await {
                assert_eq!(error.kind(), Unavailable, "{mode:?}: {error:?}");
                assert!(error.is_transient());
                assert!(matches!(source(&error), KmsError::NoReply { .. }), "{error:?}");
            }
            // The operation timeout of the client.
            assert!(start.elapsed() < Duration::from_secs(20));
        }
        // Nobody listens.
        let away = KmsKey::unchecked(client("http://127.0.0.1:1", Duration::from_secs(5)), ARN).unwrap();
        for error in errors(&away).await {
            assert_eq!(error.kind(), Unavailable);
        }
    });
}

#[test]
fn an_error_shows_no_secret_and_no_request() {
    run(async {
        let (proxy, key) = proxied().await;
        let denied = "User: arn:aws:iam::111122223333:user/jane is not authorized to perform: kms:Decrypt";
        proxy.set(Mode::Answer(400, "AccessDeniedException", denied));
        for error in errors(&key).await {
            let KmsError::Refused { message, .. } = source(&error) else { panic!("{error:?}") };
            assert_eq!(message, denied);
        }
        const QUOTED: &str = "The Canonical String for this request should have been \
            'POST x-amz-security-token:FwoGZXIvYXdzEBYaDKtESTtoken/with+base64==' and so on";
        proxy.set(Mode::Answer(400, "InvalidSignatureException", QUOTED));
        for error in errors(&key).await {
            let shown = format!("{error} {error:?} {:?}", error.source());
            assert!(!shown.contains(TOKEN) && !shown.contains("FwoG"), "{shown}");
            assert!(shown.contains("The Canonical String") && shown.contains("[...]"), "{shown}");
        }
        proxy.set(Mode::Hang);
        for error in errors(&key).await {
            let shown = format!("{error} {error:?} {:?}", error.source());
            for word in ["Plaintext", "plaintext", "made up", "AKIDTEST"] {
                assert!(!shown.contains(word), "{shown}");
            }
        }
        // Thousands of words are cut.
        static LONG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "word ".repeat(2000));
        proxy.set(Mode::Answer(400, "ValidationException", &LONG));
        for error in errors(&key).await {
            assert!(source(&error).to_string().len() < 600);
        }
    });
}

#[test]
fn the_service_is_not_asked_about_what_it_never_made() {
    run(async {
        let (proxy, key) = proxied().await;
        let key_id: KeyId = "aws/byok".parse().unwrap();
        let long = vec![7; 6145];
        for body in [&[][..], &long] {
            let request = UnwrapRequest::new(&key_id, Suite::default(), &[7; 32], body);
            let error = key.unwrap_key(request).await.unwrap_err();
            assert_eq!(error.kind(), Rejected);
            assert!(matches!(source(&error), KmsError::NotACiphertext { len, .. } if *len == body.len()));
        }
        assert_eq!(proxy.requests(), 0);
        let request = UnwrapRequest::new(&key_id, Suite::default(), &[7; 32], &long[..6144]);
        assert!(key.unwrap_key(request).await.is_err());
        assert_eq!(proxy.requests(), 1);
    });
}
