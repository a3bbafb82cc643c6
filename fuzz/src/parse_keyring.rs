//! A keyring text parses or is refused, as the reference says; what parses has the keys and the states
//! of the text, in its order, and seals under the material of the text. No error echoes a word.

use sealwax::{KeyState, Keyring, Secret};

use super::agree::fields;
use super::edits::neighbours;
use super::heap::Limit;
use super::material::{DEK, IV, Scripted, context, key};
use super::reference::keyring::{self, Entry, State};
use super::reference::procedures;

/// A keyring is read once, at start, and has at most 1,024 entries. However short its text, each costs
/// an id, a key with its schedule, and its place in a list that doubles as it grows.
const ENTRY: Limit = Limit { bytes: 384, allocations: 3 };
const MAX_ENTRIES: usize = 1024;
/// The first four places of the list, and how often it doubles.
const LIST: Limit = Limit { bytes: 512, allocations: 12 };

/// In an input, the text of a key: one that is mutated has lost its checksum.
const MARKS: [char; 4] = ['\u{1}', '\u{2}', '\u{3}', '\u{4}'];
const MAX_MARKS: usize = 64;

pub fn check(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let mut text = text.to_owned();
    for (number, mark) in (0..).zip(MARKS) {
        text = text.replacen(mark, &keyring::key_text(&key(number)), MAX_MARKS);
    }
    let is_keyring = check_text(&text);
    if is_keyring && text.len() < 1024 {
        let mut others = neighbours(&text);
        // Once more what stands in it; in lines or in one; with other white space and other states.
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
            text.replace("retired", "disabled"),
            text.replace("escrow", "destroyed"),
            text.replace("primary", "retired"),
            text.replace("retired", "primary"),
            text.replace("disabled", "escrow"),
        ]);
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
        (Ok(found), Some(expected)) => {
            agree(&found, &expected);
            true
        }
        (Err(error), None) => {
            let message = error.to_string();
            let mut words = text.split([' ', '\t', '\n', ';']).filter(|word| word.len() > 20);
            assert!(!words.any(|word| message.contains(word)), "an error that echoes its input");
            false
        }
        (found, expected) => panic!("{found:?}, and not {expected:?}"),
    }
}

fn agree(found: &Keyring, expected: &keyring::Keyring) {
    let keys = found.keys().map(|(id, state)| (state_of(state), id.as_ref()));
    assert!(keys.eq(expected.iter().map(|Entry { state, id, .. }| (*state, id.as_str()))));

    let (context, rng) = (context("1"), [DEK.as_slice(), &IV].concat());
    let sealed = found.seal_with_rng(&Secret::from("x"), &context, &mut Scripted(&rng)).unwrap();
    let encoded = context.encoded();
    assert_eq!(fields(&sealed), procedures::seal(expected, 1, encoded, b"x", &DEK, &IV));
    // With each key as the only one.
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
        KeyState::Destroyed => State::Destroyed,
        other => panic!("a state that the reference lacks: {other}"),
    }
}
