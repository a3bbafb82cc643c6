//! The AWS Encryption SDK: one message for each credential. A raw AES keyring in memory wraps the
//! data key where a service would have a KMS, so the figures include no request.
//!
//! The suite commits and does not sign. The SDK's default also signs each message with ECDSA over
//! P-384, for readers that are trusted less than writers.

use std::collections::HashMap;
use std::sync::Arc;

use aws_esdk::Client;
use aws_esdk::material_providers::client::Client as MaterialProviders;
use aws_esdk::material_providers::types::keyring::KeyringRef;
use aws_esdk::material_providers::types::material_providers_config::MaterialProvidersConfig;
use aws_esdk::material_providers::types::{AesWrappingAlg, EsdkAlgorithmSuiteId};
use aws_esdk::types::aws_encryption_sdk_config::AwsEncryptionSdkConfig;
use pollster::block_on;

use super::{About, CONTEXT, Form, KEY_ID, OTHER_CONTEXT, Peer, Rng, plaintext};

struct Fixture {
    client: Client,
    keyring: KeyringRef,
    /// Each call clones it, because the SDK takes ownership.
    context: HashMap<String, String>,
}

pub(super) fn peer() -> Peer {
    let config = AwsEncryptionSdkConfig::builder().build().unwrap();
    let fixture = Arc::new(Fixture {
        client: Client::from_conf(config).unwrap(),
        keyring: keyring(),
        context: context(CONTEXT),
    });
    fixture.check_context();
    let about = About {
        name: "AWS Encryption SDK, without signatures",
        form: Form::Binary,
        rng: Rng::Thread,
        binds: "context, suite, key name",
        commits: "yes",
        stored: 316..=316,
    };
    Peer::new(
        about,
        move || Arc::clone(&fixture),
        |fixture| fixture.seal(),
        |fixture, message| fixture.open(message, &fixture.context).unwrap(),
    )
}

fn keyring() -> KeyringRef {
    let config = MaterialProvidersConfig::builder().build().unwrap();
    let mut key = vec![0; 32];
    getrandom::fill(&mut key).unwrap();
    let keyring = MaterialProviders::from_conf(config)
        .unwrap()
        .create_raw_aes_keyring()
        .key_namespace("peers")
        .key_name(KEY_ID)
        .wrapping_key(key)
        .wrapping_alg(AesWrappingAlg::AlgAes256GcmIv12Tag16)
        .send();
    block_on(keyring).unwrap()
}

fn context(context: [(&str, &str); 3]) -> HashMap<String, String> {
    context.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

impl Fixture {
    fn seal(&self) -> Vec<u8> {
        let sealed = self
            .client
            .encrypt()
            .plaintext(plaintext())
            .keyring(self.keyring.clone())
            .encryption_context(self.context.clone())
            .algorithm_suite_id(EsdkAlgorithmSuiteId::AlgAes256GcmHkdfSha512CommitKey)
            .send();
        block_on(sealed).unwrap().ciphertext.unwrap().into_inner()
    }

    fn open(&self, message: &[u8], context: &HashMap<String, String>) -> Option<Vec<u8>> {
        let opened = self
            .client
            .decrypt()
            .ciphertext(message)
            .keyring(self.keyring.clone())
            .encryption_context(context.clone())
            .send();
        Some(block_on(opened).ok()?.plaintext?.into_inner())
    }

    fn check_context(&self) {
        assert!(self.open(&self.seal(), &context(OTHER_CONTEXT)).is_none());
    }
}
