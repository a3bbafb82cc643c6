//! Section 12: master keys and keyrings as text.

use super::encoding::BASE64URL;
use super::envelope::is_key_id;
use super::{Key, sha256};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Primary,
    Retired,
    Escrow,
    Disabled,
    Leaked,
    Destroyed,
}

impl State {
    pub const ALL: [Self; 6] =
        [Self::Primary, Self::Retired, Self::Escrow, Self::Disabled, Self::Leaked, Self::Destroyed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Retired => "retired",
            Self::Escrow => "escrow",
            Self::Disabled => "disabled",
            Self::Leaked => "leaked",
            Self::Destroyed => "destroyed",
        }
    }

    /// Returns whether a key in this state opens. In the other states, the text may contain material, which is dropped.
    pub fn has_material(self) -> bool {
        matches!(self, Self::Primary | Self::Retired | Self::Escrow)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub state: State,
    pub id: String,
    /// `None` if the state has no material.
    pub key: Option<Key>,
}

/// The primary first, then the others in the order given.
pub type Keyring = Vec<Entry>;

/// What can be wrong with a keyring text. One text can have several faults, and the page does not say which of them a
/// reader names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line, counted from 1, that contains an invalid entry, including one with a key in place of its id.
    Line(usize),
    TwiceTheId,
    /// Two ids with the same key.
    TwiceTheKey(String, String),
    NoPrimary,
    TwoPrimaries,
    TooManyEscrows,
    TooManyKeys,
}

/// Returns whether a key is one byte, 32 times.
pub fn is_weak(key: &[u8]) -> bool {
    key.iter().all(|byte| *byte == key[0])
}

fn checksum(label: &[u8], key: &[u8]) -> Vec<u8> {
    sha256(&[label, key])[..4].to_vec()
}

const LABEL: &[u8] = b"sw1/key";
/// The label for texts of keys of rows from other programs.
const LEGACY_LABEL: &[u8] = b"swkt1/key";

fn with_checksum(label: &[u8], key: &[u8]) -> String {
    BASE64URL.encode(&[key, &checksum(label, key)].concat())
}

pub fn key_text(key: &Key) -> String {
    format!("swk1_{}", with_checksum(LABEL, key))
}

pub fn key_of(text: &str) -> Option<Key> {
    let bytes = BASE64URL.decode(text.strip_prefix("swk1_")?)?;
    let key: Key = bytes.get(..32)?.try_into().ok()?;
    (bytes[32..] == checksum(LABEL, &key) && !is_weak(&key)).then_some(key)
}

/// Returns key texts without their prefix, one of each kind.
pub fn bare_texts(key: &Key) -> [String; 3] {
    let both = [key.as_slice(), key].concat();
    [(LABEL, key.as_slice()), (LEGACY_LABEL, key), (LABEL, &both)]
        .map(|(label, key)| with_checksum(label, key))
}

/// Returns whether this is a key text without its prefix.
fn is_bare_text(text: &str) -> bool {
    let Some(bytes) = BASE64URL.decode(text) else { return false };
    let Some((key, found)) = bytes.split_at_checked(bytes.len().saturating_sub(4)) else {
        return false;
    };
    match key.len() {
        32 => found == checksum(LABEL, key) || found == checksum(LEGACY_LABEL, key),
        64 => found == checksum(LABEL, key),
        _ => false,
    }
}

pub fn text(keyring: &Keyring) -> String {
    let lines = keyring.iter().map(|Entry { state, id, key }| {
        let key = key.as_ref().map(|key| format!(" {}", key_text(key))).unwrap_or_default();
        format!("{} {id}{key}\n", state.name())
    });
    lines.collect()
}

/// Returns the keyring in a text, or everything that is wrong with it.
pub fn parse(text: &str) -> Result<Keyring, Vec<Fault>> {
    let is_blank = |character: char| character == ' ' || character == '\t';
    let mut keyring = Vec::new();
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_matches(is_blank);
        if line.contains('\r') {
            faults.push(Fault::Line(number));
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        for entry in line.split(';') {
            let fields: Vec<&str> =
                entry.split(is_blank).filter(|field| !field.is_empty()).collect();
            if fields.is_empty() {
                continue;
            }
            match entry_of(&fields) {
                Some(entry) => keyring.push(entry),
                None => faults.push(Fault::Line(number)),
            }
        }
    }

    let count =
        |wanted: State| keyring.iter().filter(|Entry { state, .. }| *state == wanted).count();
    match count(State::Primary) {
        0 => faults.push(Fault::NoPrimary),
        1 => (),
        _ => faults.push(Fault::TwoPrimaries),
    }
    if count(State::Escrow) > 7 {
        faults.push(Fault::TooManyEscrows);
    }
    if keyring.len() > 1024 {
        faults.push(Fault::TooManyKeys);
    }
    let mut ids: Vec<String> = keyring.iter().map(|entry| entry.id.to_ascii_lowercase()).collect();
    ids.sort();
    ids.dedup();
    if ids.len() < keyring.len() {
        faults.push(Fault::TwiceTheId);
    }
    faults.extend(twice_the_key(&keyring));

    // Keys that are not kept were only needed for the checks above.
    for entry in &mut keyring {
        entry.key = entry.key.filter(|_| entry.state.has_material());
    }
    // The sort is stable.
    keyring.sort_by_key(|entry| entry.state != State::Primary);
    if faults.is_empty() { Ok(keyring) } else { Err(faults) }
}

/// Returns every two entries with the same key, in both orders.
fn twice_the_key(keyring: &Keyring) -> Vec<Fault> {
    let mut faults = Vec::new();
    let with_key: Vec<_> = keyring.iter().filter(|entry| entry.key.is_some()).collect();
    for (place, one) in with_key.iter().enumerate() {
        let is_twice =
            |other: &&&Entry| other.key == one.key && !other.id.eq_ignore_ascii_case(&one.id);
        for other in with_key[..place].iter().filter(is_twice) {
            faults.push(Fault::TwiceTheKey(one.id.clone(), other.id.clone()));
            faults.push(Fault::TwiceTheKey(other.id.clone(), one.id.clone()));
        }
    }
    faults
}

/// Parses an entry, with its key even if the state has none. None of the fields below can contain other whitespace, a
/// `#` or a byte-order mark.
fn entry_of(fields: &[&str]) -> Option<Entry> {
    let state = State::ALL.into_iter().find(|state| state.name() == fields[0])?;
    let id = (*fields.get(1)?).to_owned();
    if !is_key_id(id.as_bytes()) || is_bare_text(&id) {
        return None;
    }
    let key = match fields {
        [_, _] if !state.has_material() => None,
        [_, _, text] => Some(key_of(text)?),
        _ => return None,
    };
    Some(Entry { state, id, key })
}
