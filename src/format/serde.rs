//! Feature `serde`: an envelope is its text in a format that people read, its bytes in any other. Words are their text.

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
        // Told outside, which might replace it: a FormatError quotes nothing.
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

/// Reads a word from its text.
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
        // What is no text is no word: the empty one is none either.
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
                // Where a word is expected may stand a key, so that nothing is quoted here either.
                let visitor = $crate::format::serde::WordVisitor::<$word>::new($expected);
                $crate::format::reading::read(deserializer, visitor)?
                    .map_err(serde_core::de::Error::custom)
            }
        }
    )+};
}

pub(crate) use serde_as_text;

serde_as_text!(KeyId: "a key id", Suite: "the name of a suite", WrapKind: "the name of a kind of wrap");
