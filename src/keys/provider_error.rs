//! Why a provider failed to wrap or unwrap, and what an operator can do about it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::key_id::KeyId;
use crate::secret::key_bytes::KeyError;

/// Why a provider failed to wrap or unwrap.
///
/// Operators see its message and its source, so neither may contain a secret. A clone shares the source.
#[derive(Clone)]
pub struct ProviderError {
    kind: ProviderErrorKind,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What an operator can do about a [`ProviderError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderErrorKind {
    /// The service does not know the key.
    NotFound,
    /// The service knows the key, but denies us access to it.
    Denied,
    /// The service does not know who is asking: the credentials are missing, wrong or expired.
    Unauthenticated,
    /// The key is disabled or pending deletion at the service.
    Disabled,
    /// The service received too many requests; this is transient.
    Throttled,
    /// The service did not reply, or replied that it is unavailable; this is transient.
    Unavailable,
    /// The key under this id is not the one that wrapped the data key.
    WrongKeyMaterial,
    /// The wrapped key is not one that this key made for this row: it was altered, or moved here.
    Rejected,
    /// Anything else.
    Other,
}

impl ProviderErrorKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "the key service does not know the key",
            Self::Denied => "the key service denied access to the key",
            Self::Unauthenticated => "the key service rejected our credentials",
            Self::Disabled => "the key is disabled at the key service",
            Self::Throttled => "too many requests to the key service",
            Self::Unavailable => "the key service is unavailable",
            Self::WrongKeyMaterial => "the master key is not the one that wrapped the data key",
            Self::Rejected => "the wrapped key was rejected",
            Self::Other => "the key provider failed",
        }
    }

    const fn as_data(self) -> (&'static str, ErrorClass) {
        match self {
            Self::NotFound => ("not_found", ErrorClass::Misconfigured),
            Self::Denied => ("denied", ErrorClass::Misconfigured),
            Self::Unauthenticated => ("unauthenticated", ErrorClass::Misconfigured),
            Self::Disabled => ("disabled", ErrorClass::Refused),
            Self::Throttled => ("throttled", ErrorClass::Transient),
            Self::Unavailable => ("unavailable", ErrorClass::Transient),
            Self::WrongKeyMaterial => ("wrong_key_material", ErrorClass::Misconfigured),
            Self::Rejected => ("rejected", ErrorClass::Altered),
            Self::Other => ("other", ErrorClass::Misconfigured),
        }
    }
}

impl ProviderError {
    /// Creates an error of this kind with its cause.
    #[must_use]
    pub fn new(kind: ProviderErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, retry_after: None, source: Some(source.into().into()) }
    }

    /// Adds how long the service asked to wait.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// Returns the kind of this error.
    #[must_use]
    pub fn kind(&self) -> ProviderErrorKind {
        self.kind
    }

    /// Returns how long the service asked to wait, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns whether the same call may succeed later.
    ///
    /// It may if the kind is [`Throttled`](ProviderErrorKind::Throttled) or
    /// [`Unavailable`](ProviderErrorKind::Unavailable).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == ErrorClass::Transient
    }

    /// Returns `None`, because a provider's error does not contain a key id.
    ///
    /// The error that has this one as its source names the key.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        None
    }

    const fn as_data(&self) -> (&'static str, ErrorClass) {
        self.kind.as_data()
    }
}

error_as_data!(ProviderError);

impl From<ProviderErrorKind> for ProviderError {
    fn from(kind: ProviderErrorKind) -> Self {
        Self { kind, retry_after: None, source: None }
    }
}

impl From<KeyError> for ProviderError {
    /// Returns `Rejected` for bytes that are not a data key, and `Other` for a randomness source that failed.
    fn from(error: KeyError) -> Self {
        let kind = match error {
            KeyError::Random => ProviderErrorKind::Other,
            _ => ProviderErrorKind::Rejected,
        };
        Self::new(kind, error)
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())
    }
}

impl fmt::Debug for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, retry_after, source } = self;
        f.debug_struct("ProviderError")
            .field("kind", kind)
            .field("retry_after", retry_after)
            .field("source", source)
            .finish()
    }
}

impl Error for ProviderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| {
            let source: &(dyn Error + 'static) = &**source;
            source
        })
    }
}
