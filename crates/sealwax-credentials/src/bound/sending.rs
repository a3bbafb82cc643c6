//! What the clients have in common.

use alloc::boxed::Box;
use core::error::Error;
use core::fmt;
use core::iter::successors;
use std::io::{self, ErrorKind};

use ::hyper::ext::ReasonPhrase;
use http::Extensions;

use super::AuthorizeError;

/// Why there is no reply.
///
/// An error of an HTTP client may repeat what the upstream chose, and so the key: HTTP/2 lets a server say anything when
/// it closes a connection. Therefore only kinds are kept. To find out more, send a request without a credential to the
/// same host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The credential was not written into the request, and nothing was sent.
    #[error(transparent)]
    Authorize(#[from] AuthorizeError),
    /// The client has no TLS, and the scheme is `https`. Nothing was sent.
    #[error("the client has no TLS")]
    NoTls,
    /// The client could not be built. Its error contains no URL, and is older than any request.
    #[error("the HTTP client cannot be built")]
    Build(#[source] Box<dyn Error + Send + Sync>),
    /// There is no connection: for instance, the host has no address, or TLS does not accept its certificate.
    #[error("no connection to the host{}", Because(.0))]
    Connect(Option<ErrorKind>),
    /// The time that you set for the client was over.
    #[error("the upstream took too long")]
    Timeout,
    /// The connection ended or failed, or what came was not HTTP.
    #[error("the connection to the host failed{}", Because(.0))]
    Connection(Option<ErrorKind>),
}

impl SendError {
    /// Keeps what is no text. The kind is that of the first error of the system in the chain.
    pub(super) fn of(error: &(dyn Error + 'static), is_connect: bool, is_timeout: bool) -> Self {
        let mut causes = successors(Some(error), |&error| error.source());
        let kind = causes.find_map(|cause| cause.downcast_ref().map(io::Error::kind));
        match () {
            () if is_timeout || kind == Some(ErrorKind::TimedOut) => Self::Timeout,
            () if is_connect => Self::Connect(kind),
            () => Self::Connection(kind),
        }
    }
}

/// Forgets the words after the status, which the upstream chooses, and which nothing needs (RFC 9112, section 4).
pub(super) fn forget_reason(extensions: &mut Extensions) {
    extensions.remove::<ReasonPhrase>();
}

struct Because<'a>(&'a Option<ErrorKind>);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |kind| write!(f, ": {kind}"))
    }
}
