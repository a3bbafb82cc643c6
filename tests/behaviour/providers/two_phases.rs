//! Sealing in two phases produces the same as a keyring with a provider, and rejects the same.

use sealwax::{
    Draft, Envelope, Field, FormatError, KeyWrapper, Keyring, RewrapError, Suite, UnwrapError,
    WrapKind, WrappedKey,
};

use crate::fixtures::{Counting, SUITES, acme, context, key_id, master_key, open_outcome, sealed};
use crate::providers::{another_key, secret};

fn wraps_of(keys: &[(&str, u8)], suite: Suite, draft: &Draft) -> Vec<WrappedKey> {
    let wrap = |(id, number): &(&str, u8)| {
        let id = key_id(id);
        let request = draft.wrap_request(&id);
        assert_eq!(request.suite(), suite);
        let body = master_key(*number).wrap_key(request).into_ready().unwrap().unwrap();
        WrappedKey::new(id, WrapKind::Local, &body).unwrap()
    };
    keys.iter().map(wrap).collect()
}

#[test]
fn two_phases_make_the_same_bytes_as_a_keyring() {
    let mut tried = 0;
    for suite in SUITES {
        let prepare = || Draft::new_with_rng(&secret(), &acme(), suite, &mut Counting(1)).unwrap();
        {
            let draft = prepare();
            let expected = sealed(suite, 1);
            assert_eq!(draft.suite(), suite);
            assert_eq!(draft.commitment(), expected.commitment());
            let data_key = draft.data_key().duplicate();
            assert!(data_key.expose_secret().iter().copied().eq(1..=32));
            let wraps = wraps_of(&[("prod", 1), ("dr", 2)], suite, &draft);
            let envelope = draft.finish(wraps).unwrap();
            assert_eq!(envelope, expected);

            envelope.verify_with(&data_key).unwrap();
            assert_eq!(envelope.open_with(&data_key, &acme()).unwrap(), secret());
            let elsewhere = envelope.open_with(&data_key, &context(&[("tenant", "other")]));
            assert_eq!(open_outcome(&elsewhere), "context_mismatch");
            let other = another_key();
            assert_eq!(open_outcome(&envelope.verify_with(&other)), "envelope_altered");
            assert_eq!(open_outcome(&envelope.open_with(&other, &acme())), "envelope_altered");
            let mut damaged = envelope.as_bytes().to_vec();
            *damaged.last_mut().unwrap() ^= 1;
            let damaged = Envelope::from_bytes(&damaged).unwrap();
            damaged.verify_with(&data_key).unwrap();
            let opened = damaged.open_with(&data_key, &acme());
            assert_eq!(open_outcome(&opened), "payload_altered");
            tried += 1;
        }
    }
    assert_eq!(tried, 2);

    // With the operating system's randomness, no two drafts are the same.
    let drafts = [(); 2].map(|()| Draft::new(&secret(), &acme(), Suite::default()).unwrap());
    assert_ne!(drafts[0].commitment(), drafts[1].commitment());
}

/// Returns wraps that do not make an envelope, and the field that the error names.
fn bad_wraps(suite: Suite, draft: &Draft) -> [(&'static str, Vec<WrappedKey>, Field); 4] {
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let nine = wraps_of(&ids.map(|id| (id, 1)), suite, draft);
    let many = (0..300)
        .map(|i| WrappedKey::new(key_id(&format!("k{i}")), WrapKind::Provider, b"body").unwrap());
    [
        ("none", vec![], Field::WrapCount),
        ("nine", nine, Field::WrapCount),
        ("300, more than fits in a byte", many.collect(), Field::WrapCount),
        ("two of one id", wraps_of(&[("a", 1), ("b", 2), ("a", 3)], suite, draft), Field::KeyId),
    ]
}

fn field(error: &FormatError) -> Field {
    match error {
        FormatError::Malformed { field, .. } => *field,
        other => panic!("not malformed: {other}"),
    }
}

#[test]
fn wraps_that_make_no_envelope_are_refused_in_both_phases() {
    let mut tried = 0;
    for suite in SUITES {
        let prepare = || Draft::new_with_rng(&secret(), &acme(), suite, &mut Counting(1)).unwrap();
        let draft = prepare();
        let row = sealed(suite, 1);
        for (name, wraps, expected) in bad_wraps(suite, &draft) {
            let refused = prepare().finish(wraps.clone()).unwrap_err();
            assert_eq!(field(&refused), expected, "{name}");
            match row.rewrap_with(draft.data_key(), wraps.clone()) {
                Err(RewrapError::InvalidWraps { source, .. }) => {
                    assert_eq!(field(&source), expected, "{name}");
                }
                other => panic!("{name}: {other:?}"),
            }
            // The MAC is checked first, whatever the wraps are.
            let result = row.rewrap_with(&another_key(), wraps);
            assert!(
                matches!(result, Err(RewrapError::Unwrap(UnwrapError::EnvelopeAltered))),
                "{name}"
            );
            tried += 1;
        }
        // Eight are accepted, and the previous ones are gone.
        let ids = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|id| (id, 4));
        let fresh = row.rewrap_with(draft.data_key(), wraps_of(&ids, suite, &draft)).unwrap();
        assert_eq!(fresh.key_ids().count(), 8);
        for (id, number) in ids {
            let ring = Keyring::new(key_id(id), master_key(number)).unwrap();
            assert_eq!(ring.open(&fresh, &acme()).unwrap(), secret(), "{id}");
        }
        let before = Keyring::new(key_id("prod"), master_key(1)).unwrap();
        assert_eq!(open_outcome(&before.open(&fresh, &acme())), "unknown_key(a,b,c,d,e,f,g,h)");
    }
    assert_eq!(tried, 2 * 4);
}

/// A rewrap in two phases does not authenticate an altered envelope: this flips each bit before the
/// ciphertext, except those of the wraps.
#[test]
fn an_altered_envelope_is_not_rewrapped_by_the_holder_of_its_data_key() {
    let suite = Suite::default();
    let draft = Draft::new_with_rng(&secret(), &acme(), suite, &mut Counting(1)).unwrap();
    let row = sealed(suite, 1);
    let front = row.as_bytes().len() - row.ciphertext().len();
    let mut refused = 0;
    let mut unparsable = 0;
    for bit in 0..front * 8 {
        let mut bytes = row.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(altered) = Envelope::from_bytes(&bytes) else {
            unparsable += 1;
            continue;
        };
        let wraps = wraps_of(&[("next", 3)], suite, &draft);
        let result = altered.rewrap_with(draft.data_key(), wraps);
        assert!(
            matches!(result, Err(RewrapError::Unwrap(UnwrapError::EnvelopeAltered))),
            "bit {bit}"
        );
        refused += 1;
    }
    assert_eq!(refused + unparsable, front * 8);
    assert!(refused > unparsable * 10, "{refused} refused, {unparsable} unparsable");
}
