//! A service in memory, which the tests control, and rows to wrap.

use std::future::poll_fn;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKey, MasterKeyProvider, ProviderError, ProviderErrorKind,
    ProviderFuture, Suite, UnwrapRequest, WrapRequest,
};
use sealwax_branch::BranchKeys;

/// Binds what it is asked to, and puts the version of its key into the body.
pub(crate) struct Service {
    key: MasterKey,
    pub(crate) wraps: AtomicUsize,
    pub(crate) unwraps: AtomicUsize,
    /// What it says instead of a result.
    pub(crate) fault: Mutex<Option<ProviderErrorKind>>,
    /// Whether it returns another key than the one that it wrapped.
    pub(crate) confused: AtomicBool,
    /// Whether its calls wait.
    pub(crate) busy: AtomicBool,
    /// Whether its unwraps wait.
    pub(crate) busy_unwraps: AtomicBool,
    /// For how many polls each unwrap waits after the first.
    pub(crate) slow_unwraps: AtomicUsize,
    version: AtomicU8,
}

impl Service {
    pub(crate) fn new() -> Self {
        Self {
            key: MasterKey::generate().unwrap(),
            wraps: AtomicUsize::new(0),
            unwraps: AtomicUsize::new(0),
            fault: Mutex::new(None),
            confused: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            busy_unwraps: AtomicBool::new(false),
            slow_unwraps: AtomicUsize::new(0),
            version: AtomicU8::new(1),
        }
    }

    pub(crate) fn requests(&self) -> (usize, usize) {
        (self.wraps.load(Relaxed), self.unwraps.load(Relaxed))
    }

    pub(crate) fn says(&self, fault: Option<ProviderErrorKind>) {
        *self.fault.lock().unwrap() = fault;
    }

    pub(crate) fn rotate(&self) {
        self.version.fetch_add(1, Relaxed);
    }

    /// Starts a request, and waits while the service is busy.
    async fn request(&self, count: &AtomicUsize) -> Result<(), ProviderError> {
        count.fetch_add(1, Relaxed);
        let unwraps = std::ptr::eq(count, &raw const self.unwraps);
        let mut polls = if unwraps { self.slow_unwraps.load(Relaxed) + 1 } else { 1 };
        let mut waits = || {
            polls = polls.saturating_sub(1);
            polls > 0 || self.busy.load(Relaxed) || unwraps && self.busy_unwraps.load(Relaxed)
        };
        poll_fn(|_| if waits() { Poll::Pending } else { Poll::Ready(()) }).await;
        self.fault.lock().unwrap().map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl KeyWrapper for Service {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move {
            self.request(&self.wraps).await?;
            let body = self.key.wrap_key(request).await?;
            Ok([&[self.version.load(Relaxed)], &body[..]].concat())
        })
    }

    fn is_current(&self, body: &[u8]) -> bool {
        body.first() == Some(&self.version.load(Relaxed))
    }

    fn check<'a>(&'a self, _: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        ProviderFuture::ready(self.fault.lock().unwrap().map_or(Ok(()), |kind| Err(kind.into())))
    }
}

impl MasterKeyProvider for Service {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move {
            self.request(&self.unwraps).await?;
            let (version, body) = request.body().split_first().unwrap_or((&0, &[]));
            if !(1..=self.version.load(Relaxed)).contains(version) {
                return Err(ProviderErrorKind::Rejected.into());
            }
            let (key_id, suite) = (request.key_id(), request.suite());
            let inner = UnwrapRequest::new(key_id, suite, request.commitment(), body);
            let key = self.key.unwrap_key(inner).await?;
            if self.confused.load(Relaxed) { Ok(DataKey::generate()?) } else { Ok(key) }
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

/// Returns branch keys with a maximum age of 1,600 seconds, so that they are due from 1,200 on, and then every 100.
pub(crate) fn branches(rows: u32) -> (BranchKeys<Arc<Service>>, Arc<Service>, Clock) {
    let (service, clock) = (Arc::new(Service::new()), Clock::default());
    let other = another(&service, rows, &clock);
    (other, service, clock)
}

/// Returns those of another process over the same service.
pub(crate) fn another<P>(service: &Arc<P>, rows: u32, clock: &Clock) -> BranchKeys<Arc<P>> {
    let now = clock.clone();
    BranchKeys::new(Arc::clone(service), NonZeroU32::new(rows).unwrap())
        .with_max_age(Duration::from_secs(1600))
        .with_clock(move || Duration::from_secs(now.0.load(Relaxed)))
}

pub(crate) struct Row {
    pub(crate) key_id: KeyId,
    pub(crate) suite: Suite,
    pub(crate) commitment: [u8; 32],
    pub(crate) data_key: DataKey,
}

impl Row {
    pub(crate) fn new() -> Self {
        Self {
            key_id: "kms/2026".parse().unwrap(),
            suite: Suite::Aes256Gcm,
            commitment: *DataKey::generate().unwrap().expose_secret(),
            data_key: DataKey::generate().unwrap(),
        }
    }

    pub(crate) fn wrap(&self) -> WrapRequest<'_> {
        WrapRequest::new(&self.key_id, self.suite, &self.commitment, &self.data_key)
    }

    pub(crate) fn unwrap<'a>(&'a self, body: &'a [u8]) -> UnwrapRequest<'a> {
        UnwrapRequest::new(&self.key_id, self.suite, &self.commitment, body)
    }

    pub(crate) fn is_of(&self, data_key: &DataKey) -> bool {
        self.data_key.expose_secret() == data_key.expose_secret()
    }
}

/// Wraps a fresh row.
pub(crate) fn wrapped(provider: &impl KeyWrapper) -> Result<(Row, Vec<u8>), ProviderErrorKind> {
    let row = Row::new();
    let body = pollster::block_on(provider.wrap_key(row.wrap()));
    body.map(|body| (row, body)).map_err(|error| error.kind())
}

/// Opens a row, or returns why not.
pub(crate) fn open(
    provider: &impl MasterKeyProvider,
    row: &(Row, Vec<u8>),
) -> Result<(), ProviderErrorKind> {
    let key = pollster::block_on(provider.unwrap_key(row.0.unwrap(&row.1)));
    assert!(key.as_ref().map_or(true, |key| row.0.is_of(key)));
    key.map(|_| ()).map_err(|error| error.kind())
}

/// Opens a row without waiting, or returns `None` if somebody would have to wait.
pub(crate) fn open_now(
    provider: &impl MasterKeyProvider,
    row: &(Row, Vec<u8>),
) -> Option<Result<(), ProviderErrorKind>> {
    let key = provider.unwrap_key(row.0.unwrap(&row.1)).into_ready().ok()?;
    Some(key.map(|key| assert!(row.0.is_of(&key))).map_err(|error| error.kind()))
}

/// Polls a future once.
pub(crate) fn poll<T>(future: &mut ProviderFuture<'_, T>) -> Poll<T> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
