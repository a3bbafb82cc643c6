//! Records as JSON Lines: one object a line.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use sealwax::{FormatError, KeyId};
use serde_core::de::{Deserializer, Error as _, MapAccess, Visitor};
use thiserror::Error;

use crate::entry::{Entry, EntryError, Field, Record};
use crate::hex;

/// Writes one line, without a line feed: the twelve fields in the order of [`Field`], and `null` for an absent one.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, number, entry, audit_key, mac } = self;
        let Entry { time, action, who, why, outcome, key_id, commitment, context } = entry;
        let [commitment, context] =
            [commitment, context].map(|bytes| bytes.as_ref().map(hex::encode));
        write!(f, "{{\"subject\":{},\"number\":{number},\"time\":{time}", Json(Some(subject)))?;
        let fields = [
            (Field::Action, Some(action.as_str())),
            (Field::Who, Some(who)),
            (Field::Why, Some(why)),
            (Field::Outcome, Some(outcome)),
            (Field::KeyId, key_id.as_ref().map(AsRef::as_ref)),
            (Field::Commitment, commitment.as_deref()),
            (Field::Context, context.as_deref()),
            (Field::AuditKey, Some(audit_key.as_ref())),
            (Field::Mac, Some(&hex::encode(mac))),
        ];
        for (field, text) in fields {
            write!(f, ",\"{field}\":{}", Json(text))?;
        }
        f.write_str("}")
    }
}

/// A text as JSON, or `null`.
struct Json<'a>(Option<&'a str>);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}

/// Reads the lines of a text.
///
/// ```
/// # let text = "{}\n{}";
/// for record in sealwax_audit::read_lines(text) {
///     match record {
///         Ok(record) => println!("{}", record.entry.who),
///         Err(error) => eprintln!("{error}"),
///     }
/// }
/// ```
pub fn read_lines(text: &str) -> impl Iterator<Item = Result<Record, LineError>> {
    let numbered = (1_usize..).zip(text.lines());
    numbered.map(|(line, text)| text.parse().map_err(|source| LineError { line, source }))
}

impl FromStr for Record {
    type Err = RecordError;

    /// Reads one line. Its fields may be in any order, with spaces between them. Each must be there once, and no other.
    fn from_str(line: &str) -> Result<Self, RecordError> {
        let mut values = Values::read(line)?;
        let missing = |field| RecordError::Type { field };
        let record = Self {
            subject: values.text(Field::Subject)?,
            number: values.number(Field::Number)?,
            entry: Entry {
                time: values.number(Field::Time)?,
                action: values.text(Field::Action)?,
                who: values.text(Field::Who)?,
                why: values.text(Field::Why)?,
                outcome: values.text(Field::Outcome)?,
                key_id: values.key_id(Field::KeyId)?,
                commitment: values.hex(Field::Commitment)?,
                context: values.hex(Field::Context)?,
            },
            audit_key: values.key_id(Field::AuditKey)?.ok_or(missing(Field::AuditKey))?,
            mac: values.hex(Field::Mac)?.ok_or(missing(Field::Mac))?,
        };
        record.check()?;
        Ok(record)
    }
}

/// The value of a field.
enum Value {
    Number(u64),
    /// `None` if it is absent.
    Text(Option<String>),
}

/// The values of an object, in the order of [`Field::ALL`].
#[derive(Default)]
struct Values {
    values: [Option<Value>; Field::ALL.len()],
    /// The field that is being read.
    reading: Option<Field>,
    /// What is wrong with the fields, which an error of serde cannot hold.
    error: Option<RecordError>,
}

impl Values {
    fn read(line: &str) -> Result<Self, RecordError> {
        let mut values = Self::default();
        let mut json = serde_json::Deserializer::from_str(line);
        let read = json.deserialize_map(&mut values).and_then(|()| json.end());
        match (read, values.error.take(), values.reading) {
            (Ok(()), ..) => Ok(values),
            (Err(_), Some(error), _) => Err(error),
            (Err(error), None, Some(field)) if error.is_data() => Err(RecordError::Type { field }),
            (Err(error), None, _) => Err(RecordError::Json { column: error.column() }),
        }
    }

