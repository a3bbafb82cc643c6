//! The one joint: who wraps and unwraps data keys.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::format::key_id::{self, KeyId};
use crate::format::sizes::{COMMITMENT_LEN, FORMAT_VERSION};
use crate::format::suite::Suite;
use crate::format::wrapped_key::WrapKind;
use crate::keys::answer::Answer;
use crate::keys::data_key::DataKey;
use crate::secret::key_bytes::KeyError;

/// Wraps data keys under a master key and unwraps them: in memory, in an HSM, in a cloud KMS.
///
/// [`MasterKey`](crate::MasterKey) is one; so are `Arc<P>`, `Box<P>` and `&P` of any provider `P`.
/// [`crate::docs::providers`] tells how to write one. The template, with its lifetimes spelled out:
///
/// ```
/// use sealwax::{Answer, DataKey, MasterKeyProvider, ProviderError, UnwrapRequest, WrapRequest};
///
/// struct Kms { /* a client of your own */ }
///
/// impl MasterKeyProvider for Kms {
///     fn wrap_key<'a>(&'a self, request: WrapRequest<'a>) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
///         Answer::later(async move {
///             # let _ = request;
///             // Send request.data_key().expose_secret(), bound to request.associated_data().
///             # Ok(Vec::new())
///         })
///     }
///
///     fn unwrap_key<'a>(&'a self, request: UnwrapRequest<'a>) -> Answer<'a, Result<DataKey, ProviderError>> {
///         Answer::later(async move {
///             // Send request.body(), bound to request.associated_data().
///             # let _ = request;
///             # let mut plaintext = [0; 32];
///             Ok(DataKey::from_bytes(&mut plaintext)?)
///         })
///     }
/// }
/// ```
///
/// A provider that answers a wrong data key cannot make a row open wrongly: the envelope's MAC is
/// checked under whatever it answers.
pub trait MasterKeyProvider: Send + Sync {
    /// Wraps the data key of a request; answers the body of the wrapped key, 1 to 65,534 bytes.
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> Answer<'a, Result<Vec<u8>, ProviderError>>;

    /// Unwraps the body of a wrapped key.
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> Answer<'a, Result<DataKey, ProviderError>>;

    /// The kind of wrap it makes, and the only one it is asked to unwrap. Asked once, when it is put
    /// into a keyring.
    fn kind(&self) -> WrapKind {
        WrapKind::Provider
    }

    /// Whether a body of its kind, wrapped under its key id, is as it would make one today; told
    /// from public bytes alone. Where it answers false, a rewrap renews the wrap.
    ///
    /// A master key in memory compares the check value; a provider whose service versions the key
    /// behind one id can compare the version. The default is true, but for the kind
    /// [`WrapKind::Local`]: a type around a master key must pass the question on to it, or an
    /// envelope is never current and every rewrap writes the same wrap again.
    fn is_current(&self, body: &[u8]) -> bool {
        let _ = body;
        self.kind() != WrapKind::Local
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<P: MasterKeyProvider + ?Sized> MasterKeyProvider for $pointer {
            fn wrap_key<'a>(
                &'a self,
                request: WrapRequest<'a>,
            ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
                (**self).wrap_key(request)
            }

            fn unwrap_key<'a>(
                &'a self,
                request: UnwrapRequest<'a>,
            ) -> Answer<'a, Result<DataKey, ProviderError>> {
                (**self).unwrap_key(request)
            }

            fn kind(&self) -> WrapKind {
                (**self).kind()
            }

            fn is_current(&self, body: &[u8]) -> bool {
                (**self).is_current(body)
            }
        }
    )*};
}

forward!(&P, Arc<P>, Box<P>);

/// What a wrap is bound to: 0x01 (format version) ‖ suite ‖ len8(key_id) ‖ commitment.
pub(super) struct Binding<'a> {
    head: [u8; 3],
    key_id: &'a [u8],
    commitment: &'a [u8; COMMITMENT_LEN],
}

impl<'a> Binding<'a> {
    pub(super) fn new(
        key_id: &'a KeyId,
        suite: Suite,
        commitment: &'a [u8; COMMITMENT_LEN],
    ) -> Self {
        let key_id = key_id.as_ref();
        let head = [FORMAT_VERSION, suite.id(), key_id::len_byte(key_id)];
        Self { head, key_id: key_id.as_bytes(), commitment }
    }

