//! Tink's envelope encryption: AES-256-GCM, with one data key for each credential. A keyset in
//! memory wraps it where a service would have a KMS, so the figures include no request.

use std::sync::Arc;

use tink_aead::{KmsEnvelopeAead, aes256_gcm_key_template};
use tink_core::Aead;
use tink_core::keyset::Handle;

use super::{About, CONTEXT, Form, OTHER_CONTEXT, Peer, Rng, plaintext};

struct Fixture {
    aead: KmsEnvelopeAead,
    associated_data: Vec<u8>,
}

pub(super) fn peer() -> Peer {
    tink_aead::init();
    let keyset = Arc::new(Handle::new(&aes256_gcm_key_template()).unwrap());
    let start = move || {
        let remote = tink_aead::new(&keyset).unwrap();
        Fixture {
            aead: KmsEnvelopeAead::new(aes256_gcm_key_template(), remote),
            associated_data: associated_data(CONTEXT),
        }
    };
    check_context(&start());
    let about = About {
        name: "Tink `KmsEnvelopeAead`",
        form: Form::Binary,
        rng: Rng::Thread,
        // The wrap has empty associated data, and the key id before it only selects a key.
        binds: "context",
        commits: "no",
        stored: 150..=150,
    };
    Peer::new(
        about,
        start,
        |f| f.aead.encrypt(plaintext(), &f.associated_data).unwrap(),
        |f, column| f.aead.decrypt(column, &f.associated_data).unwrap(),
    )
}

fn associated_data(context: [(&str, &str); 3]) -> Vec<u8> {
    context.map(|(name, value)| format!("{name}={value}")).join("\n").into_bytes()
}

fn check_context(fixture: &Fixture) {
    let sealed = fixture.aead.encrypt(plaintext(), &fixture.associated_data).unwrap();
    assert!(fixture.aead.decrypt(&sealed, &associated_data(OTHER_CONTEXT)).is_err());
}
