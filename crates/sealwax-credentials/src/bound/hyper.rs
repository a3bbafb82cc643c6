//! Sending over hyper's client.

use alloc::boxed::Box;
use core::any::TypeId;
use core::error::Error;
use core::fmt;

use ::hyper::body::{Body, Incoming};
use http::uri::Scheme;
use http::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};

use super::sending::SendError;
use super::{BoundSecret, KeyHeader};

/// Sends requests with a credential over hyper's client, which follows no redirects.
///
/// A reply with a status such as 307 is returned like any other. To follow it, make a new request and send that: it is
/// checked like the first one.
///
/// The connector, and so TLS, is the one of your client. Timeouts are yours too.
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
    /// - [`SendError::NoTls`] for `https` if the connector is hyper's own one, which would send plaintext or nothing
    /// - [`SendError::Client`] if there is no reply
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
        self.0.request(request).await.map_err(|error| SendError::Client(error.into()))
    }
}

impl<C, B> fmt::Debug for HyperClient<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperClient").finish_non_exhaustive()
    }
}
