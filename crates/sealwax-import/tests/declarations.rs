//! Declarations: what they say, what they refuse, and the rows that they read.

#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test fails by panicking")]

use sealwax::triplet::{Encoding, IvLen, Triplet, TripletKey};
use sealwax_import::json::Object;
use sealwax_import::{
    CATALOGUE, Cell, Declaration, DeclarationError, KeyForm, Named, Row, RowError,
};
use serde_json::{Value, json};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const PLAINTEXT: &str = "sk-test-0123456789";

fn key() -> TripletKey {
    TripletKey::from_hex(KEY).unwrap()
}

fn encrypted(iv_len: IvLen) -> Triplet {
    key().encrypt(&PLAINTEXT.into(), iv_len).unwrap()
}

#[track_caller]
fn opens(declaration: &str, row: &Value) {
    let declaration: Declaration = declaration.parse().unwrap();
    let row = row.to_string();
    let opened = declaration.read(&Object::parse(&row).unwrap()).unwrap().open(&key()).unwrap();
    assert!(opened.expose_str().unwrap() == PLAINTEXT);
}

fn error(declaration: &str, row: &Value) -> RowError {
    let declaration: Declaration = declaration.parse().unwrap();
    let row = row.to_string();
    declaration.read(&Object::parse(&row).unwrap()).unwrap_err()
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Breaks base64 into lines, as MIME encoders do.
fn lines(text: &str, width: usize, end: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let lines: Vec<String> = characters.chunks(width).map(|line| line.iter().collect()).collect();
    lines.join(end) + end
}

#[test]
fn form_order_encoding_iv_length_and_front_are_independent() {
    use Encoding::{Base64, Base64Url, Base64UrlPadded, HexLower};
    let mut opened = 0;
    for (iv_len, iv_name) in [(IvLen::Twelve, "iv12"), (IvLen::Sixteen, "iv16")] {
        let row = encrypted(iv_len);
        let parts = [(iv_name, row.iv()), ("tag", row.tag().as_slice()), ("ct", row.ciphertext())];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let parts = order.map(|n| parts[n]);
            for (encoding, name) in [
                (HexLower, "hex"),
                (HexLower, "hex-any-case"),
                (Base64, "base64"),
                (Base64, "base64-lines"),
                (Base64Url, "base64url"),
                (Base64UrlPadded, "base64url-padded"),
            ] {
                for front in ["", "v1:", "enc(", "\\x"] {
                    for separator in [":", ".", "$", ", "] {
                        let pattern = parts.map(|(part, _)| format!("{{{part}:{name}}}"));
                        let text = parts.map(|(_, bytes)| encoding.encode(bytes));
                        let (pattern, text) = (pattern.join(separator), text.join(separator));
                        opens(
                            &format!("cell value = {front}{pattern}"),
                            &json!({"value": format!("{front}{text}")}),
                        );
                        opens(
                            &format!("cell value = [{front}]{pattern}{separator}{front}."),
                            &json!({"value": format!("{front}{text}{separator}{front}.")}),
                        );
                        opened += 2;
                    }
                    let group = parts.map(|(part, _)| part).join("+");
                    let bytes = joined(&parts.map(|(_, bytes)| bytes));
                    let text = encoding.encode(&bytes);
                    opens(
                        &format!("cell value = {front}{{{group}:{name}}}"),
                        &json!({"value": format!("{front}{text}")}),
                    );
                    opened += 1;
                }
            }
        }
    }
    assert_eq!(opened, 2 * 6 * 6 * 4 * 9);
}

