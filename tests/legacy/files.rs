//! Rows and keys as JSON: the committed files, and the input and output of the scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sealwax::legacy::{litellm, n8n};
use sealwax::triplet::{IvLen, TripletKey};
use sealwax::{KeyError, Secret};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::coding::{hex, unhex};
use crate::kinds::{KINDS, Kind, Row};
use crate::seeded::Seeded;

/// A key as its service stores it: a text, and how the key is derived from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyText {
    /// `sha256`, `hex`, `base64`, …: see [`KeyText::key`].
    pub(crate) kind: String,
    pub(crate) text: String,
    /// The label or the key id of its rows; empty if they have none.
    pub(crate) name: String,
    /// n8n's wrapped data key; empty for other kinds.
    pub(crate) value: String,
}

/// A key to read and write rows with.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) triplet: TripletKey,
    pub(crate) name: String,
}

impl KeyText {
    pub(crate) fn new(kind: &str, text: String) -> Self {
        Self { kind: kind.to_owned(), text, name: String::new(), value: String::new() }
    }

    pub(crate) fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    fn of(json: &Value) -> Self {
        let field = |name: &str| json[name].as_str().map(str::to_owned);
        let [name, value] = ["name", "value"].map(|name| field(name).unwrap_or_default());
        Self { kind: field("as").unwrap(), text: field("text").unwrap(), name, value }
    }

    fn json(&self) -> Value {
        let Self { kind, text, name, value } = self;
        json!({ "as": kind, "text": text, "name": name, "value": value })
    }

    /// Turns a key's text into the crate's key. All tests use this.
    pub(crate) fn key(&self) -> Key {
        let text = self.text.as_str();
        let triplet = match self.kind.as_str() {
            "sha256" => TripletKey::insecure_sha256_of(text),
            "sha256-trimmed" => TripletKey::insecure_sha256_of(text.trim()),
            "sha256-of-bytes" => {
                let bytes = unhex(text.as_bytes()).unwrap();
                TripletKey::from_bytes(&mut Sha256::digest(bytes)).unwrap()
            }
            "hkdf-litellm-v3" => litellm::insecure_key(litellm::Version::V3, text),
            "hex" => TripletKey::from_hex(text).unwrap(),
            "base64" => TripletKey::from_base64(text).unwrap(),
            "utf8" => TripletKey::from_bytes(&mut text.as_bytes().to_vec()).unwrap(),
            "repeated-byte" => {
                // Accepted only if the caller asks for it.
                assert_eq!(TripletKey::from_hex(text).unwrap_err(), KeyError::Weak);
                TripletKey::insecure_repeated_byte(unhex(text.as_bytes()).unwrap()[0])
            }
            "n8n" => n8n::insecure_unwrap_key(text, &self.value).unwrap(),
            other => panic!("unknown key derivation: {other}"),
        };
        Key { triplet, name: self.name.clone() }
    }
}

/// The rows of one kind.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) kind: &'static Kind,
    pub(crate) key_texts: Vec<KeyText>,
    pub(crate) keys: Vec<Key>,
    pub(crate) rows: Vec<Good>,
}

/// A row that opens.
#[derive(Debug)]
pub(crate) struct Good {
    /// The index of the key in the file.
    pub(crate) key: usize,
    pub(crate) plaintext: Vec<u8>,
    pub(crate) columns: Row,
}

impl File {
    /// Reads JSON, in which columns of bytes are hex.
    pub(crate) fn of(json: &Value) -> Self {
        let list = |value: &Value| value.as_array().unwrap().clone();
        let kind = crate::kinds::kind(json["kind"].as_str().unwrap());
        let rows = list(&json["rows"]).into_iter().map(|row| {
            let columns = list(&row["columns"]);
            assert_eq!(columns.len(), kind.columns.len(), "{}", kind.name);
            let columns = columns.iter().enumerate().map(|(at, column)| {
                let column = column.as_str().unwrap().as_bytes();
                if kind.has_bytes_at(at) { unhex(column).unwrap() } else { column.to_vec() }
            });
            Good {
                key: row["key"].as_u64().unwrap().try_into().unwrap(),
                plaintext: unhex(row["plaintext"].as_str().unwrap().as_bytes()).unwrap(),
                columns: columns.collect(),
            }
        });
        let rows = rows.collect();
        let key_texts: Vec<_> = list(&json["keys"]).iter().map(KeyText::of).collect();
        let keys = key_texts.iter().map(KeyText::key).collect();
        Self { kind, key_texts, keys, rows }
    }

    /// Returns rows that this crate writes now, under new keys.
    pub(crate) fn fresh(kind: &'static Kind, count: usize, rng: &mut Seeded) -> Self {
        let key_texts = vec![(kind.new_key)(rng), (kind.new_key)(rng)];
        let keys: Vec<_> = key_texts.iter().map(KeyText::key).collect();
        let rows = (0..count).map(|number| {
            let key = number % keys.len();
            let len = rng.below(301);
            let plaintext = rng.text(len).into_bytes();
            let iv_len = *rng.pick(&[IvLen::Twelve, IvLen::Sixteen]);
            let columns =
                (kind.write)(&keys[key], &Secret::from(plaintext.as_slice()), iv_len, rng);
            Good { key, plaintext, columns }
        });
        let rows = rows.collect();
        Self { kind, key_texts, keys, rows }
    }

    /// Writes the same JSON.
    pub(crate) fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let columns = row.columns.iter().enumerate().map(|(at, column)| {
                if self.kind.has_bytes_at(at) {
                    hex(column)
                } else {
                    String::from_utf8(column.clone()).unwrap()
                }
            });
            let columns: Vec<_> = columns.collect();
            json!({ "key": row.key, "plaintext": hex(&row.plaintext), "columns": columns })
        });
        let rows: Vec<_> = rows.collect();
        let keys: Vec<_> = self.key_texts.iter().map(KeyText::json).collect();
        json!({ "kind": self.kind.name, "keys": keys, "rows": rows })
    }

    /// Opens a row with the key that it names.
    pub(crate) fn open(&self, number: usize) -> Secret {
        let (name, row) = (self.kind.name, &self.rows[number]);
        let opened = (self.kind.read)(&self.keys[row.key], &row.columns);
        let secret = opened.unwrap_or_else(|refusal| panic!("{name} {number}: {refusal:?}"));
        assert!(secret.expose_secret() == row.plaintext, "{name} {number}: wrong plaintext");
        secret
    }
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/legacy")
}

/// The rows that the original stacks wrote, in the order of the table.
pub(crate) static COMMITTED: LazyLock<Vec<File>> = LazyLock::new(|| {
    let read = |kind: &'static Kind| {
        let text = fs::read_to_string(folder().join(format!("{}.json", kind.name))).unwrap();
        File::of(&serde_json::from_str(&text).unwrap())
    };
    KINDS.iter().map(read).collect()
});
