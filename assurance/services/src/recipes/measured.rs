use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest, WrapKind, WrapRequest,
};
use tokio::time::Instant;

type Reply<'a, T> = ProviderFuture<'a, Result<T, ProviderError>>;
type Replies<'a, T> = ProviderFuture<'a, Vec<Result<T, ProviderError>>>;

/// The number of calls and their total time, by operation and outcome.
pub type Figures = BTreeMap<(&'static str, &'static str), (u64, Duration)>;

/// Counts and times the calls to a provider, for your metrics endpoint.
#[derive(Debug)]
pub struct Measured<P> {
    pub inner: P,
    pub figures: Arc<Mutex<Figures>>,
}

impl<P: KeyWrapper> Measured<P> {
    fn measured<'a, T: 'a>(
        &'a self,
        operation: &'static str,
        call: impl FnOnce(&'a P) -> ProviderFuture<'a, T>,
        error: impl FnOnce(&T) -> Option<&ProviderError> + Send + 'a,
    ) -> ProviderFuture<'a, T> {
        let start = Instant::now();
        call(&self.inner).map(move |result| {
            let outcome = error(&result).map_or("ok", ProviderError::name);
            let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
            let (calls, time) = figures.entry((operation, outcome)).or_default();
            *calls += 1;
            *time += start.elapsed();
            result
        })
    }
}

impl<P: KeyWrapper> KeyWrapper for Measured<P> {
    fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> Reply<'a, Vec<u8>> {
        self.measured("wrap", move |inner| inner.wrap_key(request), |result| result.as_ref().err())
    }

    fn wrap_keys<'a>(&'a self, requests: &'a [WrapRequest<'a>]) -> Replies<'a, Vec<u8>> {
        self.measured("wrap_batch", move |inner| inner.wrap_keys(requests), |results| first_error(results))
    }

    fn check<'a>(&'a self, key_id: &'a KeyId) -> Reply<'a, ()> {
        self.measured("check", move |inner| inner.check(key_id), |result| result.as_ref().err())
    }

    fn kind(&self) -> WrapKind {
        self.inner.kind()
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.inner.is_current(body)
    }
}

impl<P: MasterKeyProvider> MasterKeyProvider for Measured<P> {
    fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> Reply<'a, DataKey> {
        self.measured("unwrap", move |inner| inner.unwrap_key(request), |result| result.as_ref().err())
    }

    fn unwrap_keys<'a>(&'a self, requests: &'a [UnwrapRequest<'a>]) -> Replies<'a, DataKey> {
        self.measured("unwrap_batch", move |inner| inner.unwrap_keys(requests), |results| first_error(results))
    }
}

fn first_error<T>(results: &[Result<T, ProviderError>]) -> Option<&ProviderError> {
    results.iter().find_map(|result| result.as_ref().err())
}
