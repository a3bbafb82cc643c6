//! `import`: every layout, bad rows, kills, keys, files.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use byok_vault::import::NO_CONTEXT;
use byok_vault::layout::LAYOUTS;
use byok_vault::row::{Owner, Place};
use byok_vault::store::{Access, Store};
use rusqlite::{Connection, OpenFlags};
use sealwax::Secret;
use sealwax::legacy::litellm::{self, Version};
use sealwax::legacy::{cloak, n8n};
use sealwax::triplet::{Encoding, IvLen, Layout, Triplet, TripletKey};
use serde_json::{Value, json};

use crate::sandbox::{CANARY, Change, Keys, Ran, Sandbox, credential, owner, searched};

const HEX_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const BASE64_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// 32 characters, used as they are.
const RAW_KEY: &str = "thirty-two characters of a text!";
const OTHER_HEX_KEY: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const PASSPHRASE: &str = " correct horse é ";
/// Stands in every text that is a key here, but for those that are hex and base64.
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

type Row = BTreeMap<&'static str, String>;

/// A program that encrypts, and how its rows are imported.
struct Old {
    options: Vec<&'static str>,
    key: &'static str,
    wrapped: Option<String>,
    encrypt: Box<dyn Fn(&Secret) -> Row>,
}

impl Old {
    fn new(
        options: &[&'static str],
        key: &'static str,
        encrypt: impl Fn(&Secret) -> Row + 'static,
    ) -> Self {
        let options = [&["--layout"], options].concat();
        Self { options, key, wrapped: None, encrypt: Box::new(encrypt) }
    }

    fn row(&self, credential: &str) -> Row {
        (self.encrypt)(&Secret::from(credential))
    }

    fn line(&self, n: u64) -> String {
        line(json!(n), &owner(n), &self.row(&credential(n)))
    }

    /// The program with the key in its environment, not started yet.
    fn command(&self, sandbox: &Sandbox, keys: &Keys, arguments: &[&str]) -> Command {
        let import = [&["import", "--key-env", "OLD_KEY"], &self.options[..], arguments].concat();
        let mut command = sandbox.command(Some(keys), &import);
        command.env("OLD_KEY", self.key);
        command.env_remove("OLD_WRAPPED_KEY");
        if let Some(wrapped) = &self.wrapped {
            command.env("OLD_WRAPPED_KEY", wrapped);
        }
        command
    }

    #[track_caller]
    fn import(&self, sandbox: &Sandbox, keys: &Keys, arguments: &[&str]) -> Ran {
        let ran = sandbox.finish(self.command(sandbox, keys, arguments), b"");
        assert!(!ran.stdout.contains(self.key.trim()) && !ran.stderr.contains(self.key.trim()));
        ran
    }
}

fn line(id: Value, owner: &Owner, row: &Row) -> String {
    let mut object = json!({"id": id, "tenant": owner.tenant, "provider": owner.provider});
    for (name, text) in row {
        object[name] = json!(text);
    }
    object.to_string()
}

fn key(hex: &str) -> TripletKey {
    TripletKey::from_hex(hex).unwrap()
}

fn hashed(text: &str) -> TripletKey {
    TripletKey::insecure_sha256_of(text)
}

fn value(text: String) -> Row {
    Row::from([("value", text)])
}

fn text(key: &TripletKey, layout: Layout, iv_len: IvLen, secret: &Secret) -> Row {
    value(key.encrypt(secret, iv_len).unwrap().encode(layout).unwrap())
}

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

/// LobeChat, for tests that need no layout in particular.
fn lobechat() -> Old {
    let layout = Layout::HEX_IV12_TAG_CIPHERTEXT;
    Old::new(&["lobechat"], BASE64_KEY, move |secret| {
        text(&key(HEX_KEY), layout, IvLen::Twelve, secret)
    })
}

fn langfuse() -> Old {
    let layout = Layout::HEX_IV12_CIPHERTEXT_TAG;
    Old::new(&["langfuse"], HEX_KEY, move |secret| {
        text(&key(HEX_KEY), layout, IvLen::Twelve, secret)
    })
}

/// Every layout, and each way to give its key.
fn every_kind() -> Vec<Old> {
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
        (&["cloak-iv12", "--label", "Ours"], "Ours", Twelve, "\\x"),
    ] {
        kinds.push(Old::new(options, BASE64_KEY, move |secret| {
            let row = cloak::encrypt(&key(HEX_KEY), label, iv_len, secret).unwrap();
            value(format!("{mark}{}", Encoding::HexLower.encode(&row)))
        }));
    }
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

fn n8n() -> Old {
    let options = ["n8n", "--wrapped-key-env", "OLD_WRAPPED_KEY"];
    let mut old = Old::new(&options, PASSPHRASE, |secret| {
        value(n8n::encrypt(&key(HEX_KEY), "KEYID0123456789ab", secret).unwrap())
    });
    let wrapped = n8n::encrypt(&hashed(PASSPHRASE), "x", &Secret::from(HEX_KEY)).unwrap();
    old.wrapped = Some(wrapped.strip_prefix("x:").unwrap().to_owned());
    old
}

fn export(sandbox: &Sandbox, lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let text: String = lines.into_iter().map(|line| format!("{}\n", line.as_ref())).collect();
    write(sandbox, "export.jsonl", text.as_bytes())
}

fn write(sandbox: &Sandbox, name: &str, bytes: &[u8]) -> String {
    let path = sandbox.path(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The quarantine file's lines.
fn quarantined(path: impl AsRef<Path>) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn quarantine_of(file: &str) -> PathBuf {
    PathBuf::from(format!("{file}.quarantine.jsonl"))
}

/// Line and reason of each row in quarantine.
fn reasons(path: impl AsRef<Path>) -> Vec<(u64, String)> {
    let pair = |line: &Value| {
        let reason = &line["quarantined"];
        (reason["line"].as_u64().unwrap(), reason["reason"].as_str().unwrap().to_owned())
    };
    quarantined(path).iter().map(pair).collect()
}

fn files(sandbox: &Sandbox) -> BTreeSet<OsString> {
    fs::read_dir(sandbox.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect()
}

fn is_unfinished(name: &OsString) -> bool {
    name.to_string_lossy().ends_with(".unfinished")
}

/// All that is in the vault, to the byte.
fn dump(sandbox: &Sandbox) -> Vec<Vec<rusqlite::types::Value>> {
    let database = Connection::open(sandbox.db()).unwrap();
    let mut statement = database
        .prepare("SELECT *, (SELECT max(seq) FROM sqlite_sequence) FROM credentials ORDER BY id")
        .unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|n| row.get(n)).collect()).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn in_vault(sandbox: &Sandbox, keys: &Keys, owner: &Owner) -> Option<Secret> {
    let store = Store::open(&sandbox.db(), Access::Read).unwrap();
    store.find(owner).unwrap().map(|row| row.open(&keys.keyring()).unwrap())
}

fn new() -> (Sandbox, Keys) {
    (Sandbox::new(), Keys::primary("k"))
}

#[test]
fn every_layout_is_imported_to_the_byte() {
    let credentials = [
        format!("{CANARY}-1"),
        format!("{CANARY} with spaces, é and a line end\r\n"),
        format!("-----BEGIN {CANARY}-----\n{}\n", "A1b2".repeat(500)),
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
        let warned = old.options.contains(&"sha256");
        assert_eq!(ran.stderr.lines().count(), usize::from(warned), "{ran:#?}");
        assert_eq!(ran.stderr.contains("as weak as the text"), warned);
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
        // A second run finds them all.
        let before = dump(&sandbox);
        old.import(&sandbox, &keys, &[&file])
            .expect_code(0)
            .expect_in_stdout("0 rows imported, 3 rows already imported");
        assert_eq!(dump(&sandbox), before);
    }
    assert_eq!(names, LAYOUTS.iter().map(|layout| layout.name).collect());
}

#[test]
fn a_row_of_one_layout_is_no_row_of_another() {
    let (sandbox, keys) = new();
    let rows: Vec<_> = every_kind().iter().map(|old| old.row(&credential(0))).collect();
    for old in every_kind() {
        let mine = old.row(&credential(0));
        let alike: BTreeSet<_> = mine.keys().collect();
        // Those with the same columns, in another form.
        let others = rows.iter().filter(|row| row.keys().collect::<BTreeSet<_>>() == alike);
        let lines: Vec<_> =
            others.zip(0..).map(|(row, n)| line(json!(n), &owner(n), row)).collect();
        let file = export(&sandbox, &lines);
        old.import(&sandbox, &keys, &[&file, "--dry-run"]);
        let ran = old.import(&sandbox, &keys, &[&file]);
        // What opened is the credential; nothing else came in.
        let imported: u64 = ran.stdout.split(' ').next().unwrap().parse().unwrap();
        assert!(imported > 0, "{ran:#?}");
        let store = Store::open(&sandbox.db(), Access::Read).unwrap();
        let keyring = keys.keyring();
        store
            .for_each(|row| {
                assert!(row.open(&keyring)? == Secret::from(credential(0)));
                Ok(())
            })
            .unwrap();
        fs::remove_file(sandbox.db()).unwrap();
    }
}

#[test]
fn a_row_is_stored_as_put_does_it() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let row = old.row(&format!("{CANARY}-1"));
    let own = |n: u64, provider: &str, env: Value| {
        let owner = Owner { tenant: format!("tenant-{n}"), provider: provider.to_owned() };
        let mut object: Value = serde_json::from_str(&line(json!(n), &owner, &row)).unwrap();
        object["env"] = env;
        object["created_at"] = json!(["not", "looked", "at", 1.5]);
        object.to_string()
    };
    let file = export(
        &sandbox,
        [own(0, "google", Value::Null), own(1, "x-ai", json!("OURS")), old.line(2)],
    );
    old.import(&sandbox, &keys, &[&file]).expect_code(0).expect_in_stdout("3 rows imported");
    let listed = sandbox.vault(&keys, &["list", "--json"]).expect_code(0).json();
    let variables: Vec<_> = (0..3).map(|n| listed[n]["variable"].as_str().unwrap()).collect();
    assert_eq!(variables, ["GEMINI_API_KEY", "OURS", "OPENAI_API_KEY"]);
    for n in 0..3 {
        assert_eq!(listed[n]["revision"], json!(1));
        assert_eq!(listed[n]["row"], json!(n + 1));
        assert_eq!(listed[n]["state"], json!("current"));
        assert!(listed[n]["age_seconds"].as_i64().unwrap() < 600);
    }
    let run = ["run", "--tenant", "tenant-1", "--provider", "x-ai", "--", "sh", "-c"];
    let script = format!("test \"$OURS\" = {CANARY}-1");
    sandbox.vault(&keys, &[&run[..], &[&script]].concat()).expect_code(0);
}

fn flipped(text: &str, at: usize) -> String {
    let mut text = text.to_owned();
    let other = if text.get(at..=at) == Some("0") { "1" } else { "0" };
    text.replace_range(at..=at, other);
    text
}

#[test]
fn bad_rows_are_quarantined_with_their_reason_and_stop_nothing() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let row = |n: u64, row: &Row| line(json!(n), &owner(n), row);
    let good = |n: u64| old.row(&credential(n))["value"].clone();
    let with = |n: u64, field: &str, content: Value| {
        let mut object: Value = serde_json::from_str(&old.line(n)).unwrap();
        object[field] = content;
        object.to_string()
    };
    let without = |n: u64, field: &str| {
        let mut object: Value = serde_json::from_str(&old.line(n)).unwrap();
        object.as_object_mut().unwrap().remove(field).unwrap();
        object.to_string()
    };
    let stranger = |n: u64| {
        let secret = Secret::from(credential(n));
        text(&key(OTHER_HEX_KEY), Layout::HEX_IV12_TAG_CIPHERTEXT, IvLen::Twelve, &secret)
    };
    let short_tag = |n: u64| {
        let parts: Vec<_> = good(n).split(':').map(str::to_owned).collect();
        format!("{}:{}:{}", parts[0], parts[1].get(..8).unwrap(), parts[2])
    };
    let bad: Vec<(String, &str, &str)> = vec![
        (row(0, &value(short_tag(0))), "not-of-the-layout", "tag at byte 25: expected 32 lower"),
        (row(1, &value(flipped(&good(1), 0))), "not-authentic", "another key, another layout"),
        (row(2, &value(flipped(&good(2), 26))), "not-authentic", "altered"),
        (row(3, &value(flipped(&good(3), 60))), "not-authentic", "altered"),
        (row(4, &stranger(4)), "not-authentic", "another key"),
        (row(5, &value(credential(5))), "not-of-the-layout", "row at byte "),
        (row(6, &value(String::new())), "not-of-the-layout", "row at byte 0"),
        (row(7, &old.row("")), "empty", "nothing"),
        (row(8, &old.row(&format!("{CANARY}\0x"))), "credential-refused", "a NUL byte"),
        (row(9, &old.row(&CANARY.repeat(8000))), "credential-refused", "longer than 65536"),
        (
            row(10, &{
                let secret = Secret::from(&b"sk-canary\xff"[..]);
                text(&key(HEX_KEY), Layout::HEX_IV12_TAG_CIPHERTEXT, IvLen::Twelve, &secret)
            }),
            "credential-refused",
            "not UTF-8",
        ),
        (credential(11), "not-json", "not JSON at byte"),
        (old.line(12).get(..40).unwrap().to_owned(), "not-json", "ends in the middle"),
        ("[1]".to_owned(), "not-json", "not an object"),
        (format!("{}{}", old.line(13), old.line(13)), "not-json", "not JSON at byte"),
        (without(14, "id"), "field", "id is missing"),
        (without(15, "tenant"), "field", "tenant is missing"),
        (without(16, "provider"), "field", "provider is missing"),
        (without(17, "value"), "field", "value is missing"),
        (with(18, "id", json!(1.5)), "field", "id: expected a string or an integer"),
        (with(19, "tenant", json!(7)), "field", "tenant: expected a string"),
        (with(20, "value", json!([CANARY])), "field", "value: expected a string"),
        (with(21, "value", Value::Null), "field", "value: expected a string"),
        (with(22, "env", json!(true)), "field", "env: expected a string"),
        (with(23, "tenant", json!("")), "name", "tenant: a name has 1 to 200"),
        (with(24, "tenant", json!(" acme")), "name", "tenant: a name has no control"),
        (with(25, "provider", json!("a\u{1b}[2J")), "name", "provider: a name has no control"),
        (with(26, "env", json!("1A")), "name", "env: a variable's name"),
        (with(27, "env", json!("SEALWAX_KEYS")), "name", "env: commands never see"),
        (with(28, "id", json!("")), "name", "id: a name has 1 to 200"),
        (with(29, "id", json!("x".repeat(201))), "name", "id: a name has 1 to 200"),
        (
            old.line(30).replacen("{", "{\"tenant\":\"other\",", 1),
            "field",
            "tenant stands there twice",
        ),
        (
            old.line(31).replacen("{", "{\"env\":null,\"env\":\"OURS\",", 1),
            "field",
            "env stands there twice",
        ),
    ];
    let mut lines: Vec<String> = bad.iter().map(|(line, _, _)| line.clone()).collect();
    // Good rows between the bad ones.
    let good_lines: Vec<String> = (100..110).map(|n| old.line(n)).collect();
    for (at, line) in good_lines.iter().enumerate() {
        lines.insert(at * 4, line.clone());
    }
    let expected: Vec<_> = lines
        .iter()
        .zip(1..)
        .filter_map(|(line, number)| {
            bad.iter().find(|(other, _, _)| other == line).map(|bad| (number, bad))
        })
        .collect();
    assert_eq!(expected.len(), bad.len());
    let file = export(&sandbox, &lines);
    let mut quarantines = Vec::new();
    for (arguments, first_line) in [
        (&["--dry-run"][..], "10 rows would be imported, 0 rows already imported, "),
        (&["--batch-size", "3"], "10 rows imported, 0 rows already imported, "),
        (&[], "0 rows imported, 10 rows already imported, "),
    ] {
        let ran = old.import(&sandbox, &keys, &[&[file.as_str()], arguments].concat());
        let ran = ran.expect_code(14).expect_in_stdout(NO_CONTEXT);
        assert!(ran.stdout.starts_with(first_line), "{ran:#?}");
        assert!(!ran.stdout.contains('\u{1b}'));
        assert_eq!(ran.stdout.matches("    line ").count(), bad.len(), "{ran:#?}");
        for (number, (_, _, detail)) in &expected {
            let line = ran
                .stdout
                .lines()
                .find(|line| {
                    line.starts_with(&format!("    line {number},"))
                        || line.starts_with(&format!("    line {number} "))
                        || line.starts_with(&format!("    line {number}:"))
                })
                .unwrap();
            assert!(line.contains(detail), "no {detail:?} in {line:?}");
        }
        if arguments == ["--dry-run"] {
            assert!(!sandbox.db().exists() && !quarantine_of(&file).exists());
            continue;
        }
        ran.expect_in_stdout("line 2, id 0 (tenant tenant-0, provider openai): tag at byte 25")
            .expect_in_stdout(&format!("{} rows in the quarantine file", bad.len()))
            .expect_in_stdout(quarantine_of(&file).to_str().unwrap());
        let found = reasons(quarantine_of(&file));
        let reasons: Vec<_> =
            expected.iter().map(|(number, bad)| (*number, bad.1.to_owned())).collect();
        assert_eq!(found, reasons);
        for (found, (_, bad)) in quarantined(quarantine_of(&file)).iter().zip(&expected) {
            assert!(found["quarantined"]["detail"].as_str().unwrap().contains(bad.2));
        }
        // Each original is in it as it was, to the byte, or as a text.
        let text = fs::read_to_string(quarantine_of(&file)).unwrap();
        for (line, (_, bad)) in text.lines().zip(&expected) {
            let original =
                if bad.1 == "not-json" { json!(bad.0).to_string() } else { bad.0.clone() };
            assert!(line.ends_with(&format!(",\"row\":{original}}}")), "{line}");
        }
        quarantines.push(text);
        assert_eq!(sandbox.assert_rows_open(&keys), 10);
    }
    assert_eq!(quarantines[0], quarantines[1], "a second run quarantines the same");

    // The quarantine of the quarantine has the same rows for the same reasons.
    let first = quarantine_of(&file);
    old.import(&sandbox, &keys, &[first.to_str().unwrap()])
        .expect_code(14)
        .expect_in_stdout("0 rows imported, 0 rows already imported");
    let second = quarantined(quarantine_of(first.to_str().unwrap()));
    for (line, (before, number)) in second.iter().zip(quarantined(&first).iter().zip(1..)) {
        assert_eq!(line["row"], before["row"]);
        assert_eq!(line["quarantined"]["reason"], before["quarantined"]["reason"]);
        assert_eq!(line["quarantined"]["id"], before["quarantined"]["id"]);
        assert_eq!(line["quarantined"]["line"], json!(number));
    }
    assert_eq!(second.len(), bad.len());
    assert_eq!(fs::read_to_string(&first).unwrap(), quarantines[0], "what is imported stays");
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
        (wrap(b"sk-canary of 31 bytes, no key.."), "no-key", "in wrapped_key: what was unwrapped"),
        (wrap(&[7; 32]), "no-key", "in wrapped_key"),
        (wrap(&[9; 33]), "no-key", "in wrapped_key"),
        (change("wrapped_key_iv", "QEFC"), "not-of-the-layout", "in wrapped_key: iv at byte 0"),
        (
            change("wrapped_key_iv", "QEFCQ0RFRkdISUpL"),
            "not-authentic",
            "in wrapped_key: not authentic",
        ),
        (change("iv", "QEFC"), "not-of-the-layout", "iv at byte 0"),
        (change("iv", "QEFCQ0RFRkdISUpL"), "not-authentic", "not authentic"),
        (change("ciphertext", "QEFC"), "not-of-the-layout", "tag at byte 0"),
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
    assert!(!sandbox.db().exists(), "a vault was made for nothing");
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
        .expect_in_stdout("expected hex, two digits a byte")
        .expect_in_stdout("label at byte 2: expected the label that was declared");
    assert_eq!(sandbox.assert_rows_open(&keys), 2);
    old.import(&sandbox, &keys, &[&file, "--label", "Other"])
        .expect_code(14)
        .expect_in_stdout("1 row imported, 0 rows already imported");
    assert_eq!(sandbox.assert_rows_open(&keys), 3);
}

#[test]
fn a_second_run_changes_nothing() {
    let (sandbox, keys) = new();
    let old = langfuse();
    let file = export(&sandbox, (0..20).map(|n| old.line(n)).chain(["{}".to_owned()]));
    old.import(&sandbox, &keys, &[&file, "--batch-size", "7"])
        .expect_code(14)
        .expect_in_stdout("20 rows imported, 0 rows already imported");
    // As if it were long ago, so that a write could not go unseen.
    Connection::open(sandbox.db())
        .unwrap()
        .execute("UPDATE credentials SET created_at = 7, updated_at = 7", [])
        .unwrap();
    let (before, bytes) = (dump(&sandbox), fs::read(sandbox.db()).unwrap());
    let quarantine = fs::read(quarantine_of(&file)).unwrap();
    for arguments in [&[][..], &["--batch-size", "1"], &["--dry-run"]] {
        old.import(&sandbox, &keys, &[&[file.as_str()], arguments].concat())
            .expect_code(14)
            .expect_in_stdout("already imported")
            .expect_in_stdout(", 20 rows already imported");
        assert_eq!(dump(&sandbox), before);
        assert!(fs::read(sandbox.db()).unwrap() == bytes, "the file changed");
        assert!(fs::read(quarantine_of(&file)).unwrap() == quarantine);
    }

    // Also after a new master key: what is compared is the credential.
    let change = Change::new();
    let (sandbox, file) = (Sandbox::new(), String::new() + &file);
    old.import(&sandbox, &change.before, &[&file]).expect_code(14);
    sandbox.vault(&change.both, &["rotate"]).expect_code(0);
    let before = dump(&sandbox);
    old.import(&sandbox, &change.after, &[&file])
        .expect_code(14)
        .expect_in_stdout("0 rows imported, 20 rows already imported");
    assert_eq!(dump(&sandbox), before);
}

const ROWS: u64 = 3_000;
const BATCH: u64 = 10;
/// Every so many rows, one is under another key.
const STRANGE: u64 = 100;

fn many(sandbox: &Sandbox, old: &Old) -> String {
    let stranger = key(OTHER_HEX_KEY);
    let layout = Layout::HEX_IV12_TAG_CIPHERTEXT;
    let lines = (0..ROWS).map(|n| match n % STRANGE {
        99 => {
            let secret = Secret::from(credential(n));
            line(json!(n), &owner(n), &text(&stranger, layout, IvLen::Twelve, &secret))
        }
        _ => old.line(n),
    });
    export(sandbox, lines)
}

fn start(sandbox: &Sandbox, keys: &Keys, old: &Old, file: &str) -> Child {
    let batch = BATCH.to_string();
    old.command(sandbox, keys, &[file, "--batch-size", &batch]).spawn().unwrap()
}

/// Rows that anybody can see in the table, once there is one.
fn stored(sandbox: &Sandbox) -> u64 {
    let count = || {
        let database =
            Connection::open_with_flags(sandbox.db(), OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
        let sql = "SELECT count(*) FROM credentials";
        database.query_row(sql, [], |row| row.get::<_, i64>(0)).ok()
    };
    count().unwrap_or(0).try_into().unwrap()
}

#[test]
fn killed_anywhere_no_row_is_lost_and_the_next_run_finishes() {
    let old = lobechat();
    let good = ROWS - ROWS / STRANGE;
    let mut killed_in_the_middle = 0;
    for rows_to_wait_for in [0, 1, 500, 1_300, good - 20 * BATCH] {
        let (sandbox, keys) = new();
        let file = many(&sandbox, &old);
        let mut import = start(&sandbox, &keys, &old, &file);
        while stored(&sandbox) < rows_to_wait_for && import.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(300));
        }
        import.kill().unwrap();
        let finished = import.wait().unwrap().code().is_some();
        let done = stored(&sandbox);
        assert!(done >= rows_to_wait_for);
        let whole_batches = (0..=ROWS / BATCH).map(|n| n * BATCH - n * BATCH / STRANGE);
        assert!(whole_batches.into_iter().any(|rows| rows == done), "half of a batch: {done}");
        if done > 0 {
            assert_eq!(sandbox.assert_rows_open(&keys), done, "a row does not open");
        }
        if !finished && done > 0 && done < good {
            killed_in_the_middle += 1;
            assert!(!quarantine_of(&file).exists(), "half of a quarantine is in place");
        }

        let ran = old.import(&sandbox, &keys, &[&file]).expect_code(14);
        let grouped = byok_vault::wording::rows;
        let first_line =
            format!("{} imported, {} already imported, ", grouped(good - done), grouped(done));
        assert!(ran.stdout.starts_with(&first_line), "no {first_line:?} in {ran:#?}");
        assert_eq!(sandbox.assert_rows_open(&keys), good);
        let strange: Vec<_> =
            (1..=ROWS / STRANGE).map(|n| (n * STRANGE, "not-authentic".to_owned())).collect();
        assert_eq!(reasons(quarantine_of(&file)), strange);
        // What the run that was killed had begun to write is gone.
        let unfinished = files(&sandbox);
        assert!(!unfinished.iter().any(is_unfinished), "{unfinished:?}");
    }
    assert!(killed_in_the_middle >= 3, "only {killed_in_the_middle} kills hit an import at work");
}

