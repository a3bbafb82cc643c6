//! Each layout, with each way to pass its key.

use std::collections::BTreeSet;
use std::fs;

use byok_vault::import::NO_CONTEXT;
use sealwax::Secret;
use sealwax::legacy::litellm::Version;
use sealwax::legacy::{cloak, litellm, n8n};
use sealwax::triplet::{Encoding, IvLen, Layout, Triplet, TripletKey};
use sealwax_import::{CATALOGUE, Named};
use serde_json::{Value, json};

use super::{
    BASE64_KEY, HEX_KEY, Old, PASSPHRASE, RAW_KEY, Row, dump, export, hashed, in_vault, key,
    langfuse, line, lobechat, new, quarantine_of, quarantined, text, value,
};
use crate::sandbox::{CANARY, Sandbox, audit_key, credential, owner};

fn columns(triplet: &Triplet, encoding: Encoding) -> Row {
    let [iv, tag, ciphertext] = triplet.to_columns(encoding);
    Row::from([("iv", iv), ("tag", tag), ("ciphertext", ciphertext)])
}

fn joined(triplet: &Triplet, encoding: Encoding) -> Row {
    let [iv, ciphertext] = triplet.to_joined(encoding);
    Row::from([("iv", iv), ("ciphertext", ciphertext)])
}

fn envelope(secret: &Secret, data_key: &[u8; 32], encoding: Encoding) -> Row {
    let wrapped = key(HEX_KEY).encrypt(&Secret::from(data_key), IvLen::Twelve).unwrap();
    let [wrapped_iv, wrapped] = wrapped.to_joined(encoding);
    let data_key = TripletKey::from_bytes(&mut data_key.clone()).unwrap();
    let mut row = joined(&data_key.encrypt(secret, IvLen::Twelve).unwrap(), encoding);
    row.extend([("wrapped_key", wrapped), ("wrapped_key_iv", wrapped_iv)]);
    row
}

fn data_key() -> [u8; 32] {
    std::array::from_fn(|n| u8::try_from(200 - n).unwrap())
}

const GO: Layout = Layout::BASE64_IV12_CIPHERTEXT_TAG_JOINED;

/// Returns a message of Rails, as JSON.
fn rails(key: &TripletKey, secret: &Secret, headers: Value) -> Value {
    let row = key.encrypt(secret, IvLen::Twelve).unwrap();
    let [iv, tag, payload] = row.to_columns(Encoding::Base64);
    let mut message = json!({"p": payload, "h": headers});
    message["h"]["iv"] = json!(iv);
    message["h"]["at"] = json!(tag);
    message
}

