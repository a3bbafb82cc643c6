//! A rewrap replaces the wraps and nothing else, is reproducible to the byte, and happens only if an envelope is not
//! current.

use std::collections::BTreeSet;

use sealwax::{Envelope, KeyId, Keyring, RewrapError, Secret, Suite, UnwrapError, WrapKind};

use crate::fixtures::{
    CREDENTIAL, Parts, SUITES, acme, class, counted_data_key, key_id, keyring, master_key, opening,
    rewrapping, sealed, wrap,
};
use crate::rings::{Service, disabled, dr, escrow, next, other, prod, retired, wraps_of};

/// Tries keyrings and envelopes of every kind, and asserts for each pair whether the envelope is current. The label of
/// a keyring is the list of keys it seals for: envelopes are current under keyrings with the same label.
#[test]
fn current_is_the_exact_negation_of_rewrapped() {
    let turning = |kind| Service::Turns(0x33, kind);
    let by_kind = |kind| Keyring::new(key_id("prod"), turning(kind)).unwrap();
    let private = WrapKind::from_byte(0x80).unwrap();
    // Each keyring also holds the keys that open the others' envelopes, if their ids are free.
    let rings: Vec<(&str, &str, Keyring)> = vec![
        ("the usual", "prod1 dr2", keyring(Suite::default())),
        ("the other suite", "prod1 dr2", keyring(Suite::ChaCha20Poly1305)),
        ("one more retired", "prod1 dr2", retired(keyring(Suite::default()), "x", 4)),
        ("one more disabled", "prod1 dr2", disabled(keyring(Suite::default()), "x")),
        ("without escrow", "prod1", prod()),
        ("the escrow retired", "prod1", retired(prod(), "dr", 2)),
        ("the escrow disabled", "prod1", disabled(prod(), "dr")),
        ("the other order", "dr2 prod1", escrow(dr(), "prod", 1)),
        ("another escrow after", "prod1 dr2 x4", escrow(escrow(prod(), "dr", 2), "x", 4)),
        ("another escrow between", "prod1 x4 dr2", escrow(escrow(prod(), "x", 4), "dr", 2)),
        (
            "other material in the primary",
            "prod7 dr2",
            escrow(Keyring::new(key_id("prod"), master_key(7)).unwrap(), "dr", 2),
        ),
        ("other material in the escrow", "prod1 dr8", escrow(prod(), "dr", 8)),
        (
            "the retired one as primary",
            "next3 dr2",
            retired(
                escrow(Keyring::new(key_id("next"), master_key(3)).unwrap(), "dr", 2),
                "prod",
                1,
            ),
        ),
        (
            "the same material under another id",
            "twin1 dr2",
            escrow(Keyring::new(key_id("twin"), master_key(1)).unwrap(), "dr", 2),
        ),
        ("another kind", "prodK dr2", escrow(by_kind(WrapKind::Provider), "dr", 2)),
        ("a private kind", "prodP dr2", escrow(by_kind(private), "dr", 2)),
        (
            "only an escrow is there",
            "mine9 dr2",
            escrow(Keyring::new(key_id("mine"), master_key(9)).unwrap(), "dr", 2),
        ),
        ("a stranger", "mine9", Keyring::new(key_id("mine"), master_key(9)).unwrap()),
    ];
    let envelopes: Vec<(&str, &str, Envelope)> = rings
        .iter()
        .map(|(name, label, ring)| {
            (*name, *label, ring.seal(&Secret::from(CREDENTIAL), &acme()).unwrap())
        })
        .collect();
    let (mut current, mut rewrapped, mut refused) = (0, 0, 0);
    for (ring_name, ring_label, ring) in &rings {
        for (name, label, envelope) in &envelopes {
            let what = format!("what {name} sealed, under {ring_name}");
            let expected = ring_label == label;
            assert_eq!(ring.is_current(envelope), expected, "{what}");
            match ring.rewrap(envelope) {
                Ok(None) => {
                    assert!(expected, "{what}: not rewrapped");
                    current += 1;
                }
                Ok(Some(fresh)) => {
                    assert!(!expected, "{what}: rewrapped");
                    assert!(ring.is_current(&fresh), "{what}: not current after a rewrap");
                    assert_eq!(opening(ring, &fresh, &acme()), "opened", "{what}");
                    assert_eq!(ring.rewrap(&fresh).unwrap(), None, "{what}: rewrapped twice");
                    rewrapped += 1;
                }
                Err(error) => {
                    assert!(!expected, "{what}: {error}");
                    // The keys are refused: an envelope that does not rewrap does not open either.
                    assert_ne!(opening(ring, envelope, &acme()), "opened", "{what}");
                    refused += 1;
                }
            }
        }
    }
    let labels: BTreeSet<&str> = rings.iter().map(|(_, label, _)| *label).collect();
    assert_eq!((rings.len(), labels.len()), (18, 13));
    // Four with one label, three with another, and eleven with their own.
    assert_eq!(current, 4 * 4 + 3 * 3 + 11);
    assert_eq!(current + rewrapped + refused, 18 * 18);
    assert_eq!((rewrapped, refused), (218, 70));
}