#[test]
fn each_part_may_have_its_own_encoding_and_column() {
    let row = encrypted(IvLen::Twelve);
    let [iv, tag, ciphertext] = row.to_columns(Encoding::HexLower);
    let [iv64, tag64, ciphertext64] = row.to_columns(Encoding::Base64);
    opens(
        "cell a = {iv12:hex}\ncell b = {tag:base64}\ncell c = {ct:hex-any-case}",
        &json!({"a": iv, "b": tag64, "c": ciphertext.to_uppercase()}),
    );
    opens(
        "cell secret.h.iv = {iv:base64}\ncell secret.h.t = {tag:hex}\ncell secret.p = {ct:base64}",
        &json!({"secret": json!({"p": ciphertext64, "h": {"iv": iv64, "t": tag}}).to_string()}),
    );
    // The same, with JSON in the column instead of its text.
    opens(
        "cell secret.h.iv = {iv:base64}\ncell secret.h.t = {tag:hex}\ncell secret.p = {ct:base64}",
        &json!({"secret": {"p": ciphertext64, "h": {"iv": iv64, "t": tag}}}),
    );
    let bytes = |bytes: &[u8]| json!({"type": "Buffer", "data": bytes});
    opens(
        "cell iv = {iv:bytes}\ncell tag = {tag:bytes}\ncell ct = {ct:bytes}",
        &json!({"iv": bytes(row.iv()), "tag": bytes(row.tag()), "ct": row.ciphertext()}),
    );
    let all = joined(&[row.iv(), row.ciphertext(), row.tag()]);
    opens("cell value = {iv12+ct+tag:bytes}", &json!({"value": all}));
}

#[test]
fn laxer_readers_are_asked_for_by_name() {
    let row = encrypted(IvLen::Twelve);
    let bytes = joined(&[&[0x01], row.iv(), row.ciphertext(), row.tag()]);
    let hex = Encoding::HexLower.encode(&bytes);
    let base64 = Encoding::Base64.encode(&bytes);
    let group = |encoding: &str| format!("{{0x01+iv12+ct+tag:{encoding}}}");
    for (lax, strict, text) in [
        (format!("\\x{}", group("hex")), group("hex"), format!("\\x{hex}")),
        (format!("[\\x]{}", group("hex")), group("hex"), format!("\\x{hex}")),
        (format!("0x{}", group("hex")), group("hex"), format!("0x{hex}")),
        (group("hex-any-case"), group("hex"), hex.to_uppercase()),
        (group("base64-lines"), group("base64"), lines(&base64, 64, "\n")),
        (group("base64-lines"), group("base64"), lines(&base64, 76, "\r\n")),
        (group("base64url-padded"), group("base64url"), {
            Encoding::Base64UrlPadded.encode(&bytes)
        }),
    ] {
        let value = json!({"value": text});
        opens(&format!("cell value = {lax}"), &value);
        let refused = error(&format!("cell value = {strict}"), &value);
        assert!(matches!(refused, RowError::Encoding { .. }), "{lax}: {refused}");
    }
    opens(&format!("cell value = [\\x]{}", group("hex")), &json!({"value": hex}));
    // What is ignored may have the separator in it.
    let [iv, tag, ct] = row.to_columns(Encoding::HexLower);
    let text = format!("{iv}:{tag}:{ct}:a:b");
    opens("cell value = {iv12:hex}:{tag:hex}:{ct:hex}:{*}", &json!({"value": text}));
}