#[test]
fn killed_again_and_again_it_still_gets_there() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let file = many(&sandbox, &old);
    let mut kills = 0;
    loop {
        let before = stored(&sandbox);
        let mut import = start(&sandbox, &keys, &old, &file);
        while stored(&sandbox) < before + 400 && import.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(300));
        }
        import.kill().unwrap();
        if import.wait().unwrap().code().is_some() {
            break;
        }
        kills += 1;
        assert!(stored(&sandbox) > before, "a run that was killed made no progress");
    }
    assert!(kills >= 2, "{kills} kills");
    assert_eq!(sandbox.assert_rows_open(&keys), ROWS - ROWS / STRANGE);
    assert_eq!(quarantined(quarantine_of(&file)).len(), 30);
}

#[test]
fn two_at_once_import_each_row_once() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let file = many(&sandbox, &old);
    let first = start(&sandbox, &keys, &old, &file);
    // The second one is to find what the first is writing, and leave it.
    let is_begun = || files(&sandbox).iter().any(is_unfinished);
    while !is_begun() {
        thread::sleep(Duration::from_millis(1));
    }
    let both = [first, start(&sandbox, &keys, &old, &file)];
    let imported: Vec<u64> = both
        .into_iter()
        .map(|import| {
            let ran = searched(import.wait_with_output().unwrap()).expect_code(14);
            ran.stdout.split(' ').next().unwrap().replace(',', "").parse().unwrap()
        })
        .collect();
    assert_eq!(imported.iter().sum::<u64>(), ROWS - ROWS / STRANGE, "{imported:?}");
    assert_eq!(sandbox.assert_rows_open(&keys), ROWS - ROWS / STRANGE);
    assert_eq!(quarantined(quarantine_of(&file)).len(), 30);
}

