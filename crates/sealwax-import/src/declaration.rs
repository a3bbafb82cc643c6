//! A declaration: which cells a row has, what it is bound to, and how the text of its key is written.

use std::fmt;
use std::str::FromStr;

use crate::json;
use crate::key::KeyForm;
use crate::path::CellPath;
use crate::pattern::{Field, Pattern};
use crate::row::{Cell, Row, RowError};

/// How another program wrote its rows.
///
/// You declare it; it is never guessed from a row. Its text has one clause per line, in any order:
///
/// ```text
/// cell PATH = PATTERN       where parts of the row are (see Pattern); several cells for several columns
/// without PATH because WHY  a row that has this member is refused, with this message if there is one
/// bound to TEMPLATE         the associated data, such as cred:{id}
/// key as FORM               how the text of the key is written (see KeyForm)
/// ```
///
/// A path is the name of a column; after a dot, the name of a member of the JSON in that column, and so
/// on. If there is no `a` in a row, `a.b` is the column with that name; members are found in the same
/// way. In a template, `{path}` is the text or the integer at that path of the row.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Declaration {
    /// The cells that hold parts of the row.
    pub cells: Vec<DeclaredCell>,
    /// The members that a row must not have, because they show that it is of another kind.
    pub without: Vec<Excluded>,
    /// The associated data.
    pub bound_to: Option<Template>,
    /// How the text of the key is written, if the kind of row determines it.
    pub key_as: Option<KeyForm>,
}

/// Why a text is not a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeclarationError {
    /// A line is no clause.
    #[error(
        "expected `cell PATH = PATTERN`, `without PATH because WHY`, `bound to TEMPLATE` or `key as FORM`"
    )]
    Clause,
    /// A path is empty, or has an empty member.
    #[error("a path is a column, or a column and members of its JSON, separated by dots")]
    Path,
    /// A brace has no partner.
    #[error("a brace has no partner; write {{{{ or }}}} for a brace in the text")]
    Brace,
    /// A bracket is not at the start, or has no partner.
    #[error("brackets enclose a text at the start only; write [[ or ]] for a bracket in the text")]
    Bracket,
    /// A group names no encoding.
    #[error("expected an encoding at the end of the braces, such as {{ct:hex}}")]
    NoEncoding,
    /// An encoding is not known.
    #[error(
        "expected hex, hex-any-case, base64, base64-lines, base64url, base64url-padded, text or \
         bytes as the encoding"
    )]
    UnknownEncoding,
    /// A part is not known.
    #[error(
        "expected iv, iv12, iv16, tag, ct, wrapped-iv, wrapped-iv12, wrapped-iv16, wrapped-tag, \
         wrapped-key, 0xDIGITS or \"TEXT\" as a part"
    )]
    UnknownPart,
    /// A constant is neither hex nor a text in quotes.
    #[error("a constant is 0x and two hex digits for each byte, or a text in \"…\"")]
    Constant,
    /// A text after a group starts with a character that the group may have.
    #[error("the text after a part starts with a character of the part's encoding")]
    Separator,
    /// Nothing separates two groups.
    #[error("nothing separates two parts; if they were joined as bytes, write {{iv12+ct:hex}}")]
    NoSeparator,
    /// A group of bytes is not the whole cell.
    #[error("a part of bytes must be the whole cell")]
    BytesWithText,
    /// The special cell of n8n is not the whole row.
    #[error("{{n8n}} must be the whole row")]
    N8nWithOthers,
    /// The special cell of n8n is bound to nothing.
    #[error("{{n8n}} has no associated data")]
    N8nBound,
    /// More than one part of a group has no declared length.
    #[error("in one group, only ct may have any length: write iv12 or iv16 for the IV")]
    OpenLengths,
    /// A part is missing, or is there twice.
    #[error("a row needs iv, tag and ct, each once")]
    Parts,
    /// A part of the wrapped key is missing, or is there twice.
    #[error("a row with its own key needs wrapped-iv, wrapped-tag and wrapped-key, each once")]
    WrappedParts,
    /// A form of key is not known.
    #[error("expected {} as the form of the key", KeyForm::NAMES)]
    UnknownKeyForm,
}

impl Declaration {
    /// Checks that every part of a row is declared once.
    ///
    /// # Errors
    /// Returns [`DeclarationError`] if a part is missing or there twice.
    pub fn check(&self) -> Result<(), DeclarationError> {
        let patterns = || self.cells.iter().map(|cell| &cell.pattern);
        if patterns().any(Pattern::is_n8n) {
            return match (self.cells.len(), &self.bound_to) {
                (1, None) => Ok(()),
                (1, Some(_)) => Err(DeclarationError::N8nBound),
                _ => Err(DeclarationError::N8nWithOthers),
            };
        }
        let count = |wanted: fn(Field) -> bool| {
            patterns().flat_map(Pattern::fields).filter(|field| wanted(*field)).count()
        };
        let own = [
            count(|field| matches!(field, Field::Iv(_))),
            count(|field| field == Field::Tag),
            count(|field| field == Field::Ciphertext),
        ];
        let wrapped = [
            count(|field| matches!(field, Field::WrappedIv(_))),
            count(|field| field == Field::WrappedTag),
            count(|field| field == Field::WrappedKey),
        ];
        match (own, wrapped) {
            ([1, 1, 1], [0, 0, 0] | [1, 1, 1]) => Ok(()),
            ([1, 1, 1], _) => Err(DeclarationError::WrappedParts),
            _ => Err(DeclarationError::Parts),
        }
    }