    pub(super) fn parts(&self) -> [&[u8]; 3] {
        let Self { head, key_id, commitment } = self;
        [head, key_id, commitment.as_slice()]
    }
}

/// A data key to wrap, and what to bind it to.
#[derive(Clone, Copy, Debug)]
pub struct WrapRequest<'a> {
    key_id: &'a KeyId,
    suite: Suite,
    commitment: &'a [u8; COMMITMENT_LEN],
    data_key: &'a DataKey,
}

impl<'a> WrapRequest<'a> {
    /// A request, for tests of providers and for callers with a transport of their own.
    #[must_use]
    pub const fn new(
        key_id: &'a KeyId,
        suite: Suite,
        commitment: &'a [u8; COMMITMENT_LEN],
        data_key: &'a DataKey,
    ) -> Self {
        Self { key_id, suite, commitment, data_key }
    }

    /// The id under which the keyring holds the provider.
    #[must_use]
    pub const fn key_id(&self) -> &'a KeyId {
        self.key_id
    }

    /// The suite of the envelope.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The commitment of the envelope: different in every row, and public.
    #[must_use]
    pub const fn commitment(&self) -> &'a [u8; COMMITMENT_LEN] {
        self.commitment
    }

    /// The data key to wrap.
    #[must_use]
    pub const fn data_key(&self) -> &'a DataKey {
        self.data_key
    }

    /// What a KMS or HSM that can bind associated data binds: 36 to 163 bytes, all public.
    ///
    /// 0x01 (format version) ‖ suite ‖ len8(key_id) ‖ commitment
    #[must_use]
    pub fn associated_data(&self) -> Vec<u8> {
        self.binding().parts().concat()
    }

    pub(super) fn binding(&self) -> Binding<'a> {
        Binding::new(self.key_id, self.suite, self.commitment)
    }
}

/// A wrapped key to unwrap, and what it was bound to.
#[derive(Clone, Copy, Debug)]
pub struct UnwrapRequest<'a> {
    key_id: &'a KeyId,
    suite: Suite,
    commitment: &'a [u8; COMMITMENT_LEN],
    body: &'a [u8],
}

impl<'a> UnwrapRequest<'a> {
    /// A request, for tests of providers and for callers with a transport of their own.
    #[must_use]
    pub const fn new(
        key_id: &'a KeyId,
        suite: Suite,
        commitment: &'a [u8; COMMITMENT_LEN],
        body: &'a [u8],
    ) -> Self {
        Self { key_id, suite, commitment, body }
    }

    /// The id under which the keyring holds the provider.
    #[must_use]
    pub const fn key_id(&self) -> &'a KeyId {
        self.key_id
    }

    /// The suite of the envelope.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The commitment of the envelope.
    #[must_use]
    pub const fn commitment(&self) -> &'a [u8; COMMITMENT_LEN] {
        self.commitment
    }

    /// The wrapped data key, as the provider made it. Read from a database: not yet trusted.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// What the wrap was bound to: the same bytes as in the [`WrapRequest`].
    #[must_use]
    pub fn associated_data(&self) -> Vec<u8> {
        self.binding().parts().concat()
    }

    pub(super) fn binding(&self) -> Binding<'a> {
        Binding::new(self.key_id, self.suite, self.commitment)
    }
}

/// Why a provider did not wrap or unwrap.
///
/// Its message and its source are shown to operators: neither may hold a secret.
pub struct ProviderError {
    kind: ProviderErrorKind,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What an operator can do about a [`ProviderError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderErrorKind {
    /// The service does not know the key.
    NotFound,
    /// The service knows the key and refuses us.
    Denied,
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
            Self::Disabled => "the key is disabled at the service",
            Self::Throttled => "too many requests",
            Self::Unavailable => "the service is unavailable",
            Self::WrongKeyMaterial => "other key material under this id",
            Self::Rejected => "the wrapped key was rejected",
            Self::Other => "the provider failed",
        }
    }
}

impl ProviderError {
    /// An error of a kind, and what caused it.
    #[must_use]
    pub fn new(kind: ProviderErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, retry_after: None, source: Some(source.into()) }
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
        matches!(self.kind, ProviderErrorKind::Throttled | ProviderErrorKind::Unavailable)
    }
}

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
