//! Parses a line as a row: its owner, its columns, and its text for the quarantine file.

use std::fmt;

use sealwax::triplet::Encoding;
use serde_core::Deserializer;
use serde_core::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::input::Line;
use super::refusal::{Reason, Refusal};
use crate::legacy_key::Columns;
use crate::names;
use crate::row::Owner;
use crate::variables;

/// The white space characters of JSON.
pub(super) const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// An id as JSON, so that the number 7 and the string "7" are different ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id(String);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A parsed line: where it comes from, and the row, or why it is not a row.
pub(super) type Record = (Source, Result<Fields, Refusal>);

/// What the report and the quarantine file need from a line, whatever is wrong with it.
pub(super) struct Source {
    /// The line's number.
    pub(super) line: u64,
    /// The id, if the line has a valid one.
    pub(super) id: Option<Id>,
    /// The owner, if the line has a valid one.
    pub(super) owner: Option<Owner>,
    /// The original line, for the quarantine file.
    pub(super) original: Original,
}

/// A row that can be opened.
pub(super) struct Fields {
    pub(super) id: Id,
    pub(super) owner: Owner,
    /// The variable, if the line has one.
    pub(super) env_name: Option<String>,
    pub(super) columns: Columns,
}

/// The unchanged line, so that it can be imported again.
pub(super) enum Original {
    /// The text of a JSON object.
    Object(String),
    /// Text that is not a JSON object.
    Text(String),
    /// Bytes that are not UTF-8.
    Bytes(Vec<u8>),
    /// A line of a quarantine file without its row, which is copied unchanged.
    Quarantined(String),
    /// A line that is too long to hold.
    Elsewhere,
}

impl Original {
    /// Keeps the text of an object.
    ///
    /// If somebody corrected it inside a JSON string, it may contain line endings. Then it stays a
    /// string.
    fn object(text: String) -> Self {
        if text.trim_matches(SPACE).contains('\n') { Self::Text(text) } else { Self::Object(text) }
    }

    /// Returns the number of bytes held.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Object(text) | Self::Text(text) | Self::Quarantined(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Elsewhere => 0,
        }
    }
}

/// The most members that a row may have, because each takes additional memory.
///
/// No row has more, however wide its table is.
const MEMBER_LIMIT: usize = 64;

/// One member of an object: its name, and the text of its value.
///
/// The value is parsed only when it is needed. Other values may be anything of any size, and a parsed
/// tree would take a hundred times the memory of its text.
struct Member<'t> {
    name: String,
    text: &'t str,
}

/// The value of a member that a row is made of.
enum Scalar {
    Text(String),
    /// An integer, as JSON writes it.
    Integer(String),
    Null,
    /// Anything else, which no member of a row may be.
    Other,
}