#[test]
fn an_unfinished_quarantine_that_somebody_writes_is_left_alone() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let file = export(&sandbox, [old.line(0)]);
    let name =
        |random| sandbox.path(&format!(".export.jsonl.quarantine.jsonl.{random}.unfinished"));
    let held = fs::File::create(name("abc123")).unwrap();
    held.try_lock().unwrap();
    fs::write(name("def456"), "left by a run that was killed").unwrap();
    fs::write(sandbox.path(".other.jsonl.def456.unfinished"), "of another file").unwrap();
    old.import(&sandbox, &keys, &[&file]).expect_code(0);
    assert!(name("abc123").exists());
    assert!(!name("def456").exists());
    assert!(sandbox.path(".other.jsonl.def456.unfinished").exists());
}

#[test]
fn a_database_that_fails_in_the_middle_keeps_what_is_finished() {
    let (sandbox, keys) = new();
    let old = lobechat();
    sandbox.fill(&keys, 1);
    let database = Connection::open(sandbox.db()).unwrap();
    database
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON credentials WHEN new.tenant = 'tenant-7'
             BEGIN SELECT RAISE(ABORT, 'no'); END;",
        )
        .unwrap();
    let lines = ["{}".to_owned()].into_iter().chain((1..10).map(|n| old.line(n)));
    let file = export(&sandbox, lines);
    let arguments = [file.as_str(), "--batch-size", "2"];
    let earlier = "{\"quarantined\":{},\"row\":\"of an earlier run\"}";
    fs::write(quarantine_of(&file), earlier).unwrap();
    let before = files(&sandbox);
    old.import(&sandbox, &keys, &arguments).expect_code(13);
    // {} and 1, 2 and 3, 4 and 5; not 6 and 7.
    assert_eq!(sandbox.assert_rows_open(&keys), 6);
    assert_eq!(fs::read_to_string(quarantine_of(&file)).unwrap(), earlier);
    assert_eq!(files(&sandbox), before);
    database.execute_batch("DROP TRIGGER full").unwrap();
    old.import(&sandbox, &keys, &arguments)
        .expect_code(14)
        .expect_in_stdout("4 rows imported, 5 rows already imported")
        .expect_in_stdout("in place of the file of an earlier run");
    assert_eq!(sandbox.assert_rows_open(&keys), 10);
}

