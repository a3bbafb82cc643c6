//! The errors of formats for an invalid body: they name the fault, and contain no part of a value.

use core::error::Error;
use core::fmt::Debug;
use std::io;

use sealwax::{Envelope, Secret};
use serde::de::{DeserializeOwned, Deserializer, Error as _, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::json;

use super::{FLOAT, INTEGER, NEGATIVE, TEXT, cbor, scanner};
use crate::canary::Shown;
use crate::fixtures::{SUITES, sealed};

#[derive(Debug, Serialize, Deserialize)]
struct Plain<T> {
    value: T,
}

#[derive(Debug, Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
struct Flat<T> {
    #[serde(flatten)]
    inner: Plain<T>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Either<T> {
    Value { value: T },
    Other { other: T },
}

#[derive(Debug, Deserialize)]
struct Optional<T> {
    value: Option<T>,
}

type Reading<T> = Result<T, Box<dyn Error>>;

trait Format {
    const NAME: &str;

    fn read<T: DeserializeOwned>(body: &[u8]) -> Reading<T>;

    /// Reads the value from each of the shapes.
    fn shapes<T: DeserializeOwned>(body: &[u8]) -> [(&'static str, Reading<T>); 4] {
        [
            ("plain", Self::read(body).map(|Plain { value }| value)),
            ("flattened", Self::read(body).map(|Flat { inner: Plain { value } }| value)),
            (
                "untagged",
                Self::read(body)
                    .map(|(Either::Value { value } | Either::Other { other: value })| value),
            ),
            (
                "optional",
                Self::read(body).and_then(|Optional { value }| value.ok_or("none".into())),
            ),
        ]
    }

    /// Returns the error messages, if the body is rejected.
    fn refused(shown: &mut Shown, body: &[u8]) -> Vec<String> {
        let secrets = Self::shapes::<Secret>(body).map(|(shape, read)| (shape, read.err()));
        let envelopes = Self::shapes::<Envelope>(body).map(|(shape, read)| (shape, read.err()));
        let mut said = Vec::new();
        for (shape, error) in secrets.into_iter().chain(envelopes) {
            let Some(error) = error else { continue };
            shown.error(&format!("{}, {shape}: {body:?}", Self::NAME), &*error);
            said.push(format!("{shape}: {error}"));
        }
        said
    }
}

struct Json;
struct JsonReader;
struct JsonValue;
struct Cbor;
struct CborValue;
struct Postcard;
struct Toml;
struct TomlTable;
struct Form;

impl Format for Json {
    const NAME: &str = "JSON";

    fn read<T: DeserializeOwned>(body: &[u8]) -> Reading<T> {
        Ok(serde_json::from_slice(body)?)
    }
}

impl Format for JsonReader {
    const NAME: &str = "JSON from a reader";

    fn read<T: DeserializeOwned>(body: &[u8]) -> Reading<T> {
        Ok(serde_json::from_reader(body)?)
    }
}

impl Format for JsonValue {
    const NAME: &str = "a JSON value";

    fn read<T: DeserializeOwned>(body: &[u8]) -> Reading<T> {
        Ok(serde_json::from_value(serde_json::from_slice(body)?)?)
    }
}

impl Format for Cbor {
    const NAME: &str = "CBOR";

    fn read<T: DeserializeOwned>(body: &[u8]) -> Reading<T> {
        Ok(ciborium::from_reader(body)?)
    }
}

impl Format for CborValue {
    const NAME: &str = "a CBOR value";

    fn read<T: DeserializeOwned>(body: &[u8]) -> Reading<T> {
        Ok(Cbor::read::<ciborium::Value>(body)?.deserialized()?)
    }
}

impl Format for Postcard {
    const NAME: &str = "postcard";

    fn read<T: DeserializeOwned>(body: &[u8]) -> Reading<T> {
        Ok(postcard::from_bytes(body)?)
    }
}

impl Format for Toml {
    const NAME: &str = "TOML";

    /// Drops the input, because this error would show the line. Hiding it is up to the reader who
    /// has the input.
    fn read<T: DeserializeOwned>(body: &[u8]) -> Reading<T> {
        toml::from_slice(body).map_err(|mut error| {
            error.set_input(None);
            error.into()
        })
    }
}

impl Format for TomlTable {
    const NAME: &str = "a TOML table";

    fn read<T: DeserializeOwned>(body: &[u8]) -> Reading<T> {
        Ok(Toml::read::<toml::Table>(body)?.try_into()?)
    }
}

impl Format for Form {
    const NAME: &str = "a form";

    fn read<T: DeserializeOwned>(body: &[u8]) -> Reading<T> {
        Ok(serde_urlencoded::from_bytes(body)?)
    }
}

/// The control: the bodies that are rejected below are rejected for their fault.
#[test]
fn a_whole_body_is_read_in_each_shape() {
    fn is_read<F: Format, T: DeserializeOwned + Debug + PartialEq>(
        body: &[u8],
        value: &T,
    ) -> usize {
        let shapes = F::shapes::<T>(body);
        for (shape, read) in &shapes {
            assert_eq!(read.as_ref().unwrap(), value, "{}, {shape}", F::NAME);
        }
        shapes.len()
    }

    /// In human-readable formats the value is a text, and in the others something else.
    fn read<T: DeserializeOwned + Debug + PartialEq>(
        value: &T,
        text: &str,
        binary: &impl Serialize,
    ) -> usize {
        let json = json!({ "value": text }).to_string();
        let toml = format!("value = \"{text}\"");
        let form = serde_urlencoded::to_string([("value", text)]).unwrap();
        let cbor = cbor(&Plain { value: binary });
        // Postcard is not self-describing, so it supports neither flattening nor looking for a
        // variant.
        let bytes = postcard::to_allocvec(&Plain { value: Some(binary) }).unwrap();
        assert_eq!(Postcard::read::<Plain<T>>(&bytes[1..]).unwrap().value, *value);
        assert_eq!(Postcard::read::<Optional<T>>(&bytes).unwrap().value.as_ref(), Some(value));
        is_read::<Json, T>(json.as_bytes(), value)
            + is_read::<JsonReader, T>(json.as_bytes(), value)
            + is_read::<JsonValue, T>(json.as_bytes(), value)
            + is_read::<Cbor, T>(&cbor, value)
            + is_read::<CborValue, T>(&cbor, value)
            + is_read::<Toml, T>(toml.as_bytes(), value)
            + is_read::<TomlTable, T>(toml.as_bytes(), value)
            + is_read::<Form, T>(form.as_bytes(), value)
    }

    let row = sealed(SUITES[0], 1);
    assert_eq!(read(&Secret::from(TEXT), TEXT, &TEXT), 8 * 4);
    // Longer than what ciborium reads in one piece.
    let long = TEXT.repeat(300);
    assert_eq!(read(&Secret::from(&long), &long, &long), 8 * 4);
    assert_eq!(read(&row, &row.to_string(), &row), 8 * 4);
}

fn json_bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        format!("{INTEGER}"),
        format!("{NEGATIVE}"),
        format!("{FLOAT}"),
        format!("{INTEGER}e999"),
        format!("[\"{TEXT}\"]"),
        format!("{{\"{TEXT}\":\"{TEXT}\"}}"),
        format!("\"{TEXT}\\q\""),
        format!("\"{TEXT}\\ud800\""),
        format!("\"{TEXT}\n\""),
        format!("\"{TEXT}"),
        format!("\"{TEXT}\" \"{TEXT}\""),
        format!("\"{TEXT}\",\"value\":\"{TEXT}\""),
        format!("\"{TEXT}\"}}{TEXT}"),
        format!("{INTEGER}{TEXT}"),
        TEXT.to_owned(),
    ]
    .map(|value| format!("{{\"value\":{value}}}").into_bytes())
    .into();
    bodies.push(format!("{{\"value\":\"{TEXT}\"").into_bytes());
    bodies.push(format!("{{\"valu\":\"{TEXT}\"}}").into_bytes());
    bodies.push([b"{\"value\":\"", TEXT.as_bytes(), b"\xff\"}"].concat());
    bodies
}

/// Encodes a text of 24 to 255 bytes.
fn cbor_text(text: &str) -> Vec<u8> {
    [&[0x78, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn cbor_bodies() -> Vec<Vec<u8>> {
    let integer = INTEGER.to_be_bytes();
    let text = cbor_text(TEXT);
    let [wide, tagged] = [&b"\x1b"[..], b"\xc1\x1b"].map(|head| [head, &integer].concat());
    let mut bodies: Vec<Vec<u8>> = [
        wide.clone(),
        tagged,
        [b"\x3b", &(!NEGATIVE).to_be_bytes()[..]].concat(),
        [b"\xfb", &FLOAT.to_be_bytes()[..]].concat(),
        [b"\x81", &text[..]].concat(),
        [b"\xa1", &text[..], &text].concat(),
        text[..30].to_vec(),
        [b"\x58\x2a", &TEXT.as_bytes()[..30]].concat(),
        [b"\x78\x2b", TEXT.as_bytes(), b"\xff"].concat(),
        [b"\x7f", &text[..], &wide].concat(),
        [b"\x1c", TEXT.as_bytes()].concat(),
        [b"\xe0", TEXT.as_bytes()].concat(),
        [b"\xff", TEXT.as_bytes()].concat(),
    ]
    .map(|value| [b"\xa1\x65value", &value[..]].concat())
    .into();
    bodies.push([b"\xa1\x64valu", &text[..]].concat());
    bodies.push([b"\xa2\x65value", &text[..], b"\x65value", &text].concat());
    bodies
}

fn postcard_bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> =
        (0..12).map(|len| [b"\x2a", &TEXT.as_bytes()[..len]].concat()).collect();
    bodies.extend([
        vec![],
        vec![0x80],
        vec![0xff; 11],
        [b"\xff\xff\xff\xff\x0f", TEXT.as_bytes()].concat(),
    ]);
    bodies
}

fn toml_bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        format!("value = {INTEGER}"),
        format!("value = {NEGATIVE}"),
        format!("value = {FLOAT}"),
        format!("value = 0x{INTEGER}{INTEGER}"),
        format!("value = [\"{TEXT}\"]"),
        format!("value = {{ \"{TEXT}\" = \"{TEXT}\" }}"),
        format!("value = \"{TEXT}\\q\""),
        format!("value = \"{TEXT}"),
        format!("value = \"{TEXT}\" \"{TEXT}\""),
        format!("value = \"{TEXT}\"\nvalue = \"{TEXT}\""),
        format!("value = {TEXT}"),
        format!("value = 2026-11-26T12:00:00{TEXT}"),
        format!("valu = \"{TEXT}\""),
        format!("[value]\nvalue = \"{TEXT}\""),
    ]
    .map(String::into_bytes)
    .into();
    bodies.push([b"value = \"", TEXT.as_bytes(), b"\xff\""].concat());
    bodies
}

fn form_bodies() -> Vec<Vec<u8>> {
    let form = |name: &str, value: &str| serde_urlencoded::to_string([(name, value)]).unwrap();
    [
        form("value", TEXT),
        form("value", &format!("sw1:{TEXT}")),
        form("value", &INTEGER.to_string()),
        form("value[]", TEXT),
        form("valu", TEXT),
        form(TEXT, TEXT),
        form("", TEXT),
        form("value", TEXT) + "&" + &form("value", TEXT),
        form("value", TEXT) + "%ff",
        form("value", TEXT) + "%u12",
        TEXT.to_owned(),
        String::new(),
    ]
    .map(String::into_bytes)
    .into()
}

#[test]
fn no_format_quotes_a_value_from_a_broken_body() {
    fn search<F: Format>(bodies: &[Vec<u8>]) -> usize {
        let mut shown = Shown::default();
        let mut refused = 0;
        for body in bodies {
            let said = F::refused(&mut shown, body);
            assert!(said.iter().any(|said| said.starts_with("plain: ")), "{}: {body:?}", F::NAME);
            refused += said.len();
        }
        shown.assert_clean(&scanner(), 5 * refused);
        refused
    }

    let [json, cbor, toml] = [json_bodies(), cbor_bodies(), toml_bodies()];
    assert_eq!((json.len(), cbor.len(), toml.len()), (18, 15, 15));
    assert_eq!((postcard_bodies().len(), form_bodies().len()), (16, 12));
    // Up to eight for each body: two types in four shapes. A text in a form is always a valid
    // secret.
    assert_eq!(search::<Json>(&json), 144);
    assert_eq!(search::<JsonReader>(&json), 144);
    assert_eq!(search::<JsonValue>(&json), 140);
    assert_eq!(search::<Cbor>(&cbor), 120);
    assert_eq!(search::<CborValue>(&cbor), 120);
    assert_eq!(search::<Postcard>(&postcard_bodies()), 128);
    assert_eq!(search::<Toml>(&toml), 120);
    assert_eq!(search::<TomlTable>(&toml), 120);
    assert_eq!(search::<Form>(&form_bodies()), 76);

    // In postcard, an option starts with a byte that says whether there is a value.
    let mut shown = Shown::default();
    for body in postcard_bodies() {
        let body = [&[1], &body[..]].concat();
        let secret = postcard::from_bytes::<Optional<Secret>>(&body);
        let envelope = postcard::from_bytes::<Optional<Envelope>>(&body);
        shown.error("a secret that may be missing", &secret.unwrap_err());
        shown.error("an envelope that may be missing", &envelope.unwrap_err());
    }
    shown.assert_clean(&scanner(), 16 * 2 * 5);
}

#[test]
fn a_missing_field_is_told_by_its_name() {
    fn missing<F: Format>(shown: &mut Shown, body: &[u8]) -> usize {
        let said = F::refused(shown, body);
        // An untagged enum says that no variant matched, and an optional field may be missing.
        let named = said.iter().filter(|said| said.contains("missing field `value`"));
        assert_eq!((said.len(), named.count()), (8, 4), "{}: {said:?}", F::NAME);
        said.len()
    }

    let mut shown = Shown::default();
    let json = json!({"valu": TEXT, "id": INTEGER}).to_string();
    let cbor = [b"\xa1\x64valu", &cbor_text(TEXT)[..]].concat();
    let toml = format!("valu = \"{TEXT}\"");
    let refused = [
        missing::<Json>(&mut shown, json.as_bytes()),
        missing::<JsonReader>(&mut shown, json.as_bytes()),
        missing::<JsonValue>(&mut shown, json.as_bytes()),
        missing::<Cbor>(&mut shown, &cbor),
        missing::<CborValue>(&mut shown, &cbor),
        missing::<Toml>(&mut shown, toml.as_bytes()),
        missing::<TomlTable>(&mut shown, toml.as_bytes()),
        missing::<Form>(&mut shown, &form_bodies()[4]),
    ];
    assert_eq!(refused, [8; 8]);
    shown.assert_clean(&scanner(), 8 * 8 * 5);
}

/// Input that ends with an error.
struct Broken<'a>(&'a [u8]);

