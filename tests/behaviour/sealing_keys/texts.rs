//! The texts of pairs, alone and in the text of a keyring.

use sealwax::{
    KeyError, KeyState, Keyring, KeyringError, LineProblem, MasterKey, OpeningKey, ReloadProblem,
    SealingKey,
};

use super::{PUBLIC_KEY_LEN, bytes_of, mixed, pair, text, text_of};
use crate::fixtures::{Counting, Scripted, key_id, master_key};

fn opening_text(key: &OpeningKey) -> String {
    key.to_text().expose_str().unwrap().to_owned()
}

fn master_text(number: u8) -> String {
    master_key(number).to_text().expose_str().unwrap().to_owned()
}

fn error_of(text: &str, opening: bool) -> Option<KeyError> {
    if opening { text.parse::<OpeningKey>().err() } else { text.parse::<SealingKey>().err() }
}

#[test]
fn each_text_has_the_length_on_the_page_and_is_read_back() {
    let key = pair(1);
    let (opening, sealing) = (opening_text(&key), text(&key.sealing_key()));
    assert_eq!((opening.len(), sealing.len()), (5 + 91, 5 + 1670));
    assert!(opening.starts_with("swo1_") && sealing.starts_with("sws1_"));
    let again: OpeningKey = opening.parse().unwrap();
    assert!(opening_text(&again) == opening && text(&again.sealing_key()) == sealing);
    assert!(text(&sealing.parse().unwrap()) == sealing);
    // The first 64 bytes that were drawn, in one call.
    assert!(opening == text_of("swo1", &(1..65).collect::<Vec<u8>>()));
}

#[test]
fn no_text_with_a_changed_character_is_read() {
    let key = pair(1);
    let mut tried = 0;
    for (text, opening) in [(opening_text(&key), true), (text(&key.sealing_key()), false)] {
        // Each character of the short text, and each of the ends of the long one.
        for at in (5..text.len()).filter(|at| opening || *at < 50 || *at > 1600) {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The unused bits of the last character have to be zero.
            let expected = matches!(
                error_of(&changed, opening),
                Some(KeyError::Checksum | KeyError::Malformed)
            );
            assert!(expected, "character {at}");
            tried += 1;
        }
        for wrong in [&text[..text.len() - 1], &text[..5], &format!("{text}A"), ""] {
            assert_eq!(error_of(wrong, opening), Some(KeyError::Malformed));
            tried += 1;
        }
        for (wrong, shown) in [
            (format!("\"{text}\""), "quotation marks"),
            (format!("{text}\n"), "line feed"),
            (format!("KEY={text}"), "NAME="),
        ] {
            let error = error_of(&wrong, opening).unwrap();
            assert!(matches!(error, KeyError::Surrounded { .. }), "{shown}: {error}");
            tried += 1;
        }
    }
    assert_eq!(tried, 91 + (45 + 74) + 2 * (4 + 3));
}

#[test]
fn a_key_of_another_kind_is_named() {
    let key = pair(1);
    let test_key = MasterKey::generate_for_tests(1).to_text();
    let texts = [
        opening_text(&key),
        text(&key.sealing_key()),
        master_text(1),
        test_key.expose_str().unwrap().to_owned(),
    ];
    let kind = |name: &'static str| Some(name);
    let expected = |error: Option<KeyError>| match error {
        Some(KeyError::OtherKind { expected, .. }) => kind(expected),
        None => None,
        Some(other) => panic!("unexpected error: {other}"),
    };
    let read = texts.each_ref().map(|text| {
        let master = text.parse::<MasterKey>().err();
        [error_of(text, true), error_of(text, false), master].map(expected)
    });
    let [o, s, k] = [kind("swo1"), kind("sws1"), kind("swk1")];
    assert_eq!(read, [[None, s, k], [o, None, k], [o, s, None], [o, s, k]]);
}

#[test]
fn weak_halves_are_refused() {
    let good: Vec<u8> = (1..33).collect();
    let weak = vec![7; 32];
    for halves in [[&weak, &good], [&good, &weak], [&weak, &weak]] {
        let bytes = halves.map(Vec::as_slice).concat();
        assert_eq!(error_of(&text_of("swo1", &bytes), true), Some(KeyError::Weak));
        let drawn = OpeningKey::generate_with_rng(&mut Scripted(vec![bytes]));
        assert_eq!(drawn.err(), Some(KeyError::Random));
    }
    let failed = OpeningKey::generate_with_rng(&mut Scripted(Vec::new()));
    assert_eq!(failed.err(), Some(KeyError::Random));
    let mut sealing = bytes_of(&pair(1).sealing_key());
    sealing[PUBLIC_KEY_LEN..].fill(7);
    assert_eq!(error_of(&text_of("sws1", &sealing), false), Some(KeyError::Weak));
}