#[test]
fn rows_of_two_keys_come_in_by_way_of_the_quarantine() {
    let (sandbox, keys) = new();
    let first = langfuse();
    let second = Old::new(&["langfuse"], OTHER_HEX_KEY, |secret| {
        text(&key(OTHER_HEX_KEY), Layout::HEX_IV12_CIPHERTEXT_TAG, IvLen::Twelve, secret)
    });
    let lines = (0..12).map(|n| if n % 3 == 0 { &second } else { &first }.line(n));
    let file = export(&sandbox, lines);
    first
        .import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("8 rows imported, 0 rows already imported")
        .expect_in_stdout("4 rows quarantined: not authentic")
        .expect_in_stdout("id 3 (tenant tenant-3, provider openai)")
        .expect_in_stdout("import the quarantine file with that one");
    let quarantine = quarantine_of(&file);
    assert!(!fs::read_to_string(&quarantine).unwrap().contains(CANARY));
    let ran = second.import(&sandbox, &keys, &[quarantine.to_str().unwrap()]).expect_code(0);
    assert!(ran.stdout.starts_with("4 rows imported, 0 rows already imported, "));
    assert_eq!(sandbox.assert_rows_open(&keys), 12);
    assert!(!quarantine_of(quarantine.to_str().unwrap()).exists());
    assert_eq!(quarantined(&quarantine).len(), 4, "what was imported from is left");
}