impl io::Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("unplugged")),
            len => Ok(len),
        }
    }
}

#[test]
fn broken_input_stays_the_formats_own_error() {
    fn classes<T: DeserializeOwned + Debug>() -> usize {
        let classes = [
            (Category::Eof, format!("{{\"value\":\"{TEXT}")),
            (Category::Eof, format!("{{\"value\":\"{TEXT}\\")),
            (Category::Eof, "{\"value\":".to_owned()),
            (Category::Syntax, format!("{{\"value\":\"{TEXT}\\q\"}}")),
            (Category::Syntax, format!("{{\"value\":\"{TEXT}\n\"}}")),
            (Category::Syntax, format!("{{\"value\":{TEXT}}}")),
            (Category::Data, format!("{{\"value\":{INTEGER}}}")),
            (Category::Data, format!("{{\"value\":[\"{TEXT}\"]}}")),
            (Category::Data, format!("{{\"valu\":\"{TEXT}\"}}")),
        ];
        for (class, body) in &classes {
            for error in [
                serde_json::from_str::<Plain<T>>(body).unwrap_err(),
                serde_json::from_str::<Flat<T>>(body).unwrap_err(),
                serde_json::from_str::<Either<T>>(body).unwrap_err(),
                serde_json::from_reader::<_, Plain<T>>(body.as_bytes()).unwrap_err(),
            ] {
                assert_eq!(error.classify(), *class, "{error}");
            }
        }
        let body = classes[0].1.as_bytes();
        let error = serde_json::from_reader::<_, Plain<T>>(Broken(body)).unwrap_err();
        assert_eq!(error.classify(), Category::Io);
        assert!(error.to_string().starts_with("unplugged"), "{error}");

        type Error = ciborium::de::Error<io::Error>;
        let cbor = |value: &[u8]| -> Error {
            let body = [b"\xa1\x65value", value].concat();
            ciborium::from_reader::<Plain<T>, _>(body.as_slice()).unwrap_err()
        };
        assert!(matches!(cbor(b""), Error::Io(_)));
        assert!(matches!(cbor(b"\x1c"), Error::Syntax(_)));
        assert!(matches!(cbor(b"\x1b\x44\x67\xf2\xd3\x5f\xfb\x39\xf5"), Error::Semantic(..)));

        let error = postcard::from_bytes::<Plain<T>>(b"\x2b").unwrap_err();
        assert_eq!(error, postcard::Error::DeserializeUnexpectedEnd);
        let error = postcard::from_bytes::<Plain<T>>(&[0xff; 11]).unwrap_err();
        assert_eq!(error, postcard::Error::DeserializeBadVarint);
        classes.len()
    }

    assert_eq!(classes::<Secret>() + classes::<Envelope>(), 18);
}

