//! Three answers for a tenant without a key at hand; rotation, deletion, and what comes after.

use std::convert::Infallible;

use sealwax::{
    EncryptionContext, Held, KeyState, Keyring, MasterKey, OpenError, OpenEvent, OpenRecorder,
    ProviderErrorKind, ProviderFuture, RecorderError, SealError, Suite, UnwrapError,
};
use sealwax_tenants::{
    CreateError, DestroyError, TenantError, TenantKeys, TenantRecord, TenantState, Tombstone,
};

use crate::scene::{Scene, Tables, local, row, sealed, tenant};

fn deleted(keys: &TenantKeys, tables: &mut Tables, id: &str) -> Tombstone {
    let tombstone = keys.destroy(&tables.read(id), |_| Ok::<_, Infallible>(())).unwrap();
    assert!(tables.destroy(&tombstone));
    keys.bury(&tombstone);
    tombstone
}

fn created(keys: &TenantKeys, tables: &mut Tables, id: &str, state: TenantState) {
    assert!(tables.create(&keys.create(&tables.read(id), state).unwrap()));
}

fn states(ring: &Keyring) -> Vec<(String, KeyState)> {
    ring.keys().map(|(key_id, state)| (key_id.to_string(), state)).collect()
}

fn key(number: u32, state: KeyState) -> (String, KeyState) {
    (format!("tenant/42@{number}"), state)
}

fn is_destroyed<T>(opened: Result<T, OpenError>, number: u32) -> bool {
    let Err(OpenError::Unwrap(UnwrapError::KeyDestroyed { key_id, .. })) = opened else {
        return false;
    };
    key_id.as_ref() == format!("tenant/42@{number}")
}

#[test]
fn never_had_not_loaded_and_destroyed_are_three_answers() {
    let mut scene = Scene::new();
    let never = scene.keys.keyring(&scene.read("42")).unwrap_err();
    assert!(matches!(&never, TenantError::NeverHad { tenant, .. } if tenant.as_ref() == "42"));

    scene.create("42", TenantState::NeverHad);
    let not_loaded = scene.keys.keyring(&scene.read("42")).unwrap_err();
    assert!(matches!(not_loaded, TenantError::NotLoaded { .. }));
    assert_eq!(scene.service.unwraps(), 0, "nothing is asked that nobody waits for");
    let envelope = sealed(&scene.ring("42"), "42");
    assert!(scene.keys.keyring(&scene.read("42")).unwrap().open(&envelope, &row("42")).is_ok());

    deleted(&scene.keys, &mut scene.tables, "42");
    for ring in [scene.keys.keyring(&scene.read("42")).unwrap(), scene.ring("42")] {
        assert!(is_destroyed(ring.open(&envelope, &row("42")), 1));
        assert!(matches!(ring.seal(&"x".into(), &row("42")), Err(SealError::NoPrimary)));
        assert!(ring.rewrap(&envelope).is_err());
    }
    let names = [never.name(), not_loaded.name()];
    assert_eq!(names, ["never_had", "not_loaded"]);
}

#[test]
fn a_rotation_keeps_all_rows_and_rewraps_those_of_one_tenant() {
    let (keys, _) = local();
    let mut tables = Tables::default();
    created(&keys, &mut tables, "42", TenantState::NeverHad);
    created(&keys, &mut tables, "43", TenantState::NeverHad);
    let before = sealed(&keys.keyring(&tables.read("42")).unwrap(), "42");
    let other = sealed(&keys.keyring(&tables.read("43")).unwrap(), "43");
    created(&keys, &mut tables, "42", TenantState::Live);
    let ring = keys.keyring(&tables.read("42")).unwrap();
    assert_eq!(states(&ring), [key(2, KeyState::Primary), key(1, KeyState::Retired)]);
    assert!(ring.open(&before, &row("42")).is_ok());
    let fresh = ring.rewrap(&before).unwrap().unwrap();
    assert_eq!(fresh.key_ids().map(|id| id.to_string()).collect::<Vec<_>>(), ["tenant/42@2"]);
    assert!(ring.open(&fresh, &row("42")).is_ok());
    // Another tenant's ring opens nothing of it.
    let theirs = keys.keyring(&tables.read("43")).unwrap();
    for envelope in [&before, &fresh] {
        let refused = theirs.open(envelope, &row("42"));
        assert!(matches!(refused, Err(OpenError::Unwrap(UnwrapError::UnknownKey { .. }))));
    }
    assert!(theirs.is_current(&other));
}

