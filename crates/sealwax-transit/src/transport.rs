//! What this crate asks of an HTTP client.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::{Request, Response};
use sealwax::ProviderFuture;
use zeroize::Zeroizing;

/// Sends one request to the service, and returns its reply.
///
/// Implement it for the HTTP client that your program already has, or use `HyperTransport` or `ReqwestTransport`, which
/// are behind features. The requests contain tokens and data keys, so a transport:
///
/// - **follows no redirect**. It returns a reply with a status such as 307 like any other. A client that follows it
///   sends the token and the data key to the address that the reply names.
/// - **has a timeout** for the whole exchange, from the connection to the last byte of the reply. Without one, a
///   service that hangs also keeps the keyring from trying the next wrap.
/// - **limits the reply** to [`Body::MAX_LEN`], before it is complete in memory: [`Body::push`] does that.
/// - **logs neither** bodies nor headers.
/// - does not compress, and reads the reply into a [`Body`], which is wiped.
///
/// It must not start anything before the future is polled: put all work into the `async` block of
/// [`ProviderFuture::boxed`]. The caller may drop the future at any point.
pub trait Transport: Send + Sync {
    /// Sends `request`, and returns the reply, whatever its status.
    fn send<'a>(
        &'a self,
        request: Request<Body>,
    ) -> ProviderFuture<'a, Result<Response<Body>, TransportError>>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: Transport + ?Sized> Transport for $pointer {
            fn send<'a>(
                &'a self,
                request: Request<Body>,
            ) -> ProviderFuture<'a, Result<Response<Body>, TransportError>> {
                (**self).send(request)
            }
        }
    )*};
}

forward!(&T, Arc<T>, Box<T>);

/// The bytes of a request or a reply: at most 1 MiB, wiped when dropped.
#[derive(Default)]
pub struct Body(Zeroizing<Vec<u8>>);

impl Body {
    /// The largest body, in bytes: 1 MiB.
    ///
    /// The largest request of this crate has less than 150 KiB, and the reply to it less than 40 KiB.
    pub const MAX_LEN: usize = 1024 * 1024;

    /// Creates an empty body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes. When the buffer has to grow, the old one is wiped.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind [`TooLarge`](TransportErrorKind::TooLarge), without appending, if the body would
    /// become larger than [`MAX_LEN`](Self::MAX_LEN).
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        let length = self.0.len().saturating_add(bytes.len());
        if length > Self::MAX_LEN {
            return Err(TransportErrorKind::TooLarge.into());
        }
        if length > self.0.capacity() {
            // A `Vec` that grows leaves its old buffer behind.
            let mut larger = Zeroizing::new(Vec::with_capacity(length.next_power_of_two()));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl TryFrom<Vec<u8>> for Body {
    type Error = TransportError;

    /// Takes the buffer, and wipes it when the body is dropped.
    ///
    /// # Errors
    ///
    /// Wipes the buffer, and returns an error of the kind [`TooLarge`](TransportErrorKind::TooLarge), if it is larger
    /// than [`MAX_LEN`](Self::MAX_LEN).
    fn try_from(bytes: Vec<u8>) -> Result<Self, TransportError> {
        let body = Self(Zeroizing::new(bytes));
        if body.0.len() > Self::MAX_LEN {
            return Err(TransportErrorKind::TooLarge.into());
        }
        Ok(body)
    }
}

/// So that `bytes::Bytes::from_owner(body)` gives a client the body without a copy.
impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// Why there was no complete reply.
#[derive(Debug, thiserror::Error)]
#[error("{}", kind.as_str())]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kept a transport from getting a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The time was up before the reply was complete.
    Timeout,
    /// There was no connection: nobody listens, the name does not resolve, or TLS failed.
    ///
    /// A certificate that is not accepted is reported as this too, and so as a service that is away.
    Connect,
    /// The transport cannot send to such an address, for instance to `https://` without TLS. Nothing was sent.
    Config,
    /// The reply is larger than [`Body::MAX_LEN`].
    TooLarge,
    /// Anything else, such as a connection that was closed in the middle of a reply.
    Other,
}

impl TransportErrorKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "the request timed out",
            Self::Connect => "no connection to the service",
            Self::Config => "the transport cannot send to this address: has it TLS?",
            Self::TooLarge => "the reply is larger than 1 MiB",
            Self::Other => "the HTTP client failed",
        }
    }
}

impl TransportError {
    /// Creates an error with its cause, which must not contain headers or bodies.
    #[must_use]
    pub fn new(kind: TransportErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// Returns the kind of this error.
    #[must_use]
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }
}

impl From<TransportErrorKind> for TransportError {
    fn from(kind: TransportErrorKind) -> Self {
        Self { kind, source: None }
    }
}
