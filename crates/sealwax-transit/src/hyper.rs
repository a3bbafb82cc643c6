//! A transport over hyper's client.

use std::any::TypeId;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ::hyper::rt::{Executor, Timer};
use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use sealwax::ProviderFuture;

use crate::transport::{Body, Transport, TransportError, TransportErrorKind};

/// A transport over hyper's client: HTTP/1.1, a pool of connections, no redirects, a timeout.
///
/// You choose the connector, and with it TLS. For example, with the crate `hyper-rustls`:
///
/// ```text
/// let connector = hyper_rustls::HttpsConnectorBuilder::new()
///     .with_native_roots()?
///     .https_only()
///     .enable_http1()
///     .build();
/// let transport = HyperTransport::new(connector, Duration::from_secs(2));
/// ```
///
/// A clone shares the connections, so that several keys can use one transport.
#[derive(Clone)]
pub struct HyperTransport<C = HttpConnector> {
    client: Client<C, Full<Bytes>>,
    timer: Arc<dyn Timer + Send + Sync>,
    timeout: Duration,
}

impl HyperTransport<HttpConnector> {
    /// Creates a transport without TLS, for a service on this machine. Its futures must be polled in a Tokio runtime.
    ///
    /// It sends nothing to an `https://` address: that is an error of the kind [`Config`](TransportErrorKind::Config).
    ///
    /// `timeout` is for the whole exchange: two seconds are plenty for a service in the same network.
    #[must_use]
    pub fn plain(timeout: Duration) -> Self {
        Self::new(HttpConnector::new(), timeout)
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> HyperTransport<C> {
    /// Creates a transport whose futures must be polled in a Tokio runtime.
    ///
    /// `timeout` is for the whole exchange, from the connection to the last byte of the reply.
    #[must_use]
    pub fn new(connector: C, timeout: Duration) -> Self {
        Self::with_runtime(connector, TokioExecutor::new(), TokioTimer::new(), timeout)
    }

    /// Creates a transport for another runtime, from its executor and its timer.
    #[must_use]
    pub fn with_runtime(
        connector: C,
        executor: impl Executor<Pin<Box<dyn Future<Output = ()> + Send>>>
        + Clone
        + Send
        + Sync
        + 'static,
        timer: impl Timer + Clone + Send + Sync + 'static,
        timeout: Duration,
    ) -> Self {
        let client = Client::builder(executor).pool_timer(timer.clone()).build(connector);
        Self { client, timer: Arc::new(timer), timeout }
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Response<Body>, TransportError> {
        // It has no TLS. If it was told not to mind, it would send the token in the clear.
        let is_plain = TypeId::of::<C>() == TypeId::of::<HttpConnector>();
        if is_plain && request.uri().scheme() != Some(&Scheme::HTTP) {
            return Err(TransportErrorKind::Config.into());
        }
        let request = request.map(|body| Full::new(Bytes::from_owner(body)));
        let response = self.client.request(request).await.map_err(|error| {
            let kind = match error.is_connect() {
                true => TransportErrorKind::Connect,
                false => TransportErrorKind::Other,
            };
            TransportError::new(kind, error)
        })?;
        let (parts, mut incoming) = response.into_parts();
        let mut body = Body::new();
        while let Some(frame) = incoming.frame().await {
            let frame =
                frame.map_err(|error| TransportError::new(TransportErrorKind::Other, error))?;
            // Trailers are no part of the reply.
            if let Some(bytes) = frame.data_ref() {
                body.push(bytes)?;
            }
        }
        Ok(Response::from_parts(parts, body))
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> Transport for HyperTransport<C> {
    fn send<'a>(
        &'a self,
        request: Request<Body>,
    ) -> ProviderFuture<'a, Result<Response<Body>, TransportError>> {
        ProviderFuture::boxed(async move {
            let mut exchange = pin!(self.exchange(request));
            let mut sleep = self.timer.sleep(self.timeout);
            poll_fn(|context| match exchange.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(result),
                Poll::Pending => {
                    sleep.as_mut().poll(context).map(|()| Err(TransportErrorKind::Timeout.into()))
                }
            })
            .await
        })
    }
}

impl<C> fmt::Debug for HyperTransport<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
