//! Keys that the tests share.

use sealwax::{Keyring, MasterKey};

/// Returns the text of a new key.
pub(crate) fn key() -> String {
    MasterKey::generate().unwrap().to_text().expose_str().unwrap().to_owned()
}

pub(crate) fn ring(text: &str) -> Keyring {
    text.parse().unwrap()
}
