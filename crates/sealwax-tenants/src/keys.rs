//! The keyrings of tenants.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sealwax::{
    EncryptionContext, Envelope, ErrorClass, Keyring, KeyringError, MasterKey, OpenError,
    RecorderRequired, Secret,
};
use sealwax_flights::Flights;

use crate::error::TenantError;
use crate::kept::{Asked, Kept};
use crate::record::{Parsed, TenantRecord, TenantState};
use crate::tenant::{TenantId, TenantKeyId};
use crate::tombstone::Tombstone;

/// How long a keyring may be used after the service's keyring opened its keys.
const MAX_AGE: Duration = Duration::from_secs(600);
/// How long a keyring is kept that nobody uses.
const MAX_IDLE: Duration = Duration::from_secs(300);
/// How many keyrings are kept.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// The keyrings of tenants, whose keys are sealed under the service's keyring.
///
/// It opens the keys of a tenant once, and keeps the tenant's keyring for a time: 10,000 credentials of 100 tenants cost 100
/// unwraps of the service's key.
///
/// - **It never returns a keyring without a record that you have just read**, in the same `SELECT` as the credential's row.
///   So a deletion in the database is effective in every process at once. What is kept saves only the service's unwraps: it
///   is used if the text of the record is the same.
/// - **A tombstone wins over every record.** Give all of them to [`new`](Self::new), so that a database that was restored
///   opens nothing of a tenant who was deleted since.
/// - **The keys are opened again at the maximum age**, counted from when the service's keyring was asked last. So long at
///   most, a tenant's rows open after the service's key was disabled.
/// - **They are wiped when they are evicted** and the last clone of the keyring is gone, so use a keyring for one request, and
///   do not keep it. They are evicted when nobody used them for the idle time, when others take their place, and on
///   [`forget`](Self::forget). In a process that does nothing, call [`evict_idle`](Self::evict_idle) from a timer.
/// - **One future asks, and the others wait for it.** If it is dropped, the next one asks. Poll each future until it is ready,
///   or drop it: if the one that asks is only paused, those that have joined wait for it, and others join it for a sixteenth
///   of the maximum age.
///
/// ```
/// use sealwax::{EncryptionContext, Keyring, MasterKey};
/// use sealwax_tenants::{TenantId, TenantKeys, TenantRecord, TenantState};
///
/// let service = Keyring::new("epoch-2026-11".parse()?, MasterKey::generate()?)?;
/// let keys = TenantKeys::new(service, []);
///
/// // Once for each tenant: insert what this returns.
/// let tenant: TenantId = "42".parse()?;
/// let created = keys.create(&TenantRecord::from_row(tenant.clone(), None), TenantState::NeverHad)?;
///
/// // For each request: the record comes with the credential's row.
/// let record = TenantRecord::new(tenant, 1, 0, [(1, created.envelope().to_string())]);
/// let keyring = keys.keyring(&record)?;
/// let context = EncryptionContext::new([("tenant", "42"), ("row", "7")])?;
/// let envelope = keyring.seal(&"the customer's API key".into(), &context)?;
/// assert_eq!(envelope.key_ids().next(), Some("tenant/42@1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TenantKeys {
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
    kept: Mutex<Kept>,
    /// By the record, and the number up to which its keys count as destroyed.
    opening: Flights<(TenantRecord, u32), Keyring, TenantError>,
}

/// What a record says is to be opened.
struct Sealed {
    tenant: TenantId,
    destroyed: u32,
    /// The number of the newest key.
    newest: u32,
    /// In ascending order.
    keys: Vec<SealedKey>,
    /// Older keys whose texts are no envelopes.
    lost: Vec<u32>,
}

struct SealedKey {
    id: TenantKeyId,
    envelope: Envelope,
    context: EncryptionContext,
}

impl TenantKeys {
    /// Creates it with the service's keyring and the tombstones of all tenants that were ever deleted.
    ///
    /// The maximum age is 10 minutes, the idle time 5 minutes, and 1,024 keyrings are kept.
    pub fn new(ring: Keyring, tombstones: impl IntoIterator<Item = Tombstone>) -> Self {
        let mut kept = Kept::new(ring, MAX_AGE, MAX_IDLE, CAPACITY);
        tombstones.into_iter().for_each(|tombstone| kept.bury(tombstone.key()));
        let started = Instant::now();
        Self {
            clock: Box::new(move || started.elapsed()),
            kept: Mutex::new(kept),
            opening: Flights::new(),
        }
    }

    /// Sets how long a keyring may be used after the service's keyring was asked and opened its keys.
    ///
    /// With zero, it is asked for each request, unless that waits for another one's answer.
    #[must_use]
    pub fn with_max_age(self, max_age: Duration) -> Self {
        self.lock().max_age = max_age;
        self
    }

    /// Sets how long a keyring is kept that nobody uses.
    #[must_use]
    pub fn with_max_idle(self, max_idle: Duration) -> Self {
        self.lock().max_idle = max_idle;
        self
    }

