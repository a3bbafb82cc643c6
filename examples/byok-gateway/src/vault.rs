//! What opens a customer's key. The proxy and the worker have it, and the dashboard does not.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use arc_swap::ArcSwap;
use futures_util::future::OptionFuture;
use sealwax::{ContextError, Envelope, ErrorClass, FormatError, KeyId, Keyring, KeyringError, OpeningKey};
use sealwax_audit::{EntryError, Recorder};
use sealwax_credentials::{BoundSecret, OpenBoundError, open_bound_async};
use sealwax_tenants::{
    TenantError, TenantId, TenantKeyId, TenantKeys, TenantRecord, TenantState, Tombstone, WriterPair, WriterPairError,
};

use crate::clock;
use crate::config::Home;
use crate::files::{AUDIT, LEAVING, TOMBSTONES};
use crate::providers::Provider;
use crate::ring::Source;
use crate::store::{Log, Store};

/// Opens customers' keys, and records it first.
///
/// It has the keyring for a time: if that cannot be read again within the maximum age, nothing opens any more, whoever disabled
/// the key at OpenBao, took the file away, or cut the network.
#[derive(Debug)]
pub struct Vault {
    pub store: Store,
    pub source: Source,
    log: Arc<Log>,
    home: Home,
    tenants: TenantKeys,
    /// The opening keys of the dashboard's pairs, by the id and the envelope of the pair.
    pairs: Mutex<HashMap<(KeyId, String), Arc<OpeningKey>>>,
    /// The tenants who were deleted or have asked for it. Their ids are not used again, whatever numbers their keys have.
    dead: ArcSwap<HashSet<TenantId>>,
    /// Of the tenants with a number, one at a time opens a key.
    turns: Vec<tokio::sync::Mutex<()>>,
    started: Instant,
    /// Until when the keyring may be used, in milliseconds after the start.
    until: AtomicU64,
}

/// Why a key was not opened: its name for the log, and what an operator does about it.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct Refused {
    pub name: &'static str,
    pub class: ErrorClass,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// For how long an opening may wait for others of the tenant.
const TURN: Duration = Duration::from_secs(10);
/// The tenant has left.
pub const GONE: &str = "key_destroyed";
/// The customer has no key for this provider, or has left.
pub const NOT_SET: &str = "not_set";

impl Refused {
    fn new(name: &'static str, class: ErrorClass, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { name, class, source: source.into() }
    }
}

macro_rules! refused {
    ($($error:ty: $name:expr, $class:expr;)*) => {$(
        impl From<$error> for Refused {
            fn from(error: $error) -> Self {
                Self::new($name(&error), $class(&error), error)
            }
        }
    )*};
}

refused! {
    TenantError: TenantError::name, TenantError::class;
    WriterPairError: WriterPairError::name, WriterPairError::class;
    OpenBoundError: OpenBoundError::name, OpenBoundError::class;
    KeyringError: KeyringError::name, KeyringError::class;
    FormatError: |_: &_| "format", |_: &_| ErrorClass::Altered;
    ContextError: |_: &_| "context", |_: &_| ErrorClass::Bug;
    EntryError: |_: &_| "entry", |_: &_| ErrorClass::Bug;
    sqlx::Error: |_: &_| "database", |_: &_| ErrorClass::Transient;
}

impl Vault {
    /// Creates it, and reads the keyring.
    pub async fn unlock(home: &Home, store: &Store) -> Result<Self> {
        let vault = Self {
            store: store.clone(),
            source: Source::new(home)?,
            log: Arc::new(Log::new(home.parsed(AUDIT)?, store.audit(), clock::millis)),
            home: home.clone(),
            tenants: TenantKeys::new(Keyring::opening_only(), [])
                .with_max_age(Duration::from_secs(home.config.policy.max_age)),
            pairs: Mutex::default(),
            dead: ArcSwap::default(),
            turns: (0..=u8::MAX).map(|_| tokio::sync::Mutex::default()).collect(),
            started: Instant::now(),
            until: AtomicU64::new(0),
        };
        vault.refresh().await?;
        Ok(vault)
    }

    /// Reads the keyring and the tombstones again. If it fails, what was read before is used until the maximum age.
    pub async fn refresh(&self) -> Result<()> {
        let until = self.started.elapsed().saturating_add(self.max_age());
        let ring = self.source.read().await?;
        let tombstones: Vec<Tombstone> = self.home.lines(TOMBSTONES)?;
        tombstones.iter().for_each(|dead| self.tenants.bury(dead));
        let left: Vec<TenantId> = self.home.lines(LEAVING)?;
        let dead = tombstones.into_iter().map(|dead| dead.tenant().clone()).chain(left).collect();
        self.dead.store(Arc::new(dead));
        if self.tenants.service().fingerprint() != ring.fingerprint() {
            self.set(ring);
        }
        self.until.store(until.as_millis().try_into()?, Ordering::Relaxed);
        Ok(())
    }

