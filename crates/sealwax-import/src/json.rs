//! A row as a JSON object whose members keep their text.

use std::borrow::Cow;
use std::fmt;

use serde_core::Deserializer;
use serde_core::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::row::{Cell, Row, RowError};

/// The most members that an object may have, because each takes additional memory.
///
/// No row has more, however wide its table is.
pub const MEMBER_LIMIT: usize = 64;

/// The members of a JSON object, in order and including duplicates.
///
/// A value is parsed only when it is needed. Other values may be anything of any size, and a parsed tree
/// would take a hundred times the memory of its text.
pub struct Object<'t> {
    members: Vec<Member<'t>>,
}

/// A member of an object: its name, and the unchanged text of its value.
pub struct Member<'t> {
    /// The name.
    pub name: String,
    /// The JSON text of the value.
    pub text: &'t str,
}

/// Why a text is not an object that a row can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The text is JSON, but not an object.
    #[error("JSON, but not an object")]
    NotAnObject,
    /// The text is not JSON.
    #[error("not JSON at byte {at}")]
    #[non_exhaustive]
    NotJson {
        /// The number of the byte, counted from 1.
        at: usize,
    },
    /// The text ends before the object does.
    #[error("not JSON: it ends in the middle")]
    Cut,
    /// There are more than [`MEMBER_LIMIT`] members.
    #[error("more than {MEMBER_LIMIT} members: not a row")]
    TooManyMembers,
}

impl<'t> Object<'t> {
    /// Parses an object.
    ///
    /// # Errors
    /// Returns an error if the text is not one JSON object with at most [`MEMBER_LIMIT`] members.
    pub fn parse(text: &'t str) -> Result<Self, ObjectError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let members = reader.deserialize_map(InOrder).and_then(|members| {
            reader.end()?;
            Ok(members)
        });
        match members {
            Ok(Some(members)) => Ok(Self { members }),
            Ok(None) => Err(ObjectError::TooManyMembers),
            Err(error) => Err(not_an_object(text, error)),
        }
    }

    /// Returns the members in order.
    #[must_use]
    pub fn members(&self) -> &[Member<'t>] {
        &self.members
    }

    /// Returns the only member with this name, or `None` if there is none.
    ///
    /// # Errors
    /// Returns [`RowError::Twice`] if there are two: nobody knows which of them the exporting program
    /// meant.
    pub fn find(&self, name: &str) -> Result<Option<&Member<'t>>, RowError> {
        let mut found = self.members.iter().filter(|member| member.name == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(RowError::Twice { path: name.to_owned() }),
            (member, None) => Ok(member),
        }
    }
}

impl Row for Object<'_> {
    fn cell(&self, column: &str) -> Result<Option<Cell<'_>>, RowError> {
        Ok(self.find(column)?.map(Member::cell))
    }
}

impl<'t> Member<'t> {
    /// Returns the value as a cell of a row.
    #[must_use]
    pub fn cell(&self) -> Cell<'t> {
        match self.text.as_bytes().first() {
            Some(b'"') => match serde_json::from_str(self.text) {
                Ok(text) => Cell::Text(Cow::Owned(text)),
                // Half of a surrogate pair.
                Err(_) => Cell::Json(Cow::Borrowed(self.text)),
            },
            Some(b'n') => Cell::Null,
            _ => Cell::Json(Cow::Borrowed(self.text)),
        }
    }
}

/// Visits the members of an object in order.
///
/// A map would keep only one of two members with the same name.
struct InOrder;

impl<'t> Visitor<'t> for InOrder {
    type Value = Option<Vec<Member<'t>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = object.next_entry::<String, &RawValue>()? {
            if members.len() == MEMBER_LIMIT {
                // Read to the end, because the rest may not be JSON.
                while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            members.push(Member { name, text: value.get() });
        }
        Ok(Some(members))
    }
}

fn not_an_object(text: &str, error: serde_json::Error) -> ObjectError {
    let error = if error.is_data() {
        match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => return ObjectError::NotAnObject,
            Err(error) => error,
        }
    } else {
        error
    };
    if error.is_eof() { ObjectError::Cut } else { ObjectError::NotJson { at: error.column() } }
}

