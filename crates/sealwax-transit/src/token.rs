//! The token, which the caller can replace while the process runs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::HeaderValue;
use sealwax::Secret;
use zeroize::Zeroizing;

use crate::location::ConfigError;

/// A handle to the token that authenticates the process.
///
/// Clones share the token: keep one, and call [`replace`](Self::replace) when you have a new token. Requests that are
/// on their way keep the old one. A token that was replaced is wiped when the last request with it ends.
///
/// This crate keeps one copy, and wipes it. The buffers of the HTTP client hold others, which nobody wipes.
///
/// This crate never logs in and never renews: a token that has expired is an error of the kind
/// [`Unauthenticated`](sealwax::ProviderErrorKind::Unauthenticated).
#[derive(Clone)]
pub struct Token(Arc<RwLock<HeaderValue>>);

impl Token {
    /// Creates a handle to a token.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError::Token`] if the token is empty, or contains white space, a line end or anything else that
    /// is not visible ASCII. The error does not contain the token.
    pub fn new(token: &Secret) -> Result<Self, ConfigError> {
        Ok(Self(Arc::new(RwLock::new(header(token)?))))
    }

    /// Replaces the token in all clones of this handle.
    ///
    /// # Errors
    ///
    /// Returns the same error as [`new`](Self::new), and then keeps the old token.
    pub fn replace(&self, token: &Secret) -> Result<(), ConfigError> {
        let token = header(token)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = token;
        Ok(())
    }

    /// Returns the value of the header, which shares the wiped buffer.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn header(token: &Secret) -> Result<HeaderValue, ConfigError> {
    let token = token.expose_secret();
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(ConfigError::Token);
    }
    let shared = Bytes::from_owner(Zeroizing::new(token.to_vec()));
    // It takes `Bytes` without a copy.
    let mut value = HeaderValue::from_maybe_shared(shared).map_err(|_| ConfigError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([REDACTED])")
    }
}
