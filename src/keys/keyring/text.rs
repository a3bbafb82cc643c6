//! A keyring as text, for an environment variable or a file.

use alloc::vec::Vec;
use core::str::FromStr;

use super::{Entry, Keyring, KeyringError, LineProblem, MAX_OTHERS, UsableKey};
use crate::format_error::{Field, FormatError};
use crate::key_id::KeyId;
use crate::keys::master_key::{MasterKey, TEXT_PREFIX};

impl FromStr for Keyring {
    type Err = KeyringError;

    /// Reads a keyring:
    ///
    /// ```text
    /// primary   prod-2026  swk1_…     seals and opens; exactly one
    /// retired   prod-2025  swk1_…     opens only
    /// escrow    eu-dr      swk1_…     every new seal is wrapped for it too; opens
    /// disabled  prod-2023             known, refused
    /// destroyed prod-2022             no material
    /// ```
    ///
    /// One entry a line, or several on one line separated by `;`. Fields are separated by spaces
    /// and tabs; empty lines and lines that start with `#` are skipped. A key after `disabled` or
    /// `destroyed` is checked, wiped and not kept.
    ///
    /// Split at LF; strip spaces, tabs and one trailing CR; drop empty lines and whole lines that
    /// start with `#`; then split at `;` and strip again.
    fn from_str(text: &str) -> Result<Self, KeyringError> {
        let mut primary = None;
        let mut others = Vec::new();
        for (number, line) in (1_usize..).zip(text.split('\n')) {
            let line = strip(line.strip_suffix('\r').unwrap_or(line));
            if line.starts_with('#') {
                continue;
            }
            for entry in line.split(';').map(strip).filter(|entry| !entry.is_empty()) {
                let parsed = parse_entry(entry)
                    .map_err(|problem| KeyringError::Line { line: number, problem })?;
                match parsed {
                    Parsed::Primary(key) if primary.is_none() => primary = Some(key),
                    Parsed::Primary(_) => return Err(KeyringError::TwoPrimaries),
                    Parsed::Other(_) if others.len() >= MAX_OTHERS => {
                        return Err(KeyringError::TooManyKeys);
                    }
                    Parsed::Other(entry) => others.push(entry),
                }
            }
        }
        Self::of_primary(primary.ok_or(KeyringError::NoPrimary)?).with(others)
    }
}

enum Parsed {
    Primary(UsableKey),
    Other(Entry),
}

fn strip(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn parse_entry(entry: &str) -> Result<Parsed, LineProblem> {
    let stray =
        |c: char| (c.is_whitespace() && c != ' ' && c != '\t') || c == '#' || c == '\u{feff}';
    if entry.contains(stray) {
        return Err(LineProblem::StrayCharacter);
    }
    let mut words = entry.split([' ', '\t']).filter(|word| !word.is_empty());
    let state = words.next().unwrap_or_default();
    let id = words.next();
    let key = words.next();
    if !matches!(state, "primary" | "retired" | "escrow" | "disabled" | "destroyed") {
        return Err(LineProblem::UnknownState);
    }
    let key_id = id
        .ok_or(LineProblem::KeyId { source: None })
        .and_then(|id| parse_key_id(id).map_err(|e| LineProblem::KeyId { source: Some(e) }))?;
    if words.next().is_some() {
        return Err(LineProblem::ExtraWord);
    }
    // Parsed also where it is not kept: a mistyped one is a mistake in any line.
    let key = key
        .map(|text| text.parse::<MasterKey>().map_err(|source| LineProblem::Key { source }))
        .transpose()?;
    let usable = |key: Option<MasterKey>| {
        key.map(|key| UsableKey::new(key_id.clone(), key)).ok_or(LineProblem::MissingKey)
    };
    match state {
        "primary" => usable(key).map(Parsed::Primary),
        "retired" => usable(key).map(Entry::Retired).map(Parsed::Other),
        "escrow" => usable(key).map(Entry::Escrow).map(Parsed::Other),
        "disabled" => Ok(Parsed::Other(Entry::Disabled(key_id))),
        _ => Ok(Parsed::Other(Entry::Destroyed(key_id))),
    }
}

/// A key text is made of characters that an id may have. Where the id was forgotten, the key must
/// not become one: ids are printed.
fn parse_key_id(id: &str) -> Result<KeyId, FormatError> {
    if id.contains(TEXT_PREFIX) {
        return Err(FormatError::malformed(Field::KeyId, "a label, and not a key", 0));
    }
    id.parse()
}
