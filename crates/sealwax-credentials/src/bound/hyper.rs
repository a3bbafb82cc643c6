//! Sending over hyper's client.

use alloc::boxed::Box;
use core::any::TypeId;
use core::error::Error;
use core::fmt;

use ::hyper::body::{Body, Incoming};
use http::uri::Scheme;
use http::{Request, Response};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::{self, legacy::Client};

use super::sending::{SendError, forget_reason};
use super::{BoundSecret, KeyHeader};

/// Sends requests with a credential over hyper's client, which follows no redirects.
///
/// A reply with a status such as 307 is returned like any other. To follow it, make a new request and send that: it is
/// checked like the first one.
///
/// The connector, and so TLS, is the one of your client. Timeouts are yours too.
///
/// **This type cannot see whether your connector encrypts.** It recognises only hyper's own `HttpConnector`, without a
/// resolver of yours, and sends nothing to `https` over that. Any other connector gets the credential, in plaintext if
/// that is what it speaks: use one whose only answer to `https` is TLS, such as those of `hyper-rustls` and `hyper-tls`,
/// and no forward proxy.
pub struct HyperClient<C, B>(Client<C, B>);

impl<C, B> HyperClient<C, B>
where
    C: Connect + Clone + Send + Sync + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    /// Uses this client, and its connections.
    #[must_use]
    pub fn new(client: Client<C, B>) -> Self {
        Self(client)
    }

    /// Writes the credential into a request, as [`BoundSecret::authorize`] does, and sends it.
    ///
    /// # Errors
    ///
    /// - [`SendError::Authorize`] if the credential must not go there, and for the other reasons of `authorize`
    /// - [`SendError::NoTls`] for `https` if the connector is hyper's own `HttpConnector`
    /// - the other errors if there is no reply
    pub async fn send(
        &self,
        mut request: Request<B>,
        secret: &BoundSecret,
        header: &KeyHeader,
    ) -> Result<Response<Incoming>, SendError> {
        secret.authorize(&mut request, header)?;
        let is_plain = TypeId::of::<C>() == TypeId::of::<HttpConnector>();
        if is_plain && request.uri().scheme() != Some(&Scheme::HTTP) {
            return Err(SendError::NoTls);
        }
        let mut response = self.0.request(request).await?;
        forget_reason(response.extensions_mut());
        Ok(response)
    }
}

/// What happened, and nothing that the upstream chose.
impl From<client::legacy::Error> for SendError {
    fn from(error: client::legacy::Error) -> Self {
        Self::of(&error, error.is_connect(), false)
    }
}

/// The same, for errors while you read the body.
impl From<::hyper::Error> for SendError {
    fn from(error: ::hyper::Error) -> Self {
        Self::of(&error, false, error.is_timeout())
    }
}

impl<C, B> fmt::Debug for HyperClient<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperClient").finish_non_exhaustive()
    }
}
