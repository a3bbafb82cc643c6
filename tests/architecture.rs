//! The four walls of the house, read from the sources.
//!
//! 1. No import runs upward.
//! 2. The public-bytes floor never names secrets, ciphers or keys: a parser that cannot hold a key
//!    cannot leak one.
//! 3. Only `cipher` names an AEAD, KDF or hash crate, so another backend is one room's work.
//! 4. No module is called `util` or the like, no glob import, no `mod.rs`.

#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms it may import from.
const FLOORS: &[(&[&str], &[&str])] = &[
    (WORDS, WORDS),
    (PUBLIC_BYTES, WORDS),
    (WIPED, WORDS),
    (&["cipher"], &["words", "wiped"]),
    (&["keys"], &["words", "secrets"]),
    (&["sealing"], &["words", "public bytes", "secrets", "keys"]),
    (&["rewrapping"], &["words", "public bytes", "secrets", "keys", "sealing"]),
    (&["triplet"], &["words", "secrets"]),
    (&["legacy"], &["words", "secrets", "triplet"]),
    (&["docs"], &[]),
];
const WORDS: &[&str] = &["context", "format_error", "key_id", "serde", "suite", "wrapped_key"];
const PUBLIC_BYTES: &[&str] = &["envelope"];
const WIPED: &[&str] = &["key_bytes", "secret"];
const SECRETS: &[&str] = &["cipher", "key_bytes", "secret"];

const PRIMITIVES: &[&str] = &[
    "aead",
    "aes",
    "aes_gcm",
    "aws_lc_rs",
    "chacha20",
    "chacha20poly1305",
    "ctr",
    "digest",
    "ghash",
    "hkdf",
    "hmac",
    "poly1305",
    "polyval",
    "sha2",
];
const NAMELESS: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc"];

/// Rooms that `room` may import from; itself among them.
fn allowed(room: &str) -> Option<Vec<&str>> {
    let (_, floors) = FLOORS.iter().find(|(rooms, _)| rooms.contains(&room))?;
    let mut allowed = vec![room];
    for floor in *floors {
        match *floor {
            "words" => allowed.extend(WORDS),
            "public bytes" => allowed.extend(PUBLIC_BYTES),
            "wiped" => allowed.extend(WIPED),
            "secrets" => allowed.extend(SECRETS),
            other => allowed.push(other),
        }
    }
    Some(allowed)
}

/// The code of a file: no text, no comments, no docs, and nothing from `#[cfg(test)]` on.
fn code(source: &str) -> Vec<String> {
    let without_text = |line: &str| line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    source
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .map(|line| without_text(line).split("//").next().unwrap_or_default().to_owned())
        .collect()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// What stands against the walls in one file. `path` is relative to `src`, e.g. `keys/answer.rs`.
fn breaches(path: &str, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    for part in &parts {
        if *part == "mod" || NAMELESS.contains(part) {
            found.push(format!("wall 4: {path} is called {part}"));
        }
    }
    if parts == ["lib"] {
        return found;
    }
    let top_level = parts.len() == 1;
    let room = parts.remove(0);
    let Some(allowed) = allowed(room) else {
        found.push(format!("wall 1: {path} is on no floor"));
        return found;
    };
    for (number, line) in (1..).zip(&code(source)) {
        let mut breach =
            |wall: u8, what: &str| found.push(format!("wall {wall}: {path}:{number} {what}"));
        for import in line.split("crate::").skip(1) {
            match words(import).next() {
                Some(_) if import.starts_with('{') => {
                    breach(1, "imports several rooms in one line")
                }
                Some(other) if !allowed.contains(&other) => breach(1, &format!("imports {other}")),
                _ => (),
            }
        }
        if top_level && line.contains("super::") {
            breach(1, "climbs out of its room");
        }
        if PUBLIC_BYTES.contains(&room) {
            for word in words(line) {
                if ["secret", "Secret", "cipher", "keys", "DataKey", "MasterKey"].contains(&word) {
                    breach(2, &format!("names {word}"));
                }
            }
        }
        if room != "cipher" {
            for word in words(line).filter(|word| PRIMITIVES.contains(word)) {
                breach(3, &format!("names {word}"));
            }
        }
        if line.contains("::*") || line.contains("::{*") {
            breach(4, "has a glob import");
        }
        if let Some(module) = line.split("mod ").nth(1) {
            for name in words(module).take(1).filter(|name| NAMELESS.contains(name)) {
                breach(4, &format!("has a module {name}"));
            }
        }
    }
    found
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_wall_stands() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut found = Vec::new();
    for file in &files {
        let path = file.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
        found.extend(breaches(&path, &fs::read_to_string(file).unwrap()));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    for room in FLOORS.iter().flat_map(|(rooms, _)| *rooms) {
        let file = src.join(format!("{room}.rs"));
        assert!(files.contains(&file), "no {room}: the walls are drawn for another house");
    }
    assert!(files.len() >= 20, "only {} sources", files.len());
}

/// A test of the test: each wall, breached once, is noticed.
#[test]
fn every_breach_is_noticed() {
    let cases = [
        ("wall 1", "suite.rs", "use crate::keys::answer::Answer;"),
        ("wall 1", "key_id.rs", "use crate::envelope::Envelope;"),
        ("wall 1", "envelope/text.rs", "fn f(_: &crate::sealing::Draft) {}"),
        ("wall 1", "secret.rs", "use crate::keys::KeyError;"),
        ("wall 1", "secret.rs", "use crate::envelope::Envelope;"),
        ("wall 1", "keys/provider.rs", "use crate::envelope::Envelope;"),
        ("wall 1", "keys.rs", "use crate::sealing::OpenError;"),
        ("wall 1", "sealing.rs", "use crate::rewrapping::RewrapError;"),
        ("wall 1", "sealing.rs", "use crate::{rewrapping, keys};"),
        ("wall 1", "suite.rs", "use super::keys::KeyError;"),
        ("wall 1", "attic.rs", ""),
        ("wall 2", "envelope.rs", "fn open(key: &DataKey) {}"),
        ("wall 2", "envelope/serde.rs", "use other::secret;"),
        ("wall 3", "sealing.rs", "use sha2::Sha256;"),
        ("wall 3", "keys/master_key.rs", "fn f() { hkdf::Hkdf::new() }"),
        ("wall 4", "keys.rs", "use crate::suite::*;"),
        ("wall 4", "keys.rs", "pub(crate) mod helpers;"),
        ("wall 4", "keys/mod.rs", ""),
        ("wall 4", "keys/util.rs", ""),
    ];
    for (wall, path, line) in cases {
        let found = breaches(path, line);
        assert!(found.iter().any(|b| b.starts_with(wall)), "{wall} {path} {line:?}: {found:?}");
    }
    let fine = [
        ("keys/master_key.rs", "use crate::cipher::Prf;"),
        ("envelope.rs", "/// [`Secret`](crate::Secret) and crate::keys are other rooms."),
        ("envelope.rs", "pub fn wrapped_keys() {}"),
        ("envelope.rs", r#"fault("1 to 8 wrapped keys")"#),
        ("rewrapping.rs", "use crate::sealing::OpenError;"),
        ("suite.rs", "#[cfg(test)]\nmod tests { use super::*; }"),
        ("cipher.rs", "use sha2::Sha256;"),
    ];
    for (path, line) in fine {
        assert_eq!(breaches(path, line), Vec::<String>::new(), "{path} {line:?}");
    }
}
