//! Feature `serde`: a secret can be read and never written.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde_core::de::{Error as _, Visitor};
use serde_core::{Deserialize, Deserializer};

use super::Secret;

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secret = if deserializer.is_human_readable() {
            deserializer.deserialize_string(SecretVisitor)
        } else {
            deserializer.deserialize_byte_buf(SecretVisitor)
        };
        // Replaced, whatever it is: formats quote what they found where something else was
        // expected (`invalid type: integer `4111…`, expected a string`).
        secret.map_err(|_| D::Error::custom("expected a secret"))
    }
}

struct SecretVisitor;

impl Visitor<'_> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }

    fn visit_str<E>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Secret, E> {
        Ok(Secret::from(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Secret, E> {
        Ok(Secret::from(bytes))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Secret, E> {
        Ok(Secret::from(bytes))
    }
}
