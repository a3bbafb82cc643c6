//! Tenants' keys and writers' pairs of `sealwax-tenants`: made, opened, used, refused and evicted.

use std::hint::black_box;
use std::mem::forget;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use residue::pipe::role;
use sealwax::{
    DataKey, EncryptionContext, Envelope, Held, KeyWrapper, Keyring, MasterKeyProvider,
    ProviderError, ProviderFuture, Sealer, Secret, Suite, UnwrapRequest, WrapRequest,
};
use sealwax_tenants::{TenantKeys, TenantRecord, TenantState, WriterPair};

use crate::given::{DRAWN, bytes, context, data_key, id, master_key, pair, says, secret};
use crate::verbs::altered;
use crate::waiting::{TO_THE_END, polled, polls};
use crate::{SOME, SUITES, step};

/// A service that holds no key: each data key is the one that the search sends.
struct Absent {
    trip: usize,
}

impl KeyWrapper for Absent {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        black_box(request.data_key());
        let wrapped = Ok(vec![0]);
        if self.trip == 0 {
            return ProviderFuture::ready(wrapped);
        }
        ProviderFuture::boxed(async move {
            polls(self.trip).await;
            wrapped
        })
    }
}

impl MasterKeyProvider for Absent {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let number = request.body()[0];
        if self.trip == 0 {
            return ProviderFuture::ready(Ok(data_key(number)));
        }
        ProviderFuture::boxed(async move {
            polls(self.trip).await;
            let data_key = data_key(number);
            polls(self.trip).await;
            Ok(data_key)
        })
    }
}

/// Returns a keyring over a key in memory, or over a service if there is a trip.
fn service(suite: Suite, trip: Option<usize>) -> Keyring {
    let ring = match trip {
        None => Keyring::new(id("prod"), master_key(0)),
        Some(trip) => Keyring::new(id("prod"), Absent { trip }),
    };
    ring.expect("an id").with_suite(suite)
}

/// The service's keyring without a trip, which seals what the tests start with.
fn ready(suite: Suite, trip: Option<usize>) -> Keyring {
    service(suite, trip.map(|_| 0))
}

/// Seals what a tenant's row or a pair's row holds.
fn sealed(ring: &Keyring, held: Secret, pairs: [(&str, &str); 2], what: Held) -> Envelope {
    let context = EncryptionContext::new(pairs).and_then(|context| context.holding(what));
    let sealed = ring.seal_with_rng(&held, &context.expect("three pairs"), &mut { DRAWN });
    sealed.expect("sealed")
}

fn envelope(tenant: &str, ring: &Keyring, held: Secret) -> Envelope {
    let key = format!("tenant/{tenant}@1");
    sealed(ring, held, [("tenant", tenant), ("key", &key)], Held::MasterKey)
}

fn record_of(tenant: &str, envelope: &Envelope) -> TenantRecord {
    TenantRecord::new(tenant.parse().expect("a tenant"), 1, 0, [(1, envelope.to_string())])
}

fn tenant_key() -> Secret {
    Secret::from(bytes(role::TENANT_KEY, 0, 32))
}

fn record(ring: &Keyring) -> TenantRecord {
    record_of("42", &envelope("42", ring, tenant_key()))
}

fn written_pair(ring: &Keyring, held: Secret) -> WriterPair {
    let envelope = sealed(ring, held, [("pair", "dash"), ("root", "prod")], Held::OpeningKey);
    WriterPair::from_row(id("dash"), envelope)
}

fn pair_row(ring: &Keyring) -> WriterPair {
    written_pair(ring, Secret::from(bytes(role::PAIR, 0, 64)))
}

pub fn steps() {
    for suite in SUITES {
        created(suite);
        for trip in [None, Some(0), Some(2)] {
            opened(suite, trip);
        }
        refused(suite);
        evicted(suite);
        writers(suite);
    }
}

/// The search does not know what the system's randomness draws, only the service's key.
fn created(suite: Suite) {
    step("tenant's key created", suite, 0, &mut || {
        let keys = TenantKeys::new(service(suite, None), []);
        let never = TenantRecord::from_row("42".parse().expect("a tenant"), None);
        drop(black_box(keys.create(&never, TenantState::NeverHad).expect("created")));
        assert!(polled(keys.create_async(&never, TenantState::NeverHad), TO_THE_END));
        says(&keys.create(&never, TenantState::Live).expect_err("another state"));
    });
}

/// Drops each future before its first poll, then after each further one.
fn opened(suite: Suite, trip: Option<usize>) {
    for polls in 0..=TO_THE_END {
        let mut ended = false;
        step("tenant's keyring, waiting", suite, SOME, &mut || {
            let (keys, record) =
                (TenantKeys::new(service(suite, trip), []), record(&ready(suite, trip)));
            ended = polled(keys.keyring_async(&record), polls);
            // The second time, the keyring is kept, or the next future asks.
            assert!(polled(keys.keyring_async(&record), if ended { 1 } else { TO_THE_END }));
        });
        if ended {
            break;
        }
    }
    if trip == Some(2) {
        return;
    }
    step("tenant's keyring", suite, SOME, &mut || {
        let (keys, record) =
            (TenantKeys::new(service(suite, trip), []), record(&ready(suite, trip)));
        let ring = keys.keyring(&record).expect("opened");
        let row = ring.seal_with_rng(&secret(SOME), &context(), &mut { DRAWN }).expect("sealed");
        drop(black_box(keys.keyring(&record).expect("kept").open(&row, &context())));
        black_box(format!("{keys:?} {ring:?} {record:?}"));
    });
}