/// Returns every layout with each way to pass its key.
pub(super) fn every_kind() -> Vec<Old> {
    use IvLen::{Sixteen, Twelve};
    let mut kinds = vec![lobechat(), langfuse()];
    let hex = ["--key-as", "hex"];
    let base64 = ["--key-as", "base64"];
    let sha256 = ["--key-as", "sha256"];
    for (name, layout, iv_len) in [
        ("hex-iv16-tag-ct", Layout::HEX_IV16_TAG_CIPHERTEXT, Sixteen),
        ("hex-iv12-tag-ct", Layout::HEX_IV12_TAG_CIPHERTEXT, Twelve),
        ("hex-iv12-ct-tag", Layout::HEX_IV12_CIPHERTEXT_TAG, Twelve),
        ("hex-iv16-ct-tag", Layout::HEX_IV16_CIPHERTEXT_TAG, Sixteen),
    ] {
        let options = |how: [&'static str; 2]| [&[name], &how[..]].concat();
        kinds.push(Old::new(&options(hex), HEX_KEY, move |secret| {
            text(&key(HEX_KEY), layout, iv_len, secret)
        }));
        kinds.push(Old::new(&options(base64), BASE64_KEY, move |secret| {
            text(&key(HEX_KEY), layout, iv_len, secret)
        }));
        kinds.push(Old::new(&options(sha256), PASSPHRASE, move |secret| {
            text(&hashed(PASSPHRASE), layout, iv_len, secret)
        }));
    }
    for (encoding, threes, twos, fours) in [
        (Encoding::Base64, "columns-base64", "webcrypto-base64", "envelope-base64"),
        (Encoding::HexLower, "columns-hex", "webcrypto-hex", "envelope-hex"),
    ] {
        for iv_len in [Twelve, Sixteen] {
            kinds.push(Old::new(&[&[threes], &hex[..]].concat(), HEX_KEY, move |secret| {
                columns(&key(HEX_KEY).encrypt(secret, iv_len).unwrap(), encoding)
            }));
            kinds.push(Old::new(&[&[twos], &base64[..]].concat(), BASE64_KEY, move |secret| {
                joined(&key(HEX_KEY).encrypt(secret, iv_len).unwrap(), encoding)
            }));
        }
        kinds.push(Old::new(&[&[fours], &hex[..]].concat(), HEX_KEY, move |secret| {
            envelope(secret, &data_key(), encoding)
        }));
    }
    for (name, version) in [("litellm-v2", Version::V2), ("litellm-v3", Version::V3)] {
        kinds.push(Old::new(&[name], PASSPHRASE, move |secret| {
            let key = litellm::insecure_key(version, PASSPHRASE);
            value(litellm::encrypt(&key, version, secret).unwrap())
        }));
    }
    kinds.push(Old::new(&["sqlalchemy-utils"], PASSPHRASE, |secret| {
        text(&hashed(PASSPHRASE), Layout::BASE64_IV12_TAG_CIPHERTEXT_JOINED, Twelve, secret)
    }));
    for (options, label, iv_len, mark) in [
        (&["cloak-iv16"][..], "AES.GCM.V1", Sixteen, "\\x"),
        (&["cloak-iv12"], "AES.GCM.V1", Twelve, ""),
    ] {
        kinds.push(Old::new(options, BASE64_KEY, move |secret| {
            let row = cloak::encrypt(&key(HEX_KEY), label, iv_len, secret).unwrap();
            value(format!("{mark}{}", Encoding::HexLower.encode(&row)))
        }));
    }
    for (options, layout, iv_len, key_text, with) in [
        (&["langwatch"][..], Layout::HEX_IV12_CIPHERTEXT_TAG, Twelve, HEX_KEY, HEX_KEY),
        (
            &["formbricks", "--key-as", "hex"],
            Layout::HEX_IV16_CIPHERTEXT_TAG,
            Sixteen,
            HEX_KEY,
            HEX_KEY,
        ),
        (&["go", "--key-as", "base64"], GO, Twelve, BASE64_KEY, HEX_KEY),
        (&["java", "--key-as", "hex"], GO, Twelve, HEX_KEY, HEX_KEY),
        (
            &["php", "--key-as", "base64"],
            Layout::BASE64_IV12_TAG_CIPHERTEXT_JOINED,
            Twelve,
            BASE64_KEY,
            HEX_KEY,
        ),
    ] {
        kinds.push(Old::new(options, key_text, move |secret| {
            text(&key(with), layout, iv_len, secret)
        }));
    }
    kinds.push(Old::new(&["infisical"], RAW_KEY, |secret| {
        let key = TripletKey::from_bytes(&mut RAW_KEY.as_bytes().to_vec()).unwrap();
        columns(&key.encrypt(secret, Sixteen).unwrap(), Encoding::Base64)
    }));
    kinds.push(Old::new(&["rails"], HEX_KEY, |secret| {
        value(rails(&key(HEX_KEY), secret, json!({})).to_string())
    }));
    kinds.push(Old::new(&["rails-envelope"], HEX_KEY, |secret| {
        let wrapped = rails(&key(HEX_KEY), &Secret::from(&data_key()), json!({}));
        let own = TripletKey::from_bytes(&mut data_key()).unwrap();
        value(rails(&own, secret, json!({"k": wrapped})).to_string())
    }));
    kinds.push(Old::new(&["bytes", "--key-as", "hex"], HEX_KEY, |secret| {
        let row = key(HEX_KEY).encrypt(secret, Twelve).unwrap();
        let bytes = [row.iv(), row.ciphertext(), row.tag()].concat();
        Row::from([("value", json!({"type": "Buffer", "data": bytes}).to_string())])
    }));
    kinds.push(n8n());
    kinds.push(Old::new(&["typebot"], RAW_KEY, |secret| {
        let key = TripletKey::from_bytes(&mut RAW_KEY.as_bytes().to_vec()).unwrap();
        let row = key.encrypt(secret, Twelve).unwrap();
        let ([iv, _], [_, data]) =
            (row.to_joined(Encoding::HexLower), row.to_joined(Encoding::Base64));
        [("iv", iv), ("ciphertext", data)].into()
    }));
    kinds
}

pub(super) fn n8n() -> Old {
    let options = ["n8n", "--wrapped-key-env", "OLD_WRAPPED_KEY"];
    let mut old = Old::new(&options, PASSPHRASE, |secret| {
        value(n8n::encrypt(&key(HEX_KEY), "KEYID0123456789ab", secret).unwrap())
    });
    let wrapped = n8n::encrypt(&hashed(PASSPHRASE), "x", &Secret::from(HEX_KEY)).unwrap();
    old.wrapped = Some(wrapped.strip_prefix("x:").unwrap().to_owned());
    old
}

#[test]
fn every_layout_is_imported_to_the_byte() {
    let credentials = [
        format!("{CANARY}-1"),
        format!("{{\"key\": \"{CANARY} with spaces, é and a line end\"}}\r\n"),
        format!("-----BEGIN X-----\n{CANARY}{0}\n{0}\n-----END X-----\n", "A1b2".repeat(500)),
    ];
    let mut names = BTreeSet::new();
    for old in every_kind() {
        let (sandbox, keys) = new();
        names.insert(old.options[1]);
        let lines = credentials
            .iter()
            .zip(0..)
            .map(|(credential, n)| line(json!(n), &owner(n), &old.row(credential)));
        let file = export(&sandbox, lines);
        let ran = old.import(&sandbox, &keys, &[&file]).expect_code(0);
        let expected =
            format!("3 rows imported, 0 rows already imported, 0 rows quarantined\n{NO_CONTEXT}\n");
        assert_eq!(ran.stdout, expected, "{:?}", old.options);
        let weak = [
            "sha256",
            "raw",
            "typebot",
            "litellm-v2",
            "litellm-v3",
            "sqlalchemy-utils",
            "n8n",
            "infisical",
        ];
        let warned = old.options.iter().any(|option| weak.contains(option));
        assert_eq!(ran.stderr.lines().count(), usize::from(warned), "{ran:#?}");
        assert_eq!(ran.stderr.contains("only as strong as that text"), warned);
        assert!(!quarantine_of(&file).exists());
        for (credential, n) in credentials.iter().zip(0..) {
            let opened = in_vault(&sandbox, &keys, &owner(n)).unwrap();
            assert!(opened == Secret::from(credential), "{:?}", old.options);
        }
        let script = format!("test \"$OPENAI_API_KEY\" = {CANARY}-1");
        let run =
            ["run", "--tenant", "tenant-0", "--provider", "openai", "--", "sh", "-c", &script];
        sandbox.vault(&keys, &run).expect_code(0);
        let bytes = fs::read(sandbox.db()).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()));
        // A second run finds all of them in the vault.
        let before = dump(&sandbox);
        old.import(&sandbox, &keys, &[&file])
            .expect_code(0)
            .expect_in_stdout("0 rows imported, 3 rows already imported");
        assert_eq!(dump(&sandbox), before);
    }
    assert_eq!(names, CATALOGUE.iter().map(|named| named.name).collect());
}

