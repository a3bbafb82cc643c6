//! What the clients have in common.

use alloc::boxed::Box;
use core::error::Error;

use super::AuthorizeError;

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The credential was not written into the request, and nothing was sent.
    #[error(transparent)]
    Authorize(#[from] AuthorizeError),
    /// The client has no TLS, and the scheme is `https`. Nothing was sent.
    #[error("the client has no TLS")]
    NoTls,
    /// The HTTP client failed. Its error contains neither headers nor the URI.
    #[error("the HTTP client failed")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}