/// Parses a line, which is a row or a row in quarantine.
pub(super) fn read(line: Line, columns: &[&'static str]) -> Record {
    let number = line.number;
    match line.text {
        None => refused(number, Original::Elsewhere, Reason::TooLong, "longer than 32 MiB"),
        Some(bytes) => read_bytes(number, bytes, columns, true),
    }
}

fn refused(line: u64, original: Original, reason: Reason, detail: impl Into<String>) -> Record {
    (Source { line, id: None, owner: None, original }, Err(Refusal::new(reason, detail)))
}

fn read_bytes(line: u64, bytes: Vec<u8>, columns: &[&'static str], unwrap: bool) -> Record {
    match String::from_utf8(bytes) {
        Ok(text) => read_text(line, text, columns, unwrap),
        Err(error) => {
            let detail = format!("not UTF-8 after byte {}", error.utf8_error().valid_up_to());
            refused(line, Original::Bytes(error.into_bytes()), Reason::NotJson, detail)
        }
    }
}

fn read_text(line: u64, text: String, columns: &[&'static str], unwrap: bool) -> Record {
    let members = match members(&text) {
        Ok(Some(members)) => members,
        Ok(None) => {
            let detail = format!("more than {MEMBER_LIMIT} members: not a row");
            return refused(line, Original::object(text), Reason::Field, detail);
        }
        Err(error) => {
            let detail = not_an_object(&text, error);
            return refused(line, Original::Text(text), Reason::NotJson, detail);
        }
    };
    if members.iter().any(|member| member.name == "quarantined") {
        let inner = if unwrap { inner(&members) } else { None };
        return match inner {
            Some(Inner::Text(inner)) => read_text(line, inner, columns, false),
            Some(Inner::Bytes(inner)) => read_bytes(line, inner, columns, false),
            Some(Inner::NotCopied) => {
                let detail = "its row was not copied into the quarantine file";
                refused(line, Original::Quarantined(text), Reason::TooLong, detail)
            }
            None => {
                let detail = "quarantined: expected exactly one row and no other members";
                refused(line, Original::object(text), Reason::Field, detail)
            }
        };
    }
    let id = id(&members);
    let owner = owner(&members);
    let (told_id, told_owner) = (id.as_ref().ok().cloned(), owner.as_ref().ok().cloned());
    let fields = id.and_then(|id| fields(&members, id, owner?, columns));
    let original = Original::object(text);
    (Source { line, id: told_id, owner: told_owner, original }, fields)
}

/// The row of a line in quarantine.
enum Inner {
    Text(String),
    Bytes(Vec<u8>),
    /// The row was too long to copy.
    NotCopied,
}

/// Returns the row of a line in quarantine, or `None` if the line has anything else in it.
///
/// If it has a second row or other fields, nobody knows which of them somebody corrected.
fn inner(members: &[Member<'_>]) -> Option<Inner> {
    let [one, other] = members else { return None };
    let (reason, row) = if one.name == "quarantined" { (one, other) } else { (other, one) };
    if !reason.text.starts_with('{') {
        return None;
    }
    match (row.name.as_str(), row.value()) {
        ("row", Scalar::Null) => Some(Inner::NotCopied),
        ("row", Scalar::Text(text)) => Some(Inner::Text(text)),
        // It begins like a string but is not one: half of a surrogate pair.
        ("row", _) if row.text.starts_with('"') => None,
        ("row", _) => Some(Inner::Text(row.text.to_owned())),
        ("row_hex", Scalar::Text(digits)) => {
            Encoding::HexLower.decode(&digits).ok().map(Inner::Bytes)
        }
        _ => None,
    }
}

fn id(members: &[Member<'_>]) -> Result<Id, Refusal> {
    match field(members, "id")?.value() {
        Scalar::Text(text) => {
            let text = checked("id", &text, names::name)?;
            Ok(Id(Value::from(text).to_string()))
        }
        Scalar::Integer(number) => Ok(Id(number)),
        _ => Err(Refusal::new(Reason::Field, "id: expected a string or an integer")),
    }
}

fn owner(members: &[Member<'_>]) -> Result<Owner, Refusal> {
    let name = |field| checked(field, &string(members, field)?, names::name);
    let label = if is_told(members, "label")? { Some(name("label")?) } else { None };
    Ok(Owner { tenant: name("tenant")?, provider: name("provider")?, label })
}

fn fields(
    members: &[Member<'_>],
    id: Id,
    owner: Owner,
    columns: &[&'static str],
) -> Result<Fields, Refusal> {
    let env_name = if is_told(members, "env")? {
        Some(checked("env", &string(members, "env")?, variables::of_a_credential)?)
    } else {
        None
    };
    let column = |&name: &&'static str| Ok((name, string(members, name)?));
    let columns = columns.iter().map(column).collect::<Result<_, Refusal>>()?;
    Ok(Fields { id, owner, env_name, columns })
}

/// Returns whether an optional field has a value other than null.
fn is_told(members: &[Member<'_>], name: &str) -> Result<bool, Refusal> {
    let is_there = members.iter().any(|member| member.name == name);
    Ok(is_there && !matches!(field(members, name)?.value(), Scalar::Null))
}

/// Returns a required field, which must appear once.
///
/// If there are two, nobody knows which of them the exporting program meant.
fn field<'m, 't>(members: &'m [Member<'t>], name: &str) -> Result<&'m Member<'t>, Refusal> {
    let mut found = members.iter().filter(|member| member.name == name);
    match (found.next(), found.next()) {
        (Some(member), None) => Ok(member),
        (Some(_), Some(_)) => Err(Refusal::new(Reason::Field, format!("{name} appears twice"))),
        (None, _) => Err(Refusal::new(Reason::Field, format!("{name} is missing"))),
    }
}

fn string(members: &[Member<'_>], name: &str) -> Result<String, Refusal> {
    match field(members, name)?.value() {
        Scalar::Text(text) => Ok(text),
        _ => Err(Refusal::new(Reason::Field, format!("{name}: expected a string"))),
    }
}

fn checked(
    field: &str,
    text: &str,
    rule: impl Fn(&str) -> Result<String, String>,
) -> Result<String, Refusal> {
    rule(text).map_err(|rule| Refusal::new(Reason::Name, format!("{field}: {rule}")))
}

impl Member<'_> {
    /// Parses the value, unless its first character shows that it is an array or an object.
    fn value(&self) -> Scalar {
        match self.text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(self.text).map_or(Scalar::Other, Scalar::Text),
            Some(b'n') => Scalar::Null,
            Some(b'-' | b'0'..=b'9') => integer(self.text).map_or(Scalar::Other, Scalar::Integer),
            _ => Scalar::Other,
        }
    }
}

fn integer(text: &str) -> Option<String> {
    let positive = serde_json::from_str::<u64>(text).map(|number| number.to_string());
    let any = || serde_json::from_str::<i64>(text).map(|number| number.to_string());
    positive.or_else(|_| any()).ok()
}

/// Returns the members of a JSON object in order, including duplicates, or `None` if there are too
/// many.
///
/// It keeps their text, because a row must be quarantined unchanged: a value that is parsed and written
/// again loses the order of its members and the digits of its numbers.
fn members(text: &str) -> serde_json::Result<Option<Vec<Member<'_>>>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let members = reader.deserialize_map(InOrder)?;
    reader.end()?;
    Ok(members)
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

/// Returns what is wrong with a text that is not an object, without any of its bytes.
fn not_an_object(text: &str, error: serde_json::Error) -> String {
    let error = if error.is_data() {
        match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => return "JSON, but not an object".to_owned(),
            Err(error) => error,
        }
    } else {
        error
    };
    if error.is_eof() {
        "not JSON: it ends in the middle".to_owned()
    } else {
        format!("not JSON at byte {}", error.column())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Option<Vec<(String, &str)>> {
        let members = members(text).ok()??;
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
    fn what_is_no_object_or_has_what_is_no_value_has_no_members() {
        for text in [
            "",
            "[]",
            "null",
            "{\"a\":1}x",
            "{} {}",
            "{\"a\":1,}",
            "{1:2}",
            "\u{a0}{}",
            "{\"\\ud800\":1}",
            "{\"a\":\"\t\"}",
        ] {
            assert_eq!(texts(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_nobody_asks_for_is_passed_over() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in [deep.as_str(), "1e999", "\"\\ud800\""] {
            let object = format!("{{\"z\":{text}}}");
            assert_eq!(texts(&object).unwrap(), [("z".to_owned(), text)]);
            assert!(matches!(Member { name: String::new(), text }.value(), Scalar::Other));
        }
    }

    #[test]
    fn integers_are_told_by_their_value() {
        let told = [("7", "7"), ("-7", "-7"), ("18446744073709551615", "18446744073709551615")];
        for (text, number) in told {
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
        assert_eq!(members(&object(MEMBER_LIMIT)).unwrap().unwrap().len(), MEMBER_LIMIT);
        assert!(members(&object(MEMBER_LIMIT + 1)).unwrap().is_none());
        assert!(members(&object(MEMBER_LIMIT + 9).replace(']', "")).is_err());
    }
}
