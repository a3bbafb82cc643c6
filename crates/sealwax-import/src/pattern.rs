//! The pattern of a cell: which parts of a row it has, in which order and encoding.

use std::fmt::{self, Write};
use std::str::{Chars, FromStr};

use sealwax::triplet::IvLen;

use crate::declaration::DeclarationError;
use crate::encoding::Encoding;

/// The pattern of one cell.
///
/// ```text
/// {iv12:hex}:{tag:hex}:{ct:hex}      three parts, with colons between them
/// v1:{iv12+ct+tag:base64}            a text in front, and three parts that were joined as bytes
/// [\x]{0x01+iv12+ct+tag:hex}         a text that may be in front, and a byte that must be
/// {*}.{iv:base64}.{ct+tag:base64}    some text that is ignored; an IV of 12 or 16 bytes
/// ```
///
/// The parts are `iv12`, `iv16` and `iv` (12 or 16 bytes, and alone in its braces), `tag` (16 bytes) and
/// `ct` (the ciphertext); for a row that has its own key, wrapped, also `wrapped-iv12`, `wrapped-iv16`,
/// `wrapped-iv`, `wrapped-tag` and `wrapped-key`. A constant is `0x` and hex digits, or a text in `"`.
///
/// The encodings are `hex`, `base64`, `base64url` and `base64url-padded`, which are strict: one text for
/// the same bytes. By name only, there are laxer ones: `hex-any-case`, and `base64-lines`, which skips
/// line breaks. `text` uses the characters as they are. `bytes` is a column of bytes, or in JSON an array
/// of numbers (from 0 to 255, or with a sign, as in Java), Node's `{"type":"Buffer","data":[…]}`, or what
/// `JSON.stringify` makes of a `Uint8Array`: `{"0":100,"1":7,…}`.
///
/// `{n8n}` is a whole cell of n8n, whose key is derived for each row. Write `{{` for a brace, and `[[`
/// for a bracket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// A text that may be at the start.
    pub(crate) front: Option<String>,
    pub(crate) pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Ignored,
    N8n,
    Group(Group),
}

/// Parts that were joined as bytes, and then encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) parts: Vec<Part>,
    pub(crate) encoding: Encoding,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Field(Field),
    /// Bytes that every row has.
    Constant(Vec<u8>),
}

/// A part of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The IV, whose length is declared, or 12 or 16 bytes.
    Iv(Option<IvLen>),
    Tag,
    Ciphertext,
    /// The IV under which the row's own key was wrapped.
    WrappedIv(Option<IvLen>),
    WrappedTag,
    WrappedKey,
}

/// Every field, with its name in a pattern.
const FIELDS: [(&str, Field); 10] = [
    ("iv", Field::Iv(None)),
    ("iv12", Field::Iv(Some(IvLen::Twelve))),
    ("iv16", Field::Iv(Some(IvLen::Sixteen))),
    ("tag", Field::Tag),
    ("ct", Field::Ciphertext),
    ("wrapped-iv", Field::WrappedIv(None)),
    ("wrapped-iv12", Field::WrappedIv(Some(IvLen::Twelve))),
    ("wrapped-iv16", Field::WrappedIv(Some(IvLen::Sixteen))),
    ("wrapped-tag", Field::WrappedTag),
    ("wrapped-key", Field::WrappedKey),
];

impl Field {
    pub(crate) fn name(self) -> &'static str {
        FIELDS.iter().find(|(_, other)| *other == self).map_or("", |(name, _)| name)
    }

    /// Returns the length in bytes, or `None` if rows differ in it.
    pub(crate) fn len(self) -> Option<usize> {
        match self {
            Self::Iv(len) | Self::WrappedIv(len) => len.map(IvLen::bytes),
            Self::Tag | Self::WrappedTag => Some(16),
            Self::WrappedKey => Some(32),
            Self::Ciphertext => None,
        }
    }
}

impl Part {
    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Self::Field(field) => field.len(),
            Self::Constant(bytes) => Some(bytes.len()),
        }
    }
}

