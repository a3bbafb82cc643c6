//! A keyring text parses or is rejected exactly as the reference says, and an error names a fault that the text has. A
//! keyring that parses has the keys and the states of its text, in the same order, and seals with the material in the
//! text. No error echoes a word.

use sealwax::{KeyId, KeyState, Keyring, KeyringError, LineProblem, MasterKey, Secret};

use super::agree::fields;
use super::edits::neighbours;
use super::heap::Limit;
use super::material::{DEK, IV, Scripted, context, key};
use super::reference::keyring::{self, Entry, Fault, State};
use super::reference::{Key, procedures};

/// The limit for one entry. A keyring is read once, at start, and has at most 1,024 entries. However short its text,
/// each entry costs an id, a key, its hashed states, and its place in two lists that double as they grow: one of the
/// entries, and one of the keys, including keys that are not kept.
const ENTRY: Limit = Limit { bytes: 384, allocations: 4 };
const MAX_ENTRIES: usize = 1024;
/// The first four places of each list, and the number of times the lists double.
const LIST: Limit = Limit { bytes: 512, allocations: 20 };

/// In an input, these stand for the text of a key, because a mutated key text no longer has a valid checksum.
const MARKS: [char; 4] = ['\u{1}', '\u{2}', '\u{3}', '\u{4}'];
/// In an input, these stand for the text of a key without its prefix, one of each kind.
const BARE_MARKS: [char; 3] = ['\u{5}', '\u{6}', '\u{7}'];
const MAX_MARKS: usize = 64;

/// A key whose bare texts start with a letter, so that only their checksums distinguish them from ids.
const ID_KEY: Key = key(0x20);

pub fn check(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let mut text = text.to_owned();
    for (number, mark) in (0..).zip(MARKS) {
        text = text.replacen(mark, &keyring::key_text(&key(number)), MAX_MARKS);
    }
    for (mark, bare) in BARE_MARKS.into_iter().zip(keyring::bare_texts(&ID_KEY)) {
        text = text.replacen(mark, &bare, MAX_MARKS);
    }
    let is_keyring = check_text(&text);
    if is_keyring && text.len() < 1024 {
        let mut others = neighbours(&text);
        // The text repeated; on several lines or on one; with other whitespace and other states.
        others.extend([
            format!("{text}\n{text}"),
            format!("{text}\n{}", text.to_ascii_uppercase()),
            format!("{} # no", text.trim_end()),
            format!("{text}\n#;"),
            text.replace('\n', "\r\n"),
            text.replace('\n', ";"),
            text.replace(';', "\n"),
            text.replace(' ', "\t"),
            text.replace(' ', "\u{b}"),
            text.replace(' ', "\u{a0}"),
            text.replace('\n', "\r\r\n"),
            text.replace('\n', "\n\r"),
            text.replace('\n', " \r\n"),
            text.replace('\n', "\r \n"),
            format!("{text}\n# a comment\r"),
            format!("{text}\n# a comment\r; disabled z"),
            text.replacen("swk1_", "", 1),
            text.replace("retired", "disabled"),
            text.replace("retired", "leaked"),
            text.replace("leaked", "retired"),
            text.replace("escrow", "destroyed"),
            text.replace("primary", "retired"),
            text.replace("retired", "primary"),
            text.replace("disabled", "escrow"),
        ]);
        // A key of the text again, in every state; and keys in place of ids.
        if let Some(key) = text.split_whitespace().find(|word| word.starts_with("swk1_")) {
            let key = key.split(';').next().unwrap_or(key);
            for state in State::ALL {
                others.push(format!("{text}\n{} again {key}", state.name()));
            }
        }
        // A key that is never kept, twice.
        let key = keyring::key_text(&ID_KEY);
        for [one, other] in
            [["disabled", "leaked"], ["destroyed", "disabled"], ["leaked", "retired"]]
        {
            others.push(format!("{text}\n{one} again {key}\n{other} again-2 {key}"));
        }
        for id in keyring::bare_texts(&ID_KEY) {
            others.push(format!("{text}\ndisabled {id}"));
            others.push(format!("{text}\ndisabled {}", id.to_ascii_lowercase()));
            others.push(format!("{text}\ndisabled {}", id.get(1..).unwrap()));
            others.push(format!("{text}\ndisabled {id}a"));
        }
        for id in ["swk1_a", "a.SWKT1_", "sw1_", "swk1-", "swabc1_"] {
            others.push(format!("{text}\nleaked {id}"));
        }
        others.iter().for_each(|text| _ = check_text(text));
    }
    is_keyring
}