/// Whether an envelope is current depends only on public bytes, and says nothing about the MAC.
#[test]
fn an_altered_envelope_that_looks_current_is_neither_rewrapped_nor_opened() {
    for suite in SUITES {
        let mut parts = Parts::of(&sealed(suite, 1));
        parts.mac[0] ^= 1;
        let altered = parts.envelope();
        assert!(keyring(suite).is_current(&altered), "{suite}");
        assert_eq!(rewrapping(&keyring(suite), &altered), "current", "{suite}");
        assert_eq!(opening(&keyring(suite), &altered, &acme()), "envelope_altered", "{suite}");
    }
}

/// A wrap with a check value that is not this keyring's, or with a body of another length, is not current.
#[test]
fn a_wrap_that_this_key_did_not_make_is_not_current() {
    for suite in SUITES {
        type Change = fn(&mut Parts);
        let rows: [(&str, Change); 5] = [
            ("check value of the primary", |p| p.wraps[0].1[1] ^= 1),
            ("check value of the escrow", |p| p.wraps[1].1[4] ^= 0x80),
            ("a shorter body", |p| p.wraps[0].1.truncate(60)),
            ("a longer body", |p| p.wraps[1].1.push(0)),
            ("kind", |p| p.wraps[1].1[0] = 2),
        ];
        for (what, change) in rows {
            let mut parts = Parts::of(&sealed(suite, 1));
            change(&mut parts);
            let altered = parts.envelope();
            assert!(!keyring(suite).is_current(&altered), "{suite}, {what}");
            let found = rewrapping(&keyring(suite), &altered);
            assert_eq!(found, opening(&keyring(suite), &altered, &acme()), "{suite}, {what}");
        }
    }
}

#[test]
fn a_rewrap_leaves_the_payload_as_it_is_and_is_repeatable_to_the_byte() {
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        // Two workers, each with its own keyring, of the other suite.
        let worker = || {
            std::thread::spawn({
                let envelope = envelope.clone();
                move || {
                    let ring = escrow(next().with_suite(other(envelope.suite())), "eu", 5);
                    ring.rewrap(&envelope).unwrap().unwrap()
                }
            })
        };
        let [first, second] = [worker(), worker()].map(|worker| worker.join().unwrap());
        assert_eq!(first.as_bytes(), second.as_bytes(), "{suite}");

        let kept = |envelope: &Envelope| {
            let (iv, tag) = (*envelope.iv(), *envelope.tag());
            (envelope.suite(), *envelope.commitment(), iv, tag, envelope.ciphertext().to_vec())
        };
        assert!(kept(&first) == kept(&envelope), "{suite}: more than the wraps has changed");
        assert_ne!(first.mac(), envelope.mac(), "{suite}");
        let ids: Vec<KeyId> = first.key_ids().collect();
        assert_eq!(ids, [key_id("next"), key_id("eu")], "{suite}");

        let ring = escrow(next(), "eu", 5);
        let opened = ring.open(&first, &acme()).unwrap();
        assert!(opened.expose_secret() == CREDENTIAL.as_bytes(), "{suite}");
        // A second rewrap has nothing to do.
        assert_eq!(ring.rewrap(&first).unwrap(), None, "{suite}");
        // The keys it was sealed with no longer open it, and still open what they sealed.
        let old = keyring(suite);
        assert_eq!(opening(&old, &first, &acme()), "unknown_key(next,eu)", "{suite}");
        assert_eq!(opening(&old, &envelope, &acme()), "opened", "{suite}");
    }
}