impl Pattern {
    /// Returns the fields in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field> {
        let parts = self.pieces.iter().flat_map(|piece| match piece {
            Piece::Group(group) => group.parts.as_slice(),
            _ => &[],
        });
        parts.filter_map(|part| match part {
            Part::Field(field) => Some(*field),
            Part::Constant(_) => None,
        })
    }

    pub(crate) fn is_n8n(&self) -> bool {
        self.pieces == [Piece::N8n]
    }

    /// Returns the encoding if the whole cell is one group of bytes.
    pub(crate) fn as_bytes(&self) -> Option<&Group> {
        match (&self.front, self.pieces.as_slice()) {
            (None, [Piece::Group(group)]) if group.encoding == Encoding::Bytes => Some(group),
            _ => None,
        }
    }

    /// Checks that a text can be divided in only one way.
    fn check(self) -> Result<Self, DeclarationError> {
        use DeclarationError as Error;
        let has_bytes = self
            .pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Group(group) if group.encoding == Encoding::Bytes));
        if has_bytes && self.as_bytes().is_none() {
            return Err(Error::BytesWithText);
        }
        if self.pieces.contains(&Piece::N8n) && !self.is_n8n() {
            return Err(Error::N8nWithOthers);
        }
        for (piece, next) in self.pieces.iter().zip(self.pieces.iter().skip(1)) {
            match (piece, next) {
                (Piece::Text(_), _) => {}
                (Piece::Group(group), Piece::Text(text))
                    if text.starts_with(|first| group.encoding.uses(first)) =>
                {
                    return Err(Error::Separator);
                }
                (_, Piece::Text(_)) => {}
                _ => return Err(Error::NoSeparator),
            }
        }
        for piece in &self.pieces {
            let Piece::Group(group) = piece else { continue };
            if group.parts.iter().filter(|part| part.len().is_none()).count() > 1
                || (group.parts.len() > 1 && group.parts.iter().any(is_any_iv))
            {
                return Err(Error::OpenLengths);
            }
        }
        Ok(self)
    }
}

fn is_any_iv(part: &Part) -> bool {
    matches!(part, Part::Field(Field::Iv(None) | Field::WrappedIv(None)))
}

impl FromStr for Pattern {
    type Err = DeclarationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (front, rest) = match text.strip_prefix('[') {
            Some(rest) if !rest.starts_with('[') => {
                let (front, rest) = rest.split_once(']').ok_or(DeclarationError::Bracket)?;
                (Some(front.to_owned()), rest)
            }
            _ => (None, text),
        };
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut characters = rest.chars();
        while let Some(character) = characters.next() {
            let is_doubled = characters.as_str().starts_with(character);
            match character {
                '{' | '}' | '[' | ']' if is_doubled => {
                    literal.push(character);
                    characters.next();
                }
                '{' => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    pieces.push(braces(&mut characters)?);
                }
                '}' => return Err(DeclarationError::Brace),
                '[' | ']' => return Err(DeclarationError::Bracket),
                _ => literal.push(character),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Self { front, pieces }.check()
    }
}

/// Parses what follows an opening brace, up to the closing one.
fn braces(characters: &mut Chars<'_>) -> Result<Piece, DeclarationError> {
    let (inside, rest) = characters.as_str().split_once('}').ok_or(DeclarationError::Brace)?;
    *characters = rest.chars();
    match inside {
        "*" => return Ok(Piece::Ignored),
        "n8n" => return Ok(Piece::N8n),
        _ => {}
    }
    let (parts, encoding) = inside.rsplit_once(':').ok_or(DeclarationError::NoEncoding)?;
    let encoding = Encoding::named(encoding).ok_or(DeclarationError::UnknownEncoding)?;
    let parts = parts.split('+').map(part).collect::<Result<_, _>>()?;
    Ok(Piece::Group(Group { parts, encoding }))
}

fn part(text: &str) -> Result<Part, DeclarationError> {
    if let Some(digits) = text.strip_prefix("0x") {
        let bytes = sealwax::triplet::Encoding::HexAnyCase.decode(digits);
        return bytes.map(Part::Constant).map_err(|_| DeclarationError::Constant);
    }
    if let Some(rest) = text.strip_prefix('"') {
        let text = rest.strip_suffix('"').ok_or(DeclarationError::Constant)?;
        return Ok(Part::Constant(text.as_bytes().to_vec()));
    }
    let field = FIELDS.iter().find(|(name, _)| *name == text);
    field.map(|(_, field)| Part::Field(*field)).ok_or(DeclarationError::UnknownPart)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(front) = &self.front {
            write!(f, "[{front}]")?;
        }
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => {
                    for character in text.chars() {
                        if matches!(character, '{' | '}' | '[' | ']') {
                            f.write_char(character)?;
                        }
                        f.write_char(character)?;
                    }
                }
                Piece::Ignored => f.write_str("{*}")?,
                Piece::N8n => f.write_str("{n8n}")?,
                Piece::Group(group) => write!(f, "{group}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "{";
        for part in &self.parts {
            f.write_str(before)?;
            before = "+";
            match part {
                Part::Field(field) => f.write_str(field.name())?,
                Part::Constant(bytes) => match str::from_utf8(bytes) {
                    Ok(text) if is_plain(text) => write!(f, "\"{text}\"")?,
                    _ => {
                        let digits = sealwax::triplet::Encoding::HexLower.encode(bytes);
                        write!(f, "0x{digits}")?;
                    }
                },
            }
        }
        write!(f, ":{}}}", self.encoding.name())
    }
}

/// Returns whether a constant can be shown as text in a pattern.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}