/// Parses an integer and writes it again, so that one number has one text.
#[must_use]
pub fn integer(text: &str) -> Option<String> {
    let positive = serde_json::from_str::<u64>(text).map(|number| number.to_string());
    let any = || serde_json::from_str::<i64>(text).map(|number| number.to_string());
    positive.or_else(|_| any()).ok()
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { members } = self;
        f.debug_list().entries(members.iter().map(|member| &member.name)).finish()
    }
}

impl fmt::Debug for Member<'_> {
    /// Shows the name only, because the value may be a credential that was stored unencrypted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, text: _ } = self;
        f.debug_struct("Member").field("name", name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Option<Vec<(String, &str)>> {
        let Object { members } = Object::parse(text).ok()?;
        Some(members.into_iter().map(|member| (member.name, member.text)).collect())
    }

    #[test]
    fn an_object_is_taken_apart_without_a_change() {
        let text =
            " {\"a\" : 1.10 ,\t\"b\":{\"x\":[1, \"}\"]},\"\\u0061\":\"\\u0041,\",\"c\":null} ";
        let expected =
            [("a", "1.10"), ("b", "{\"x\":[1, \"}\"]}"), ("a", "\"\\u0041,\""), ("c", "null")];
        let expected = expected.map(|(name, text)| (name.to_owned(), text));
        assert_eq!(texts(text).unwrap(), expected);
        assert_eq!(texts("{ }").unwrap(), []);
    }

    #[test]
    fn what_is_no_object_says_so() {
        use ObjectError::{Cut, NotAnObject, NotJson};
        for (text, error) in [
            ("", Cut),
            ("{\"a\":", Cut),
            ("[]", NotAnObject),
            ("null", NotAnObject),
            ("{\"a\":1}x", NotJson { at: 8 }),
            ("{} {}", NotJson { at: 4 }),
            ("{\"a\":1,}", NotJson { at: 8 }),
            ("{1:2}", NotJson { at: 2 }),
            ("\u{a0}{}", NotJson { at: 1 }),
            ("{\"a\":\"\t\"}", NotJson { at: 6 }),
        ] {
            assert_eq!(Object::parse(text).unwrap_err(), error, "{text:?}");
        }
        assert!(Object::parse("{\"\\ud800\":1}").is_err());
    }

    #[test]
    fn unneeded_values_are_not_parsed() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in [deep.as_str(), "1e999", "\"\\ud800\""] {
            let object = format!("{{\"z\":{text}}}");
            assert_eq!(texts(&object).unwrap(), [("z".to_owned(), text)]);
            let member = Member { name: String::new(), text };
            assert!(matches!(member.cell(), Cell::Json(_)));
        }
    }

    #[test]
    fn a_name_that_appears_twice_is_an_error() {
        let object = Object::parse("{\"a\":1,\"b\":2,\"\\u0061\":1}").unwrap();
        assert!(matches!(object.cell("a"), Err(RowError::Twice { .. })));
        assert!(object.cell("b").unwrap().is_some());
        assert!(object.cell("c").unwrap().is_none());
    }

    #[test]
    fn integers_are_compared_by_their_value() {
        let same = [("7", "7"), ("-7", "-7"), ("18446744073709551615", "18446744073709551615")];
        for (text, number) in same {
            assert_eq!(integer(text).unwrap(), number);
        }
        for text in ["-0", "1.0", "1e2", "18446744073709551616", "-9223372036854775809"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn members_are_counted() {
        let object = |count| {
            let members: Vec<_> = (0..count).map(|n| format!("\"{n}\":[]")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(Object::parse(&object(MEMBER_LIMIT)).unwrap().members().len(), MEMBER_LIMIT);
        let too_many = object(MEMBER_LIMIT + 1);
        assert_eq!(Object::parse(&too_many).unwrap_err(), ObjectError::TooManyMembers);
        assert!(matches!(
            Object::parse(&object(MEMBER_LIMIT + 9).replace(']', "")),
            Err(ObjectError::NotJson { .. })
        ));
    }
}