    fn take(&mut self, field: Field) -> Result<Value, RecordError> {
        let mut places = Field::ALL.iter().zip(&mut self.values);
        let place = places.find_map(|(known, value)| (*known == field).then_some(value));
        place.and_then(Option::take).ok_or(RecordError::Missing { field })
    }

    fn number(&mut self, field: Field) -> Result<u64, RecordError> {
        match self.take(field)? {
            Value::Number(number) => Ok(number),
            Value::Text(_) => Err(RecordError::Type { field }),
        }
    }

    fn optional(&mut self, field: Field) -> Result<Option<String>, RecordError> {
        match self.take(field)? {
            Value::Text(text) => Ok(text),
            Value::Number(_) => Err(RecordError::Type { field }),
        }
    }

    fn text(&mut self, field: Field) -> Result<String, RecordError> {
        self.optional(field)?.ok_or(RecordError::Type { field })
    }

    fn key_id(&mut self, field: Field) -> Result<Option<KeyId>, RecordError> {
        let parse =
            |text: String| text.parse().map_err(|source| RecordError::KeyId { field, source });
        self.optional(field)?.map(parse).transpose()
    }

    fn hex(&mut self, field: Field) -> Result<Option<[u8; 32]>, RecordError> {
        let decode = |text: String| hex::decode(&text).ok_or(RecordError::Hex { field });
        self.optional(field)?.map(decode).transpose()
    }
}

impl<'de> Visitor<'de> for &mut Values {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            // No value is read that is not kept.
            let mut stop = |error| {
                self.error = Some(error);
                A::Error::custom("see Values::error")
            };
            let field = Field::ALL.into_iter().find(|field| field.as_str() == name);
            let field = field.ok_or_else(|| stop(RecordError::Unknown))?;
            let mut places = Field::ALL.iter().zip(&mut self.values);
            let place = places.find_map(|(known, place)| (*known == field).then_some(place));
            let Some(place @ None) = place else {
                return Err(stop(RecordError::Repeated { field }));
            };
            self.reading = Some(field);
            *place = Some(match field {
                Field::Number | Field::Time => Value::Number(map.next_value()?),
                Field::KeyId | Field::Commitment | Field::Context => Value::Text(map.next_value()?),
                _ => Value::Text(Some(map.next_value()?)),
            });
            self.reading = None;
        }
        Ok(())
    }
}

/// An error in a line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line} of the log is invalid")]
#[non_exhaustive]
pub struct LineError {
    /// The number of the line, counted from 1.
    pub line: usize,
    /// What is wrong with the line.
    pub source: RecordError,
}

/// What is wrong with the JSON of a record. It holds nothing of the line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The line is not one JSON object.
    #[error("expected one JSON object: it is wrong at column {column}")]
    #[non_exhaustive]
    Json {
        /// The column, in bytes, counted from 1; 0 if the line is empty.
        column: usize,
    },
    /// The object has a member that no field has.
    #[error("the object has a member that is not a field of a record")]
    Unknown,
    /// A field is missing.
    #[error("{field} is missing")]
    #[non_exhaustive]
    Missing {
        /// The field.
        field: Field,
    },
    /// A field is there twice.
    #[error("{field} is there twice")]
    #[non_exhaustive]
    Repeated {
        /// The field.
        field: Field,
    },
    /// A field has a value of another type: `number` and `time` are unsigned integers, the others strings, and
    /// `key_id`, `commitment` and `context` may also be null.
    #[error("{field} has a value of the wrong type")]
    #[non_exhaustive]
    Type {
        /// The field.
        field: Field,
    },
    /// A field is not 64 lowercase hex digits.
    #[error("{field} is not 64 lowercase hex digits")]
    #[non_exhaustive]
    Hex {
        /// The field.
        field: Field,
    },
    /// A field is not a key id.
    #[error("{field} is not a key id")]
    #[non_exhaustive]
    KeyId {
        /// The field.
        field: Field,
        /// What is wrong with the id.
        source: FormatError,
    },
    /// No entry may hold this.
    #[error(transparent)]
    Entry(#[from] EntryError),
}
