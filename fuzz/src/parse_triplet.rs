//! Rows from other programs, in every layout that can be declared and in the formats of Cloak, LiteLLM and n8n. The
//! crate and the reference accept the same texts, find the same parts and open the same rows. A row that parses encodes
//! to the same text, except that hex of either case is written in lower case.

use sealwax::legacy::{cloak, litellm, n8n};
use sealwax::triplet::{Encoding, IvLen, Layout, Part, Triplet, TripletError, TripletKey};
use sealwax::{KeyError, Secret};

use super::edits::neighbours;
use super::heap::Limit;
use super::input::Input;
use super::material::{IV, Scripted, TRIPLET_KEY};
use super::reference::legacy::{self, Failure};
use super::reference::triplet::{self, Refused, Row, Shape};
use super::reference::{Key, encoding, keyring};

pub const ENCODINGS: [Encoding; 5] = [
    Encoding::HexLower,
    Encoding::HexAnyCase,
    Encoding::Base64,
    Encoding::Base64Url,
    Encoding::Base64UrlPadded,
];
const PARTS: [Part; 3] = [Part::Iv, Part::Tag, Part::Ciphertext];
pub const IV_LENS: [IvLen; 2] = [IvLen::Twelve, IvLen::Sixteen];
/// Some of these belong to the alphabet of an encoding. No row can have a layout with such a separator.
const SEPARATORS: [char; 10] = [':', '.', '|', ',', '\n', 'é', 'A', 'z', '=', '-'];

const IV_TAG_CIPHERTEXT: [Part; 3] = [Part::Iv, Part::Tag, Part::Ciphertext];
const IV_CIPHERTEXT_TAG: [Part; 3] = [Part::Iv, Part::Ciphertext, Part::Tag];

const fn hex(iv_len: usize, parts: [Part; 3]) -> Shape {
    Shape { separator: Some(':'), parts, encoding: Encoding::HexLower, iv_len }
}

const fn base64_joined(parts: [Part; 3]) -> Shape {
    Shape { separator: None, parts, encoding: Encoding::Base64, iv_len: 12 }
}

/// The named layouts, and the shapes that their names describe.
pub const NAMED: [(Layout, Shape); 6] = [
    (Layout::HEX_IV16_TAG_CIPHERTEXT, hex(16, IV_TAG_CIPHERTEXT)),
    (Layout::HEX_IV12_TAG_CIPHERTEXT, hex(12, IV_TAG_CIPHERTEXT)),
    (Layout::HEX_IV16_CIPHERTEXT_TAG, hex(16, IV_CIPHERTEXT_TAG)),
    (Layout::HEX_IV12_CIPHERTEXT_TAG, hex(12, IV_CIPHERTEXT_TAG)),
    (Layout::BASE64_IV12_TAG_CIPHERTEXT_JOINED, base64_joined(IV_TAG_CIPHERTEXT)),
    (Layout::BASE64_IV12_CIPHERTEXT_TAG_JOINED, base64_joined(IV_CIPHERTEXT_TAG)),
];

/// What an input is a row of, given by its first byte. Values below `DECLARED` are the named layouts.
pub mod kind {
    pub const DECLARED: u8 = 6;
    pub const JOINED: u8 = 7;
    pub const COLUMNS: u8 = 8;
    pub const JOINED_COLUMNS: u8 = 9;
    pub const PARTS: u8 = 10;
    pub const JOINED_PARTS: u8 = 11;
    pub const CLOAK: u8 = 12;
    pub const LITELLM: u8 = 13;
    pub const N8N_ROW: u8 = 14;
    pub const N8N_VALUE: u8 = 15;
    pub const KEY: u8 = 16;
    pub const COLUMN: u8 = 17;
    pub const ALL: usize = 18;
}

