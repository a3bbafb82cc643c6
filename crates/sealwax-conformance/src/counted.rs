//! A provider that counts the calls of another one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest,
    WrapKind, WrapRequest,
};

/// Counts the calls of a provider, and forwards them unchanged.
///
/// A call counts when its future is polled first, or at once if it is ready: what is dropped unpolled does not count.
///
/// ```
/// use std::sync::Arc;
///
/// use sealwax::{EncryptionContext, Keyring, MasterKey};
/// use sealwax_conformance::Counted;
///
/// let key = Arc::new(Counted::new(MasterKey::generate()?));
/// let keyring = Keyring::new("prod-2026".parse()?, Arc::clone(&key))?;
/// keyring.seal(&"s3cret".into(), &EncryptionContext::empty())?;
/// assert_eq!((key.counts().wraps, key.counts().unwraps), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Counted<P> {
    inner: P,
    counts: Mutex<Counts>,
}

/// How often the methods of a provider were called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls of `wrap_key`.
    pub wraps: usize,
    /// Calls of `unwrap_key`.
    pub unwraps: usize,
    /// Calls of `wrap_keys`.
    pub wrap_batches: usize,
    /// Calls of `unwrap_keys`.
    pub unwrap_batches: usize,
    /// Data keys that were passed to `wrap_keys`, in all batches.
    pub wraps_in_batches: usize,
    /// Bodies that were passed to `unwrap_keys`, in all batches.
    pub unwraps_in_batches: usize,
    /// Calls of `check`.
    pub checks: usize,
}

impl<P> Counted<P> {
    /// Creates a counter around a provider.
    pub const fn new(inner: P) -> Self {
        let counts = Counts {
            wraps: 0,
            unwraps: 0,
            wrap_batches: 0,
            unwrap_batches: 0,
            wraps_in_batches: 0,
            unwraps_in_batches: 0,
            checks: 0,
        };
        Self { inner, counts: Mutex::new(counts) }
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.lock()
    }

    /// Returns the provider.
    pub const fn inner(&self) -> &P {
        &self.inner
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call once it has started.
    fn count<'a, T: Send + 'a>(
        &'a self,
        call: ProviderFuture<'a, T>,
        count: impl FnOnce(&mut Counts) + Send + 'a,
    ) -> ProviderFuture<'a, T>
    where
        P: Sync,
    {
        match call.into_ready() {
            Ok(value) => {
                count(&mut self.lock());
                ProviderFuture::ready(value)
            }
            Err(call) => ProviderFuture::boxed(async move {
                count(&mut self.lock());
                call.await
            }),
        }
    }
}

/// Adds to a count, which no test brings to its limit.
fn add(count: &mut usize, more: usize) {
    *count = count.saturating_add(more);
}

impl<P: KeyWrapper> KeyWrapper for Counted<P> {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.count(self.inner.wrap_key(request), |counts| add(&mut counts.wraps, 1))
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
        self.count(self.inner.wrap_keys(requests), |counts| {
            add(&mut counts.wrap_batches, 1);
            add(&mut counts.wraps_in_batches, requests.len());
        })
    }

    fn check<'a>(&'a self, key_id: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        self.count(self.inner.check(key_id), |counts| add(&mut counts.checks, 1))
    }
}

impl<P: MasterKeyProvider> MasterKeyProvider for Counted<P> {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.count(self.inner.unwrap_key(request), |counts| add(&mut counts.unwraps, 1))
    }

    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
        self.count(self.inner.unwrap_keys(requests), |counts| {
            add(&mut counts.unwrap_batches, 1);
            add(&mut counts.unwraps_in_batches, requests.len());
        })
    }
}
