//! Tests over moto, an imitation of AWS: `SEALWAX_TEST_MOTO` is its address, such as `http://127.0.0.1:5000`; and over a
//! proxy that fails, or answers by script where moto has no such case.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

mod conformance;
mod connecting;
mod errors;
mod example;
mod outages;
mod proxy;
mod reach;
mod rows;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use proxy::Proxy;
use sealwax_aws_kms::KmsKey;

const TESTS: [&str; 6] = [
    include_str!("conformance.rs"),
    include_str!("connecting.rs"),
    include_str!("example.rs"),
    include_str!("outages.rs"),
    include_str!("reach.rs"),
    include_str!("rows.rs"),
];

/// The harness would swallow what `println!` says in a test that passes.
#[test]
fn tests_that_are_skipped_are_counted() {
    let tests: usize = TESTS.iter().map(|tests| tests.matches("with_moto(|").count()).sum();
    assert!(tests >= 12, "{tests}");
    let skipped = if std::env::var_os("SEALWAX_TEST_MOTO").is_none() { tests } else { 0 };
    let line = format!("sealwax-aws-kms: {skipped} of {tests} tests with moto are skipped\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// moto, behind a proxy.
struct Moto {
    proxy: Arc<Proxy>,
    /// Asks moto itself.
    admin: Client,
}

impl Moto {
    async fn create(&self) -> String {
        let key = self.admin.create_key().send().await.unwrap();
        key.key_metadata.unwrap().arn.unwrap()
    }

    /// Returns a client that asks through the proxy.
    fn client(&self) -> Client {
        client(&self.proxy.address(), Duration::from_secs(10))
    }

    /// Makes a key, and returns its provider. Its requests are counted from here on.
    async fn key(&self) -> KmsKey {
        let key = KmsKey::connect(self.client(), &self.create().await).await.unwrap();
        self.proxy.take_requests();
        key
    }
}

fn with_moto<F: Future<Output = ()>>(test: impl FnOnce(Moto) -> F) {
    let Ok(address) = std::env::var("SEALWAX_TEST_MOTO") else { return };
    run(async {
        let proxy = Proxy::start(address.strip_prefix("http://").unwrap()).await;
        test(Moto { proxy, admin: client(&address, Duration::from_secs(30)) }).await;
    });
}

fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap().block_on(test);
}

/// Returns a client without TLS and retries, with made-up credentials.
fn client(address: &str, timeout: Duration) -> Client {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(address)
        .credentials_provider(Credentials::new("AKIDTEST", "made up", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .timeout_config(TimeoutConfig::builder().operation_timeout(timeout).build())
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}