#[test]
fn a_rewrap_to_the_same_material_under_another_id_opens_under_that_id_only() {
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        // No keyring can make this, because a key cannot be renamed. By hand, with the data key, it can be made.
        let renamed = Keyring::new(key_id("prod-b"), master_key(1)).unwrap();
        assert!(renamed.clone().with_retired(key_id("prod"), master_key(1)).is_err());
        let data_key = counted_data_key(1);
        let by_twin = wrap(&master_key(1), "prod-b", suite, envelope.commitment(), &data_key);
        let fresh = envelope.rewrap_with(&data_key, vec![by_twin]).unwrap();
        let ids: Vec<KeyId> = fresh.key_ids().collect();
        assert_eq!(ids, [key_id("prod-b")], "{suite}");
        assert_ne!(wraps_of(&fresh)[0].body(), wraps_of(&envelope)[0].body(), "{suite}");
        assert_eq!(opening(&renamed, &fresh, &acme()), "opened", "{suite}");
        assert_eq!(opening(&prod(), &fresh, &acme()), "unknown_key(prod-b)", "{suite}");
        // For the same key there is nothing to do.
        assert_eq!(rewrapping(&keyring(suite), &envelope), "current", "{suite}");
    }
}

#[test]
fn rewrapped_through_many_keys_it_opens_and_back_again_it_is_what_it_was() {
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        let mut row = envelope.clone();
        for number in 10..20 {
            let (from, to) = (format!("k{}", number - 1), format!("k{number}"));
            let mut ring = Keyring::new(key_id(&to), master_key(number)).unwrap();
            ring = retired(retired(ring, "prod", 1), &from, number - 1);
            row = ring.rewrap(&row).unwrap().unwrap();
            let opened = ring.open(&row, &acme()).unwrap();
            assert!(opened.expose_secret() == CREDENTIAL.as_bytes(), "{suite}, {to}");
        }
        let back = retired(keyring(suite), "k19", 19).rewrap(&row).unwrap().unwrap();
        assert_eq!(back, envelope, "{suite}");
    }
}

#[test]
fn a_keyring_rolled_back_loses_nothing() {
    for suite in SUITES {
        let old = keyring(suite);
        let new = escrow(
            retired(Keyring::new(key_id("next"), master_key(3)).unwrap(), "prod", 1),
            "dr",
            2,
        );
        let row = sealed(suite, 1);
        let rotated = new.rewrap(&row).unwrap().unwrap();

        // The old keyring does not know the new key. The escrow key still opens, and going back is a rewrap like any
        // other.
        assert_eq!(opening(&old, &rotated, &acme()), "opened", "{suite}");
        assert_eq!(old.rewrap(&rotated).unwrap().as_ref(), Some(&row), "{suite}");
        assert_eq!(opening(&prod(), &rotated, &acme()), "unknown_key(next,dr)", "{suite}");
        assert_eq!(rewrapping(&prod(), &rotated), "unknown_key(next,dr)", "{suite}");

        // No harm is done: the new keyring opens both.
        assert_eq!(opening(&new, &rotated, &acme()), "opened", "{suite}");
        assert_eq!(opening(&new, &row, &acme()), "opened", "{suite}");
        // After a rollback that keeps the new key as retired, every row opens and is rewrapped.
        let mended = retired(keyring(suite), "next", 3);
        assert_eq!(opening(&mended, &rotated, &acme()), "opened", "{suite}");
        assert_eq!(mended.rewrap(&rotated).unwrap(), Some(row), "{suite}");
    }
}

#[test]
fn what_a_caller_rewraps_by_hand_is_checked_as_well() {
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        let data_key = counted_data_key(1);
        let by_next = wrap(&master_key(3), "next", suite, envelope.commitment(), &data_key);
        let fresh = envelope.rewrap_with(&data_key, vec![by_next.clone()]).unwrap();
        // The result is the same as the keyring's.
        assert_eq!(next().rewrap(&envelope).unwrap().as_ref(), Some(&fresh), "{suite}");

        let error = envelope.rewrap_with(&counted_data_key(2), vec![by_next.clone()]).unwrap_err();
        assert!(
            matches!(error, RewrapError::Unwrap(UnwrapError::EnvelopeAltered)),
            "{suite}, data key: {error}"
        );
        let mut altered = Parts::of(&envelope);
        altered.iv[0] ^= 1;
        let error = altered.envelope().rewrap_with(&data_key, vec![by_next.clone()]).unwrap_err();
        assert!(
            matches!(error, RewrapError::Unwrap(UnwrapError::EnvelopeAltered)),
            "{suite}, altered: {error}"
        );
        for (what, wraps) in [
            ("none", vec![]),
            ("one twice", vec![by_next.clone(), by_next.clone()]),
            ("nine", vec![by_next; 9]),
        ] {
            let error = envelope.rewrap_with(&data_key, wraps).unwrap_err();
            assert!(matches!(error, RewrapError::InvalidWraps { .. }), "{suite}, {what}: {error}");
        }
        let error = envelope.verify_with(&counted_data_key(2)).unwrap_err();
        assert_eq!(class(&error), "envelope_altered", "{suite}");
    }
}
