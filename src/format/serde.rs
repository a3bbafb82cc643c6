//! Feature `serde`: the text form is written in every format, either form is read.

use alloc::vec::Vec;
use core::fmt;

use serde_core::de::{Error as _, Visitor};
use serde_core::{Deserialize, Deserializer, Serialize, Serializer};

use crate::format::envelope::Envelope;
use crate::format::error::FormatError;
use crate::format::reading::read;

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Told outside of `read`, which might replace it: a FormatError quotes nothing.
        read(deserializer, EnvelopeVisitor)?.map_err(D::Error::custom)
    }
}

#[derive(Clone, Copy)]
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
