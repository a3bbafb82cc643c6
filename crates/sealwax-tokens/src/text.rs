//! The text of a token: a prefix, 43 random characters and a checksum.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::hint::black_box;
use core::str::FromStr;

use rand_core::TryCryptoRng;
use sealwax::Secret;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::claims::Hint;

/// The number of random characters. 62^43 is larger than 2^256.
const RANDOM_LEN: usize = 43;
/// The number of characters of the checksum. 62^6 is larger than 2^32.
const CHECK_LEN: usize = 6;
/// The number of characters after the prefix.
const BODY_LEN: usize = RANDOM_LEN + CHECK_LEN;
const MAX_PREFIX_LEN: usize = 32;
/// The maximum length of a token that another program made, in bytes.
const MAX_EXISTING_LEN: usize = 1024;

/// What all tokens of a service begin with, such as `acme_live_`.
///
/// It has 2 to 32 characters from `0-9A-Za-z_`, begins with a letter and ends with `_`, so that a double click selects
/// the whole token and a scanner finds it. It is never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(String);

/// The text is not a [`Prefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected 2 to 32 characters from 0-9 A-Z a-z _, starting with a letter and ending with _")]
#[non_exhaustive]
pub struct PrefixError;

/// What a text is to a service with a prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A token with the prefix.
    Ours,
    /// A token with another prefix.
    OtherPrefix,
    /// No token of this crate: a typo, one that was cut off, or one that another program made.
    Other,
    /// Too long or too short for any token.
    Nothing,
}

impl Prefix {
    /// Returns a regular expression that finds tokens with this prefix, for scanners of secrets.
    ///
    /// ```
    /// let prefix: sealwax_tokens::Prefix = "acme_live_".parse()?;
    /// assert_eq!(prefix.pattern(), r"\bacme_live_[0-9A-Za-z]{49}\b");
    /// # Ok::<(), sealwax_tokens::PrefixError>(())
    /// ```
    #[must_use]
    pub fn pattern(&self) -> String {
        alloc::format!(r"\b{}[0-9A-Za-z]{{{BODY_LEN}}}\b", self.0)
    }

    /// Returns whether a text is as long as a token with this prefix, and begins like one.
    pub(crate) fn fits(&self, text: &str) -> bool {
        text.len() == self.0.len().saturating_add(BODY_LEN) && text.starts_with(&self.0)
    }

    /// Returns what a text is, in a time that depends on its length and on whether it is well-formed.
    pub(crate) fn shape_of(&self, text: &str) -> Shape {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > MAX_EXISTING_LEN {
            return Shape::Nothing;
        }
        let is_well_formed = bytes
            .split_last_chunk::<BODY_LEN>()
            .is_some_and(|(prefix, body)| is_prefix(prefix) & all(body, is_digit))
            && bytes
                .split_last_chunk::<CHECK_LEN>()
                .is_some_and(|(before, check)| is_equal(&checksum(before), check));
        match is_well_formed {
            true if self.fits(text) => Shape::Ours,
            true => Shape::OtherPrefix,
            false => Shape::Other,
        }
    }

    /// Draws a token: prefix ‖ 43 characters ‖ 6 characters of the checksum. The caller must wipe the stack.
    ///
    /// Returns `None` if the randomness source fails, or does not look random.
    pub(crate) fn draw(&self, rng: &mut (impl TryCryptoRng + ?Sized)) -> Option<Secret> {
        // A `String` would look at each character that is pushed, for its length.
        let len = self.0.len().saturating_add(BODY_LEN);
        let mut text = Zeroizing::new(Vec::with_capacity(len));
        text.extend_from_slice(self.0.as_bytes());
        draw_characters(rng, &mut text)?;
        let check = checksum(&text);
        text.extend_from_slice(&check);
        Some(Secret::from(core::mem::take(&mut *text)))
    }
}

/// Returns the last four characters, which a list may show: they belong to the checksum, so all 43 stay unknown.
pub(crate) fn hint(token: &[u8]) -> Option<Hint> {
    token.last_chunk().copied()
}

/// Appends 43 characters, each of which is drawn uniformly: a byte of 248 or more is rejected, because 248 = 4 × 62.
fn draw_characters(rng: &mut (impl TryCryptoRng + ?Sized), text: &mut Vec<u8>) -> Option<()> {
    /// Of 64 bytes, 62 are accepted on average. A source that needs more than this is broken.
    const DRAWS: usize = 8;
    let mut bytes = Zeroizing::new([0_u8; 64]);
    let (mut left, mut first, mut is_varied) = (RANDOM_LEN, None, false);
    for _ in 0..DRAWS {
        rng.try_fill_bytes(bytes.as_mut_slice()).ok()?;
        for byte in bytes.iter().filter(|byte| **byte < 248).take(left) {
            is_varied |= first.get_or_insert(*byte) != byte;
            text.push(digit(byte % 62));
            left = left.saturating_sub(1);
        }
        if left == 0 {
            return is_varied.then_some(());
        }
    }
    None
}

