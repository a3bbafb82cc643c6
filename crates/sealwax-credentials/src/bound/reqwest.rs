//! Sending over reqwest.

use core::any::TypeId;
use core::fmt;

use ::reqwest::redirect::Policy;
use ::reqwest::{Client, ClientBuilder, NoProxy, Proxy, Request, Response};
use http::uri::Scheme;
use http::{HeaderValue, Uri, header};

use super::destination::{DestinationError, LOOPBACK};
use super::sending::{SendError, forget_reason};
use super::{BoundSecret, KeyHeader};

/// Sends requests with a credential over a client of reqwest that follows no redirects.
///
/// By default, reqwest follows a redirect to another host, and keeps headers such as `x-api-key`. A finished client cannot
/// be asked whether it does, so this type builds the client. A reply with a status such as 307 is returned like any
/// other. To follow it, make a new request and send that: it is checked like the first one.
///
/// The feature `reqwest` of this crate enables no TLS. Name reqwest in your own `Cargo.toml` with a feature such as
/// `rustls` or `native-tls`, and Cargo builds it with that. Without TLS, nothing is sent to `https`: reqwest would hand
/// a proxy or a Unix socket the request in plaintext.
///
/// A clone shares the connections.
#[derive(Clone)]
pub struct ReqwestClient(Client);

impl ReqwestClient {
    /// Builds a client that follows no redirects, uses no proxy, logs no bytes, and unpacks no body.
    ///
    /// Everything else is yours: timeouts, root certificates, the resolver, and default headers, which are not checked, but
    /// cannot replace `host`. **The proxies of `builder` are removed**, and so are those of the environment, such as
    /// `HTTPS_PROXY`: see [`with_proxy`](Self::with_proxy). A builder that accepts invalid certificates lets anyone be the
    /// host.
    ///
    /// # Errors
    ///
    /// Returns [`SendError::Build`] if the client cannot be built, for instance because TLS has no certificates.
    pub fn new(builder: ClientBuilder) -> Result<Self, SendError> {
        Self::build(builder.no_proxy())
    }

    /// Builds a client as [`new`](Self::new) does, which reaches the hosts of credentials through a proxy.
    ///
    /// The proxy is a URL, such as `http://user:password@proxy.internal:3128`. It sees no credential: it tunnels the
    /// connection, and TLS ends at the host. What may go to this machine, for tests, does not go through it.
    ///
    /// # Errors
    ///
    /// Returns the same error as `new`, also if the proxy is no URL.
    pub fn with_proxy(builder: ClientBuilder, proxy: &str) -> Result<Self, SendError> {
        // It is not asked about `http`, which it would get in plaintext.
        let proxy = Proxy::https(proxy).map_err(not_built)?;
        let local = LOOPBACK.map(|host| host.trim_matches(['[', ']'])).join(",");
        let proxy = proxy.no_proxy(NoProxy::from_string(&local));
        Self::build(builder.no_proxy().proxy(proxy))
    }

    fn build(builder: ClientBuilder) -> Result<Self, SendError> {
        let builder = builder.redirect(Policy::none()).referer(false);
        // It would log the bytes that are sent.
        let builder = builder.connection_verbose(false);
        // An unpacker would remove the header that says so, and ask for such bodies.
        let builder = builder.no_gzip().no_brotli().no_zstd().no_deflate();
        builder.build().map(Self).map_err(not_built)
    }

    /// Writes the credential into a request, as [`BoundSecret::authorize`] does, and sends it.
    ///
    /// # Errors
    ///
    /// - [`SendError::Authorize`] if the credential must not go there, and for the other reasons of `authorize`
    /// - [`SendError::NoTls`] for `https` if reqwest was built without TLS
    /// - the other errors if there is no reply
    pub async fn send(
        &self,
        mut request: Request,
        secret: &BoundSecret,
        header: &KeyHeader,
    ) -> Result<Response, SendError> {
        // What reqwest connects to is this URI, made in the same way from its URL.
        let uri: Result<Uri, _> = request.url().as_str().parse();
        let uri = uri.map_err(|_| SendError::Authorize(DestinationError::NotAbsolute.into()))?;
        let method = request.method().clone();
        // Otherwise, a default header could say which of the services behind a shared front gets the request.
        if let Some(authority) = uri.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            request.headers_mut().entry(header::HOST).or_insert(host);
        }
        secret.write(&method, &uri, request.headers_mut(), header)?;
        if uri.scheme() != Some(&Scheme::HTTP) && !tls::is_built_in() {
            return Err(SendError::NoTls);
        }
        let mut response = self.0.execute(request).await?;
        forget_reason(response.extensions_mut());
        Ok(response)
    }
}

/// The URL of a proxy may contain a password.
fn not_built(error: ::reqwest::Error) -> SendError {
    SendError::Build(error.without_url().into())
}

/// What happened, and nothing that the upstream chose. It is also for errors while you read the body.
impl From<::reqwest::Error> for SendError {
    fn from(error: ::reqwest::Error) -> Self {
        Self::of(&error, error.is_connect(), error.is_timeout())
    }
}

mod tls {
    use super::TypeId;

    /// Stands in for the type of this name that reqwest has only with TLS.
    enum Certificate {}
    type Missing = Certificate;

    /// Returns whether reqwest was built with TLS. If it was, it sends nothing to `https` in plaintext.
    pub(super) fn is_built_in() -> bool {
        // What is imported here comes before the name above.
        #[cfg_attr(
            not(test),
            expect(clippy::wildcard_imports, reason = "the type may not exist")
        )]
        use ::reqwest::*;
        let _: Option<Client> = None;
        TypeId::of::<Certificate>() != TypeId::of::<Missing>()
    }
}

/// By hand, because that of reqwest shows default headers and proxies.
impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestClient").finish_non_exhaustive()
    }
}
