//! One request for many rows.

mod opening;
mod sealing;

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sealwax::ProviderError;
use sealwax::companion::IntermediateKey;
use sealwax_flights::Flights;

use crate::known::{Head, Known, Served};

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
/// **The provider must bind `associated_data`**, as the checks of `sealwax-conformance` show. Over one that binds nothing,
/// anyone who knows one data key and its wrap can write every row. Put [`Rebound`](crate::Rebound) around such a one first.
///
/// - **When the service says no** (any error that is not transient) about a branch, the branch is evicted at once, and
///   the operation that asked fails.
/// - **When the service is away** (a transient error), a branch that is kept already may be used until its maximum age;
///   see [`WhenAway`].
/// - **The service is asked again in the last quarter of the maximum age**, by the first future that uses the branch
///   then, while the others go on. So a branch that is in use never has to be waited for, and no operation that begins
///   after the maximum age uses it without a yes of the service. Until one has asked, each operation returns a boxed
///   future, so a synchronous method returns `WouldBlock`: call the async one then.
/// - **One future asks, and the others wait for it**: 64 first seals make one branch. If it is dropped, the next one asks.
///   **Poll each future until it is ready, or drop it.** If the one that asks is only paused (as those in a `buffered`
///   stream are, while the loop over its results awaits something else), the ones that wait for it are paused too, also
///   if the loop awaits one of them. After a sixteenth of the maximum age, later calls ask for themselves.
/// - **A branch takes new rows until it is full, at the longest for the maximum age**, or until the provider says that its
///   wrap is not [current](sealwax::KeyWrapper::is_current). Then the next row makes a new one. One branch is made at a
///   time, so with few `rows`, seals wait for each other.
/// - A branch key is wiped when it is evicted: when a newer branch takes its place, on [`forget`](Self::forget), and once
///   it is over its maximum age, the next time that the service has said yes about any branch. In a process that does
///   nothing, it stays.
///
/// A process that seals also needs the permission to unwrap.
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
    opening: Flights<[u8; 32], Arc<IntermediateKey>, ProviderError>,
    /// For new branches.
    making: Flights<Served, Arc<Head>, ProviderError>,
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
    /// So long at most, this process goes on to seal and open after the key was disabled at the service. With zero, each
    /// row is asked about, unless it waits for another one's answer, and each row that is sealed makes a branch.
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
    /// The default is [`Instant`], which stands still on some systems while the machine sleeps. If the clock goes back, by
    /// more than a sixteenth of the maximum age, what was kept before counts as over.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { clock: Box::new(clock), ..self }
    }

    /// Makes the next row start a new branch; existing rows open as before, and stay current.
    ///
    /// So after a theft of memory this helps no row that exists: move them to a new key at the service, under a new id.
    pub fn renew(&self) {
        self.known().renew();
        self.making.part();
    }

    /// Forgets all branches, so that the service is asked about each of them again.
    ///
    /// Call it when you have disabled the key at the service. An operation that has begun may still end, also one whose
    /// future is polled again only later.
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

impl<P> fmt::Debug for BranchKeys<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BranchKeys")
            .field("rows", &self.rows)
            .field("when_away", &self.when_away)
            .finish_non_exhaustive()
    }
}