    /// Sets how many keyrings are kept; a new one takes the place of the one that was used least recently.
    #[must_use]
    pub fn with_capacity(self, tenants: NonZeroUsize) -> Self {
        self.lock().set_capacity(tenants);
        self
    }

    /// Sets the clock: the time since some moment, which never goes back.
    ///
    /// The default is [`Instant`], which stands still on some systems while the machine sleeps. If the clock goes back, by
    /// more than a sixteenth of the maximum age or of the idle time, what was kept before counts as over.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { clock: Box::new(clock), ..self }
    }

    /// Returns the keyring of a tenant: the newest key is the primary, older ones are retired, and those that were destroyed
    /// are known as such.
    ///
    /// An older key that is lost for good, because its row was altered or its root is destroyed, is disabled: each row under it
    /// is `KeyDisabled`, and the others open.
    ///
    /// If all of them were destroyed, it opens nothing and says `KeyDestroyed` of each row, and `NoPrimary` if it is asked to
    /// seal. It has the suite of the service's keyring. If that has a recorder, it records the openings of tenants' keys, and
    /// the tenant's keyring opens nothing ([`RecorderRequired`]) until you give it one of its
    /// own, with [`Keyring::with_recorder`].
    ///
    /// # Errors
    ///
    /// Returns a [`TenantError`].
    pub fn keyring(&self, record: &TenantRecord) -> Result<Keyring, TenantError> {
        loop {
            let asked = match self.find(record) {
                Ok(ring) => return Ok(ring),
                Err(asked) => asked,
            };
            let sealed = self.sealed(record)?;
            let open = |key: &SealedKey| {
                sealed.opened(key, asked.service.open(&key.envelope, &key.context))
            };
            let keys = sealed.keys.iter().map(open).collect::<Result<_, _>>()?;
            let ring = self.made(record, &sealed, keys, &asked)?;
            if !self.is_buried(&sealed) {
                return Ok(ring);
            }
        }
    }

    /// Returns the keyring of a tenant like [`keyring`](Self::keyring), and waits for the service's key.
    ///
    /// # Errors
    ///
    /// Returns a [`TenantError`].
    pub async fn keyring_async(&self, record: &TenantRecord) -> Result<Keyring, TenantError> {
        loop {
            let asked = match self.find(record) {
                Ok(ring) => return Ok(ring),
                Err(asked) => asked,
            };
            let sealed = self.sealed(record)?;
            let (flight, patience) = ((record.clone(), sealed.destroyed), self.lock().patience());
            let opening = self.open(record, &sealed);
            let ring = self.opening.share(&flight, asked.at, patience, opening).await?;
            if !self.is_buried(&sealed) {
                return Ok(ring);
            }
        }
    }

    async fn open(&self, record: &TenantRecord, sealed: &Sealed) -> Result<Keyring, TenantError> {
        // Another call may have returned since this one looked.
        let asked = match self.find(record) {
            Ok(ring) => return Ok(ring),
            Err(asked) => asked,
        };
        let mut keys = Vec::with_capacity(sealed.keys.len());
        for key in &sealed.keys {
            let opened = asked.service.open_async(&key.envelope, &key.context).await;
            keys.push(sealed.opened(key, opened)?);
        }
        self.made(record, sealed, keys, &asked)
    }

    /// Returns which keys a tenant has, without opening one.
    ///
    /// # Errors
    ///
    /// Returns [`TenantError::Record`] or [`TenantError::Missing`].
    pub fn state(&self, record: &TenantRecord) -> Result<TenantState, TenantError> {
        Ok(self.parse(record)?.state())
    }

    /// Notes that a tenant was deleted: from now on, the tombstone wins over every record.
    ///
    /// Call it when [`DESTROY`](crate::sql::postgres::DESTROY) was committed. The other processes learn it from the database.
    pub fn bury(&self, tombstone: &Tombstone) {
        self.lock().bury(tombstone.key());
    }

    /// Forgets the keyring of a tenant, so that its keys are opened again.
    pub fn forget(&self, tenant: &TenantId) {
        self.lock().forget(tenant);
        self.opening.part();
    }

    /// Forgets the keyrings of all tenants.
    ///
    /// Call it when you have disabled the service's key. An operation that has begun may still end.
    pub fn forget_all(&self) {
        self.lock().forget_all();
        self.opening.part();
    }

    /// Evicts the keyrings that nobody used for the idle time, as each call does.
    pub fn evict_idle(&self) {
        let now = self.now();
        self.lock().purge(now);
    }

    /// Returns how many keyrings are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.lock().len()
    }

    /// Returns the service's keyring.
    #[must_use]
    pub fn service(&self) -> Keyring {
        self.lock().service.clone()
    }

    /// Sets the service's keyring, for a new root, and forgets the keyrings of all tenants. What was buried stays so.
    ///
    /// An operation that has begun ends with the keyring before.
    pub fn set_service(&self, ring: Keyring) {
        self.lock().service = ring;
        self.forget_all();
    }

    pub(crate) fn parse<'a>(&self, record: &'a TenantRecord) -> Result<Parsed<'a>, TenantError> {
        // The lock must not be held while the text is parsed.
        let buried = self.lock().buried(record.tenant());
        record.parse(buried)
    }

    fn find(&self, record: &TenantRecord) -> Result<Keyring, Asked> {
        let now = self.now();
        self.lock().find(record, now)
    }

    /// Returns whether a tenant was deleted since the record was read.
    fn is_buried(&self, sealed: &Sealed) -> bool {
        self.lock().buried(&sealed.tenant) > sealed.destroyed
    }

    fn sealed(&self, record: &TenantRecord) -> Result<Sealed, TenantError> {
        let parsed = self.parse(record)?;
        let tenant = record.tenant().clone();
        if parsed.state() == TenantState::NeverHad {
            return Err(TenantError::NeverHad { tenant });
        }
        let (newest, destroyed) = (parsed.number, parsed.destroyed);
        let mut sealed = Sealed { tenant, destroyed, newest, keys: Vec::new(), lost: Vec::new() };
        for (number, text) in parsed.keys {
            match sealed.unless_lost(number, SealedKey::parse(&sealed.tenant, number, text))? {
                Some(key) => sealed.keys.push(key),
                None => sealed.lost.push(number),
            }
        }
        Ok(sealed)
    }

    /// Makes a keyring of what the service's keyring opened, and keeps it unless something was forgotten since it was asked.
    fn made(
        &self,
        record: &TenantRecord,
        sealed: &Sealed,
        keys: Vec<(u32, Option<MasterKey>)>,
        asked: &Asked,
    ) -> Result<Keyring, TenantError> {
        let ring = sealed.ring(keys)?.with_suite(asked.service.suite());
        // Who has openings recorded must not lose that for the tenants' rows.
        let is_recorded = asked.service.has_recorder();
        let ring = if is_recorded { ring.with_recorder(RecorderRequired) } else { ring };
        let now = self.now();
        self.lock().keep(record, sealed.destroyed, &ring, asked, now);
        Ok(ring)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller's clock must not be called under the lock.
    fn now(&self) -> Duration {
        (self.clock)()
    }
}