#[test]
fn associated_data_comes_from_the_row() {
    let row = json!({
        "id": 7, "tenant": "acme {x}", "meta": {"version": "2"},
        "value": "-".repeat(28),
    });
    let declaration = |bound: &str| -> Declaration {
        format!("cell value = {{iv12+tag+ct:text}}\nbound to {bound}").parse().unwrap()
    };
    let text = row.to_string();
    let object = Object::parse(&text).unwrap();
    for (template, problem) in [
        ("{nothing}", "nothing is missing"),
        ("{meta}", "meta: expected a string or an integer"),
        ("{meta.nothing}", "meta.nothing is missing"),
        ("{tenant.x}", "tenant: expected a JSON object"),
    ] {
        let error = declaration(template).read(&object).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
    // The associated data of these rows is cred: and the id.
    for (id, value) in [
        (
            1,
            "d220ff60c69d8050d8dc1081:c20c6537d273542b5a094cb535c25b2d:61c32e7f44e836e0e2e30f91fb53d5",
        ),
        (
            2,
            "f8ee4356f86cc636c5553430:73df7d96abecbab1f378114ef6d12548:22907733cd47a14e5232abc935cdd2",
        ),
    ] {
        let cell = "cell value = {iv12:hex}:{tag:hex}:{ct:hex}";
        let open = |bound: &str, id: Value| {
            let declaration: Declaration = format!("{cell}{bound}").parse().unwrap();
            let row = json!({"id": id, "value": value}).to_string();
            declaration.read(&Object::parse(&row).unwrap()).unwrap().open(&key())
        };
        let opened = open("\nbound to cred:{id}", json!(id)).unwrap();
        assert!(opened.expose_str().unwrap() == format!("sk-test-bound-{id}"));
        assert!(open("\nbound to cred:{id}", json!(id.to_string())).is_ok());
        assert!(open("\nbound to cred:{id}", json!(3)).is_err());
        assert!(open("\nbound to cred:{{id}}", json!(id)).is_err());
        assert!(open("", json!(id)).is_err());
    }
}

#[test]
fn what_no_row_can_have_is_no_declaration() {
    use DeclarationError as E;
    let three = "cell value = {iv12:hex}:{tag:hex}:{ct:hex}";
    let cases = [
        ("", E::Parts),
        ("cell value = {iv12:hex}:{ct:hex}", E::Parts),
        ("cell value = {iv12:hex}:{tag:hex}:{tag:hex}:{ct:hex}", E::Parts),
        ("cell value = {iv12:hex}:{tag:hex}:{ct:hex}\ncell iv = {iv12:hex}", E::Parts),
        ("cell value = {iv12+ct+tag:hex}\ncell key = {wrapped-key:hex}", E::WrappedParts),
        ("cell value = {iv12:hex}a{tag:hex}:{ct:hex}", E::Separator),
        ("cell value = {iv12:base64}={tag:base64}:{ct:base64}", E::Separator),
        ("cell value = {iv12:hex-any-case}A{tag:hex}:{ct:hex}", E::Separator),
        ("cell value = {iv12:text}:{tag:hex}:{ct:hex}", E::Separator),
        ("cell value = {iv12:hex}{tag:hex}:{ct:hex}", E::NoSeparator),
        ("cell value = {*}{iv12+tag+ct:hex}", E::NoSeparator),
        ("cell value = {iv+tag+ct:hex}", E::OpenLengths),
        ("cell value = v1:{iv12+tag+ct:bytes}", E::BytesWithText),
        ("cell value = v1:{n8n}", E::N8nWithOthers),
        ("cell value = {n8n}\ncell iv = {iv12:hex}", E::N8nWithOthers),
        ("cell value = {n8n}\nbound to {id}", E::N8nBound),
        ("cell value = {iv12:hex}:{tag:hex}:{ct:rot13}", E::UnknownEncoding),
        ("cell value = {iv12:hex}:{tag:hex}:{ct}", E::NoEncoding),
        ("cell value = {iv24:hex}:{tag:hex}:{ct:hex}", E::UnknownPart),
        ("cell value = {0x1+iv12+tag+ct:hex}", E::Constant),
        ("cell value = {\"v1+iv12+tag+ct:hex}", E::Constant),
        ("cell value = {iv12:hex", E::Brace),
        ("cell value = iv12:hex}", E::Brace),
        ("cell value = [v1{iv12+tag+ct:hex}", E::Bracket),
        ("cell value = {iv12+tag+ct:hex}]", E::Bracket),
        ("cell value. = {iv12+tag+ct:hex}", E::Path),
        ("cell = {iv12+tag+ct:hex}", E::Path),
        ("value = {iv12+tag+ct:hex}", E::Clause),
        ("cell value {iv12+tag+ct:hex}", E::Clause),
    ];
    for (text, expected) in cases {
        let found = text.parse::<Declaration>().unwrap_err();
        assert_eq!(found, expected, "{text}");
    }
    for (clause, expected) in [
        ("bound to {", E::Brace),
        ("bound to {}", E::Path),
        ("bound to {id}\nbound to {id}", E::Clause),
        ("key as md5", E::UnknownKeyForm),
        ("key as hex\nkey as hex", E::Clause),
        ("without", E::Clause),
        ("without a..b", E::Path),
    ] {
        let found = format!("{three}\n{clause}").parse::<Declaration>().unwrap_err();
        assert_eq!(found, expected, "{clause}");
    }
}

#[test]
fn a_row_of_another_kind_is_refused_by_what_differs() {
    let triplet = encrypted(IvLen::Twelve);
    let [iv, tag, ct] = triplet.to_columns(Encoding::HexLower);
    let three = "cell value = v1:{iv12:hex}:{tag:hex}:{ct:hex}";
    let good = format!("v1:{iv}:{tag}:{ct}");
    opens(three, &json!({"value": good}));
    let short = tag.get(..8).unwrap();
    let cases = [
        (json!({}), "value is missing"),
        (json!({"value": null}), "value is missing"),
        (json!({"value": 7}), "value: expected a string"),
        (json!({"value": ["v1"]}), "value: expected a string"),
        (json!({"value": ""}), "value: expected \"v1:\" at byte 0"),
        (
            json!({"value": format!("v1:{iv}:{ct}")}),
            "value: expected 3 parts separated by \":\", found 2",
        ),
        (
            json!({"value": format!("{good}:")}),
            "value: expected 3 parts separated by \":\", found 4",
        ),
        (json!({"value": format!("v2:{iv}:{tag}:{ct}")}), "value: expected \"v1:\" at byte 0"),
        (
            json!({"value": format!("v1:{iv}:{short}:{ct}")}),
            "value, {tag:hex} at byte 28: expected 16 bytes, found 4",
        ),
        (
            json!({"value": format!("v1:{iv}00000000:{tag}:{ct}")}),
            "value, {iv12:hex} at byte 3: expected 12 bytes, found 16",
        ),
        (
            json!({"value": format!("v1:{iv}:{tag}:{ct}\n")}),
            "value, {ct:hex} at byte 61: invalid column at byte 0: expected lowercase hex, two digits \
             per byte (found: leading or trailing white space)",
        ),
    ];
    for (row, expected) in cases {
        assert_eq!(error(three, &row).to_string(), expected);
    }
    let without = "cell value = {iv12+tag+ct:hex}\nwithout meta.zip because it is compressed";
    let row = json!({"value": "", "meta": {"zip": true}});
    assert_eq!(error(without, &row).to_string(), "meta.zip must not be present: it is compressed");
    let row = json!({"value": "00", "meta": {"zip": null}});
    let expected = "value, {iv12+tag+ct:hex} at byte 0: expected at least 28 bytes, found 1";
    assert_eq!(error(without, &row).to_string(), expected);
    let constant = "cell value = {0x02+iv12+tag+ct:hex}";
    let row = json!({"value": "01".repeat(40)});
    assert!(matches!(error(constant, &row), RowError::Constant { .. }));
}

#[test]
fn a_declaration_is_written_as_it_is_read() {
    let texts = CATALOGUE.iter().map(|named| named.text).chain([
        "cell a.b = [[{*}: ]]{{{iv12+ct+tag:hex}}}\nwithout c\nbound to {{x}} {a.b}{c}\nkey as raw",
        "cell a = {0x00ff+\"x.y\"+iv16+ct:base64-lines}\ncell b = {tag:text}",
    ]);
    let mut read = 0;
    for text in texts {
        let declaration: Declaration = text.parse().unwrap();
        let written = declaration.to_string();
        assert_eq!(written.parse::<Declaration>().unwrap(), declaration, "{written}");
        let clauses =
            |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
        assert_eq!(clauses(&written), clauses(text));
        read += 1;
    }
    assert_eq!(read, CATALOGUE.len() + 2);
}

#[test]
fn bytes_and_text_of_a_database_are_read_without_json() {
    struct Columns(Vec<u8>);
    impl Row for Columns {
        fn cell(&self, column: &str) -> Result<Option<Cell<'_>>, RowError> {
            Ok((column == "value").then_some(Cell::Bytes((&self.0).into())))
        }
    }
    let triplet = encrypted(IvLen::Twelve);
    let bytes = joined(&[triplet.iv(), triplet.ciphertext(), triplet.tag()]);
    let hex = Encoding::HexLower.encode(&bytes).into_bytes();
    for (encoding, cell) in [("bytes", bytes), ("hex", hex)] {
        let text = format!("cell value = {{iv12+ct+tag:{encoding}}}");
        let declaration: Declaration = text.parse().unwrap();
        let opened = declaration.read(&Columns(cell)).unwrap().open(&key()).unwrap();
        assert!(opened.expose_str().unwrap() == PLAINTEXT);
    }
    let declaration: Declaration = "cell value = {iv12+ct+tag:hex}".parse().unwrap();
    let not_text = declaration.read(&Columns(vec![0xff])).unwrap_err();
    assert_eq!(not_text.to_string(), "value: expected a string");
}

