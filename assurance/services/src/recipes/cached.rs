use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealwax::{
    DataKey, KeyWrapper, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest, WrapKind, WrapRequest,
};
use tokio::time::Instant;

type Reply<'a, T> = ProviderFuture<'a, Result<T, ProviderError>>;

type Kept = VecDeque<([u8; 32], Instant, DataKey)>;

/// Keeps unwrapped data keys for a while, and then wipes them.
#[derive(Debug)]
pub struct Cached<P> {
    inner: P,
    max_age: Duration,
    max_entries: usize,
    kept: Mutex<Kept>, // The oldest is in front.
}

impl<P> Cached<P> {
    /// Creates an empty cache around a provider.
    pub const fn new(inner: P, max_age: Duration, max_entries: usize) -> Self {
        Self { inner, max_age, max_entries, kept: Mutex::new(VecDeque::new()) }
    }

    /// Wipes all keys, for instance when the key at the service was disabled.
    pub fn clear(&self) {
        self.young().clear();
    }

    /// Wipes the keys that are too old, as each use does, and returns how many are left.
    pub fn sweep(&self) -> usize {
        self.young().len()
    }

    fn young(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.front().is_some_and(|(_, since, _)| since.elapsed() >= self.max_age) {
            kept.pop_front();
        }
        kept
    }
}

impl<P: KeyWrapper> KeyWrapper for Cached<P> {
    fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> Reply<'a, Vec<u8>> {
        self.inner.wrap_key(request)
    }

    fn kind(&self) -> WrapKind {
        self.inner.kind()
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.inner.is_current(body)
    }
}

impl<P: MasterKeyProvider> MasterKeyProvider for Cached<P> {
    fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> Reply<'a, DataKey> {
        let id = request.cache_key();
        if let Some((.., key)) = self.young().iter().find(|(kept, ..)| *kept == id) {
            return ProviderFuture::ready(Ok(key.duplicate()));
        }
        self.inner.unwrap_key(request).map(move |unwrapped| {
            if let Ok(key) = &unwrapped {
                let mut kept = self.young();
                if kept.len() >= self.max_entries {
                    kept.pop_front();
                }
                kept.push_back((id, Instant::now(), key.duplicate()));
            }
            unwrapped
        })
    }
}
