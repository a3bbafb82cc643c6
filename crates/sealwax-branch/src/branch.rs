//! One request for many rows.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sealwax::companion::IntermediateKey;
use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest,
    WrapKind, WrapRequest,
};

use crate::body::{BranchBody, ReboundBody};
use crate::error::BodyError;
use crate::flights::Flights;
use crate::known::{Found, Head, Known, Served};

/// How long a branch may be used after the service said yes.
const MAX_AGE: Duration = Duration::from_secs(600);
/// How many branches are kept.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// A provider whose keys, each wrapped once by another provider, wrap many data keys: one request for many rows.
///
/// The first row makes a *branch key*, has the provider wrap it, and has it unwrapped again as proof that it can be:
/// two requests. The next rows, as many as you said, need none. Opening the first row of a branch is one request, and
/// opening the others is none, for as long as the branch is kept.
///
/// - **When the service says no** (any error that is not transient) about a branch, the branch is evicted at once, and
///   the operation that asked fails.
/// - **When the service is away** (a transient error), a branch that is kept already may be used until its maximum age;
///   see [`WhenAway`].
/// - **The service is asked again in the last quarter of the maximum age**, by the first future that uses the branch
///   then, while the others go on. So a branch that is in use never has to be waited for, and never outlives the maximum
///   age without a yes of the service. Until one has asked, each operation returns a boxed future, so a synchronous
///   method returns `WouldBlock`: call the async one then.
/// - **One future asks, and the others wait for it**: 64 first seals make one branch. If it is dropped, the next one asks.
///   Do not keep a future that you have polled and will not poll again; the others would wait for it.
/// - A branch key is wiped when it is evicted: when a newer branch takes its place, at its maximum age (once somebody
///   uses it, or a new branch comes in), and on [`forget`](Self::forget).
///
/// A process that seals also needs the permission to unwrap. If the provider says that a branch's wrap is not
/// [current](KeyWrapper::is_current), the next row makes a new branch.
///
/// ```
/// use std::num::NonZeroU32;
///
/// use sealwax::{EncryptionContext, Keyring, MasterKey};
/// use sealwax_branch::BranchKeys;
///
/// # pollster::block_on(async {
/// let service = MasterKey::generate()?; // in place of a provider for a key service
/// let rows = NonZeroU32::new(1000).ok_or("at least one row")?;
/// let keyring = Keyring::new("kms/2026".parse()?, BranchKeys::new(service, rows))?;
///
/// let context = EncryptionContext::new([("tenant", "acme")])?;
/// let envelope = keyring.seal_async(&"the customer's API key".into(), &context).await?;
/// assert_eq!(keyring.open(&envelope, &context)?.expose_str()?, "the customer's API key");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct BranchKeys<P> {
    provider: P,
    rows: NonZeroU32,
    when_away: WhenAway,
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
    known: Mutex<Known>,
    /// For branches that are not known, by `UnwrapRequest::cache_key`.
    opening: Flights<[u8; 32], Arc<IntermediateKey>>,
    /// For new branches.
    making: Flights<Served, Arc<Head>>,
}

/// What holds for a branch that is kept if the service is away when it is asked again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenAway {
    /// The branch may be used until its maximum age: its rows open during a short outage. The default.
    #[default]
    KeepUntilMaxAge,
    /// The branch is evicted at once.
    EvictAtOnce,
}

impl<P> BranchKeys<P> {
    /// Puts branch keys in front of a provider, each for so many rows.
    ///
    /// Anyone who reads this process's memory gets the branch keys that it keeps. `rows` limits how many rows share one.
    /// The maximum age is 10 minutes, and 1,024 branches are kept.
    pub fn new(provider: P, rows: NonZeroU32) -> Self {
        let started = Instant::now();
        Self {
            provider,
            rows,
            when_away: WhenAway::default(),
            clock: Box::new(move || started.elapsed()),
            known: Mutex::new(Known::new(MAX_AGE, CAPACITY)),
            opening: Flights::new(),
            making: Flights::new(),
        }
    }

    /// Sets how long a branch may be used after the service was asked and said yes.
    ///
    /// So long at most, this process goes on to seal and open after the key was disabled at the service. Zero asks for
    /// each row.
    #[must_use]
    pub fn with_max_age(self, max_age: Duration) -> Self {
        self.known().max_age = max_age;
        self
    }

