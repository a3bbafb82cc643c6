//! How the bytes of a group are written in a cell.

use sealwax::triplet::{self, TripletError};

/// How bytes are written as text, or that the cell has bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// One of the library's encodings, of which each is strict.
    Strict(triplet::Encoding),
    /// Standard base64 with line breaks, as MIME encoders write it.
    Base64Lines,
    /// Characters whose UTF-8 bytes are used as they are.
    Text,
    /// No text: a column of bytes, or in JSON numbers or Node's `Buffer`.
    Bytes,
}

/// Every encoding, with its name in a pattern.
const NAMES: [(&str, Encoding); 8] = [
    ("hex", Encoding::Strict(triplet::Encoding::HexLower)),
    ("hex-any-case", Encoding::Strict(triplet::Encoding::HexAnyCase)),
    ("base64", Encoding::Strict(triplet::Encoding::Base64)),
    ("base64-lines", Encoding::Base64Lines),
    ("base64url", Encoding::Strict(triplet::Encoding::Base64Url)),
    ("base64url-padded", Encoding::Strict(triplet::Encoding::Base64UrlPadded)),
    ("text", Encoding::Text),
    ("bytes", Encoding::Bytes),
];

impl Encoding {
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(other, _)| *other == name).map(|(_, encoding)| *encoding)
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, other)| *other == self).map_or("", |(name, _)| name)
    }

    pub(crate) fn is_hex(self) -> bool {
        use triplet::Encoding::{HexAnyCase, HexLower};
        matches!(self, Self::Strict(HexLower | HexAnyCase))
    }

    /// Returns whether `character` may appear in the encoded text, so that it cannot separate parts.
    ///
    /// This is wider than the alphabet: it includes both cases of hex, and padding, so that a change of
    /// encoding never turns the separator into data.
    pub(crate) fn uses(self, character: char) -> bool {
        use triplet::Encoding::{Base64Url, Base64UrlPadded, HexAnyCase, HexLower};
        match self {
            Self::Strict(HexLower | HexAnyCase) => character.is_ascii_hexdigit(),
            Self::Strict(Base64Url | Base64UrlPadded) => {
                character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '=')
            }
            Self::Strict(_) => {
                character.is_ascii_alphanumeric() || matches!(character, '+' | '/' | '=')
            }
            Self::Base64Lines => {
                character.is_ascii_alphanumeric()
                    || matches!(character, '+' | '/' | '=' | '\r' | '\n')
            }
            Self::Text | Self::Bytes => true,
        }
    }

    /// Decodes a text. A cell of bytes is not decoded.
    pub(crate) fn decode(self, text: &str) -> Result<Vec<u8>, TripletError> {
        match self {
            Self::Strict(encoding) => encoding.decode(text),
            Self::Base64Lines => {
                let joined: String = text.split(['\r', '\n']).collect();
                triplet::Encoding::Base64.decode(&joined)
            }
            Self::Text | Self::Bytes => Ok(text.as_bytes().to_vec()),
        }
    }
}