#[test]
fn a_row_of_one_layout_is_no_row_of_another() {
    let form = |old: &Old| Named::find(old.options[1]).unwrap().declaration().unwrap().cells;
    let kinds = every_kind();
    let rows: Vec<_> = kinds.iter().map(|old| old.row(&credential(0))).collect();
    let mut refused = 0;
    for old in &kinds {
        let (sandbox, keys) = new();
        let columns: Vec<_> = old.row(&credential(0)).into_keys().collect();
        // The kinds with the same columns, most of them in another form.
        let alike: Vec<_> = kinds
            .iter()
            .zip(&rows)
            .zip(0..)
            .filter(|((_, row), _)| row.keys().eq(&columns))
            .collect();
        let lines = alike.iter().map(|((_, row), n)| line(json!(n), &owner(*n), row));
        let file = export(&sandbox, lines);
        let ran = old.import(&sandbox, &keys, &[&file]);
        assert!(!ran.stdout.starts_with("0 rows imported"), "{ran:#?}");
        for ((other, _), n) in &alike {
            if form(other) != form(old) {
                let found = in_vault(&sandbox, &keys, &owner(*n));
                assert!(found.is_none(), "{:?} took {:?}", old.options, other.options);
                refused += 1;
            }
        }
    }
    // This detects a mistake in the choice of pairs that leaves nothing to refuse.
    assert!(refused > 400, "{refused}");
}

