//! How often the service is asked, and futures that are dropped or deleted under way.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::Duration;

use sealwax::{KeyState, ProviderErrorKind};
use sealwax_tenants::{TenantKeys, TenantState, Tombstone};

use crate::scene::{Scene, Tables, local, poll, row, sealed};

#[test]
fn ten_thousand_credentials_of_a_hundred_tenants_cost_a_hundred_unwraps() {
    let scene = Scene::with_tenants(100);
    let rows: Vec<_> = (0..10_000)
        .map(|at| {
            let id = (at % 100).to_string();
            let envelope = sealed(&scene.ring(&id), &id);
            (id, envelope)
        })
        .collect();
    assert_eq!((scene.service.unwraps(), scene.keys.kept()), (100, 100));
    let mut opened = 0;
    scene.keys.forget_all();
    for (id, envelope) in &rows {
        scene.ring(id).open(envelope, &row(id)).unwrap();
        opened += 1;
    }
    assert_eq!((opened, scene.service.unwraps()), (10_000, 200));
}

#[test]
fn of_64_at_once_one_asks() {
    let scene = Scene::with_tenants(1);
    let record = scene.read("0");
    scene.service.is_busy(true);
    let mut futures: Vec<_> =
        (0..64).map(|_| Box::pin(scene.keys.keyring_async(&record))).collect();
    assert!(futures.iter_mut().all(|future| poll(future.as_mut()).is_pending()));
    scene.service.is_busy(false);
    assert_eq!(scene.service.unwraps(), 1);
    let envelope = sealed(&pollster::block_on(futures.remove(0)).unwrap(), "0");
    for future in futures {
        pollster::block_on(future).unwrap().open(&envelope, &row("0")).unwrap();
    }
    assert_eq!(scene.service.unwraps(), 1);
}

#[test]
fn the_same_from_64_threads() {
    let scene = Scene::with_tenants(1);
    let barrier = Barrier::new(64);
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                barrier.wait();
                scene.ring("0")
            });
        }
    });
    assert_eq!(scene.service.unwraps(), 1);
}

/// Two processes' clocks apart, each record is answered for what it says.
#[test]
fn those_with_another_record_ask_for_themselves() {
    let mut scene = Scene::with_tenants(1);
    let before = scene.read("0");
    scene.create("0", TenantState::Live);
    let after = scene.read("0");
    scene.service.is_busy(true);
    let (mut one, mut other) =
        (pin!(scene.keys.keyring_async(&before)), pin!(scene.keys.keyring_async(&after)));
    assert!(poll(one.as_mut()).is_pending() && poll(other.as_mut()).is_pending());
    scene.service.is_busy(false);
    let primary = |ring: sealwax::Keyring| ring.primary().unwrap().to_string();
    assert_eq!(primary(pollster::block_on(one).unwrap()), "tenant/0@1");
    assert_eq!(primary(pollster::block_on(other).unwrap()), "tenant/0@2");
    assert_eq!(scene.service.unwraps(), 1 + 2);
}

#[test]
fn all_who_wait_get_the_error_and_the_next_one_asks_again() {
    let scene = Scene::with_tenants(1);
    let record = scene.read("0");
    scene.service.is_busy(true);
    scene.service.says(Some(ProviderErrorKind::Throttled));
    let mut futures: Vec<_> = (0..8).map(|_| Box::pin(scene.keys.keyring_async(&record))).collect();
    assert!(futures.iter_mut().all(|future| poll(future.as_mut()).is_pending()));
    scene.service.is_busy(false);
    for future in futures {
        let error = pollster::block_on(future).unwrap_err();
        assert_eq!((error.name(), error.is_transient()), ("open", true));
    }
    assert_eq!((scene.service.unwraps(), scene.keys.kept()), (1, 0));
    scene.service.says(None);
    assert_eq!(scene.asks("0"), 1);
}

#[test]
fn a_future_that_is_dropped_leaves_nothing_locked() {
    let scene = Scene::with_tenants(1);
    let record = scene.read("0");
    drop(scene.keys.keyring_async(&record));
    assert_eq!(scene.service.unwraps(), 0);
    scene.service.is_busy(true);
    let mut first = Box::pin(scene.keys.keyring_async(&record));
    let mut second = pin!(scene.keys.keyring_async(&record));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    drop(first);
    scene.service.is_busy(false);
    assert!(pollster::block_on(second).is_ok());
    assert_eq!((scene.service.unwraps(), scene.keys.kept()), (2, 1));
}

