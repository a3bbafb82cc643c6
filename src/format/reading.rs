//! Feature `serde`: a text or bytes are read, and no error quotes what was found instead.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::mem::discriminant;

use serde_core::Deserializer;
use serde_core::de::{Error, Expected, Visitor};

/// Reads a text, or the bytes that a format hands out in its place.
///
/// A text is asked for: those that do not describe themselves (postcard) have to be
/// told what follows, and of those that do, some (ciborium) hand out nothing else than what they are
/// asked for.
///
/// Formats quote what they find where something else was expected (`invalid type: integer
/// `4111…`, expected a string`). That error is replaced; any other is the format's own and stays:
/// a missing field has its name, and input that breaks off is no fault in the data.
///
/// Who quotes has asked the visitor what it expected. But ciborium says by itself what it expected,
/// where the visitor never hears of it. So in a format that is not human-readable all is replaced
/// that could have been made of a message; an error of another variant (`Io`, `Syntax`) was not. A
/// missing field is told by serde, as if it were read from a human-readable format.
pub(crate) fn read<'de, D, V>(deserializer: D, visitor: V) -> Result<V::Value, D::Error>
where
    D: Deserializer<'de>,
    V: Visitor<'de> + Copy,
{
    read_with(deserializer, visitor, |deserializer, watched| {
        deserializer.deserialize_string(watched)
    })
}

/// [`read`], but asks for bytes where nobody reads the format: so they are written there.
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
        // Errors that are no enums are all of one variant here; std promises nothing of them, and the canary
        // test holds it.
        let of_a_message = discriminant(&error) == discriminant(&unquoted);
        if asked.get() || (of_a_message && !readable) { unquoted } else { error }
    })
}

/// Remembers whether it was asked what it expects.
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
