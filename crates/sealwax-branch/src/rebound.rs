//! A binding for services that bind nothing.

use sealwax::companion::IntermediateKey;
use sealwax::{
    DataKey, KeyError, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderFuture,
    UnwrapRequest, WrapKind, WrapRequest,
};

use crate::body::ReboundBody;
use crate::error::{BodyError, one_each};

/// A provider that binds each wrap to its row, around a service that binds nothing, such as AES-KW (RFC 3394).
///
/// Each wrap has a fresh key, which the service wraps, and which wraps the data key, bound to the row. Without it,
/// anyone who knows one data key and its wrap can write every row.
///
/// **The service's key must authenticate what it wraps** (AES-KW, AES-KWP, AES-GCM; not RSA, whose public key anyone
/// may have), **and must never have wrapped anything except the keys of `Rebound`**: a data key that it once wrapped
/// passes for a fresh key, and anyone who knows that data key can write every row. The crate cannot see either. A
/// provider that binds [`associated_data`](WrapRequest::associated_data) needs no `Rebound`; around one it works, and
/// other programs can then open the rows only if they bind the same.
///
/// A wrap or unwrap is one request, as it is without `Rebound`, and a batch is one batch. Call the async methods of the
/// keyring, even if the service is in memory.
#[derive(Clone, Debug)]
pub struct Rebound<P> {
    service: P,
}

impl<P> Rebound<P> {
    /// Puts fresh keys in front of a service that binds nothing.
    pub const fn new(service: P) -> Self {
        Self { service }
    }

    /// Returns the provider inside.
    pub const fn service(&self) -> &P {
        &self.service
    }
}

/// Wraps a data key under a fresh key, of which the service made `wrap`.
fn bound(fresh: &DataKey, wrap: &[u8], request: WrapRequest<'_>) -> Result<Vec<u8>, ProviderError> {
    let local = IntermediateKey::new(fresh).wrap(request);
    Ok(ReboundBody { wrap, local: &local }.encode()?)
}

/// What the service is asked to unwrap, and what its answer unwraps.
fn split<'a>(
    request: &UnwrapRequest<'a>,
) -> Result<(UnwrapRequest<'a>, UnwrapRequest<'a>), ProviderError> {
    let ReboundBody { wrap, local } = ReboundBody::parse(request.body())?;
    let with =
        |body| UnwrapRequest::new(request.key_id(), request.suite(), request.commitment(), body);
    Ok((with(wrap), with(local)))
}

impl<P: MasterKeyProvider> KeyWrapper for Rebound<P> {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move {
            let fresh = DataKey::generate()?;
            let (key_id, suite) = (request.key_id(), request.suite());
            let outer = WrapRequest::new(key_id, suite, request.commitment(), &fresh);
            let wrap = self.service.wrap_key(outer).await?;
            bound(&fresh, &wrap, request)
        })
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Rebound
    }

    /// Returns whether the service would make an equivalent wrap of the fresh key today.
    fn is_current(&self, body: &[u8]) -> bool {
        ReboundBody::parse(body).is_ok_and(|body| self.service.is_current(body.wrap))
    }

    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
        ProviderFuture::boxed(async move {
            let drawn: Result<Vec<DataKey>, KeyError> =
                requests.iter().map(|_| DataKey::generate()).collect();
            let fresh = match drawn {
                Ok(fresh) => fresh,
                Err(error) => return requests.iter().map(|_| Err(error.into())).collect(),
            };
            let pairs = || requests.iter().zip(&fresh);
            let outer = |(request, fresh): (&WrapRequest<'a>, _)| {
                WrapRequest::new(request.key_id(), request.suite(), request.commitment(), fresh)
            };
            let outer: Vec<_> = pairs().map(outer).collect();
            let wraps = one_each(requests.len(), self.service.wrap_keys(&outer).await);
            let wrapped = pairs().zip(wraps);
            wrapped.map(|((request, fresh), wrap)| bound(fresh, &wrap?, *request)).collect()
        })
    }

    fn check<'a>(&'a self, key_id: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        self.service.check(key_id)
    }
}

impl<P: MasterKeyProvider> MasterKeyProvider for Rebound<P> {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        // Boxed, as in `wrap_key`, so that the synchronous methods of a keyring work for both or for neither.
        ProviderFuture::boxed(async move {
            let (outer, local) = split(&request)?;
            IntermediateKey::new(&self.service.unwrap_key(outer).await?).unwrap(local)
        })
    }

    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
        ProviderFuture::boxed(async move {
            let parts: Vec<_> = requests.iter().map(split).collect();
            let outer: Vec<_> = parts.iter().flatten().map(|(outer, _)| *outer).collect();
            let fresh = match outer.len() {
                0 => Vec::new(),
                asked => one_each(asked, self.service.unwrap_keys(&outer).await),
            };
            // Puts the bodies that were refused here back between the others.
            let mut fresh = fresh.into_iter();
            let unwrapped = parts.into_iter().map(|parts| {
                let (_, local) = parts?;
                let fresh = fresh.next().ok_or(BodyError::Malformed)??;
                IntermediateKey::new(&fresh).unwrap(local)
            });
            unwrapped.collect()
        })
    }
}
