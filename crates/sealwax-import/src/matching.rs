//! Divides the cells of a row into its parts, as the patterns of a declaration say.

use sealwax::triplet::Triplet;

use crate::declaration::{Declaration, DeclaredCell};
use crate::encoding::Encoding;
use crate::json::Object;
use crate::layer;
use crate::path::CellPath;
use crate::pattern::{Field, Group, Part, Pattern, Piece};
use crate::row::{Cell, Parts, Row, RowError};

/// The parts that the cells have given so far. A checked declaration gives each of them once.
#[derive(Default)]
struct Found {
    iv: Vec<u8>,
    tag: Vec<u8>,
    ciphertext: Vec<u8>,
    wrapped: Option<WrappedParts>,
}

#[derive(Default)]
struct WrappedParts {
    iv: Vec<u8>,
    tag: Vec<u8>,
    key: Vec<u8>,
}

pub(crate) fn parts(declaration: &Declaration, row: &impl Row) -> Result<Parts, RowError> {
    let mut found = Found::default();
    for DeclaredCell { path, pattern } in &declaration.cells {
        let cell = path.find(row)?.ok_or_else(|| RowError::Missing { path: path.to_string() })?;
        if pattern.is_n8n() {
            return Ok(Parts::N8n(text(path, cell)?));
        }
        match pattern.as_bytes() {
            Some(group) => found.take(path, group, 0, &bytes(path, cell)?)?,
            None => {
                let text = text(path, cell)?;
                found.divide(path, pattern, &text).map_err(|error| {
                    // The search for a layer is only for the message.
                    let fits = |inner: &str| Found::default().divide(path, pattern, inner).is_ok();
                    let mut layers = layer::around(&text);
                    match layers.find(|(_, inner)| fits(inner)) {
                        Some((encoding, _)) => RowError::Layer { path: path.to_string(), encoding },
                        None => error,
                    }
                })?;
            }
        }
    }
    let Found { iv, tag, ciphertext, wrapped } = found;
    let row = Triplet::from_parts(&iv, &tag, &ciphertext).map_err(RowError::Row)?;
    let wrapped = wrapped
        .map(|WrappedParts { iv, tag, key }| Triplet::from_parts(&iv, &tag, &key))
        .transpose()
        .map_err(|source| RowError::WrappedKey { source })?;
    Ok(Parts::Triplet { row, wrapped })
}

/// Returns the cell as text, which a database may have stored as bytes.
fn text(path: &CellPath, cell: Cell<'_>) -> Result<String, RowError> {
    let text = match cell {
        Cell::Text(text) => Some(text.into_owned()),
        Cell::Bytes(bytes) => String::from_utf8(bytes.into_owned()).ok(),
        Cell::Null | Cell::Json(_) => None,
    };
    text.ok_or_else(|| RowError::Type { path: path.to_string(), expected: "a string" })
}

/// Returns the cell as bytes, which JSON writes as numbers, or as Node writes a `Buffer`.
fn bytes(path: &CellPath, cell: Cell<'_>) -> Result<Vec<u8>, RowError> {
    let wrong = || RowError::Type {
        path: path.to_string(),
        expected: "bytes, an array of numbers (from 0 to 255, or all from -128 to 127), Node's Buffer, or \
                   a Uint8Array",
    };
    let json = match cell {
        Cell::Bytes(bytes) => return Ok(bytes.into_owned()),
        // A column of text may hold what `JSON.stringify` made of a `Buffer`.
        Cell::Json(json) | Cell::Text(json) => json,
        Cell::Null => return Err(wrong()),
    };
    if let Ok(object) = Object::parse(&json)
        && let (Some(kind), Some(data)) = (object.find("type")?, object.find("data")?)
        && kind.text == "\"Buffer\""
    {
        return crate::bytes::parse(data.text).ok_or_else(wrong);
    }
    crate::bytes::parse(&json).ok_or_else(wrong)
}

