//! Where the key is: address, namespace, mount and name.

use std::fmt;
use std::net::IpAddr;

use http::uri::Scheme;
use http::{HeaderValue, Uri};

/// Where a key is: the address of the service, a namespace, the mount of the Transit engine, and the key's name.
///
/// ```
/// use sealwax_transit::{ConfigError, KeyLocation};
///
/// let location = KeyLocation::new("https://bao.internal:8200", "byok")?
///     .with_mount("eu/transit")? // otherwise `transit`
///     .with_namespace("payments")?; // otherwise none
///
/// // Plain HTTP shows the token and every data key to the network, so only this machine may be addressed with it.
/// assert!(KeyLocation::new("http://127.0.0.1:8200", "byok").is_ok());
/// assert_eq!(KeyLocation::new("http://bao:8200", "byok").unwrap_err(), ConfigError::PlainHttp);
/// # Ok::<(), ConfigError>(())
/// ```
#[derive(Clone)]
pub struct KeyLocation {
    address: String,
    mount: String,
    name: String,
    pub(crate) namespace: Option<HeaderValue>,
    pub(crate) encrypt: Uri,
    pub(crate) decrypt: Uri,
    pub(crate) keys: Uri,
}

/// What is wrong with the location of a key, or with a token. It contains nothing of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The address is not one of a service.
    #[error(
        "the address must be http:// or https:// with a host, without user, password, query or fragment"
    )]
    Address,
    /// The address is `http://`, and not on this machine.
    #[error(
        "the address must be https://, because plain HTTP shows the token and every data key to the network"
    )]
    PlainHttp,
    /// The path of the mount is not one.
    #[error(
        "the mount must be a path of letters, digits, '-', '_', '.' and '/', for example transit"
    )]
    Mount,
    /// The name of the key is not one.
    #[error("the name of the key must consist of letters, digits, '-', '_' and '.'")]
    KeyName,
    /// The path of the namespace is not one.
    #[error("the namespace must be a path of letters, digits, '-', '_', '.' and '/'")]
    Namespace,
    /// The token cannot be sent.
    #[error("the token must be visible ASCII, without white space and without a line end")]
    Token,
}

impl KeyLocation {
    /// Creates the location of a key in the mount `transit`, without a namespace.
    ///
    /// `address` is what the environment variable `BAO_ADDR` or `VAULT_ADDR` usually holds, and may end in a path under
    /// which a proxy serves the API.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError::Address`], [`ConfigError::KeyName`], and [`ConfigError::PlainHttp`] for an address that
    /// begins with `http://` and does not name a loopback address or `localhost`.
    pub fn new(address: &str, name: &str) -> Result<Self, ConfigError> {
        let location = Self::with_plain_http(address, name)?;
        let uri: Uri = location.address.parse().map_err(|_| ConfigError::Address)?;
        if uri.scheme() == Some(&Scheme::HTTP) && !uri.host().is_some_and(is_loopback) {
            return Err(ConfigError::PlainHttp);
        }
        Ok(location)
    }

    /// Creates the location of a key that may be reached over plain HTTP on any host.
    ///
    /// Only for a network that encrypts everything underneath, such as a service mesh: anyone who sees the traffic has
    /// the token and every data key.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError::Address`] and [`ConfigError::KeyName`].
    pub fn with_plain_http(address: &str, name: &str) -> Result<Self, ConfigError> {
        let address = address.trim_end_matches('/');
        let uri: Uri = address.parse().map_err(|_| ConfigError::Address)?;
        let is_http = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
        let is_host = uri.host().is_some_and(|host| !host.is_empty());
        let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        let path = uri.path().trim_start_matches('/');
        let has_more = has_user || address.contains(['?', '#']);
        if !is_http || !is_host || has_more || !(path.is_empty() || is_path(path)) {
            return Err(ConfigError::Address);
        }
        if name.contains('/') || !is_path(name) {
            return Err(ConfigError::KeyName);
        }
        let location = Self {
            address: address.to_owned(),
            mount: String::from("transit"),
            name: name.to_owned(),
            namespace: None,
            encrypt: Uri::default(),
            decrypt: Uri::default(),
            keys: Uri::default(),
        };
        location.resolved()
    }

    /// Sets the path at which the Transit engine is mounted.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError::Mount`] if that is not a path, or would have to be escaped.
    pub fn with_mount(self, mount: &str) -> Result<Self, ConfigError> {
        let mount = mount.trim_matches('/');
        if !is_path(mount) {
            return Err(ConfigError::Mount);
        }
        Self { mount: mount.to_owned(), ..self }.resolved()
    }

    /// Sets the namespace, which is sent as the header `X-Vault-Namespace`.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError::Namespace`] if that is not a path, or would have to be escaped.
    pub fn with_namespace(self, namespace: &str) -> Result<Self, ConfigError> {
        let namespace = namespace.trim_matches('/');
        if !is_path(namespace) {
            return Err(ConfigError::Namespace);
        }
        let value = HeaderValue::from_str(namespace).map_err(|_| ConfigError::Namespace)?;
        Ok(Self { namespace: Some(value), ..self })
    }

    /// Computes the addresses of the operations.
    fn resolved(self) -> Result<Self, ConfigError> {
        let Self { address, mount, name, .. } = &self;
        let uri = |operation| format!("{address}/v1/{mount}/{operation}/{name}").parse();
        let addresses = [uri("encrypt"), uri("decrypt"), uri("keys")];
        let [Ok(encrypt), Ok(decrypt), Ok(keys)] = addresses else {
            return Err(ConfigError::Address);
        };
        Ok(Self { encrypt, decrypt, keys, ..self })
    }
}

impl fmt::Debug for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, namespace, .. } = self;
        f.debug_struct("KeyLocation").field("key", keys).field("namespace", namespace).finish()
    }
}

/// Returns whether this is a path that needs no escapes and does not lead upwards.
fn is_path(path: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_segment = |segment: &str| {
        !segment.is_empty() && segment != "." && segment != ".." && segment.chars().all(is_plain)
    };
    path.len() <= 256 && path.split('/').all(is_segment)
}

fn is_loopback(host: &str) -> bool {
    let number = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || number.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
