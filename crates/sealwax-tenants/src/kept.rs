//! What a process keeps: the keyrings of tenants, each for a time, and who was deleted.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use sealwax::Keyring;

use crate::record::TenantRecord;
use crate::tenant::{TenantId, TenantKeyId};

/// For how long others wait for a call, at least.
const MIN_PATIENCE: Duration = Duration::from_secs(1);

/// What the service is asked, because no keyring is kept.
pub(crate) struct Asked {
    pub(crate) service: Keyring,
    pub(crate) at: Duration,
    /// How often something had been forgotten.
    epoch: u64,
}

struct Entry {
    record: TenantRecord,
    /// The keys are wiped when this is evicted and the last clone of it is gone.
    ring: Keyring,
    /// When the service's keyring was asked that opened the keys.
    opened: Duration,
    used: Duration,
}

pub(crate) struct Kept {
    /// The service's keyring.
    pub(crate) service: Keyring,
    pub(crate) max_age: Duration,
    pub(crate) max_idle: Duration,
    rings: LruCache<TenantId, Entry>,
    /// Up to which number the keys of a tenant are destroyed, by tombstones.
    buried: HashMap<TenantId, u32>,
    /// How often something was forgotten. A call that began before leaves nothing here.
    epoch: u64,
}

impl Kept {
    pub(crate) fn new(
        service: Keyring,
        max_age: Duration,
        max_idle: Duration,
        capacity: NonZeroUsize,
    ) -> Self {
        let (rings, buried) = (LruCache::new(capacity), HashMap::new());
        Self { service, max_age, max_idle, rings, buried, epoch: 0 }
    }

    pub(crate) fn set_capacity(&mut self, tenants: NonZeroUsize) {
        self.rings.resize(tenants);
    }

    /// Finds the keyring that was made of the same record, or whom to ask for it.
    pub(crate) fn find(&mut self, record: &TenantRecord, now: Duration) -> Result<Keyring, Asked> {
        self.purge(now);
        let (max_age, max_idle) = (self.max_age, self.max_idle);
        if let Some(entry) = self.rings.get_mut(record.tenant()) {
            if entry.record == *record && !entry.is_over(now, max_age, max_idle) {
                entry.used = now;
                return Ok(entry.ring.clone());
            }
            self.rings.pop(record.tenant());
        }
        Err(Asked { service: self.service.clone(), at: now, epoch: self.epoch })
    }

    /// Keeps a keyring, unless something was forgotten since the service was asked, or the tenant was deleted.
    pub(crate) fn keep(
        &mut self,
        record: &TenantRecord,
        destroyed: u32,
        ring: &Keyring,
        asked: &Asked,
        now: Duration,
    ) {
        self.purge(now);
        if self.epoch == asked.epoch && self.buried(record.tenant()) <= destroyed {
            let (record, ring) = (record.clone(), ring.clone());
            let entry = Entry { record, ring, opened: asked.at, used: now };
            self.rings.put(entry.record.tenant().clone(), entry);
        }
    }

    /// Drops the keyrings that nobody used for too long.
    ///
    /// They are the least recently used ones. One that is used is dropped at its maximum age when it is asked for.
    pub(crate) fn purge(&mut self, now: Duration) {
        let (max_age, max_idle) = (self.max_age, self.max_idle);
        while self.rings.peek_lru().is_some_and(|(_, entry)| entry.is_over(now, max_age, max_idle))
        {
            self.rings.pop_lru();
        }
    }

    /// Returns up to which number the keys of a tenant are destroyed, by tombstones.
    pub(crate) fn buried(&self, tenant: &TenantId) -> u32 {
        self.buried.get(tenant).copied().unwrap_or_default()
    }

    pub(crate) fn bury(&mut self, key: &TenantKeyId) {
        let TenantKeyId { tenant, number } = key;
        let buried = self.buried.entry(tenant.clone()).or_default();
        *buried = (*buried).max(*number);
        self.forget(tenant);
    }

    pub(crate) fn forget(&mut self, tenant: &TenantId) {
        self.rings.pop(tenant);
        self.epoch = self.epoch.wrapping_add(1);
    }

    pub(crate) fn forget_all(&mut self) {
        self.rings.clear();
        self.epoch = self.epoch.wrapping_add(1);
    }

    pub(crate) fn len(&self) -> usize {
        self.rings.len()
    }

    /// For how long others wait for a call: one that takes longer may belong to a future that nobody polls.
    pub(crate) fn patience(&self) -> Duration {
        part_of(self.max_age, 16).max(MIN_PATIENCE)
    }
}

impl Entry {
    fn is_over(&self, now: Duration, max_age: Duration, max_idle: Duration) -> bool {
        is_over(self.opened, now, max_age) || is_over(self.used, now, max_idle)
    }
}

fn part_of(time: Duration, parts: u32) -> Duration {
    time.checked_div(parts).unwrap_or_default()
}

/// Returns whether so much time has passed since a time, or the clock went back since.
///
/// Threads that read the clock, and then wait for the lock, see small steps back; those do not count.
fn is_over(since: Duration, now: Duration, limit: Duration) -> bool {
    let back = since.saturating_sub(now);
    now.saturating_sub(since) >= limit || back > part_of(limit, 16)
}
