//! What the service, or the way to it, answers, by script: moto has none of these cases.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, IdentityCache, Region};
use sealwax::ProviderErrorKind::{
    self, Denied, Disabled, NotFound, Other, Rejected, Throttled, Unauthenticated, Unavailable,
    WrongKeyMaterial,
};
use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, Suite, UnwrapRequest, WrapRequest,
};
use sealwax_aws_kms::{KmsError, KmsKey};

use tokio::net::{TcpSocket, TcpStream};

use crate::proxy::{Mode, Proxy};
use crate::{client, run};

const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// How an error names the request that the proxy answers.
const REQUEST: &str = " (request 1b39c8ac-0000-4000-8000-0123456789ab)";
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
    let (key_id, data_key): (KeyId, _) =
        ("aws/byok".parse().unwrap(), DataKey::generate().unwrap());
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
    const CODES: [(u16, &str, ProviderErrorKind); 49] = [
        (400, "NotFoundException", NotFound),
        (400, "AccessDeniedException", Denied),
        (403, "AccessDenied", Denied),
        (400, "InvalidGrantTokenException", Denied),
        (400, "NotAuthorized", Denied),
        (403, "OptInRequired", Denied),
        (400, "ExpiredTokenException", Unauthenticated),
        (400, "ExpiredToken", Unauthenticated),
        (400, "RequestExpired", Unauthenticated),
        (400, "UnrecognizedClientException", Unauthenticated),
        (403, "InvalidClientTokenId", Unauthenticated),
        (400, "InvalidSignatureException", Unauthenticated),
        (403, "SignatureDoesNotMatch", Unauthenticated),
        (400, "IncompleteSignature", Unauthenticated),
        (403, "MissingAuthenticationToken", Unauthenticated),
        (400, "MissingAuthenticationTokenException", Unauthenticated),
        (400, "AuthFailure", Unauthenticated),
        (400, "RequestTimeTooSkewed", Unauthenticated),
        (400, "DisabledException", Disabled),
        (400, "KMSInvalidStateException", Unavailable),
        (400, "ThrottlingException", Throttled),
        (400, "Throttling", Throttled),
        (400, "ThrottledException", Throttled),
        (400, "RequestThrottled", Throttled),
        (400, "RequestThrottledException", Throttled),
        (400, "RequestLimitExceeded", Throttled),
        (400, "BandwidthLimitExceeded", Throttled),
        (400, "LimitExceededException", Throttled),
        (400, "TooManyRequestsException", Throttled),
        (503, "SlowDown", Throttled),
        (400, "KeyUnavailableException", Unavailable),
        (400, "DependencyTimeoutException", Unavailable),
        (400, "RequestTimeout", Unavailable),
        (400, "RequestTimeoutException", Unavailable),
        (500, "KMSInternalException", Unavailable),
        (500, "InternalFailure", Unavailable),
        (503, "ServiceUnavailableException", Unavailable),
        (500, "SomethingNewException", Unavailable),
        (429, "SomethingNewException", Throttled),
        (408, "SomethingNewException", Unavailable),
        (425, "SomethingNewException", Unavailable),
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
            for (error, operation) in
                errors(&key).await.iter().zip(["Encrypt", "Decrypt", "DescribeKey"])
            {
                assert_eq!(error.kind(), kind, "{code}: {error:?}");
                let KmsError::Refused {
                    operation: asked, code: found, message, request_id, ..
                } = source(error)
                else {
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
        for (message, kind) in [
            ("arn:aws:kms:eu-central-1:111122223333:key/1 is pending deletion.", Disabled),
            ("arn:aws:kms:eu-central-1:111122223333:key/1 is Disabled.", Disabled),
            ("The external key store proxy did not respond in time.", Unavailable),
            // Of an external key store, where each failure has this code.
            (
                "because the specified ciphertext or additional authenticated data is corrupted, missing, or otherwise invalid.",
                Rejected,
            ),
            (
                "The ciphertext that the external key store proxy submitted for decryption, or the encryption context, is corrupted.",
                Rejected,
            ),
            ("The external key store does not support the requested operation.", Other),
            ("The external key is not enabled in the external key manager.", Disabled),
            ("KMS could not find the external key.", NotFound),
            ("The external key store proxy denied access to the operation.", Denied),
        ] {
            proxy.set(Mode::Answer(400, "KMSInvalidStateException", message));
            assert_eq!(errors(&key).await.map(|error| error.kind()), [kind; 3], "{message}");
        }
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
        assert_eq!(kinds, [Other, Other, Other]);
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
        assert_eq!((encrypted.kind(), decrypted.kind()), (Other, Rejected));
        assert!(matches!(source(&encrypted), KmsError::Unreadable { .. }));
        assert!(matches!(source(&decrypted), KmsError::NotADataKey { .. }));
        for error in [encrypted, decrypted] {
            assert!(error.source().unwrap().to_string().ends_with(REQUEST));
        }
        // A data key of another key is not used.
        proxy.set(Mode::Raw(
            200,
            r#"{"KeyId":"arn:aws:kms:eu-central-1:111122223333:key/5678","Plaintext":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}"#,
        ));
        let [_, decrypted, _] = errors(&key).await;
        assert_eq!(decrypted.kind(), WrongKeyMaterial);
        assert!(matches!(source(&decrypted), KmsError::OtherKey { .. }));
        assert!(source(&decrypted).to_string().ends_with(REQUEST));
    });
}

