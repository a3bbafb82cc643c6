use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sealwax::{
    DataKey, KeyWrapper, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest, WrapKind, WrapRequest,
};
use tokio::time::Instant;

type Reply<'a, T> = ProviderFuture<'a, Result<T, ProviderError>>;

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
        call: impl FnOnce(&'a P) -> Reply<'a, T>,
    ) -> Reply<'a, T> {
        let start = Instant::now();
        call(&self.inner).map(move |result| {
            let outcome = result.as_ref().map_or_else(ProviderError::name, |_| "ok");
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
        self.measured("wrap", move |inner| inner.wrap_key(request))
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
        self.measured("unwrap", move |inner| inner.unwrap_key(request))
    }
}
