//! Escapes, undone one byte at a time: percent-encoding, and those of JSON strings.

use alloc::vec::Vec;

use zeroize::Zeroizing;

/// How characters may be written.
#[derive(Clone, Copy)]
pub(super) enum Notation {
    /// As they are.
    Plain,
    /// `%2F`, for any of them (RFC 3986, section 2.1).
    Percent,
    /// `\/`, `\"`, `\\` and `\u002f` (RFC 8259, section 7).
    Json,
}

impl Notation {
    /// The length of the longest escape.
    pub(super) const fn widest(self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Percent => 3,
            Self::Json => 6,
        }
    }

    /// Reads the next character: what it is, and how many bytes it takes. Returns `None` if more bytes are needed.
    ///
    /// What is no escape is itself.
    fn read(self, bytes: &[u8]) -> Option<(u8, usize)> {
        let is_hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
        match (self, bytes) {
            (_, []) | (Self::Percent, [b'%']) | (Self::Json, [b'\\'] | [b'\\', b'u']) => None,
            (Self::Percent, [b'%', digits @ ..]) if digits.len() < 2 && is_hex(digits) => None,
            (Self::Percent, &[b'%', high, low]) if is_hex(&[high, low]) => {
                Some((byte(high, low), 3))
            }
            (Self::Json, [b'\\', b'u', digits @ ..]) if digits.len() < 4 && is_hex(digits) => None,
            (Self::Json, &[b'\\', b'u', b'0', b'0', high, low]) if is_hex(&[high, low]) => {
                Some((byte(high, low), 6))
            }
            (Self::Json, &[b'\\', character @ (b'"' | b'\\' | b'/'), ..]) => Some((character, 2)),
            (_, &[first, ..]) => Some((first, 1)),
        }
    }
}

/// Reads two hex digits.
fn byte(high: u8, low: u8) -> u8 {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => digit & 0xf,
        // The letters of both cases end in 1 to 6.
        _ => (digit & 0xf).saturating_add(9),
    };
    digit(high) << 4 | digit(low)
}

/// A text whose escapes are undone. It comes byte by byte.
pub(super) struct Unescaped {
    notation: Notation,
    /// What may be the start of an escape: at most 5 bytes, and for a moment 6.
    pending: Zeroizing<Vec<u8>>,
}

impl Unescaped {
    pub(super) fn new(notation: Notation) -> Self {
        Self { notation, pending: Vec::with_capacity(notation.widest()).into() }
    }

    /// Takes the next byte. Afterwards, [`next`](Self::next) returns what it completes.
    pub(super) fn push(&mut self, byte: u8) {
        self.pending.push(byte);
    }

    /// Returns the next character, and how many bytes it takes.
    pub(super) fn next(&mut self) -> Option<(u8, usize)> {
        let (character, len) = self.notation.read(&self.pending)?;
        self.pending.drain(..len);
        Some((character, len))
    }

    /// Returns the next byte as it is, at the end of the text.
    pub(super) fn rest(&mut self) -> Option<u8> {
        let first = *self.pending.first()?;
        self.pending.remove(0);
        Some(first)
    }
}
