//! What the tests share.

use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey};

/// Returns a keyring with one new key.
pub(crate) fn ring(id: &str) -> Keyring {
    Keyring::new(id.parse().unwrap(), MasterKey::generate().unwrap()).unwrap()
}

/// Returns a new envelope.
pub(crate) fn envelope() -> Envelope {
    let context = EncryptionContext::new([("row", "7")]).unwrap();
    ring("prod-2026").seal(&"a secret of a test".into(), &context).unwrap()
}