fn refused(suite: Suite) {
    step("tenant's keyring refused", suite, 0, &mut || {
        let keys = TenantKeys::new(service(suite, None), []);
        // Another tenant's key; not the bytes of a key; an envelope that was altered.
        let ring = ready(suite, None);
        let own = envelope("42", &ring, tenant_key());
        says(&keys.keyring(&record_of("43", &own)).expect_err("another tenant's"));
        let long = envelope("42", &ring, Secret::from(bytes(role::DRAWN, 0, 44)));
        says(&keys.keyring(&record_of("42", &long)).expect_err("44 bytes"));
        let altered = altered(&own, 1);
        says(&keys.keyring(&record_of("42", &altered)).expect_err("altered"));
    });
}

/// The cache stays in memory, and the tenant's key does not.
fn evicted(suite: Suite) {
    let kept = |keys: &TenantKeys, tenant| {
        let own = envelope(tenant, &service(suite, Some(0)), tenant_key());
        drop(keys.keyring(&record_of(tenant, &own)).expect("opened"));
        assert_eq!(keys.kept(), 1);
    };
    let keys = || TenantKeys::new(service(suite, Some(0)), []);
    step("tenant evicted", suite, 0, &mut || {
        let keys = keys();
        kept(&keys, "42");
        keys.forget(&"42".parse().expect("a tenant"));
        kept(&keys, "42");
        keys.forget_all();
        assert_eq!(keys.kept(), 0);
        forget(keys);
    });
    step("tenant evicted", suite, 0, &mut || {
        let keys = keys();
        kept(&keys, "42");
        let record = record(&service(suite, Some(0)));
        let tombstone = keys.destroy(&record, |_| Ok::<_, ()>(())).expect("destroyed");
        keys.bury(&tombstone);
        let ring = keys.keyring(&record).expect("a keyring of tombs");
        assert!(ring.primary().is_none());
        forget(keys);
    });
    // Idle for five minutes; then used until the maximum age.
    step("tenant evicted", suite, 0, &mut || {
        let now = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&now);
        let keys = keys().with_clock(move || Duration::from_secs(clock.load(Relaxed)));
        kept(&keys, "42");
        now.store(301, Relaxed);
        keys.evict_idle();
        assert_eq!(keys.kept(), 0);
        kept(&keys, "42");
        now.store(301 + 601, Relaxed);
        keys.evict_idle();
        assert_eq!(keys.kept(), 0);
        forget(keys);
    });
    // One that takes the place of another.
    step("tenant evicted", suite, 0, &mut || {
        let keys = keys().with_capacity(NonZeroUsize::MIN);
        kept(&keys, "42");
        kept(&keys, "43");
        keys.forget_all();
        forget(keys);
    });
}

fn writers(suite: Suite) {
    step("writer's pair created", suite, 0, &mut || {
        let ring = service(suite, None);
        let (row, sealing) = WriterPair::create(id("dash"), &ring).expect("created");
        black_box(format!("{row:?} {sealing:?}"));
        drop(black_box(row.open(&ring).expect("its own row")));
        assert!(polled(WriterPair::create_async(id("dash"), &ring), TO_THE_END));
    });
    for trip in [None, Some(2)] {
        for polls in 0..=TO_THE_END {
            let mut ended = false;
            step("writer's pair opened, waiting", suite, 0, &mut || {
                let row = pair_row(&ready(suite, trip));
                ended = polled(row.open_async(&service(suite, trip)), polls);
            });
            if ended {
                break;
            }
        }
    }
    // The worker: from the pair to the tenant.
    step("writer's row to its tenant", suite, SOME, &mut || {
        let ring = service(suite, None);
        let opening = Arc::new(pair_row(&ring).open(&ring).expect("its own row"));
        let keys = TenantKeys::new(ring.clone(), []);
        let ring = keys.keyring(&record(&ring)).expect("opened");
        let ring = ring.with_retired(id("dash"), opening).expect("another id");
        let sealer = Sealer::new(id("dash"), pair(0).sealing_key()).expect("an id");
        let row = sealer.seal_with_rng(&secret(SOME), &context(), &mut { DRAWN });
        let row = row.expect("sealed");
        let moved = ring.rewrap(&row).expect("the writer's row").expect("moved");
        drop(black_box(ring.open(&moved, &context()).expect("its own row")));
    });
    step("writer's pair refused", suite, 0, &mut || {
        let ring = service(suite, None);
        // 44 bytes; another pair's envelope; no root.
        let long = written_pair(&ring, Secret::from(bytes(role::DRAWN, 0, 44)));
        says(&long.open(&ring).expect_err("44 bytes"));
        let other = WriterPair::from_row(id("other"), pair_row(&ring).envelope().clone());
        says(&other.open(&ring).expect_err("another pair's"));
        says(&WriterPair::create(id("dash"), &Keyring::opening_only()).expect_err("no root"));
    });
}