#[test]
fn what_is_wrapped_is_told_apart_from_the_row() {
    let (sandbox, keys) = new();
    let old = Old::new(&["envelope-base64", "--key-as", "hex"], HEX_KEY, |secret| {
        envelope(secret, &data_key(), Encoding::Base64)
    });
    let good = old.row(&credential(0));
    let wrap = |plaintext: &[u8]| {
        let wrapped = key(HEX_KEY).encrypt(&Secret::from(plaintext), IvLen::Twelve).unwrap();
        let [iv, wrapped] = wrapped.to_joined(Encoding::Base64);
        let mut row = good.clone();
        row.extend([("wrapped_key", wrapped), ("wrapped_key_iv", iv)]);
        row
    };
    let change = |column: &'static str, text: &str| {
        let mut row = good.clone();
        row.insert(column, text.to_owned());
        row
    };
    let bad = [
        (
            wrap(b"sk-canary of 31 bytes, no key.."),
            "not-of-the-layout",
            "wrapped_key, {wrapped-key+wrapped-tag:base64} at byte 0: expected 48 bytes, found 47",
        ),
        (wrap(&[7; 32]), "no-key", "in the wrapped key: the unwrapped value is not a key: "),
        (wrap(&[9; 33]), "not-of-the-layout", "wrapped_key, {wrapped-key+wrapped-tag:base64} at"),
        (
            change("wrapped_key_iv", "QEFC"),
            "not-of-the-layout",
            "wrapped_key_iv, {wrapped-iv:base64} at byte 0: expected 12 or 16 bytes, found 3",
        ),
        (
            change("wrapped_key_iv", "QEFCQ0RFRkdISUpL"),
            "not-authentic",
            "in the wrapped key: the tag does not verify",
        ),
        (
            change("iv", "QEFC"),
            "not-of-the-layout",
            "iv, {iv:base64} at byte 0: expected 12 or 16 bytes",
        ),
        (change("iv", "QEFCQ0RFRkdISUpL"), "not-authentic", "the tag does not verify"),
        (
            change("ciphertext", "QEFC"),
            "not-of-the-layout",
            "ciphertext, {ct+tag:base64} at byte 0: expected at least 16 bytes, found 3",
        ),
    ];
    let lines = bad.iter().zip(0..).map(|((row, _, _), n)| line(json!(n), &owner(n), row));
    let file = export(&sandbox, lines);
    let ran = old.import(&sandbox, &keys, &[&file]).expect_code(14);
    for (entry, (_, reason, detail)) in quarantined(quarantine_of(&file)).iter().zip(&bad) {
        let said = &entry["quarantined"];
        assert_eq!(said["reason"], json!(reason));
        assert!(said["detail"].as_str().unwrap().starts_with(detail), "{said}");
        assert!(ran.stdout.contains(detail));
    }
    assert!(!sandbox.db().exists(), "a vault was created without need");
}

