//! Accidents that nobody reported yet, of the kinds in the cases from the field.
//!
//! Each test was written from what a careful user expects, without a look at the code. The rows were made by Python's
//! `cryptography` (AESGCM): the key is 00 01 .. 1f, unless a test has another, and an IV is the start of SHA-256 of
//! `accident N`.

mod credentials;
mod envelopes;
mod files;
mod forms;
mod keys;
mod rows;

use std::fs;

use byok_vault::store::{Access, Store};

use crate::import::{export, quarantine_of, quarantined};
use crate::sandbox::{Keys, Ran, Sandbox};

const HEX_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const BASE64_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const CREDENTIAL: &str = "sk-canary-0123456789abcdefghijklmnop";
const COLONS: [&str; 4] = ["--layout", "hex-iv12-tag-ct", "--key-as", "hex"];

/// A row under HEX_KEY.
const ROW: &str = r#"{"id": 1, "tenant": "t1", "provider": "openai", "value": "c79e7a700a96cbf7530de152:54632a02cf5bc071b8d8837e59c4549d:0fd85fa5168ff2615e0b0735ad6fb1f9a10afddf4a3cfd971ce59b7a3d9e68cf92fa9147"}"#;

fn new() -> (Sandbox, Keys) {
    (Sandbox::new(), Keys::primary("k"))
}

#[track_caller]
fn import(sandbox: &Sandbox, keys: &Keys, key: &str, options: &[&str], lines: &[&str]) -> Ran {
    let file = export(sandbox, lines);
    let arguments = [&["import", "--key-env", "OLD_KEY"], options, &[&file]].concat();
    let mut command = sandbox.command(Some(keys), &arguments);
    command.env("OLD_KEY", key);
    let ran = sandbox.finish(command, b"");
    // Shorter texts may be a word of a message.
    if key.len() > 16 {
        assert!(!ran.stdout.contains(key) && !ran.stderr.contains(key), "the old key was printed");
    }
    ran
}

/// Asserts that the output has one of these texts: how a message says it is open, that it says it is not.
#[track_caller]
fn tells(ran: &Ran, words: &[&str]) {
    let said = format!("{}{}", ran.stdout, ran.stderr).to_lowercase();
    assert!(
        words.iter().any(|word| said.contains(&word.to_lowercase())),
        "none of {words:?} in {ran:#?}"
    );
}

/// Returns each tenant with its credential.
fn opened(sandbox: &Sandbox, keys: &Keys) -> Vec<(String, String)> {
    let keyring = keys.keyring();
    let mut credentials = Vec::new();
    let store = Store::open(&sandbox.db(), Access::Read).unwrap();
    store
        .for_each(|row| {
            let secret = row.open(&keyring)?;
            credentials
                .push((row.place.owner.tenant.clone(), secret.expose_str().unwrap().to_owned()));
            Ok(())
        })
        .unwrap();
    credentials
}

/// Asserts that all of these rows are imported, and open to [`CREDENTIAL`].
#[track_caller]
fn assert_imports(key: &str, options: &[&str], lines: &[&str]) {
    let (sandbox, keys) = new();
    import(&sandbox, &keys, key, options, lines).expect_code(0);
    let credentials = opened(&sandbox, &keys);
    assert_eq!(credentials.len(), lines.len());
    assert!(
        credentials.iter().all(|(_, credential)| credential == CREDENTIAL),
        "a wrong credential"
    );
}

/// Asserts that none of these rows is imported, and that the quarantine file has each of them unchanged.
#[track_caller]
fn assert_quarantines(key: &str, options: &[&str], lines: &[&str]) -> Ran {
    let (sandbox, keys) = new();
    let ran = import(&sandbox, &keys, key, options, lines).expect_code(14);
    assert!(!sandbox.db().exists(), "a vault without a row");
    let kept = quarantined(quarantine_of(sandbox.path("export.jsonl").to_str().unwrap()));
    let rows: Vec<serde_json::Value> = kept.iter().map(|line| line["row"].clone()).collect();
    let expected: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows, expected);
    ran
}

