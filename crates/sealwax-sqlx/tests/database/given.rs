//! What the tests share.

use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey};

/// Returns the text of a new key.
pub(crate) fn key() -> String {
    MasterKey::generate().unwrap().to_text().expose_str().unwrap().to_owned()
}

pub(crate) fn ring(text: &str) -> Keyring {
    text.parse().unwrap()
}

/// Returns a new envelope.
pub(crate) fn envelope() -> Envelope {
    let context = EncryptionContext::new([("row", "7")]).unwrap();
    ring(&format!("primary prod-2026 {}", key())).seal(&"a secret of a test".into(), &context).unwrap()
}
