//! A template: a provider for a key service. Copy it, write `Client` with your HTTP client, and put your service's
//! statuses into the two tables of errors. The made-up service at the end is not part of your copy.
//!
//! `cargo run -p sealwax-conformance --example template` prints:
//!
//! ```text
//! 250 data keys were wrapped with 3 requests
//! status 401: the key service rejected our credentials
//! status 403: the key service denied access to the key
//! status 404: the key service does not know the key
//! status 423: the key is disabled at the key service
//! status 429: too many requests to the key service
//! status 503: the key service is unavailable
//! conformance: 33 passed, 0 failed, 0 not run
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use sealwax::{
    DataKey, EncryptionContext, Envelope, KeyId, KeyWrapper, Keyring, MasterKey, MasterKeyProvider,
    ProviderError, ProviderErrorKind, ProviderFuture, Secret, Suite, UnwrapRequest, WrapRequest,
};
use sealwax_conformance::{Expect, check};

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
    /// A data key or a ciphertext. A `Secret` wipes itself; also wipe what you encode it into.
    pub(crate) bytes: Secret,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// The version of the key that encrypts now.
    pub(crate) version: u32,
    /// A ciphertext or a data key for each item, or the status of that item.
    pub(crate) results: Vec<Result<Secret, u16>>,
}

/// A key at the service.
pub(crate) struct RemoteKey<C> {
    client: C,
    /// The key's name at the service, which need not be its id in the keyring.
    name: String,
    /// The newest version that a response named; 0 before the first one.
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
        let results = self.send_all("decrypt", requests.iter().map(item).collect()).await;
        // `from_bytes` wipes the copy, and refuses what is not a data key.
        let data_key = |bytes: Secret| DataKey::from_bytes(&mut bytes.expose_secret().to_vec());
        results.into_iter().map(|bytes| Ok(data_key(bytes?)?)).collect()
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
        // The service does not decrypt it: it was altered, or bound to another row.
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

    /// Compares the version in front of the ciphertext. Leave this out if the service has no versions of a key.
    fn is_current(&self, body: &[u8]) -> bool {
        let version = self.version.load(Relaxed).to_string();
        body.strip_prefix(version.as_bytes()).is_some_and(|rest| rest.starts_with(b":"))
    }

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

/// Uses the provider, and checks it. In your copy, this becomes a test.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    pollster::block_on(story())
}

async fn story() -> Result<(), Box<dyn Error>> {
    let service = Arc::new(MadeUpService::new()?);
    let key = RemoteKey::new(Arc::clone(&service), "customers");
    let id: KeyId = "kms/customers".parse()?;

    let data_key = DataKey::generate()?;
    let requests = [WrapRequest::new(&id, Suite::default(), &[7; 32], &data_key); 250];
    let wrapped = key.wrap_keys(&requests).await.iter().filter(|result| result.is_ok()).count();
    println!("{wrapped} data keys were wrapped with {} requests", service.requests());

    for status in [401, 403, 404, 423, 429, 503] {
        service.status.store(status, Relaxed);
        if let Err(error) = key.check(&id).await {
            println!("status {status}: {error}");
        }
    }
    service.status.store(200, Relaxed);

    let (counted, rotated) = (Arc::clone(&service), Arc::clone(&service));
    let expect = Expect::default()
        .other_key(RemoteKey::new(Arc::clone(&service), "other"))
        .counting(move || counted.requests())
        .rotated_by(async move { rotated.rotate() });
    let report = check(key, id, expect).await;
    assert!(report.is_ok(), "{report}");
    println!("conformance: {}", report.to_string().lines().last().unwrap_or_default());
    Ok(())
}

// ---- The rest is the made-up service.

/// A service with two keys, of which it makes a second version. It encrypts with sealwax, which is at hand.
pub(crate) struct MadeUpService {
    keys: BTreeMap<(&'static str, u32), Keyring>,
    version: AtomicU32,
    status: AtomicU16,
    requests: AtomicUsize,
}

impl MadeUpService {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let mut keys = BTreeMap::new();
        for key in [("customers", 1), ("customers", 2), ("other", 1), ("other", 2)] {
            keys.insert(key, Keyring::new("key".parse()?, MasterKey::generate()?)?);
        }
        let (version, status, requests) =
            (AtomicU32::new(1), AtomicU16::new(200), AtomicUsize::new(0));
        Ok(Self { keys, version, status, requests })
    }

    pub(crate) fn rotate(&self) {
        self.version.store(2, Relaxed);
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }

    fn encrypt(&self, key: &str, item: &Item) -> Option<Secret> {
        let version = self.version.load(Relaxed);
        let sealed = self.keys.get(&(key, version))?.seal(&item.bytes, &context(item)?).ok()?;
        Some(Secret::from(format!("{version}:{sealed}")))
    }

    fn decrypt(&self, key: &str, item: &Item) -> Option<Secret> {
        let (version, sealed) = item.bytes.expose_str().ok()?.split_once(':')?;
        let sealed: Envelope = sealed.parse().ok()?;
        self.keys.get(&(key, version.parse().ok()?))?.open(&sealed, &context(item)?).ok()
    }
}

fn context(item: &Item) -> Option<EncryptionContext> {
    let bound: String = item.bound.iter().map(|byte| format!("{byte:02x}")).collect();
    EncryptionContext::new([("bound", bound.as_str())]).ok()
}

impl Client for Arc<MadeUpService> {
    async fn send(
        &self,
        key: &str,
        action: &str,
        items: &[Item],
    ) -> Result<Response, Box<dyn Error + Send + Sync>> {
        self.requests.fetch_add(1, Relaxed);
        let (status, version) = (self.status.load(Relaxed), self.version.load(Relaxed));
        let retry_after = (status == 429).then_some(Duration::from_secs(2));
        let result = |item| match action {
            "encrypt" => self.encrypt(key, item).ok_or(500),
            _ => self.decrypt(key, item).ok_or(400),
        };
        let results = items.iter().map(result).collect();
        Ok(Response { status, retry_after, version, results })
    }
}