#[test]
fn a_corrected_quarantine_is_imported() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let mut nameless: Value = serde_json::from_str(&old.line(0)).unwrap();
    nameless["tenant"] = json!("");
    let truncated = old.line(1).replacen('}', "", 1);
    let file = export(&sandbox, [nameless.to_string(), truncated]);
    old.import(&sandbox, &keys, &[&file]).expect_code(14).expect_in_stdout("0 rows imported");
    let mut lines = quarantined(quarantine_of(&file));
    lines[0]["row"]["tenant"] = json!("tenant-0");
    // Within the text, and with line ends in it.
    lines[1]["row"] = json!(lines[1]["row"].as_str().unwrap().replace(",\"", ",\n\"") + "}");
    let corrected = format!("{}\n{}\n", lines[0], lines[1]);
    fs::write(quarantine_of(&file), &corrected).unwrap();
    let corrected = quarantine_of(&file);
    let corrected = corrected.to_str().unwrap();
    // With the wrong key first: the line ends do not break the next quarantine.
    let stranger = Old { key: "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ..lobechat() };
    stranger.import(&sandbox, &keys, &[corrected]).expect_code(14);
    let again = quarantine_of(corrected);
    assert_eq!(quarantined(&again).len(), 2);
    old.import(&sandbox, &keys, &[again.to_str().unwrap()])
        .expect_code(0)
        .expect_in_stdout("2 rows imported");
    assert_eq!(sandbox.assert_rows_open(&keys), 2);
    old.import(&sandbox, &keys, &[corrected])
        .expect_code(0)
        .expect_in_stdout("0 rows imported, 2 rows already imported");
}

#[test]
fn a_dry_run_writes_nothing_anywhere() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let other = |n: u64, of: u64| line(json!(n), &owner(of), &old.row(&credential(n)));
    let same = |n: u64, of: u64| line(json!(n), &owner(of), &old.row(&credential(of)));
    let lines = [old.line(0), old.line(1), same(2, 0), other(3, 1), "{}".to_owned(), same(4, 1)];
    let file = export(&sandbox, &lines);
    let before = files(&sandbox);
    let would = old
        .import(&sandbox, &keys, &[&file, "--dry-run"])
        .expect_code(14)
        .expect_in_stdout("2 rows would be imported, 2 rows already imported")
        .expect_in_stdout("1 row would be quarantined: the vault has another credential")
        .expect_in_stdout("1 row would be quarantined: a field is missing")
        .expect_in_stdout(NO_CONTEXT);
    assert_eq!(files(&sandbox), before);

    let does = old.import(&sandbox, &keys, &[&file]).expect_code(14);
    assert!(does.stdout.starts_with("2 rows imported, 2 rows already imported, "));
    let count = |ran: &Ran| ran.stdout.matches("    line ").count();
    assert_eq!(count(&would), count(&does));

    // With a vault: it says what a run would do to it.
    let more = export(&sandbox, (0..5).map(|n| old.line(n + 100)).chain(lines));
    fs::remove_file(quarantine_of(&file)).unwrap();
    let (rows, bytes) = (dump(&sandbox), fs::read(sandbox.db()).unwrap());
    old.import(&sandbox, &keys, &[&more, "--dry-run"])
        .expect_code(14)
        .expect_in_stdout("5 rows would be imported, 4 rows already imported");
    assert_eq!(dump(&sandbox), rows);
    assert!(fs::read(sandbox.db()).unwrap() == bytes);
    assert!(!quarantine_of(&file).exists());
}

#[test]
fn another_credential_is_never_overwritten() {
    let (sandbox, keys) = new();
    let old = lobechat();
    sandbox.fill(&keys, 3);
    let before = dump(&sandbox);
    let other = line(json!("a-7"), &owner(1), &old.row(&credential(77)));
    let file = export(&sandbox, [&old.line(0), &other, &old.line(2)]);
    let says = "the vault has another credential for this tenant and provider";
    for arguments in [&["--dry-run"][..], &[], &[]] {
        old.import(&sandbox, &keys, &[&[file.as_str()], arguments].concat())
            .expect_code(14)
            .expect_in_stdout(", 2 rows already imported")
            .expect_in_stdout(says)
            .expect_in_stdout(
                "line 2, id \"a-7\" (tenant tenant-1, provider openai): it is in row 2",
            );
        assert_eq!(dump(&sandbox), before);
    }
    let entry = &quarantined(quarantine_of(&file))[0];
    assert_eq!(entry["quarantined"]["reason"], json!("another-credential"));
    assert_eq!(entry["quarantined"]["id"], json!("a-7"));
    assert_eq!(entry["row"], serde_json::from_str::<Value>(&other).unwrap());
}

#[test]
fn a_row_of_the_vault_that_does_not_open_is_left_as_it_is() {
    let (sandbox, keys) = new();
    let old = lobechat();
    sandbox.fill(&keys, 3);
    sandbox.overwrite(1, "null");
    let place = Place { id: 3, owner: owner(2), env_name: "OPENAI_API_KEY".to_owned() };
    let foreign = place.seal(&Keys::primary("f").keyring(), &Secret::from(credential(2))).unwrap();
    sandbox.overwrite(2, &foreign);
    let before = dump(&sandbox);
    let file = export(&sandbox, (0..4).map(|n| old.line(n)));
    old.import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("1 row imported, 1 row already imported")
        .expect_in_stdout("2 rows quarantined: the vault's own row does not open")
        .expect_in_stdout("row 3 of the vault: ");
    assert_eq!(
        dump(&sandbox)[..3].iter().map(|row| &row[..8]).collect::<Vec<_>>(),
        before.iter().map(|row| &row[..8]).collect::<Vec<_>>()
    );
    let reason = "vault-row".to_owned();
    assert_eq!(reasons(quarantine_of(&file)), [(2, reason.clone()), (3, reason)]);
}

#[test]
fn two_lines_of_one_owner_are_one_credential_or_a_question() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let of = |id: Value, secret: u64| line(id, &owner(5), &old.row(&credential(secret)));
    let lines =
        [of(json!(1), 5), of(json!(2), 5), of(json!(3), 6), of(json!(1), 5), of(json!(4), 5)];
    let file = export(&sandbox, lines);
    for (batch, first_line) in [
        ("500", "1 row imported, 3 rows already imported, "),
        ("1", "0 rows imported, 4 rows already imported, "),
    ] {
        let ran = old.import(&sandbox, &keys, &[&file, "--batch-size", batch]).expect_code(14);
        assert!(ran.stdout.starts_with(first_line), "{ran:#?}");
        assert_eq!(reasons(quarantine_of(&file)), [(3, "another-credential".to_owned())]);
        assert_eq!(sandbox.assert_rows_open(&keys), 1);
    }
}

