//! Rows under a key in AWS KMS, each with a request of its own, and through branch keys, over moto:
//! `ci/servers --aws cargo run --manifest-path crates/sealwax-aws-kms/Cargo.toml --example rows_under_kms`.
//!
//! ```text
//! sealed and opened with a request each
//! 100 rows sealed through a branch, and opened by another process
//! moved to another tenant: wrong context
//! ```

use std::error::Error;
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use sealwax::{EncryptionContext, Keyring, OpenError};
use sealwax_aws_kms::KmsKey;
use sealwax_branch::BranchKeys;

type AnyError = Box<dyn Error>;

/// A client for a server on loopback. For AWS, see the README.
fn client(endpoint: &str) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(1))
        .connect_timeout(Duration::from_millis(500));
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("test", "test", None, None, "loopback"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::standard().with_max_attempts(2));
    Client::from_conf(config.build())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AnyError> {
    let client = client(&std::env::var("SEALWAX_TEST_MOTO")?);
    // What an operator does, once.
    let created = client.create_key().send().await?;
    let id = created.key_metadata().map(|key| key.key_id().to_owned()).ok_or("no key")?;
    let key = KmsKey::connect(client, &id).await?.with_entry("service", "example")?;
    let context = EncryptionContext::new([("tenant", "acme")])?;
    let secret = "the customer's API key".into();

    let direct = Keyring::new("aws/byok".parse()?, key.clone())?;
    let envelope = direct.seal_async(&secret, &context).await?;
    assert_eq!(direct.open_async(&envelope, &context).await?, secret);
    println!("sealed and opened with a request each");

    // Branches have an id of their own in the keyring, also over the same key.
    let branching = || -> Result<Keyring, AnyError> {
        let branches = BranchKeys::new(key.clone(), 1000.try_into()?);
        Ok(Keyring::new("aws/byok-branches".parse()?, branches)?)
    };
    let (ring, other) = (branching()?, branching()?);
    for _ in 0..100 {
        let envelope = ring.seal_async(&secret, &context).await?;
        assert_eq!(other.open_async(&envelope, &context).await?, secret);
    }
    println!("100 rows sealed through a branch, and opened by another process");

    let elsewhere = EncryptionContext::new([("tenant", "other")])?;
    match direct.open_async(&envelope, &elsewhere).await {
        Err(OpenError::ContextMismatch) => println!("moved to another tenant: wrong context"),
        other => return Err(format!("unexpected: {other:?}").into()),
    }
    Ok(())
}
