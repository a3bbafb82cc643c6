//! Feature `serde`: an envelope is text in human-readable formats, and bytes in all others. Names are always text.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use serde_core::de::{Error as _, Visitor};
use serde_core::{Deserialize, Deserializer, Serialize, Serializer};

use crate::format::envelope::Envelope;
use crate::format::error::FormatError;
use crate::format::key_id::KeyId;
use crate::format::reading::read_compact;
use crate::format::suite::Suite;
use crate::format::wrapped_key::WrapKind;

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(self.as_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A FormatError quotes nothing, so it is converted here, where `read_compact` cannot replace it.
        read_compact(deserializer, EnvelopeVisitor)?.map_err(D::Error::custom)
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

/// A visitor that parses a name, such as a key id, from its text.
pub(crate) struct WordVisitor<T> {
    expected: &'static str,
    word: PhantomData<fn() -> T>,
}

impl<T> WordVisitor<T> {
    pub(crate) const fn new(expected: &'static str) -> Self {
        Self { expected, word: PhantomData }
    }
}

impl<T> Clone for WordVisitor<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for WordVisitor<T> {}

impl<T: FromStr<Err = FormatError>> Visitor<'_> for WordVisitor<T> {
    type Value = Result<T, FormatError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.parse())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        // Bytes that are not UTF-8 become the empty string, which does not parse as any name.
        Ok(core::str::from_utf8(bytes).unwrap_or_default().parse())
    }
}

macro_rules! serde_as_text {
    ($($word:ty: $expected:literal),+) => {$(
        impl serde_core::Serialize for $word {
            fn serialize<S: serde_core::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde_core::Deserialize<'de> for $word {
            fn deserialize<D: serde_core::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // Somebody may have put a key where a name belongs, so nothing is quoted here either.
                let visitor = $crate::format::serde::WordVisitor::<$word>::new($expected);
                $crate::format::reading::read(deserializer, visitor)?
                    .map_err(serde_core::de::Error::custom)
            }
        }
    )+};
}

pub(crate) use serde_as_text;

serde_as_text!(KeyId: "a key id", Suite: "a suite name", WrapKind: "a wrap kind");