#[test]
fn nobody_waits_long_for_a_future_that_is_paused() {
    let scene = Scene::with_tenants(1);
    let record = scene.read("0");
    scene.service.is_busy(true);
    let mut paused = pin!(scene.keys.keyring_async(&record));
    assert!(poll(paused.as_mut()).is_pending());
    // A sixteenth of the maximum age.
    for (second, asked) in [(100, 1), (101, 2)] {
        scene.clock.at(second);
        assert!(poll(pin!(scene.keys.keyring_async(&record))).is_pending());
        assert_eq!(scene.service.unwraps(), asked, "{second}");
    }
}

/// A call that was under way leaves nothing, and nobody waits for it.
#[test]
fn forgetting_reaches_a_call_under_way() {
    for all in [false, true] {
        let scene = Scene::with_tenants(1);
        let record = scene.read("0");
        scene.service.is_busy(true);
        let mut before = pin!(scene.keys.keyring_async(&record));
        assert!(poll(before.as_mut()).is_pending());
        if all {
            scene.keys.forget_all()
        } else {
            scene.keys.forget(record.tenant())
        }
        assert!(poll(pin!(scene.keys.keyring_async(&record))).is_pending());
        assert_eq!(scene.service.unwraps(), 2);
        scene.service.is_busy(false);
        assert!(pollster::block_on(before).is_ok());
        assert_eq!(scene.keys.kept(), 0);
    }
}

/// Nor does one that was under way when the tenant was deleted return a key.
#[test]
fn a_deletion_reaches_a_call_under_way() {
    let scene = Scene::with_tenants(1);
    let record = scene.read("0");
    scene.service.is_busy(true);
    let (mut asks, mut waits) =
        (pin!(scene.keys.keyring_async(&record)), pin!(scene.keys.keyring_async(&record)));
    assert!(poll(asks.as_mut()).is_pending() && poll(waits.as_mut()).is_pending());
    let tombstone: Tombstone = scene.keys.destroy(&record, |_| Ok::<_, Infallible>(())).unwrap();
    scene.keys.bury(&tombstone);
    scene.service.is_busy(false);
    for ring in [pollster::block_on(asks).unwrap(), pollster::block_on(waits).unwrap()] {
        assert_eq!((ring.primary(), ring.state("tenant/0@1")), (None, Some(KeyState::Destroyed)));
    }
}

/// Nor does one that waits for nothing, on another thread: here, the deletion comes while the clock is read after the opening.
#[test]
fn a_deletion_reaches_a_call_that_does_not_wait() {
    let (before, _) = local();
    let mut tables = Tables::default();
    let created = before.create(&tables.read("0"), TenantState::NeverHad).unwrap();
    assert!(tables.create(&created));
    let tombstone = before.destroy(&tables.read("0"), |_| Ok::<_, Infallible>(())).unwrap();
    let (keys, reads) = (Arc::new(OnceLock::<TenantKeys>::new()), AtomicUsize::new(0));
    let inside = Arc::clone(&keys);
    let clock = move || {
        if reads.fetch_add(1, Ordering::Relaxed) == 1 {
            inside.get().unwrap().bury(&tombstone);
        }
        Duration::ZERO
    };
    let keys = keys.get_or_init(|| TenantKeys::new(before.service(), []).with_clock(clock));
    let ring = keys.keyring(&tables.read("0")).unwrap();
    assert_eq!((ring.primary(), ring.state("tenant/0@1")), (None, Some(KeyState::Destroyed)));
}

/// A service shares it between threads, and awaits it in tasks that move between them.
#[test]
fn it_is_send_and_sync_and_so_are_its_futures() {
    fn is_send<T: Send>(_: &T) {}
    fn is_sync<T: Sync>(_: &T) {}
    let scene = Scene::with_tenants(1);
    let record = scene.read("0");
    is_send(&scene.keys);
    is_sync(&scene.keys);
    is_send(&scene.keys.keyring_async(&record));
    is_send(&scene.keys.create_async(&record, TenantState::Live));
}
