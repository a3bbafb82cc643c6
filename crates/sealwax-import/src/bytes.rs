//! Bytes as JSON writes them.

use std::fmt;

use serde_core::Deserializer;
use serde_core::de::{Error, MapAccess, SeqAccess, Visitor};

/// Parses an array of numbers, or an object with the members 0, 1, 2 and so on, which is what
/// `JSON.stringify` makes of a `Uint8Array`.
///
/// In Java, a byte is a number from -128 to 127. A negative number is no byte anywhere else, so no bytes
/// can be read in two ways: if there is one, no other may be greater than 127.
pub(crate) fn parse(json: &str) -> Option<Vec<u8>> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let numbers = reader.deserialize_any(Numbers).ok()?;
    reader.end().ok()?;
    if numbers.iter().any(|number| *number < 0) {
        let byte = |number: i16| i8::try_from(number).ok().map(i8::cast_unsigned);
        return numbers.into_iter().map(byte).collect();
    }
    numbers.into_iter().map(|number| u8::try_from(number).ok()).collect()
}

struct Numbers;

impl<'t> Visitor<'t> for Numbers {
    type Value = Vec<i16>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = array.next_element()? {
            numbers.push(number);
        }
        Ok(numbers)
    }

    fn visit_map<A: MapAccess<'t>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut numbers = Vec::new();
        while let Some((name, number)) = object.next_entry::<String, i16>()? {
            // An object whose members are in another order is not what a program printed.
            if name != numbers.len().to_string() {
                return Err(A::Error::custom("a member that is not the next number"));
            }
            numbers.push(number);
        }
        Ok(numbers)
    }
}