#[test]
fn no_debug_output_shows_a_key() {
    let key = pair(1);
    assert_eq!(format!("{key:?}"), "OpeningKey([REDACTED])");
    assert_eq!(format!("{:?}", key.sealing_key()), "SealingKey([REDACTED])");
}

fn parsed(text: &str) -> Result<Keyring, KeyringError> {
    text.parse()
}

#[test]
fn a_keyrings_text_has_pairs_in_each_state() {
    let [a, b, c, d, e] = [1, 2, 3, 4, 5].map(pair);
    let line =
        |state: &str, id: &str, key: &OpeningKey| format!("{state} {id} {}\n", opening_text(key));
    let ring = parsed(
        &[
            line("primary", "a", &a),
            line("retired", "b", &b),
            line("escrow", "c", &c),
            format!("escrow d {}\n", text(&d.sealing_key())),
            format!("disabled e {}\n", text(&e.sealing_key())),
            format!("retired m {}\n", master_text(1)),
        ]
        .concat(),
    )
    .unwrap();
    let states: Vec<_> = ring.keys().map(|(id, state)| (id.as_ref(), state)).collect();
    assert_eq!(
        states,
        [
            ("a", KeyState::Primary),
            ("b", KeyState::Retired),
            ("c", KeyState::Escrow),
            ("d", KeyState::OfflineEscrow),
            ("e", KeyState::Disabled),
            ("m", KeyState::Retired),
        ]
    );
    assert!(["a", "b", "c", "d", "m"].iter().all(|id| ring.check_value(id).is_some()));
    assert_eq!(ring.check_value("e"), None);
    assert_eq!(KeyState::OfflineEscrow.to_string(), "offline");
}

#[test]
fn a_sealing_key_stands_only_after_escrow_and_where_no_key_is_kept() {
    let (primary, sealing) =
        (format!("primary m {}", master_text(1)), text(&pair(1).sealing_key()));
    for state in ["retired", "escrow", "disabled", "leaked", "destroyed"] {
        let ring = parsed(&format!("{primary}\n{state} s {sealing}"));
        if state == "retired" {
            assert!(
                matches!(
                    ring,
                    Err(KeyringError::Line {
                        line: 2,
                        problem: LineProblem::OtherState { state: KeyState::Retired, .. },
                        ..
                    })
                ),
                "{ring:?}"
            );
        } else {
            assert_eq!(ring.unwrap().keys().count(), 2, "{state}");
        }
    }
    let ring = parsed(&format!("primary s {sealing}"));
    assert!(matches!(
        ring,
        Err(KeyringError::Line {
            problem: LineProblem::OtherState { state: KeyState::Primary, .. },
            ..
        })
    ));
    // `offline` is the word of the state, but not in the text of a keyring.
    let ring = parsed(&format!("{primary}\noffline s {sealing}"));
    assert!(matches!(
        ring,
        Err(KeyringError::Line {
            problem: LineProblem::OtherState { state: KeyState::OfflineEscrow, .. },
            ..
        })
    ));
}

#[test]
fn one_public_key_or_one_psk_is_one_key() {
    let (one, other) = (pair(1), pair(100));
    let [opening, sealing] = [opening_text(&one), text(&one.sealing_key())];
    let same_public = text(&mixed(&one.sealing_key(), &other.sealing_key()));
    let same_psk = text(&mixed(&other.sealing_key(), &one.sealing_key()));
    let unrelated = text(&other.sealing_key());
    let mut refused = 0;
    for (second, is_same) in [
        (&opening, true),
        (&sealing, true),
        (&same_public, true),
        (&same_psk, true),
        (&unrelated, false),
    ] {
        for state in ["escrow", "disabled", "leaked", "destroyed"] {
            let ring = parsed(&format!("primary a {opening}\n{state} b {second}"));
            match ring {
                Err(KeyringError::DuplicateKey { key_id: id, other, .. }) if is_same => {
                    assert_eq!((id.as_ref(), other.as_ref()), ("b", "a"));
                    refused += 1;
                }
                ring => assert!(ring.is_ok() && !is_same, "{state}: {ring:?}"),
            }
        }
        // Built in code.
        let ring = Keyring::new(key_id("a"), pair(1)).unwrap();
        let ring = match second.parse::<SealingKey>() {
            Ok(key) => ring.with_offline_escrow(key_id("b"), std::sync::Arc::new(key)),
            Err(_) => ring.with_retired(key_id("b"), Box::new(pair(1))),
        };
        assert_eq!(matches!(ring, Err(KeyringError::DuplicateKey { .. })), is_same);
    }
    assert_eq!(refused, 4 * 4);
}