#[test]
fn a_connection_that_fails_is_transient() {
    run(async {
        let (proxy, key) = proxied().await;
        for (mode, reason) in [
            (Mode::Hang, "timeout"),
            (Mode::Cut, "no connection, or one that broke"),
            (Mode::CutBody, "the reply broke off"),
        ] {
            proxy.set(mode.clone());
            let start = Instant::now();
            for error in errors(&key).await {
                assert_eq!(error.kind(), Unavailable, "{mode:?}: {error:?}");
                assert!(error.is_transient());
                let KmsError::NoReply { reason: found, .. } = source(&error) else {
                    panic!("{error:?}")
                };
                assert_eq!(*found, reason, "{mode:?}");
            }
            // The operation timeout of the client.
            assert!(start.elapsed() < Duration::from_secs(20));
        }
        // Nobody listens.
        let away =
            KmsKey::unchecked(client("http://127.0.0.1:1", Duration::from_secs(5)), ARN).unwrap();
        for error in errors(&away).await {
            assert_eq!(error.kind(), Unavailable);
        }
        // Somebody listens, and accepts nothing: the connect timeout of the client.
        let full = TcpSocket::new_v4().unwrap();
        full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = full.listen(0).unwrap();
        let address = full.local_addr().unwrap();
        let _first = TcpStream::connect(address).await.unwrap();
        let second = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address));
        assert!(second.await.is_err(), "the queue is not full");
        let config = client(&format!("http://{address}"), Duration::from_secs(60)).config().clone();
        let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_millis(100));
        let config = config.to_builder().timeout_config(timeouts.build()).build();
        let away = KmsKey::unchecked(Client::from_conf(config), ARN).unwrap();
        let start = Instant::now();
        for error in errors(&away).await {
            assert!(matches!(source(&error), KmsError::NoReply { reason: "timeout", .. }));
        }
        assert!(start.elapsed() < Duration::from_secs(30));
    });
}