#[test]
fn a_new_root_rewraps_a_row_for_each_key_and_no_credential() {
    let old = MasterKey::generate().unwrap().to_text();
    let old = || old.expose_str().unwrap().parse::<MasterKey>().unwrap();
    let keys = TenantKeys::new(Keyring::new("epoch-1".parse().unwrap(), old()).unwrap(), []);
    let mut tables = Tables::default();
    created(&keys, &mut tables, "42", TenantState::NeverHad);
    let credential = sealed(&keys.keyring(&tables.read("42")).unwrap(), "42");

    let new = Keyring::new("epoch-2".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let both = new.clone().with_retired("epoch-1".parse().unwrap(), old()).unwrap();
    let created = keys.create(&TenantRecord::from_row(tenant("43"), None), TenantState::NeverHad);
    let envelope = created.unwrap().envelope().clone();
    let fresh = both.rewrap(&envelope).unwrap().unwrap();
    let record = TenantRecord::new(tenant("43"), 1, 0, [(1, fresh.to_string())]);
    let after = new.with_destroyed("epoch-1".parse().unwrap()).unwrap();
    assert!(TenantKeys::new(after.clone(), []).keyring(&record).is_ok());
    // The tenant whose key was not rewrapped is gone with the root.
    let gone = TenantKeys::new(after, []).keyring(&tables.read("42")).unwrap_err();
    assert_eq!((gone.name(), gone.class().as_str()), ("open", "gone"));
    assert_eq!(credential.key_ids().count(), 1);
}

#[test]
fn who_comes_back_gets_the_next_number_and_the_old_rows_stay_closed() {
    let (keys, _) = local();
    let mut tables = Tables::default();
    created(&keys, &mut tables, "42", TenantState::NeverHad);
    created(&keys, &mut tables, "42", TenantState::Live);
    let old = sealed(&keys.keyring(&tables.read("42")).unwrap(), "42");
    let tombstone = deleted(&keys, &mut tables, "42");
    assert_eq!(tombstone.key().to_string(), "tenant/42@2");
    created(&keys, &mut tables, "42", TenantState::Destroyed);
    let ring = keys.keyring(&tables.read("42")).unwrap();
    assert_eq!(
        states(&ring),
        [key(3, KeyState::Primary), key(1, KeyState::Destroyed), key(2, KeyState::Destroyed)]
    );
    assert!(is_destroyed(ring.open(&old, &row("42")), 2));
    assert!(ring.open(&sealed(&ring, "42"), &row("42")).is_ok());
    // And may go again.
    assert_eq!(deleted(&keys, &mut tables, "42").key().to_string(), "tenant/42@3");
    assert_eq!(keys.keyring(&tables.read("42")).unwrap().primary(), None);
}

#[test]
fn nobody_gets_a_key_by_accident() {
    use TenantState::{Destroyed, Live, NeverHad};
    let (keys, _) = local();
    let mut tables = Tables::default();
    let mut refused = 0;
    let mut check = |tables: &Tables, is: TenantState| {
        let record = tables.read("42");
        assert_eq!(keys.state(&record).unwrap(), is);
        for said in [NeverHad, Live, Destroyed] {
            match keys.create(&record, said) {
                Ok(_) => assert_eq!(said, is),
                Err(error @ CreateError::OtherState { found, .. }) => {
                    assert!(found == is && said != is);
                    assert_eq!(error.to_string(), format!("the state of tenant 42 is {found}"));
                    assert_eq!((error.name(), error.class().as_str()), ("other_state", "refused"));
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
    };
    check(&tables, NeverHad);
    created(&keys, &mut tables, "42", NeverHad);
    check(&tables, Live);
    deleted(&keys, &mut tables, "42");
    check(&tables, Destroyed);
    assert_eq!(refused, 6);
    assert_eq!(
        [NeverHad, Live, Destroyed].map(|state| state.to_string()),
        ["never_had", "live", "destroyed"]
    );
}

/// What was made of an older record is not written: neither a key that was made before a deletion, nor a deletion that was
/// decided before a rotation.
#[test]
fn what_was_decided_before_a_change_is_not_written() {
    let (keys, _) = local();
    let mut tables = Tables::default();
    created(&keys, &mut tables, "42", TenantState::NeverHad);
    let rotation = keys.create(&tables.read("42"), TenantState::Live).unwrap();
    let early = keys.destroy(&tables.read("42"), |_| Ok::<_, Infallible>(())).unwrap();
    created(&keys, &mut tables, "42", TenantState::Live);
    assert!(!tables.create(&rotation) && !tables.destroy(&early));
    let rotation = keys.create(&tables.read("42"), TenantState::Live).unwrap();
    deleted(&keys, &mut tables, "42");
    assert!(!tables.create(&rotation));
    assert_eq!(keys.keyring(&tables.read("42")).unwrap().primary(), None);
}

#[test]
fn a_legal_hold_refuses() {
    let (keys, _) = local();
    let mut tables = Tables::default();
    let nobody = keys.destroy(&tables.read("42"), |_| -> Result<(), &str> { panic!("asked") });
    assert!(matches!(nobody, Err(DestroyError::Tenant(TenantError::NeverHad { .. }))));
    created(&keys, &mut tables, "42", TenantState::NeverHad);
    let held = keys.destroy(&tables.read("42"), |tenant| Err(format!("{tenant} is in court")));
    assert!(matches!(held, Err(DestroyError::Refused(why)) if why == "42 is in court"));
    assert!(keys.keyring(&tables.read("42")).is_ok());
}

/// The database was restored from before the deletion. Its record and the key's envelope are genuine.
#[test]
fn a_tombstone_wins_over_a_restored_record() {
    let (keys, ring) = local();
    let mut tables = Tables::default();
    created(&keys, &mut tables, "42", TenantState::NeverHad);
    let envelope = sealed(&keys.keyring(&tables.read("42")).unwrap(), "42");
    let dump = tables.clone();
    created(&keys, &mut tables, "42", TenantState::Live);
    let tombstone = deleted(&keys, &mut tables, "42");

    let mut restored = dump;
    let without = TenantKeys::new(ring.clone(), []);
    assert!(without.keyring(&restored.read("42")).unwrap().open(&envelope, &row("42")).is_ok());
    let with = TenantKeys::new(ring, [tombstone.clone()]);
    for keys in [&keys, &with] {
        let opened = keys.keyring(&restored.read("42")).unwrap().open(&envelope, &row("42"));
        assert!(is_destroyed(opened, 1));
        // Also if the dump is older than the tenant.
        assert_eq!(keys.keyring(&Tables::default().read("42")).unwrap().primary(), None);
        for state in [TenantState::NeverHad, TenantState::Live, TenantState::Destroyed] {
            let refused = keys.create(&restored.read("42"), state);
            assert!(matches!(refused, Err(CreateError::Tenant(TenantError::NotReplayed { .. }))));
        }
    }
    for _ in 0..2 {
        restored.replay(&tombstone);
        assert!(without.keyring(&restored.read("42")).unwrap().primary().is_none());
    }
    created(&with, &mut restored, "42", TenantState::Destroyed);
    let primary = with.keyring(&restored.read("42")).unwrap().primary().unwrap().to_string();
    assert_eq!(primary, "tenant/42@3");
    // An old tombstone leaves the new key alone.
    restored.replay(&tombstone);
    assert!(with.keyring(&restored.read("42")).unwrap().primary().is_some());
    with.bury(&tombstone);
    assert!(with.keyring(&restored.read("42")).unwrap().primary().is_some());
}

#[test]
fn after_1000_keys_there_is_no_other_one() {
    let (keys, _) = local();
    let at = |number, destroyed| {
        TenantRecord::new(tenant("42"), number, destroyed, std::iter::empty::<(u32, &str)>())
    };
    let created = keys.create(&at(999, 999), TenantState::Destroyed).unwrap();
    assert_eq!(created.key().to_string(), "tenant/42@1000");
    let record =
        TenantRecord::new(tenant("42"), 1000, 999, [(1000, created.envelope().to_string())]);
    let ring = keys.keyring(&record).unwrap();
    assert_eq!(ring.keys().count(), 1000);
    let refused = keys.create(&at(1000, 1000), TenantState::Destroyed);
    assert!(matches!(refused, Err(CreateError::TooMany { .. })));
    assert!(matches!(keys.create(&record, TenantState::Live), Err(CreateError::TooMany { .. })));
}

#[test]
fn a_key_service_that_does_not_seal_is_named() {
    let scene = Scene::new();
    let error = scene.keys.create(&scene.read("42"), TenantState::NeverHad).unwrap_err();
    assert!(matches!(&error, CreateError::Seal { source: SealError::WouldBlock { .. }, .. }));
    assert_eq!((error.name(), error.is_transient()), ("seal", false));
    for (kind, is_transient) in
        [(ProviderErrorKind::Unavailable, true), (ProviderErrorKind::Denied, false)]
    {
        scene.service.says(Some(kind));
        let record = scene.read("42");
        let created = scene.keys.create_async(&record, TenantState::NeverHad);
        let error = pollster::block_on(created).unwrap_err();
        assert_eq!((error.name(), error.is_transient()), ("seal", is_transient));
    }
}

/// Its keyring costs a time that grows with the square of the number.
#[test]
fn the_keyring_of_a_deleted_tenant_is_kept_too() {
    let scene = Scene::new();
    let record = TenantRecord::from_row(tenant("42"), Some("1000 1000"));
    for _ in 0..2 {
        assert_eq!(scene.keys.keyring(&record).unwrap().keys().count(), 1000);
        assert_eq!(scene.keys.kept(), 1);
    }
}

/// A row that was altered, or that nobody moved to the new root, must not close the whole tenant.
#[test]
fn an_older_key_that_is_lost_keeps_no_newer_one_closed() {
    let (keys, ring) = local();
    let mut tables = Tables::default();
    let mut credentials = Vec::new();
    for state in [TenantState::NeverHad, TenantState::Live, TenantState::Live] {
        created(&keys, &mut tables, "42", state);
        credentials.push(sealed(&keys.keyring(&tables.read("42")).unwrap(), "42"));
    }
    let envelopes = tables.envelopes("42");
    let key = MasterKey::generate().unwrap();
    let under_a_destroyed_root = {
        let epoch_0 = Keyring::new("epoch-0".parse().unwrap(), key).unwrap();
        let name = [("tenant", "42"), ("key", "tenant/42@1")];
        let context = EncryptionContext::new(name).unwrap().holding(Held::MasterKey).unwrap();
        epoch_0.seal(&"k".repeat(32).as_str().into(), &context).unwrap().to_string()
    };
    let keys = TenantKeys::new(ring.with_destroyed("epoch-0".parse().unwrap()).unwrap(), []);
    let lost = ["no envelope", &envelopes[1], &under_a_destroyed_root];
    for text in lost {
        let record = [text, &envelopes[1], &envelopes[2]].into_iter();
        let record = TenantRecord::new(tenant("42"), 3, 0, (1..).zip(record));
        let in_time = pollster::block_on(keys.keyring_async(&record)).unwrap();
        keys.forget_all();
        for ring in [keys.keyring(&record).unwrap(), in_time] {
            assert_eq!(ring.state("tenant/42@1"), Some(KeyState::Disabled));
            assert!(credentials[1..].iter().all(|row_of| ring.open(row_of, &row("42")).is_ok()));
            let refused = ring.open(&credentials[0], &row("42"));
            assert!(matches!(refused, Err(OpenError::Unwrap(UnwrapError::KeyDisabled { .. }))));
        }
        // The newest one seals, so nothing stands in for it.
        let newest = TenantRecord::new(tenant("42"), 2, 0, [(1, &*envelopes[0]), (2, text)]);
        let error = keys.keyring(&newest).map(drop);
        assert!(error.is_err() || text == envelopes[1], "{text}");
    }
    // A root that this keyring lacks may be added, so that is an error.
    let (stranger, _) = local();
    let other = stranger.create(&Tables::default().read("42"), TenantState::NeverHad).unwrap();
    let other = other.envelope().to_string().replace("epoch-1", "epoch-9");
    let record = TenantRecord::new(tenant("42"), 2, 0, [(1, &*other), (2, &envelopes[1])]);
    let error = keys.keyring(&record).unwrap_err();
    assert!(matches!(
        error,
        TenantError::Open { source: OpenError::Unwrap(UnwrapError::UnknownKey { .. }), .. }
    ));
}

#[test]
fn another_keyring_of_the_service_keeps_what_was_buried() {
    let mut scene = Scene::with_tenants(2);
    let dump = scene.tables.clone();
    let tombstone = deleted(&scene.keys, &mut scene.tables, "0");
    scene.ring("1");
    assert_eq!(scene.asks("1"), 0);
    let record = scene.read("1");
    scene.service.is_busy(true);
    scene.keys.forget(record.tenant());
    let mut under_way = Box::pin(scene.keys.keyring_async(&record));
    assert!(crate::scene::poll(under_way.as_mut()).is_pending());
    let next = Keyring::new("epoch-2".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let next = next.with_retired("epoch-1".parse().unwrap(), scene.service.clone()).unwrap();
    scene.keys.set_service(next);
    scene.service.is_busy(false);
    assert!(pollster::block_on(under_way).is_ok());
    assert_eq!(scene.keys.kept(), 0, "what the keyring before opened is not kept");
    assert_eq!(scene.keys.service().primary().unwrap().as_ref(), "epoch-2");
    assert_eq!([scene.asks("1"), scene.asks("1")], [1, 0]);
    assert_eq!(scene.keys.keyring(&dump.read("0")).unwrap().primary(), None);
    assert_eq!(tombstone.roots().count(), 1);
    // New keys are under the new root.
    scene.create("7", TenantState::NeverHad);
    assert_eq!(scene.asks("7"), 0);
}

/// Records nothing, and allows everything.
struct Lenient;

impl OpenRecorder for Lenient {
    fn record<'a>(&'a self, _: &'a OpenEvent<'a>) -> ProviderFuture<'a, Result<(), RecorderError>> {
        ProviderFuture::ready(Ok(()))
    }
}

/// A service that has openings recorded does not lose that, nor its suite.
#[test]
fn a_tenants_keyring_takes_over_what_the_services_keyring_requires() {
    let suite = Suite::ChaCha20Poly1305;
    let service = Keyring::new("epoch-1".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let service = service.with_suite(suite).with_recorder(Lenient);
    let (keys, mut tables) = (TenantKeys::new(service, []), Tables::default());
    created(&keys, &mut tables, "42", TenantState::NeverHad);
    for _ in 0..2 {
        let ring = keys.keyring(&tables.read("42")).unwrap();
        let envelope = sealed(&ring, "42");
        assert_eq!(envelope.suite(), suite);
        let opened = ring.open(&envelope, &row("42"));
        assert!(matches!(opened, Err(OpenError::NotRecorded { .. })));
        assert!(ring.with_recorder(Lenient).open(&envelope, &row("42")).is_ok());
    }
}
