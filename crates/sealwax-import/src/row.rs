//! A row of another program: its cells, its parts, and how it opens.

use std::borrow::Cow;

use sealwax::Secret;
use sealwax::legacy::n8n;
use sealwax::triplet::{Triplet, TripletError, TripletKey};

use crate::declaration::{Declaration, Excluded};
use crate::json::ObjectError;
use crate::matching;

/// The value of one column.
#[derive(Clone)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// A text.
    Text(Cow<'a, str>),
    /// The text of a JSON value that is neither a string nor null.
    Json(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
}

/// A row whose cells are found by the name of their column.
pub trait Row {
    /// Returns the value in a column, or `None` if there is no such column.
    ///
    /// The name may have dots: if there is no column `a`, the path `a.b` names the column `a.b`.
    ///
    /// # Errors
    /// Returns [`RowError::Twice`] if there are two columns with this name.
    fn cell(&self, column: &str) -> Result<Option<Cell<'_>>, RowError>;
}

/// The parts of a row, which only its key opens.
#[derive(Debug)]
pub struct ForeignRow {
    parts: Parts,
    associated_data: Vec<u8>,
}

#[derive(Debug)]
pub(crate) enum Parts {
    Triplet {
        row: Triplet,
        /// The row's own key, wrapped.
        wrapped: Option<Triplet>,
    },
    N8n(String),
}

/// Why a row cannot be read or opened.
///
/// It contains nothing of the row: a text that does not open may be a credential that somebody stored
/// unencrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// A column or a member is missing or null.
    #[error("{path} is missing")]
    #[non_exhaustive]
    Missing {
        /// Where.
        path: String,
    },
    /// A column or a member appears twice.
    #[error("{path} appears twice")]
    #[non_exhaustive]
    Twice {
        /// Where.
        path: String,
    },
    /// A value has another type.
    #[error("{path}: expected {expected}")]
    #[non_exhaustive]
    Type {
        /// Where.
        path: String,
        /// What the declaration requires.
        expected: &'static str,
    },
    /// A value should be a JSON object, because the declaration names a member of it.
    #[error("{path}: expected a JSON object: {source}")]
    #[non_exhaustive]
    NotAnObject {
        /// Where.
        path: String,
        /// What is wrong.
        source: ObjectError,
    },
    /// The row has a member that the declaration excludes.
    #[error("{} must not be present{}", .0.path, why(.0))]
    Excluded(Excluded),
    /// A text has too few or too many parts.
    #[error("{path}: expected {expected} parts separated by {separator:?}, found {found}")]
    #[non_exhaustive]
    PartCount {
        /// Where.
        path: String,
        /// The separator, which the declaration names.
        separator: String,
        /// The number of parts in the declaration.
        expected: usize,
        /// The number of parts in the row.
        found: usize,
    },
    /// A text that the declaration requires is not there.
    #[error("{path}: expected {expected:?} at byte {offset}")]
    #[non_exhaustive]
    Text {
        /// Where.
        path: String,
        /// The text, which the declaration names.
        expected: String,
        /// Where in the cell, in bytes.
        offset: usize,
    },
    /// A part is not in its encoding.
    #[error("{path}, {part} at byte {offset}: {source}")]
    #[non_exhaustive]
    Encoding {
        /// Where.
        path: String,
        /// The part, as the declaration names it.
        part: String,
        /// Where in the cell, in bytes.
        offset: usize,
        /// What is wrong.
        source: TripletError,
    },
    /// The bytes of a part in hex have a separator between them.
    #[error(
        "{path}, {part} at byte {offset}: hex with the separator {separator:?} between the bytes: \
         remove it in the query that exports the rows"
    )]
    #[non_exhaustive]
    Separator {
        /// Where.
        path: String,
        /// The part, as the declaration names it.
        part: String,
        /// Where in the cell, in bytes.
        offset: usize,
        /// The separator, which is one of a few punctuation characters or a space.
        separator: char,
    },
    /// What is declared is there, but in another encoding.
    #[error(
        "{path}: a layer of {encoding} around what is declared: decode it in the query that exports \
         the rows"
    )]
    #[non_exhaustive]
    Layer {
        /// Where.
        path: String,
        /// The encoding.
        encoding: &'static str,
    },
    /// A part has another length.
    #[error("{path}, {part} at byte {offset}: expected {expected}, found {found}")]
    #[non_exhaustive]
    Length {
        /// Where.
        path: String,
        /// The part, as the declaration names it.
        part: String,
        /// Where in the cell, in bytes.
        offset: usize,
        /// The length that the declaration requires.
        expected: String,
        /// The number of bytes in the row.
        found: usize,
    },
    /// A constant byte of the declaration is another one in the row.
    #[error("{path}: the constant bytes in {part} differ")]
    #[non_exhaustive]
    Constant {
        /// Where.
        path: String,
        /// The group, as the declaration writes it.
        part: String,
    },
    /// The row's own key does not unwrap.
    #[error("in the wrapped key: {}", whole(source))]
    #[non_exhaustive]
    WrappedKey {
        /// Why.
        source: TripletError,
    },
    /// The row does not open.
    #[error("{}", whole(.0))]
    Row(TripletError),
}

/// Returns the complete message: the error's own does not say why an unwrapped value is not a key.
pub(crate) fn whole(error: &TripletError) -> String {
    match error {
        TripletError::Key { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

fn why(excluded: &Excluded) -> String {
    excluded.because.as_ref().map_or_else(String::new, |because| format!(": {because}"))
}

impl Declaration {
    /// Reads a row, without a key.
    ///
    /// # Errors
    /// Returns why the row is not of the declared kind.
    pub fn read(&self, row: &impl Row) -> Result<ForeignRow, RowError> {
        for excluded in &self.without {
            if excluded.path.find(row)?.is_some() {
                return Err(RowError::Excluded(excluded.clone()));
            }
        }
        let parts = matching::parts(self, row)?;
        let associated_data = match &self.bound_to {
            Some(template) => template.fill(row)?.into_bytes(),
            None => Vec::new(),
        };
        Ok(ForeignRow { parts, associated_data })
    }
}

impl ForeignRow {
    /// Opens the row and returns its plaintext.
    ///
    /// # Errors
    /// Returns an error if the tag does not verify, or the row's own key does not unwrap.
    pub fn open(&self, key: &TripletKey) -> Result<Secret, RowError> {
        let open = |key: &TripletKey, row: &Triplet| {
            key.decrypt_with_associated_data(row, &self.associated_data)
        };
        match &self.parts {
            Parts::Triplet { row, wrapped: None } => open(key, row),
            Parts::Triplet { row, wrapped: Some(wrapped) } => {
                let own = key.unwrap_key(wrapped);
                open(&own.map_err(|source| RowError::WrappedKey { source })?, row)
            }
            Parts::N8n(text) => n8n::decrypt(key, text),
        }
        .map_err(RowError::Row)
    }
}

impl Cell<'_> {
    pub(crate) fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Self::Json(text) => Cell::Json(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Cell::Bytes(Cow::Owned(bytes.into_owned())),
        }
    }
}

impl std::fmt::Debug for Cell<'_> {
    /// Shows the type only, because the value may be a credential that was stored unencrypted.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Text(_) => "Text(..)",
            Self::Json(_) => "Json(..)",
            Self::Bytes(_) => "Bytes(..)",
        })
    }
}
