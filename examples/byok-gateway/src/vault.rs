//! What opens a customer's key. The proxy and the worker have it, and the dashboard does not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use arc_swap::ArcSwapOption;
use sealwax::{ContextError, Envelope, ErrorClass, FormatError, KeyId, Keyring, OpeningKey};
use sealwax_audit::{EntryError, Recorder};
use sealwax_credentials::{BoundSecret, OpenBoundError, open_bound_async};
use sealwax_tenants::{
    TenantError, TenantId, TenantKeys, TenantRecord, TenantState, Tombstone, WriterPair, WriterPairError,
};

use crate::clock;
use crate::config::Home;
use crate::files::{AUDIT, TOMBSTONES};
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
    started: Instant,
    unlocked: ArcSwapOption<Unlocked>,
}

/// The keyring, and what was opened with it.
#[derive(Debug)]
pub struct Unlocked {
    pub tenants: TenantKeys,
    /// The opening keys of the dashboard's pairs, by the id and the envelope of the pair.
    pairs: Mutex<HashMap<(KeyId, String), Arc<OpeningKey>>>,
    /// In milliseconds after the start of the process.
    until: AtomicU64,
}

/// Why a key was not opened.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The customer has none for this provider, or has left.
    #[error("there is no key for this provider")]
    NotSet,
    /// The keyring could not be read for longer than the maximum age.
    #[error("the keyring of the service is locked")]
    Locked,
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the row has no envelope")]
    Format(#[from] FormatError),
    #[error(transparent)]
    Tenant(#[from] TenantError),
    #[error(transparent)]
    Pair(#[from] WriterPairError),
    #[error(transparent)]
    Open(#[from] OpenBoundError),
    #[error(transparent)]
    Name(#[from] ContextError),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Keyring(#[from] sealwax::KeyringError),
}

impl Refused {
    /// Returns what an operator does about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotSet => ErrorClass::Refused,
            Self::Locked | Self::Database(_) => ErrorClass::Transient,
            Self::Format(_) => ErrorClass::Altered,
            Self::Tenant(error) => error.class(),
            Self::Pair(error) => error.class(),
            Self::Open(error) => error.class(),
            Self::Name(_) | Self::Entry(_) | Self::Keyring(_) => ErrorClass::Bug,
        }
    }

    /// Returns its name for the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotSet => "not_set",
            Self::Locked => "locked",
            Self::Database(_) => "database",
            Self::Format(_) => "format",
            Self::Tenant(error) => error.name(),
            Self::Pair(error) => error.name(),
            Self::Open(error) => error.name(),
            Self::Name(_) | Self::Entry(_) | Self::Keyring(_) => "bug",
        }
    }

    /// Returns whether the tenant was deleted.
    #[must_use]
    pub fn is_destroyed(&self) -> bool {
        self.name() == "key_destroyed"
    }
}

impl Vault {
    /// Creates it, and reads the keyring.
    pub async fn unlock(home: &Home, store: &Store) -> Result<Self> {
        let log = Log::new(home.parsed(AUDIT)?, store.audit(), clock::millis);
        let vault = Self {
            store: store.clone(),
            source: Source::new(home)?,
            log: Arc::new(log),
            home: home.clone(),
            started: Instant::now(),
            unlocked: ArcSwapOption::empty(),
        };
        vault.refresh().await?;
        Ok(vault)
    }

