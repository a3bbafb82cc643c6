//! Sealing rows: the branches that they go to.

use std::sync::Arc;

use sealwax::companion::IntermediateKey;
use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest,
    WrapKind, WrapRequest,
};

use super::BranchKeys;
use crate::body::{BranchBody, ReboundBody};
use crate::known::{Head, Served};

/// The branches that new rows go to. They are opened like any other branch, so a new one is unwrapped at the service, and
/// compared, before the first row.
impl<P: MasterKeyProvider> BranchKeys<P> {
    /// Returns the branch that the next row goes to, if it takes rows and the provider would make its wrap today.
    fn maker(&self, served: &Served) -> Option<Arc<Head>> {
        // The clock and the provider must not be called under the lock.
        let now = self.now();
        let head = self.known().maker(served, now);
        head.filter(|head| self.provider.is_current(&head.wrap))
    }

    fn wrap_now(&self, request: WrapRequest<'_>) -> Option<Result<Vec<u8>, ProviderError>> {
        let served = (request.key_id().clone(), request.suite());
        let head = self.maker(&served)?;
        let key = self.key_now(head.outer(&request))?;
        self.known().take_place(&served, &head).then(|| head.body(&key, request))
    }

    async fn wrap_later(&self, request: WrapRequest<'_>) -> Result<Vec<u8>, ProviderError> {
        let served = (request.key_id().clone(), request.suite());
        let head = self.place(&served).await?;
        match self.key(head.outer(&request)).await {
            Ok(key) => head.body(&key, request),
            Err(error) => {
                let mut known = self.known();
                if error.is_transient() {
                    known.give_place_back(&served, &head);
                } else {
                    known.close(&served, &head);
                }
                Err(error)
            }
        }
    }

    /// Takes a row's place in a branch, which is a new one if need be.
    ///
    /// The place is taken before anybody waits for the key. With a maximum age that is shorter than a request, seals
    /// would otherwise replace each other's branches before a row is there, without an end.
    async fn place(&self, served: &Served) -> Result<Arc<Head>, ProviderError> {
        loop {
            let head = match self.maker(served) {
                Some(head) => head,
                None => {
                    let (now, patience) = (self.now(), self.known().patience());
                    self.making.share(served, now, patience, self.make(served)).await?
                }
            };
            // Others may have filled it, or somebody may have renewed it, while this waited.
            if self.known().take_place(served, &head) {
                return Ok(head);
            }
        }
    }

    async fn make(&self, served: &Served) -> Result<Arc<Head>, ProviderError> {
        // Another call may have returned since this one looked.
        if let Some(head) = self.maker(served) {
            return Ok(head);
        }
        let (asked, epoch) = (self.now(), self.known().makers_epoch);
        let key = DataKey::generate()?;
        let (key_id, suite) = served;
        let id = IntermediateKey::new(&key).branch_id();
        let wrap = self.provider.wrap_key(WrapRequest::new(key_id, *suite, &id, &key)).await?;
        let head = Arc::new(Head { id, wrap });
        let mut known = self.known();
        if known.makers_epoch == epoch {
            known.make(served.clone(), Arc::clone(&head), self.rows, asked);
        }
        Ok(head)
    }
}

impl Head {
    fn outer<'a>(&'a self, request: &WrapRequest<'a>) -> UnwrapRequest<'a> {
        UnwrapRequest::new(request.key_id(), request.suite(), &self.id, &self.wrap)
    }

    fn body(
        &self,
        key: &IntermediateKey,
        request: WrapRequest<'_>,
    ) -> Result<Vec<u8>, ProviderError> {
        let inner = ReboundBody { wrap: &self.wrap, local: &key.wrap(request) };
        Ok(BranchBody { id: &self.id, inner }.encode()?)
    }
}

impl<P: MasterKeyProvider> KeyWrapper for BranchKeys<P> {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        match self.wrap_now(request) {
            Some(wrapped) => ProviderFuture::ready(wrapped),
            None => ProviderFuture::boxed(self.wrap_later(request)),
        }
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Branch
    }

    /// Returns whether the provider would make an equivalent wrap of the branch key today.
    fn is_current(&self, body: &[u8]) -> bool {
        BranchBody::parse(body).is_ok_and(|body| self.provider.is_current(body.inner.wrap))
    }

    /// One after the other. If the provider is away, it is asked no more for the others.
    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
        ProviderFuture::boxed(async move {
            let (mut wrapped, mut away) = (Vec::with_capacity(requests.len()), None);
            for request in requests {
                let result = match &away {
                    None => self.wrap_key(*request).await,
                    Some(error) => Err(ProviderError::clone(error)),
                };
                away = result.as_ref().err().filter(|error| error.is_transient()).cloned();
                wrapped.push(result);
            }
            wrapped
        })
    }

    fn check<'a>(&'a self, key_id: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        self.provider.check(key_id)
    }
}
