//! A line as a row: who it belongs to, its columns, and the text of it for the quarantine.

use std::fmt;

use sealwax::triplet::Encoding;
use serde_core::Deserializer;
use serde_core::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::input::Line;
use super::refusal::{Reason, Refusal};
use crate::legacy_key::Columns;
use crate::names;
use crate::row::Owner;

/// The white space of JSON.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// An id as JSON, so that the number 7 and the text "7" are two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id(String);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was made of a line: where it comes from, and the row, or why it is none.
pub(super) type Record = (Source, Result<Fields, Refusal>);

/// A line for the report and the quarantine, whatever is wrong with it.
pub(super) struct Source {
    /// The line's number.
    pub(super) line: u64,
    /// If the line tells one.
    pub(super) id: Option<Id>,
    /// If the line tells one.
    pub(super) owner: Option<Owner>,
    /// For the quarantine.
    pub(super) original: Original,
}

/// A row that can be opened.
pub(super) struct Fields {
    pub(super) id: Id,
    pub(super) owner: Owner,
    pub(super) env_name: String,
    pub(super) columns: Columns,
}

/// A line as it was, so that it can be imported again.
pub(super) enum Original {
    /// The text of a JSON object.
    Object(String),
    /// Text that is no JSON object.
    Text(String),
    /// What is not even text.
    Bytes(Vec<u8>),
    /// A line of a quarantine file without the row, to be handed on as it is.
    Quarantined(String),
    /// More than is held.
    Elsewhere,
}

impl Original {
    /// How much of it is held.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Object(text) | Self::Text(text) | Self::Quarantined(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Elsewhere => 0,
        }
    }
}

/// One member of an object: its name, its value, and the value's text.
struct Member<'t> {
    name: String,
    value: Value,
    text: &'t str,
}

