//! Bytes as text. Base64 is decoded bit by bit, and a text is canonical if the result encodes back
//! to it.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// The characters of base64url, in order of their values.
pub const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// An alphabet, and whether `=` pads the last group of four.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Base64 {
    alphabet: &'static [u8; 64],
    padded: bool,
}

pub const BASE64: Base64 = Base64 { alphabet: STANDARD, padded: true };
pub const BASE64URL: Base64 = Base64 { alphabet: URL_SAFE, padded: false };
pub const BASE64URL_PADDED: Base64 = Base64 { alphabet: URL_SAFE, padded: true };

/// Returns the `width` lowest bits of a number, the highest first.
fn bits(number: usize, width: usize) -> impl Iterator<Item = bool> {
    (0..width).rev().map(move |place| number >> place & 1 == 1)
}

fn number(bits: &[bool]) -> usize {
    bits.iter().fold(0, |number, bit| number * 2 + usize::from(*bit))
}

impl Base64 {
    pub fn encode(self, bytes: &[u8]) -> String {
        let mut stream: Vec<bool> = bytes.iter().flat_map(|byte| bits((*byte).into(), 8)).collect();
        while !stream.len().is_multiple_of(6) {
            stream.push(false);
        }
        let mut text: String =
            stream.chunks(6).map(|group| char::from(self.alphabet[number(group)])).collect();
        while self.padded && !text.len().is_multiple_of(4) {
            text.push('=');
        }
        text
    }

    pub fn decode(self, text: &str) -> Option<Vec<u8>> {
        let mut stream = Vec::new();
        for character in text.trim_end_matches('=').bytes() {
            let value = self.alphabet.iter().position(|other| *other == character)?;
            stream.extend(bits(value, 6));
        }
        let bytes: Vec<u8> =
            stream.chunks_exact(8).map(|byte| number(byte).try_into().unwrap()).collect();
        (self.encode(&bytes) == text).then_some(bytes)
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes hex digits: lower case only, or with `any_case`, either case, also mixed.
pub fn unhex(text: &str, any_case: bool) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| match digit {
            'A'..='F' if !any_case => None,
            _ => digit.to_digit(16)?.try_into().ok(),
        })
        .collect();
    let digits = digits?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(high * 16 + low),
        _ => None,
    });
    bytes.collect()
}
