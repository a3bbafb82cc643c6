use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest, WrapKind, WrapRequest,
};
use tokio::time::Instant;

type Reply<'a, T> = ProviderFuture<'a, Result<T, ProviderError>>;
type Replies<'a, T> = ProviderFuture<'a, Vec<Result<T, ProviderError>>>;

/// Keeps unwrapped data keys for a while, and then wipes them.
#[derive(Debug)]
pub struct Cached<P> {
    inner: P,
    max_age: Duration,
    max_entries: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    keys: VecDeque<([u8; 32], Instant, DataKey)>, // In the order of the replies.
    clears: u64,
}

impl<P> Cached<P> {
    /// Creates an empty cache around a provider.
    pub const fn new(inner: P, max_age: Duration, max_entries: usize) -> Self {
        let kept = Mutex::new(Kept { keys: VecDeque::new(), clears: 0 });
        Self { inner, max_age, max_entries, kept }
    }

    /// Wipes all keys, for instance when the key at the service was disabled.
    pub fn clear(&self) {
        let mut kept = self.young();
        kept.keys.clear();
        kept.clears += 1;
    }

    /// Wipes the keys that are too old, as each use does, and returns how many are left.
    pub fn sweep(&self) -> usize {
        self.young().keys.len()
    }

    fn young(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.keys.retain(|(_, since, _)| since.elapsed() < self.max_age);
        kept
    }
}

impl<P: MasterKeyProvider> MasterKeyProvider for Cached<P> {
    fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> Reply<'a, DataKey> {
        let id = request.cache_key();
        let kept = self.young();
        if let Some((.., key)) = kept.keys.iter().find(|(kept, ..)| *kept == id) {
            return ProviderFuture::ready(Ok(key.duplicate()));
        }
        let clears = kept.clears;
        drop(kept);
        // The key may be disabled at the service right after this request reaches it.
        let since = Instant::now();
        self.inner.unwrap_key(request).map(move |unwrapped| {
            if let Ok(key) = &unwrapped {
                let mut kept = self.young();
                // Otherwise this reply is to a request from before a `clear`.
                if kept.clears == clears {
                    kept.keys.push_back((id, since, key.duplicate()));
                }
                if kept.keys.len() > self.max_entries {
                    kept.keys.pop_front();
                }
            }
            unwrapped
        })
    }

    // A rotation unwraps each row once, and would only push out what is used again.
    fn unwrap_keys<'a>(&'a self, requests: &'a [UnwrapRequest<'a>]) -> Replies<'a, DataKey> {
        self.inner.unwrap_keys(requests)
    }
}

impl<P: KeyWrapper> KeyWrapper for Cached<P> {
    fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> Reply<'a, Vec<u8>> {
        self.inner.wrap_key(request)
    }

    fn wrap_keys<'a>(&'a self, requests: &'a [WrapRequest<'a>]) -> Replies<'a, Vec<u8>> {
        self.inner.wrap_keys(requests)
    }

    fn check<'a>(&'a self, key_id: &'a KeyId) -> Reply<'a, ()> {
        self.inner.check(key_id)
    }

    fn kind(&self) -> WrapKind {
        self.inner.kind()
    }

    fn is_current(&self, body: &[u8]) -> bool {
        self.inner.is_current(body)
    }
}
