//! Puts a master key in a remote service: a `MasterKeyProvider` over an async client, with the client's errors mapped
//! to what an operator can do about them, and a local escrow key for the day the service is gone.
//!
//! `cargo run --example custom_provider` prints:
//!
//! ```text
//! sealed for ["kms/prod", "offline-dr"] with 1 network round trip
//! opened 28 bytes with 1 network round trip
//! without waiting: opened with key offline-dr and 0 network round trips
//! the service throttles us: key kms/prod failed to wrap the data key: too many requests to the key service: 429 Too Many Requests (transient: true)
//! it asks us to wait 2s
//! the service is down: opened with key offline-dr
//! access was revoked: key kms/prod failed to wrap the data key: the key service denied access to the key: 403 AccessDeniedException (transient: false)
//! the row was moved: the envelope was sealed for another context
//! ```

use std::error::Error;
use std::fmt;
use std::iter::successors;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealwax::{
    DataKey, EncryptionContext, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, ProviderError,
    ProviderErrorKind, ProviderFuture, Secret, UnwrapRequest, WrapRequest,
};

fn main() -> Result<(), Box<dyn Error>> {
    pollster::block_on(story())
}

async fn story() -> Result<(), Box<dyn Error>> {
    let kms: &Kms = Box::leak(Box::new(Kms::new()?));
    let keyring = Keyring::new("kms/prod".parse()?, kms)?
        .with_escrow("offline-dr".parse()?, MasterKey::generate()?)?;
    let context = EncryptionContext::new([("tenant", "acme"), ("row", "7")])?;
    let secret = Secret::from("sk-not-a-real-key-0123456789");

    let envelope = keyring.seal_async(&secret, &context).await?;
    let ids: Vec<_> = envelope.key_ids().map(|id| id.to_string()).collect();
    println!("sealed for {ids:?} with {} network round trip", kms.trips());

    let opened = keyring.open_async(&envelope, &context).await?;
    println!("opened {} bytes with {} network round trip", opened.len(), kms.trips());
    assert_eq!(opened, secret);

    // The sync methods never wait: they use only keys that are ready at once.
    let opened = keyring.open(&envelope, &context)?;
    println!("without waiting: opened with key offline-dr and {} network round trips", kms.trips());
    assert_eq!(opened, secret);

    kms.fails_with(Some(Failure::Throttled));
    if let Err(error) = keyring.seal_async(&secret, &context).await {
        let (transient, wait) = (error.is_transient(), error.retry_after());
        println!("the service throttles us: {} (transient: {transient})", report(&error));
        println!("it asks us to wait {:?}", wait.unwrap_or_default());
    }

    kms.fails_with(Some(Failure::Down));
    assert_eq!(keyring.open_async(&envelope, &context).await?, secret);
    println!("the service is down: opened with key offline-dr");

    kms.fails_with(Some(Failure::AccessDenied));
    if let Err(error) = keyring.seal_async(&secret, &context).await {
        let transient = error.is_transient();
        println!("access was revoked: {} (transient: {transient})", report(&error));
    }

    kms.fails_with(None);
    let globex = EncryptionContext::new([("tenant", "globex"), ("row", "7")])?;
    if let Err(error) = keyring.open_async(&envelope, &globex).await {
        println!("the row was moved: {error}");
    }
    Ok(())
}

/// Formats an error and its causes on one line, because each message covers only its own level.
fn report(error: &dyn Error) -> String {
    let causes = successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

/// A client of the service. Timeouts and retries belong here, not in the library.
struct Kms {
    service: MasterKey, // Stands in for the service. Like a KMS, it binds associated data.
    trips: AtomicUsize,
    failure: Mutex<Option<Failure>>,
}

impl KeyWrapper for Kms {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        // Nothing happens until the future is polled.
        ProviderFuture::boxed(async move {
            self.network_trip().await?;
            // Bind the wrap to this row: pass request.associated_data() to the service's context.
            self.service.wrap_key(request).await
        })
    }
}

impl MasterKeyProvider for Kms {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move {
            self.network_trip().await?;
            self.service.unwrap_key(request).await
        })
    }
}

/// The ways in which the service fails.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Throttled,
    Down,
    AccessDenied,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throttled => "429 Too Many Requests",
            Self::Down => "connection refused",
            Self::AccessDenied => "403 AccessDeniedException",
        })
    }
}

impl Error for Failure {}

/// Maps the client's errors by what an operator can do about them.
impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        let kind = match failure {
            Failure::Throttled => ProviderErrorKind::Throttled,
            Failure::Down => ProviderErrorKind::Unavailable,
            Failure::AccessDenied => ProviderErrorKind::Denied,
        };
        let error = Self::new(kind, failure);
        match failure {
            Failure::Throttled => error.with_retry_after(Duration::from_secs(2)),
            Failure::Down | Failure::AccessDenied => error,
        }
    }
}

impl Kms {
    fn new() -> Result<Self, Box<dyn Error>> {
        let (trips, failure) = (AtomicUsize::new(0), Mutex::new(None));
        Ok(Self { service: MasterKey::generate()?, trips, failure })
    }

    async fn network_trip(&self) -> Result<(), Failure> {
        self.trips.fetch_add(1, Ordering::Relaxed);
        match self.failure.lock().ok().and_then(|failure| *failure) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Returns the number of network round trips since the last call.
    fn trips(&self) -> usize {
        self.trips.swap(0, Ordering::Relaxed)
    }

    fn fails_with(&self, failure: Option<Failure>) {
        if let Ok(mut place) = self.failure.lock() {
            *place = failure;
        }
    }
}
