//! Sending over reqwest.

use core::fmt;

use ::reqwest::redirect::Policy;
use ::reqwest::{Client, ClientBuilder, Proxy, Request, Response, Url};
use http::{HeaderValue, Uri, header};

use super::destination::DestinationError;
use super::sending::SendError;
use super::{BoundSecret, KeyHeader};

/// Sends requests with a credential over a client of reqwest that follows no redirects.
///
/// By default, reqwest follows a redirect to another host, and keeps headers such as `x-api-key`. A finished client cannot
/// be asked whether it does, so this type builds the client. A reply with a status such as 307 is returned like any
/// other. To follow it, make a new request and send that: it is checked like the first one.
///
/// The feature `reqwest` of this crate enables no TLS. Name reqwest in your own `Cargo.toml` with a feature such as
/// `rustls` or `native-tls`, and Cargo builds it with that.
///
/// A clone shares the connections.
#[derive(Clone)]
pub struct ReqwestClient(Client);

impl ReqwestClient {
    /// Builds a client that follows no redirects, logs no bytes, and unpacks no body.
    ///
    /// Everything else is yours: timeouts, root certificates, the resolver, and default headers, which are not checked, but
    /// cannot replace `host`. It ignores `HTTPS_PROXY` and the other variables of the environment, but uses the proxies and
    /// the Unix socket of `builder`. With TLS, a proxy for `https` sees no credential. **Without TLS, reqwest hands such a
    /// proxy or socket the request as it is.** A builder that accepts invalid certificates lets anyone be the host.
    ///
    /// # Errors
    ///
    /// Returns [`SendError::Client`] if the client cannot be built, for instance because TLS has no certificates.
    pub fn new(builder: ClientBuilder) -> Result<Self, SendError> {
        let builder = builder.redirect(Policy::none()).referer(false);
        // With any proxy in its list, also one for no address, reqwest does not look for others in the environment.
        let builder = builder.proxy(Proxy::custom(|_| None::<Url>));
        // It would log the bytes that are sent.
        let builder = builder.connection_verbose(false);
        // An unpacker would remove the header that says so, and ask for such bodies.
        let builder = builder.no_gzip().no_brotli().no_zstd().no_deflate();
        builder.build().map(Self).map_err(error)
    }

    /// Writes the credential into a request, as [`BoundSecret::authorize`] does, and sends it.
    ///
    /// # Errors
    ///
    /// - [`SendError::Authorize`] if the credential must not go there, and for the other reasons of `authorize`
    /// - [`SendError::Client`] if there is no reply, also for `https` if reqwest was built without TLS and uses no proxy
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
        self.0.execute(request).await.map_err(error)
    }
}

/// The URL may contain what a customer typed.
fn error(error: ::reqwest::Error) -> SendError {
    SendError::Client(error.without_url().into())
}

/// By hand, because that of reqwest shows default headers and proxies.
impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestClient").finish_non_exhaustive()
    }
}