impl Found {
    /// Divides a text into the groups of the pattern.
    fn divide(&mut self, path: &CellPath, pattern: &Pattern, whole: &str) -> Result<(), RowError> {
        let front = pattern.front.as_deref().unwrap_or_default();
        let mut rest = whole.strip_prefix(front).unwrap_or(whole);
        count_parts(path, pattern, rest)?;
        let mut pieces = pattern.pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            let offset = whole.len().saturating_sub(rest.len());
            let no_text = |expected: &str, offset| RowError::Text {
                path: path.to_string(),
                expected: expected.to_owned(),
                offset,
            };
            if let Piece::Text(expected) = piece {
                rest = rest.strip_prefix(expected).ok_or_else(|| no_text(expected, offset))?;
                continue;
            }
            // A group ends where the text after it begins, which it cannot contain.
            let len = match pieces.peek() {
                Some(Piece::Text(next)) => {
                    rest.find(next).ok_or_else(|| no_text(next, whole.len()))?
                }
                _ => rest.len(),
            };
            let (encoded, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
            rest = after;
            if let Piece::Group(group) = piece {
                let bytes = group.encoding.decode(encoded).map_err(|source| {
                    let (path, part) = (path.to_string(), group.to_string());
                    match layer::separator(encoded).filter(|_| group.encoding.is_hex()) {
                        Some(separator) => RowError::Separator { path, part, offset, separator },
                        None => RowError::Encoding { path, part, offset, source },
                    }
                })?;
                self.take(path, group, offset, &bytes)?;
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        let offset = whole.len().saturating_sub(rest.len());
        Err(RowError::Type { path: format!("{path} at byte {offset}"), expected: "its end" })
    }

    /// Divides the bytes of a group into its parts.
    fn take(
        &mut self,
        path: &CellPath,
        group: &Group,
        offset: usize,
        bytes: &[u8],
    ) -> Result<(), RowError> {
        let fixed: usize = group.parts.iter().filter_map(Part::len).sum();
        let wrong_len = |expected: String| RowError::Length {
            path: path.to_string(),
            part: group.to_string(),
            offset,
            expected,
            found: bytes.len(),
        };
        let open = match group.parts.iter().find(|part| part.len().is_none()) {
            Some(Part::Field(Field::Ciphertext)) => bytes
                .len()
                .checked_sub(fixed)
                .ok_or_else(|| wrong_len(format!("at least {fixed} bytes")))?,
            Some(_) if matches!(bytes.len(), 12 | 16) => bytes.len(),
            Some(_) => return Err(wrong_len("12 or 16 bytes".to_owned())),
            None if bytes.len() == fixed => 0,
            None => return Err(wrong_len(format!("{fixed} bytes"))),
        };
        let mut rest = bytes;
        for part in &group.parts {
            let len = part.len().unwrap_or(open);
            let (taken, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            rest = after;
            match part {
                Part::Constant(constant) if taken == constant => {}
                Part::Constant(_) => {
                    let (path, part) = (path.to_string(), group.to_string());
                    return Err(RowError::Constant { path, part });
                }
                Part::Field(field) => self.place(*field).extend_from_slice(taken),
            }
        }
        Ok(())
    }

    fn place(&mut self, field: Field) -> &mut Vec<u8> {
        match field {
            Field::Iv(_) => &mut self.iv,
            Field::Tag => &mut self.tag,
            Field::Ciphertext => &mut self.ciphertext,
            Field::WrappedIv(_) => &mut self.wrapped.get_or_insert_default().iv,
            Field::WrappedTag => &mut self.wrapped.get_or_insert_default().tag,
            Field::WrappedKey => &mut self.wrapped.get_or_insert_default().key,
        }
    }
}

/// Compares the number of parts first, if one text separates them all.
///
/// "Two parts" says more about a row of another kind than which character is missing where.
fn count_parts(path: &CellPath, pattern: &Pattern, text: &str) -> Result<(), RowError> {
    // Without a text in front and one at the end.
    let (pieces, text) = match pattern.pieces.as_slice() {
        [Piece::Text(first), pieces @ ..] => match text.strip_prefix(first) {
            Some(text) => (pieces, text),
            // `divide` says what is missing.
            None => return Ok(()),
        },
        pieces => (pieces, text),
    };
    let (pieces, text) = match pieces {
        [pieces @ .., Piece::Text(last)] => match text.strip_suffix(last) {
            Some(text) => (pieces, text),
            None => return Ok(()),
        },
        pieces => (pieces, text),
    };
    let is_open = |piece: &Piece| match piece {
        Piece::Group(group) => group.encoding == Encoding::Text,
        _ => true,
    };
    if pieces.last().is_none_or(is_open) {
        // The last part may have the separator in it.
        return Ok(());
    }
    let mut between = pieces.iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(text),
        _ => None,
    });
    let Some(separator) = between.next() else { return Ok(()) };
    if !between.all(|other| other == separator) {
        return Ok(());
    }
    let expected = pieces.iter().filter(|piece| !matches!(piece, Piece::Text(_))).count();
    let found = text.matches(separator).count().saturating_add(1);
    if found == expected {
        return Ok(());
    }
    let (path, separator) = (path.to_string(), separator.clone());
    Err(RowError::PartCount { path, separator, expected, found })
}