/// Reports what it found without asking what was expected, in an error that is not an enum.
struct Quoting;

impl<'de> Deserializer<'de> for Quoting {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::invalid_type(Unexpected::Str(TEXT), &"something else"))
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

#[test]
fn a_binary_format_that_quotes_by_itself_is_not_repeated() {
    let quoted = String::deserialize(Quoting).unwrap_err().to_string();
    assert_eq!(scanner().find(&quoted), Some("a text"));
    let error = Secret::deserialize(Quoting).unwrap_err();
    assert_eq!(error.to_string(), "expected a secret");
    let error = Envelope::deserialize(Quoting).unwrap_err();
    assert_eq!(error.to_string(), "expected a sealed envelope");
}

/// A secret has no control over errors that concern what surrounds it: these are the limits of the
/// test above.
#[test]
fn what_a_container_or_a_parser_quotes_is_the_readers_to_hide() {
    // A struct, if something else is in its place.
    let error = serde_json::from_value::<Plain<Secret>>(json!(TEXT)).unwrap_err();
    assert_eq!(scanner().find(&error.to_string()), Some("a text"));
    // A parser that shows the line.
    let error = toml::from_str::<Plain<Secret>>(&format!("value = {INTEGER}")).unwrap_err();
    assert_eq!(scanner().find(&error.to_string()), Some("an integer"));
    assert_eq!(error.message(), "expected a secret");
    // serde, which cannot hold an integer of 128 bits until it knows the field's type.
    let big = [b"\xa1\x65value\xc2\x48", &INTEGER.to_be_bytes()[..]].concat();
    let error = Cbor::read::<Flat<Secret>>(&big).unwrap_err();
    assert_eq!(scanner().find(&error.to_string()), Some("an integer"));
}
