//! One key under two ids is rejected, so that a leaked key cannot be "rotated" by renaming it.

use std::sync::Arc;

use sealwax::{KeyState, Keyring, KeyringError};

use crate::fixtures::{key_id, master_key};

const STATES: [KeyState; 6] = [
    KeyState::Primary,
    KeyState::Retired,
    KeyState::Escrow,
    KeyState::Disabled,
    KeyState::Leaked,
    KeyState::Destroyed,
];

fn told(result: Result<Keyring, KeyringError>) -> String {
    match result {
        Ok(_) => "accepted".to_owned(),
        Err(KeyringError::DuplicateKey { key_id, other, .. }) => format!("{key_id} is {other}"),
        Err(KeyringError::DuplicateKeyId { .. }) => "an id twice".to_owned(),
        Err(KeyringError::TwoPrimaries) => "two primaries".to_owned(),
        Err(other) => panic!("unexpected error: {other}"),
    }
}

fn entry(state: KeyState, id: &str, number: u8) -> String {
    let key = master_key(number).to_text();
    format!("{state} {id} {}\n", key.expose_str().unwrap())
}

/// A key after `disabled`, `leaked` or `destroyed` is not kept, but it is compared all the same.
#[test]
fn a_text_has_no_key_twice_whatever_the_states_and_the_place() {
    let (mut refused, mut accepted) = (0, 0);
    for first in STATES {
        for second in STATES {
            for (second_key, same) in [(2, true), (3, false)] {
                let two_primaries = [first, second] == [KeyState::Primary; 2];
                let main = match [first, second].contains(&KeyState::Primary) {
                    true => String::new(),
                    false => entry(KeyState::Primary, "main", 1),
                };
                let between = entry(KeyState::Retired, "between", 4);
                let (one, two) = (entry(first, "one", 2), entry(second, "two", second_key));
                for text in [
                    format!("{main}{one}{two}"),
                    format!("{one}{between}{two}{main}"),
                    format!("{one}# {two}{two}{main}"),
                    format!("{};{}\n{main}", one.trim_end(), two.trim_end()),
                ] {
                    let expected = match (same, two_primaries) {
                        (true, _) => "two is one",
                        (false, true) => "two primaries",
                        (false, false) => "accepted",
                    };
                    assert_eq!(told(text.parse()), expected, "{first}, {second}, {same}");
                    refused += usize::from(same);
                    accepted += usize::from(expected == "accepted");
                }
            }
        }
    }
    assert_eq!((refused, accepted), (36 * 4, 35 * 4));
}

/// If the id is the same as well, the error is about the id; nobody renamed anything.
#[test]
fn a_line_that_stands_twice_is_told_as_an_id_that_does() {
    let mut tried = 0;
    for first in STATES {
        for second in STATES {
            for id in ["one", "One", "ONE"] {
                let main = match [first, second].contains(&KeyState::Primary) {
                    true => String::new(),
                    false => entry(KeyState::Primary, "main", 1),
                };
                let text = format!("{}{}{main}", entry(first, "one", 2), entry(second, id, 2));
                let two_primaries = [first, second] == [KeyState::Primary; 2];
                let expected = if two_primaries { "two primaries" } else { "an id twice" };
                assert_eq!(told(text.parse()), expected, "{first}, then {second} {id}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 36 * 3);
}

#[test]
fn a_keyring_built_by_hand_has_no_key_twice() {
    type Add = fn(Keyring, &str, u8) -> Result<Keyring, KeyringError>;
    let adds: [(&str, Add); 4] = [
        ("retired", |ring, id, key| ring.with_retired(key_id(id), master_key(key))),
        ("escrow", |ring, id, key| ring.with_escrow(key_id(id), master_key(key))),
        ("retired, shared", |ring, id, key| {
            ring.with_retired(key_id(id), Arc::new(master_key(key)))
        }),
        ("escrow, shared", |ring, id, key| ring.with_escrow(key_id(id), Arc::new(master_key(key)))),
    ];
    let primaries = || {
        [
            Keyring::new(key_id("one"), master_key(2)).unwrap(),
            Keyring::new(key_id("one"), Arc::new(master_key(2))).unwrap(),
        ]
    };
    let mut tried = 0;
    for (second_name, second) in adds {
        for ring in primaries() {
            assert_eq!(told(second(ring.clone(), "two", 2)), "two is one", "{second_name}");
            assert_eq!(told(second(ring.clone(), "One", 2)), "an id twice", "{second_name}");
            assert_eq!(told(second(ring, "two", 3)), "accepted", "{second_name}");
            tried += 1;
        }
        for (first_name, first) in adds {
            let ring =
                first(Keyring::new(key_id("main"), master_key(1)).unwrap(), "one", 2).unwrap();
            let what = format!("{first_name}, then {second_name}");
            assert_eq!(told(second(ring.clone(), "two", 2)), "two is one", "{what}");
            assert_eq!(told(second(ring.clone(), "two", 1)), "two is main", "{what}");
            assert_eq!(told(second(ring, "two", 3)), "accepted", "{what}");
            tried += 1;
        }
    }
    assert_eq!(tried, 4 * 2 + 4 * 4);
    // The same key in memory, in two places.
    let shared = Arc::new(master_key(2));
    let ring = Keyring::new(key_id("one"), Arc::clone(&shared)).unwrap();
    assert_eq!(told(ring.with_escrow(key_id("two"), shared)), "two is one");
}

/// The whole key is compared, and not just a part of it.
#[test]
fn keys_that_differ_in_one_bit_are_two_keys() {
    let bytes = |bit: Option<usize>| {
        let mut bytes: Vec<u8> = (1..=32).collect();
        if let Some(bit) = bit {
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        sealwax::MasterKey::from_bytes(&mut bytes).unwrap()
    };
    let ring = Keyring::new(key_id("one"), bytes(None)).unwrap();
    for bit in 0..256 {
        let added = ring.clone().with_retired(key_id("two"), bytes(Some(bit)));
        assert_eq!(told(added), "accepted", "bit {bit}");
    }
    assert_eq!(told(ring.with_retired(key_id("two"), bytes(None))), "two is one");
}

#[test]
fn the_error_names_both_ids_and_nothing_of_the_key() {
    let text =
        format!("{}{}", entry(KeyState::Primary, "one", 2), entry(KeyState::Leaked, "two", 2));
    let error = text.parse::<Keyring>().unwrap_err();
    assert_eq!(error.to_string(), "key ids two and one in the keyring have the same key");
    let shown = format!("{error:?}");
    assert!(!shown.contains("swk1_") && !shown.contains(&text[20..28]), "{shown}");
}