    /// Keeps the keyring fresh, and says so in the database. It never returns.
    pub async fn keep_fresh(self: Arc<Self>, process: &'static str) {
        let max_age = self.max_age();
        let (mut read, mut seen) = (Instant::now(), None);
        loop {
            // A new file is everywhere within a second. OpenBao is asked again four times in the maximum age.
            let written = self.source.written();
            if !self.source.is_remote() || written != seen || read.elapsed() >= max_age / 4 {
                match self.refresh().await {
                    Ok(()) => (read, seen) = (Instant::now(), written),
                    Err(error) => tracing::warn!("the keyring was not read: {error:#}"),
                }
            }
            let keys = self.fingerprint().unwrap_or_default();
            if let Err(error) = self.store.beat(process, &keys).await {
                tracing::warn!("this process is not noted: {error}");
            }
            tokio::time::sleep(Duration::from_secs(1).min(max_age / 4)).await;
        }
    }

    /// Returns the tenants' keyrings, unless the keyring of the service is too old.
    pub fn tenants(&self) -> Result<&TenantKeys, Refused> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now < self.until.load(Ordering::Relaxed) {
            return Ok(&self.tenants);
        }
        // Wipes the keys, once the last request has ended.
        self.set(Keyring::opening_only());
        Err(Refused::new("locked", ErrorClass::Transient, "the keyring of the service is locked"))
    }

    /// Returns the keyring of the service.
    pub fn ring(&self) -> Result<Keyring, Refused> {
        Ok(self.tenants()?.service())
    }

    /// Returns what tells keyrings apart.
    pub fn fingerprint(&self) -> Result<String, Refused> {
        Ok(self.ring()?.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Returns for how long the keyring may be used after it was read.
    #[must_use]
    pub const fn max_age(&self) -> Duration {
        Duration::from_secs(self.home.config.policy.max_age)
    }

    /// Returns the processes that may have keys, and which. One that says nothing for longer than the maximum age has none any
    /// more: to write takes up to ten seconds.
    pub async fn processes(&self) -> Result<Vec<(String, String)>> {
        let silent = i64::try_from(self.max_age().as_secs())?.saturating_add(10);
        Ok(self.store.processes(silent).await?)
    }

    /// Returns the audit log.
    #[must_use]
    pub const fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Opens a tenant's key for a provider: it goes to that provider's host and nowhere else. The audit log says who and why.
    ///
    /// If the opening cannot be recorded, nothing is opened.
    pub async fn open(
        &self,
        tenant: &TenantId,
        provider: &Provider,
        who: &str,
        why: &str,
    ) -> Result<BoundSecret, Refused> {
        // All openings of a tenant append to one chain: those that race for its end would begin again and again.
        let [number, ..] = BuildHasherDefault::<DefaultHasher>::default().hash_one(tenant).to_le_bytes();
        let turn = self.turns.get(usize::from(number)).map(tokio::sync::Mutex::lock);
        let busy = |_| Refused::new("busy", ErrorClass::Transient, "too many openings at once");
        let _turn = tokio::time::timeout(TURN, OptionFuture::from(turn)).await.map_err(busy)?;
        let found = self.store.find(tenant, &provider.slug).await?;
        let found = found.ok_or_else(|| Refused::new(NOT_SET, ErrorClass::Refused, "there is no such key"))?;
        let envelope: Envelope = found.envelope.parse()?;
        let keyring = self.keyring(&found.record, &envelope).await?;
        let recorder = Recorder::new(&self.log, tenant.as_ref(), who, why)?;
        Ok(open_bound_async(&keyring.with_recorder(recorder), &envelope, &provider.context(tenant)?).await?)
    }

    /// Returns the keyring that opens a tenant's row: the tenant's own, and, if the dashboard wrote the row and no worker has
    /// taken it over, the dashboard's pair.
    pub async fn keyring(&self, record: &TenantRecord, row: &Envelope) -> Result<Keyring, Refused> {
        let tenants = self.tenants()?;
        if self.dead.load().contains(record.tenant()) {
            return Err(Refused::new(GONE, ErrorClass::Refused, "the tenant has left"));
        }
        let state = tenants.state(record)?;
        let keyring = if state == TenantState::NeverHad { Keyring::opening_only() } else { tenants.keyring(record)? };
        let pair = if TenantKeyId::of(row).is_ok() { None } else { row.key_ids().next() };
        match pair {
            // A pair would open what a deleted tenant's keyring refuses.
            Some(pair) if state != TenantState::Destroyed => match self.opening_key(&pair).await? {
                Some(opening_key) => Ok(keyring.with_retired(pair, opening_key)?),
                None => Ok(keyring),
            },
            _ => Ok(keyring),
        }
    }

    /// Returns the opening key of a pair, if there is such a pair.
    async fn opening_key(&self, pair: &KeyId) -> Result<Option<Arc<OpeningKey>>, Refused> {
        let Some(text) = self.store.pair(pair).await? else { return Ok(None) };
        let name = (pair.clone(), text);
        if let Some(known) = self.pairs().get(&name) {
            return Ok(Some(Arc::clone(known)));
        }
        let opened = WriterPair::from_row(pair.clone(), name.1.parse()?).open(&self.ring()?)?;
        let opened = Arc::new(opened);
        self.pairs().insert(name, Arc::clone(&opened));
        Ok(Some(opened))
    }

    /// Sets the keyring, and forgets what was opened with another one.
    fn set(&self, ring: Keyring) {
        self.tenants.set_service(ring);
        self.pairs().clear();
    }

    fn pairs(&self) -> MutexGuard<'_, HashMap<(KeyId, String), Arc<OpeningKey>>> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
