//! A writer's pair belongs to one epoch.

use std::sync::Arc;

use sealwax::{
    EncryptionContext, Envelope, ErrorClass, Held, KeyId, Keyring, MasterKey, OpenError,
    ProviderErrorKind, RewrapError, Sealer, Secret, UnwrapError,
};
use sealwax_tenants::{TenantState, WriterPair, WriterPairError};

use crate::scene::{Scene, row};

fn id(id: &str) -> KeyId {
    id.parse().unwrap()
}

fn root() -> Arc<MasterKey> {
    Arc::new(MasterKey::generate().unwrap())
}

fn ring(name: &str, root: &Arc<MasterKey>) -> Keyring {
    Keyring::new(id(name), Arc::clone(root)).unwrap()
}

fn written(pair: &WriterPair, service: &Keyring) -> Envelope {
    let sealing_key = pair.open(service).unwrap().sealing_key();
    let sealer = Sealer::new(pair.key_id().clone(), sealing_key).unwrap();
    sealer.seal(&"s3cret".into(), &row("42")).unwrap()
}

#[test]
fn a_worker_gives_each_row_to_its_tenant() {
    let mut scene = Scene::new();
    scene.create("42", TenantState::NeverHad);
    let service = scene.keys.service();
    let made = pollster::block_on(WriterPair::create_async(id("dashboard-1"), &service));
    let (pair, sealing_key) = made.unwrap();
    let sealer = Sealer::new(pair.key_id().clone(), sealing_key).unwrap();
    let written = sealer.seal(&"s3cret".into(), &row("42")).unwrap();

    // From the table.
    let pair = WriterPair::from_row(id("dashboard-1"), pair.envelope().clone());
    let opening_key = Arc::new(pollster::block_on(pair.open_async(&service)).unwrap());
    let worker = |scene: &Scene| {
        scene.ring("42").with_retired(pair.key_id().clone(), Arc::clone(&opening_key)).unwrap()
    };
    let fresh = worker(&scene).rewrap(&written).unwrap().unwrap();
    assert!(fresh.key_ids().eq([id("tenant/42@1")]));
    // The service itself opens it, without the pair.
    assert_eq!(scene.ring("42").open(&fresh, &row("42")).unwrap(), "s3cret".into());

    // What the writer goes on to seal for a deleted tenant gets no key.
    let tombstone = scene.keys.destroy(&scene.read("42"), |_| Ok::<_, ()>(())).unwrap();
    assert!(scene.tables.destroy(&tombstone));
    let error = worker(&scene).rewrap(&written).unwrap_err();
    assert!(matches!(error, RewrapError::NoPrimary));
    let error = worker(&scene).open(&fresh, &row("42")).unwrap_err();
    assert!(matches!(error, OpenError::Unwrap(UnwrapError::KeyDestroyed { .. })));
}

#[test]
fn a_pair_goes_with_its_root() {
    let (first, second) = (root(), root());
    let epoch_1 = ring("epoch-1", &first);
    let (pair, _) = WriterPair::create(id("dashboard-1"), &epoch_1).unwrap();
    let written = written(&pair, &epoch_1);
    // It opens as long as the root is there, also when it is no longer the primary.
    let epoch_2 = ring("epoch-2", &second);
    let both = epoch_2.clone().with_retired(id("epoch-1"), Arc::clone(&first)).unwrap();
    let opening_key = pair.open(&both).unwrap();
    let reader = Keyring::new(id("dashboard-1"), opening_key).unwrap();
    assert_eq!(reader.open(&written, &row("42")).unwrap(), "s3cret".into());
    let after = epoch_2.with_destroyed(id("epoch-1")).unwrap();
    let error = pair.open(&after).unwrap_err();
    let WriterPairError::Open { source, .. } = &error else { panic!("{error}") };
    assert!(matches!(source, OpenError::Unwrap(UnwrapError::KeyDestroyed { .. })));
    assert_eq!((error.name(), error.class()), ("open", source.class()));
    // A pair that somebody rewrapped to the next root, which would live on, does not open.
    let moved = both.rewrap(pair.envelope()).unwrap().unwrap();
    let moved = WriterPair::from_row(id("dashboard-1"), moved);
    for ring in [&both, &after] {
        let error = moved.open(ring).unwrap_err();
        let WriterPairError::Open { source, .. } = &error else { panic!("{error}") };
        assert!(matches!(source, OpenError::ContextMismatch));
    }
}

