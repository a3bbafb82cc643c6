//! Rows of three parts: IV, tag and ciphertext, in one text, in columns of text, or as bytes.

use sealwax::triplet::{Encoding, Part};

use super::encoding::{BASE64, BASE64URL, BASE64URL_PADDED, hex, unhex};
use super::format::{Cipher, Key, MAX_LEN, decrypt, encrypt};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub iv: Vec<u8>,
    pub tag: Vec<u8>,
    pub ciphertext: Vec<u8>,
}

/// The shape of a row, as its reader declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub separator: Option<char>,
    pub parts: [Part; 3],
    pub encoding: Encoding,
    pub iv_len: usize,
}

/// Why a text is not a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Malformed,
    /// No row can have this shape.
    Shape,
}

pub fn encode(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::HexLower | Encoding::HexAnyCase => hex(bytes),
        Encoding::Base64 => BASE64.encode(bytes),
        Encoding::Base64Url => BASE64URL.encode(bytes),
        Encoding::Base64UrlPadded => BASE64URL_PADDED.encode(bytes),
        other => panic!("the reference has no such encoding: {other:?}"),
    }
}

pub fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::HexLower => unhex(text, false),
        Encoding::HexAnyCase => unhex(text, true),
        Encoding::Base64 => BASE64.decode(text),
        Encoding::Base64Url => BASE64URL.decode(text),
        Encoding::Base64UrlPadded => BASE64URL_PADDED.decode(text),
        other => panic!("the reference has no such encoding: {other:?}"),
    }
}

/// Returns the characters that a separator must not be: those of the encoding and of its lenient
/// readers.
fn alphabet(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::HexLower | Encoding::HexAnyCase => "0123456789abcdefABCDEF",
        Encoding::Base64 => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=",
        Encoding::Base64Url | Encoding::Base64UrlPadded => {
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
        }
        other => panic!("the reference has no such encoding: {other:?}"),
    }
}

impl Shape {
    fn has_rows(&self) -> bool {
        let named = |part: Part| self.parts.contains(&part);
        let is_digit = |separator| alphabet(self.encoding).contains(separator);
        named(Part::Iv)
            && named(Part::Tag)
            && named(Part::Ciphertext)
            && !self.separator.is_some_and(is_digit)
    }

    pub fn parse(&self, text: &str) -> Result<Row, Refused> {
        if self.has_rows() { self.row(text).ok_or(Refused::Malformed) } else { Err(Refused::Shape) }
    }

    fn row(&self, text: &str) -> Option<Row> {
        let at = |wanted: Part| self.parts.iter().position(|part| *part == wanted).unwrap();
        let parts: Vec<Vec<u8>> = match self.separator {
            Some(separator) => {
                let parts = text.split(separator).map(|part| decode(self.encoding, part));
                parts.collect::<Option<_>>()?
            }
            None => {
                let mut rest = decode(self.encoding, text)?;
                let long = rest.len().checked_sub(self.iv_len + 16)?;
                let cut = |part| match part {
                    Part::Iv => rest.drain(..self.iv_len).collect(),
                    Part::Tag => rest.drain(..16).collect(),
                    Part::Ciphertext => rest.drain(..long).collect(),
                };
                self.parts.map(cut).to_vec()
            }
        };
        let [iv, tag, ciphertext] =
            [Part::Iv, Part::Tag, Part::Ciphertext].map(|part| parts.get(at(part)).cloned());
        let row = Row::of(&iv?, &tag?, &ciphertext?)?;
        (parts.len() == 3 && row.iv.len() == self.iv_len).then_some(row)
    }

    pub fn text(&self, row: &Row) -> String {
        let parts = self.parts.map(|part| match part {
            Part::Iv => row.iv.clone(),
            Part::Tag => row.tag.clone(),
            Part::Ciphertext => row.ciphertext.clone(),
        });
        match self.separator {
            Some(separator) => {
                parts.map(|part| encode(self.encoding, &part)).join(&separator.to_string())
            }
            None => encode(self.encoding, &parts.concat()),
        }
    }
}

impl Row {
    /// Builds a row from three columns of bytes.
    pub fn of(iv: &[u8], tag: &[u8], ciphertext: &[u8]) -> Option<Self> {
        let allowed =
            [12, 16].contains(&iv.len()) && tag.len() == 16 && ciphertext.len() <= MAX_LEN;
        let [iv, tag, ciphertext] = [iv, tag, ciphertext].map(<[u8]>::to_vec);
        allowed.then_some(Self { iv, tag, ciphertext })
    }

    /// Builds a row from two columns of bytes.
    pub fn of_joined(iv: &[u8], ciphertext_and_tag: &[u8]) -> Option<Self> {
        let (ciphertext, tag) = ciphertext_and_tag.split_last_chunk::<16>()?;
        Self::of(iv, tag, ciphertext)
    }

    pub fn sealed(key: &Key, iv: &[u8], bound: &[u8], plaintext: &[u8]) -> Self {
        let mut ciphertext = encrypt(Cipher::AesGcm, key, iv, bound, plaintext);
        let tag = ciphertext.split_off(plaintext.len());
        Self { iv: iv.to_vec(), tag, ciphertext }
    }

    pub fn open(&self, key: &Key, bound: &[u8]) -> Option<Vec<u8>> {
        let sealed = [self.ciphertext.as_slice(), &self.tag].concat();
        decrypt(Cipher::AesGcm, key, &self.iv, bound, &sealed)
    }
}