#[test]
fn an_id_that_stands_twice_is_a_mistake_for_all_its_rows() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let row = |id: Value, n: u64| line(id, &owner(n), &old.row(&credential(n)));
    let lines = [
        row(json!(1), 1),
        row(json!(2), 2),
        row(json!(1), 3),
        // Another type, so another id.
        row(json!("2"), 4),
        row(json!(1), 1),
        row(json!(5), 5),
        // The owner of this one is not told.
        row(json!(5), 5).replace("tenant-5", ""),
    ];
    let file = export(&sandbox, lines);
    let ran = old
        .import(&sandbox, &keys, &[&file, "--batch-size", "1"])
        .expect_code(14)
        .expect_in_stdout("2 rows imported, 0 rows already imported")
        .expect_in_stdout("4 rows quarantined: an id stands twice")
        .expect_in_stdout("tenant-1, provider openai): lines 1 and 3 have this id")
        .expect_in_stdout("tenant-3, provider openai): lines 3 and 1 have this id")
        .expect_in_stdout("tenant-1, provider openai): lines 5 and 3 have this id")
        .expect_in_stdout("tenant-5, provider openai): lines 6 and 7 have this id");
    assert!(ran.stdout.contains("take the other line out of the quarantine file"));
    let twice = |n| (n, "id-twice".to_owned());
    let expected = [twice(1), twice(3), twice(5), twice(6), (7, "name".to_owned())];
    assert_eq!(reasons(quarantine_of(&file)), expected);
    assert!(in_vault(&sandbox, &keys, &owner(1)).is_none());

    // The quarantine on its own does not make them good ...
    let quarantine = quarantine_of(&file);
    old.import(&sandbox, &keys, &[quarantine.to_str().unwrap()])
        .expect_code(14)
        .expect_in_stdout("0 rows imported, 0 rows already imported");
    // ... a decision does.
    let text = fs::read_to_string(&quarantine).unwrap();
    let kept: Vec<_> = text.lines().filter(|line| !line.contains("\"tenant-3\"")).collect();
    fs::write(&quarantine, kept[..2].join("\n")).unwrap();
    old.import(&sandbox, &keys, &[quarantine.to_str().unwrap()])
        .expect_code(0)
        .expect_in_stdout("1 row imported, 1 row already imported");
    assert_eq!(sandbox.assert_rows_open(&keys), 3);
}

#[test]
fn a_placeholder_key_is_refused_unless_it_is_asked_for() {
    let (sandbox, keys) = new();
    let row = |n: u64| {
        let secret = Secret::from(credential(n));
        let key = TripletKey::insecure_repeated_byte(0);
        text(&key, Layout::HEX_IV12_CIPHERTEXT_TAG, IvLen::Twelve, &secret)
    };
    let file = export(&sandbox, (0..2).map(|n| line(json!(n), &owner(n), &row(n))));
    let old = Old { key: ZEROS, ..langfuse() };
    old.import(&sandbox, &keys, &[&file])
        .expect_code(3)
        .expect_in_stderr("a placeholder")
        .expect_in_stderr("treat their credentials as leaked")
        .expect_in_stderr("--insecure-placeholder-key");
    assert!(!sandbox.db().exists());
    let accepted = [file.as_str(), "--insecure-placeholder-key"];
    for arguments in [&["--dry-run"][..], &[]] {
        old.import(&sandbox, &keys, &[&accepted[..], arguments].concat())
            .expect_code(0)
            .expect_in_stdout("2 rows ")
            .expect_in_stdout("treat every credential of this file as leaked");
    }
    assert_eq!(sandbox.assert_rows_open(&keys), 2);

    // The permission alone says nothing about a good key.
    let file = export(&sandbox, [langfuse().line(7)]);
    let ran = langfuse().import(&sandbox, &keys, &[&file, "--insecure-placeholder-key"]);
    assert!(!ran.expect_code(0).stdout.contains("leaked"));
}

#[test]
fn a_key_that_is_missing_or_malformed_is_3_and_not_repeated() {
    let (sandbox, keys) = new();
    let file = export(&sandbox, [langfuse().line(0)]);
    let import = ["import", "--layout", "langfuse", "--key-env", "OLD_KEY", &file];
    let says = |value: Option<OsString>, text: &str| {
        let mut command = sandbox.command(Some(&keys), &import);
        match &value {
            Some(value) => command.env("OLD_KEY", value),
            None => command.env_remove("OLD_KEY"),
        };
        let ran = sandbox.finish(command, b"").expect_code(3).expect_in_stderr(text);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("next: "));
        let value = value.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
        assert!(value.get(..8).is_none_or(|part| !ran.stderr.contains(part)), "{ran:#?}");
        assert!(!sandbox.db().exists());
    };
    says(None, "is not set, or empty");
    says(Some("".into()), "is not set, or empty");
    for malformed in [
        BASE64_KEY.into(),
        HEX_KEY.get(1..).unwrap().to_owned(),
        format!("{HEX_KEY}\n"),
        format!(" {HEX_KEY}"),
        format!("\"{HEX_KEY}\""),
        format!("0x{}", HEX_KEY.get(2..).unwrap()),
        credential(0),
    ] {
        says(Some(malformed.into()), "expected 64 hex digits");
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let bytes = OsString::from_vec(b"secretsecret\xff\xfe".to_vec());
        says(Some(bytes), "is not UTF-8 text");
    }

    // n8n's second key, and the keyring.
    for (wrapped, text) in [
        (None, "--wrapped-key-env names is not set"),
        (Some("AAAA".to_owned()), "the key from --wrapped-key-env is refused: "),
        (n8n().wrapped.map(|value| flipped(&value, 30)), "not authentic"),
    ] {
        let old = Old { wrapped, ..n8n() };
        old.import(&sandbox, &keys, &[&file]).expect_code(3).expect_in_stderr(text);
    }
    let old = Old { key: "another instance key", ..n8n() };
    old.import(&sandbox, &keys, &[&file]).expect_code(3).expect_in_stderr("not authentic");
    langfuse().import(&sandbox, &Keys(String::new()), &[&file]).expect_code(3);
    langfuse().import(&sandbox, &Keys("primary k swk1_".to_owned()), &[&file]).expect_code(3);
    assert!(!sandbox.db().exists() && !quarantine_of(&file).exists());
}

#[test]
fn a_key_in_place_of_a_variables_name_is_2_or_3_and_not_repeated() {
    let (sandbox, keys) = new();
    let file = export(&sandbox, [langfuse().line(0)]);
    for (name, code) in [
        (HEX_KEY, 2),
        (BASE64_KEY, 2),
        ("SEALWAX_KEYS", 2),
        ("", 2),
        ("sk-canary", 2),
        ("abcdefab", 3),
    ] {
        for option in ["--key-env", "--wrapped-key-env"] {
            let given = [option, name];
            let rest: &[&str] = match option {
                "--key-env" => &["--layout", "langfuse", &file],
                _ => &["--layout", "n8n", "--key-env", "OLD_KEY", &file],
            };
            let import = [&["import"], &given[..], rest].concat();
            let mut command = sandbox.command(Some(&keys), &import);
            command.env("OLD_KEY", PASSPHRASE);
            let ran = sandbox.finish(command, b"").expect_code(code).expect_in_stderr(option);
            assert!(name.is_empty() || name == "SEALWAX_KEYS" || !ran.stderr.contains(name));
        }
    }
    // There is no option for a key, and what was given to it is not repeated.
    let import = ["import", "--layout", "langfuse", &format!("--key={HEX_KEY}"), &file];
    let ran = sandbox.vault(&keys, &import).expect_code(2);
    assert!(!ran.stderr.contains(HEX_KEY));
    assert!(!sandbox.db().exists());
}

