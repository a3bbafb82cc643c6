//! The writer: what it seals, and what its text may contain.

use sealwax::{
    KeyError, KeyState, Keyring, KeyringError, LineProblem, SealError, Sealer, Secret, WrapKind,
};

use super::{mixed, pair, text};
use crate::fixtures::{CREDENTIAL, Counting, SUITES, Scripted, acme, key_id, master_key};

fn opening_text(number: u8) -> String {
    pair(number).to_text().expose_str().unwrap().to_owned()
}

fn sealing_text(number: u8) -> String {
    text(&pair(number).sealing_key())
}

fn parsed(text: &str) -> Result<Sealer, KeyringError> {
    text.parse()
}

fn sealed(sealer: &Sealer) -> sealwax::Envelope {
    sealer.seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut Counting(9)).unwrap()
}

#[test]
fn a_sealer_wraps_for_its_primary_and_its_escrows_in_order() {
    let lines = format!(
        "# the dashboard\n\nescrow c {}\nprimary a {}; escrow b {}",
        sealing_text(100),
        sealing_text(1),
        sealing_text(50)
    );
    let built = || {
        Sealer::new(key_id("a"), pair(1).sealing_key())
            .unwrap()
            .with_offline_escrow(key_id("c"), pair(100).sealing_key())
            .unwrap()
            .with_offline_escrow(key_id("b"), pair(50).sealing_key())
            .unwrap()
    };
    for suite in SUITES {
        let row = sealed(&parsed(&lines).unwrap().with_suite(suite));
        assert_eq!(row, sealed(&built().with_suite(suite)));
        assert_eq!(row.suite(), suite);
        let ids: Vec<_> = row.wrapped_keys().map(|w| (w.key_id().to_string(), w.kind())).collect();
        assert_eq!(ids, ["a", "c", "b"].map(|id| (id.to_owned(), WrapKind::Hpke)));
        // Each opening key opens it alone.
        for (id, number) in [("a", 1), ("c", 100), ("b", 50)] {
            let ring = Keyring::new(key_id(id), pair(number)).unwrap();
            assert!(ring.open(&row, &acme()).unwrap().expose_secret() == CREDENTIAL.as_bytes());
        }
    }
    let shown = r#"Sealer { key_ids: [KeyId("a"), KeyId("c"), KeyId("b")], suite: Aes256Gcm }"#;
    assert_eq!(format!("{:?}", built()), shown);
}

#[test]
fn seals_with_the_systems_randomness_differ() {
    let sealer = Sealer::new(key_id("a"), pair(1).sealing_key()).unwrap();
    let [one, other] = [(); 2].map(|()| sealer.seal(&Secret::from(CREDENTIAL), &acme()).unwrap());
    assert_ne!(one.iv(), other.iv());
    let bodies = [one, other].map(|row| super::only_wrap(&row).body().to_vec());
    assert_ne!(bodies[0], bodies[1]);
}

#[test]
fn failures_are_those_of_a_seal() {
    let sealer = Sealer::new(key_id("a"), pair(1).sealing_key()).unwrap();
    for drawn in [Vec::new(), vec![vec![7; 44]]] {
        let failed = sealer.seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut Scripted(drawn));
        assert!(matches!(failed, Err(SealError::Random)));
    }
    let long = Secret::from(vec![1; 16 * 1024 * 1024 + 1]);
    let failed = sealer.seal_with_rng(&long, &acme(), &mut Counting(1));
    assert!(matches!(failed, Err(SealError::TooLong)));
}