fn check_text(text: &str) -> bool {
    let is_entry = |entry: &&str| entry.len() >= "escrow a".len();
    let entries = text.split(['\n', ';']).filter(is_entry).count().min(MAX_ENTRIES);
    let limit = Limit {
        bytes: 2 * text.len() + entries * ENTRY.bytes + LIST.bytes,
        allocations: entries * ENTRY.allocations + LIST.allocations,
    };
    let found = limit.hold(|| text.parse::<Keyring>());
    match (found, keyring::parse(text)) {
        (Ok(found), Ok(expected)) => {
            agree(&found, &expected);
            true
        }
        (Err(error), Err(faults)) => {
            assert!(has_fault(&error, &faults), "{error}: none of {faults:?}");
            let message = error.to_string();
            // Except the ids of two equal keys, which are ids according to the reference.
            let named = match &error {
                KeyringError::DuplicateKey { key_id, other, .. } => {
                    [key_id, other].map(AsRef::as_ref)
                }
                _ => [""; 2],
            };
            let words = text.split([' ', '\t', '\n', ';']);
            let mut words = words.filter(|word| word.len() > 20 && !named.contains(word));
            assert!(!words.any(|word| message.contains(word)), "an error that echoes its input");
            false
        }
        (found, expected) => panic!("found {found:?}, expected {expected:?}"),
    }
}

/// Builds the same keyring key by key. It has the same keys, and rejects what a text must not contain.
fn built(found: &Keyring, expected: &keyring::Keyring) {
    let id = |id: &str| id.parse::<KeyId>().unwrap();
    let key = |key: &Option<Key>| MasterKey::from_bytes(&mut key.unwrap()).unwrap();
    let mut built = Keyring::new(id(&expected[0].id), key(&expected[0].key)).unwrap();
    for entry in &expected[1..] {
        let id = id(&entry.id);
        built = match entry.state {
            State::Retired => built.with_retired(id, key(&entry.key)),
            State::Escrow => built.with_escrow(id, key(&entry.key)),
            State::Disabled => built.with_disabled(id),
            State::Leaked => built.with_leaked(id),
            State::Destroyed => built.with_destroyed(id),
            State::Primary => panic!("a second primary"),
        }
        .unwrap();
    }
    assert!(built.keys().eq(found.keys()));

    let faults = |result: Result<Keyring, KeyringError>| result.map(drop).unwrap_err();
    let new = "z".repeat(128);
    for entry in expected.iter().take(16) {
        let twice = faults(found.clone().with_leaked(id(&entry.id.to_ascii_uppercase())));
        assert!(matches!(twice, KeyringError::DuplicateKeyId { .. }), "{twice}");
        if entry.key.is_some() {
            let twice = faults(found.clone().with_retired(id(&new), key(&entry.key)));
            let KeyringError::DuplicateKey { key_id, other, .. } = &twice else {
                panic!("{twice}, expected a duplicate key")
            };
            assert_eq!([key_id.as_ref(), other.as_ref()], [new.as_str(), &entry.id]);
        }
    }
    for bare in keyring::bare_texts(&ID_KEY) {
        let result = faults(found.clone().with_disabled(id(&bare)));
        assert_eq!(result, KeyringError::KeyAsKeyId);
    }
}

/// Returns whether the error names one of these faults.
pub fn has_fault(error: &KeyringError, faults: &[Fault]) -> bool {
    let has = |fault: Fault| faults.contains(&fault);
    match error {
        KeyringError::Line { problem: LineProblem::Commented, .. } => has(Fault::NoPrimary),
        KeyringError::Line { line, .. } => has(Fault::Line(*line)),
        KeyringError::DuplicateKeyId { .. } => has(Fault::TwiceTheId),
        KeyringError::DuplicateKey { key_id, other, .. } => {
            has(Fault::TwiceTheKey(key_id.to_string(), other.to_string()))
        }
        KeyringError::NoPrimary => has(Fault::NoPrimary),
        KeyringError::TwoPrimaries => has(Fault::TwoPrimaries),
        KeyringError::TooManyEscrows => has(Fault::TooManyEscrows),
        KeyringError::TooManyKeys => has(Fault::TooManyKeys),
        other => panic!("a text cannot cause this error: {other}"),
    }
}

fn agree(found: &Keyring, expected: &keyring::Keyring) {
    let keys = found.keys().map(|(id, state)| (state_of(state), id.as_ref()));
    assert!(keys.eq(expected.iter().map(|Entry { state, id, .. }| (*state, id.as_str()))));

    let (context, rng) = (context("1"), [DEK.as_slice(), &IV].concat());
    let sealed = found.seal_with_rng(&Secret::from("x"), &context, &mut Scripted(&rng)).unwrap();
    let encoded = context.encoded();
    assert_eq!(fields(&sealed), procedures::seal(expected, 1, encoded, b"x", &DEK, &IV));
    built(found, expected);
    // With each key alone in a keyring.
    for entry in expected.iter().filter(|entry| entry.key.is_some()).take(16) {
        let alone = vec![Entry { state: State::Primary, ..entry.clone() }];
        let sealed = procedures::seal(&alone, 2, encoded, b"x", &DEK, &IV);
        let envelope = sealwax::Envelope::try_from(sealed.binary()).unwrap();
        assert!(found.open(&envelope, &context).is_ok(), "{}", entry.id);
    }
}

fn state_of(state: KeyState) -> State {
    match state {
        KeyState::Primary => State::Primary,
        KeyState::Retired => State::Retired,
        KeyState::Escrow => State::Escrow,
        KeyState::Disabled => State::Disabled,
        KeyState::Leaked => State::Leaked,
        KeyState::Destroyed => State::Destroyed,
        other => panic!("the reference has no such state: {other}"),
    }
}
