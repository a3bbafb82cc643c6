//! iv:tag:ciphertext: each layout that a row can have, read and written, and the keys of such rows.
//! What is refused is in `triplet_damage`.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::sync::LazyLock;

use rand_core::{TryCryptoRng, TryRng};
use sealwax::triplet::{Encoding, IvLen, Layout, Part, Triplet, TripletError, TripletKey};
use sealwax::{Field, KeyError, Secret};

use crate::fixtures::{CREDENTIAL, Counting, Scripted, base64url, sha256};

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
const MAX_LEN: usize = 16 * 1024 * 1024;

/// 00 01 02 … 1f, as everywhere in this file where no other key is named.
pub(crate) const KEY_HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const KEY_BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The credential under that key and the iv 20 21 22 …, as hex `iv:tag:ciphertext`: from Node's
/// `createCipheriv('aes-256-gcm', …)`, and again from Python's `cryptography` 48 (OpenSSL).
pub(crate) const IV16_ROW: &str = "202122232425262728292a2b2c2d2e2f:\
    d08a8aaae2e3976139236a0b03e99ee0:\
    b8a7899279f26dc28e323c983106c8a9a4f40384b38075a20249ed5e54d6998108bead7ecb6da9693a7fdffe4c50c1\
    99007949";
pub(crate) const IV12_ROW: &str = "202122232425262728292a2b:\
    99ddba7952565b823d39d3a6e2e87565:\
    a1518b0409eb6e232a4d70fdf52dc2cee8708dfee4e406880b9e057822e633671afe9476fd5140ac638517e8194b5c\
    8ca76cab";
/// No byte under the iv 30 31 32 …, made the same way.
const IV16_EMPTY_ROW: &str = "303132333435363738393a3b3c3d3e3f:59f46f79db4288dbf81d6b2a95273b68:";
/// The tags of the first two where the associated data is `row-42`, made the same way.
const IV16_BOUND_TAG: &str = "20fd59a41a003e794fb26df76b085817";
const IV12_BOUND_TAG: &str = "69aa6977aab5f29a4ba8d45a8a09b392";

pub(crate) fn key() -> &'static TripletKey {
    static KEY: LazyLock<TripletKey> = LazyLock::new(|| TripletKey::from_hex(KEY_HEX).unwrap());
    &KEY
}

