//! Rows that a service wrapped directly move to branches of the same service key, under another id.

use std::sync::Arc;

use sealwax::{EncryptionContext, Keyring, WrapKind};

use crate::service::{another, branches};

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
