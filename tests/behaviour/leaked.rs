//! A leaked key: an envelope with a wrap under it is refused before any other wrap is tried, because its data key
//! is known to others.

use std::sync::Arc;

use sealwax::{Envelope, KeyState, Keyring, Secret};

use crate::fixtures::{CREDENTIAL, Counting, acme, key_id, master_key, verdicts};
use crate::providers::{Log, When, remote};

/// Returns an envelope wrapped for `a`, `b` and `c`, in this order.
fn row() -> Envelope {
    let ring = Keyring::new(key_id("a"), master_key(1))
        .unwrap()
        .with_escrow(key_id("b"), master_key(2))
        .and_then(|ring| ring.with_escrow(key_id("c"), master_key(3)))
        .unwrap();
    ring.seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut Counting(1)).unwrap()
}

/// What a keyring has for one key of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Usable,
    OtherMaterial,
    Not,
    In(KeyState),
}

const HELD: [Held; 6] = [
    Held::Usable,
    Held::OtherMaterial,
    Held::Not,
    Held::In(KeyState::Disabled),
    Held::In(KeyState::Leaked),
    Held::In(KeyState::Destroyed),
];

fn with(ring: Keyring, id: &str, number: u8, held: Held) -> Keyring {
    let id = key_id(id);
    match held {
        Held::Usable => ring.with_retired(id, master_key(number)),
        Held::OtherMaterial => ring.with_retired(id, master_key(100 + number)),
        Held::Not => return ring,
        Held::In(KeyState::Disabled) => ring.with_disabled(id),
        Held::In(KeyState::Leaked) => ring.with_leaked(id),
        Held::In(KeyState::Destroyed) => ring.with_destroyed(id),
        Held::In(other) => panic!("not a state of these tests: {other}"),
    }
    .unwrap()
}

/// Returns what the page says, in the page's order.
fn expected(held: [Held; 3]) -> String {
    let ids = ["a", "b", "c"];
    let first = |wanted: Held| held.iter().position(|held| *held == wanted).map(|at| ids[at]);
    let first_in = |state| first(Held::In(state));
    let has_candidates = held.iter().any(|held| matches!(held, Held::Usable | Held::OtherMaterial));
    if !has_candidates {
        if let Some(id) = first_in(KeyState::Destroyed) {
            return format!("key_destroyed({id})");
        }
        if let Some(id) = first_in(KeyState::Leaked) {
            return format!("key_leaked({id})");
        }
        if let Some(id) = first_in(KeyState::Disabled) {
            return format!("key_disabled({id})");
        }
        return "unknown_key(a,b,c)".to_owned();
    }
    if let Some(id) = first_in(KeyState::Leaked) {
        return format!("key_leaked({id})");
    }
    if held.contains(&Held::Usable) {
        return "done".to_owned();
    }
    format!("wrong_key_material({})", first(Held::OtherMaterial).unwrap())
}

#[test]
fn each_mixture_of_states_is_told_as_the_page_says() {
    let row = row();
    let (mut tried, mut leaked, mut done) = (0, 0, 0);
    for a in HELD {
        for b in HELD {
            for c in HELD {
                // A separate primary, so that nothing is current. In both orders of the keyring: of two keys in one
                // state, the error names the first in the envelope.
                let new = || Keyring::new(key_id("mine"), master_key(9)).unwrap();
                let forth = with(with(with(new(), "a", 1, a), "b", 2, b), "c", 3, c);
                let back = with(with(with(new(), "c", 3, c), "b", 2, b), "a", 1, a);
                let expected = expected([a, b, c]);
                for (order, ring) in [("forth", &forth), ("back", &back)] {
                    // Of two keys with other material, the first in the keyring is tried first.
                    if order == "back" && expected.starts_with("wrong") {
                        continue;
                    }
                    let found = verdicts(ring, &row, &acme());
                    let what = format!("{a:?}, {b:?}, {c:?}, {order}");
                    assert_eq!(found, [0; 6].map(|_| expected.clone()), "{what}");
                    assert!(!ring.is_current(&row), "{what}");
                    tried += 1;
                    leaked += usize::from(expected.starts_with("key_leaked"));
                    done += usize::from(expected == "done");
                }
            }
        }
    }
    // Cases with neither a leaked nor a usable key, and with one of other material, run in one order only.
    let wrong = 4_usize.pow(3) - 3_usize.pow(3);
    assert_eq!(tried, 2 * 216 - wrong);
    // A leaked key alongside one to try: all cases except those that lack either, or both. And one with nothing to try
    // and nothing destroyed.
    let beside = 216 - 5_usize.pow(3) - 4_usize.pow(3) + 3_usize.pow(3);
    let alone = 3_usize.pow(3) - 2_usize.pow(3);
    assert_eq!(leaked, 2 * (beside + alone));
    assert_eq!(done, 2 * (5_usize.pow(3) - 4_usize.pow(3)));
}

/// Before a service is asked, and before a local key unwraps anything.
#[test]
fn no_key_is_asked_where_one_of_the_wraps_is_under_a_leaked_key() {
    let log = Arc::new(Log::default());
    let sealing = Keyring::new(key_id("a"), remote(1, When::Now, &log))
        .unwrap()
        .with_escrow(key_id("b"), remote(2, When::Now, &log))
        .unwrap();
    let row = sealing.seal(&Secret::from(CREDENTIAL), &acme()).unwrap();
    log.take_calls();
    for (usable, number, leaked) in [("a", 1, "b"), ("b", 2, "a")] {
        for when in [When::Now, When::Later(1), When::Never] {
            let ring = Keyring::new(key_id(usable), remote(number, when, &log)).unwrap();
            let ring = ring.with_leaked(key_id(leaked)).unwrap();
            let told = [0; 6].map(|_| format!("key_leaked({leaked})"));
            assert_eq!(verdicts(&ring, &row, &acme()), told, "{usable}, {when:?}");
            assert_eq!(log.take_calls(), "", "{usable}, {when:?}");
        }
        // The job that opens and seals again has the leaked key as retired.
        let job = Keyring::new(key_id(usable), remote(number, When::Now, &log)).unwrap();
        let other = if number == 1 { 2 } else { 1 };
        let job = job.with_retired(key_id(leaked), remote(other, When::Now, &log)).unwrap();
        let opened = job.open(&row, &acme()).unwrap();
        assert!(opened.expose_secret() == CREDENTIAL.as_bytes());
        assert_eq!(log.take_calls(), format!("unwrap:{usable}"));
    }
}

/// A leaked key does not affect envelopes that are not wrapped for it, in whatever case its id is written.
#[test]
fn a_leaked_key_refuses_its_own_rows_alone() {
    let row = row();
    let ring = || Keyring::new(key_id("a"), master_key(1)).unwrap();
    for other in ["d", "A2", "aa", "b2", "B", "C"] {
        let ring = ring().with_leaked(key_id(other)).unwrap();
        assert_eq!(verdicts(&ring, &row, &acme()), ["done"; 6].map(str::to_owned), "{other}");
    }
    // Nothing is sealed for it, and an envelope without its wrap is current.
    let sealing = ring().with_leaked(key_id("b")).unwrap();
    let sealed = sealing.seal(&Secret::from(CREDENTIAL), &acme()).unwrap();
    assert!(sealed.key_ids().eq([key_id("a")]));
    assert!(sealing.is_current(&sealed));
    let opened = sealing.open(&sealed, &acme()).unwrap();
    assert!(opened.expose_secret() == CREDENTIAL.as_bytes());
    assert_eq!(KeyState::Leaked.to_string(), "leaked");
}