#[test]
fn a_pair_opens_under_the_roots_that_it_was_made_with_and_no_others() {
    let (first, second, escrow) = (root(), root(), root());
    let alone = ring("epoch-1", &first);
    let with_escrow = alone.clone().with_escrow(id("escrow-1"), Arc::clone(&escrow)).unwrap();
    let (pair, _) = WriterPair::create(id("dashboard-1"), &with_escrow).unwrap();
    assert!(pair.envelope().key_ids().eq([id("epoch-1"), id("escrow-1")]));
    // Its escrow is a root, too.
    for service in [&with_escrow, &ring("escrow-1", &escrow)] {
        assert!(pair.open(service).is_ok());
    }
    // A job that adds the next root, or drops the escrow, keeps the first key id.
    let (both, _) = WriterPair::create(id("dashboard-1"), &alone).unwrap();
    let next = alone.with_escrow(id("epoch-2"), Arc::clone(&second)).unwrap();
    for (pair, service) in [(&both, &next), (&pair, &next)] {
        let service = service.clone().with_retired(id("escrow-1"), Arc::clone(&escrow)).unwrap();
        let moved = service.rewrap(pair.envelope()).unwrap().unwrap();
        assert!(moved.key_ids().eq([id("epoch-1"), id("epoch-2")]));
        let error = WriterPair::from_row(id("dashboard-1"), moved).open(&service).unwrap_err();
        let WriterPairError::Open { source, .. } = &error else { panic!("{error}") };
        assert!(matches!(source, OpenError::ContextMismatch));
    }
}

#[test]
fn an_offline_escrow_is_one_of_its_roots() {
    let safe = root();
    let service = ring("epoch-1", &root());
    let service = service.with_offline_escrow(id("safe-1"), Arc::clone(&safe)).unwrap();
    let (pair, _) = WriterPair::create(id("dashboard-1"), &service).unwrap();
    for service in [&service, &ring("safe-1", &safe)] {
        assert!(pair.open(service).is_ok());
    }
}

#[test]
fn a_key_service_that_fails_for_a_time_can_be_asked_again() {
    let scene = Scene::new();
    let service = scene.keys.service();
    let create = || pollster::block_on(WriterPair::create_async(id("dashboard-1"), &service));
    let (pair, _) = create().unwrap();
    for (kind, is_transient) in
        [(ProviderErrorKind::Unavailable, true), (ProviderErrorKind::Denied, false)]
    {
        scene.service.says(Some(kind));
        let error = create().unwrap_err();
        assert_eq!((error.name(), error.is_transient()), ("seal", is_transient));
        let error = pollster::block_on(pair.open_async(&service)).unwrap_err();
        assert_eq!((error.name(), error.is_transient()), ("open", is_transient));
    }
}

#[test]
fn a_pair_has_an_id_that_a_sealer_takes() {
    let error = WriterPair::create(id("test/dashboard"), &ring("epoch-1", &root())).unwrap_err();
    assert!(matches!(&error, WriterPairError::Id(source) if source.name() == error.name()));
    assert_eq!(error.class(), ErrorClass::Misconfigured);
}

#[test]
fn nothing_else_is_taken_for_a_pair() {
    let service = ring("epoch-1", &root());
    let context = |pairs: [(&str, &str); 2]| EncryptionContext::new(pairs).unwrap();
    let ours = || context([("pair", "dashboard-1"), ("root", "epoch-1")]);
    let held: Vec<u8> = (0..64).collect();
    let opened = |context: EncryptionContext, held: &[u8]| {
        let envelope = service.seal(&Secret::from(held), &context).unwrap();
        WriterPair::from_row(id("dashboard-1"), envelope).open(&service)
    };
    assert!(opened(ours().holding(Held::OpeningKey).unwrap(), &held).is_ok());
    let others = [
        ours(),
        ours().holding(Held::MasterKey).unwrap(),
        ours().holding(Held::Keyring).unwrap(),
        context([("pair", "dashboard-2"), ("root", "epoch-1")]).holding(Held::OpeningKey).unwrap(),
        context([("pair", "dashboard-1"), ("root", "epoch-2")]).holding(Held::OpeningKey).unwrap(),
        context([("tenant", "42"), ("key", "tenant/42@1")]).holding(Held::OpeningKey).unwrap(),
    ];
    for other in others {
        let error = opened(other, &held).unwrap_err();
        assert!(matches!(error, WriterPairError::Open { source: OpenError::ContextMismatch, .. }));
        assert_eq!(error.class(), ErrorClass::Altered);
    }
    // What another program sealed in the right context.
    for held in [&held[..63], &[7; 64], &held[..32].repeat(2)] {
        let error = opened(ours().holding(Held::OpeningKey).unwrap(), held).unwrap_err();
        assert!(matches!(error, WriterPairError::NotAKey { .. }));
        assert_eq!((error.name(), error.class()), ("not_a_key", ErrorClass::Altered));
    }
    let error = WriterPair::create(id("dashboard-1"), &Keyring::opening_only()).unwrap_err();
    assert_eq!((error.name(), error.class()), ("no_root", ErrorClass::Misconfigured));
}