/// Returns the character for a digit in base 62: `0-9A-Za-z`. It looks nothing up, because the digit is secret.
fn digit(value: u8) -> u8 {
    let (letter, small) = (u8::from(value >= 10), u8::from(value >= 36));
    b'0'.wrapping_add(value)
        .wrapping_add(letter.wrapping_mul(b'A' - b'9' - 1))
        .wrapping_add(small.wrapping_mul(b'a' - b'Z' - 1))
}

/// Returns whether this is a character in base 62. It does not branch on which.
const fn is_digit(byte: u8) -> bool {
    (byte.wrapping_sub(b'0') < 10) | (byte.wrapping_sub(b'A') < 26) | (byte.wrapping_sub(b'a') < 26)
}

/// Returns whether all bytes are like this. It does not stop at the first one that is not.
fn all(bytes: &[u8], is_like: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(true, |all, byte| all & is_like(*byte))
}

/// Returns the CRC-32 of what comes before, in base 62 with six digits, the most significant one first.
fn checksum(before: &[u8]) -> [u8; CHECK_LEN] {
    let mut left = crc32(before);
    let mut digits = [0; CHECK_LEN];
    for place in digits.iter_mut().rev() {
        let [value, ..] = (left % 62).to_le_bytes();
        *place = digit(value);
        left /= 62;
    }
    digits
}

/// Returns whether two checksums are equal. It does not stop at the first character that differs.
fn is_equal(a: &[u8; CHECK_LEN], b: &[u8; CHECK_LEN]) -> bool {
    let differences = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    // The compiler would stop there, if it knew what is asked of the sum.
    black_box(differences) == 0
}

/// Computes the CRC-32 of ISO 3309, as zlib and PNG have it.
// The crates for this look tables up at an index that depends on the token.
fn crc32(bytes: &[u8]) -> u32 {
    let (chunks, rest) = bytes.as_chunks::<CHUNK_LEN>();
    let of_chunk = |crc: u32, chunk: &[u8; CHUNK_LEN]| {
        let [a, b, c, d, e, f, g, h] = *chunk;
        let first = crc ^ u32::from_le_bytes([a, b, c, d]);
        let (of_first, of_second) = OF_BIT.split_at(32);
        sum(first, of_first) ^ sum(u32::from_le_bytes([e, f, g, h]), of_second)
    };
    let (_, of_last) = OF_BIT.split_at(BITS - 8);
    let of_byte = |crc: u32, byte: &u8| (crc >> 8) ^ sum((crc ^ u32::from(*byte)) & 0xff, of_last);
    !rest.iter().fold(chunks.iter().fold(u32::MAX, of_chunk), of_byte)
}

/// Adds up what the bits that are set contribute, without a branch.
fn sum(bits: u32, of_bits: &[u32]) -> u32 {
    let part =
        |(of_bit, bit): (&u32, u32)| of_bit & u32::from(bits & (1 << bit) != 0).wrapping_neg();
    of_bits.iter().zip(0..32).map(part).fold(0, |sum, part| sum ^ part)
}

/// The number of bytes that are taken at once.
const CHUNK_LEN: usize = 8;
const BITS: usize = 8 * CHUNK_LEN;

/// What each bit of a chunk contributes to the CRC after the chunk, the lowest bit of the first byte first.
#[expect(
    clippy::indexing_slicing,
    reason = "it is computed when the crate is compiled, where a panic is an error"
)]
const OF_BIT: [u32; BITS] = {
    let mut of_bit = [0; BITS];
    let (mut at, mut power) = (of_bit.len(), 1_u32);
    while at > 0 {
        at -= 1;
        // One step further from the end: multiplied by x, modulo the polynomial.
        power = (power >> 1) ^ (if power & 1 == 1 { 0xedb8_8320 } else { 0 });
        of_bit[at] = power;
    }
    of_bit
};

/// Returns whether this is a prefix. It branches only on the length, because it is also asked about the beginning of a
/// token that another program made, which is secret.
fn is_prefix(text: &[u8]) -> bool {
    let [first, .., last] = text else { return false };
    let is_letter = is_digit(*first) & (*first > b'9');
    let is_allowed = |byte| is_digit(byte) | (byte == b'_');
    text.len() <= MAX_PREFIX_LEN && is_letter & (*last == b'_') & all(text, is_allowed)
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        if is_prefix(text.as_bytes()) { Ok(Self(text.into())) } else { Err(PrefixError) }
    }
}

impl AsRef<str> for Prefix {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
