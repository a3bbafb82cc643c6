//! Feature `serde`: an envelope is read and written, a secret is only read, and input that is
//! neither is not quoted in the error.

use core::fmt::Debug;
use std::collections::BTreeMap;

use sealwax::{Envelope, KeyId, KeyState, Secret, Suite, WrapKind};
use serde::de::value::{Error, StringDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer, forward_to_deserialize_any};
use serde_json::{Value, json};

use crate::canary::{Scanner, Shown};
use crate::fixtures::{CREDENTIAL, SUITES, acme, keyring, sealed};

mod formats;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    id: u32,
    envelope: Envelope,
    older: Vec<Option<Envelope>>,
}

fn stored(envelope: &Envelope) -> Stored {
    Stored { id: 7, envelope: envelope.clone(), older: vec![None, Some(envelope.clone())] }
}

#[test]
fn an_envelope_is_a_string_in_a_readable_format() {
    for suite in SUITES {
        let row = sealed(suite, 1);
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(json, format!("\"{row}\""));
        assert_eq!(serde_json::to_value(&row).unwrap(), Value::String(row.to_string()));

        // Borrowed from the input, owned because of an escape, read from a stream, and read from a
        // tree.
        let escaped = json.replacen("\"s", "\"\\u0073", 1);
        assert_ne!(escaped, json);
        assert_eq!(serde_json::from_str::<Envelope>(&json).unwrap(), row);
        assert_eq!(serde_json::from_str::<Envelope>(&escaped).unwrap(), row);
        assert_eq!(serde_json::from_slice::<Envelope>(json.as_bytes()).unwrap(), row);
        assert_eq!(serde_json::from_reader::<_, Envelope>(json.as_bytes()).unwrap(), row);
        assert_eq!(serde_json::from_value::<Envelope>(json!(row.to_string())).unwrap(), row);

        let json = serde_json::to_string(&stored(&row)).unwrap();
        assert_eq!(json, format!(r#"{{"id":7,"envelope":"{row}","older":[null,"{row}"]}}"#));
        assert_eq!(serde_json::from_str::<Stored>(&json).unwrap(), stored(&row));
    }
}

/// CBOR can deliver the bytes either way; postcard has to be told which.
#[test]
fn an_envelope_is_its_bytes_in_a_binary_format() {
    for suite in SUITES {
        let row = sealed(suite, 1);
        let text = row.to_string();
        let len = u16::try_from(row.as_bytes().len()).unwrap();
        // A length in two bytes: seven bits each in postcard, and as CBOR encodes it.
        let [low, high] = [len % 128 + 128, len / 128].map(|byte| u8::try_from(byte).unwrap());
        let bytes = postcard::to_allocvec(&row).unwrap();
        assert_eq!(bytes, [&[low, high], row.as_bytes()].concat());
        assert_eq!(postcard::from_bytes::<Envelope>(&bytes).unwrap(), row);
        let bytes = cbor(&row);
        assert_eq!(bytes, [&[0x59], &len.to_be_bytes()[..], row.as_bytes()].concat());
        assert_eq!(ciborium::from_reader::<Envelope, _>(&bytes[..]).unwrap(), row);

        let rows = stored(&row);
        let bytes = postcard::to_allocvec(&rows).unwrap();
        assert_eq!(postcard::from_bytes::<Stored>(&bytes).unwrap(), rows);
        assert_eq!(ciborium::from_reader::<Stored, _>(&cbor(&rows)[..]).unwrap(), rows);

        // The binary form, from a format that delivers it without being asked.
        assert_eq!(Envelope::deserialize(Owned(row.as_bytes().to_vec())).unwrap(), row);
        let object = cbor(&BTreeMap::from([("envelope", AsBytes(row.as_bytes()))]));
        let Untagged::Sealed { envelope } = ciborium::from_reader(&object[..]).unwrap() else {
            panic!("not a secret")
        };
        assert_eq!(envelope, row);
        let from_text = Envelope::deserialize(Binary(json!(text))).unwrap();
        assert_eq!(from_text, row);
    }
}

fn cbor(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// The two kinds of enum that look ahead before they choose a variant. They pass on what they
/// buffered as they found it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Sealed { envelope: Envelope },
    Plain { secret: Secret },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    Plain { secret: Secret },
    Sealed { envelope: Envelope },
}

#[derive(Debug, Deserialize)]
struct Flat {
    #[serde(flatten)]
    inner: Plain,
}

#[derive(Debug, Deserialize)]
struct Plain {
    secret: Secret,
}

#[derive(Debug, Deserialize)]
struct Newtype(Secret);

#[test]
fn a_secret_is_read_from_a_string_or_from_bytes() {
    let is = |secret: &Secret, expected: &[u8]| assert_eq!(secret, &Secret::from(expected));
    let texts = ["", "a", CREDENTIAL, "é\u{1f511}\n\"\\\0", "4111", "null"];
    for text in texts {
        let json = serde_json::to_string(text).unwrap();
        // With an escape, the text is owned; without one, it may be borrowed.
        let escaped = format!("\"\\u0041{}", &json[1..]);
        is(&serde_json::from_str(&json).unwrap(), text.as_bytes());
        is(&serde_json::from_slice(json.as_bytes()).unwrap(), text.as_bytes());
        is(&serde_json::from_reader(json.as_bytes()).unwrap(), text.as_bytes());
        is(&serde_json::from_value(json!(text)).unwrap(), text.as_bytes());
        is(&serde_json::from_str(&escaped).unwrap(), format!("A{text}").as_bytes());
        is(&Secret::deserialize(Binary(json!(text))).unwrap(), text.as_bytes());

        let object = format!("{{\"type\":\"Plain\",\"secret\":{json}}}");
        is(&serde_json::from_str::<Plain>(&object).unwrap().secret, text.as_bytes());
        is(&serde_json::from_str::<Flat>(&object).unwrap().inner.secret, text.as_bytes());
        is(&serde_json::from_str::<Newtype>(&json).unwrap().0, text.as_bytes());
        let Untagged::Plain { secret } = serde_json::from_str(&object).unwrap() else {
            panic!("not an envelope: {text}")
        };
        is(&secret, text.as_bytes());
        let Tagged::Plain { secret } = serde_json::from_str(&object).unwrap() else {
            panic!("not an envelope: {text}")
        };
        is(&secret, text.as_bytes());
    }
    let options: Vec<Option<Secret>> = serde_json::from_str(r#"["a",null]"#).unwrap();
    assert_eq!(options, [Some(Secret::from("a")), None]);

    // Bytes do not have to be text if a format delivers them without being asked, as after it
    // looked for a variant.
    for bytes in [&b""[..], b"a", &[0xff, 0x00, 0xfe], &[7; 300]] {
        is(&Secret::deserialize(Owned(bytes.to_vec())).unwrap(), bytes);
        let object = cbor(&BTreeMap::from([("secret", AsBytes(bytes))]));
        is(&ciborium::from_reader::<Flat, _>(&object[..]).unwrap().inner.secret, bytes);
        let Untagged::Plain { secret } = ciborium::from_reader(&object[..]).unwrap() else {
            panic!("not an envelope: {bytes:?}")
        };
        is(&secret, bytes);

        // Otherwise they are not text: never for CBOR, and for postcard only if they are not UTF-8.
        let error = ciborium::from_reader::<Plain, _>(&object[..]).unwrap_err();
        assert_eq!(error.to_string(), "Semantic(None, \"expected a secret\")");
        let read = postcard::from_bytes::<Secret>(&postcard::to_allocvec(&AsBytes(bytes)).unwrap());
        assert_eq!(read.ok(), str::from_utf8(bytes).ok().map(Secret::from));
    }

    // An envelope is found where there is one, and opens.
    let row = sealed(SUITES[0], 1);
    let object = json!({"type": "Sealed", "envelope": row}).to_string();
    let Tagged::Sealed { envelope } = serde_json::from_str(&object).unwrap() else {
        panic!("not a secret")
    };
    assert_eq!(keyring(SUITES[0]).open(&envelope, &acme()).unwrap(), Secret::from(CREDENTIAL));
    let Untagged::Sealed { envelope } = serde_json::from_str(&object).unwrap() else {
        panic!("not a secret")
    };
    assert_eq!(envelope, row);
}

/// A value that the format owns becomes the secret itself, so no copy is left behind that nobody
/// wipes.
#[test]
fn an_owned_text_or_buffer_is_not_copied() {
    let (text, bytes) = (TEXT.to_owned(), BYTES.to_vec());
    let (text_at, bytes_at) = (text.as_ptr(), bytes.as_ptr());
    let text: StringDeserializer<Error> = text.into_deserializer();
    let secret = Secret::deserialize(text).unwrap();
    assert_eq!(secret.expose_secret().as_ptr(), text_at);
    let secret = Secret::deserialize(Owned(bytes)).unwrap();
    assert_eq!(secret.expose_secret().as_ptr(), bytes_at);
}

struct Owned(Vec<u8>);

impl<'de> Deserializer<'de> for Owned {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_byte_buf(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

/// Serialises as bytes, not as a list of numbers.
struct AsBytes<'a>(&'a [u8]);

impl Serialize for AsBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// A value of a self-describing binary format. It tells the visitor what it finds, and the
/// visitor's error quotes it.
struct Binary(Value);

impl<'de> Deserializer<'de> for Binary {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_any(visitor)
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

const INTEGER: u64 = 4_929_175_306_842_618_357;
const NEGATIVE: i64 = -7_316_409_258_173_604_925;
const TEXT: &str = "qZ7~Xw9!vK3^Jp5%Hd8*Bn2@Gm6+Ry4=Tf1|Wc0?Lx";
const BYTES: &[u8] = &[211, 157, 249, 138, 173, 226, 191, 244, 162, 219];

fn scanner() -> Scanner {
    let float = FLOAT.to_string();
    Scanner::new(&[
        ("an integer", INTEGER.to_string().as_bytes()),
        ("a negative integer", NEGATIVE.to_string().as_bytes()),
        ("a float", float.as_bytes()),
        ("a text", TEXT.as_bytes()),
        ("bytes", BYTES),
    ])
}

const FLOAT: f64 = 83_951_726.403_918_5;

/// Returns secrets of other types in place of a secret or an envelope.
fn mistyped() -> Vec<Value> {
    vec![
        json!(INTEGER),
        json!(NEGATIVE),
        json!(FLOAT),
        json!(true),
        json!(null),
        json!(BYTES),
        json!([TEXT]),
        json!([INTEGER, TEXT]),
        json!({"key": TEXT}),
        json!({TEXT: INTEGER}),
        json!({TEXT: TEXT}),
        json!([[[TEXT]]]),
        json!({"secret": {"secret": TEXT}}),
        json!([]),
        json!({}),
    ]
}

/// Asserts that this is rejected in every way in which JSON is read. Returns the error messages.
fn refused<T: DeserializeOwned + Debug>(shown: &mut Shown, what: &str, json: &str) -> Vec<String> {
    let mut said = Vec::new();
    let results = [
        serde_json::from_str::<T>(json),
        serde_json::from_slice(json.as_bytes()),
        serde_json::from_reader(json.as_bytes()),
        serde_json::from_str::<Value>(json).and_then(serde_json::from_value),
    ];
    for result in results {
        let error = result.unwrap_err();
        shown.error(what, &error);
        said.push(error.to_string());
    }
    said
}

#[test]
fn a_mistyped_secret_or_envelope_is_refused_and_not_quoted() {
    // The danger is real: this is what serde_json says about a value of the wrong type.
    let quoted = serde_json::from_str::<String>(&INTEGER.to_string()).unwrap_err().to_string();
    assert_eq!(scanner().find(&quoted), Some("an integer"));
    let quoted = serde_json::from_str::<u8>(&json!(TEXT).to_string()).unwrap_err().to_string();
    assert_eq!(scanner().find(&quoted), Some("a text"));

    let mut shown = Shown::default();
    let mut tried = 0;
    for value in mistyped() {
        let json = value.to_string();
        for said in refused::<Secret>(&mut shown, "a secret", &json) {
            assert!(said.starts_with("expected a secret"), "{said}");
        }
        for said in refused::<Envelope>(&mut shown, "an envelope", &json) {
            assert!(said.starts_with("expected a sealed envelope"), "{said}");
        }
        for (said, expected) in [
            (refused::<KeyId>(&mut shown, "a key id", &json), "expected a key id"),
            (refused::<Suite>(&mut shown, "a suite", &json), "expected a suite name"),
            (refused::<WrapKind>(&mut shown, "a kind of wrap", &json), "expected a wrap kind"),
            (refused::<KeyState>(&mut shown, "a state", &json), "expected a key state"),
        ] {
            assert!(said.iter().all(|said| said.starts_with(expected)), "{said:?}");
        }
        let error = Secret::deserialize(Binary(value.clone())).unwrap_err();
        assert_eq!(error.to_string(), "expected a secret");
        shown.error("a binary secret", &error);
        let error = Envelope::deserialize(Binary(value.clone())).unwrap_err();
        assert_eq!(error.to_string(), "expected a sealed envelope");
        shown.error("a binary envelope", &error);

        let object =
            json!({"type": "Plain", "id": 7, "secret": value, "envelope": value, "older": []});
        let object = object.to_string();
        refused::<Plain>(&mut shown, "a struct's secret", &object);
        refused::<Flat>(&mut shown, "a flattened secret", &object);
        refused::<Stored>(&mut shown, "a struct's envelope", &object);
        refused::<Untagged>(&mut shown, "an untagged enum", &object);
        refused::<Tagged>(&mut shown, "a tagged enum", &object);
        refused::<Tagged>(&mut shown, "a tagged enum", &object.replace("\"Plain\"", "\"Sealed\""));
        refused::<Newtype>(&mut shown, "a newtype", &json);
        refused::<Vec<Secret>>(&mut shown, "a list of secrets", &format!("[\"a\",{json}]"));
        refused::<(u8, Secret)>(&mut shown, "a tuple", &format!("[7,{json}]"));
        let map = format!("{{\"a\":{json}}}");
        refused::<BTreeMap<String, Secret>>(&mut shown, "a map of secrets", &map);
        refused::<BTreeMap<String, Envelope>>(&mut shown, "a map of envelopes", &map);
        if !value.is_null() {
            refused::<Option<Secret>>(&mut shown, "a secret that may be missing", &json);
            refused::<Option<Envelope>>(&mut shown, "an envelope that may be missing", &json);
        }
        tried += 1;
    }
    assert_eq!(tried, 15);
    shown.assert_clean(&scanner(), 15 * 15 * 4);
}

/// A credential that someone stored in plaintext, in place of an envelope.
#[test]
fn a_text_that_is_no_envelope_is_refused_by_its_format_and_not_quoted() {
    let mut shown = Shown::default();
    let row = sealed(SUITES[0], 1).to_string();
    let texts = [
        (TEXT.to_owned(), "invalid prefix at byte 0: expected sw1:"),
        (format!("sw1:{TEXT}"), "invalid envelope at byte "),
        (
            format!("sw2:{TEXT}"),
            "the envelope has format version 2, but this release reads only version 1",
        ),
        (format!("{row}~{TEXT}"), "invalid ciphertext at byte "),
        (row.replacen("a256gcm", TEXT, 1), "invalid suite at byte 4: expected a256gcm or c20p"),
        (String::new(), "invalid prefix at byte 0: expected sw1:"),
    ];
    for (text, expected) in &texts {
        let json = json!(text).to_string();
        for said in refused::<Envelope>(&mut shown, "a text", &json) {
            assert!(said.starts_with(expected), "{said}");
        }
        let object = format!("{{\"id\":7,\"envelope\":{json},\"older\":[]}}");
        refused::<Stored>(&mut shown, "a struct", &object);
        refused::<Untagged>(&mut shown, "an untagged enum", &object);
        let error = postcard::from_bytes::<Envelope>(&postcard::to_allocvec(text).unwrap());
        shown.error("bytes", &error.unwrap_err());
    }
    shown.assert_clean(&scanner(), 6 * 3 * 4);
}

#[test]
fn what_is_written_shows_no_secret() {
    let mut shown = Shown::default();
    for suite in SUITES {
        let row = keyring(suite).seal(&Secret::from(TEXT), &acme()).unwrap();
        shown.text("JSON", serde_json::to_string(&stored(&row)).unwrap());
        shown.text("JSON in lines", serde_json::to_string_pretty(&stored(&row)).unwrap());
        shown.text("bytes", format!("{:?}", postcard::to_allocvec(&stored(&row)).unwrap()));
    }
    shown.assert_clean(&scanner(), 6);
}
