//! Values as languages, databases and joins print them: read, or named.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sealwax::triplet::{Encoding, IvLen, TripletKey};
use sealwax_import::Declaration;
use sealwax_import::json::Object;
use serde_json::{Value, json};

const PLAINTEXT: &str = "sk-test-0123456789";

fn key() -> TripletKey {
    TripletKey::from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
        .unwrap()
}

/// Returns IV, ciphertext and tag, of which at least one byte is greater than 127.
fn joined() -> Vec<u8> {
    let row = key().encrypt(&PLAINTEXT.into(), IvLen::Twelve).unwrap();
    let bytes = [row.iv(), row.ciphertext(), row.tag().as_slice()].concat();
    if bytes.iter().any(|byte| *byte > 127) { bytes } else { joined() }
}

/// Returns whether the row opens, or the message.
fn read(declaration: &str, row: &Value) -> Result<bool, String> {
    let declaration: Declaration = declaration.parse().unwrap();
    let row = row.to_string();
    let row = Object::parse(&row).unwrap();
    let opened = declaration.read(&row).and_then(|row| row.open(&key()));
    opened.map(|secret| secret.expose_str() == Ok(PLAINTEXT)).map_err(|error| error.to_string())
}

#[test]
fn bytes_are_numbers_with_or_without_a_sign() {
    let bytes = joined();
    let signed: Vec<i8> = bytes.iter().map(|byte| byte.cast_signed()).collect();
    let object = |numbers: &[i16]| -> Value {
        numbers.iter().enumerate().map(|(n, number)| (n.to_string(), json!(number))).collect()
    };
    // The members in the order in which JavaScript prints them, which `Value` does not keep.
    let text = |value: &[u8]| {
        let members: Vec<_> =
            value.iter().enumerate().map(|(n, byte)| format!("\"{n}\":{byte}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let declaration = "cell value = {iv12+ct+tag:bytes}";
    for value in [
        json!(bytes),
        json!(signed),
        json!(text(&bytes)),
        json!({"type": "Buffer", "data": bytes}),
        json!({"type": "Buffer", "data": signed}),
    ] {
        assert_eq!(read(declaration, &json!({ "value": value })), Ok(true));
    }
    let mut mixed: Vec<i16> = signed.iter().map(|byte| i16::from(*byte)).collect();
    mixed[0] = 200;
    for wrong in [
        json!(mixed),
        json!([256]),
        json!([-129]),
        json!([1.5]),
        json!(["1"]),
        object(&[1, 256]),
        json!({"0": 1, "2": 3}),
        json!({"1": 1}),
        json!({"00": 1}),
        json!("{\"0\":1,\"0\":2}"),
        json!("[1] x"),
    ] {
        let error = read(declaration, &json!({ "value": wrong })).unwrap_err();
        assert!(error.contains("-128 to 127"), "{error}");
    }
}

#[test]
fn a_name_may_have_dots_if_nothing_has_a_shorter_one() {
    let text = Encoding::Base64.encode(&joined());
    let declaration = "cell auth.key.secret = {iv12+ct+tag:base64}";
    for row in [
        json!({"auth": {"key": {"secret": text}}}),
        json!({"auth": {"key.secret": text}}),
        json!({"auth.key": {"secret": text}}),
        json!({"auth.key": format!("{{\"secret\":\"{text}\"}}")}),
        json!({"auth.key.secret": text}),
        // The shorter name wins.
        json!({"auth": {"key": {"secret": text}}, "auth.key": {"secret": "x"}}),
        json!({"auth.key": {"secret": text}, "auth.key.secret": "x"}),
    ] {
        assert_eq!(read(declaration, &row), Ok(true), "{row}");
    }
    for row in [
        json!({"auth": {}, "auth.key.secret": text}),
        json!({"auth": null, "auth.key.secret": text}),
        json!({"auth": {"key": {}, "key.secret": text}}),
        json!({"auth.key": {"secret": null}}),
        json!({"key.secret": text}),
        json!({}),
    ] {
        assert_eq!(read(declaration, &row), Err("auth.key.secret is missing".to_owned()), "{row}");
    }
    let error = read(declaration, &json!({"auth.key": 7})).unwrap_err();
    assert!(error.starts_with("auth.key: expected a JSON object"), "{error}");
    // A member that shows a row to be of another kind is also found under such a name.
    let without = format!("{declaration}\nwithout auth.key.z because it is compressed");
    let row = json!({"auth.key": {"secret": text, "z": 1}});
    let expected = "auth.key.z must not be present: it is compressed";
    assert_eq!(read(&without, &row), Err(expected.to_owned()));
}

#[test]
fn a_layer_around_the_declared_text_is_named() {
    let row = key().encrypt(&PLAINTEXT.into(), IvLen::Twelve).unwrap();
    let hex = |bytes: &[u8]| Encoding::HexLower.encode(bytes);
    let parts = format!("{}:{}:{}", hex(row.iv()), hex(row.tag()), hex(row.ciphertext()));
    let colons = "cell value = {iv12:hex}:{tag:hex}:{ct:hex}";
    let members =
        "cell value.iv = {iv12:hex}\ncell value.tag = {tag:hex}\ncell value.ct = {ct:hex}";
    let object = json!({
        "iv": hex(row.iv()), "tag": hex(row.tag()), "ct": hex(row.ciphertext())
    })
    .to_string();
    for (declaration, text) in [(colons, &parts), (members, &object)] {
        assert_eq!(read(declaration, &json!({ "value": text })), Ok(true));
        let base64 = Encoding::Base64.encode(text.as_bytes());
        let mut lines = base64.clone();
        lines.insert(76, '\n');
        let upper = hex(text.as_bytes()).to_uppercase();
        for (layer, value) in [
            ("base64", base64),
            ("base64", lines),
            ("base64", Encoding::Base64Url.encode(text.as_bytes())),
            ("hex", format!("\\x{}", hex(text.as_bytes()))),
            ("hex", upper),
        ] {
            let error = read(declaration, &json!({ "value": value })).unwrap_err();
            let expected = format!("value: a layer of {layer} around what is declared");
            assert!(error.starts_with(&expected), "{error}");
        }
        // Another text in base64 is no layer around the declared one.
        let other = Encoding::Base64.encode(b"sk-test: another text");
        let error = read(declaration, &json!({ "value": other })).unwrap_err();
        assert!(!error.contains("a layer of"), "{error}");
    }
}

#[test]
fn a_separator_between_the_bytes_of_hex_is_named() {
    let pairs: Vec<String> = joined().iter().map(|byte| format!("{byte:02X}")).collect();
    for encoding in ["hex", "hex-any-case"] {
        let declaration = format!("cell value = {{iv12+ct+tag:{encoding}}}");
        for separator in ["-", ":", " "] {
            let row = json!({ "value": pairs.join(separator) });
            let error = read(&declaration, &row).unwrap_err();
            assert!(error.contains(&format!("hex with the separator '{separator}'")), "{error}");
        }
        for other in [pairs.join("--"), pairs.join("x"), "sk-test-unencrypted".to_owned()] {
            let error = read(&declaration, &json!({ "value": other })).unwrap_err();
            assert!(!error.contains("separator"), "{error}");
        }
    }
}
