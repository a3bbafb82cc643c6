use std::time::Duration;

use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind, ProviderFuture, UnwrapRequest,
    WrapKind, WrapRequest,
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

type Reply<'a, T> = ProviderFuture<'a, Result<T, ProviderError>>;
type Replies<'a, T> = ProviderFuture<'a, Vec<Result<T, ProviderError>>>;

/// Gives each call of a provider a deadline, and retries transient errors, except those of a batch.
#[derive(Debug)]
pub struct Patient<P> {
    pub inner: P,
    pub attempts: u32,
    /// For one attempt.
    pub deadline: Duration,
    /// For all attempts and the waits between them.
    pub total: Duration,
    /// How many rows the inner provider sends in one request; 1 if it has no batches of its own.
    pub batch: usize,
    /// How long to wait after attempt 1, 2, and so on. Jitter belongs here.
    pub wait: fn(u32) -> Duration,
}

impl<P> Patient<P> {
    async fn ask<'a, T>(&self, request: impl Fn() -> Reply<'a, T>) -> Result<T, ProviderError> {
        let end = Instant::now() + self.total;
        let mut attempt = 1;
        loop {
            let deadline = end.min(Instant::now() + self.deadline);
            let error = match timeout_at(deadline, request()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => error,
                Err(elapsed) => ProviderError::new(ProviderErrorKind::Unavailable, elapsed),
            };
            let wait = (self.wait)(attempt).max(error.retry_after().unwrap_or_default());
            let too_long = wait >= end.saturating_duration_since(Instant::now());
            if !error.is_transient() || attempt >= self.attempts || too_long {
                return Err(error);
            }
            sleep(wait).await;
            attempt += 1;
        }
    }

    /// Asks for all rows once, and waits `total` for each request to the service.
    async fn ask_once<'a, T>(
        &self,
        rows: usize,
        request: impl FnOnce() -> Replies<'a, T>,
    ) -> Vec<Result<T, ProviderError>> {
        let requests = u32::try_from(rows.div_ceil(self.batch.max(1))).unwrap_or(u32::MAX);
        timeout(self.total.saturating_mul(requests), request()).await.unwrap_or_else(|elapsed| {
            let error = ProviderError::new(ProviderErrorKind::Unavailable, elapsed);
            (0..rows).map(|_| Err(error.clone())).collect()
        })
    }
}

impl<P: KeyWrapper> KeyWrapper for Patient<P> {
    fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> Reply<'a, Vec<u8>> {
        ProviderFuture::boxed(self.ask(move || self.inner.wrap_key(request)))
    }

    fn wrap_keys<'a>(&'a self, requests: &'a [WrapRequest<'a>]) -> Replies<'a, Vec<u8>> {
        ProviderFuture::boxed(self.ask_once(requests.len(), move || self.inner.wrap_keys(requests)))
    }

    fn check<'a>(&'a self, key_id: &'a KeyId) -> Reply<'a, ()> {
        ProviderFuture::boxed(self.ask(move || self.inner.check(key_id)))
    }

    fn kind(&self) -> WrapKind {
        self.inner.kind()
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.inner.is_current(body)
    }
}

impl<P: MasterKeyProvider> MasterKeyProvider for Patient<P> {
    fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> Reply<'a, DataKey> {
        ProviderFuture::boxed(self.ask(move || self.inner.unwrap_key(request)))
    }

    fn unwrap_keys<'a>(&'a self, requests: &'a [UnwrapRequest<'a>]) -> Replies<'a, DataKey> {
        ProviderFuture::boxed(self.ask_once(requests.len(), move || self.inner.unwrap_keys(requests)))
    }
}
