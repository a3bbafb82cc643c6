//! Wraps of kinds that this release has no provider for are parsed and shown, and rejected when used.

use sealwax::{Draft, Envelope, Keyring, Secret, Suite, WrapKind, WrappedKey};

use crate::fixtures::{CREDENTIAL, Counting, Parts, SUITES, acme, key_id, master_key, verdicts};
use crate::fixtures::{rewrap_outcome, wrap};

const RESERVED: [(u8, &str); 3] = [(3, "hpke"), (4, "branch"), (5, "rebound")];

/// Returns bodies as the page prescribes them for the kind, and of other lengths.
fn bodies(kind: u8) -> Vec<Vec<u8>> {
    let whole = match kind {
        // check(4) ‖ enc(1120) ‖ ciphertext(32) ‖ tag(16)
        3 => vec![7; 4 + 1120 + 32 + 16],
        // branch_id(32) ‖ u16(length of W) ‖ W ‖ local body(60)
        4 => [vec![7; 32], vec![0, 5], vec![8; 5], vec![9; 60]].concat(),
        // u16(length of W) ‖ W ‖ local body(60)
        _ => [vec![0, 5], vec![8; 5], vec![9; 60]].concat(),
    };
    let [shorter, longer] = [-1, 1].map(|more| {
        let mut body = whole.clone();
        body.resize(whole.len().checked_add_signed(more).unwrap(), 7);
        body
    });
    vec![whole, shorter, longer, vec![7], vec![7; 60], vec![7; 65_534]]
}

/// Seals by hand, under the wraps that `wraps` makes for the draft.
fn row(suite: Suite, wraps: impl FnOnce(&Draft) -> Vec<WrappedKey>) -> Envelope {
    let secret = Secret::from(CREDENTIAL);
    let draft = Draft::new_with_rng(&secret, &acme(), suite, &mut Counting(1)).unwrap();
    let wraps = wraps(&draft);
    draft.finish(wraps).unwrap()
}

#[test]
fn a_reserved_kind_parses_is_shown_and_refused_when_it_is_used() {
    let mut tried = 0;
    for suite in SUITES {
        for (byte, shown) in RESERVED {
            let kind = WrapKind::from_byte(byte).unwrap();
            assert_eq!((kind.byte(), kind.to_string().as_str()), (byte, shown));
            assert_eq!(shown.parse::<WrapKind>(), Ok(kind));
            for body in bodies(byte) {
                let what = format!("{suite}, {shown}, a body of {}", body.len());
                let reserved = WrappedKey::new(key_id("next"), kind, &body).unwrap();
                let own = |draft: &Draft| {
                    wrap(&master_key(1), "prod", suite, draft.commitment(), draft.data_key())
                };
                let alone = row(suite, |_| vec![reserved.clone()]);
                let beside = row(suite, |draft| vec![reserved.clone(), own(draft)]);
                for envelope in [&alone, &beside] {
                    let parsed = Envelope::from_bytes(envelope.as_bytes()).unwrap();
                    let text = envelope.to_string();
                    assert_eq!((&parsed, &text.parse().unwrap()), (envelope, envelope), "{what}");
                    assert_eq!(parsed.wrapped_keys().next(), Some(reserved.clone()), "{what}");
                    assert_eq!(parsed.key_ids().next(), Some(key_id("next")), "{what}");
                }

                // Under a local key: as primary, and as another key.
                let primary = Keyring::new(key_id("next"), master_key(2)).unwrap();
                let retired = Keyring::new(key_id("mine"), master_key(9))
                    .unwrap()
                    .with_retired(key_id("next"), master_key(2))
                    .unwrap();
                for ring in [&primary, &retired] {
                    let told = ["wrong_wrap_kind(next)"; 6].map(str::to_owned);
                    assert_eq!(verdicts(ring, &alone, &acme()), told, "{what}");
                    assert_eq!(verdicts(ring, &beside, &acme()), told, "{what}, with another");
                    assert!(!ring.is_current(&alone), "{what}");
                    // The other wrap opens the row, and a rewrap drops this one.
                    let both = ring.clone().with_retired(key_id("prod"), master_key(1)).unwrap();
                    let done = ["done"; 6].map(str::to_owned);
                    assert_eq!(verdicts(&both, &beside, &acme()), done, "{what}, with the other");
                    let fresh = both.rewrap(&beside).unwrap().unwrap();
                    assert!(fresh.wrapped_keys().all(|wrap| wrap.kind() == WrapKind::Local));
                    tried += 1;
                }
                // Nobody is asked about an id that is not in the keyring.
                let stranger = Keyring::new(key_id("mine"), master_key(9)).unwrap();
                let told = ["unknown_key(next)"; 6].map(str::to_owned);
                assert_eq!(verdicts(&stranger, &alone, &acme()), told, "{what}");
            }
        }
    }
    assert_eq!(tried, 2 * 3 * 6 * 2);
}

/// The kind is in the head, so it cannot be changed unnoticed; the error for a changed kind names the kind.
#[test]
fn a_local_wrap_that_is_called_another_kind_is_refused_for_its_kind() {
    let mut tried = 0;
    for suite in SUITES {
        let ring = Keyring::new(key_id("prod"), master_key(1)).unwrap().with_suite(suite);
        let secret = Secret::from(CREDENTIAL);
        let row = ring.seal_with_rng(&secret, &acme(), &mut Counting(1)).unwrap();
        for byte in 2..=u8::MAX {
            let mut parts = Parts::of(&row);
            parts.wraps[0].1[0] = byte;
            let renamed = parts.envelope();
            let found = verdicts(&ring, &renamed, &acme());
            let told = ["wrong_wrap_kind(prod)"; 6].map(str::to_owned);
            assert_eq!(found, told, "{suite}, kind {byte:#04x}");
            tried += 1;
        }
        assert_eq!(rewrap_outcome(&ring.rewrap(&row)), "current");
    }
    assert_eq!(tried, 2 * 254);
}
