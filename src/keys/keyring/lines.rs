//! The text of a ring of keys, which comes from an environment variable or a file: a line for each key.

use alloc::vec::Vec;
use core::str::FromStr;

use crate::format::error::FormatError;
use crate::format::key_id::KeyId;
use crate::format::surrounding::Surrounding;
use crate::keys::in_memory::InMemory;
use crate::keys::key_text::TextForm;
use crate::keys::keyring::MAX_KEYS;
use crate::keys::keyring::errors::{KeyringError, LineProblem};
use crate::keys::keyring::state::KeyState;
use crate::keys::master_key::MasterKey;
#[cfg(feature = "hpke")]
use crate::keys::pair::SealingKey;
use crate::secret::key_bytes::KeyError;

/// A key that a line of such a text can have.
pub trait LineKey: FromStr<Err = KeyError> {
    /// The name with which the key's text starts, before `_`.
    const NAME: &'static str;
    /// What is hashed with `/key` and the key to give its checksum.
    const LABEL: &'static str;

    /// Returns whether both are the same key, in constant time.
    fn is_same(&self, other: &Self) -> bool;

    /// Checks that the key may have this id. The default accepts any id that is not a key.
    ///
    /// [`parse_key_lines`] calls it, and so should a constructor that takes a key and an id: a configuration can have them
    /// the wrong way round, and ids are printed.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError::KeyAsKeyId`] if the id is the text of a key without its prefix: of this kind, or of a kind
    /// of this crate. Master keys have more errors.
    fn check_id(&self, key_id: &KeyId) -> Result<(), KeyringError> {
        if is_bare_key::<Self>(key_id.as_ref()) { Err(KeyringError::KeyAsKeyId) } else { Ok(()) }
    }

    /// Returns whether a line with this key may have this state. The default accepts each state that the ring has.
    fn may_be(&self, state: KeyState) -> bool {
        let _ = state;
        true
    }
}

impl LineKey for MasterKey {
    const NAME: &str = TextForm::MASTER.name;
    const LABEL: &str = TextForm::MASTER.label;

    fn is_same(&self, other: &Self) -> bool {
        Self::is_same(self, other)
    }

    fn check_id(&self, key_id: &KeyId) -> Result<(), KeyringError> {
        let named = || key_id.clone();
        match self.is_for_tests() {
            _ if is_bare_key::<Self>(key_id.as_ref()) => Err(KeyringError::KeyAsKeyId),
            _ if self.fits(key_id) => Ok(()),
            true => Err(KeyringError::TestKey { key_id: named() }),
            false => Err(KeyringError::NotATestKey { key_id: named() }),
        }
    }
}

#[cfg(feature = "hpke")]
impl LineKey for SealingKey {
    const NAME: &str = Self::FORM.name;
    const LABEL: &str = Self::FORM.label;

    /// One public key, or one psk, is one key.
    fn is_same(&self, other: &Self) -> bool {
        self.shares_with(other)
    }

    fn check_id(&self, key_id: &KeyId) -> Result<(), KeyringError> {
        if is_bare_key::<Self>(key_id.as_ref()) {
            Err(KeyringError::KeyAsKeyId)
        } else if key_id.is_for_tests() {
            Err(KeyringError::NotATestKey { key_id: key_id.clone() })
        } else {
            Ok(())
        }
    }
}

impl InMemory<'_> {
    pub(super) fn check_id(self, key_id: &KeyId) -> Result<(), KeyringError> {
        match self {
            Self::Master(key) => key.check_id(key_id),
            #[cfg(feature = "hpke")]
            Self::Pair(key) => key.check_id(key_id),
        }
    }
}

/// A test key, which only the text of a keyring for tests has.
pub(super) struct TestKey(pub(super) MasterKey);

impl FromStr for TestKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        MasterKey::from_test_text(text).map(Self)
    }
}

impl LineKey for TestKey {
    const NAME: &str = TextForm::TEST.name;
    const LABEL: &str = TextForm::TEST.label;

    fn is_same(&self, other: &Self) -> bool {
        self.0.is_same(&other.0)
    }

    fn check_id(&self, key_id: &KeyId) -> Result<(), KeyringError> {
        self.0.check_id(key_id)
    }
}

/// A key, its id and its state, as a line has them.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyLine<K> {
    /// What the key may do.
    pub state: KeyState,
    /// The id of the key.
    pub key_id: KeyId,
    /// The key, or `None` if the state is `disabled`, `leaked` or `destroyed`.
    pub key: Option<K>,
}

