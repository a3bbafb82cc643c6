//! Feature `serde`: the text form in human-readable formats, the binary form otherwise.

use alloc::vec::Vec;
use core::fmt;

use serde_core::de::{Error as _, Visitor};
use serde_core::{Deserialize, Deserializer, Serialize, Serializer};

use super::Envelope;
use crate::format_error::FormatError;

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.to_text())
        } else {
            serializer.serialize_bytes(self.as_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The deserializer's own errors may quote the input, and a row that is not an envelope may
        // well be a credential: they are replaced. A FormatError quotes nothing.
        let parsed = if deserializer.is_human_readable() {
            deserializer.deserialize_string(EnvelopeVisitor)
        } else {
            deserializer.deserialize_byte_buf(EnvelopeVisitor)
        };
        parsed
            .map_err(|_| D::Error::custom("expected a sealed envelope"))?
            .map_err(D::Error::custom)
    }
}

struct EnvelopeVisitor;

impl Visitor<'_> for EnvelopeVisitor {
    type Value = Result<Envelope, FormatError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sealed envelope")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.parse())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Envelope::from_bytes(bytes))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
        Ok(Envelope::try_from(bytes))
    }
}
