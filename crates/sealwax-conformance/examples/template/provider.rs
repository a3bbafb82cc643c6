//! A provider for a key service: the file to copy.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind,
    ProviderFuture, Secret, UnwrapRequest, WrapRequest,
};

/// How many items the service takes in one request.
const MAX_ITEMS: usize = 100;

/// Your HTTP client, and how it encodes a request.
///
/// It sets a deadline of a few seconds and follows no redirect. If it retries, it does so only if there was no
/// response, or the status is 429 or 5xx.
pub(crate) trait Client: Send + Sync {
    /// Sends `POST /v1/keys/{key}/{action}`. An error means that there was no response.
    fn send(
        &self,
        key: &str,
        action: &str,
        items: &[Item],
    ) -> impl Future<Output = Result<Response, Box<dyn Error + Send + Sync>>> + Send;
}

/// What the service encrypts or decrypts.
pub(crate) struct Item {
    /// The associated data that the ciphertext is bound to.
    pub(crate) bound: Vec<u8>,
    /// A data key or a ciphertext. A `Secret` wipes itself; what you encode it into does so in a `zeroize::Zeroizing`.
    pub(crate) bytes: Secret,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// The version of the key that encrypts now. If only new ciphertexts name it, let `check` make one.
    pub(crate) version: u32,
    /// A ciphertext or a data key for each item, or the status of that item.
    pub(crate) results: Vec<Result<Secret, u16>>,
}

/// A key at the service.
pub(crate) struct RemoteKey<C> {
    client: C,
    /// The key's name at the service, which need not be its id in the keyring.
    name: String,
    /// The newest version that a response named; 0 before the first one, when every row counts as stale.
    version: AtomicU32,
}

impl<C: Client> RemoteKey<C> {
    pub(crate) fn new(client: C, name: &str) -> Self {
        Self { client, name: name.to_owned(), version: AtomicU32::new(0) }
    }

    async fn wrap_all(&self, requests: &[WrapRequest<'_>]) -> Vec<Result<Vec<u8>, ProviderError>> {
        let item = |request: &WrapRequest<'_>| Item {
            bound: request.associated_data(),
            bytes: Secret::from(request.data_key().expose_secret()),
        };
        let results = self.send_all("encrypt", requests.iter().map(item).collect()).await;
        results.into_iter().map(|body| Ok(body?.expose_secret().to_vec())).collect()
    }

    async fn unwrap_all(
        &self,
        requests: &[UnwrapRequest<'_>],
    ) -> Vec<Result<DataKey, ProviderError>> {
        let item = |request: &UnwrapRequest<'_>| Item {
            bound: request.associated_data(),
            bytes: Secret::from(request.body()),
        };
        // What the service cannot have made is not sent, and takes no result.
        let is_sent = |request: &&UnwrapRequest<'_>| version_of(request.body()).is_some();
        let items = requests.iter().filter(is_sent).map(item).collect();
        let mut results = self.send_all("decrypt", items).await.into_iter();
        let data_key = |request| {
            if !is_sent(&request) {
                return Err(ProviderError::new(ProviderErrorKind::Rejected, "not a ciphertext"));
            }
            let bytes = results.next().unwrap_or(Err(ProviderErrorKind::Other.into()))?;
            // `from_bytes` wipes this copy, and `bytes` wipes itself.
            Ok(DataKey::from_bytes(&mut bytes.expose_secret().to_vec())?)
        };
        requests.iter().map(data_key).collect()
    }

    /// Sends as many requests as the items need. If one fails, so do its items, but no others.
    async fn send_all(&self, action: &str, items: Vec<Item>) -> Vec<Result<Secret, ProviderError>> {
        let mut results = Vec::with_capacity(items.len());
        for chunk in items.chunks(MAX_ITEMS) {
            match self.send(action, chunk).await {
                Ok(found) => results.extend(found),
                Err(error) => results.extend(chunk.iter().map(|_| Err(error.clone()))),
            }
        }
        results
    }

    async fn send(
        &self,
        action: &str,
        items: &[Item],
    ) -> Result<Vec<Result<Secret, ProviderError>>, ProviderError> {
        let response = self.client.send(&self.name, action, items).await;
        let response =
            response.map_err(|error| ProviderError::new(ProviderErrorKind::Unavailable, error))?;
        if response.status != 200 {
            return Err(error_of(&response));
        }
        if response.results.len() != items.len() {
            return Err(ProviderError::new(ProviderErrorKind::Other, "a result is missing"));
        }
        self.version.fetch_max(response.version, Relaxed);
        Ok(response.results.into_iter().map(|result| result.map_err(error_of_item)).collect())
    }
}

/// Returns the version in a body, or nothing if the service does not write such bodies.
///
/// Rows are not trusted: validate a body before you put it into a line, a URL or JSON by hand. Be strict: there must be
/// one way to write each body.
fn version_of(body: &[u8]) -> Option<u32> {
    let (digits, ciphertext) = str::from_utf8(body).ok()?.split_once(':')?;
    // `parse` also reads "01" and "+1".
    let version = digits.parse().ok().filter(|version: &u32| version.to_string() == digits)?;
    let is_ours = |c: u8| c.is_ascii_alphanumeric() || b"-_:=,".contains(&c);
    ciphertext.bytes().all(is_ours).then_some(version)
}

/// Maps the status of a response, which is about the key, the service or us, but not about a row.
fn error_of(response: &Response) -> ProviderError {
    let kind = match response.status {
        401 => ProviderErrorKind::Unauthenticated,
        403 => ProviderErrorKind::Denied,
        404 => ProviderErrorKind::NotFound,
        423 => ProviderErrorKind::Disabled,
        429 => ProviderErrorKind::Throttled,
        500.. => ProviderErrorKind::Unavailable,
        _ => ProviderErrorKind::Other,
    };
    // The source is logged: a status, perhaps the id of the request, but nothing of its body.
    let error = ProviderError::new(kind, format!("status {}", response.status));
    match response.retry_after {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// Maps the status of one item.
fn error_of_item(status: u16) -> ProviderError {
    let kind = match status {
        // The service does not decrypt it: it was altered, or bound to another row. If the service says that it no
        // longer has the version that a body names, return `WrongKeyMaterial`.
        400 => ProviderErrorKind::Rejected,
        500.. => ProviderErrorKind::Unavailable,
        _ => ProviderErrorKind::Other,
    };
    ProviderError::new(kind, format!("status {status} for one item"))
}

/// Returns the result of a batch of one.
fn only<T>(results: Vec<Result<T, ProviderError>>) -> Result<T, ProviderError> {
    results.into_iter().next().unwrap_or(Err(ProviderErrorKind::Other.into()))
}

impl<C: Client> KeyWrapper for RemoteKey<C> {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move { only(self.wrap_all(&[request]).await) })
    }

    /// Leave this out, and `unwrap_keys`, if the service takes only one item in a request.
    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
        ProviderFuture::boxed(self.wrap_all(requests))
    }

    /// Compares the versions. Leave this out if the service has no versions of a key.
    fn is_current(&self, body: &[u8]) -> bool {
        version_of(body) == Some(self.version.load(Relaxed))
    }

    /// Also learns the newest version: call `Keyring::check_async` before you rewrap rows.
    fn check<'a>(&'a self, _: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        ProviderFuture::boxed(async move { self.send("describe", &[]).await.map(drop) })
    }
}

impl<C: Client> MasterKeyProvider for RemoteKey<C> {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move { only(self.unwrap_all(&[request]).await) })
    }

    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
        ProviderFuture::boxed(self.unwrap_all(requests))
    }
}
