//! The first advice for a small service: local keys, in a keyring text that is sealed under a key at OpenBao or Vault.
//! A process asks the service once, when it starts. From then on, sealing and opening need no network.
//!
//! Start a server, create the key and set `BAO_ADDR` and `BAO_TOKEN` as the README says. Then
//! `cargo run -p sealwax-transit --features hyper --example keyring_under_transit` prints:
//!
//! ```text
//! the file has 346 characters, and took the operator 2 requests
//! the service starts with 1 request
//! it seals and opens 1000 credentials with 0 requests
//! with another token: key transit/byok failed to unwrap the data key: the key service rejected our credentials
//! ```
//!
//! Two arguments name another mount than `transit`, and another key than `byok`.

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper_util::client::legacy::connect::HttpConnector;
use sealwax::{EncryptionContext, Envelope, Held, Keyring, MasterKey, ProviderFuture, Secret};
use sealwax_transit::{
    Body, HyperTransport, KeyLocation, Token, TransitKey, Transport, TransportError,
};

type AnyError = Box<dyn Error>;

fn main() -> Result<(), AnyError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(story())
}

async fn story() -> Result<(), AnyError> {
    let mut arguments = env::args().skip(1);
    let mount = arguments.next().unwrap_or_else(|| String::from("transit"));
    let name = arguments.next().unwrap_or_else(|| String::from("byok"));
    let address = env::var("BAO_ADDR").map_err(|_| "BAO_ADDR is not set: see the README")?;
    let token = env::var("BAO_TOKEN").map_err(|_| "BAO_TOKEN is not set: see the README")?;
    let token = Token::new(&Secret::from(token))?;
    let location = KeyLocation::new(&address, &name)?.with_mount(&mount)?;
    let transport = Counting::new();

    // An operator does this once, and puts the file where the service finds it.
    let key = TransitKey::connect(transport.clone(), location.clone(), token.clone()).await?;
    let file = lock(&Keyring::new("transit/byok".parse()?, key)?, &new_keyring()?).await?;
    let requests = transport.requests();
    println!("the file has {} characters, and took the operator {requests} requests", file.len());

    // The service does this when it starts. `unchecked`, because decrypting never creates a key.
    let key = TransitKey::unchecked(transport.clone(), location.clone(), token);
    let keyring = unlock(&Keyring::new("transit/byok".parse()?, key)?, &file).await?;
    println!("the service starts with {} request", transport.requests());

    let credential = Secret::from("sk-not-a-real-key-0123456789");
    let mut opened: u32 = 0;
    for row in 0..1000 {
        let row = EncryptionContext::new([("tenant", "acme"), ("row", &format!("{row}"))])?;
        let column = keyring.seal(&credential, &row)?.to_string();
        opened =
            opened.saturating_add(u32::from(keyring.open(&column.parse()?, &row)? == credential));
    }
    println!("it seals and opens {opened} credentials with {} requests", transport.requests());

    // A thief of the file has no token.
    let thief = Token::new(&Secret::from("s.0123456789"))?;
    let key = TransitKey::unchecked(transport, location, thief);
    if let Err(error) = unlock(&Keyring::new("transit/byok".parse()?, key)?, &file).await {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        println!("with another token: {error}: {cause}");
    }
    Ok(())
}

/// The text of a keyring with a new local key, which is never stored like this.
fn new_keyring() -> Result<Secret, AnyError> {
    let key = MasterKey::generate()?.to_text();
    Ok(Secret::from(format!("primary prod-2026 {}", key.expose_str()?)))
}

/// What the file belongs to. As it holds a keyring, no credential opens as one.
fn context() -> Result<EncryptionContext, AnyError> {
    Ok(EncryptionContext::new([("service", "byok")])?.holding(Held::Keyring)?)
}

/// Seals the text of a keyring under the key at the service.
async fn lock(remote: &Keyring, text: &Secret) -> Result<String, AnyError> {
    // It must be one, before it replaces the file.
    text.expose_str()?.parse::<Keyring>()?;
    Ok(remote.seal_async(text, &context()?).await?.to_string())
}

/// Opens the text, with one request.
async fn unlock(remote: &Keyring, file: &str) -> Result<Keyring, AnyError> {
    let envelope: Envelope = file.trim().parse()?;
    let text = remote.open_async(&envelope, &context()?).await?;
    Ok(text.expose_str()?.parse()?)
}

/// Counts the requests, to show them.
#[derive(Clone)]
struct Counting {
    inner: HyperTransport<HttpConnector>,
    requests: Arc<AtomicUsize>,
}

impl Counting {
    fn new() -> Self {
        // Without TLS, because the server is on this machine.
        let inner = HyperTransport::plain(Duration::from_secs(2));
        Self { inner, requests: Arc::default() }
    }

    /// Returns how many requests there were since the last call.
    fn requests(&self) -> usize {
        self.requests.swap(0, Ordering::Relaxed)
    }
}

impl Transport for Counting {
    fn send<'a>(
        &'a self,
        request: Request<Body>,
    ) -> ProviderFuture<'a, Result<Response<Body>, TransportError>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.inner.send(request)
    }
}
