//! Opening rows: the keys of branches, and when the service is asked about them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sealwax::companion::IntermediateKey;
use sealwax::{DataKey, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest};

use super::{BranchKeys, WhenAway};
use crate::body::BranchBody;
use crate::error::{BodyError, one_each};
use crate::known::Found;

type Answer = Result<Arc<IntermediateKey>, ProviderError>;

/// The keys of branches. `outer` is what the provider is asked: to unwrap W as the body of a row whose commitment is
/// branch_id.
impl<P: MasterKeyProvider> BranchKeys<P> {
    /// Returns the key of a branch if nobody has to ask the service about it.
    pub(super) fn key_now(&self, outer: UnwrapRequest<'_>) -> Option<Arc<IntermediateKey>> {
        // The caller's clock must not be called under the lock.
        let now = self.now();
        match self.known().find(outer, now) {
            Found::Fresh(key) => Some(key),
            Found::Due(_) | Found::Unknown => None,
        }
    }

    pub(super) async fn key(&self, outer: UnwrapRequest<'_>) -> Answer {
        let now = self.now();
        match self.find_and_postpone(outer, now) {
            Found::Fresh(key) => Ok(key),
            Found::Due(key) => self.ask_again(outer, key, now).await,
            Found::Unknown => {
                let patience = self.known().patience();
                self.opening.share(&outer.cache_key(), now, patience, self.ask_first(outer)).await
            }
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

    async fn ask_first(&self, outer: UnwrapRequest<'_>) -> Answer {
        let (asked, epoch) = (self.now(), self.known().keys_epoch);
        // Another call may have returned since this one looked.
        if let Found::Fresh(key) | Found::Due(key) = self.known().find(outer, asked) {
            return Ok(key);
        }
        let key = self.ask(outer).await?;
        self.keep(outer, &key, asked, epoch);
        Ok(key)
    }

    /// Keeps a key, unless the branches were forgotten since the service was asked.
    fn keep(
        &self,
        outer: UnwrapRequest<'_>,
        key: &Arc<IntermediateKey>,
        asked: Duration,
        epoch: u64,
    ) {
        let now = self.now();
        let mut known = self.known();
        if known.keys_epoch == epoch {
            known.keep(outer, Arc::clone(key), asked, now);
        }
    }

    async fn ask_again(
        &self,
        outer: UnwrapRequest<'_>,
        key: Arc<IntermediateKey>,
        asked: Duration,
    ) -> Answer {
        let answer = self.ask(outer).await;
        self.weigh(outer, key, asked, answer)
    }

    /// Returns the key of a branch that was due, unless the answer of the service, asked at this time, ends it.
    fn weigh(
        &self,
        outer: UnwrapRequest<'_>,
        key: Arc<IntermediateKey>,
        asked: Duration,
        answer: Answer,
    ) -> Answer {
        // The service may have taken its time.
        let now = self.now();
        match answer {
            Ok(_) => {
                self.known().confirm(outer, asked, now);
                Ok(key)
            }
            Err(error) if error.is_transient() && self.when_away == WhenAway::KeepUntilMaxAge => {
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
    async fn ask(&self, outer: UnwrapRequest<'_>) -> Answer {
        compared(outer, self.provider.unwrap_key(outer).await)
    }

    /// Returns the key of each branch, by [`UnwrapRequest::cache_key`]. The provider is asked about all those that are
    /// due or not known at once.
    async fn keys(
        &self,
        all: impl Iterator<Item = UnwrapRequest<'_>>,
    ) -> HashMap<[u8; 32], Answer> {
        let distinct: HashMap<_, _> = all.map(|outer| (outer.cache_key(), outer)).collect();
        let (asked, epoch) = (self.now(), self.known().keys_epoch);
        let (mut keys, mut asking) = (HashMap::with_capacity(distinct.len()), Vec::new());
        for (name, outer) in distinct {
            match self.find_and_postpone(outer, asked) {
                Found::Fresh(key) => drop(keys.insert(name, Ok(key))),
                Found::Due(key) => asking.push((outer, Some(key))),
                Found::Unknown => asking.push((outer, None)),
            }
        }
        if asking.is_empty() {
            return keys;
        }
        let requests: Vec<_> = asking.iter().map(|(outer, _)| *outer).collect();
        let answers = one_each(requests.len(), self.provider.unwrap_keys(&requests).await);
        for ((outer, due), answer) in asking.into_iter().zip(answers) {
            let answer = compared(outer, answer);
            let answer = match due {
                Some(key) => self.weigh(outer, key, asked, answer),
                None => answer.inspect(|key| self.keep(outer, key, asked, epoch)),
            };
            keys.insert(outer.cache_key(), answer);
        }
        keys
    }
}

/// Takes what the provider unwrapped, if it is the branch key of this name.
fn compared(outer: UnwrapRequest<'_>, unwrapped: Result<DataKey, ProviderError>) -> Answer {
    let key = IntermediateKey::new(&unwrapped?);
    if !key.is_branch(outer.commitment()) {
        return Err(BodyError::OtherKey.into());
    }
    Ok(Arc::new(key))
}

/// What the provider is asked to unwrap, and what the branch key unwraps.
fn split<'a>(
    request: &UnwrapRequest<'a>,
) -> Result<(UnwrapRequest<'a>, UnwrapRequest<'a>), BodyError> {
    let BranchBody { id, inner } = BranchBody::parse(request.body())?;
    let (key_id, suite) = (request.key_id(), request.suite());
    let outer = UnwrapRequest::new(key_id, suite, id, inner.wrap);
    Ok((outer, UnwrapRequest::new(key_id, suite, request.commitment(), inner.local)))
}

impl<P: MasterKeyProvider> MasterKeyProvider for BranchKeys<P> {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let (outer, local) = match split(&request) {
            Ok(parts) => parts,
            Err(error) => return ProviderFuture::ready(Err(error.into())),
        };
        match self.key_now(outer) {
            Some(key) => ProviderFuture::ready(key.unwrap(local)),
            None => ProviderFuture::boxed(async move { self.key(outer).await?.unwrap(local) }),
        }
    }

    /// Asks the provider about all branches that are due or not known in one batch.
    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
        ProviderFuture::boxed(async move {
            let parts: Vec<_> = requests.iter().map(split).collect();
            let keys = self.keys(parts.iter().flatten().map(|(outer, _)| *outer)).await;
            let unwrapped = parts.into_iter().map(|parts| {
                let (outer, local) = parts?;
                // Each request that was parsed has an answer.
                let answer = keys.get(&outer.cache_key()).ok_or(BodyError::Malformed)?;
                answer.clone()?.unwrap(local)
            });
            unwrapped.collect()
        })
    }
}