/// A key that opens, in the text of a writer, would let the writer open.
#[test]
fn a_sealers_text_has_sealing_keys_only() {
    let primary = format!("primary a {}", sealing_text(1));
    let master = master_key(1).to_text();
    let master = master.expose_str().unwrap();
    let mut refused = 0;
    for key in [opening_text(50), master.to_owned()] {
        for text in [format!("primary b {key}"), format!("{primary}\nescrow b {key}")] {
            let error = parsed(&text).unwrap_err();
            let is_other_kind = matches!(
                error,
                KeyringError::Line {
                    problem: LineProblem::Key {
                        source: KeyError::OtherKind { expected: "sws1", .. },
                        ..
                    },
                    ..
                }
            );
            assert!(is_other_kind, "{error}");
            refused += 1;
        }
    }
    for (word, state) in [
        ("retired", KeyState::Retired),
        ("offline", KeyState::OfflineEscrow),
        ("disabled", KeyState::Disabled),
        ("leaked", KeyState::Leaked),
        ("destroyed", KeyState::Destroyed),
    ] {
        for key in ["", &sealing_text(50)] {
            let error = parsed(&format!("{primary}\n{word} b {key}")).unwrap_err();
            match error {
                KeyringError::Line {
                    line: 2,
                    problem: LineProblem::OtherState { state: found, .. },
                    ..
                } => assert_eq!(found, state),
                other => panic!("{other}"),
            }
            refused += 1;
        }
    }
    assert_eq!(refused, 4 + 10);
    assert!(matches!(parsed(""), Err(KeyringError::NoPrimary)));
    assert!(matches!(
        parsed(&format!("escrow a {}", sealing_text(1))),
        Err(KeyringError::NoPrimary)
    ));
    let two = format!("{primary}\nprimary b {}", sealing_text(50));
    assert!(matches!(parsed(&two), Err(KeyringError::TwoPrimaries)));
    // A keyring does not take a sealer's text, and the other way round.
    assert!(primary.parse::<Keyring>().is_err());
    assert!(parsed(&format!("primary a {}", opening_text(1))).is_err());
}

#[test]
fn ids_and_keys_are_unique() {
    let base = || Sealer::new(key_id("a"), pair(1).sealing_key()).unwrap();
    let same = base().with_offline_escrow(key_id("A"), pair(50).sealing_key());
    assert!(matches!(same, Err(KeyringError::DuplicateKeyId { .. })));
    let (one, other) = (pair(1).sealing_key(), pair(50).sealing_key());
    for key in [pair(1).sealing_key(), mixed(&one, &other), mixed(&other, &one)] {
        // The second line is wrong, also if it is the primary.
        for [first, second] in [["primary", "escrow"], ["escrow", "primary"]] {
            let lines = format!("{first} a {}\n{second} b {}", sealing_text(1), text(&key));
            assert!(matches!(
                parsed(&lines),
                Err(KeyringError::DuplicateKey { key_id, other, .. }) if [key_id.as_ref(), other.as_ref()] == ["b", "a"]
            ));
        }
        let same = base().with_offline_escrow(key_id("b"), key);
        assert!(matches!(same, Err(KeyringError::DuplicateKey { .. })));
    }
    let bare = &opening_text(1)[5..];
    assert!(matches!(
        Sealer::new(key_id(bare), pair(1).sealing_key()),
        Err(KeyringError::KeyAsKeyId)
    ));
    assert!(matches!(
        Sealer::new(key_id("test/a"), pair(1).sealing_key()),
        Err(KeyringError::NotATestKey { .. })
    ));
}

#[test]
fn a_sealer_has_at_most_seven_escrows() {
    let numbers = [10, 20, 30, 40, 50, 60, 70_u8];
    let id = |number: u8| key_id(&format!("e{number}"));
    let full = numbers.iter().fold(
        Sealer::new(key_id("a"), pair(1).sealing_key()).unwrap(),
        |sealer, number| {
            sealer.with_offline_escrow(id(*number), pair(*number).sealing_key()).unwrap()
        },
    );
    assert_eq!(sealed(&full).wrapped_keys().count(), 8);
    let more = full.with_offline_escrow(id(80), pair(80).sealing_key());
    assert!(matches!(more, Err(KeyringError::TooManyEscrows)));
    let lines: Vec<_> = numbers
        .iter()
        .chain(&[80])
        .map(|number| format!("escrow e{number} {}", sealing_text(*number)))
        .collect();
    let text = format!("primary a {}\n{}", sealing_text(1), lines.join("\n"));
    assert!(matches!(parsed(&text), Err(KeyringError::TooManyEscrows)));
}