#[test]
fn a_pair_is_no_test_key() {
    let is_refused = |ring: Result<Keyring, KeyringError>| matches!(ring, Err(KeyringError::NotATestKey { key_id, .. }) if key_id.as_ref() == "test/a");
    let (opening, sealing) = (opening_text(&pair(1)), text(&pair(1).sealing_key()));
    assert!(is_refused(parsed(&format!("primary test/a {opening}"))));
    assert!(is_refused(parsed(&format!("primary m {}\nescrow test/a {sealing}", master_text(1)))));
    assert!(is_refused(Keyring::new(key_id("test/a"), pair(1))));
    let test_ring = || Keyring::new(key_id("test/m"), MasterKey::generate_for_tests(1)).unwrap();
    assert!(is_refused(test_ring().with_escrow(key_id("test/a"), pair(1))));
    assert!(is_refused(test_ring().with_offline_escrow(key_id("test/a"), pair(1).sealing_key())));
    let text = Keyring::from_test_text(&format!("primary test/a {opening}"));
    assert!(matches!(
        text,
        Err(KeyringError::Line {
            problem: LineProblem::Key { source: KeyError::OtherKind { expected: "swkt1", .. }, .. },
            ..
        })
    ));
}

#[test]
fn what_surrounds_a_pairs_text_in_a_keyring_is_named() {
    let ring = parsed(&format!("primary a \"{}\"", opening_text(&pair(1))));
    assert!(
        matches!(
            ring,
            Err(KeyringError::Line {
                problem: LineProblem::Key { source: KeyError::Surrounded { .. }, .. },
                ..
            })
        ),
        "{ring:?}"
    );
    // The text of an opening key without its prefix is no id.
    let bare = opening_text(&pair(1))[5..].to_owned();
    let ring = parsed(&format!("primary {bare} {}", opening_text(&pair(2))));
    assert!(matches!(
        ring,
        Err(KeyringError::Line { problem: LineProblem::KeyId { source: Some(_), .. }, .. })
    ));
    let built = Keyring::new(key_id(&bare), pair(2));
    assert!(matches!(built, Err(KeyringError::KeyAsKeyId)));
    assert!(OpeningKey::generate_with_rng(&mut Counting(9)).is_ok());
}

/// The writer has the psk. If it were the seed too, the writer could open.
#[test]
fn a_pair_whose_halves_are_the_same_is_refused() {
    let half: Vec<u8> = (1..33).collect();
    let both = text_of("swo1", &[half.as_slice(), &half].concat());
    assert_eq!(error_of(&both, true), Some(KeyError::Weak));
    let drawn = half.repeat(2);
    let drawn = OpeningKey::generate_with_rng(&mut Scripted(vec![drawn]));
    assert_eq!(drawn.err(), Some(KeyError::Random));
}

/// The same public key with another psk, or the reverse, is another key.
#[test]
fn a_reload_sees_each_half_of_a_pair() {
    let offline = |key: SealingKey| {
        let ring = Keyring::new(key_id("prod"), master_key(1)).unwrap();
        ring.with_offline_escrow(key_id("dr"), key).unwrap()
    };
    let (one, other) = (pair(1).sealing_key(), pair(2).sealing_key());
    for key in [mixed(&one, &other), mixed(&other, &one), pair(2).sealing_key()] {
        let problems = offline(key).can_replace(&offline(pair(1).sealing_key())).unwrap_err();
        assert!(matches!(problems[..], [ReloadProblem::OtherMaterial { .. }]), "{problems:?}");
    }
    assert_eq!(offline(pair(1).sealing_key()).can_replace(&offline(one)), Ok(()));
}
