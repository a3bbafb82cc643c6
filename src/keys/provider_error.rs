//! Why a provider did not wrap or unwrap, and what an operator can do about it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::key_id::KeyId;
use crate::secret::key_bytes::KeyError;

/// Why a provider did not wrap or unwrap.
///
/// Its message and its source are shown to operators: neither may hold a secret. A clone shares the source.
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
    /// The service knows the key and refuses us.
    Denied,
    /// The service does not know who asks: credentials that are missing, wrong or expired.
    Unauthenticated,
    /// The key is disabled or pending deletion at the service.
    Disabled,
    /// Too many requests. Transient.
    Throttled,
    /// The service did not answer, or answered that it cannot now. Transient.
    Unavailable,
    /// Other key material under this id than the one that wrapped.
    WrongKeyMaterial,
    /// The wrapped key is not one this key made, for this row: altered, or moved here.
    Rejected,
    /// Anything else.
    Other,
}

impl ProviderErrorKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "the service does not know the key",
            Self::Denied => "the service denied access to the key",
            Self::Unauthenticated => "the service does not accept our credentials",
            Self::Disabled => "the key is disabled at the service",
            Self::Throttled => "too many requests",
            Self::Unavailable => "the service is unavailable",
            Self::WrongKeyMaterial => "other key material under this id",
            Self::Rejected => "the wrapped key was rejected",
            Self::Other => "the provider failed",
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
    /// An error of a kind, and what caused it.
    #[must_use]
    pub fn new(kind: ProviderErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, retry_after: None, source: Some(source.into().into()) }
    }

    /// The same error, with the wait that the service asked for.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ProviderErrorKind {
        self.kind
    }

    /// How long the service asked to wait, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the same call may go through later: [`Throttled`](ProviderErrorKind::Throttled) or
    /// [`Unavailable`](ProviderErrorKind::Unavailable).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == ErrorClass::Transient
    }

    /// None: a provider knows no key by its id. The error that holds this one names the key.
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
    /// What a service answered is not a data key; a generator that failed says nothing of it.
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
