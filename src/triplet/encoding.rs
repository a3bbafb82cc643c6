//! The text encodings that rows use.

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64, Base64Url, Base64UrlUnpadded, Encoding as _};

use super::{IV_EXPECTED, TAG_EXPECTED, TripletError};
use crate::format::error::Field;
use crate::format::sizes::{IV_LEN, MAX_PLAINTEXT_LEN, TAG_LEN};

/// How the bytes of a row are encoded as text.
///
/// Each encoding is strict: no white space, no prefix, and exactly one text for the same bytes, except
/// in [`HexAnyCase`](Self::HexAnyCase).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// Lowercase hex (`0123456789abcdef`), as Node, Python, Go and OpenSSL write it.
    HexLower,
    /// Hex in either case, or mixed.
    ///
    /// Use it only to read rows that were written by hand or by several programs. It encodes to lower
    /// case.
    HexAnyCase,
    /// Canonical base64 with padding: the standard alphabet (RFC 4648 §4).
    Base64,
    /// Canonical base64url without padding: the URL-safe alphabet (RFC 4648 §5).
    Base64Url,
    /// Canonical base64url with padding, as Python's `urlsafe_b64encode` writes it.
    Base64UrlPadded,
}

impl Encoding {
    /// Decodes one column.
    ///
    /// Use it for rows whose columns have different encodings, and pass the results to
    /// [`Triplet::from_parts`](super::Triplet::from_parts).
    ///
    /// # Errors
    ///
    /// [`TripletError::Malformed`] if the text is not in this encoding, or encodes more than 16,777,232
    /// bytes: the longest ciphertext and a tag.
    pub fn decode(self, text: &str) -> Result<Vec<u8>, TripletError> {
        self.decode_up_to(Field::Column, TAG_LEN, text)
    }

    /// Encodes one column.
    #[must_use]
    pub fn encode(self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity(self.encoded_len(bytes.len()));
        self.push_encoded(&mut text, bytes);
        text
    }

    /// Appends the encoded bytes to `text`, without allocating another buffer of their size.
    #[expect(clippy::expect_used, reason = "leaving a chunk out of a row would lose a credential")]
    pub(super) fn push_encoded(self, text: &mut String, bytes: &[u8]) {
        let mut buffer = [0; 384];
        // A chunk is a whole number of three-byte groups, so padding appears only at the end.
        for chunk in bytes.chunks(192) {
            let encoded = match self {
                Self::HexLower | Self::HexAnyCase => {
                    base16ct::lower::encode_str(chunk, &mut buffer).ok()
                }
                Self::Base64 => Base64::encode(chunk, &mut buffer).ok(),
                Self::Base64Url => Base64UrlUnpadded::encode(chunk, &mut buffer).ok(),
                Self::Base64UrlPadded => Base64Url::encode(chunk, &mut buffer).ok(),
            };
            text.push_str(encoded.expect("twice a chunk is enough for every encoding"));
        }
    }

    #[expect(clippy::arithmetic_side_effects, reason = "a part has at most 16 MiB")]
    pub(super) const fn encoded_len(self, len: usize) -> usize {
        match self {
            Self::HexLower | Self::HexAnyCase => len * 2,
            Self::Base64 | Self::Base64UrlPadded => len.div_ceil(3) * 4,
            Self::Base64Url => (len * 4).div_ceil(3),
        }
    }

    /// Decodes a part whose length in bytes is one of `lens`.
    pub(super) fn decode_part(
        self,
        field: Field,
        lens: &[usize],
        text: &str,
    ) -> Result<Vec<u8>, TripletError> {
        let expected = match (self.decoded_len(text), lens) {
            (Some(len), _) if lens.contains(&len) => return self.decode_any(field, text),
            (None, _) => self.expected(),
            (Some(_), [IV_LEN]) => "12 bytes",
            (Some(_), [TAG_LEN]) => TAG_EXPECTED,
            (Some(_), _) => IV_EXPECTED,
        };
        Err(TripletError::malformed(field, expected, 0).of_text(text))
    }

    /// Decodes a text of at most the longest ciphertext and `more` bytes.
    pub(crate) fn decode_up_to(
        self,
        field: Field,
        more: usize,
        text: &str,
    ) -> Result<Vec<u8>, TripletError> {
        let expected = match self.decoded_len(text) {
            None => self.expected(),
            Some(len) if len > MAX_PLAINTEXT_LEN.saturating_add(more) => super::CIPHERTEXT_EXPECTED,
            Some(_) => return self.decode_any(field, text),
        };
        Err(TripletError::malformed(field, expected, 0).of_text(text))
    }

    fn decode_any(self, field: Field, text: &str) -> Result<Vec<u8>, TripletError> {
        let mut bytes = alloc::vec![0; self.decoded_len(text).unwrap_or_default()];
        // Hex and base64 have error types of different crates, and neither says more than ours.
        let decoded = match self {
            Self::HexLower => base16ct::lower::decode(text, &mut bytes).is_ok(),
            Self::HexAnyCase => base16ct::mixed::decode(text, &mut bytes).is_ok(),
            Self::Base64 => Base64::decode(text, &mut bytes).is_ok(),
            Self::Base64Url => Base64UrlUnpadded::decode(text, &mut bytes).is_ok(),
            Self::Base64UrlPadded => Base64Url::decode(text, &mut bytes).is_ok(),
        };
        let fault = || TripletError::malformed(field, self.expected(), 0).of_text(text);
        if decoded { Ok(bytes) } else { Err(fault()) }
    }

    /// Returns whether `character` may appear in a text of this encoding.
    pub(super) const fn uses(self, character: char) -> bool {
        match self {
            // Wider than the alphabet: it includes both cases of hex, and padding, so that a change of
            // encoding never turns the separator into data.
            Self::HexLower | Self::HexAnyCase => character.is_ascii_hexdigit(),
            Self::Base64 => {
                character.is_ascii_alphanumeric() || matches!(character, '+' | '/' | '=')
            }
            Self::Base64Url | Self::Base64UrlPadded => {
                character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '=')
            }
        }
    }

    /// Returns how many bytes a text of this length encodes, or `None` if no text of this length is valid.
    fn decoded_len(self, text: &str) -> Option<usize> {
        let len = text.len();
        match self {
            Self::HexLower | Self::HexAnyCase => len.is_multiple_of(2).then_some(len / 2),
            Self::Base64 | Self::Base64UrlPadded => {
                let padding = text.bytes().rev().take(2).take_while(|byte| *byte == b'=').count();
                let decoded = (len / 4).saturating_mul(3).checked_sub(padding)?;
                len.is_multiple_of(4).then_some(decoded)
            }
            Self::Base64Url => match len % 4 {
                1 => None,
                rest => Some((len / 4).saturating_mul(3).saturating_add(rest.saturating_sub(1))),
            },
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::HexLower => "lowercase hex, two digits per byte",
            Self::HexAnyCase => "hex, two digits per byte",
            Self::Base64 => "canonical base64 with padding",
            Self::Base64Url => "canonical base64url without padding",
            Self::Base64UrlPadded => "canonical base64url with padding",
        }
    }
}
