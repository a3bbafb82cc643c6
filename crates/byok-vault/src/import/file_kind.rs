//! Recognises a file that is not one JSON object per line.
//!
//! Its lines would all be quarantined, each for a reason of its own that does not say what happened.

mod text;

use std::fmt;

use super::input::Input;
use crate::error::VaultError;

/// What a file is that is not one JSON object per line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// One JSON array.
    Array,
    /// A JSON array for each row, whose values have no names.
    Unnamed,
    /// JSON objects that have the rows in them.
    Wrapped,
    /// JSON objects over several lines each.
    Pretty,
    /// JSON objects behind record separators (RFC 7464).
    Sequence,
    /// Objects as a programming language prints them.
    Literals,
    /// Text with the colours of a terminal.
    Coloured,
    /// Columns with a delimiter between them.
    Delimited,
    /// A table that a database client drew for people.
    Drawn,
    /// YAML.
    Yaml,
    /// Text in UTF-16.
    Utf16,
    /// A compressed file or an archive, such as a spreadsheet.
    Compressed,
    /// An encrypted file.
    Encrypted,
    /// What Git keeps instead of a large file.
    Pointer,
    /// Rows in a binary format, such as Parquet.
    Binary,
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
/// Returns [`VaultError::NotJsonLines`] if the file is of another kind, and [`VaultError::NoRows`] if it
/// is empty: most likely the export failed, and the next step would delete the only copy of the rows.
pub(super) fn check(input: &mut Input) -> Result<(), VaultError> {
    let name = input.name().to_owned();
    let mut lines = input.lines()?;
    let Some(first) = lines.next()? else { return Err(VaultError::NoRows { name }) };
    let second = lines.next()?.and_then(|line| line.text);
    // A line that is too long to hold is quarantined like any other.
    let Some(first) = first.text else { return Ok(()) };
    match kind(&first, second.as_deref()) {
        Some(kind) => Err(VaultError::NotJsonLines { name, kind }),
        None => Ok(()),
    }
}

const COMPRESSED: [&[u8]; 7] = [
    b"\x1f\x8b",
    b"PK\x03\x04",
    b"\x28\xb5\x2f\xfd",
    b"BZh",
    b"\xfd7zXZ",
    b"7z\xbc\xaf",
    b"\x04\x22\x4d\x18",
];
const DATABASE: [&[u8]; 3] = [b"SQLite format 3\0", b"PGDMP", b"REDIS0"];
const ENCRYPTED: [&[u8]; 5] = [
    b"-----BEGIN PGP MESSAGE",
    b"-----BEGIN AGE ENCRYPTED",
    b"age-encryption.org/",
    b"Salted__",
    b"$ANSIBLE_VAULT",
];
/// Parquet (plain and encrypted), Avro, ORC, and two formats of Arrow.
const BINARY: [&[u8]; 6] = [b"PAR1", b"PARE", b"Obj\x01", b"ORC", b"ARROW1", b"FEA1"];
const POINTER: [&[u8]; 2] = [b"version https://git-lfs.github.com/", b"/annex/objects/"];

fn kind(first: &[u8], second: Option<&[u8]>) -> Option<FileKind> {
    let starts_with = |magic: &[&[u8]]| magic.iter().any(|magic| first.starts_with(magic));
    for (magic, kind) in [
        (&COMPRESSED[..], FileKind::Compressed),
        (&DATABASE, FileKind::Database),
        (&ENCRYPTED, FileKind::Encrypted),
        (&POINTER, FileKind::Pointer),
        (&BINARY, FileKind::Binary),
        (&[b"\xff\xfe", b"\xfe\xff"], FileKind::Utf16),
        (&[b"\x1e"], FileKind::Sequence),
    ] {
        if starts_with(magic) {
            return Some(kind);
        }
    }
    // The first four bytes of BSON are its length.
    if matches!(first, [_, 0, 0, 0, ..]) {
        return Some(FileKind::Binary);
    }
    if matches!(first, [0, _, ..] | [_, 0, ..]) {
        return Some(FileKind::Utf16);
    }
    let start = first.trim_ascii_start();
    if !start.starts_with(b"{") {
        // No text in UTF-8 begins with such a byte; a map of MessagePack or CBOR does.
        if matches!(first, [0x80..=0xbf, ..]) || first.iter().any(is_control) {
            return Some(FileKind::Binary);
        }
    } else if str::from_utf8(first).is_err() {
        return None;
    }
    let second = second.map(String::from_utf8_lossy);
    text::kind(String::from_utf8_lossy(first).trim(), second.as_deref().unwrap_or_default())
}

/// Returns whether no text has this byte, except a colour of a terminal.
fn is_control(byte: &u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\x0c' | b'\x1b')
}

impl FileKind {
    /// Returns how to turn the file into JSON Lines.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Array => {
                "`jq -c '.[]' FILE | byok-vault import … --quarantine FILE -` imports it"
            }
            Self::Unnamed => {
                "name the values, in the order that they have: `jq -c '{id: .[0], tenant: .[1], \
                 provider: .[2], value: .[3]}' FILE | byok-vault import … --quarantine FILE -`"
            }
            Self::Wrapped => {
                "`jq -c '.rows[]' FILE | byok-vault import … --quarantine FILE -` imports it if the \
                 member `rows` is an array of them; use `.[]` if each row is a member"
            }
            Self::Pretty => "`jq -c . FILE | byok-vault import … --quarantine FILE -` imports it",
            Self::Sequence => {
                "`tr -d '\\036' < FILE | byok-vault import … --quarantine FILE -` removes the separators"
            }
            Self::Literals => {
                "print each object as JSON, with `json.dumps` in Python or `JSON.stringify` in \
                 JavaScript"
            }
            Self::Coloured => "export it again without colours: `jq -M`, or `--color=never`",
            Self::Drawn => {
                "have the client print the JSON only: `mysql --raw --batch --skip-column-names`, \
                 `psql -qAt`, or `sqlite3 -list -noheader`"
            }
            Self::Utf16 => "convert it: `iconv -f UTF-16 -t UTF-8 FILE`",
            Self::Compressed => {
                "decompress it first; of a spreadsheet, export the table from its database"
            }
            Self::Encrypted => "decrypt it first, with the program that encrypted it",
            Self::Pointer => "fetch the file itself: `git lfs pull`, or `git annex get FILE`",
            Self::Binary => {
                "export its rows as JSON Lines: `COPY (FROM 'FILE') TO 'rows.jsonl' (FORMAT json)` in \
                 DuckDB does so for Parquet"
            }
            Self::Yaml => {
                "convert it: `yq -o json -I 0 '.[]' FILE` prints a list with one row per line"
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
            Self::Unnamed => "JSON with an array on each line, whose values have no names",
            Self::Wrapped => "JSON with the rows inside another object",
            Self::Pretty => "JSON with objects over several lines",
            Self::Sequence => "a JSON text sequence, with a record separator before each row",
            Self::Literals => "objects as a programming language prints them",
            Self::Coloured => "a text with the colours of a terminal",
            Self::Delimited => "CSV or another text with delimiters",
            Self::Drawn => "a drawn table, as database clients print it for people",
            Self::Yaml => "YAML",
            Self::Utf16 => "a text in UTF-16",
            Self::Compressed => "a compressed file",
            Self::Encrypted => "an encrypted file",
            Self::Pointer => "a pointer that Git keeps instead of a large file",
            Self::Binary => "a binary file, such as Parquet, Avro or MessagePack",
            Self::Database => "a database or its dump",
            Self::Sql => "SQL",
            Self::Markup => "XML or HTML",
        })
    }
}
