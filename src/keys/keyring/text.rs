//! Parses a keyring from the text of an environment variable or a file.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::str::FromStr;

use crate::format::error::FormatError;
use crate::format::key_id::KeyId;
use crate::format::surrounding::Surrounding;
use crate::keys::keyring::errors::{KeyringError, LineProblem};
use crate::keys::keyring::state::KeyState;
use crate::keys::keyring::{Entry, Keyring, MAX_KEYS};
use crate::keys::master_key::{MasterKey, TEXT_PREFIX, is_bare_key};
use crate::keys::usable_key::UsableKey;

impl FromStr for Keyring {
    type Err = KeyringError;

    /// Parses the text of a keyring.
    ///
    /// ```text
    /// primary   prod-2026  swk1_…     seals and opens; exactly one
    /// retired   prod-2025  swk1_…     opens only
    /// escrow    eu-dr      swk1_…     opens; every new envelope is wrapped for it too
    /// disabled  prod-2023             known, but refused
    /// leaked    prod-2024             refused, whatever other wraps the envelope has
    /// destroyed prod-2022             no material
    /// ```
    ///
    /// Each line has one entry, or several that are separated by `;`. Fields are separated by spaces and tabs; empty
    /// lines and lines that start with `#` are skipped. A key after `disabled`, `leaked` or `destroyed` is checked,
    /// wiped and not kept. No key may have two ids.
    ///
    /// In detail, the parser splits the text at LF, removes one CR from the end of each line, and strips spaces and
    /// tabs. It drops empty lines and whole lines that start with `#`, splits the others at `;`, and strips again.
    fn from_str(text: &str) -> Result<Self, KeyringError> {
        let mut entries = Vec::new();
        // The keys of all lines and their ids, including keys that are not kept.
        let mut keys: Vec<(KeyId, Arc<MasterKey>)> = Vec::new();
        let mut has_primary = false;
        let mut commented = None;
        for (number, line) in (1_usize..).zip(text.split('\n')) {
            let on_line = |problem| KeyringError::Line { line: number, problem };
            let line = strip(line.strip_suffix('\r').unwrap_or(line));
            // A reader that breaks lines at a CR would see another keyring, even if this line is a comment.
            if line.contains('\r') {
                return Err(on_line(LineProblem::StrayCharacter { found: CARRIAGE_RETURN }));
            }
            if line.starts_with('#') {
                if line.contains(TEXT_PREFIX) {
                    commented.get_or_insert(on_line(LineProblem::Commented));
                }
                continue;
            }
            for entry in line.split(';').map(strip).filter(|entry| !entry.is_empty()) {
                let ParsedEntry { state, key_id, key } =
                    parse_entry(entry).map_err(|problem| on_line(problem.or_surrounding(line)))?;
                if let Some(key) = &key {
                    let mut same = keys.iter().filter(|(_, other)| other.is_same(key));
                    // The same key under the same id is a duplicate id, which is found below.
                    let is_other = |(id, _): &&(KeyId, _)| !id.is_same(&key_id);
                    if let Some((other, _)) = same.find(is_other) {
                        return Err(KeyringError::DuplicateKey { key_id, other: other.clone() });
                    }
                    keys.push((key_id.clone(), Arc::clone(key)));
                }
                entries.push(match state {
                    KeyState::Primary | KeyState::Retired | KeyState::Escrow => {
                        let key = key.ok_or(LineProblem::MissingKey).map_err(on_line)?;
                        Entry::Usable(state, UsableKey::new(key_id, key))
                    }
                    KeyState::Disabled | KeyState::Leaked | KeyState::Destroyed => {
                        Entry::Refused(state, key_id)
                    }
                });
                if state == KeyState::Primary && core::mem::replace(&mut has_primary, true) {
                    return Err(KeyringError::TwoPrimaries);
                }
                if entries.len() > MAX_KEYS {
                    return Err(KeyringError::TooManyKeys);
                }
            }
        }
        if !has_primary {
            return Err(commented.unwrap_or(KeyringError::NoPrimary));
        }
        Self::opening_only().with(entries)
    }
}

/// One entry of a keyring text.
struct ParsedEntry {
    state: KeyState,
    key_id: KeyId,
    /// Parsed even if it is not kept, because a mistyped key is a mistake on any line.
    key: Option<Arc<MasterKey>>,
}

/// The words that a line of a keyring can start with.
const STARTS: [&str; 6] = ["primary", "retired", "escrow", "disabled", "leaked", "destroyed"];

impl LineProblem {
    /// Returns what surrounds the line if that may be all that is wrong, and otherwise the same problem.
    ///
    /// White space before the line stays a stray character, as it is elsewhere in the line.
    fn or_surrounding(self, line: &str) -> Self {
        let escaped = || line.contains("\\n").then_some(Surrounding::EscapedLineFeed);
        let before =
            Surrounding::mark_before(line).or_else(|| Surrounding::word_before(line, &STARTS));
        match before.or_else(escaped) {
            None | Some(Surrounding::WhiteSpace) => self,
            Some(surrounding) => Self::Surrounded { surrounding },
        }
    }
}

const CARRIAGE_RETURN: &str = "a carriage return inside a line: end lines with LF or CRLF";

/// Returns what is wrong with a character, if it may not appear in an entry.
fn stray(character: char) -> Option<&'static str> {
    match character {
        '#' => Some("a # after the start of a line: put a comment on its own line"),
        ' ' | '\t' | '!'..='~' => None,
        _ if character.is_whitespace() => {
            Some("white space of another kind, such as a no-break space: use spaces or tabs")
        }
        _ if character.is_control() => Some("a control character"),
        _ => Some("a character outside ASCII, such as a typographic quote or an invisible space"),
    }
}

fn strip(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn parse_entry(entry: &str) -> Result<ParsedEntry, LineProblem> {
    if let Some(found) = entry.chars().find_map(stray) {
        return Err(LineProblem::StrayCharacter { found });
    }
    let mut words = entry.split([' ', '\t']).filter(|word| !word.is_empty());
    let [state, id, key] = core::array::from_fn(|_| words.next());
    let state = state.and_then(|word| word.parse().ok()).ok_or(LineProblem::UnknownState)?;
    let key_id = id
        .ok_or(LineProblem::KeyId { source: None })
        .and_then(|id| parse_key_id(id).map_err(|e| LineProblem::KeyId { source: Some(e) }))?;
    if words.next().is_some() {
        return Err(LineProblem::ExtraWord);
    }
    let key = key
        .map(|text| text.parse().map(Arc::new).map_err(|source| LineProblem::Key { source }))
        .transpose()?;
    Ok(ParsedEntry { state, key_id, key })
}

fn parse_key_id(id: &str) -> Result<KeyId, FormatError> {
    if is_bare_key(id) { Err(KeyId::is_a_key()) } else { id.parse() }
}