#[test]
fn the_bytes_of_cloak_are_hex_of_either_case() {
    let (sandbox, keys) = new();
    let old = Old::new(&["cloak-iv16"], BASE64_KEY, |secret| {
        let row = cloak::encrypt(&key(HEX_KEY), "AES.GCM.V1", IvLen::Sixteen, secret).unwrap();
        value(Encoding::HexLower.encode(&row).to_uppercase())
    });
    let other_label = |n: u64| {
        let secret = Secret::from(credential(n));
        let row = cloak::encrypt(&key(HEX_KEY), "Other", IvLen::Sixteen, &secret).unwrap();
        line(json!(n), &owner(n), &value(Encoding::HexLower.encode(&row)))
    };
    let lines = [
        old.line(0),
        old.line(1).replacen("\"01", "\"\\\\x01", 1),
        old.line(2).replacen("\"01", "\"0x01", 1),
        old.line(3).replacen("\"01", "\"1", 1),
        other_label(4),
    ];
    let file = export(&sandbox, lines);
    old.import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("2 rows imported")
        .expect_in_stdout("expected hex, two digits per byte")
        .expect_in_stdout("value: the constant bytes in {0x010a+");
    assert_eq!(sandbox.assert_rows_open(&keys), 2);
    // The explanation of the layout, with another label.
    let cell = "value=[\\x]{0x0105+\"Other\"+iv16+tag+ct:hex-any-case}";
    let options = vec!["--cell", cell, "--bound-to", "AES256GCM", "--key-as", "base64"];
    let other = Old { options, ..old };
    other
        .import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("1 row imported, 0 rows already imported");
    assert_eq!(sandbox.assert_rows_open(&keys), 3);
}

#[test]
fn every_explanation_is_what_the_name_stands_for() {
    let (sandbox, keys) = new();
    for (n, old) in every_kind().into_iter().enumerate() {
        let name = old.options[1];
        let explained = sandbox.without_keys(&["import", "--explain", name]).expect_code(0).stdout;
        let (about, options) = explained.split_once('\n').unwrap();
        assert!(about.starts_with(&format!("{name}: ")));
        let form = old.options.get(3).copied().unwrap_or_default();
        let options = options.replace("FORM", form);
        let file = export(&sandbox, [old.line(0)]);
        let wrapped = if old.wrapped.is_some() { "--wrapped-key-env OLD_WRAPPED_KEY" } else { "" };
        // As a shell reads them.
        let script = format!(
            "exec \"$0\" --db \"$1\" import --key-env OLD_KEY {wrapped} \"$2\" {}",
            options.trim_end()
        );
        let db = sandbox.path(&format!("{n}.db"));
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_byok-vault")]).arg(db).arg(&file);
        command
            .env("SEALWAX_KEYS", &keys.0)
            .env("SEALWAX_AUDIT_KEY", audit_key())
            .env("OLD_KEY", old.key);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        if let Some(wrapped) = &old.wrapped {
            command.env("OLD_WRAPPED_KEY", wrapped);
        }
        sandbox.finish(command, b"").expect_code(0).expect_in_stdout("1 row imported");
    }
}

#[test]
fn help_and_readme_tell_every_layout_and_what_cannot_be_told() {
    let help = Sandbox::new().without_keys(&["import", "--help"]).expect_code(0).stdout;
    let flowing = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = include_str!("../../../IMPORT.md");
    assert!(flowing.contains(NO_CONTEXT));
    assert!(page.split_whitespace().collect::<Vec<_>>().join(" ").contains(NO_CONTEXT));
    for named in &CATALOGUE {
        let declaration = named.declaration().unwrap();
        let columns = declaration.columns();
        let said = format!("- {}: {} [{}]", named.name, named.about, columns.join(", "));
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flowing.contains(&said), "no {said:?} in --help");
    }
    assert!(flowing.contains("No file is ever replaced"));
}