    /// Reads the keyring and the tombstones again. If it fails, what was read before is used until the maximum age.
    pub async fn refresh(&self) -> Result<()> {
        let asked = self.started.elapsed();
        let until = u64::try_from(asked.saturating_add(self.max_age()).as_millis())?;
        let ring = self.source.read().await?;
        let dead: Vec<Tombstone> = self.home.lines(TOMBSTONES)?;
        if let Some(unlocked) = &*self.unlocked.load()
            && unlocked.tenants.service().fingerprint() == ring.fingerprint()
        {
            dead.iter().for_each(|dead| unlocked.tenants.bury(dead));
            unlocked.until.store(until, Ordering::Relaxed);
            return Ok(());
        }
        let tenants = TenantKeys::new(ring, dead).with_max_age(self.max_age());
        let pairs = Mutex::default();
        self.unlocked.store(Some(Arc::new(Unlocked { tenants, pairs, until: until.into() })));
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
            let keys = self.unlocked().map(|unlocked| unlocked.fingerprint()).unwrap_or_default();
            if let Err(error) = self.store.beat(process, &keys).await {
                tracing::warn!("this process is not noted: {error}");
            }
            tokio::time::sleep(Duration::from_secs(1).min(max_age / 4)).await;
        }
    }

    /// Returns the keyring and what was opened with it, or nothing if it is too old.
    pub fn unlocked(&self) -> Result<Arc<Unlocked>, Refused> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.unlocked.load_full() {
            Some(unlocked) if now < unlocked.until.load(Ordering::Relaxed) => Ok(unlocked),
            // Wipes the keys, once the last request has ended.
            old => {
                self.unlocked.compare_and_swap(&old, None);
                Err(Refused::Locked)
            }
        }
    }

    /// Returns for how long the keyring may be used after it was read.
    #[must_use]
    pub const fn max_age(&self) -> Duration {
        self.home.config.policy.max_age()
    }

    /// Returns the audit log.
    #[must_use]
    pub const fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Opens a tenant's key for a provider: it goes to that provider's host and nowhere else. The audit log says who and why.
    pub async fn open(
        &self,
        tenant: &TenantId,
        provider: &Provider,
        who: &str,
        why: &str,
    ) -> Result<BoundSecret, Refused> {
        let found = self.store.find(tenant, &provider.slug).await?.ok_or(Refused::NotSet)?;
        let envelope: Envelope = found.envelope.parse()?;
        let keyring = self.unlocked()?.keyring(&self.store, &found.record, &envelope).await?;
        let recorder = Recorder::new(&self.log, tenant.as_ref(), who, why)?;
        Ok(open_bound_async(&keyring.with_recorder(recorder), &envelope, &provider.context(tenant)?).await?)
    }
}

impl Unlocked {
    /// Returns the keyring that opens a tenant's row: the tenant's own, and, if the dashboard wrote the row and no worker has
    /// taken it over, the dashboard's pair.
    pub async fn keyring(&self, store: &Store, record: &TenantRecord, row: &Envelope) -> Result<Keyring, Refused> {
        let keyring = match self.tenants.state(record)? {
            TenantState::NeverHad => Keyring::opening_only(),
            _ => self.tenants.keyring(record)?,
        };
        let is_pair = |key_id: &KeyId| !key_id.as_ref().starts_with("tenant/");
        match row.key_ids().next().filter(is_pair) {
            // A pair would open what a deleted tenant's keyring refuses.
            Some(pair) if self.tenants.state(record)? != TenantState::Destroyed => {
                match self.opening_key(store, &pair).await? {
                    Some(opening_key) => Ok(keyring.with_retired(pair, opening_key)?),
                    None => Ok(keyring),
                }
            }
            _ => Ok(keyring),
        }
    }

    /// Returns the opening key of a pair, if there is such a pair.
    async fn opening_key(&self, store: &Store, pair: &KeyId) -> Result<Option<Arc<OpeningKey>>, Refused> {
        let Some(text) = store.pair(pair).await? else { return Ok(None) };
        let name = (pair.clone(), text);
        if let Some(known) = self.pairs().get(&name) {
            return Ok(Some(Arc::clone(known)));
        }
        let opened = WriterPair::from_row(pair.clone(), name.1.parse()?).open(self.tenants.service())?;
        let opened = Arc::new(opened);
        self.pairs().insert(name, Arc::clone(&opened));
        Ok(Some(opened))
    }

    fn pairs(&self) -> std::sync::MutexGuard<'_, HashMap<(KeyId, String), Arc<OpeningKey>>> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what tells keyrings apart.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.tenants.service().fingerprint().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
