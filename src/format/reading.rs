//! Feature `serde`: reads text or bytes without quoting the input in errors.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::mem::discriminant;

use serde_core::Deserializer;
use serde_core::de::{Error, Expected, Visitor};

/// Reads text, or the bytes that a format provides in its place.
///
/// It requests a string: formats that do not describe themselves (postcard) must be told which type follows, and some
/// that do (ciborium) provide only the type that was requested.
///
/// When a format finds something other than what it expected, its error quotes the input (`invalid type: integer
/// `4111…`, expected a string`). That error is replaced. All other errors are the format's own and are kept: one about
/// a missing field names the field, and truncated input is not a fault in the data.
///
/// A format that quotes the input has first asked the visitor what it expected. The exception is ciborium, which states
/// its own expectation without asking the visitor. So if the format is not human-readable, every error that could have
/// been built from a message is replaced; an error of another variant (`Io`, `Syntax`) was not built from one. serde
/// reports a missing field as if it read from a human-readable format, so that error is kept.
pub(crate) fn read<'de, D, V>(deserializer: D, visitor: V) -> Result<V::Value, D::Error>
where
    D: Deserializer<'de>,
    V: Visitor<'de> + Copy,
{
    read_with(deserializer, visitor, |deserializer, watched| {
        deserializer.deserialize_string(watched)
    })
}

/// Like [`read`], but requests bytes if the format is not human-readable, because that is how they are written there.
pub(crate) fn read_compact<'de, D, V>(deserializer: D, visitor: V) -> Result<V::Value, D::Error>
where
    D: Deserializer<'de>,
    V: Visitor<'de> + Copy,
{
    if deserializer.is_human_readable() {
        return read(deserializer, visitor);
    }
    read_with(deserializer, visitor, |deserializer, watched| {
        deserializer.deserialize_byte_buf(watched)
    })
}

fn read_with<'de, D, V>(
    deserializer: D,
    visitor: V,
    ask: impl FnOnce(D, Watched<'_, V>) -> Result<V::Value, D::Error>,
) -> Result<V::Value, D::Error>
where
    D: Deserializer<'de>,
    V: Visitor<'de> + Copy,
{
    let asked = Cell::new(false);
    let watched = Watched { visitor, asked: &asked };
    let readable = deserializer.is_human_readable();
    ask(deserializer, watched).map_err(|error| {
        let expected: &dyn Expected = &visitor;
        let unquoted = D::Error::custom(format_args!("expected {expected}"));
        // For error types that are not enums, all discriminants are equal here. std does not guarantee that; the
        // canary test checks it.
        let of_a_message = discriminant(&error) == discriminant(&unquoted);
        if asked.get() || (of_a_message && !readable) { unquoted } else { error }
    })
}

/// A visitor that remembers whether it was asked what it expects.
struct Watched<'a, V> {
    visitor: V,
    asked: &'a Cell<bool>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.asked.set(true);
        self.visitor.expecting(f)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        self.visitor.visit_str(text)
    }

    fn visit_string<E: Error>(self, text: String) -> Result<V::Value, E> {
        self.visitor.visit_string(text)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<V::Value, E> {
        self.visitor.visit_bytes(bytes)
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<V::Value, E> {
        self.visitor.visit_byte_buf(bytes)
    }
}
