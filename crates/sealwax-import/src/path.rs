//! The place of a value in a row.

use std::fmt;
use std::str::FromStr;

use crate::declaration::DeclarationError;
use crate::json::Object;
use crate::layer;
use crate::row::{Cell, Row, RowError};

/// The place of a value in a row: a column, or a member of the JSON in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellPath {
    text: String,
}

impl CellPath {
    /// Returns the name of the column, which is the path up to its first dot.
    ///
    /// If a row has no such column, the name goes on to a later dot.
    #[must_use]
    pub fn column(&self) -> &str {
        self.text.split('.').next().unwrap_or_default()
    }

    /// Returns the value, or `None` if the column or a member is missing or null.
    pub(crate) fn find(&self, row: &impl Row) -> Result<Option<Cell<'static>>, RowError> {
        let path = self.text.as_str();
        let (mut cell, mut rest) = match first_found(path, |column| row.cell(column))? {
            Some((cell, rest)) => (cell.into_owned(), rest),
            None => return Ok(None),
        };
        while let Some(names) = rest {
            let end = path.len().saturating_sub(names.len()).saturating_sub(1);
            let at = || path.get(..end).unwrap_or_default().to_owned();
            let json = match &cell {
                Cell::Null => return Ok(None),
                Cell::Text(text) | Cell::Json(text) => text,
                Cell::Bytes(_) => {
                    return Err(RowError::Type { path: at(), expected: "a JSON object" });
                }
            };
            let object = Object::parse(json).map_err(|source| {
                let is_object = |text: &str| Object::parse(text).is_ok();
                match layer::around(json).find(|(_, inner)| is_object(inner)) {
                    Some((encoding, _)) => RowError::Layer { path: at(), encoding },
                    None => RowError::NotAnObject { path: at(), source },
                }
            })?;
            let member = first_found(names, |name| {
                object.find(name).map_err(|_| RowError::Twice { path: format!("{}.{name}", at()) })
            })?;
            let Some((member, after)) = member else { return Ok(None) };
            (cell, rest) = (member.cell().into_owned(), after);
        }
        Ok(if matches!(cell, Cell::Null) { None } else { Some(cell) })
    }
}

/// Finds the shortest start of a path that names something, and returns it with the rest of the path.
///
/// A name may have dots in it, as the result of a join or a label of Kubernetes has.
fn first_found<T>(
    path: &str,
    find: impl Fn(&str) -> Result<Option<T>, RowError>,
) -> Result<Option<(T, Option<&str>)>, RowError> {
    let dots = path.match_indices('.').map(|(at, _)| at);
    for end in dots.chain([path.len()]) {
        let (name, rest) = path.split_at_checked(end).unwrap_or((path, ""));
        if let Some(found) = find(name)? {
            return Ok(Some((found, rest.strip_prefix('.'))));
        }
    }
    Ok(None)
}

impl FromStr for CellPath {
    type Err = DeclarationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = |name: &str| !name.is_empty() && !name.contains(['{', '}', '=']);
        if text.split('.').all(is_name) {
            Ok(Self { text: text.to_owned() })
        } else {
            Err(DeclarationError::Path)
        }
    }
}

impl fmt::Display for CellPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
