//! Parses a line as a row: its owner, its columns, and its text for the quarantine file.

use std::fmt;

use sealwax::triplet::Encoding;
use sealwax_import::json::{self, Object, ObjectError};
use sealwax_import::{Cell, Declaration, ForeignRow, Row};
use serde_json::Value;

use super::input::Line;
use super::refusal::{Reason, Refusal};
use crate::names;
use crate::row::Owner;
use crate::variables;

/// The white space characters of JSON.
pub(super) const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// An id, which is shown as the JSON that it was.
#[derive(Clone, Debug)]
pub struct Id {
    /// The number 7 and the string "7" have one text, because two rows with them may be one row that was
    /// exported with two owners.
    pub(super) text: String,
    json: String,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.json)
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
    pub(super) row: ForeignRow,
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

/// Parses a line, which is a row or a row in quarantine.
pub(super) fn read(line: Line, declaration: &Declaration) -> Record {
    let number = line.number;
    match line.text {
        None => refused(number, Original::Elsewhere, Reason::TooLong, "longer than 32 MiB"),
        Some(bytes) => read_bytes(number, bytes, declaration, true),
    }
}

fn refused(line: u64, original: Original, reason: Reason, detail: impl Into<String>) -> Record {
    (Source { line, id: None, owner: None, original }, Err(Refusal::new(reason, detail)))
}

fn read_bytes(line: u64, bytes: Vec<u8>, declaration: &Declaration, unwrap: bool) -> Record {
    match String::from_utf8(bytes) {
        Ok(text) => read_text(line, text, declaration, unwrap),
        Err(error) => {
            let detail = format!("not UTF-8 after byte {}", error.utf8_error().valid_up_to());
            refused(line, Original::Bytes(error.into_bytes()), Reason::NotJson, detail)
        }
    }
}

fn read_text(line: u64, text: String, declaration: &Declaration, unwrap: bool) -> Record {
    let object = match Object::parse(&text) {
        Ok(object) => object,
        Err(error @ ObjectError::TooManyMembers) => {
            return refused(line, Original::object(text), Reason::Field, error.to_string());
        }
        Err(error) => {
            return refused(line, Original::Text(text), Reason::NotJson, error.to_string());
        }
    };
    if object.members().iter().any(|member| member.name == "quarantined") {
        let inner = if unwrap { inner(&object) } else { None };
        return match inner {
            Some(Inner::Text(inner)) => read_text(line, inner, declaration, false),
            Some(Inner::Bytes(inner)) => read_bytes(line, inner, declaration, false),
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
    let id = id(&object);
    let owner = owner(&object);
    let (told_id, told_owner) = (id.as_ref().ok().cloned(), owner.as_ref().ok().cloned());
    let fields = id.and_then(|id| fields(&object, id, owner?, declaration));
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
fn inner(object: &Object<'_>) -> Option<Inner> {
    let [one, other] = object.members() else { return None };
    let (reason, row) = if one.name == "quarantined" { (one, other) } else { (other, one) };
    if !reason.text.starts_with('{') {
        return None;
    }
    match (row.name.as_str(), row.cell()) {
        ("row", Cell::Null) => Some(Inner::NotCopied),
        ("row", Cell::Text(text)) => Some(Inner::Text(text.into_owned())),
        // It begins like a string but is not one: half of a surrogate pair.
        ("row", _) if row.text.starts_with('"') => None,
        ("row", _) => Some(Inner::Text(row.text.to_owned())),
        ("row_hex", Cell::Text(digits)) => {
            Encoding::HexLower.decode(&digits).ok().map(Inner::Bytes)
        }
        _ => None,
    }
}

fn id(object: &Object<'_>) -> Result<Id, Refusal> {
    match required(object, "id")? {
        Cell::Text(text) => {
            let text = checked("id", &text, names::name)?;
            Ok(Id { json: Value::from(text.as_str()).to_string(), text })
        }
        Cell::Json(text) => {
            let text = json::integer(&text).ok_or_else(not_an_id)?;
            Ok(Id { json: text.clone(), text })
        }
        Cell::Null | Cell::Bytes(_) => Err(not_an_id()),
    }
}

fn not_an_id() -> Refusal {
    Refusal::new(Reason::Field, "id: expected a string or an integer")
}

fn owner(object: &Object<'_>) -> Result<Owner, Refusal> {
    let name = |field, cell| checked(field, &string(field, cell)?, names::name);
    let label = optional(object, "label")?.map(|cell| name("label", cell)).transpose()?;
    let tenant = name("tenant", required(object, "tenant")?)?;
    let provider = name("provider", required(object, "provider")?)?;
    Ok(Owner { tenant, provider, label })
}

fn fields(
    object: &Object<'_>,
    id: Id,
    owner: Owner,
    declaration: &Declaration,
) -> Result<Fields, Refusal> {
    let env_name = match optional(object, "env")? {
        None => None,
        Some(cell) => Some(checked("env", &string("env", cell)?, variables::of_a_credential)?),
    };
    let row = declaration.read(object)?;
    Ok(Fields { id, owner, env_name, row })
}

/// Returns an optional field, unless it is null.
fn optional<'o>(object: &'o Object<'_>, name: &str) -> Result<Option<Cell<'o>>, Refusal> {
    Ok(object.cell(name)?.filter(|cell| !matches!(cell, Cell::Null)))
}

fn required<'o>(object: &'o Object<'_>, name: &str) -> Result<Cell<'o>, Refusal> {
    let missing = || Refusal::new(Reason::Field, format!("{name} is missing"));
    object.cell(name)?.ok_or_else(missing)
}

fn string(name: &str, cell: Cell<'_>) -> Result<String, Refusal> {
    match cell {
        Cell::Text(text) => Ok(text.into_owned()),
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