/// Reads the kind of row first. If the kind has a choice of layouts, the next bytes choose one.
pub fn check(input: &[u8]) -> bool {
    let mut input = Input::new(input);
    let number = input.below(kind::ALL);
    if let Some((layout, shape)) = NAMED.get(number) {
        return texts(input.rest(), |text| row(text, *layout, shape));
    }
    match u8::try_from(number).unwrap() {
        kind @ (kind::DECLARED | kind::JOINED) => {
            let shape = Shape {
                separator: (kind == kind::DECLARED).then(|| *input.choose(&SEPARATORS)),
                parts: [(); 3].map(|()| *input.choose(&PARTS)),
                encoding: *input.choose(&ENCODINGS),
                iv_len: input.choose(&IV_LENS).bytes(),
            };
            texts(input.rest(), |text| row(text, layout_of(&shape), &shape))
        }
        kind @ (kind::COLUMNS | kind::JOINED_COLUMNS) => {
            let encoding = *input.choose(&ENCODINGS);
            texts(input.rest(), |text| columns(text, encoding, kind == kind::JOINED_COLUMNS))
        }
        kind @ (kind::PARTS | kind::JOINED_PARTS) => {
            let (iv_len, tag_len) = (input.below(20), input.below(20));
            bytes(input.take(iv_len), input.take(tag_len), input.rest(), kind == kind::JOINED_PARTS)
        }
        kind::CLOAK => {
            let (iv_len, row) = (*input.choose(&IV_LENS), input.rest());
            let opened = cloak(iv_len, row);
            if opened {
                (0..row.len().min(64)).for_each(|len| _ = cloak(iv_len, &row[..len]));
            }
            opened
        }
        kind::LITELLM => texts(input.rest(), litellm),
        kind::N8N_ROW => texts(input.rest(), n8n_row),
        kind::N8N_VALUE => texts(input.rest(), n8n_value),
        kind::KEY => texts(input.rest(), key),
        kind => {
            assert_eq!(kind, kind::COLUMN);
            let encoding = *input.choose(&ENCODINGS);
            texts(input.rest(), |text| column(text, encoding))
        }
    }
}

/// Checks a text and, if it is accepted, its neighbours.
fn texts(input: &[u8], check: impl Fn(&str) -> bool) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let accepted = check(text);
    if accepted && text.len() < 1024 {
        neighbours(text).iter().for_each(|text| _ = check(text));
    }
    accepted
}

pub fn layout_of(shape: &Shape) -> Layout {
    let Shape { separator, parts, encoding, iv_len } = *shape;
    let iv_len = if iv_len == 12 { IvLen::Twelve } else { IvLen::Sixteen };
    match separator {
        Some(separator) => Layout::separated(separator, parts, encoding, iv_len),
        None => Layout::joined(parts, encoding, iv_len),
    }
}

pub fn triplet_key() -> TripletKey {
    TripletKey::from_bytes(&mut { TRIPLET_KEY }).unwrap()
}

fn row(text: &str, layout: Layout, shape: &Shape) -> bool {
    let Some((triplet, expected)) = parse(text, layout, shape) else { return false };
    let encoded = triplet.encode(layout).unwrap();
    assert_eq!(encoded, shape.text(&expected));
    assert!(encoded == text || shape.encoding == Encoding::HexAnyCase);
    // Declared to be of another layout, it is a row only if the reference says so.
    let iv_len = 28 - shape.iv_len;
    let mut others = vec![Shape { iv_len, ..*shape }];
    others.extend(ENCODINGS.map(|encoding| Shape { encoding, ..*shape }));
    others.extend(NAMED.map(|(_, other)| other));
    others.iter().for_each(|other| _ = parse(text, layout_of(other), other));
    true
}

fn parse(text: &str, layout: Layout, shape: &Shape) -> Option<(Triplet, Row)> {
    let found = Limit::twice(text.len(), 4).hold(|| Triplet::parse(text, layout));
    match (&found, shape.parse(text)) {
        (Err(TripletError::Layout { .. }), Err(Refused::Shape)) => None,
        (
            Ok(_) | Err(TripletError::Malformed { .. }),
            expected @ (Ok(_) | Err(Refused::Malformed)),
        ) => {
            let expected = expected.ok();
            agree(&found, &expected, text);
            found.ok().zip(expected)
        }
        (_, expected) => panic!("found {found:?}, expected {expected:?}"),
    }
}