    /// Sets how many branches are kept; a new one takes the place of the one that was used least recently.
    ///
    /// If rows of more branches than this are opened in turn, each of them is a request.
    #[must_use]
    pub fn with_capacity(self, branches: NonZeroUsize) -> Self {
        self.known().set_capacity(branches);
        self
    }

    /// Sets what holds for a branch that is kept if the service is away.
    #[must_use]
    pub fn when_away(self, when_away: WhenAway) -> Self {
        Self { when_away, ..self }
    }

    /// Sets the clock: the time since some moment, which never goes back.
    ///
    /// The default is [`Instant`], which stands still on some systems while the machine sleeps.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { clock: Box::new(clock), ..self }
    }

    /// Makes the next row start a new branch; existing rows open as before.
    pub fn renew(&self) {
        self.known().renew();
        self.making.part();
    }

    /// Forgets all branches, so that the service is asked about each of them again.
    ///
    /// Call it when you have disabled the key at the service. An operation that has its key already may still end.
    pub fn forget(&self) {
        self.known().forget();
        self.making.part();
        self.opening.part();
    }

    /// Returns how many branches are kept, those over their maximum age included.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.known().len()
    }

    /// Returns the provider inside.
    pub const fn provider(&self) -> &P {
        &self.provider
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        (self.clock)()
    }
}

/// The keys of branches. `outer` is what the provider is asked: to unwrap W as the body of a row whose commitment is
/// branch_id.
impl<P: MasterKeyProvider> BranchKeys<P> {
    /// Returns the key of a branch if nobody has to ask the service about it.
    fn key_now(&self, outer: UnwrapRequest<'_>) -> Option<Arc<IntermediateKey>> {
        // The caller's clock must not be called under the lock.
        let now = self.now();
        match self.known().find(outer, now) {
            Found::Fresh(key) => Some(key),
            Found::Due(_) | Found::Unknown => None,
        }
    }

    async fn key(&self, outer: UnwrapRequest<'_>) -> Result<Arc<IntermediateKey>, ProviderError> {
        let now = self.now();
        match self.find_and_postpone(outer, now) {
            Found::Fresh(key) => Ok(key),
            Found::Due(key) => self.ask_again(outer, key, now).await,
            Found::Unknown => self.opening.share(&outer.cache_key(), self.ask_first(outer)).await,
        }
    }

    /// Finds a branch for a future that will ask the service if it is due, so that no other one does.
    fn find_and_postpone(&self, outer: UnwrapRequest<'_>, now: Duration) -> Found {
        let mut known = self.known();
        let found = known.find(outer, now);
        if matches!(found, Found::Due(_)) {
            known.postpone(outer, now);
        }
        found
    }

    async fn ask_first(
        &self,
        outer: UnwrapRequest<'_>,
    ) -> Result<Arc<IntermediateKey>, ProviderError> {
        let (asked, epoch) = (self.now(), self.known().epoch);
        // Another call may have returned since this one looked.
        if let Found::Fresh(key) | Found::Due(key) = self.known().find(outer, asked) {
            return Ok(key);
        }
        let key = self.ask(outer).await?;
        let mut known = self.known();
        if known.epoch == epoch {
            known.keep(outer, Arc::clone(&key), asked);
        }
        Ok(key)
    }

    async fn ask_again(
        &self,
        outer: UnwrapRequest<'_>,
        key: Arc<IntermediateKey>,
        asked: Duration,
    ) -> Result<Arc<IntermediateKey>, ProviderError> {
        match self.ask(outer).await {
            Ok(_) => {
                self.known().confirm(outer, asked);
                Ok(key)
            }
            Err(error) if error.is_transient() && self.when_away == WhenAway::KeepUntilMaxAge => {
                // It may have become too old while this waited.
                let now = self.now();
                match self.known().find(outer, now) {
                    Found::Fresh(key) | Found::Due(key) => Ok(key),
                    Found::Unknown => Err(error),
                }
            }
            Err(error) => {
                self.known().evict(outer);
                Err(error)
            }
        }
    }

    /// Has the provider unwrap W, and compares before anything uses the key.
    async fn ask(&self, outer: UnwrapRequest<'_>) -> Result<Arc<IntermediateKey>, ProviderError> {
        let key = IntermediateKey::new(&self.provider.unwrap_key(outer).await?);
        if !key.is_branch(outer.commitment()) {
            return Err(BodyError::OtherKey.into());
        }
        Ok(Arc::new(key))
    }
}

