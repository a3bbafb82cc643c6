//! A key service and a table in memory, which the tests control.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sealwax::{
    DataKey, EncryptionContext, Envelope, KeyWrapper, Keyring, MasterKey, MasterKeyProvider,
    ProviderError, ProviderErrorKind, ProviderFuture, UnwrapRequest, WrapRequest,
};
use sealwax_tenants::{Created, TenantId, TenantKeys, TenantRecord, TenantState, Tombstone};

/// A key service that counts what it unwraps.
pub(crate) struct Service {
    key: MasterKey,
    unwraps: AtomicUsize,
    /// Whether its unwraps wait.
    busy: AtomicBool,
    fault: Mutex<Option<ProviderErrorKind>>,
}

impl Service {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            key: MasterKey::generate().unwrap(),
            unwraps: AtomicUsize::new(0),
            busy: AtomicBool::new(false),
            fault: Mutex::new(None),
        })
    }

    pub(crate) fn unwraps(&self) -> usize {
        self.unwraps.load(Relaxed)
    }

    pub(crate) fn is_busy(&self, busy: bool) {
        self.busy.store(busy, Relaxed);
    }

    pub(crate) fn says(&self, fault: Option<ProviderErrorKind>) {
        *self.fault.lock().unwrap() = fault;
    }
}

impl KeyWrapper for Service {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move {
            let fault = *self.fault.lock().unwrap();
            if let Some(kind) = fault {
                return Err(kind.into());
            }
            self.key.wrap_key(request).await
        })
    }
}

impl MasterKeyProvider for Service {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move {
            self.unwraps.fetch_add(1, Relaxed);
            let ready = |_: &mut Context<'_>| {
                if self.busy.load(Relaxed) { Poll::Pending } else { Poll::Ready(()) }
            };
            poll_fn(ready).await;
            let fault = *self.fault.lock().unwrap();
            if let Some(kind) = fault {
                return Err(kind.into());
            }
            self.key.unwrap_key(request).await
        })
    }
}

/// A clock that the test moves, in seconds.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn at(&self, seconds: u64) {
        self.0.store(seconds, Relaxed);
    }
}

/// What the tables have, changed as the SQL does it.
#[derive(Clone, Default)]
pub(crate) struct Tables(BTreeMap<String, Row>);

#[derive(Clone, Default)]
struct Row {
    number: u32,
    destroyed: u32,
    keys: BTreeMap<u32, String>,
}

impl Tables {
    pub(crate) fn read(&self, id: &str) -> TenantRecord {
        let Some(row) = self.0.get(id) else { return TenantRecord::from_row(tenant(id), None) };
        let keys = row.keys.iter().map(|(number, envelope)| (*number, envelope));
        TenantRecord::new(tenant(id), row.number, row.destroyed, keys)
    }

    pub(crate) fn envelopes(&self, id: &str) -> Vec<String> {
        self.0.get(id).unwrap().keys.values().cloned().collect()
    }

    pub(crate) fn create(&mut self, created: &Created) -> bool {
        let [id, seen, destroyed, number, envelope] = created.parameters();
        let row = self.0.entry(id).or_default();
        let is_seen = [row.number.to_string(), row.destroyed.to_string()] == [seen, destroyed];
        if is_seen {
            row.number = number.parse().unwrap();
            row.keys.insert(row.number, envelope);
        }
        is_seen
    }

    pub(crate) fn destroy(&mut self, tombstone: &Tombstone) -> bool {
        let [id, number] = tombstone.parameters();
        let row = self.0.get_mut(&id).unwrap();
        let is_seen = row.number.to_string() == number;
        if is_seen {
            row.destroyed = row.number;
            row.keys.clear();
        }
        is_seen
    }

    pub(crate) fn replay(&mut self, tombstone: &Tombstone) {
        let [id, number] = tombstone.parameters();
        let (row, number) = (self.0.entry(id).or_default(), number.parse().unwrap());
        row.number = row.number.max(number);
        row.destroyed = row.destroyed.max(number);
        row.keys.retain(|key, _| *key > number);
    }
}

pub(crate) fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// Tenants' keys with a maximum age of 1,600 seconds and an idle time of 320, over a key service.
pub(crate) struct Scene {
    pub(crate) service: Arc<Service>,
    pub(crate) clock: Clock,
    pub(crate) keys: TenantKeys,
    pub(crate) tables: Tables,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let (service, clock) = (Service::new(), Clock::default());
        let ring = Keyring::new("epoch-1".parse().unwrap(), Arc::clone(&service)).unwrap();
        let now = clock.clone();
        let keys = TenantKeys::new(ring, [])
            .with_max_age(Duration::from_secs(1600))
            .with_max_idle(Duration::from_secs(320))
            .with_clock(move || Duration::from_secs(now.0.load(Relaxed)));
        Self { service, clock, keys, tables: Tables::default() }
    }

    /// Returns one that has tenants with one key each: `0`, `1` and so on.
    pub(crate) fn with_tenants(tenants: usize) -> Self {
        let mut scene = Self::new();
        for id in 0..tenants {
            scene.create(&id.to_string(), TenantState::NeverHad);
        }
        scene
    }

    pub(crate) fn create(&mut self, id: &str, state: TenantState) {
        let record = self.tables.read(id);
        let created = pollster::block_on(self.keys.create_async(&record, state)).unwrap();
        assert!(self.tables.create(&created));
    }

    pub(crate) fn read(&self, id: &str) -> TenantRecord {
        self.tables.read(id)
    }

    pub(crate) fn ring(&self, id: &str) -> Keyring {
        pollster::block_on(self.keys.keyring_async(&self.read(id))).unwrap()
    }

    /// Returns how many unwraps the keyring of a tenant costs now.
    pub(crate) fn asks(&self, id: &str) -> usize {
        let before = self.service.unwraps();
        self.ring(id);
        self.service.unwraps() - before
    }
}

/// Tenants' keys under a key in memory, and its keyring.
pub(crate) fn local() -> (TenantKeys, Keyring) {
    let ring = Keyring::new("epoch-1".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    (TenantKeys::new(ring.clone(), []), ring)
}

pub(crate) fn row(id: &str) -> EncryptionContext {
    EncryptionContext::new([("tenant", id), ("row", "7")]).unwrap()
}

pub(crate) fn sealed(ring: &Keyring, id: &str) -> Envelope {
    ring.seal(&"s3cret".into(), &row(id)).unwrap()
}

/// Polls a future once.
pub(crate) fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
