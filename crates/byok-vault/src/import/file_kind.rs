//! Recognises a file that is not one JSON object per line.
//!
//! Its lines would all be quarantined, each for a reason of its own that does not say what happened.

use std::fmt;

use sealwax_import::json::{Object, ObjectError};

use super::input::Input;
use crate::error::VaultError;

/// What a file is that is not one JSON object per line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// One JSON array.
    Array,
    /// JSON objects over several lines each.
    Pretty,
    /// Columns with a delimiter between them.
    Delimited,
    /// Text in UTF-16.
    Utf16,
    /// A compressed file or an archive, such as a spreadsheet.
    Compressed,
    /// A database, or a dump of one in a format of its own.
    Database,
    /// Statements in SQL.
    Sql,
    /// XML or HTML.
    Markup,
}

/// Checks the first lines of a file.
///
/// # Errors
/// Returns [`VaultError::NotJsonLines`] if the file is of another kind.
pub(super) fn check(input: &mut Input) -> Result<(), VaultError> {
    let name = input.name().to_owned();
    let mut lines = input.lines()?;
    let mut next = || Ok::<_, VaultError>(lines.next()?.and_then(|line| line.text));
    let Some(first) = next()? else { return Ok(()) };
    match kind(&first, next()?.as_deref()) {
        Some(kind) => Err(VaultError::NotJsonLines { name, kind }),
        None => Ok(()),
    }
}

fn kind(first: &[u8], second: Option<&[u8]>) -> Option<FileKind> {
    let starts_with = |magic: &[&[u8]]| magic.iter().any(|magic| first.starts_with(magic));
    if starts_with(&[b"\xff\xfe", b"\xfe\xff"]) || matches!(first, [0, _, ..] | [_, 0, ..]) {
        return Some(FileKind::Utf16);
    }
    if starts_with(&[b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ"]) {
        return Some(FileKind::Compressed);
    }
    if starts_with(&[b"SQLite format 3\0", b"PGDMP"]) {
        return Some(FileKind::Database);
    }
    let text = str::from_utf8(first).ok()?.trim();
    if text.starts_with('[') {
        return Some(FileKind::Array);
    }
    if text.starts_with('<') {
        return Some(FileKind::Markup);
    }
    if is_sql(text) {
        return Some(FileKind::Sql);
    }
    let error = Object::parse(text).err()?;
    let second = second.map(|line| String::from_utf8_lossy(line));
    let next = second.as_deref().map_or("", str::trim);
    if text.starts_with('{') {
        let goes_on = error == ObjectError::Cut && !next.is_empty() && !next.starts_with('{');
        return goes_on.then_some(FileKind::Pretty);
    }
    let is_delimited = [',', ';', '\t', '|'].into_iter().any(|delimiter| {
        let count = |line: &str| line.matches(delimiter).count();
        count(text) > 0 && (next.is_empty() || count(text) == count(next))
    });
    // A JSON string may have commas too.
    (is_delimited && error != ObjectError::NotAnObject).then_some(FileKind::Delimited)
}

fn is_sql(text: &str) -> bool {
    let word = text.split_ascii_whitespace().next().unwrap_or_default();
    let words =
        ["COPY", "INSERT", "CREATE", "SET", "BEGIN", "BEGIN;", "PRAGMA", "SELECT", "--", "/*"];
    words.iter().any(|sql| word.eq_ignore_ascii_case(sql))
}

impl FileKind {
    /// Returns how to turn the file into JSON Lines.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Array => {
                "`jq -c '.[]' FILE | byok-vault import … --quarantine FILE -` imports it"
            }
            Self::Pretty => "`jq -c . FILE | byok-vault import … --quarantine FILE -` imports it",
            Self::Utf16 => "convert it: `iconv -f UTF-16 -t UTF-8 FILE`",
            Self::Compressed => {
                "decompress it first; of a spreadsheet, export the table from its database"
            }
            Self::Delimited | Self::Sql | Self::Database | Self::Markup => {
                "export the rows as JSON: json_build_object in PostgreSQL, json_object in SQLite and \
                 MySQL"
            }
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Array => "a JSON array",
            Self::Pretty => "JSON with objects over several lines",
            Self::Delimited => "CSV or another text with delimiters",
            Self::Utf16 => "a text in UTF-16",
            Self::Compressed => "a compressed file",
            Self::Database => "a database or its dump",
            Self::Sql => "SQL",
            Self::Markup => "XML or HTML",
        })
    }
}
