//! Nothing stands in the place of a tenant's key but that key.

use sealwax::{EncryptionContext, Held, KeyError, Keyring, MasterKey, OpenError, Secret};
use sealwax_tenants::{TenantError, TenantKeys, TenantRecord, TenantState};

use crate::scene::{local, tenant};

const KEY: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";

fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
    EncryptionContext::new(pairs.iter().copied()).unwrap()
}

fn ours() -> EncryptionContext {
    context(&[("tenant", "42"), ("key", "tenant/42@1")]).holding(Held::MasterKey).unwrap()
}

/// Puts what was sealed in this context in the place of the tenant's first key.
fn in_its_place(
    keys: &TenantKeys,
    ring: &Keyring,
    context: &EncryptionContext,
    held: &[u8],
) -> Result<Keyring, TenantError> {
    let envelope = ring.seal(&Secret::from(held), context).unwrap();
    keys.keyring(&TenantRecord::new(tenant("42"), 1, 0, [(1, envelope.to_string())]))
}

/// The context that the page promises, so that other programs open it too.
#[test]
fn a_key_is_32_bytes_in_its_context() {
    let (keys, ring) = local();
    let created = keys.create(&TenantRecord::from_row(tenant("42"), None), TenantState::NeverHad);
    let held = ring.open(created.unwrap().envelope(), &ours()).unwrap();
    assert_eq!(held.len(), 32);
    assert!(in_its_place(&keys, &ring, &ours(), &KEY).is_ok());
}

#[test]
fn nothing_else_that_the_service_sealed_is_taken_for_it() {
    let (keys, ring) = local();
    let name = [("tenant", "42"), ("key", "tenant/42@1")];
    let others = [
        // A credential's row, whose context a tenant chose, with the same names even.
        context(&name),
        context(&[("tenant", "42")]),
        EncryptionContext::empty(),
        // Another tenant's key, and another number.
        context(&[("tenant", "43"), ("key", "tenant/43@1")]).holding(Held::MasterKey).unwrap(),
        context(&[("tenant", "43"), ("key", "tenant/42@1")]).holding(Held::MasterKey).unwrap(),
        context(&[("tenant", "42"), ("key", "tenant/42@2")]).holding(Held::MasterKey).unwrap(),
        // What is held is something else.
        context(&name).holding(Held::OpeningKey).unwrap(),
        context(&name).holding(Held::Keyring).unwrap(),
    ];
    let mut refused = 0;
    for other in &others {
        let error = in_its_place(&keys, &ring, other, &KEY).unwrap_err();
        assert!(matches!(error, TenantError::Open { source: OpenError::ContextMismatch, .. }));
        assert_eq!((error.name(), error.class().as_str()), ("open", "altered"));
        refused += 1;
    }
    assert_eq!(refused, 8);
    // Another service's.
    let (_, stranger) = local();
    let error = in_its_place(&keys, &stranger, &ours(), &KEY).unwrap_err();
    assert!(matches!(error, TenantError::Open { .. }));
}

#[test]
fn keys_do_not_change_places() {
    let (keys, _) = local();
    let new = |id| keys.create(&TenantRecord::from_row(tenant(id), None), TenantState::NeverHad);
    let one = new("42").unwrap().envelope().to_string();
    let other = new("43").unwrap().envelope().to_string();
    let record = |id, envelope: &str| TenantRecord::new(tenant(id), 1, 0, [(1, envelope)]);
    assert!(
        keys.keyring(&record("42", &one)).is_ok() && keys.keyring(&record("43", &other)).is_ok()
    );
    for swapped in [record("42", &other), record("43", &one)] {
        let error = keys.keyring(&swapped).unwrap_err();
        assert!(matches!(error, TenantError::Open { source: OpenError::ContextMismatch, .. }));
    }
    // The first key, once more as the second.
    let record = TenantRecord::new(tenant("42"), 2, 0, [(1, &one), (2, &one)]);
    let error = keys.keyring(&record).unwrap_err();
    assert!(matches!(error, TenantError::Open { key_id, .. } if key_id.as_ref() == "tenant/42@2"));
}

#[test]
fn what_is_no_key_is_refused() {
    let (keys, ring) = local();
    let error = |held: &[u8]| match in_its_place(&keys, &ring, &ours(), held).unwrap_err() {
        TenantError::NotAKey { source, .. } => source,
        other => panic!("{other}"),
    };
    for len in [0, 16, 31, 33, 64] {
        let held: Vec<u8> = (0..len).collect();
        let found = usize::from(len);
        assert!(matches!(error(&held), KeyError::Length { found: there, .. } if there == found));
    }
    assert_eq!(error(&[7; 32]), KeyError::Weak);
    let text = MasterKey::generate().unwrap().to_text();
    assert!(matches!(error(text.expose_secret()), KeyError::Length { found: 53, .. }));
}

/// The keyring refuses one key under two ids.
#[test]
fn one_key_under_two_numbers_is_refused() {
    let (keys, ring) = local();
    let second = context(&[("tenant", "42"), ("key", "tenant/42@2")]);
    let contexts = [ours(), second.holding(Held::MasterKey).unwrap()];
    let same = contexts.map(|c| ring.seal(&Secret::from(&KEY), &c).unwrap().to_string());
    let record = TenantRecord::new(tenant("42"), 2, 0, [(1, &same[0]), (2, &same[1])]);
    assert_eq!(keys.keyring(&record).unwrap_err().name(), "keyring");
}
