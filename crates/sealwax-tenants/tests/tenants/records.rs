//! Records that are not as they should be, and what errors and debug output show.

use sealwax::ProviderErrorKind;
use sealwax_tenants::{
    DestroyError, RecordError, TenantError, TenantKeys, TenantRecord, TenantState,
};

use crate::scene::{Scene, local, tenant};

fn state(keys: &TenantKeys, text: &str) -> Result<TenantState, TenantError> {
    keys.state(&TenantRecord::from_row(tenant("42"), Some(text)))
}

#[test]
fn a_record_has_one_form() {
    use RecordError::{Disordered, Malformed, TooManyDestroyed};
    let (keys, _) = local();
    let cases = [
        ("", Malformed),
        ("0", Malformed),
        ("1 ", Malformed),
        (" 1 0", Malformed),
        ("1 0 ", Malformed),
        ("1  0", Malformed),
        ("1 0\n", Malformed),
        ("1 0\n1", Malformed),
        ("1 0\r\n1 e", Malformed),
        ("01 0\n1 e", Malformed),
        ("+1 0\n1 e", Malformed),
        ("1 00\n1 e", Malformed),
        ("1 -0\n1 e", Malformed),
        ("1001 0\n1001 e", Malformed),
        ("4294967296 0", Malformed),
        ("١ 0\n1 e", Malformed),
        ("1 0\nx e", Malformed),
        ("0 1", TooManyDestroyed),
        ("1 2\n1 e", TooManyDestroyed),
        ("2 0\n2 e\n1 e", Disordered),
        ("2 0\n1 e\n1 e\n2 e", Disordered),
        ("2 0\n0 e\n2 e", Disordered),
        ("2 0\n2 e\n3 e", Disordered),
        ("0 0\n1 e", Disordered),
    ];
    let mut refused = 0;
    for (text, expected) in cases {
        let Err(TenantError::Record { source, .. }) = state(&keys, text) else {
            panic!("{text:?}");
        };
        assert_eq!(source, expected, "{text:?}");
        refused += 1;
    }
    assert_eq!(refused, 24);
    for (text, expected) in [
        ("0 0", TenantState::NeverHad),
        ("1 0\n1 e", TenantState::Live),
        ("3 1\n3 e", TenantState::Live),
        ("3 1\n1 e\n2 e\n3 e", TenantState::Live),
        ("1 1", TenantState::Destroyed),
        ("2 2\n1 e\n2 e", TenantState::Destroyed),
    ] {
        assert_eq!(state(&keys, text).unwrap(), expected, "{text:?}");
    }
}

/// The database deleted the row of the newest key: an older one must not seal in its place.
#[test]
fn the_newest_key_must_be_there() {
    let (keys, _) = local();
    for (text, missing) in [("1 0", 1), ("2 0\n1 e", 2), ("3 1", 3), ("3 2\n1 e\n2 e", 3)] {
        let Err(TenantError::Missing { key_id, .. }) = state(&keys, text) else {
            panic!("{text:?}");
        };
        assert_eq!(key_id.to_string(), format!("tenant/42@{missing}"));
    }
}

/// Else nobody could delete a tenant whose key was lost.
#[test]
fn a_tenant_whose_newest_key_is_missing_can_be_deleted() {
    let (keys, ring) = local();
    let record = TenantRecord::from_row(tenant("42"), Some("3 1\n2 e"));
    assert!(matches!(keys.state(&record), Err(TenantError::Missing { .. })));
    let tombstone = keys.destroy(&record, |_| Ok::<_, ()>(())).unwrap();
    let check = u32::from_be_bytes(ring.check_value("epoch-1").unwrap());
    assert_eq!(tombstone.to_string(), format!("tenant/42@3 epoch-1:{check:08x} ."));
    let nobody = TenantRecord::from_row(tenant("42"), None);
    let error = keys.destroy(&nobody, |_| Ok::<_, ()>(())).unwrap_err();
    assert!(matches!(error, DestroyError::Tenant(TenantError::NeverHad { .. })));
}

/// A service that is away is not asked about each of them.
#[test]
fn the_first_key_that_does_not_open_is_the_last_that_the_service_is_asked_about() {
    let mut scene = Scene::new();
    scene.create("42", TenantState::NeverHad);
    scene.create("42", TenantState::Live);
    scene.create("42", TenantState::Live);
    scene.service.says(Some(ProviderErrorKind::Unavailable));
    let (record, before) = (scene.read("42"), scene.service.unwraps());
    assert!(pollster::block_on(scene.keys.keyring_async(&record)).unwrap_err().is_transient());
    assert_eq!(scene.service.unwraps() - before, 1);
    scene.service.says(None);
    assert_eq!(scene.asks("42"), 3);
}

#[test]
fn a_text_that_is_no_envelope_is_named() {
    let (keys, _) = local();
    let record = TenantRecord::from_row(tenant("42"), Some("1 0\n1 swk1_not-shown"));
    let error = keys.keyring(&record).unwrap_err();
    assert!(matches!(error, TenantError::Envelope { .. }));
    assert_eq!((error.name(), error.class().as_str()), ("envelope", "altered"));
    let shown = [format!("{error} {error:?}"), format!("{record:?}"), format!("{keys:?}")];
    assert!(shown.iter().all(|shown| !shown.contains("not-shown")), "{shown:?}");
    assert_eq!(shown[1], "TenantRecord { tenant: TenantId(\"42\"), .. }");
    assert!(shown[2].starts_with("TenantKeys { ring: Keyring"), "{}", shown[2]);
}

#[test]
fn parts_and_text_are_the_same_record() {
    let parts = TenantRecord::new(tenant("42"), 3, 1, [(2, "a"), (3, "b")]);
    assert_eq!(parts, TenantRecord::from_row(tenant("42"), Some("3 1\n2 a\n3 b")));
    let none = TenantRecord::from_row(tenant("42"), None);
    assert_eq!(none, TenantRecord::new(tenant("42"), 0, 0, std::iter::empty::<(u32, &str)>()));
    assert_eq!(none.tenant().as_ref(), "42");
}
