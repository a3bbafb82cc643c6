//! Whatever evicts a tenant's keyring frees its key, and nothing that is freed still holds the key.
//!
//! The allocator counts the blocks of this thread, and searches each block for the key when the block is freed.

#![expect(
    unsafe_code,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "an allocator is unsafe by nature, and tests fail by panicking"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sealwax::{EncryptionContext, Held, Keyring, MasterKey, Secret};
use sealwax_tenants::{TenantId, TenantKeys, TenantRecord};

/// The shortest fragment that counts as left behind.
const FRAGMENT: usize = 8;
/// A tenant's key: 32 bytes that count up from here.
const KEY: u8 = 0xa0;

struct Watching;

thread_local! {
    static BLOCKS: Cell<isize> = const { Cell::new(0) };
    static FREED_KEYS: Cell<usize> = const { Cell::new(0) };
}

fn is_of_the_key(fragment: &[u8]) -> bool {
    let counts_up = |pair: &[u8]| matches!(pair, [one, next] if *next == one.wrapping_add(1));
    fragment.first().is_some_and(|first| (KEY..=KEY + 24).contains(first))
        && fragment.windows(2).all(counts_up)
}

// SAFETY: everything is passed on to the system's allocator. A block is read while it is still allocated; bytes that were
// never written have arbitrary values, and this test runs where reading them is harmless.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = BLOCKS.try_with(|blocks| blocks.set(blocks.get() + 1));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        let bytes = unsafe { std::slice::from_raw_parts(block.cast_const(), layout.size()) };
        if bytes.windows(FRAGMENT).any(is_of_the_key) {
            let _ = FREED_KEYS.try_with(|freed| freed.set(freed.get() + 1));
        }
        let _ = BLOCKS.try_with(|blocks| blocks.set(blocks.get() - 1));
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

fn key() -> [u8; 32] {
    let mut bytes = [KEY; 32];
    bytes.iter_mut().zip(0..).for_each(|(byte, at): (&mut u8, u8)| *byte += at);
    bytes
}

struct Scene {
    keys: TenantKeys,
    seconds: Arc<AtomicU64>,
    record: TenantRecord,
    /// The same tenant after a rewrap, with another envelope of the same key.
    rewrapped: TenantRecord,
    other: TenantRecord,
}

fn record(ring: &Keyring, id: &str, key: &[u8]) -> TenantRecord {
    let key_id = format!("tenant/{id}@1");
    let context = EncryptionContext::new([("tenant", id), ("key", &key_id)]).unwrap();
    let context = context.holding(Held::MasterKey).unwrap();
    let envelope = ring.seal(&Secret::from(key), &context).unwrap();
    TenantRecord::new(id.parse::<TenantId>().unwrap(), 1, 0, [(1, envelope.to_string())])
}

fn scene() -> Scene {
    let ring = Keyring::new("epoch-1".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let seconds = Arc::new(AtomicU64::new(0));
    let now = Arc::clone(&seconds);
    let [record, rewrapped] = [(); 2].map(|()| record(&ring, "42", &key()));
    let other = self::record(&ring, "43", &[7; 31].iter().copied().chain([8]).collect::<Vec<_>>());
    let keys = TenantKeys::new(ring, [])
        .with_max_age(Duration::from_secs(100))
        .with_max_idle(Duration::from_secs(10))
        .with_capacity(NonZeroUsize::new(1).unwrap())
        .with_clock(move || Duration::from_secs(now.load(Relaxed)));
    Scene { keys, seconds, record, rewrapped, other }
}

/// What evicts the key of [`Scene::record`], with its name.
type Eviction = (&'static str, fn(&Scene));

/// Returns how many keys this frees unwiped.
fn freed(act: impl FnOnce()) -> usize {
    let before = FREED_KEYS.get();
    act();
    FREED_KEYS.get() - before
}

#[test]
fn the_search_finds_a_key_that_was_not_wiped() {
    assert_eq!(freed(|| drop(key().to_vec())), 1);
    assert_eq!(freed(|| drop(vec![0; 32])), 0);
}

#[test]
fn whatever_evicts_a_key_frees_it_and_wipes_it() {
    let evictions: [Eviction; 8] = [
        ("forget", |scene| scene.keys.forget(scene.record.tenant())),
        ("forget_all", |scene| scene.keys.forget_all()),
        ("idle", |scene| {
            scene.seconds.fetch_add(10, Relaxed);
            scene.keys.evict_idle();
        }),
        ("a call that finds it idle", |scene| {
            scene.seconds.fetch_add(10, Relaxed);
            let none = TenantRecord::from_row(scene.other.tenant().clone(), None);
            assert!(scene.keys.keyring(&none).is_err());
        }),
        ("the maximum age", |scene| {
            for _ in 0..99 {
                scene.seconds.fetch_add(1, Relaxed);
                drop(scene.keys.keyring(&scene.record).unwrap());
            }
            scene.seconds.fetch_add(1, Relaxed);
            scene.keys.evict_idle();
        }),
        ("another tenant", |scene| {
            drop(scene.keys.keyring(&scene.other).unwrap());
            scene.keys.forget_all();
        }),
        ("another record", |scene| {
            drop(scene.keys.keyring(&scene.rewrapped).unwrap());
            scene.keys.forget_all();
        }),
        ("the record of a deletion", |scene| {
            let deleted = TenantRecord::new(
                scene.record.tenant().clone(),
                1,
                1,
                std::iter::empty::<(u32, &str)>(),
            );
            assert!(scene.keys.keyring(&deleted).unwrap().primary().is_none());
            scene.keys.forget_all();
        }),
    ];
    let mut evicted = 0;
    for waits in [false, true] {
        for (what, evict) in &evictions {
            let scene = scene();
            let open = || {
                let opened = if waits {
                    pollster::block_on(scene.keys.keyring_async(&scene.record))
                } else {
                    scene.keys.keyring(&scene.record)
                };
                drop(opened.unwrap());
                assert_eq!(scene.keys.kept(), 1);
            };
            let mut unwiped = 0;
            let mut round = || {
                unwiped += freed(|| {
                    open();
                    evict(&scene);
                    assert_eq!(scene.keys.kept(), 0, "{what}");
                });
                BLOCKS.get()
            };
            // The first round makes room in maps.
            round();
            let (before, after) = (round(), round());
            assert_eq!((before, unwiped), (after, 0), "{what}");
            evicted += 1;
        }
    }
    assert_eq!(evicted, 16);
}

/// A keyring that is in use outlives the eviction, and is wiped when it is dropped.
#[test]
fn a_keyring_in_use_is_wiped_at_its_end() {
    let scene = scene();
    let ring = scene.keys.keyring(&scene.record).unwrap();
    scene.keys.forget_all();
    let blocks = BLOCKS.get();
    assert_eq!(freed(|| drop(ring)), 0);
    assert!(BLOCKS.get() < blocks);
}
