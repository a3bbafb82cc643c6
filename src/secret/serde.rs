//! Feature `serde`: a secret can be read but never written.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde_core::de::Visitor;
use serde_core::{Deserialize, Deserializer};

use super::Secret;
use crate::format::reading::read;

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, SecretVisitor)
    }
}

#[derive(Clone, Copy)]
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