/// Checks columns of text, one per line.
fn columns(text: &str, encoding: Encoding, joined: bool) -> bool {
    let columns: Vec<&str> = text.split('\n').collect();
    let decode = |text| triplet::decode(encoding, text);
    let limit = Limit::twice(text.len(), 4);
    let (found, expected) = match (columns.as_slice(), joined) {
        ([iv, both], true) => {
            let expected = || Row::of_joined(&decode(iv)?, &decode(both)?);
            (limit.hold(|| Triplet::from_joined(iv, both, encoding)), expected())
        }
        ([iv, tag, ciphertext], false) => {
            let expected = || Row::of(&decode(iv)?, &decode(tag)?, &decode(ciphertext)?);
            (limit.hold(|| Triplet::from_columns(iv, tag, ciphertext, encoding)), expected())
        }
        _ => return false,
    };
    agree(&found, &expected, text);
    let Ok(triplet) = found else { return false };
    let encoded = match joined {
        true => triplet.to_joined(encoding).join("\n"),
        false => triplet.to_columns(encoding).join("\n"),
    };
    assert!(encoded == text || encoding == Encoding::HexAnyCase);
    assert_eq!(encoded.to_ascii_lowercase(), text.to_ascii_lowercase());
    true
}

/// Checks a single column, whatever it contains.
fn column(text: &str, encoding: Encoding) -> bool {
    let found = Limit::twice(text.len(), 1).hold(|| encoding.decode(text)).ok();
    assert_eq!(found, triplet::decode(encoding, text));
    let Some(bytes) = found else { return false };
    let encoded = encoding.encode(&bytes);
    assert!(encoded == text || encoding == Encoding::HexAnyCase);
    assert_eq!(encoded, triplet::encode(encoding, &bytes));
    true
}

fn bytes(iv: &[u8], tag: &[u8], rest: &[u8], joined: bool) -> bool {
    let limit = Limit::twice(iv.len() + tag.len() + rest.len(), 1);
    let (found, expected) = if joined {
        (limit.hold(|| Triplet::from_joined_parts(iv, rest)), Row::of_joined(iv, rest))
    } else {
        (limit.hold(|| Triplet::from_parts(iv, tag, rest)), Row::of(iv, tag, rest))
    };
    agree(&found, &expected, "");
    found.is_ok()
}

/// Asserts that both found the same parts, or neither did; and that both open them, or neither does.
fn agree(found: &Result<Triplet, TripletError>, expected: &Option<Row>, text: &str) {
    match (found, expected) {
        (Ok(found), Some(expected)) => {
            let [iv, tag, ciphertext] =
                [found.iv(), found.tag(), found.ciphertext()].map(<[u8]>::to_vec);
            assert_eq!(&Row { iv, tag, ciphertext }, expected);
            assert_eq!(found.iv_len().bytes(), expected.iv.len());
            let limit = Limit::twice(expected.ciphertext.len(), 2);
            let key = triplet_key();
            let opened = limit.hold(|| key.decrypt(found));
            let plaintext = expected.open(&TRIPLET_KEY, &[]).ok_or(Failure::NotAuthentic);
            same(&opened, plaintext.clone());
            // A plaintext of another length is not a wrapped key, and is not decrypted.
            let wrapped = match expected.ciphertext.len() {
                32 => plaintext.map(|key| Key::try_from(key).unwrap()),
                _ => Err(Failure::Malformed),
            };
            same_key(key.unwrap_key(found).map_err(|error| failure(&error)), wrapped);
            rewritten(found, expected);
        }
        (Err(TripletError::Malformed { offset, .. }), None) => {
            assert!(*offset <= text.len() && text.is_char_boundary(*offset));
        }
        _ => panic!("found {found:?}, expected {expected:?}"),
    }
}

/// Asserts that in each named layout, the row is the one that the reference writes, and parses to the same triplet.
fn rewritten(triplet: &Triplet, row: &Row) {
    for (layout, shape) in NAMED {
        match triplet.encode(layout) {
            Ok(text) => {
                assert_eq!(text, shape.text(row));
                assert_eq!(Triplet::parse(&text, layout).as_ref(), Ok(triplet));
            }
            Err(TripletError::Layout { .. }) => assert_ne!(shape.iv_len, row.iv.len()),
            Err(other) => panic!("unexpected error for a named layout: {other}"),
        }
    }
}

/// Asserts that a row opened to the same plaintext, or was rejected for the same reason. Returns whether it opened.
fn same(found: &Result<Secret, TripletError>, expected: Result<Vec<u8>, Failure>) -> bool {
    match (found, &expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found.expose_secret(), expected),
        (Err(error), Err(expected)) => assert_eq!(failure(error), *expected),
        _ => panic!("found {found:?}, expected {expected:?}"),
    }
    found.is_ok()
}

