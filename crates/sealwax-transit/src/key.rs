//! The provider itself.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use http::{HeaderValue, Method, Request, Response, Uri, header};
use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind,
    ProviderFuture, UnwrapRequest, WrapRequest,
};

use crate::error::TransitError;
use crate::location::KeyLocation;
use crate::token::Token;
use crate::transport::{Body, Transport};
use crate::version::{Creation, KeyVersions, Versions};
use crate::wire::{self, KeyData, MAX_BATCH, Operation, version_of};

/// A key in the Transit engine of OpenBao or HashiCorp Vault.
///
/// Keep one behind an `Arc`: give a clone to the keyring, and call [`refresh`](Self::refresh) on the other.
///
/// - **One request for each wrap or unwrap**, bound to the row by `associated_data`. A rewrap of many rows
///   ([`wrap_keys`](KeyWrapper::wrap_keys), [`unwrap_keys`](MasterKeyProvider::unwrap_keys)) sends 249 rows in a
///   request, one request after the other.
/// - **A service that is away is not asked again**: if a whole request of such a batch fails (no reply, a status other
///   than 200, 207 or 400, a reply that cannot be read), the rows of the following requests get the same error. If the
///   service refuses one row, only that row has an error.
/// - **It does not wait, retry or log in**, although the pool of an HTTP client may send a request again that it had not
///   written when it found the connection closed. The transport sets the deadline, the page
///   [recipes](sealwax::docs::recipes) has retries, and you replace an expired [`Token`].
///
/// The bodies of the wraps are Transit's own text, such as `vault:v3:…`, so that any client of Transit can unwrap them
/// with the associated data.
pub struct TransitKey<T> {
    transport: T,
    token: Token,
    location: KeyLocation,
    /// 0 before a version was seen.
    latest: AtomicU32,
    creation: Creation,
}

impl<T: Transport> TransitKey<T> {
    /// Reads the key at the service, and returns a provider for it.
    ///
    /// This is the first guard against a key that a typing error creates: Transit makes a new key when it is asked to
    /// encrypt under an unknown name. The token's policy needs `read` on `transit/keys/NAME`.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if the key does not exist, `Disabled` if it is soft-deleted, and `Other` with
    /// [`TransitError::UnsuitableKey`] if its type is not `aes128-gcm96`, `aes256-gcm96`, `chacha20-poly1305` or
    /// `xchacha20-poly1305`, or if it is derived. The other errors are those of every request.
    pub async fn connect(
        transport: T,
        location: KeyLocation,
        token: Token,
    ) -> Result<Self, ProviderError> {
        let key = Self::unchecked(transport, location, token);
        key.refresh().await?;
        Ok(key)
    }

    /// Returns a provider for a key that the service is not asked about.
    ///
    /// For a process that must start while the service is away, or may not read the key. If the key does not exist, and
    /// the token's policy has `create`, the first wrap creates it. Until the first wrap or [`refresh`](Self::refresh),
    /// every body is current.
    #[must_use]
    pub fn unchecked(transport: T, location: KeyLocation, token: Token) -> Self {
        let (latest, creation) = (AtomicU32::new(0), Creation::default());
        Self { transport, token, location, latest, creation }
    }

    /// Asks the service which versions the key has.
    ///
    /// **Call it before every rewrap.** `is_current` compares a body with the highest version that this process has
    /// seen. A process that only opens never learns of a rotation, and then takes every row for current.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`connect`](Self::connect). If the version is lower than one that was seen before, the
    /// error is `WrongKeyMaterial`, with [`TransitError::VersionWentBack`] as its source; if the latest version of the
    /// last refresh has another creation time now, with [`TransitError::KeyReplaced`]. A process that starts afterwards
    /// cannot see either, and nobody can see a key that was replaced within the second of its creation.
    pub async fn refresh(&self) -> Result<KeyVersions, ProviderError> {
        let versions = Versions::now(&self.latest);
        let response = self.ask(Method::GET, &self.location.keys, Body::new()).await?;
        let (key, _) = wire::read_data::<KeyData<'_>>(&response)?;
        suitable(&key)?;
        self.creation.note(key.latest_version, |version| key.created(version))?;
        versions.raise(key.latest_version)?;
        Ok(KeyVersions { latest: key.latest_version, min_decryption: key.min_decryption_version })
    }