/// Asserts that each of these rows, which open to the text beside it, looks like no credential.
#[track_caller]
fn assert_suspicious(rows: &[(&str, &str)]) {
    let (sandbox, keys) = new();
    let lines: Vec<&str> = rows.iter().map(|(_, line)| *line).collect();
    let ran = import(&sandbox, &keys, HEX_KEY, &COLONS, &lines);
    let missed: Vec<&str> = (1..)
        .zip(rows)
        .filter(|(n, _)| !ran.stdout.contains(&format!("suspicious: line {n},")))
        .map(|(_, (text, _))| *text)
        .collect();
    assert!(missed.is_empty(), "stored without a doubt: {missed:?}");
    ran.expect_code(14);
}

/// Asserts that this text is no key in this form, and that nothing was written.
#[track_caller]
fn refused_key(text: &str, form: &str) -> Ran {
    let (sandbox, keys) = new();
    let options = ["--layout", "hex-iv12-tag-ct", "--key-as", form];
    let ran = import(&sandbox, &keys, text, &options, &[ROW]).expect_code(3);
    assert!(!sandbox.db().exists());
    ran
}

/// Asserts that `audit` says of a row that a column cut it off, and what to do first.
#[track_caller]
fn cut_at(length: usize, mark: &str) {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("prod-2026"));
    sandbox.fill(&keys, 1);
    // A long key, such as a token of a project: its envelope has more than 600 characters.
    let envelope = sandbox.seal(&keys, 0, &format!("sk-canary-{}", "0123456789abcdef".repeat(20)));
    let cut: String = envelope.chars().take(length).collect();
    sandbox.overwrite(0, &format!("{cut}{mark}"));
    sandbox
        .vault(&keys, &["audit"])
        .expect_code(12)
        .expect_in_stdout("cut off")
        .expect_in_stdout("remove the limit");
}

/// Asserts that a text is no keyring, and that the message says why.
#[track_caller]
fn keyring_text(change: impl Fn(&str) -> String, words: &[&str]) {
    let (sandbox, keys) = new();
    sandbox.fill(&keys, 1);
    let ran = sandbox.vault(&Keys(change(keys.0.trim())), &["audit"]).expect_code(3);
    tells(&ran, words);
}

/// Returns what `audit` says of an envelope after this change, in a vault that has no other.
fn changed(sandbox: &Sandbox, keys: &Keys, change: impl Fn(&str) -> String) -> Ran {
    sandbox.fill(keys, 1);
    let envelope = change(&sandbox.envelope(0));
    sandbox.overwrite(0, &envelope);
    sandbox.vault(keys, &["audit"])
}

/// Asserts that `audit` names what is around the envelope and `repair --trim`, which then takes it away.
#[track_caller]
fn repaired(change: impl Fn(&str) -> String) {
    let (sandbox, keys) = new();
    let ran = changed(&sandbox, &keys, change).expect_code(12);
    ran.expect_in_stdout("around the envelope").expect_in_stdout("repair --trim");
    sandbox.vault(&keys, &["repair", "--trim"]).expect_code(0).expect_in_stdout("1 row repaired");
    assert_eq!(sandbox.assert_rows_open(&keys), 1);
}

/// Asserts that `audit` names what is around or inside the envelope.
#[track_caller]
fn named(change: impl Fn(&str) -> String, words: &[&str]) {
    let (sandbox, keys) = new();
    tells(&changed(&sandbox, &keys, change).expect_code(12), words);
}

/// Asserts that a file is refused as a whole, with one message, and that nothing was written.
#[track_caller]
fn wrong_kind(content: &[u8], words: &[&str]) {
    let (sandbox, keys) = new();
    let file = sandbox.path("rows.jsonl");
    fs::write(&file, content).unwrap();
    let file = file.to_str().unwrap();
    let arguments = [&["import", "--key-env", "OLD_KEY"], &COLONS[..], &[file]].concat();
    let mut command = sandbox.command(Some(&keys), &arguments);
    command.env("OLD_KEY", HEX_KEY);
    let ran = sandbox.finish(command, b"").expect_code(7);
    tells(&ran, words);
    assert!(!sandbox.db().exists() && !quarantine_of(file).exists());
}
