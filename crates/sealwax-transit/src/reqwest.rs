//! A transport over reqwest.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use ::reqwest::redirect::Policy;
use ::reqwest::{Client, ClientBuilder, Proxy, Url};
use bytes::Bytes;
use http::{Request, Response};
use sealwax::ProviderFuture;

use crate::transport::{Body, Transport, TransportError, TransportErrorKind};

/// A transport over a client of reqwest that follows no redirects and has a timeout.
///
/// By default, reqwest follows a redirect to another host, and sends it the token and the data key. A finished client
/// cannot be asked whether it does, so this type builds the client.
///
/// The feature `reqwest` of this crate enables no TLS. Name reqwest in your own `Cargo.toml` with a feature such as
/// `rustls` or `native-tls`, and Cargo builds it with that.
///
/// A clone shares the connections, so that several keys can use one transport.
#[derive(Clone)]
pub struct ReqwestTransport(Client);

impl ReqwestTransport {
    /// Builds a client without redirects, and with this timeout for the whole exchange.
    ///
    /// Everything else is yours: root certificates, a client certificate, the resolver. Futures of this transport must be
    /// polled in a Tokio runtime.
    ///
    /// It ignores `HTTP_PROXY` and the other variables of the environment, but uses the proxies of `builder`. A proxy
    /// sees the token and every data key of requests to an `http://` address.
    ///
    /// # Errors
    ///
    /// Returns the error of reqwest if the client cannot be built, for instance because TLS has no certificates.
    pub fn new(builder: ClientBuilder, timeout: Duration) -> Result<Self, TransportError> {
        let builder = builder.redirect(Policy::none()).timeout(timeout);
        // With any proxy in its list, also one for no address, reqwest does not look for others in the environment.
        let builder = builder.proxy(Proxy::custom(|_| None::<Url>));
        // An unpacker would leave the reply in a buffer that nobody wipes.
        let builder = builder.no_gzip().no_brotli().no_zstd().no_deflate();
        // It would log the bytes that are sent.
        let builder = builder.connection_verbose(false).referer(false);
        builder.build().map(Self).map_err(error)
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, TransportError> {
        let request = request.map(Bytes::from_owner).try_into().map_err(error)?;
        let mut response = self.0.execute(request).await.map_err(error)?;
        let mut body = Body::new();
        while let Some(bytes) = response.chunk().await.map_err(error)? {
            body.push(&bytes)?;
        }
        let mut whole = Response::new(body);
        *whole.status_mut() = response.status();
        *whole.headers_mut() = std::mem::take(response.headers_mut());
        Ok(whole)
    }
}

fn error(error: ::reqwest::Error) -> TransportError {
    let kind = match () {
        () if error.is_timeout() => TransportErrorKind::Timeout,
        () if error.is_builder() || is_without_tls(&error) => TransportErrorKind::Config,
        () if error.is_connect() => TransportErrorKind::Connect,
        () => TransportErrorKind::Other,
    };
    TransportError::new(kind, error)
}

/// Returns whether reqwest was built without TLS, and the address is `https://`. Its connector says so only in words.
fn is_without_tls(error: &::reqwest::Error) -> bool {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes.map(ToString::to_string).any(|cause| cause.contains("scheme is not http"))
}

/// By hand, because that of reqwest shows headers and proxies.
impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport").finish_non_exhaustive()
    }
}

impl Transport for ReqwestTransport {
    fn send<'a>(
        &'a self,
        request: Request<Body>,
    ) -> ProviderFuture<'a, Result<Response<Body>, TransportError>> {
        ProviderFuture::boxed(self.exchange(request))
    }
}