/// The branches that new rows go to. They are opened like any other branch, so a new one is unwrapped at the service, and
/// compared, before the first row.
impl<P: MasterKeyProvider> BranchKeys<P> {
    /// Returns the branch that the next row goes to, if it has room and the provider would make its wrap today.
    fn maker(&self, served: &Served) -> Option<Arc<Head>> {
        // The provider must not be called under the lock.
        let head = self.known().maker(served);
        head.filter(|head| self.provider.is_current(&head.wrap))
    }

    fn wrap_now(&self, request: WrapRequest<'_>) -> Option<Result<Vec<u8>, ProviderError>> {
        let served = (request.key_id().clone(), request.suite());
        let head = self.maker(&served)?;
        let key = self.key_now(head.outer(&request))?;
        self.known().take_place(&served, &head).then(|| head.body(&key, request))
    }

    async fn wrap_later(&self, request: WrapRequest<'_>) -> Result<Vec<u8>, ProviderError> {
        let served = (request.key_id().clone(), request.suite());
        let head = self.place(&served).await?;
        match self.key(head.outer(&request)).await {
            Ok(key) => head.body(&key, request),
            Err(error) => {
                if !error.is_transient() {
                    self.known().close(&served, &head);
                }
                Err(error)
            }
        }
    }

    /// Takes a row's place in a branch, which is a new one if need be.
    async fn place(&self, served: &Served) -> Result<Arc<Head>, ProviderError> {
        loop {
            let head = match self.maker(served) {
                Some(head) => head,
                None => self.making.share(served, self.make(served)).await?,
            };
            if self.known().take_place(served, &head) {
                return Ok(head);
            }
        }
    }

    async fn make(&self, served: &Served) -> Result<Arc<Head>, ProviderError> {
        // Another call may have returned since this one looked.
        if let Some(head) = self.maker(served) {
            return Ok(head);
        }
        let (epoch, key) = (self.known().epoch, DataKey::generate()?);
        let (key_id, suite) = served;
        let id = IntermediateKey::new(&key).branch_id();
        let wrap = self.provider.wrap_key(WrapRequest::new(key_id, *suite, &id, &key)).await?;
        let head = Arc::new(Head { id, wrap });
        let mut known = self.known();
        if known.epoch == epoch {
            known.make(served.clone(), Arc::clone(&head), self.rows);
        }
        Ok(head)
    }
}

impl Head {
    fn outer<'a>(&'a self, request: &WrapRequest<'a>) -> UnwrapRequest<'a> {
        UnwrapRequest::new(request.key_id(), request.suite(), &self.id, &self.wrap)
    }

    fn body(
        &self,
        key: &IntermediateKey,
        request: WrapRequest<'_>,
    ) -> Result<Vec<u8>, ProviderError> {
        let inner = ReboundBody { wrap: &self.wrap, local: &key.wrap(request) };
        Ok(BranchBody { id: &self.id, inner }.encode()?)
    }
}

impl<P: MasterKeyProvider> KeyWrapper for BranchKeys<P> {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        match self.wrap_now(request) {
            Some(wrapped) => ProviderFuture::ready(wrapped),
            None => ProviderFuture::boxed(self.wrap_later(request)),
        }
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Branch
    }

    /// Returns whether the provider would make an equivalent wrap of the branch key today.
    fn is_current(&self, body: &[u8]) -> bool {
        BranchBody::parse(body).is_ok_and(|body| self.provider.is_current(body.inner.wrap))
    }

    fn check<'a>(&'a self, key_id: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        self.provider.check(key_id)
    }
}

impl<P: MasterKeyProvider> MasterKeyProvider for BranchKeys<P> {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let (key_id, suite) = (request.key_id(), request.suite());
        let BranchBody { id, inner } = match BranchBody::parse(request.body()) {
            Ok(body) => body,
            Err(error) => return ProviderFuture::ready(Err(error.into())),
        };
        let outer = UnwrapRequest::new(key_id, suite, id, inner.wrap);
        let local = UnwrapRequest::new(key_id, suite, request.commitment(), inner.local);
        match self.key_now(outer) {
            Some(key) => ProviderFuture::ready(key.unwrap(local)),
            None => ProviderFuture::boxed(async move { self.key(outer).await?.unwrap(local) }),
        }
    }
}

impl<P> fmt::Debug for BranchKeys<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BranchKeys")
            .field("rows", &self.rows)
            .field("when_away", &self.when_away)
            .finish_non_exhaustive()
    }
}
