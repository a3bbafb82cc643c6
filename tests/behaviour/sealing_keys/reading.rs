//! The service that opens what a writer sealed, and its offline escrow.

use pollster::block_on;
use sealwax::{KeyState, Keyring, OpenError, Sealer, Secret, UnwrapError, WrapKind};

use super::{pair, text};
use crate::fixtures::{CREDENTIAL, Counting, SUITES, acme, key_id, master_key, verdicts};

/// The writer's row, and the ring that opens it: its own primary, and the writer's opening key as retired.
fn worker() -> Keyring {
    Keyring::new(key_id("prod"), master_key(1))
        .unwrap()
        .with_retired(key_id("dashboard"), pair(1))
        .unwrap()
}

#[test]
fn a_rewrap_takes_what_a_sealer_wrote_to_the_rings_own_primary() {
    for suite in SUITES {
        let sealer = Sealer::new(key_id("dashboard"), pair(1).sealing_key()).unwrap();
        let secret = Secret::from(CREDENTIAL);
        let row = sealer.with_suite(suite).seal_with_rng(&secret, &acme(), &mut Counting(10));
        let row = row.unwrap();
        let ring = worker();
        assert_eq!(verdicts(&ring, &row, &acme()), ["done"; 6].map(str::to_owned));
        assert!(!ring.is_current(&row));

        let fresh = ring.rewrap(&row).unwrap().unwrap();
        let wraps: Vec<_> =
            fresh.wrapped_keys().map(|wrap| (wrap.key_id().to_string(), wrap.kind())).collect();
        assert_eq!(wraps, [("prod".to_owned(), WrapKind::Local)]);
        assert_eq!(fresh.ciphertext(), row.ciphertext());
        // It needs the writer's pair no longer.
        let alone = Keyring::new(key_id("prod"), master_key(1)).unwrap();
        assert!(alone.open(&fresh, &acme()).unwrap().expose_secret() == CREDENTIAL.as_bytes());

        // The three forms write the same bytes.
        assert_eq!(block_on(ring.rewrap_async(&row)).unwrap().unwrap(), fresh);
        let batch = block_on(ring.rewrap_batch_async([(1, row.clone()), (2, fresh.clone())]));
        assert_eq!((batch.changes.len(), batch.current, batch.failures.len()), (1, 1, 0));
        assert_eq!(batch.changes[0].fresh, fresh);
    }
}

/// A ring whose primary is a pair, and whose escrow is offline: a rewrap draws nothing and repeats to the byte.
#[test]
fn a_rewrap_for_pairs_repeats_to_the_byte() {
    let ring = Keyring::new(key_id("a"), pair(1))
        .unwrap()
        .with_offline_escrow(key_id("b"), pair(100).sealing_key())
        .unwrap()
        .with_retired(key_id("prod"), master_key(1))
        .unwrap();
    let old = Keyring::new(key_id("prod"), master_key(1)).unwrap();
    let row = old.seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut Counting(10)).unwrap();
    let fresh = ring.rewrap(&row).unwrap().unwrap();
    assert_eq!(ring.rewrap(&row).unwrap().unwrap(), fresh);
    assert_eq!(block_on(ring.rewrap_async(&row)).unwrap().unwrap(), fresh);
    let rows = [(1, row.clone()), (2, row.clone())];
    for change in block_on(ring.rewrap_batch_async(rows)).changes {
        assert_eq!(change.fresh, fresh);
    }
    assert!(ring.is_current(&fresh) && ring.rewrap(&fresh).unwrap().is_none());
    assert_eq!(block_on(ring.check_async_with_rng(&mut Counting(1))).len(), 3);
    assert!(block_on(ring.check_async_with_rng(&mut Counting(1))).iter().all(|(_, r)| r.is_ok()));

    // Another pair under the id is not current: the check value differs.
    for (primary, escrow, is_current) in [(1, 100, true), (1, 150, false), (150, 100, false)] {
        let other = Keyring::new(key_id("a"), pair(primary))
            .unwrap()
            .with_offline_escrow(key_id("b"), pair(escrow).sealing_key())
            .unwrap();
        assert_eq!(other.is_current(&fresh), is_current, "{primary} and {escrow}");
    }
}

/// The drill on the page *operations*.
#[test]
fn the_opening_key_from_the_safe_opens_every_row() {
    let safe = pair(100).to_text();
    let service: Keyring = format!(
        "primary prod {}\nescrow eu-dr {}",
        master_key(1).to_text().expose_str().unwrap(),
        text(&pair(100).sealing_key()),
    )
    .parse()
    .unwrap();
    assert_eq!(service.state("eu-dr"), Some(KeyState::OfflineEscrow));
    let row = service.seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut Counting(10)).unwrap();
    assert_eq!(row.key_ids().map(|id| id.to_string()).collect::<Vec<_>>(), ["prod", "eu-dr"]);

    // The primary is lost, and the service cannot open with the escrow.
    let lost = Keyring::new(key_id("other"), master_key(2))
        .unwrap()
        .with_offline_escrow(key_id("eu-dr"), pair(100).sealing_key())
        .unwrap();
    let told = lost.open(&row, &acme());
    assert!(matches!(told, Err(OpenError::Unwrap(UnwrapError::UnknownKey { .. }))), "{told:?}");

    let drill = Keyring::opening_only()
        .with_escrow(
            key_id("eu-dr"),
            safe.expose_str().unwrap().parse::<sealwax::OpeningKey>().unwrap(),
        )
        .unwrap();
    assert!(drill.open(&row, &acme()).unwrap().expose_secret() == CREDENTIAL.as_bytes());
    drill.verify(&row).unwrap();
}

/// The order of the keys: the primary, then those in memory, then remote ones.
#[test]
fn a_pair_is_tried_before_a_remote_key() {
    use crate::fixtures::Opaque;
    let draft = super::draft(sealwax::Suite::Aes256Gcm, 10, &acme());
    let remote = Opaque { body: vec![1, 2, 3], data_key: *draft.data_key().expose_secret() };
    let of_remote = sealwax::WrappedKey::new(key_id("kms"), WrapKind::Provider, &[9]).unwrap();
    let of_pair = super::wrap_of(&pair(1), "dashboard", &draft);
    let row = draft.finish(vec![of_remote, of_pair]).unwrap();
    let ring = Keyring::new(key_id("prod"), master_key(1))
        .unwrap()
        .with_retired(key_id("kms"), remote)
        .unwrap()
        .with_retired(key_id("dashboard"), pair(1))
        .unwrap();
    // The remote key would panic over this body.
    assert!(ring.open(&row, &acme()).unwrap().expose_secret() == CREDENTIAL.as_bytes());
}