/// Bytes as text, written here and not by the crate.
pub(crate) fn encoded(encoding: Encoding, bytes: &[u8]) -> String {
    let padding = "=".repeat((3 - bytes.len() % 3) % 3);
    match encoding {
        Encoding::Base64Url => base64url(bytes),
        Encoding::Base64UrlPadded => base64url(bytes) + &padding,
        Encoding::Base64 => base64url(bytes).replace('-', "+").replace('_', "/") + &padding,
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// The three parts of a row, each of which a test may fill with anything.
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

/// A layout that can be looked into.
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

    /// The texts of the three parts, in their order.
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

    /// Where a fault in a part is told to be.
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

/// Each encoding, length of the iv and order, separated by `:` and joined.
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

/// What became of a row; of an error its variant, and where it is malformed.
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

/// Whether it is the key under which the known rows are.
fn is_the_key(key: &TripletKey) -> bool {
    let row = parsed(IV16_ROW, Layout::HEX_IV16_TAG_CIPHERTEXT);
    key.decrypt(&row).is_ok_and(|secret| secret == Secret::from(CREDENTIAL))
}

#[test]
fn each_layout_reads_what_it_writes_and_writes_what_it_read() {
    let mut tried = 0;
    for form in forms() {
        let layout = form.layout();
        for len in [0_usize, 1, 15, 16, 17, 51, 4096] {
            let plaintext = Secret::from((0..=250).cycle().take(len).collect::<Vec<u8>>());
            let row = written(form.iv_len, plaintext.expose_secret());
            assert_eq!((row.iv_len(), row.iv().len()), (form.iv_len, form.iv_len.bytes()));
            assert_eq!(row.ciphertext().len(), len);
            let text = row.encode(layout).unwrap();
            assert!(text == form.write(&Row::of(&row)), "{form:?}, {len} bytes, written otherwise");
            let read = parsed(&text, layout);
            assert!(read == row && read.encode(layout).unwrap() == text, "{form:?}, {len} bytes");
            assert_eq!(key().decrypt(&read).unwrap(), plaintext, "{form:?}, {len} bytes");
            tried += 1;
        }
    }
    assert_eq!(tried, 120 * 7);
}

#[test]
fn the_constants_read_what_node_and_python_wrote() {
    let [iv12, iv16] = [IV12_ROW, IV16_ROW].map(|row| row.split(':').collect::<Vec<_>>());
    let swapped = |row: &[&str]| [row[0], row[2], row[1]].join(":");
    // From Python: base64.b64encode(iv + tag + ciphertext), and with the last two exchanged.
    let [joined, sealed] = [
        "ICEiIyQlJicoKSormd26eVJWW4I9OdOm4uh1ZaFRiwQJ624jKk1w/fUtws7ocI3+5OQGiAueBXgi5jNnGv6Udv1RQKxj\
         hRfoGUtcjKdsqw==",
        "ICEiIyQlJicoKSoroVGLBAnrbiMqTXD99S3Czuhwjf7k5AaIC54FeCLmM2ca/pR2/VFArGOFF+gZS1yMp2yrmd26eVJW\
         W4I9OdOm4uh1ZQ==",
    ];
    let hex =
        |order, iv_len| Form { order, separator: Some(':'), encoding: Encoding::HexLower, iv_len };
    let base64 =
        |order| Form { order, separator: None, encoding: Encoding::Base64, iv_len: IvLen::Twelve };
    let [tag_first, tag_last, ..] = ORDERS;
    let (twelve, sixteen) = (IvLen::Twelve, IvLen::Sixteen);
    let rows = [
        (Layout::HEX_IV16_TAG_CIPHERTEXT, IV16_ROW, hex(tag_first, sixteen)),
        (Layout::HEX_IV12_TAG_CIPHERTEXT, IV12_ROW, hex(tag_first, twelve)),
        (Layout::HEX_IV16_CIPHERTEXT_TAG, &swapped(&iv16), hex(tag_last, sixteen)),
        (Layout::HEX_IV12_CIPHERTEXT_TAG, &swapped(&iv12), hex(tag_last, twelve)),
        (Layout::BASE64_IV12_TAG_CIPHERTEXT_JOINED, joined, base64(tag_first)),
        (Layout::BASE64_IV12_CIPHERTEXT_TAG_JOINED, sealed, base64(tag_last)),
    ];
    for (layout, text, form) in rows {
        // So what holds for each form holds for each constant.
        assert_eq!(layout, form.layout());
        let row = parsed(text, layout);
        assert_eq!(key().decrypt(&row).unwrap(), Secret::from(CREDENTIAL), "{layout:?}");
        assert_eq!(row.encode(layout).unwrap(), text);
        // Written byte for byte as Node and Python write it.
        let mut rng = Scripted(vec![(0x20..).take(form.iv_len.bytes()).collect()]);
        let own = key().encrypt_with_rng(&CREDENTIAL.into(), form.iv_len, &mut rng).unwrap();
        assert_eq!(own, row, "{layout:?}");
    }
    let empty = parsed(IV16_EMPTY_ROW, Layout::HEX_IV16_TAG_CIPHERTEXT);
    assert_eq!(key().decrypt(&empty).unwrap(), Secret::from(""));
}

/// Neither cut to its first 12 bytes, nor taken for a counter block: what is equal to a row of 12
/// bytes in front is none the less another row.
#[test]
fn an_iv_of_sixteen_bytes_is_no_iv_of_twelve() {
    let secret = Secret::from(CREDENTIAL);
    let encrypt = |iv: &[u8], iv_len| {
        key().encrypt_with_rng(&secret, iv_len, &mut Scripted(vec![iv.to_vec()])).unwrap()
    };
    let short: Vec<u8> = (0x20..0x2c).collect();
    let twelve = encrypt(&short, IvLen::Twelve);
    let ends: [[u8; 4]; 5] = [[0; 4], [0, 0, 0, 1], [0, 0, 0, 2], [1, 0, 0, 0], [0xff; 4]];
    let mut rows = vec![twelve.clone()];
    for end in ends {
        let long = [short.as_slice(), &end].concat();
        let sixteen = encrypt(&long, IvLen::Sixteen);
        assert_eq!(sixteen.iv(), long);
        rows.push(sixteen.clone());
        // One's tag and ciphertext under the other's iv.
        for (iv, row) in [(&short, &sixteen), (&long, &twelve)] {
            let mixed = Triplet::from_parts(iv, row.tag(), row.ciphertext()).unwrap();
            assert_eq!(told(&key().decrypt(&mixed)), Told::NotAuthentic, "{end:?}");
        }
    }
    assert_eq!(rows.iter().map(|row| *row.tag()).collect::<HashSet<_>>().len(), 6);
    assert_eq!(rows.iter().map(|row| row.ciphertext().to_vec()).collect::<HashSet<_>>().len(), 6);
}

#[test]
fn sixteen_mebibytes_are_a_row_and_one_byte_more_is_none() {
    let joined = Layout::joined(ORDERS[1], Encoding::Base64, IvLen::Twelve);
    for (layout, iv_len) in
        [(Layout::HEX_IV16_TAG_CIPHERTEXT, IvLen::Sixteen), (joined, IvLen::Twelve)]
    {
        for len in [1024 * 1024, MAX_LEN] {
            let secret = Secret::from(vec![b'q'; len]);
            let row = key().encrypt(&secret, iv_len).unwrap();
            let text = row.encode(layout).unwrap();
            let read = parsed(&text, layout);
            assert!(read == row && read.encode(layout).unwrap() == text, "{layout:?}, {len} bytes");
            assert!(key().decrypt(&read).unwrap() == secret, "{layout:?}, {len} bytes");
        }
    }
    for iv_len in IV_LENS {
        let secret = Secret::from(vec![b'q'; MAX_LEN + 1]);
        let encrypted = key().encrypt_with_rng(&secret, iv_len, &mut Counting(1));
        assert_eq!(told(&encrypted), Told::TooLong);
    }
}

#[test]
fn a_ciphertext_of_sixteen_mebibytes_and_one_byte_is_refused() {
    let long = Row { iv: vec![1; 12], tag: vec![2; 16], ciphertext: vec![3; MAX_LEN + 1] };
    let sealed = [long.ciphertext.as_slice(), &long.tag].concat();
    let too_long = Told::Malformed(Field::Ciphertext, 0);
    assert_eq!(told(&Triplet::from_parts(&long.iv, &long.tag, &long.ciphertext)), too_long);
    assert_eq!(told(&Triplet::from_joined_parts(&long.iv, &sealed)), too_long);
    assert_eq!(told(&Triplet::from_joined_parts(&long.iv, &sealed[1..])), Told::Done);
    let mut tried = 0;
    for encoding in ENCODINGS {
        // So many bytes of zeros as text.
        let zeros = |bytes: usize| match encoding {
            Encoding::HexLower | Encoding::HexAnyCase => "0".repeat(2 * bytes),
            Encoding::Base64 | Encoding::Base64UrlPadded => {
                let padding = (3 - bytes % 3) % 3;
                "A".repeat(bytes.div_ceil(3) * 4 - padding) + &"=".repeat(padding)
            }
            _ => "A".repeat((bytes * 4).div_ceil(3)),
        };
        let (iv, tag) = (zeros(12), zeros(16));
        // One column alone may be the longest that there is, a ciphertext with its tag behind it.
        assert_eq!(encoding.decode(&zeros(MAX_LEN + 16)).unwrap().len(), MAX_LEN + 16);
        let longer = encoding.decode(&zeros(MAX_LEN + 17));
        assert_eq!(told(&longer), Told::Malformed(Field::Column, 0), "{encoding:?}");
        for (more, expected) in [(0, Told::Done), (1, too_long), (2, too_long), (3, too_long)] {
            let text = zeros(MAX_LEN + more);
            let columns = Triplet::from_columns(&iv, &tag, &text, encoding);
            assert_eq!(told(&columns), expected, "{encoding:?}, columns, {more} more");
            let sealed = Triplet::from_joined(&iv, &zeros(MAX_LEN + more + 16), encoding);
            assert_eq!(told(&sealed), expected, "{encoding:?}, joined columns, {more} more");
            let form =
                Form { order: ORDERS[2], separator: Some(':'), encoding, iv_len: IvLen::Twelve };
            let texts = [tag.clone(), iv.clone(), text];
            let separated = told(&Triplet::parse(&form.join(&texts), form.layout()));
            let form = Form { separator: None, ..form };
            let joined = told(&Triplet::parse(&zeros(MAX_LEN + more + 28), form.layout()));
            if more == 0 {
                assert_eq!([separated, joined], [Told::Done; 2]);
            } else {
                let at = tag.len() + iv.len() + 2;
                let expected = [(Field::Ciphertext, at), (Field::Row, 0)];
                assert_eq!([separated, joined], expected.map(|(f, at)| Told::Malformed(f, at)));
            }
            tried += 4;
        }
    }
    assert_eq!(tried, 5 * 4 * 4);
}

#[test]
fn columns_parts_and_texts_agree() {
    let mut tried = 0;
    for iv_len in IV_LENS {
        for len in [0, 1, 15, 16, 17, 51] {
            let row = written(iv_len, &CREDENTIAL.as_bytes()[..len]);
            let sealed = [row.ciphertext(), row.tag()].concat();
            let mut same = vec![
                Triplet::from_parts(row.iv(), row.tag(), row.ciphertext()),
                Triplet::from_joined_parts(row.iv(), &sealed),
            ];
            for encoding in ENCODINGS {
                let columns = row.to_columns(encoding);
                let expected = [row.iv(), row.tag(), row.ciphertext()];
                assert_eq!(columns, expected.map(|part| encoded(encoding, part)));
                assert_eq!(columns, expected.map(|part| encoding.encode(part)));
                let decoded = columns.each_ref().map(|text| encoding.decode(text).unwrap());
                assert_eq!(decoded, expected);
                let [iv, tag, ciphertext] = columns;
                same.push(Triplet::from_columns(&iv, &tag, &ciphertext, encoding));
                let text = [iv, tag, ciphertext].join(":");
                same.push(Triplet::parse(
                    &text,
                    Layout::separated(':', ORDERS[0], encoding, iv_len),
                ));
                let joined = row.to_joined(encoding);
                assert_eq!(joined, [row.iv(), &sealed].map(|part| encoded(encoding, part)));
                same.push(Triplet::from_joined(&joined[0], &joined[1], encoding));
            }
            for other in same {
                assert!(other.unwrap() == row, "{iv_len:?}, {len} bytes");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * 6 * (2 + 5 * 3));
}

#[test]
fn a_key_of_bytes_is_taken_and_its_source_wiped_whatever_it_held() {
    let counting = |len: u8| (1..=len).collect::<Vec<u8>>();
    let mut one_differs = vec![7; 32];
    one_differs[31] = 8;
    let rows = [
        ("no byte", counting(0), Some("Length 0")),
        ("one byte", counting(1), Some("Length 1")),
        ("AES-128", counting(16), Some("Length 16")),
        ("31 bytes", counting(31), Some("Length 31")),
        ("33 bytes", counting(33), Some("Length 33")),
        ("64 bytes", counting(64), Some("Length 64")),
        ("a key in hex", KEY_HEX.as_bytes().to_vec(), Some("Length 64")),
        ("zeros", vec![0; 32], Some("Weak")),
        ("one repeated byte", vec![0xa5; 32], Some("Weak")),
        ("one byte that differs", one_differs, None),
        ("a key", counting(32), None),
        ("the key", (0..32).collect(), None),
    ];
    for (name, mut source, expected) in rows {
        let found = TripletKey::from_bytes(&mut source);
        assert!(source.iter().all(|byte| *byte == 0), "{name}: its source is not wiped");
        let told = found.as_ref().err().map(|error| match error {
            KeyError::Length { expected: 32, found, .. } => format!("Length {found}"),
            KeyError::Weak => "Weak".to_owned(),
            other => panic!("{other}"),
        });
        assert_eq!(told.as_deref(), expected, "{name}");
        assert!(found.is_ok_and(|key| is_the_key(&key)) == (name == "the key"), "{name}");
    }
}

/// What a key in text becomes where its reader lets pass what hands and tools put around it.
fn around(text: &str) -> Vec<String> {
    let strays = ["\n", "\r\n", " ", "\t", "\0", "\"", "'", "\u{feff}", "\u{a0}", "=", "0", "A"];
    let mut faulty = vec![String::new(), "null".to_owned(), text.repeat(2)];
    for stray in strays {
        let [first, last] = [&text[stray.len()..], &text[..text.len() - stray.len()]];
        // As more, and in the place of as many bytes, so that the length stays right.
        faulty.extend([format!("{stray}{text}"), format!("{text}{stray}")]);
        faulty.push(format!("{stray}{text}{stray}"));
        if !matches!(stray, "=" | "0" | "A") {
            faulty.extend([format!("{stray}{first}"), format!("{last}{stray}")]);
        }
    }
    for at in 0..text.len() {
        for stray in ["!", ":", "g!", "\u{430}", "\u{ff11}"] {
            let end = (at + stray.len()).min(text.len());
            faulty.push(format!("{}{stray}{}", &text[..at], &text[end..]));
        }
    }
    faulty
}

#[test]
fn a_key_in_hex_is_sixty_four_digits_and_nothing_around_them() {
    let mixed = KEY_HEX.replace('a', "A").replace("1f", "1F");
    for text in [KEY_HEX, &KEY_HEX.to_uppercase(), &mixed] {
        assert!(is_the_key(&TripletKey::from_hex(text).unwrap()));
    }
    let mut faulty = around(KEY_HEX);
    faulty.extend([&KEY_HEX[1..], &KEY_HEX[2..], &KEY_HEX[..32], KEY_BASE64].map(str::to_owned));
    faulty.extend(["0x", "0X", "\\x", "h'"].map(|prefix| format!("{prefix}{KEY_HEX}")));
    faulty.extend(["0x", "0X", "\\x"].map(|prefix| format!("{prefix}{}", &KEY_HEX[2..])));
    faulty.extend([format!("{KEY_HEX}00"), KEY_HEX.replace('0', "O"), KEY_HEX.replace('1', "l")]);
    faulty.push(KEY_HEX[..62].replace("0a", "0a:"));
    assert_eq!(faulty.len(), 3 + 12 * 3 + 9 * 2 + 64 * 5 + 4 + 4 + 3 + 3 + 1);
    for (i, text) in faulty.iter().enumerate() {
        let error = TripletKey::from_hex(text).unwrap_err();
        assert!(matches!(error, KeyError::Encoding { .. }), "text {i}: {error}");
    }
    for weak in ["0".repeat(64), "a".repeat(64), "5c".repeat(32), "Ff".repeat(32)] {
        assert_eq!(TripletKey::from_hex(&weak).unwrap_err(), KeyError::Weak);
    }
}

#[test]
fn a_key_in_base64_is_forty_four_characters_and_nothing_around_them() {
    assert!(is_the_key(&TripletKey::from_base64(KEY_BASE64).unwrap()));
    // Both characters that the other alphabet has not.
    let signs = format!("{}8=", "+/".repeat(21));
    assert!(TripletKey::from_base64(&signs).is_ok());

    let unpadded = &KEY_BASE64[..43];
    let key: Vec<u8> = (0..32).collect();
    let mut faulty = around(KEY_BASE64);
    faulty.extend([unpadded, KEY_HEX, &KEY_HEX[..44], &"=".repeat(44)].map(str::to_owned));
    faulty.extend([signs.replace('+', "-"), signs.replace('/', "_"), signs.replace("8=", "8")]);
    // Two bits that stand for nothing.
    faulty.extend(["9", "+", "/"].map(|last| format!("{}{last}=", &KEY_BASE64[..42])));
    for bytes in [&key[..16], &key[..24], &key[..31], &[&key[..], &[9]].concat(), &key.repeat(2)] {
        faulty.push(encoded(Encoding::Base64, bytes));
    }
    faulty.push(base64url(&key));
    faulty.push(format!("{}\n{}", &KEY_BASE64[..22], &KEY_BASE64[22..]));
    assert_eq!(faulty.len(), 3 + 12 * 3 + 9 * 2 + 44 * 5 + 4 + 3 + 3 + 5 + 2);
    for (i, text) in faulty.iter().enumerate() {
        let error = TripletKey::from_base64(text).unwrap_err();
        assert!(matches!(error, KeyError::Encoding { .. }), "text {i}: {error}");
    }
    for weak in [0, 0x5c, 0xff].map(|byte| encoded(Encoding::Base64, &[byte; 32])) {
        assert_eq!(TripletKey::from_base64(&weak).unwrap_err(), KeyError::Weak);
    }
}

#[test]
fn a_hashed_key_is_that_of_the_text_as_it_stands() {
    let rows = [
        // FIPS 180-4, from NIST's examples.
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        // From Node: createHash('sha256').update('ключ').digest('hex').
        ("ключ", "1de36a32af798da0c1ac9297603a320ed8fe567cf21c9177112a4ce914ebb8be"),
    ];
    for (text, hash) in rows {
        let row = TripletKey::from_hex(hash).unwrap().encrypt(&"s".into(), IvLen::Twelve).unwrap();
        let opens = |text: &str| TripletKey::insecure_sha256_of(text).decrypt(&row).is_ok();
        assert!(opens(text), "{text:?}");
        let others = ["{}\n", "{}\r\n", " {}", "{} ", "\"{}\"", "{}\0", "\u{feff}{}", "{}="];
        for other in others.map(|other| other.replace("{}", text)) {
            assert!(!opens(&other), "{other:?}");
        }
    }
    // From Node, whose key is createHash('sha256').update('correct horse\n').digest().
    let row = "505152535455565758595a5b:293994ae56853986bd3319a6efe0cdd0:c714";
    let row = parsed(row, Layout::HEX_IV12_TAG_CIPHERTEXT);
    let decrypt = |text| TripletKey::insecure_sha256_of(text).decrypt(&row);
    assert_eq!(decrypt("correct horse\n").unwrap(), Secret::from("sk"));
    assert_eq!(told(&decrypt("correct horse")), Told::NotAuthentic);
    // A text that is a key in hex is hashed none the less.
    let hashed = TripletKey::from_bytes(&mut sha256(KEY_HEX.as_bytes())).unwrap();
    let row = hashed.encrypt(&"s".into(), IvLen::Sixteen).unwrap();
    assert!(TripletKey::insecure_sha256_of(KEY_HEX).decrypt(&row).is_ok());
}

#[test]
fn a_repeated_byte_is_a_key_where_it_is_asked_for() {
    // The credential under 64 zeros, from Node, and again from Python's `cryptography`.
    let row = "404142434445464748494a4b4c4d4e4f:1a42e56fb70cf66d555b5bdde5af1dcb:\
        12d768963fc973cf3270c7c16904987cffe71924ecfdca15cf17c3bd1d07c2a212d4a6e803592c2800d3d8498c\
        aa01643147d8";
    let row = parsed(row, Layout::HEX_IV16_TAG_CIPHERTEXT);
    let zeros = TripletKey::insecure_repeated_byte(0);
    assert_eq!(zeros.decrypt(&row).unwrap(), Secret::from(CREDENTIAL));
    let mut opened = 0;
    for byte in 0..=255 {
        let key = TripletKey::insecure_repeated_byte(byte);
        opened += usize::from(key.decrypt(&row).is_ok());
        let own = key.encrypt(&"s".into(), IvLen::Twelve).unwrap();
        assert_eq!(key.decrypt(&own).unwrap(), Secret::from("s"), "{byte}");
    }
    assert_eq!(opened, 1);
}

#[test]
fn a_key_of_another_row_is_unwrapped_where_it_is_one() {
    let mut tried = 0;
    for form in forms() {
        let layout = form.layout();
        let wrap = |bytes: &[u8]| written(form.iv_len, bytes).encode(layout).unwrap();
        let unwrap = |text: &str| key().unwrap_key(&parsed(text, layout));
        let mut bytes: Vec<u8> = (0x61..0x81).collect();
        let wrapped = wrap(&bytes);
        let data_key = TripletKey::from_bytes(&mut bytes).unwrap();
        let row = data_key.encrypt(&CREDENTIAL.into(), form.iv_len).unwrap();
        assert_eq!(told(&key().decrypt(&row)), Told::NotAuthentic);
        assert_eq!(unwrap(&wrapped).unwrap().decrypt(&row).unwrap(), Secret::from(CREDENTIAL));
        let other = data_key.unwrap_key(&parsed(&wrapped, layout));
        assert_eq!(told(&other), Told::NotAuthentic, "{form:?}, under another key");

        // Of another length it is no key, whoever asks: told before a key is used.
        for len in [0, 2, 16, 31, 33, 64] {
            let bytes: Vec<u8> = (1..=len).collect();
            let row = parsed(&wrap(&bytes), layout);
            for asked in [key(), &data_key] {
                let error = asked.unwrap_key(&row).unwrap_err().to_string();
                let expected = "ciphertext at byte 0: expected 32 bytes, a wrapped key";
                assert_eq!(error, expected, "{form:?}, {len}");
            }
            assert_eq!(key().decrypt(&row).unwrap(), Secret::from(bytes), "{form:?}, {len}");
            tried += 1;
        }
        for byte in [0, 0xa5] {
            let error = unwrap(&wrap(&[byte; 32])).unwrap_err();
            let TripletError::Key { source: KeyError::Weak, .. } = error else {
                panic!("{form:?}: {error}")
            };
            assert_eq!(error.source().unwrap().to_string(), KeyError::Weak.to_string());
            tried += 1;
        }
    }
    assert_eq!(tried, 120 * 8);
}

#[test]
fn a_row_that_is_bound_opens_with_what_it_is_bound_to() {
    let mut tried = 0;
    for (text, layout, bound_tag) in [
        (IV12_ROW, Layout::HEX_IV12_TAG_CIPHERTEXT, IV12_BOUND_TAG),
        (IV16_ROW, Layout::HEX_IV16_TAG_CIPHERTEXT, IV16_BOUND_TAG),
    ] {
        let free = parsed(text, layout);
        let columns = free.to_columns(Encoding::HexLower);
        let bound =
            Triplet::from_columns(&columns[0], bound_tag, &columns[2], Encoding::HexLower).unwrap();
        for (data, bound_opens) in [
            ("row-42", true),
            ("", false),
            ("row-4", false),
            ("row-43", false),
            ("row-42\n", false),
            (" row-42", false),
            ("row-42\0", false),
            ("row-42row-42", false),
            ("ROW-42", false),
        ] {
            let expected = |opens| if opens { Told::Done } else { Told::NotAuthentic };
            let opened = key().decrypt_with_associated_data(&bound, data.as_bytes());
            assert_eq!(told(&opened), expected(bound_opens), "{data:?}, bound");
            assert!(opened.is_err() || opened.unwrap() == Secret::from(CREDENTIAL));
            let opened = key().decrypt_with_associated_data(&free, data.as_bytes());
            assert_eq!(told(&opened), expected(data.is_empty()), "{data:?}, not bound");
            tried += 2;
        }
        assert_eq!(told(&key().decrypt(&bound)), Told::NotAuthentic);
    }
    assert_eq!(tried, 2 * 9 * 2);
}

/// Writes all that was asked for, and answers an error.
struct FailsFull;

#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl Error for Broken {}

impl TryRng for FailsFull {
    type Error = Broken;

    fn try_next_u32(&mut self) -> Result<u32, Broken> {
        Err(Broken)
    }

    fn try_next_u64(&mut self) -> Result<u64, Broken> {
        Err(Broken)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Broken> {
        bytes.fill(0xa5);
        Err(Broken)
    }
}

impl TryCryptoRng for FailsFull {}

#[test]
fn the_iv_that_is_drawn_is_the_iv_that_is_written() {
    let encrypt = |iv_len, script: Vec<Vec<u8>>| {
        key().encrypt_with_rng(&CREDENTIAL.into(), iv_len, &mut Scripted(script))
    };
    let mut tried = 0;
    for iv_len in IV_LENS {
        let len = iv_len.bytes();
        let last = |byte: u8| [vec![0; len - 1], vec![byte]].concat();
        // One byte repeated is an iv like others.
        for iv in [(1..).take(len).collect::<Vec<u8>>(), vec![0xa5; len], last(1), last(0x80)] {
            let mut rng = Scripted(vec![iv.clone(), iv.clone()]);
            let row = key().encrypt_with_rng(&CREDENTIAL.into(), iv_len, &mut rng).unwrap();
            assert_eq!((row.iv(), rng.0.len()), (iv.as_slice(), 1), "in one call");
            assert_eq!(key().decrypt(&row).unwrap(), Secret::from(CREDENTIAL));
            tried += 1;
        }
        // A source that ran out, answers zeros, or is asked for another number of bytes.
        let refused =
            [vec![], vec![vec![0; len]], vec![vec![1; len - 1]], vec![vec![1; 28 - len]], {
                vec![vec![1; len + 1]]
            }];
        for script in refused {
            assert_eq!(told(&encrypt(iv_len, script)), Told::Random, "{iv_len:?}");
            tried += 1;
        }
        let failed = key().encrypt_with_rng(&CREDENTIAL.into(), iv_len, &mut FailsFull);
        assert_eq!(told(&failed), Told::Random, "{iv_len:?}");
        // From the operating system: never twice the same.
        let rows: Vec<_> =
            (0..100).map(|_| key().encrypt(&CREDENTIAL.into(), iv_len).unwrap()).collect();
        assert_eq!(rows.iter().map(Triplet::iv).collect::<HashSet<_>>().len(), 100);
        assert_eq!(rows.iter().map(Triplet::tag).collect::<HashSet<_>>().len(), 100);
        assert!(rows.iter().all(|row| row.iv_len() == iv_len));
    }
    assert_eq!(tried, 2 * (4 + 5));
}