/// Reads a line: a row, or a row in quarantine.
pub(super) fn read(line: Line, columns: &[&'static str]) -> Record {
    let number = line.number;
    match line.text {
        None => refused(number, Original::Elsewhere, Reason::TooLong, "longer than 32 MiB"),
        Some(bytes) => read_bytes(number, bytes, columns, true),
    }
}

/// Whether a line stands in a quarantine file.
pub(super) fn is_quarantined(line: &Line) -> bool {
    let text = line.text.as_deref().and_then(|bytes| str::from_utf8(bytes).ok());
    text.and_then(members).is_some_and(|members| has_a_reason(&members))
}

fn has_a_reason(members: &[Member<'_>]) -> bool {
    member(members, "quarantined").is_some_and(|reason| reason.value.is_object())
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
    let Some(members) = members(&text) else {
        let detail = not_an_object(&text);
        return refused(line, Original::Text(text), Reason::NotJson, detail);
    };
    if unwrap && has_a_reason(&members) {
        if let Some(inner) = member(&members, "row") {
            return match &inner.value {
                Value::Null => {
                    let detail = "its row was not copied into the quarantine file";
                    refused(line, Original::Quarantined(text), Reason::TooLong, detail)
                }
                Value::String(original) => read_text(line, original.clone(), columns, false),
                _ => read_text(line, inner.text.to_owned(), columns, false),
            };
        }
        let bytes = member(&members, "row_hex")
            .and_then(|inner| Encoding::HexLower.decode(inner.value.as_str()?).ok());
        if let Some(bytes) = bytes {
            return read_bytes(line, bytes, columns, false);
        }
    }
    let id = id(&members);
    let owner = owner(&members);
    let (told_id, told_owner) = (id.as_ref().ok().cloned(), owner.as_ref().ok().cloned());
    let fields = id.and_then(|id| fields(&members, id, owner?, columns));
    let object = text.trim_matches(SPACE);
    // A correction inside of a text may have brought line ends with it.
    let original = if object.contains('\n') {
        Original::Text(text)
    } else {
        Original::Object(object.to_owned())
    };
    (Source { line, id: told_id, owner: told_owner, original }, fields)
}

fn id(members: &[Member<'_>]) -> Result<Id, Refusal> {
    match field(members, "id")? {
        Value::String(text) => {
            checked("id", text, names::name)?;
        }
        Value::Number(number) if number.is_i64() || number.is_u64() => {}
        _ => return Err(Refusal::new(Reason::Field, "id: expected a string or an integer")),
    }
    Ok(Id(field(members, "id")?.to_string()))
}

fn owner(members: &[Member<'_>]) -> Result<Owner, Refusal> {
    let name = |field| checked(field, string(members, field)?, names::name);
    Ok(Owner { tenant: name("tenant")?, provider: name("provider")? })
}

fn fields(
    members: &[Member<'_>],
    id: Id,
    owner: Owner,
    columns: &[&'static str],
) -> Result<Fields, Refusal> {
    let env = member(members, "env").map(|_| field(members, "env")).transpose()?;
    let env_name = match env {
        None | Some(Value::Null) => owner.variable(),
        Some(_) => checked("env", string(members, "env")?, names::variable)?,
    };
    let column = |&name: &&'static str| Ok((name, string(members, name)?.to_owned()));
    let columns = columns.iter().map(column).collect::<Result<_, Refusal>>()?;
    Ok(Fields { id, owner, env_name, columns })
}

fn member<'m, 't>(members: &'m [Member<'t>], name: &str) -> Option<&'m Member<'t>> {
    members.iter().find(|member| member.name == name)
}

/// A field that has to be there, once: of two, nobody knows which the exporting program meant.
fn field<'m>(members: &'m [Member<'_>], name: &str) -> Result<&'m Value, Refusal> {
    let mut found = members.iter().filter(|member| member.name == name);
    match (found.next(), found.next()) {
        (Some(member), None) => Ok(&member.value),
        (Some(_), Some(_)) => Err(Refusal::new(Reason::Field, format!("{name} appears twice"))),
        (None, _) => Err(Refusal::new(Reason::Field, format!("{name} is missing"))),
    }
}

fn string<'m>(members: &'m [Member<'_>], name: &str) -> Result<&'m str, Refusal> {
    let expected = || Refusal::new(Reason::Field, format!("{name}: expected a string"));
    field(members, name)?.as_str().ok_or_else(expected)
}

fn checked(
    field: &str,
    text: &str,
    rule: impl Fn(&str) -> Result<String, String>,
) -> Result<String, Refusal> {
    rule(text).map_err(|rule| Refusal::new(Reason::Name, format!("{field}: {rule}")))
}

/// The members of a JSON object in their order, also those that appear twice; `None` if the text
/// is anything else.
///
/// With their texts, because a row must come into the quarantine as it was: a value that is read
/// and written again has lost the order of its members and the digits of its numbers.
fn members(text: &str) -> Option<Vec<Member<'_>>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let members = reader.deserialize_map(InOrder).ok()?;
    reader.end().ok()?;
    members.into_iter().map(|(name, value)| Member::new(name, value.get())).collect()
}

impl<'t> Member<'t> {
    /// `None` if the value is none after all: a text was only passed over until here.
    fn new(name: String, text: &'t str) -> Option<Self> {
        Some(Self { name, value: serde_json::from_str(text).ok()?, text })
    }
}

/// Takes an object apart, where a map would keep one of two members with the same name.
struct InOrder;

impl<'t> Visitor<'t> for InOrder {
    type Value = Vec<(String, &'t RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

/// What is wrong with a text that has no members, without a byte of it.
fn not_an_object(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(_) => "JSON, but not an object".to_owned(),
        Err(error) if error.is_eof() => "not JSON: it ends in the middle".to_owned(),
        Err(error) => format!("not JSON at byte {}", error.column()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Option<Vec<(String, &str)>> {
        members(text).map(|members| members.into_iter().map(|m| (m.name, m.text)).collect())
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
            "{\"a\":1e999}",
            "{\"a\":\"\\ud800\"}",
            "{\"\\ud800\":1}",
            "{\"a\":\"\t\"}",
        ] {
            assert_eq!(texts(text), None, "{text:?}");
        }
    }
}
