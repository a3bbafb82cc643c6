//! Section 11: master keys and keyrings as text.

use super::encoding::BASE64URL;
use super::envelope::is_key_id;
use super::{Key, sha256};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Primary,
    Retired,
    Escrow,
    Disabled,
    Destroyed,
}

impl State {
    pub const ALL: [Self; 5] =
        [Self::Primary, Self::Retired, Self::Escrow, Self::Disabled, Self::Destroyed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Retired => "retired",
            Self::Escrow => "escrow",
            Self::Disabled => "disabled",
            Self::Destroyed => "destroyed",
        }
    }

    pub fn has_material(self) -> bool {
        matches!(self, Self::Primary | Self::Retired | Self::Escrow)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub state: State,
    pub id: String,
    /// None where the state has no material.
    pub key: Option<Key>,
}

/// The primary first, then the others in the order given.
pub type Keyring = Vec<Entry>;

/// One byte, 32 times.
pub fn is_weak(key: &[u8]) -> bool {
    key.iter().all(|byte| *byte == key[0])
}

fn checksum(key: &[u8]) -> Vec<u8> {
    sha256(&[b"sw1/key", key])[..4].to_vec()
}

pub fn key_text(key: &Key) -> String {
    format!("swk1_{}", BASE64URL.encode(&[key.as_slice(), &checksum(key)].concat()))
}

pub fn key_of(text: &str) -> Option<Key> {
    let bytes = BASE64URL.decode(text.strip_prefix("swk1_")?)?;
    let key: Key = bytes.get(..32)?.try_into().ok()?;
    (bytes[32..] == checksum(&key) && !is_weak(&key)).then_some(key)
}

pub fn text(keyring: &Keyring) -> String {
    let lines = keyring.iter().map(|Entry { state, id, key }| {
        let key = key.as_ref().map(|key| format!(" {}", key_text(key))).unwrap_or_default();
        format!("{} {id}{key}\n", state.name())
    });
    lines.collect()
}

pub fn parse(text: &str) -> Option<Keyring> {
    let is_blank = |character: char| character == ' ' || character == '\t';
    let mut keyring = Vec::new();
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_matches(is_blank);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        for entry in line.split(';') {
            let fields: Vec<&str> =
                entry.split(is_blank).filter(|field| !field.is_empty()).collect();
            if !fields.is_empty() {
                keyring.push(entry_of(&fields)?);
            }
        }
    }

    let count =
        |wanted: State| keyring.iter().filter(|Entry { state, .. }| *state == wanted).count();
    let mut ids: Vec<String> = keyring.iter().map(|entry| entry.id.to_ascii_lowercase()).collect();
    ids.sort();
    ids.dedup();
    let allowed = count(State::Primary) == 1
        && count(State::Escrow) <= 7
        && keyring.len() <= 1024
        && ids.len() == keyring.len();
    // A stable sort.
    keyring.sort_by_key(|entry| entry.state != State::Primary);
    allowed.then_some(keyring)
}

/// Any other white space, a `#` or a byte-order mark is in none of the fields below.
fn entry_of(fields: &[&str]) -> Option<Entry> {
    let state = State::ALL.into_iter().find(|state| state.name() == fields[0])?;
    let id = (*fields.get(1)?).to_owned();
    if !is_key_id(id.as_bytes()) || id.contains("swk1_") {
        return None;
    }
    let key = match fields {
        [_, _] if !state.has_material() => None,
        [_, _, text] => Some(key_of(text)?),
        _ => return None,
    };
    Some(Entry { state, id, key: key.filter(|_| state.has_material()) })
}
