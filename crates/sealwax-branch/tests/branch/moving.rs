//! Rows that a service wrapped directly move to branches of the same service key, under another id.

use std::sync::Arc;

use sealwax::{EncryptionContext, Keyring, KeyringError, MasterKey, WrapKind};
use sealwax_branch::{BranchKeys, Rebound};

use crate::service::{another, branches};

/// A test key keeps its promise behind both types: no keyring has it beside a key for production.
#[test]
fn a_test_key_behind_these_types_is_among_test_keys_alone() {
    let test_key = || MasterKey::generate_for_tests(1);
    let branching = || BranchKeys::new(test_key(), 10.try_into().unwrap());
    let context = EncryptionContext::empty();
    let prod = || Keyring::new("prod".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let id = || "test/a".parse().unwrap();
    for ring in [Keyring::new(id(), branching()), Keyring::new(id(), Rebound::new(test_key()))] {
        let ring = ring.unwrap();
        let row = pollster::block_on(ring.seal_async(&"mock".into(), &context)).unwrap();
        assert!(pollster::block_on(ring.open_async(&row, &context)).is_ok());
        let beside = ring.with_retired("prod".parse().unwrap(), MasterKey::generate().unwrap());
        assert!(matches!(beside, Err(KeyringError::NotATestKey { .. })));
        assert_eq!(prod().verify(&row).unwrap_err().name(), "test_key");
    }
    for beside in
        [prod().with_retired(id(), branching()), prod().with_escrow(id(), Rebound::new(test_key()))]
    {
        assert!(matches!(beside, Err(KeyringError::NotATestKey { .. })));
    }
    // Under the id of a key for production, it wraps nothing.
    let ring = Keyring::new("prod".parse().unwrap(), branching()).unwrap();
    assert!(pollster::block_on(ring.seal_async(&"mock".into(), &context)).is_err());
}

#[test]
fn rows_move_to_branches_under_a_new_id_of_the_same_service_key() {
    let (_, service, clock) = branches(1);
    let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
    let direct = Keyring::new("kms/2026".parse().unwrap(), Arc::clone(&service)).unwrap();
    let seal = || pollster::block_on(direct.seal_async(&"s3cret".into(), &context)).unwrap();
    let rows: Vec<_> = (0..50).map(|_| seal()).collect();
    assert_eq!(service.requests(), (50, 0));

    let keyring = Keyring::new("kms/2026-b".parse().unwrap(), another(&service, 20, &clock))
        .unwrap()
        .with_retired("kms/2026".parse().unwrap(), Arc::clone(&service))
        .unwrap();
    let numbered = rows.iter().enumerate().map(|(id, row)| (id, row.clone()));
    let batch = pollster::block_on(keyring.rewrap_batch_async(numbered));
    assert_eq!((batch.changes.len(), batch.failures.len()), (50, 0));
    // Three branches, and each old row once.
    assert_eq!(service.requests(), (50 + 3, 50 + 3));
    for change in &batch.changes {
        let kinds: Vec<_> = change.fresh.wrapped_keys().map(|wrap| wrap.kind()).collect();
        assert_eq!(kinds, [WrapKind::Branch]);
        assert!(keyring.open(&change.fresh, &context).is_ok());
        assert!(pollster::block_on(keyring.rewrap_async(&change.fresh)).unwrap().is_none());
        // A keyring of before does not know the new id ...
        let opened = pollster::block_on(direct.open_async(&change.fresh, &context));
        assert_eq!(opened.unwrap_err().name(), "unknown_key");
        // ... and one that has the service itself under it does not ask the service.
        let wrong = Keyring::new("kms/2026-b".parse().unwrap(), Arc::clone(&service)).unwrap();
        let opened = pollster::block_on(wrong.open_async(&change.fresh, &context));
        assert_eq!(opened.unwrap_err().name(), "wrong_wrap_kind");
    }
    assert_eq!(service.requests(), (50 + 3, 50 + 3));
}
