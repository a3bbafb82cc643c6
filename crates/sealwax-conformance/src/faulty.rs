//! A provider that fails when it is told to.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind,
    ProviderFuture, UnwrapRequest, WrapKind, WrapRequest,
};

/// Forwards the calls of a provider, except those that should go wrong.
///
/// It numbers the calls of `wrap_key`, `unwrap_key`, `wrap_keys`, `unwrap_keys` and `check` together, from 1, as they
/// are made, even if their futures are dropped. If several faults are for one call, the first that was added applies.
///
/// ```
/// use sealwax::{EncryptionContext, ErrorClass, Keyring, MasterKey, ProviderErrorKind};
/// use sealwax_conformance::{Fault, Faulty};
///
/// let throttled = Fault::Fail(ProviderErrorKind::Throttled.into());
/// let key = Faulty::new(MasterKey::generate()?).at(1, throttled);
/// let keyring = Keyring::new("prod-2026".parse()?, key)?;
/// let seal = || keyring.seal(&"s3cret".into(), &EncryptionContext::empty());
/// assert_eq!(seal().unwrap_err().class(), ErrorClass::Transient);
/// assert!(seal().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Faulty<P> {
    inner: P,
    calls: AtomicUsize,
    /// Each fault with the numbers of the first and the last call that it is for.
    plan: Vec<(usize, usize, Fault)>,
}

/// What goes wrong with a call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The call fails with this error, without reaching the provider; in a batch, each item does.
    Fail(ProviderError),
    /// The call never returns, and does not reach the provider.
    Hang,
    /// The call is pending the first so many polls, and wakes its task each time; then it reaches the provider.
    Late(usize),
    /// Each data key that was unwrapped is replaced by another valid one; other calls are not affected.
    OtherKey,
    /// Each body that was wrapped is cut off, or filled with zeros, to this length; other calls are not affected.
    BodyLen(usize),
    /// The last result of a batch is missing; other calls are not affected.
    ShortBatch,
}

impl<P> Faulty<P> {
    /// Creates a decorator that forwards everything.
    pub const fn new(inner: P) -> Self {
        Self { inner, calls: AtomicUsize::new(0), plan: Vec::new() }
    }

    /// Adds a fault for one call; the first call is number 1.
    #[must_use]
    pub fn at(self, call: usize, fault: Fault) -> Self {
        self.with(call, call, fault)
    }

    /// Adds a fault for this call and all that follow it; `starting_at(1, …)` is for every call.
    #[must_use]
    pub fn starting_at(self, call: usize, fault: Fault) -> Self {
        self.with(call, usize::MAX, fault)
    }

    fn with(mut self, first: usize, last: usize, fault: Fault) -> Self {
        self.plan.push((first, last, fault));
        self
    }

    /// Returns the number of calls so far.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Returns the provider.
    pub const fn inner(&self) -> &P {
        &self.inner
    }

    /// Makes a call, or what it is replaced by.
    ///
    /// `failed` returns the result of a call that fails, and `changed` applies a fault to a result.
    fn call<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce() -> ProviderFuture<'a, T> + Send + 'a,
        failed: impl FnOnce(&ProviderError) -> T,
        changed: fn(&Fault, T) -> T,
    ) -> ProviderFuture<'a, T> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let mut plan = self.plan.iter();
        match plan
            .find(|(first, last, _)| (first..=last).contains(&&number))
            .map(|(_, _, fault)| fault)
        {
            None => call(),
            Some(Fault::Fail(error)) => ProviderFuture::ready(failed(error)),
            Some(Fault::Hang) => ProviderFuture::boxed(pending()),
            Some(Fault::Late(polls)) => ProviderFuture::boxed(async move {
                wait(*polls).await;
                call().await
            }),
            Some(fault) => call().map(move |result| changed(fault, result)),
        }
    }
}

/// Is pending for so many polls.
async fn wait(polls: usize) {
    let mut left = polls;
    poll_fn(|context| match left.checked_sub(1) {
        None => Poll::Ready(()),
        Some(less) => {
            left = less;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

fn change_body(
    fault: &Fault,
    mut wrapped: Result<Vec<u8>, ProviderError>,
) -> Result<Vec<u8>, ProviderError> {
    if let (Fault::BodyLen(len), Ok(body)) = (fault, &mut wrapped) {
        body.resize(*len, 0);
    }
    wrapped
}

fn change_key(
    fault: &Fault,
    unwrapped: Result<DataKey, ProviderError>,
) -> Result<DataKey, ProviderError> {
    match fault {
        Fault::OtherKey => unwrapped.and_then(|_| {
            DataKey::generate().map_err(|error| ProviderError::new(ProviderErrorKind::Other, error))
        }),
        _ => unwrapped,
    }
}

fn change_batch<T>(fault: &Fault, results: Vec<T>, change: fn(&Fault, T) -> T) -> Vec<T> {
    let mut results: Vec<_> = results.into_iter().map(|result| change(fault, result)).collect();
    if matches!(fault, Fault::ShortBatch) {
        results.pop();
    }
    results
}

impl<P: KeyWrapper> KeyWrapper for Faulty<P> {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.call(move || self.inner.wrap_key(request), |error| Err(error.clone()), change_body)
    }

    fn kind(&self) -> WrapKind {
        self.inner.kind()
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.inner.is_current(body)
    }

    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
        self.call(
            move || self.inner.wrap_keys(requests),
            |error| requests.iter().map(|_| Err(error.clone())).collect(),
            |fault, results| change_batch(fault, results, change_body),
        )
    }

    fn check<'a>(&'a self, key_id: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        self.call(move || self.inner.check(key_id), |error| Err(error.clone()), |_, result| result)
    }
}

impl<P: MasterKeyProvider> MasterKeyProvider for Faulty<P> {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.call(move || self.inner.unwrap_key(request), |error| Err(error.clone()), change_key)
    }

    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
        self.call(
            move || self.inner.unwrap_keys(requests),
            |error| requests.iter().map(|_| Err(error.clone())).collect(),
            |fault, results| change_batch(fault, results, change_key),
        )
    }
}
