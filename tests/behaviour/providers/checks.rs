//! `check_async`: which keys it asks, and what it finds before a row depends on them.

use std::sync::Arc;

use sealwax::{Keyring, ProviderErrorKind};

use crate::fixtures::{Counting, Scripted, key_id, master_key};
use crate::providers::{Fault, KINDS, Log, When, remote, successor};

/// Returns each key with `ok` or the kind of its error.
fn checked(ring: &Keyring) -> String {
    let results = pollster::block_on(ring.check_async_with_rng(&mut Counting(1)));
    let told = results.iter().map(|(key_id, result)| match result {
        Ok(()) => format!("{key_id}:ok"),
        Err(error) => format!("{key_id}:{:?}", error.kind()),
    });
    told.collect::<Vec<_>>().join(" ")
}

const CALLS: &str =
    "check:p wrap:p unwrap:p check:e wrap:e unwrap:e check:f wrap:f unwrap:f check:o";

#[test]
fn each_key_is_checked_and_each_that_seals_wraps_and_unwraps_a_key() {
    for when in [When::Now, When::Later(2)] {
        let log = Arc::new(Log::default());
        let ring = successor(when, &log)
            .with_disabled(key_id("d"))
            .and_then(|ring| ring.with_retired(key_id("local"), master_key(4)))
            .unwrap();
        assert_eq!(checked(&ring), "p:ok e:ok f:ok o:ok local:ok", "{when:?}");
        assert_eq!(log.take_calls(), CALLS, "{when:?}");
    }
    assert_eq!(checked(&Keyring::opening_only()), "");
}

#[test]
fn a_key_that_fails_does_not_keep_the_others_from_being_checked() {
    let log = Arc::new(Log::default());
    let ring = successor(When::Now, &log);
    let mut tried = 0;
    for kind in KINDS {
        // The first key's check, wrap and unwrap; the retired key's check.
        for (call, calls_saved, key) in [(1, 2, "p"), (2, 1, "p"), (3, 0, "p"), (10, 0, "o")] {
            log.set_faults(&[(call, Fault::Fail(kind))]);
            // The service refuses what it has just wrapped, which nobody has altered.
            let kind = match kind {
                ProviderErrorKind::Rejected if call == 3 => ProviderErrorKind::WrongKeyMaterial,
                kind => kind,
            };
            let expected =
                "p:ok e:ok f:ok o:ok".replace(&format!("{key}:ok"), &format!("{key}:{kind:?}"));
            assert_eq!(checked(&ring), expected, "{kind:?} at call {call}");
            assert_eq!(log.take_calls().split(' ').count(), 10 - calls_saved);
            tried += 1;
        }
    }
    assert_eq!(tried, 9 * 4);
}

#[test]
fn a_key_that_does_not_unwrap_what_it_wraps_is_found() {
    let log = Arc::new(Log::default());
    let ring = successor(When::Now, &log);
    for (call, fault, kind) in [
        (2, Fault::AnotherKey, ProviderErrorKind::WrongKeyMaterial),
        (3, Fault::AnotherKey, ProviderErrorKind::WrongKeyMaterial),
        (3, Fault::KeyOf(16), ProviderErrorKind::WrongKeyMaterial),
        (3, Fault::Fail(ProviderErrorKind::Rejected), ProviderErrorKind::WrongKeyMaterial),
        (2, Fault::Body(Vec::new()), ProviderErrorKind::Other),
        (2, Fault::Body(vec![1; 65_535]), ProviderErrorKind::Other),
    ] {
        log.set_faults(&[(call, fault.clone())]);
        assert_eq!(checked(&ring), format!("p:{kind:?} e:ok f:ok o:ok"), "{fault:?}");
        log.take_calls();
    }
}

#[test]
fn without_randomness_no_key_that_seals_passes() {
    let log = Arc::new(Log::default());
    let ring = successor(When::Now, &log);
    let results = pollster::block_on(ring.check_async_with_rng(&mut Scripted(Vec::new())));
    let passed: Vec<_> = results.iter().map(|(_, result)| result.is_ok()).collect();
    assert_eq!(passed, [false, false, false, true]);
    assert_eq!(log.take_calls(), "check:p check:e check:f check:o");
}

#[test]
fn nothing_is_asked_before_the_first_poll() {
    let log = Arc::new(Log::default());
    let ring = Keyring::new(key_id("p"), remote(1, When::Later(1), &log)).unwrap();
    drop(ring.check_async_with_rng(&mut Counting(1)));
    assert_eq!(log.take_calls(), "");
}
