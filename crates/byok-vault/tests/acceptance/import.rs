//! `import`: every layout, bad rows, kills, keys and files.

mod cases;
mod input;
mod keys;
mod kills;
mod kinds;
mod quarantine;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use byok_vault::row::Owner;
use byok_vault::store::{Access, Store};
use rusqlite::Connection;
use sealwax::Secret;
use sealwax::triplet::{IvLen, Layout, TripletKey};
use serde_json::{Value, json};

use crate::sandbox::{Keys, Ran, Sandbox, credential, owner};

const HEX_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const BASE64_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// 32 characters, used as they are.
const RAW_KEY: &str = "thirty-two characters of a text!";
const OTHER_HEX_KEY: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const PASSPHRASE: &str = " correct horse é ";

type Row = BTreeMap<&'static str, String>;

/// A program that encrypts rows, and how its rows are imported.
pub(crate) struct Old {
    options: Vec<&'static str>,
    pub(crate) key: &'static str,
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

    pub(crate) fn line(&self, n: u64) -> String {
        line(json!(n), &owner(n), &self.row(&credential(n)))
    }

    /// Returns a command that imports with the key in its environment.
    pub(crate) fn command(&self, sandbox: &Sandbox, keys: &Keys, arguments: &[&str]) -> Command {
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
    pub(crate) fn import(&self, sandbox: &Sandbox, keys: &Keys, arguments: &[&str]) -> Ran {
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

/// Returns LobeChat, for tests that need no particular layout.
pub(crate) fn lobechat() -> Old {
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

pub(crate) fn export(
    sandbox: &Sandbox,
    lines: impl IntoIterator<Item = impl AsRef<str>>,
) -> String {
    let text: String = lines.into_iter().map(|line| format!("{}\n", line.as_ref())).collect();
    write(sandbox, "export.jsonl", text.as_bytes())
}

fn write(sandbox: &Sandbox, name: &str, bytes: &[u8]) -> String {
    let path = sandbox.path(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Returns the lines of a quarantine file.
pub(crate) fn quarantined(path: impl AsRef<Path>) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn quarantine_of(file: &str) -> PathBuf {
    PathBuf::from(format!("{file}.quarantine.jsonl"))
}

/// Returns the line and the reason of each row in quarantine.
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

/// Returns the complete content of the vault.
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

fn flipped(text: &str, at: usize) -> String {
    let mut text = text.to_owned();
    let other = if text.get(at..=at) == Some("0") { "1" } else { "0" };
    text.replace_range(at..=at, other);
    text
}
