//! If one wrap fails, the next is tried; of several failures, one is reported, in a fixed order.

use sealwax::{Keyring, ProviderErrorKind, Secret, Suite, WrapKind};

use crate::fixtures::{
    CREDENTIAL, SUITES, acme, key_id, keyring, master_key, open_outcome, opening, rewrapping,
    sealed,
};
use crate::rings::{Service, destroyed, disabled, retired};

#[test]
fn without_a_usable_wrap_destroyed_is_named_before_disabled_before_unknown() {
    let mine = || Keyring::new(key_id("mine"), master_key(9)).unwrap();
    let rows = [
        ("neither", mine(), "unknown_key(prod,dr)"),
        ("another disabled", disabled(mine(), "else"), "unknown_key(prod,dr)"),
        ("another destroyed", destroyed(mine(), "else"), "unknown_key(prod,dr)"),
        ("one disabled", disabled(mine(), "prod"), "key_disabled(prod)"),
        ("the other disabled", disabled(mine(), "dr"), "key_disabled(dr)"),
        ("both disabled", disabled(disabled(mine(), "dr"), "prod"), "key_disabled(prod)"),
        ("one destroyed", destroyed(mine(), "prod"), "key_destroyed(prod)"),
        ("the other destroyed", destroyed(mine(), "dr"), "key_destroyed(dr)"),
        ("both destroyed", destroyed(destroyed(mine(), "dr"), "prod"), "key_destroyed(prod)"),
        ("disabled, destroyed", destroyed(disabled(mine(), "prod"), "dr"), "key_destroyed(dr)"),
        ("destroyed, disabled", disabled(destroyed(mine(), "prod"), "dr"), "key_destroyed(prod)"),
        // A usable key is used, and its failure is the one that is reported.
        ("disabled with a good one", retired(disabled(mine(), "prod"), "dr", 2), "opened"),
        ("destroyed with a good one", retired(destroyed(mine(), "dr"), "prod", 1), "opened"),
        (
            "disabled with a wrong one",
            retired(disabled(mine(), "prod"), "dr", 7),
            "wrong_key_material(dr)",
        ),
        (
            "destroyed with a wrong one",
            retired(destroyed(mine(), "prod"), "dr", 7),
            "wrong_key_material(dr)",
        ),
    ];
    assert_eq!(rows.len(), 15);
    for suite in SUITES {
        let envelope = sealed(suite, 1);
        for (name, ring, expected) in &rows {
            assert_eq!(opening(ring, &envelope, &acme()), *expected, "{suite}, {name}");
            let verified = open_outcome(&ring.verify(&envelope)).replace("done", "opened");
            assert_eq!(verified, *expected, "{suite}, {name}, verified");
            let rewrapped = expected.replace("opened", "rewrapped");
            assert_eq!(rewrapping(ring, &envelope), rewrapped, "{suite}, {name}, rewrapped");
            assert!(!ring.is_current(&envelope), "{suite}, {name}");
        }
    }
}

#[test]
fn the_next_wrap_is_tried_and_one_failure_told() {
    // Wrapped for `prod` and `dr` in memory, and for `kms` by a service.
    let turns = || Service::Turns(0x5a, WrapKind::Provider);
    let ring = keyring(Suite::default()).with_escrow(key_id("kms"), turns()).unwrap();
    let envelope = ring.seal(&Secret::from(CREDENTIAL), &acme()).unwrap();
    let primary = |key| Keyring::new(key_id("prod"), master_key(key)).unwrap();
    let kms = |ring: Keyring, service| ring.with_retired(key_id("kms"), service).unwrap();
    let by_kms = |service| Keyring::new(key_id("kms"), service).unwrap();
    use ProviderErrorKind::{Denied, Disabled, Rejected, Unavailable, WrongKeyMaterial};
    use Service::{Fails, Lies, Remote};

    let rows = [
        // A first key fails in each way, and a second one opens.
        ("wrong material, good", retired(primary(7), "dr", 2), "opened"),
        ("wrong material, good service", kms(primary(7), turns()), "opened"),
        ("lies, good", retired(by_kms(Lies), "dr", 2), "opened"),
        ("remote, good", retired(by_kms(Remote), "dr", 2), "opened"),
        ("unavailable, good", retired(by_kms(Fails(Unavailable)), "dr", 2), "opened"),
        ("denied, good", retired(by_kms(Fails(Denied)), "prod", 1), "opened"),
        ("disabled, good", retired(by_kms(Fails(Disabled)), "prod", 1), "opened"),
        ("rejected, good", retired(by_kms(Fails(Rejected)), "prod", 1), "opened"),
        ("two bad, good", kms(retired(primary(7), "dr", 8), turns()), "opened"),
        // All fail. A key that was not asked is reported first, then a transient failure, then the first one. The
        // primary is tried first, then local keys, then services; among the keys other than the primary, the order of
        // the keyring counts, not that of the wraps.
        ("wrong twice", retired(primary(7), "dr", 8), "wrong_key_material(prod)"),
        ("wrong, lies", kms(primary(7), Lies), "wrong_key_material(prod)"),
        ("lies, wrong", retired(by_kms(Lies), "prod", 7), "envelope_altered"),
        ("remote, wrong", retired(by_kms(Remote), "prod", 7), "would_block(kms)"),
        (
            "down, wrong",
            retired(by_kms(Fails(Unavailable)), "prod", 7),
            "provider(kms) Unavailable",
        ),
        ("rejects, wrong", retired(by_kms(Fails(Rejected)), "prod", 7), "wrap_altered(kms)"),
        ("disabled, wrong", retired(by_kms(Fails(Disabled)), "prod", 7), "key_disabled(kms)"),
        (
            "other material, wrong",
            retired(by_kms(Fails(WrongKeyMaterial)), "prod", 7),
            "wrong_key_material(kms)",
        ),
        (
            "a service listed before a local key",
            retired(
                kms(Keyring::new(key_id("mine"), master_key(9)).unwrap(), Fails(Denied)),
                "dr",
                8,
            ),
            "wrong_key_material(dr)",
        ),
        (
            "a service that is down, after a local key",
            retired(
                kms(Keyring::new(key_id("mine"), master_key(9)).unwrap(), Fails(Unavailable)),
                "dr",
                8,
            ),
            "provider(kms) Unavailable",
        ),
        (
            "the order of the keyring",
            retired(
                retired(Keyring::new(key_id("mine"), master_key(9)).unwrap(), "dr", 8),
                "prod",
                7,
            ),
            "wrong_key_material(dr)",
        ),
        (
            "the other order of the keyring",
            retired(
                retired(Keyring::new(key_id("mine"), master_key(9)).unwrap(), "prod", 7),
                "dr",
                8,
            ),
            "wrong_key_material(prod)",
        ),
    ];
    assert_eq!(rows.len(), 21);
    for (name, ring, expected) in rows {
        assert_eq!(opening(&ring, &envelope, &acme()), expected, "{name}");
        let verified = open_outcome(&ring.verify(&envelope)).replace("done", "opened");
        assert_eq!(verified, expected, "{name}, verified");
        if expected != "opened" {
            assert_eq!(rewrapping(&ring, &envelope), expected, "{name}, rewrapped");
        }
    }
}
