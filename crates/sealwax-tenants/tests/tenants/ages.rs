//! How long a keyring is kept.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::time::Duration;

use sealwax::ProviderErrorKind;
use sealwax_tenants::{TenantError, TenantRecord, TenantState};

use crate::scene::Scene;

#[test]
fn the_maximum_age_reaches_a_tenant_who_is_always_used() {
    let scene = Scene::with_tenants(1);
    let mut asked = Vec::new();
    for second in 0..5000 {
        scene.clock.at(second);
        if scene.asks("0") == 1 {
            asked.push(second);
        }
    }
    assert_eq!(asked, [0, 1600, 3200, 4800]);
    scene.service.says(Some(ProviderErrorKind::Disabled));
    scene.clock.at(4800 + 1599);
    assert!(
        matches!(scene.keys.keyring(&scene.read("0")), Err(TenantError::NotLoaded { .. })),
        "idle"
    );
}

#[test]
fn a_service_that_says_no_ends_it_at_the_maximum_age() {
    for kind in [ProviderErrorKind::Disabled, ProviderErrorKind::Unavailable] {
        let scene = Scene::with_tenants(1);
        scene.ring("0");
        scene.service.says(Some(kind));
        let mut opened = 0;
        while opened < 10_000 && scene.keys.keyring(&scene.read("0")).is_ok() {
            opened += 1;
            scene.clock.at(opened);
        }
        assert_eq!((opened, scene.keys.kept()), (1600, 0));
        let error = pollster::block_on(scene.keys.keyring_async(&scene.read("0"))).unwrap_err();
        assert_eq!(error.is_transient(), kind == ProviderErrorKind::Unavailable);
    }
}

/// The age counts from when the service was asked, and not from when it replied.
#[test]
fn a_slow_reply_is_as_old_as_its_question() {
    let scene = Scene::with_tenants(1);
    let record = scene.read("0");
    scene.service.is_busy(true);
    let mut asks = std::pin::pin!(scene.keys.keyring_async(&record));
    assert!(crate::scene::poll(asks.as_mut()).is_pending());
    scene.clock.at(1500);
    scene.service.is_busy(false);
    pollster::block_on(asks).unwrap();
    scene.clock.at(1599);
    assert_eq!(scene.asks("0"), 0);
    scene.clock.at(1600);
    assert_eq!(scene.asks("0"), 1);
}

#[test]
fn idle_ones_are_evicted_by_any_call() {
    let scene = Scene::with_tenants(3);
    for id in ["0", "1", "2"] {
        assert_eq!(scene.asks(id), 1);
    }
    scene.clock.at(319);
    assert_eq!((scene.asks("1"), scene.keys.kept()), (0, 3));
    scene.clock.at(320);
    assert_eq!((scene.asks("1"), scene.keys.kept()), (0, 1));
    scene.clock.at(320 + 319);
    scene.keys.evict_idle();
    assert_eq!(scene.keys.kept(), 1);
    scene.clock.at(320 + 320);
    scene.keys.evict_idle();
    assert_eq!((scene.keys.kept(), scene.asks("1")), (0, 1));
}

#[test]
fn the_least_recently_used_one_makes_room() {
    let mut scene = Scene::with_tenants(3);
    scene.keys = scene.keys.with_capacity(NonZeroUsize::new(2).unwrap());
    let asked: Vec<_> =
        ["0", "1", "0", "2", "0", "1"].into_iter().map(|id| scene.asks(id)).collect();
    assert_eq!((asked, scene.keys.kept()), (vec![1, 1, 0, 1, 0, 1], 2));
}

#[test]
fn a_maximum_age_of_zero_asks_each_time() {
    let mut scene = Scene::with_tenants(1);
    scene.keys = scene.keys.with_max_age(Duration::ZERO);
    assert_eq!([scene.asks("0"), scene.asks("0"), scene.asks("0")], [1, 1, 1]);
}

#[test]
fn a_clock_that_goes_back_ends_what_was_kept() {
    let scene = Scene::with_tenants(1);
    scene.clock.at(10_000);
    assert_eq!(scene.asks("0"), 1);
    // A small step, as between threads: a sixteenth of the idle time.
    scene.clock.at(10_000 - 20);
    assert_eq!(scene.asks("0"), 0);
    scene.clock.at(10_000 - 41);
    assert_eq!(scene.asks("0"), 1);
    // Of the maximum age, although it was used since.
    let scene = Scene::with_tenants(1);
    scene.clock.at(10_000);
    scene.ring("0");
    let asked: Vec<_> = (1..=6)
        .map(|step| {
            scene.clock.at(10_000 - 20 * step);
            scene.asks("0")
        })
        .collect();
    assert_eq!(asked, [0, 0, 0, 0, 0, 1]);
}

#[test]
fn forgetting_one_tenant_keeps_the_others() {
    let scene = Scene::with_tenants(2);
    assert_eq!([scene.asks("0"), scene.asks("1")], [1, 1]);
    scene.keys.forget(scene.read("0").tenant());
    assert_eq!([scene.asks("0"), scene.asks("1")], [1, 0]);
    scene.keys.forget_all();
    assert_eq!([scene.asks("0"), scene.asks("1")], [1, 1]);
}

/// What another process wrote is effective at once, without a word to this one.
#[test]
fn a_changed_record_is_opened_again() {
    let mut scene = Scene::with_tenants(1);
    assert_eq!([scene.asks("0"), scene.asks("0")], [1, 0]);
    scene.create("0", TenantState::Live);
    assert_eq!([scene.asks("0"), scene.asks("0")], [2, 0]);
    // The same keys in other envelopes, as after a rewrap, and those before.
    let (before, tables) = (scene.read("0"), scene.tables.clone());
    scene.tables = Scene::with_tenants(1).tables;
    assert_ne!(before, scene.read("0"));
    assert!(pollster::block_on(scene.keys.keyring_async(&scene.read("0"))).is_err());
    scene.tables = tables;
    assert_eq!([scene.asks("0"), scene.asks("0")], [2, 0]);
    let tombstone = scene.keys.destroy(&scene.read("0"), |_| Ok::<_, Infallible>(())).unwrap();
    assert!(scene.tables.destroy(&tombstone));
    assert_eq!((scene.asks("0"), scene.ring("0").primary()), (0, None));
    // Nor does an empty record get what was kept.
    let scene = Scene::with_tenants(1);
    scene.ring("0");
    let nothing = TenantRecord::from_row(scene.read("0").tenant().clone(), None);
    assert!(matches!(scene.keys.keyring(&nothing), Err(TenantError::NeverHad { .. })));
    assert_eq!(scene.keys.kept(), 0);
}
