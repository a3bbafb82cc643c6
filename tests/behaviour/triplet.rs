//! iv:tag:ciphertext: each layout that a row can have, read and written, and the keys of such rows. The tests of
//! rejected rows are in `triplet_damage`. This file has rows and layouts whose parts are visible; each file below tests
//! one rule.

use std::sync::LazyLock;

use sealwax::triplet::{Encoding, IvLen, Layout, Part, Triplet, TripletError, TripletKey};
use sealwax::{Field, Secret};

use crate::fixtures::{Counting, base64url};

mod associated_data;
mod ivs;
mod keys;
mod layouts;
mod longest;

pub(crate) const ENCODINGS: [Encoding; 5] = [
    Encoding::HexLower,
    Encoding::HexAnyCase,
    Encoding::Base64,
    Encoding::Base64Url,
    Encoding::Base64UrlPadded,
];
pub(crate) const IV_LENS: [IvLen; 2] = [IvLen::Twelve, IvLen::Sixteen];
pub(crate) const ORDERS: [[Part; 3]; 6] = [
    [Part::Iv, Part::Tag, Part::Ciphertext],
    [Part::Iv, Part::Ciphertext, Part::Tag],
    [Part::Tag, Part::Iv, Part::Ciphertext],
    [Part::Tag, Part::Ciphertext, Part::Iv],
    [Part::Ciphertext, Part::Iv, Part::Tag],
    [Part::Ciphertext, Part::Tag, Part::Iv],
];
pub(crate) const PARTS: [Part; 3] = ORDERS[0];

/// 00 01 02 … 1f, the key everywhere in this file unless another is named.
pub(crate) const KEY_HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The credential under that key and the IV 20 21 22 …, as hex `iv:tag:ciphertext`, from Node's
/// `createCipheriv('aes-256-gcm', …)` and checked with Python's `cryptography` 48 (OpenSSL).
pub(crate) const IV16_ROW: &str = "202122232425262728292a2b2c2d2e2f:\
    d08a8aaae2e3976139236a0b03e99ee0:\
    b8a7899279f26dc28e323c983106c8a9a4f40384b38075a20249ed5e54d6998108bead7ecb6da9693a7fdffe4c50c1\
    99007949";
pub(crate) const IV12_ROW: &str = "202122232425262728292a2b:\
    99ddba7952565b823d39d3a6e2e87565:\
    a1518b0409eb6e232a4d70fdf52dc2cee8708dfee4e406880b9e057822e633671afe9476fd5140ac638517e8194b5c\
    8ca76cab";

pub(crate) fn key() -> &'static TripletKey {
    static KEY: LazyLock<TripletKey> = LazyLock::new(|| TripletKey::from_hex(KEY_HEX).unwrap());
    &KEY
}

/// Encodes bytes as text, here and not with the crate.
pub(crate) fn encoded(encoding: Encoding, bytes: &[u8]) -> String {
    let padding = "=".repeat((3 - bytes.len() % 3) % 3);
    match encoding {
        Encoding::Base64Url => base64url(bytes),
        Encoding::Base64UrlPadded => base64url(bytes) + &padding,
        Encoding::Base64 => base64url(bytes).replace('-', "+").replace('_', "/") + &padding,
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// The three parts of a row, each of which a test may set to anything.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) iv: Vec<u8>,
    pub(crate) tag: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
}

impl Row {
    pub(crate) fn of(triplet: &Triplet) -> Self {
        let [iv, tag, ciphertext] = [triplet.iv(), triplet.tag(), triplet.ciphertext()];
        Self { iv: iv.to_vec(), tag: tag.to_vec(), ciphertext: ciphertext.to_vec() }
    }

    pub(crate) fn written(iv_len: IvLen, plaintext: &[u8]) -> Self {
        Self::of(&written(iv_len, plaintext))
    }

    pub(crate) fn part(&mut self, part: Part) -> &mut Vec<u8> {
        match part {
            Part::Iv => &mut self.iv,
            Part::Tag => &mut self.tag,
            Part::Ciphertext => &mut self.ciphertext,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.iv.len() + self.tag.len() + self.ciphertext.len()
    }
}

pub(crate) fn written(iv_len: IvLen, plaintext: &[u8]) -> Triplet {
    key().encrypt_with_rng(&Secret::from(plaintext), iv_len, &mut Counting(0xc5)).unwrap()
}

/// A layout whose parts are visible.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) order: [Part; 3],
    pub(crate) separator: Option<char>,
    pub(crate) encoding: Encoding,
    pub(crate) iv_len: IvLen,
}

impl Form {
    pub(crate) fn layout(self) -> Layout {
        let Self { order, separator, encoding, iv_len } = self;
        match separator {
            Some(separator) => Layout::separated(separator, order, encoding, iv_len),
            None => Layout::joined(order, encoding, iv_len),
        }
    }

    /// Returns the texts of the three parts, in their order.
    pub(crate) fn texts(self, row: &Row) -> [String; 3] {
        self.order.map(|part| encoded(self.encoding, row.clone().part(part)))
    }

    pub(crate) fn join(self, texts: &[String; 3]) -> String {
        texts.join(&self.separator.unwrap().to_string())
    }

    pub(crate) fn write(self, row: &Row) -> String {
        match self.separator {
            Some(_) => self.join(&self.texts(row)),
            None => encoded(
                self.encoding,
                &self.order.map(|part| row.clone().part(part).clone()).concat(),
            ),
        }
    }

    /// Returns the expected error for a fault in a part.
    pub(crate) fn fault(self, texts: &[String; 3], part: Part) -> Told {
        let (field, separator) = match (part, self.separator) {
            (_, None) => return Told::Malformed(Field::Row, 0),
            (Part::Iv, Some(separator)) => (Field::Iv, separator),
            (Part::Tag, Some(separator)) => (Field::Tag, separator),
            (Part::Ciphertext, Some(separator)) => (Field::Ciphertext, separator),
        };
        let before = self.order.iter().zip(texts).take_while(|(other, _)| **other != part);
        Told::Malformed(field, before.map(|(_, text)| text.len() + separator.len_utf8()).sum())
    }
}

/// Returns each encoding, IV length and order, separated by `:` and joined.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = Vec::new();
    for encoding in ENCODINGS {
        for iv_len in IV_LENS {
            for order in ORDERS {
                for separator in [Some(':'), None] {
                    forms.push(Form { order, separator, encoding, iv_len });
                }
            }
        }
    }
    assert_eq!(forms.len(), 120);
    forms
}

/// The result for a row; for an error, its variant and where the row is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Done,
    Malformed(Field, usize),
    Layout,
    NotAuthentic,
    Key,
    TooLong,
    Random,
}

pub(crate) fn told<T>(result: &Result<T, TripletError>) -> Told {
    match result {
        Ok(_) => Told::Done,
        Err(TripletError::Malformed { field, offset, .. }) => Told::Malformed(*field, *offset),
        Err(TripletError::Layout { .. }) => Told::Layout,
        Err(TripletError::NotAuthentic) => Told::NotAuthentic,
        Err(TripletError::Key { .. }) => Told::Key,
        Err(TripletError::TooLong) => Told::TooLong,
        Err(TripletError::Random) => Told::Random,
        Err(other) => panic!("a variant without a name: {other}"),
    }
}

pub(crate) fn parsed(text: &str, layout: Layout) -> Triplet {
    Triplet::parse(text, layout).unwrap()
}