/// Parses the text of a ring of keys: the grammar of [`Keyring`](crate::Keyring)'s text, for any kind of key.
///
/// Each line has one key, or several that are separated by `;`: a state, an id, and the key if the state needs one.
/// Fields are separated by spaces and tabs; empty lines and lines that start with `#` are skipped. `states` are those
/// that such a ring may have. One line, and only one, has a primary; no id appears twice, in any case; no key has two ids,
/// even if it is in a line whose key is not kept.
///
/// In detail, the parser splits the text at LF, removes one CR from the end of each line, and strips spaces and
/// tabs. It drops empty lines and whole lines that start with `#`, splits the others at `;`, and strips again.
///
/// # Errors
///
/// Returns a [`KeyringError`], which contains nothing of the text except key ids.
pub fn parse_key_lines<K: LineKey>(
    text: &str,
    states: &[KeyState],
) -> Result<Vec<KeyLine<K>>, KeyringError> {
    // With the keys that are not kept, because no key may have two ids.
    let mut lines: Vec<KeyLine<K>> = Vec::new();
    let mut has_primary = false;
    let mut commented = None;
    for (number, line) in (1_usize..).zip(text.split('\n')) {
        let on_line = |problem| KeyringError::Line { line: number, problem };
        let line = strip(line.strip_suffix('\r').unwrap_or(line));
        // A reader that breaks lines at a CR would see another ring, even if this line is a comment.
        if line.contains('\r') {
            return Err(on_line(LineProblem::StrayCharacter { found: CARRIAGE_RETURN }));
        }
        if line.starts_with('#') {
            if line.contains(K::NAME) {
                commented.get_or_insert(on_line(LineProblem::Commented));
            }
            continue;
        }
        for entry in line.split(';').map(strip).filter(|entry| !entry.is_empty()) {
            let added = parse_entry::<K>(entry, states)
                .map_err(|problem| on_line(problem.or_surrounding(line)))?;
            if let Some(key) = &added.key {
                if !key.may_be(added.state) {
                    return Err(on_line(LineProblem::OtherState { state: added.state }));
                }
                key.check_id(&added.key_id)?;
                let is_same = |line: &&KeyLine<K>| {
                    // The same key under the same id is a duplicate id, which is found below.
                    line.key.as_ref().is_some_and(|other| other.is_same(key))
                        && !line.key_id.is_same(&added.key_id)
                };
                if let Some(other) = lines.iter().find(is_same) {
                    let (key_id, other) = (added.key_id, other.key_id.clone());
                    return Err(KeyringError::DuplicateKey { key_id, other });
                }
            } else if needs_key(added.state) {
                return Err(on_line(LineProblem::MissingKey));
            }
            if added.state == KeyState::Primary && core::mem::replace(&mut has_primary, true) {
                return Err(KeyringError::TwoPrimaries);
            }
            lines.push(added);
            if lines.len() > MAX_KEYS {
                return Err(KeyringError::TooManyKeys);
            }
        }
    }
    if !has_primary {
        return Err(commented.unwrap_or(KeyringError::NoPrimary));
    }
    let mut earlier: &[KeyLine<K>] = &[];
    for (count, line) in lines.iter().enumerate() {
        if earlier.iter().any(|other| other.key_id.is_same(&line.key_id)) {
            return Err(KeyringError::DuplicateKeyId { key_id: line.key_id.clone() });
        }
        earlier = lines.get(..=count).unwrap_or_default();
    }
    lines.iter_mut().filter(|line| !needs_key(line.state)).for_each(|line| line.key = None);
    Ok(lines)
}

const fn needs_key(state: KeyState) -> bool {
    match state {
        KeyState::Primary | KeyState::Retired | KeyState::Escrow | KeyState::OfflineEscrow => true,
        KeyState::Disabled | KeyState::Leaked | KeyState::Destroyed => false,
    }
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

fn parse_entry<K: LineKey>(entry: &str, states: &[KeyState]) -> Result<KeyLine<K>, LineProblem> {
    if let Some(found) = entry.chars().find_map(stray) {
        return Err(LineProblem::StrayCharacter { found });
    }
    let mut words = entry.split([' ', '\t']).filter(|word| !word.is_empty());
    let [state, id, key] = core::array::from_fn(|_| words.next());
    let state = state.and_then(|word| word.parse().ok()).ok_or(LineProblem::UnknownState)?;
    if !states.contains(&state) {
        return Err(LineProblem::OtherState { state });
    }
    let key_id = id
        .ok_or(LineProblem::KeyId { source: None })
        .and_then(|id| parse_key_id::<K>(id).map_err(|e| LineProblem::KeyId { source: Some(e) }))?;
    if words.next().is_some() {
        return Err(LineProblem::ExtraWord);
    }
    // Parsed even if it is not kept, because a mistyped key is a mistake on any line.
    let key = key.map(|text| text.parse().map_err(|source| LineProblem::Key { source }));
    Ok(KeyLine { state, key_id, key: key.transpose()? })
}

fn parse_key_id<K: LineKey>(id: &str) -> Result<KeyId, FormatError> {
    if is_bare_key::<K>(id) { Err(KeyId::is_a_key()) } else { id.parse() }
}

/// Returns whether an id is the text of a key without its prefix: of this kind, or of a kind of this crate.
pub(super) fn is_bare_key<K: LineKey>(id: &str) -> bool {
    TextForm::new(K::NAME, K::LABEL).is_bare_key(id)
}