#[test]
fn options_go_with_their_layouts() {
    let (sandbox, keys) = new();
    let file = export(&sandbox, [lobechat().line(0)]);
    for old in every_kind() {
        let layout = &old.options[1];
        let mut options = old.options.clone();
        let declared = options.iter().position(|option| *option == "--key-as");
        if let Some(at) = declared {
            options.drain(at..at + 2);
        } else {
            options.extend(["--key-as", "hex"]);
        }
        let says = |options: Vec<&'static str>, text: &str| {
            let old = Old { options, wrapped: Some("x".to_owned()), ..langfuse() };
            old.import(&sandbox, &keys, &[&file])
                .expect_code(2)
                .expect_in_stderr(text)
                .expect_in_stderr(layout);
        };
        says(options, if declared.is_some() { "needs --key-as" } else { "--key-as does not go" });
        if !layout.starts_with("cloak") {
            says([&old.options[..], &["--label", "x"]].concat(), "--label does not go");
        }
        if *layout != "n8n" {
            let stray = ["--wrapped-key-env", "X"];
            says([&old.options[..], &stray].concat(), "--wrapped-key-env does not go");
        }
    }
    let says = |arguments: &[&'static str]| {
        let old = Old { options: arguments.to_vec(), ..langfuse() };
        old.import(&sandbox, &keys, &[&file]).expect_code(2)
    };
    says(&["--layout", "n8n"]).expect_in_stderr("--layout n8n needs --wrapped-key-env");
    says(&["--layout", "hex"]);
    says(&[]);
    says(&["--layout", "cloak-iv16", "--label", ""]);
    says(&["--layout", "langfuse", "--batch-size", "0"]);
    says(&["--layout", "columns-hex", "--key-as", "guess"]);
    assert!(!sandbox.db().exists());
}

#[test]
fn the_quarantine_file_is_private_and_replaces_only_its_like() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let file = export(&sandbox, [old.line(0), "{}".to_owned()]);
    let place = write(&sandbox, "q.jsonl", b"");
    let arguments = [file.as_str(), "--quarantine", &place];
    old.import(&sandbox, &keys, &arguments).expect_code(14).expect_in_stdout("in place of");
    assert!(!quarantine_of(&file).exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o644)).unwrap();
        old.import(&sandbox, &keys, &arguments).expect_code(14);
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
    }

    // Nothing to quarantine: the file of an earlier run stays, and that is said.
    let before = fs::read(&place).unwrap();
    let good = write(&sandbox, "good.jsonl", old.line(0).as_bytes());
    old.import(&sandbox, &keys, &[&good, "--quarantine", &place])
        .expect_code(0)
        .expect_in_stdout("the quarantine file of an earlier run is left as it was")
        .expect_in_stdout(&place);
    assert!(fs::read(&place).unwrap() == before);

    // Another program's file is never overwritten.
    for other in ["primary k swk1_...\n", "{\"quarantined\":true}\n", &(old.line(3) + "\n"), "\0"] {
        fs::write(&place, other).unwrap();
        for more in [&[][..], &["--dry-run"]] {
            old.import(&sandbox, &keys, &[&arguments[..], more].concat())
                .expect_code(5)
                .expect_in_stderr("is no quarantine file");
        }
        assert_eq!(fs::read_to_string(&place).unwrap(), other);
    }
    let directory = sandbox.directory.path().to_str().unwrap();
    old.import(&sandbox, &keys, &[&file, "--quarantine", directory]).expect_code(5);
}

#[test]
fn the_quarantine_is_never_what_is_imported_nor_the_vault() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let file = export(&sandbox, [old.line(0), "{}".to_owned()]);
    let before = fs::read(&file).unwrap();
    let directory = sandbox.directory.path().to_str().unwrap();
    fs::create_dir(sandbox.path("sub")).unwrap();
    let mut same = vec![
        file.clone(),
        format!("{directory}/./export.jsonl"),
        format!("{directory}/sub/../export.jsonl"),
        format!("{directory}/sub/../vault.db"),
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&file, sandbox.path("link.jsonl")).unwrap();
        fs::hard_link(&file, sandbox.path("hard.jsonl")).unwrap();
        same.extend([format!("{directory}/link.jsonl"), format!("{directory}/hard.jsonl")]);
    }
    for place in &same {
        for more in [&[][..], &["--dry-run"]] {
            let arguments = [file.as_str(), "--quarantine", place];
            old.import(&sandbox, &keys, &[&arguments[..], more].concat())
                .expect_code(2)
                .expect_in_stderr("name another file with --quarantine");
        }
        assert!(fs::read(&file).unwrap() == before);
    }
    // Before anything is read: also where there is nothing to read.
    let missing = format!("{directory}/missing.jsonl");
    let arguments = [missing.as_str(), "--quarantine", &missing];
    old.import(&sandbox, &keys, &arguments).expect_code(2);
    assert!(!sandbox.db().exists());

    // Relative names, too.
    let mut command = old.command(&sandbox, &keys, &["export.jsonl", "--quarantine", &file]);
    command.current_dir(directory);
    sandbox.finish(command, b"").expect_code(2);
    let mut command = old.command(&sandbox, &keys, &["export.jsonl"]);
    command.current_dir(directory);
    sandbox.finish(command, b"").expect_code(14).expect_in_stdout(" export.jsonl.quarantine.jsonl");
    assert_eq!(reasons(quarantine_of(&file)), [(2, "field".to_owned())]);
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_written_is_7_and_nothing_has_happened() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    let (sandbox, keys) = new();
    let old = lobechat();
    let shut = sandbox.path("shut");
    fs::create_dir(&shut).unwrap();
    let file = write(&sandbox, "shut/export.jsonl", format!("{}\n{{}}\n", old.line(0)).as_bytes());
    // The superuser may write anyway, so the program must not run as that.
    let program = sandbox.path("byok-vault");
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_byok-vault")).arg(&program);
    assert!(copy.status().unwrap().success());
    let root = fs::metadata(&program).unwrap().uid() == 0;
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(sandbox.directory.path(), fs::Permissions::from_mode(0o777)).unwrap();

    let import = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        let options = ["import", "--layout", "lobechat", "--key-env", "OLD_KEY"];
        command.arg("--db").arg(sandbox.db()).args(options).args(arguments);
        command.env("SEALWAX_KEYS", &keys.0).env("OLD_KEY", BASE64_KEY);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        if root {
            command.uid(65_534).gid(65_534);
        }
        sandbox.finish(command, b"")
    };
    import(&[&file]).expect_code(7).expect_in_stderr("creating the quarantine file");
    assert!(!sandbox.db().exists(), "rows were imported before the quarantine was sure");
    // A dry run does not need it, and another place helps.
    import(&[&file, "--dry-run"]).expect_code(14);
    let place = sandbox.path("q.jsonl");
    import(&[&file, "--quarantine", place.to_str().unwrap()]).expect_code(14);
    assert_eq!(reasons(place), [(2, "field".to_owned())]);
    // What cannot be read.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    import(&[&file, "--dry-run"]).expect_code(7).expect_in_stderr("reading");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_file_that_cannot_be_read_is_7() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let directory = sandbox.directory.path().to_str().unwrap();
    let place = sandbox.path("q.jsonl");
    for file in [&format!("{directory}/missing.jsonl"), directory] {
        let arguments = [file, "--quarantine", place.to_str().unwrap()];
        old.import(&sandbox, &keys, &arguments).expect_code(7).expect_in_stderr(file);
    }
    assert!(files(&sandbox).is_empty());
    // A vault that is none is told before anything is written.
    fs::write(sandbox.db(), "this is no database at all, only a text file").unwrap();
    let file = export(&sandbox, [old.line(0)]);
    old.import(&sandbox, &keys, &[&file]).expect_code(13);
    old.import(&sandbox, &keys, &[&file, "--dry-run"]).expect_code(13);
    assert!(!quarantine_of(&file).exists());
}