fn failure(error: &TripletError) -> Failure {
    match error {
        TripletError::Malformed { .. } => Failure::Malformed,
        TripletError::NotAuthentic => Failure::NotAuthentic,
        TripletError::Key { .. } => Failure::Key,
        other => panic!("a row cannot cause this error: {other}"),
    }
}

pub const LABEL: &str = "AES.GCM.V1";
pub const SALT_KEY: &str = "sk-salt";
pub const INSTANCE_KEY: &str = "an instance key";

fn cloak(iv_len: IvLen, row: &[u8]) -> bool {
    let label = Limit::NOTHING.hold(|| cloak::label(row));
    assert_eq!(label.ok(), legacy::cloak::label(row));
    let key = triplet_key();
    let found = Limit::twice(row.len(), 4).hold(|| cloak::decrypt(&key, LABEL, iv_len, row));
    same(&found, legacy::cloak::decrypt(&TRIPLET_KEY, LABEL, iv_len.bytes(), row))
}

fn litellm(row: &str) -> bool {
    let mut opened = false;
    for version in [litellm::Version::V2, litellm::Version::V3] {
        let key = litellm::insecure_key(version, SALT_KEY);
        let found = Limit::twice(row.len(), 4).hold(|| litellm::decrypt(&key, version, row));
        let expected = legacy::litellm::key(version, SALT_KEY);
        opened |= same(&found, legacy::litellm::decrypt(&expected, version, row));
    }
    opened
}

fn n8n_row(row: &str) -> bool {
    let key_id = Limit::NOTHING.hold(|| n8n::key_id(row));
    assert_eq!(key_id.ok(), legacy::n8n::key_id(row));
    let key = triplet_key();
    let found = Limit::twice(row.len(), 6).hold(|| n8n::decrypt(&key, row));
    same(&found, legacy::n8n::decrypt(&TRIPLET_KEY, row))
}

fn n8n_value(value: &str) -> bool {
    let limit = Limit::twice(value.len(), 10);
    let found = limit.hold(|| n8n::insecure_unwrap_key(INSTANCE_KEY, value));
    let expected = legacy::n8n::unwrap_key(INSTANCE_KEY, value);
    same_key(found.map_err(|error| failure(&error)), expected)
}

/// Checks the text of a key, read as hex, as base64 and as base64url.
fn key(text: &str) -> bool {
    let [unpadded, padded] = [encoding::BASE64URL, encoding::BASE64URL_PADDED];
    let base64url = unpadded.decode(text).or_else(|| padded.decode(text));
    let decoded = [encoding::unhex(text, true), encoding::BASE64.decode(text), base64url];
    let found = [
        Limit::twice(0, 2).hold(|| TripletKey::from_hex(text)),
        Limit::twice(0, 2).hold(|| TripletKey::from_base64(text)),
        Limit::twice(0, 2).hold(|| TripletKey::from_base64url(text)),
    ];
    let mut accepted = false;
    for (found, decoded) in found.into_iter().zip(decoded) {
        let expected = decoded.and_then(|key| Key::try_from(key).ok());
        let found = found.map_err(|source| {
            let is_weak = expected.is_some_and(|key| keyring::is_weak(&key));
            assert_eq!(matches!(source, KeyError::Weak), is_weak, "{source}");
            Failure::Key
        });
        accepted |= same_key(found, expected.ok_or(Failure::Key));
    }
    accepted
}

/// Asserts that both have the same key, or that neither has one, for the same reason. Returns whether they have one.
///
/// A weak key counts as no key. A key does not reveal its bytes, so this compares what the keys encrypt.
fn same_key(found: Result<TripletKey, Failure>, expected: Result<Key, Failure>) -> bool {
    let is_key = |key: Key| if keyring::is_weak(&key) { Err(Failure::Key) } else { Ok(key) };
    match (found, expected.and_then(is_key)) {
        (Ok(found), Ok(expected)) => {
            let sealed = found.encrypt_with_rng(&"x".into(), IvLen::Twelve, &mut Scripted(&IV));
            let (sealed, row) = (sealed.unwrap(), Row::sealed(&expected, &IV, &[], b"x"));
            assert_eq!(
                (sealed.tag().as_slice(), sealed.ciphertext()),
                (&*row.tag, &*row.ciphertext)
            );
            true
        }
        (Err(found), Err(expected)) => {
            assert_eq!(found, expected);
            false
        }
        (found, expected) => panic!("found {found:?}, expected {expected:?}"),
    }
}