    async fn ask(
        &self,
        method: Method,
        uri: &Uri,
        body: Body,
    ) -> Result<Response<Body>, TransitError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert("x-vault-token", self.token.header());
        // Servers can be set to refuse requests without it, so that no browser is tricked into one.
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(namespace) = &self.location.namespace {
            headers.insert("x-vault-namespace", namespace.clone());
        }
        let sent = self.transport.send(request).await;
        let mut response = sent.map_err(|source| TransitError::Transport { source })?;
        // For the error, if it is one.
        response.extensions_mut().insert(uri.clone());
        Ok(response)
    }

    async fn one<O: Operation>(&self, uri: &Uri, operation: O) -> Result<O::Output, ProviderError> {
        operation.check()?;
        let json =
            wire::write_one(operation).map_err(|source| TransitError::Transport { source })?;
        let versions = Versions::now(&self.latest);
        let response = self.ask(Method::POST, uri, json).await?;
        Ok(wire::read_one::<O>(&response, &versions)?)
    }

    async fn many<O: Operation>(
        &self,
        uri: &Uri,
        operations: &[O],
    ) -> Vec<Result<O::Output, ProviderError>> {
        let asked: Vec<O> = operations.iter().copied().filter(|one| one.check().is_ok()).collect();
        let mut replies = Vec::with_capacity(asked.len());
        let mut away: Option<ProviderError> = None;
        for chunk in asked.chunks(MAX_BATCH) {
            let reply = match away.take() {
                Some(error) => Err(error),
                None => self.batch(uri, chunk).await.map_err(ProviderError::from),
            };
            match reply {
                Ok(results) => {
                    replies.extend(results.into_iter().map(|one| one.map_err(ProviderError::from)))
                }
                Err(error) => {
                    replies.extend(chunk.iter().map(|_| Err(error.clone())));
                    away = Some(error);
                }
            }
        }
        // Puts the operations that were refused here back between the others.
        let mut replies = replies.into_iter();
        let result = |one: &O| match one.check() {
            Ok(()) => replies.next().unwrap_or_else(|| Err(ProviderErrorKind::Other.into())),
            Err(error) => Err(error.into()),
        };
        operations.iter().map(result).collect()
    }

    async fn batch<O: Operation>(
        &self,
        uri: &Uri,
        items: &[O],
    ) -> Result<Vec<Result<O::Output, TransitError>>, TransitError> {
        let json = wire::write_batch(items).map_err(|source| TransitError::Transport { source })?;
        let versions = Versions::now(&self.latest);
        let response = self.ask(Method::POST, uri, json).await?;
        wire::read_batch::<O>(&response, items.len(), &versions)
    }
}

fn suitable(key: &KeyData<'_>) -> Result<(), TransitError> {
    const CIPHERS: [&str; 4] =
        ["aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"];
    if key.soft_deleted {
        return Err(TransitError::SoftDeleted);
    }
    if !CIPHERS.contains(&key.cipher) {
        return Err(TransitError::UnsuitableKey { reason: "its type takes no associated data" });
    }
    // This includes convergent ones, under which the same data key always has the same wrap.
    if key.derived {
        return Err(TransitError::UnsuitableKey { reason: "it is derived, and needs a context" });
    }
    Ok(())
}

impl<T: Transport> KeyWrapper for TransitKey<T> {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(self.one(&self.location.encrypt, request))
    }

    /// Returns whether the body has the highest version that this process has seen, or a higher one.
    ///
    /// "Or higher", so that two processes do not undo each other's rewraps. A body with a version that the key never
    /// had is current too: compare [`version_of`] with what [`refresh`](TransitKey::refresh) returns.
    ///
    /// The highest version never falls. If a service replied with a wrong one, restart the process.
    fn is_current(&self, body: &[u8]) -> bool {
        version_of(body).is_some_and(|version| version >= self.latest.load(Ordering::Relaxed))
    }

    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
        ProviderFuture::boxed(self.many(&self.location.encrypt, requests))
    }

    /// Reads the key, as [`refresh`](TransitKey::refresh) does.
    fn check<'a>(&'a self, _: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        ProviderFuture::boxed(async { self.refresh().await.map(|_| ()) })
    }
}

impl<T: Transport> MasterKeyProvider for TransitKey<T> {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(self.one(&self.location.decrypt, request))
    }

    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
        ProviderFuture::boxed(self.many(&self.location.decrypt, requests))
    }
}

impl<T> fmt::Debug for TransitKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransitKey")
            .field("location", &self.location)
            .field("latest", &self.latest)
            .finish_non_exhaustive()
    }
}