#[test]
fn an_error_shows_no_secret_and_no_request() {
    run(async {
        let (proxy, key) = proxied().await;
        let denied =
            "User: arn:aws:iam::111122223333:user/jane is not authorized to perform: kms:Decrypt";
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
        // A reply that cannot be read, with a data key in it.
        proxy.set(Mode::Raw(
            200,
            r#"{"Plaintext":"c2VjcmV0IGRhdGEga2V5IGluIGEgcmVwbHkgb2Y=","KeyId":7}"#,
        ));
        for error in errors(&key).await {
            assert!(matches!(source(&error), KmsError::Unreadable { .. }), "{error:?}");
            let shown = format!("{error} {error:?} {:?}", error.source());
            for word in ["c2VjcmV0", "secret data key", "Plaintext", "115, 101, 99, 114, 101, 116"]
            {
                assert!(!shown.contains(word), "{shown}");
            }
        }
        // ARNs stay, in quotes too, and what only begins like one does not.
        const NAMED: &str =
            "Key 'arn:aws:kms:eu-central-1:111122223333:key/1234' of arn:aws:FwoGZXIvYXdzEBYaDKtES";
        proxy.set(Mode::Answer(400, "NotFoundException", NAMED));
        for error in errors(&key).await {
            let KmsError::Refused { message, .. } = source(&error) else { panic!("{error:?}") };
            assert_eq!(message, "Key 'arn:aws:kms:eu-central-1:111122223333:key/1234' of [...]");
        }
        // A code has letters and digits alone.
        proxy.set(Mode::Answer(400, "Code/FwoGZXIv", "not today"));
        for error in errors(&key).await {
            let KmsError::Refused { code, .. } = source(&error) else { panic!("{error:?}") };
            assert_eq!(code, "[...]");
        }
        // Nor does what stands behind the parts of an ARN.
        proxy.set(Mode::Answer(400, "NotFoundException", "arn:aws:a:b:c:FwoGZXIvYXdzEBYaDK%tES"));
        for error in errors(&key).await {
            let KmsError::Refused { message, .. } = source(&error) else { panic!("{error:?}") };
            assert_eq!(message, "[...]");
        }
        // Thousands of words are cut.
        static LONG: std::sync::LazyLock<String> =
            std::sync::LazyLock::new(|| "word ".repeat(2000));
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
            assert!(
                matches!(source(&error), KmsError::NotACiphertext { len, .. } if *len == body.len())
            );
        }
        assert_eq!(proxy.requests(), 0);
        let request = UnwrapRequest::new(&key_id, Suite::default(), &[7; 32], &long[..6144]);
        assert!(key.unwrap_key(request).await.is_err());
        assert_eq!(proxy.requests(), 1);
    });
}

/// None of them is an outage, which callers would wait for.
#[test]
fn a_client_that_lacks_something_says_so() {
    let config = || {
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = aws_sdk_kms::Config::builder().behavior_version(BehaviorVersion::latest());
        config.http_client(http).retry_config(RetryConfig::disabled())
    };
    let made_up = || Credentials::new("AKIDTEST", "made up", None, None, "test");
    let region = || Region::new("eu-central-1");
    run(async {
        for config in [config().region(region()), config().credentials_provider(made_up())] {
            let key = KmsKey::unchecked(Client::from_conf(config.build()), ARN).unwrap();
            for error in errors(&key).await {
                assert_eq!(error.kind(), Other);
                assert!(matches!(source(&error), KmsError::NotSent { .. }), "{error:?}");
            }
        }
        for (failing, kind) in [
            (Failing(|| CredentialsError::not_loaded("none here")), Unauthenticated),
            (Failing(|| CredentialsError::invalid_configuration("bad")), Unauthenticated),
            (Failing(|| CredentialsError::provider_error("away")), Unavailable),
            (Failing(|| CredentialsError::unhandled("away")), Unavailable),
            (Failing(|| CredentialsError::provider_timed_out(Duration::ZERO)), Unavailable),
        ] {
            let config = config().region(region()).credentials_provider(failing);
            let key = KmsKey::unchecked(Client::from_conf(config.build()), ARN).unwrap();
            for error in errors(&key).await {
                assert_eq!(error.kind(), kind, "{error:?}");
                let is_of_credentials = match source(&error) {
                    KmsError::NoCredentials { .. } => kind == Unauthenticated,
                    KmsError::CredentialsAway { message, .. } => !message.is_empty(),
                    _ => false,
                };
                assert!(is_of_credentials, "{error:?}");
            }
        }
    });
}

/// The attempt's timeout of a client bounds this too; without one, the SDK's own cache of credentials gives up.
#[test]
fn credentials_that_do_not_come_are_an_outage() {
    run(async {
        let http = aws_smithy_http_client::Builder::new().build_http();
        let cache = IdentityCache::lazy().load_timeout(Duration::from_millis(50));
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .retry_config(RetryConfig::disabled())
            .identity_cache(cache.build())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Silent);
        let key = KmsKey::unchecked(Client::from_conf(config.build()), ARN).unwrap();
        for error in errors(&key).await {
            assert_eq!(error.kind(), Unavailable);
            assert!(matches!(source(&error), KmsError::CredentialsAway { .. }), "{error:?}");
        }
    });
}

/// Credentials that never come.
#[derive(Debug)]
struct Silent;

impl ProvideCredentials for Silent {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(std::future::pending())
    }
}

/// Credentials that cannot be loaded.
#[derive(Debug)]
struct Failing(fn() -> CredentialsError);

impl ProvideCredentials for Failing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err((self.0)()))
    }
}