/// One key, as people write it, with the forms that take it.
#[test]
fn ten_writings_of_one_key_are_taken_or_named() {
    use KeyForm::{Base64, Base64Url, Hex, Raw};
    let base64 = "PT7hHC+/f2prHmqhbDgmMexfH7/FDKO6WonTZtIu6u8=";
    let hex = "3d3ee11c2fbf7f6a6b1e6aa16c382631ec5f1fbfc50ca3ba5a89d366d22eeaef";
    let base64url = base64.replace('+', "-").replace('/', "_");
    let taken = [
        (Base64, base64.to_owned()),
        (Base64Url, base64url.clone()),
        (Base64Url, base64url.trim_end_matches('=').to_owned()),
        (Hex, hex.to_owned()),
        (Hex, hex.to_uppercase()),
    ];
    for (right, text) in &taken {
        for form in [Hex, Base64, Base64Url, Raw] {
            let found = form.key(text, None).map(drop).map_err(|error| error.to_string());
            let other = format!("not a key as {form}, but one as {right}");
            assert_eq!(found, if form == *right { Ok(()) } else { Err(other) });
        }
    }
    let named = [
        (Base64, base64.trim_end_matches('=').to_owned(), "the = at the end"),
        (Base64, format!("{base64}\n"), "trailing white space"),
        (Base64, format!("base64:{base64}"), "a word and a colon"),
        (Base64Url, format!("{base64url} "), "trailing white space"),
        (Hex, format!("{hex}\n"), "trailing white space"),
        (Hex, format!("{hex}\r"), "trailing white space"),
        (Hex, format!("0x{hex}"), "0x prefix"),
        (Hex, format!("\"{hex}\""), "quotes"),
        (Hex, format!("KEY={hex}"), "variable name"),
        (Hex, hex.replace('3', "g"), "expected 64 hex digits"),
        (Hex, format!("{}:{}", &hex[..2], &hex[2..]), "separators between the bytes"),
        (Hex, hex[..32].to_owned(), "a key of 16 bytes (AES-128)"),
        (Hex, hex[..48].to_owned(), "a key of 24 bytes (AES-192)"),
        (Base64, "PT7hHC+/f2prHmqhbDgmMQ==".to_owned(), "a key of 16 bytes (AES-128)"),
        (Hex, Encoding::Base64.encode(hex.as_bytes()), "another layer of base64"),
        (
            Base64,
            Encoding::Base64.encode(format!("{base64}\n").as_bytes()),
            "another layer of base64",
        ),
        (Hex, "$(cat key)".to_owned(), "a $ variable that was not expanded"),
        (Base64, "%ENCRYPTION_KEY%".to_owned(), "a $ variable that was not expanded"),
        (Base64Url, "{{ .Values.key }}".to_owned(), "a $ variable that was not expanded"),
        (Hex, "file:/run/key".to_owned(), "a path or a reference"),
        (Raw, "op://vault/key".to_owned(), "a path or a reference"),
        (Hex, "b'\\x00\\x01'".to_owned(), "as a program printed them"),
        (Hex, "{\"kty\":\"oct\"}".to_owned(), "found JSON instead of a key"),
    ];
    for (form, text, what) in &named {
        let said = form.key(text, None).unwrap_err().to_string();
        assert!(said.contains(what), "{form}: {said}");
        assert!(!said.contains("PT7h") && !said.contains("3d3e"));
    }
}