    /// Returns the columns that a row must have, in the order in which they are declared.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = Vec::new();
        for cell in &self.cells {
            if !columns.contains(&cell.path.column()) {
                columns.push(cell.path.column());
            }
        }
        columns
    }
}

impl FromStr for Declaration {
    type Err = DeclarationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut declaration = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(cell) = line.strip_prefix("cell ") {
                declaration.cells.push(cell.parse()?);
            } else if let Some(path) = line.strip_prefix("without ") {
                declaration.without.push(path.parse()?);
            } else if let Some(template) = line.strip_prefix("bound to ")
                && declaration.bound_to.is_none()
            {
                declaration.bound_to = Some(template.trim().parse()?);
            } else if let Some(form) = line.strip_prefix("key as ")
                && declaration.key_as.is_none()
            {
                declaration.key_as = Some(form.trim().parse()?);
            } else {
                return Err(DeclarationError::Clause);
            }
        }
        declaration.check()?;
        Ok(declaration)
    }
}

impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cell in &self.cells {
            writeln!(f, "cell {cell}")?;
        }
        for excluded in &self.without {
            writeln!(f, "without {excluded}")?;
        }
        if let Some(template) = &self.bound_to {
            writeln!(f, "bound to {template}")?;
        }
        match self.key_as {
            Some(form) => writeln!(f, "key as {form}"),
            None => Ok(()),
        }
    }
}

/// A cell that holds parts of the row: where it is, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredCell {
    /// The place of the cell.
    pub path: CellPath,
    /// What is in it.
    pub pattern: Pattern,
}

impl FromStr for DeclaredCell {
    type Err = DeclarationError;

    /// Parses `PATH = PATTERN`, with or without the spaces.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (path, pattern) = text.split_once('=').ok_or(DeclarationError::Clause)?;
        Ok(Self { path: path.trim().parse()?, pattern: pattern.trim().parse()? })
    }
}

impl fmt::Display for DeclaredCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.path, self.pattern)
    }
}

/// A member that a row must not have, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// The place of the member.
    pub path: CellPath,
    /// Why such a row is of another kind, if the declaration says so.
    pub because: Option<String>,
}

impl FromStr for Excluded {
    type Err = DeclarationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (path, because) = match text.split_once(" because ") {
            Some((path, because)) => (path, Some(because.trim().to_owned())),
            None => (text, None),
        };
        Ok(Self { path: path.trim().parse()?, because })
    }
}

impl fmt::Display for Excluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.because {
            Some(because) => write!(f, "{} because {because}", self.path),
            None => write!(f, "{}", self.path),
        }
    }
}

/// A text with `{path}` in it, which each row replaces by its own value.
///
/// It is only as exact as the program that wrote the rows: in `{tenant}{id}`, with no text between two
/// values, tenant `a1` with id `2` and tenant `a` with id `12` have the same associated data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<TemplatePiece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePiece {
    Text(String),
    Value(CellPath),
}

impl Template {
    /// Returns the columns that a row must have, in the order of the text.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            TemplatePiece::Text(_) => None,
            TemplatePiece::Value(path) => Some(path.column()),
        })
    }

    /// Returns the text for a row.
    ///
    /// # Errors
    /// Returns an error if the row has no text and no integer at one of the paths.
    pub fn fill(&self, row: &impl Row) -> Result<String, RowError> {
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                TemplatePiece::Text(text) => filled.push_str(text),
                TemplatePiece::Value(path) => {
                    let wrong = || RowError::Type {
                        path: path.to_string(),
                        expected: "a string or an integer",
                    };
                    match path.find(row)? {
                        None => return Err(RowError::Missing { path: path.to_string() }),
                        Some(Cell::Text(text)) => filled.push_str(&text),
                        Some(Cell::Json(text)) => {
                            filled.push_str(&json::integer(&text).ok_or_else(wrong)?);
                        }
                        Some(Cell::Null | Cell::Bytes(_)) => return Err(wrong()),
                    }
                }
            }
        }
        Ok(filled)
    }
}

impl FromStr for Template {
    type Err = DeclarationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at_checked(at).ok_or(DeclarationError::Brace)?;
            literal.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else {
                let inside = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
                let (path, after) = inside.ok_or(DeclarationError::Brace)?;
                if !literal.is_empty() {
                    pieces.push(TemplatePiece::Text(std::mem::take(&mut literal)));
                }
                pieces.push(TemplatePiece::Value(path.parse()?));
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(TemplatePiece::Text(literal));
        }
        Ok(Self { pieces })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                TemplatePiece::Text(text) => {
                    f.write_str(&text.replace('{', "{{").replace('}', "}}"))?;
                }
                TemplatePiece::Value(path) => write!(f, "{{{path}}}")?,
            }
        }
        Ok(())
    }
}
