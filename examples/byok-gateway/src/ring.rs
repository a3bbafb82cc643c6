//! Where the service's keyring is: in a file, or in a file that is sealed under a key at OpenBao.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use sealwax::{EncryptionContext, Envelope, Held, Keyring, Secret};
use sealwax_transit::{KeyLocation, ReqwestTransport, Token, TransitKey};

use crate::config::{Home, OpenBao};
use crate::files::{OPENBAO, RING};

/// The id of OpenBao's key in the envelope that the keyring is in.
const REMOTE: &str = "openbao";
const TIMEOUT: Duration = Duration::from_secs(5);

/// Reads and writes the keyring.
#[derive(Debug)]
pub struct Source {
    home: Home,
    /// The key at OpenBao, as a keyring of its own.
    remote: Option<Keyring>,
}

impl Source {
    /// Creates it, and asks OpenBao for nothing yet.
    pub fn new(home: &Home) -> Result<Self> {
        let remote = home.config.openbao.as_ref().map(|openbao| remote(home, openbao)).transpose()?;
        Ok(Self { home: home.clone(), remote })
    }

    /// Returns whether reading takes a request to OpenBao.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        self.remote.is_some()
    }

    /// Returns when the file was written last.
    #[must_use]
    pub fn written(&self) -> Option<SystemTime> {
        std::fs::metadata(self.home.path(RING)).and_then(|file| file.modified()).ok()
    }

    /// Reads the keyring.
    pub async fn read(&self) -> Result<Keyring> {
        let text = self.read_text().await?;
        text.expose_str()?.parse().context(RING)
    }

    /// Reads the text of the keyring.
    pub async fn read_text(&self) -> Result<Secret> {
        let file = self.home.secret(RING)?;
        let Some(remote) = &self.remote else { return Ok(file) };
        let Ok(envelope) = file.expose_str()?.trim().parse::<Envelope>() else {
            bail!("{RING} is not sealed, but OpenBao is configured");
        };
        remote.open_async(&envelope, &context()?).await.context("OpenBao does not open the keyring")
    }

    /// Replaces the text of the keyring.
    pub async fn write(&self, text: &Secret) -> Result<()> {
        text.expose_str()?.parse::<Keyring>().context("the new keyring is malformed")?;
        let Some(remote) = &self.remote else { return self.home.write(RING, text.expose_secret()) };
        let sealed = remote.seal_async(text, &context()?).await.context("OpenBao does not seal the keyring")?;
        self.home.write(RING, sealed.to_string().as_bytes())
    }
}

fn remote(home: &Home, openbao: &OpenBao) -> Result<Keyring> {
    let token = home.secret(OPENBAO)?;
    let token = Token::new(&Secret::from(token.expose_str()?.trim()))?;
    let location =
        KeyLocation::new(&openbao.address, &openbao.key)?.with_mount(openbao.mount.as_deref().unwrap_or("transit"))?;
    let transport = ReqwestTransport::new(reqwest::Client::builder(), TIMEOUT)?;
    Ok(Keyring::new(REMOTE.parse()?, TransitKey::unchecked(transport, location, token))?)
}

/// No credential opens as a keyring.
fn context() -> Result<EncryptionContext> {
    Ok(EncryptionContext::new([("service", "byok-gateway")])?.holding(Held::Keyring)?)
}