impl SealedKey {
    fn parse(tenant: &TenantId, number: u32, text: &str) -> Result<Self, TenantError> {
        let id = tenant.key(number);
        let envelope = text.parse();
        let envelope =
            envelope.map_err(|source| TenantError::Envelope { key_id: (&id).into(), source })?;
        let context = id.context();
        Ok(Self { id, envelope, context })
    }

    fn opened(&self, opened: Result<Secret, OpenError>) -> Result<MasterKey, TenantError> {
        let secret = opened.map_err(|source| TenantError::of_opening(&self.id, source))?;
        // Wipes the copy.
        let key = MasterKey::from_bytes(&mut secret.expose_secret().to_vec());
        let not_a_key = |source| TenantError::NotAKey { key_id: (&self.id).into(), source };
        key.map_err(not_a_key)
    }
}

impl Sealed {
    fn opened(
        &self,
        key: &SealedKey,
        opened: Result<Secret, OpenError>,
    ) -> Result<(u32, Option<MasterKey>), TenantError> {
        let number = key.id.number;
        Ok((number, self.unless_lost(number, key.opened(opened))?))
    }

    /// Returns `None` for an older key that is lost for good, which must not keep the newer ones closed.
    fn unless_lost<T>(
        &self,
        number: u32,
        key: Result<T, TenantError>,
    ) -> Result<Option<T>, TenantError> {
        let is_lost = |error: &TenantError| {
            number < self.newest && [ErrorClass::Altered, ErrorClass::Gone].contains(&error.class())
        };
        match key {
            Err(error) if is_lost(&error) => Ok(None),
            key => key.map(Some),
        }
    }

    fn ring(&self, keys: Vec<(u32, Option<MasterKey>)>) -> Result<Keyring, TenantError> {
        let ring = self.ring_of(keys);
        ring.map_err(|source| TenantError::Keyring { tenant: self.tenant.clone(), source })
    }

    fn ring_of(&self, mut keys: Vec<(u32, Option<MasterKey>)>) -> Result<Keyring, KeyringError> {
        let id = |number| (&self.tenant.key(number)).into();
        // The newest one is never lost.
        let mut ring = match keys.pop() {
            Some((number, Some(key))) => Keyring::new(id(number), key)?,
            _ => Keyring::opening_only(),
        };
        for (number, key) in keys.into_iter().chain(self.lost.iter().map(|lost| (*lost, None))) {
            ring = match key {
                Some(key) => ring.with_retired(id(number), key)?,
                None => ring.with_disabled(id(number))?,
            };
        }
        for number in 1..=self.destroyed {
            ring = ring.with_destroyed(id(number))?;
        }
        Ok(ring)
    }
}

impl fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantKeys").field("ring", &self.service()).finish_non_exhaustive()
    }
}