#[test]
fn a_key_that_was_hashed_with_its_line_feed() {
    let row = "752c9b03f1377d2962348908:fced8782855d6f52ad1242d5d6d57c92:8b3b394c10139f8dec36915147b6382bcac149eb9da3ccc54dfa0a30c10ed4af855718503fa65e0ca7cc62fc85d0173f93371909f7b461875f94f45ba2ea87c5d878";
    let text = json!({"value": row}).to_string();
    let declaration: Declaration = "cell value = {iv12:hex}:{tag:hex}:{ct:hex}".parse().unwrap();
    let read = declaration.read(&Object::parse(&text).unwrap()).unwrap();
    let open = |form: KeyForm, text| read.open(&form.key(text, None).unwrap());
    assert!(open(KeyForm::Sha256LineFeed, "a secret of the environment").is_ok());
    assert!(open(KeyForm::Sha256, "a secret of the environment\n").is_ok());
    assert!(open(KeyForm::Sha256, "a secret of the environment").is_err());
}

#[test]
fn a_placeholder_is_refused_and_made_on_request() {
    for byte in 0..=u8::MAX {
        let row =
            TripletKey::insecure_repeated_byte(byte).encrypt(&"x".into(), IvLen::Twelve).unwrap();
        let bytes = [byte; 32];
        for (form, text) in [
            (KeyForm::Hex, Encoding::HexLower.encode(&bytes)),
            (KeyForm::Hex, Encoding::HexLower.encode(&bytes).to_uppercase()),
            (KeyForm::Base64, Encoding::Base64.encode(&bytes)),
            (KeyForm::Base64Url, Encoding::Base64Url.encode(&bytes)),
            (KeyForm::Base64Url, Encoding::Base64UrlPadded.encode(&bytes)),
        ] {
            assert_eq!(
                form.key(&text, None).unwrap_err().to_string(),
                sealwax::KeyError::Weak.to_string()
            );
            assert!(form.insecure_placeholder(&text).unwrap().decrypt(&row).is_ok());
        }
    }
    assert!(KeyForm::Raw.insecure_placeholder(&"a".repeat(32)).is_some());
    assert!(KeyForm::Hex.insecure_placeholder(KEY).is_none());
    assert!(KeyForm::Sha256.insecure_placeholder("").is_none());
}

#[test]
fn the_readme_has_every_name() {
    let readme = include_str!("../README.md");
    for named in &CATALOGUE {
        let declaration = named.declaration().unwrap();
        let columns: Vec<_> =
            declaration.columns().iter().map(|column| format!("`{column}`")).collect();
        let key = declaration.key_as.map_or("declared with `key as`", KeyForm::about);
        let Named { name, about, .. } = named;
        let row = format!("| `{name}` | {about} | {} | {key} |", columns.join(", "));
        assert!(readme.contains(&row), "README.md has no line\n{row}");
    }
    for line in readme.lines().filter(|line| line.starts_with("| `")) {
        let name = line.split('`').nth(1).unwrap();
        assert!(Named::find(name).is_some(), "README.md has {name}");
    }
}