#[test]
fn line_ends_blank_lines_and_a_byte_order_mark_are_taken() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let text = format!(
        "\u{feff}{}\r\n\r\n  \n {} \n\t\r\n[]\r\n{}",
        old.line(0),
        old.line(1),
        old.line(2)
    );
    let file = write(&sandbox, "export.jsonl", text.as_bytes());
    old.import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("3 rows imported, 0 rows already imported")
        .expect_in_stdout("    line 6: JSON, but not an object");
    assert_eq!(sandbox.assert_rows_open(&keys), 3);
    assert_eq!(quarantined(quarantine_of(&file))[0]["row"], json!("[]"));

    for empty in [&b""[..], b"\n\r\n \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"] {
        let (sandbox, keys) = new();
        let file = write(&sandbox, "export.jsonl", empty);
        old.import(&sandbox, &keys, &[&file]).expect_code(0).expect_in_stdout("0 rows imported");
        assert!(!sandbox.db().exists() && !quarantine_of(&file).exists());
    }
}

#[test]
fn what_is_no_text_is_kept_byte_for_byte() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let line = old.line(0).replace("tenant-0", "Zo@").into_bytes();
    let line: Vec<u8> = line.iter().map(|&byte| if byte == b'@' { 0xeb } else { byte }).collect();
    let file = write(&sandbox, "export.jsonl", &line);
    let says = "not UTF-8 after byte";
    old.import(&sandbox, &keys, &[&file]).expect_code(14).expect_in_stdout(says);
    let first = quarantine_of(&file);
    old.import(&sandbox, &keys, &[first.to_str().unwrap()]).expect_code(14).expect_in_stdout(says);
    assert!(!sandbox.db().exists(), "a tenant of another name was imported");
    let second = quarantined(quarantine_of(first.to_str().unwrap()));
    assert_eq!(second[0]["row_hex"], json!(Encoding::HexLower.encode(&line)));
}

#[test]
fn a_line_that_is_too_long_is_counted_and_not_copied() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let most = 32 * 1024 * 1024;
    let fill = |n: u64, length: usize| {
        let line = old.line(n);
        let padding = "x".repeat(length - line.len() - ",\"x\":\"\"".len());
        line.replacen('}', &format!(",\"x\":\"{padding}\"}}"), 1)
    };
    let too_long = format!("{CANARY}{}", "y".repeat(2 * most));
    let lines = [
        old.line(0),
        too_long,
        fill(1, most),
        fill(2, most + 1),
        // It can be read, but not with what a quarantine puts around it.
        fill(3, most).replace("tenant-3", ""),
        old.line(4),
    ];
    let file = export(&sandbox, lines);
    old.import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("3 rows imported, 0 rows already imported")
        .expect_in_stdout("2 rows quarantined: too long")
        .expect_in_stdout("    line 2: longer than 32 MiB")
        .expect_in_stdout("    line 4: longer than 32 MiB")
        .expect_in_stdout("its content is not in the quarantine file");
    assert_eq!(sandbox.assert_rows_open(&keys), 3);
    let first = quarantine_of(&file);
    let text = fs::read_to_string(&first).unwrap();
    assert!(text.len() < 2_000 && !text.contains(CANARY));
    for (entry, (line, reason)) in
        quarantined(&first).iter().zip([(2, "too-long"), (4, "too-long"), (5, "name")])
    {
        assert_eq!(entry["quarantined"]["line"], json!(line));
        assert_eq!(entry["quarantined"]["reason"], json!(reason));
        assert_eq!(entry["row"], Value::Null);
        let where_it_is = format!("it stands in line {line} of {file}");
        assert!(entry["quarantined"]["detail"].as_str().unwrap().contains(&where_it_is));
    }
    // Imported again, the lines say where their rows are as before.
    old.import(&sandbox, &keys, &[first.to_str().unwrap()])
        .expect_code(14)
        .expect_in_stdout("3 rows quarantined: too long");
    assert_eq!(fs::read_to_string(quarantine_of(first.to_str().unwrap())).unwrap(), text);
}

#[test]
fn standard_input_is_read_and_needs_a_place_for_the_quarantine() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let stranger = line(json!(0), &owner(9), &old.row(&credential(9)));
    // Twice the same id: also what comes through a pipe is looked at as a whole.
    let text = [old.line(0), old.line(1), stranger, "{}".to_owned()].join("\n");
    sandbox
        .finish(old.command(&sandbox, &keys, &["-"]), text.as_bytes())
        .expect_code(2)
        .expect_in_stderr("--quarantine");
    let place = sandbox.path("q.jsonl");
    let arguments = ["-", "--quarantine", place.to_str().unwrap()];
    for (more, first_line) in [
        (&["--dry-run"][..], "1 row would be imported, 0 rows already imported"),
        (&[], "1 row imported, 0 rows already imported"),
        (&[], "0 rows imported, 1 row already imported"),
    ] {
        let command = old.command(&sandbox, &keys, &[&arguments[..], more].concat());
        sandbox.finish(command, text.as_bytes()).expect_code(14).expect_in_stdout(first_line);
    }
    let twice = "id-twice".to_owned();
    assert_eq!(reasons(place), [(1, twice.clone()), (3, twice), (4, "field".to_owned())]);
    assert_eq!(sandbox.assert_rows_open(&keys), 1);
}

#[cfg(unix)]
#[test]
fn a_pipe_with_a_name_is_read_like_a_file() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let pipe = sandbox.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let place = sandbox.path("q.jsonl");
    let arguments = [pipe.to_str().unwrap(), "--quarantine", place.to_str().unwrap()];
    let import = old.command(&sandbox, &keys, &arguments).spawn().unwrap();
    fs::write(&pipe, old.line(0)).unwrap();
    let ran = searched(import.wait_with_output().unwrap());
    ran.expect_code(0).expect_in_stdout("1 row imported");
}

#[test]
fn help_and_readme_tell_every_layout_and_what_cannot_be_told() {
    let help = Sandbox::new().without_keys(&["import", "--help"]).expect_code(0).stdout;
    let flowing = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let readme = include_str!("../../README.md");
    assert!(flowing.contains(NO_CONTEXT));
    assert!(readme.split_whitespace().collect::<Vec<_>>().join(" ").contains(NO_CONTEXT));
    for layout in &LAYOUTS {
        let told = format!("- {}: {} ", layout.name, layout.about);
        assert!(format!("{flowing} ").contains(&told), "no {told:?} in --help");
        let columns: Vec<_> = layout.columns().iter().map(|name| format!("`{name}`")).collect();
        let row = format!(
            "| `{}` | {} | {} | {} |",
            layout.name,
            layout.about,
            columns.join(", "),
            layout.key.about()
        );
        assert!(readme.contains(&row), "README.md has no line\n{row}");
    }
    assert!(flowing.contains("The file of an earlier run is replaced"));
}
