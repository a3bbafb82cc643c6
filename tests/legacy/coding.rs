//! Bytes as text and back, written here without the crate: the damage is compared with this.

/// How a kind encodes a group of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Not encoded: a column of bytes.
    Bytes,
    /// Lower-case hex.
    Hex,
    /// The standard alphabet with padding.
    Base64,
    /// The URL-safe alphabet with padding.
    Base64Url,
}

impl Coding {
    pub(crate) fn encode(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Bytes => bytes.to_vec(),
            Self::Hex => hex(bytes).into_bytes(),
            Self::Base64 => base64(STANDARD, bytes),
            Self::Base64Url => base64(URL_SAFE, bytes),
        }
    }

    /// Returns the bytes if the text is their canonical encoding.
    pub(crate) fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        let decoded = match self {
            Self::Bytes => return Some(text.to_vec()),
            Self::Hex => unhex(text)?,
            Self::Base64 => unbase64(STANDARD, text)?,
            Self::Base64Url => unbase64(URL_SAFE, text)?,
        };
        (self.encode(&decoded) == text).then_some(decoded)
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

pub(crate) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_chunks() else { return None };
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect()
}

fn base64(alphabet: &[u8; 64], bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_usize, |group, byte| group << 8 | usize::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let character = alphabet[group >> (18 - 6 * place) & 63];
            text.push(if place > chunk.len() { b'=' } else { character });
        }
    }
    text
}

/// Also accepts text that is not canonical; [`Coding::decode`] does not.
fn unbase64(alphabet: &[u8; 64], text: &[u8]) -> Option<Vec<u8>> {
    let value = |character: u8| match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        _ if character == alphabet[62] => Some(62),
        _ if character == alphabet[63] => Some(63),
        _ => None,
    };
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let (characters, _) = text.split_at(text.len() - padding);
    let mut bytes = Vec::with_capacity(characters.len() * 3 / 4);
    for chunk in characters.chunks(4) {
        let mut group = 0_u32;
        for character in chunk {
            group = group << 6 | u32::from(value(*character)?);
        }
        let group = group << (6 * (4 - chunk.len()));
        bytes.extend(group.to_be_bytes().iter().skip(1).take(chunk.len() - 1));
    }
    Some(bytes)
}

#[test]
fn base64_is_that_of_rfc_4648() {
    let examples = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
    for (bytes, text) in examples {
        assert_eq!(Coding::Base64.encode(bytes.as_bytes()), text.as_bytes());
        assert_eq!(Coding::Base64.decode(text.as_bytes()), Some(bytes.as_bytes().to_vec()));
    }
    assert_eq!(Coding::Base64.encode(&[0xfb, 0xff]), b"+/8=");
    assert_eq!(Coding::Base64Url.encode(&[0xfb, 0xff]), b"-_8=");
    for refused in ["Zg", "Zg=", "Zh==", "Zm9=", "Zg==\n", "-_8=", "Zg==Zg==", "=", "====", "Z"] {
        assert_eq!(Coding::Base64.decode(refused.as_bytes()), None, "{refused:?}");
    }
    for refused in ["0", "0G", "0A", " 00", "00 ", "0x00"] {
        assert_eq!(Coding::Hex.decode(refused.as_bytes()), None, "{refused:?}");
    }
}
