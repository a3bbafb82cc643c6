//! Why a credential was not sealed, opened or rewrapped.
//!
//! For each variant, `as_data` gives the name and the class, and `about` gives the key that failed and its provider's
//! error. [`crate::docs::operations`] has the same table, with an HTTP status, an alert and what to do.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use thiserror::Error;

use crate::format::error::FormatError;
use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::key_id::KeyId;
use crate::keys::provider_error::{ProviderError, ProviderErrorKind};
use crate::keys::recorder::RecorderError;
use crate::keys::usable_key::UsableKey;

/// Why a credential was not sealed; nothing was stored or lost.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The randomness source failed, or returned one repeated byte, or zeros for the IV.
    #[error("the randomness source failed")]
    Random,
    /// The credential is longer than 16 MiB (16,777,216 bytes).
    #[error("the credential is longer than 16777216 bytes")]
    TooLong,
    /// The keyring has no primary: it only opens.
    #[error("the keyring has no primary key to seal with")]
    NoPrimary,
    /// A key failed to wrap the data key.
    #[error("key {key_id} failed to wrap the data key")]
    #[non_exhaustive]
    Wrap {
        /// The key.
        key_id: KeyId,
        /// The error of its provider.
        source: ProviderError,
    },
    /// A key is remote, and the method does not wait.
    #[error("key {key_id} is remote: use seal_async")]
    #[non_exhaustive]
    WouldBlock {
        /// The key.
        key_id: KeyId,
    },
}

/// Why no data key was unwrapped under which the envelope is intact.
///
/// [`verify`](crate::Keyring::verify) returns this error, and opening and rewrapping start with the same check. Nothing
/// was changed.
///
/// It is safe to distinguish the variants: each follows from public bytes, or is the verdict of a MAC, which fails for
/// every change that somebody without the key can make. If several wraps fail, a transient failure is reported before a final one.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum UnwrapError {
    /// The keyring has none of the envelope's keys.
    #[error("no key in this keyring can open the envelope; it is wrapped for: {}", List(key_ids))]
    #[non_exhaustive]
    UnknownKey {
        /// The keys that the envelope names.
        key_ids: Vec<KeyId>,
    },
    /// The only keys that could open the envelope are disabled, in the keyring or at the service.
    #[error("key {key_id} is disabled")]
    #[non_exhaustive]
    KeyDisabled {
        /// The first of these keys.
        key_id: KeyId,
        /// The error of the service, or `None` if the key is disabled in the keyring.
        source: Option<ProviderError>,
    },
    /// The envelope is wrapped for a key that leaked, so others know its data key.
    ///
    /// This holds whatever other wraps there are. Open the envelope where that key is retired, seal the credential
    /// again, and replace it.
    #[error("key {key_id} has leaked: envelopes wrapped for it are refused")]
    #[non_exhaustive]
    KeyLeaked {
        /// The key.
        key_id: KeyId,
    },
    /// A key that could open the envelope is destroyed and no other is left, so the envelope is gone for good.
    #[error("key {key_id} was destroyed: envelopes that only it could open are gone for good")]
    #[non_exhaustive]
    KeyDestroyed {
        /// The key.
        key_id: KeyId,
    },
    /// The keyring's key with this id is not the key that wrapped the data key, or the row was altered.
    #[error(
        "key {key_id} in this keyring is not the key that wrapped this envelope, or the envelope was altered"
    )]
    #[non_exhaustive]
    WrongKeyMaterial {
        /// The key.
        key_id: KeyId,
        /// The error of its provider, or `None` for a key in memory.
        source: Option<ProviderError>,
    },
    /// The wrap is of a kind that the keyring's key does not make, or the row was altered.
    ///
    /// If the row was not altered, the key was held in another way where the envelope was sealed, or a decorator around
    /// a provider did not forward its kind.
    #[error(
        "key {key_id} in this keyring makes a different kind of wrap than this envelope has, or the envelope was altered"
    )]
    #[non_exhaustive]
    WrongWrapKind {
        /// The key.
        key_id: KeyId,
    },
    /// The envelope was sealed with a test key, and this is no keyring for tests.
    #[error("the envelope was sealed with a test key, {key_id}")]
    #[non_exhaustive]
    TestKey {
        /// The test key.
        key_id: KeyId,
    },
    /// The wrapped key was altered, or belongs to another row.
    #[error("the wrap under key {key_id} was altered or belongs to another row")]
    #[non_exhaustive]
    WrapAltered {
        /// The key.
        key_id: KeyId,
        /// The error of its provider, or `None` for a key in memory.
        source: Option<ProviderError>,
    },
    /// Something other than the bytes of the ciphertext was altered.
    ///
    /// It may be a wrap that was added, stripped or exchanged, the IV, the tag, the MAC, or the length of the
    /// ciphertext, which a column that is too short changes. Or a provider returned another data key. A rewrap would
    /// re-authenticate the alteration.
    #[error("the envelope was altered, or cut off by a column that is too short")]
    EnvelopeAltered,
    /// A key failed to unwrap the data key.
    #[error("key {key_id} failed to unwrap the data key")]
    #[non_exhaustive]
    Provider {
        /// The key.
        key_id: KeyId,
        /// The error of its provider.
        source: ProviderError,
    },
    /// A key is remote, and the method does not wait.
    #[error("key {key_id} is remote: use the async form of this method")]
    #[non_exhaustive]
    WouldBlock {
        /// The key.
        key_id: KeyId,
    },
}

impl UnwrapError {
    /// Returns how soon this failure is reported if there are several: 0 comes first.
    ///
    /// A key that was not tried may open the row, and one whose failure is transient may open it later; other failures
    /// are final.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::WouldBlock { .. } => 0,
            _ if self.is_transient() => 1,
            _ => 2,
        }
    }

    /// Returns what a key's failure to unwrap means.
    ///
    /// The error of a key in memory says no more than the variant does, so it is not kept.
    pub(super) fn of_key(key: &UsableKey, error: ProviderError) -> Self {
        let (key_id, kind) = (key.key_id.clone(), error.kind());
        let source = |error| Some(error).filter(|_| !key.is_in_memory());
        match kind {
            ProviderErrorKind::WrongKeyMaterial => {
                Self::WrongKeyMaterial { key_id, source: source(error) }
            }
            ProviderErrorKind::Rejected => Self::WrapAltered { key_id, source: source(error) },
            ProviderErrorKind::Disabled => Self::KeyDisabled { key_id, source: source(error) },
            _ => Self::Provider { key_id, source: error },
        }
    }
}

/// Why an envelope was not opened; it is unchanged.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No data key was unwrapped, or the envelope was altered.
    #[error(transparent)]
    Unwrap(#[from] UnwrapError),
    /// The envelope was sealed for another context: a row moved between tenants, or a context was built differently.
    #[error("the envelope was sealed for another context")]
    ContextMismatch,
    /// The ciphertext was altered.
    #[error("the payload of the envelope was altered")]
    PayloadAltered,
    /// The keyring's recorder has not recorded it, so nothing was decrypted.
    #[error("nothing was opened, because it was not recorded")]
    #[non_exhaustive]
    NotRecorded {
        /// The error of the recorder.
        source: RecorderError,
    },
}

/// Why an envelope was not rewrapped; it is unchanged, and still opens where it did.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// No data key was unwrapped, or the envelope was altered and a rewrap would re-authenticate the alteration.
    #[error(transparent)]
    Unwrap(#[from] UnwrapError),
    /// The keyring has no primary: it only opens.
    #[error("the keyring has no primary key to rewrap for")]
    NoPrimary,
    /// A key failed to wrap the data key, or to unwrap it again as a check.
    #[error("key {key_id} failed to wrap the data key, or to unwrap it again as a check")]
    #[non_exhaustive]
    Wrap {
        /// The key.
        key_id: KeyId,
        /// The error of its provider.
        source: ProviderError,
    },
    /// A key that must wrap is remote, and the method does not wait.
    #[error("key {key_id} is remote: use rewrap_async")]
    #[non_exhaustive]
    WouldBlock {
        /// The key.
        key_id: KeyId,
    },
    /// A key did not unwrap the same data key that it had just wrapped, or an offline escrow, which is made to wrap twice,
    /// did not do it the same way.
    #[error("key {key_id} did not wrap the data key so that it can be checked")]
    #[non_exhaustive]
    Unverified {
        /// The key.
        key_id: KeyId,
    },
    /// The wraps do not form an envelope: there are none, more than eight, or two under one key id.
    #[error("the wrapped keys do not form an envelope")]
    #[non_exhaustive]
    InvalidWraps {
        /// What is wrong with the wraps.
        source: FormatError,
    },
}

impl SealError {
    pub(super) fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::Random => ("random", ErrorClass::Failed),
            Self::TooLong => ("too_long", ErrorClass::Refused),
            Self::NoPrimary => ("no_primary", ErrorClass::Misconfigured),
            Self::Wrap { source, .. } => ("wrap", source.class()),
            Self::WouldBlock { .. } => ("would_block", ErrorClass::Bug),
        }
    }

    pub(super) fn about(&self) -> (Option<&KeyId>, Option<&ProviderError>) {
        match self {
            Self::Random | Self::TooLong | Self::NoPrimary => (None, None),
            Self::Wrap { key_id, source } => (Some(key_id), Some(source)),
            Self::WouldBlock { key_id } => (Some(key_id), None),
        }
    }
}

impl UnwrapError {
    pub(super) fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::UnknownKey { .. } => ("unknown_key", ErrorClass::Misconfigured),
            Self::KeyDisabled { .. } => ("key_disabled", ErrorClass::Refused),
            Self::KeyLeaked { .. } => ("key_leaked", ErrorClass::Refused),
            Self::KeyDestroyed { .. } => ("key_destroyed", ErrorClass::Gone),
            Self::WrongKeyMaterial { .. } => ("wrong_key_material", ErrorClass::Misconfigured),
            Self::WrongWrapKind { .. } => ("wrong_wrap_kind", ErrorClass::Misconfigured),
            Self::WrapAltered { .. } => ("wrap_altered", ErrorClass::Altered),
            Self::EnvelopeAltered => ("envelope_altered", ErrorClass::Altered),
            Self::Provider { source, .. } => ("provider", source.class()),
            Self::TestKey { .. } => ("test_key", ErrorClass::Misconfigured),
            Self::WouldBlock { .. } => ("would_block", ErrorClass::Bug),
        }
    }

    pub(super) fn about(&self) -> (Option<&KeyId>, Option<&ProviderError>) {
        match self {
            Self::UnknownKey { key_ids } => (key_ids.first(), None),
            Self::KeyDisabled { key_id, source }
            | Self::WrongKeyMaterial { key_id, source }
            | Self::WrapAltered { key_id, source } => (Some(key_id), source.as_ref()),
            Self::KeyLeaked { key_id }
            | Self::KeyDestroyed { key_id }
            | Self::WrongWrapKind { key_id }
            | Self::TestKey { key_id }
            | Self::WouldBlock { key_id } => (Some(key_id), None),
            Self::EnvelopeAltered => (None, None),
            Self::Provider { key_id, source } => (Some(key_id), Some(source)),
        }
    }
}

impl OpenError {
    pub(super) fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::Unwrap(error) => error.as_data(),
            Self::ContextMismatch => ("context_mismatch", ErrorClass::Altered),
            Self::PayloadAltered => ("payload_altered", ErrorClass::Altered),
            Self::NotRecorded { source } => source.as_data(),
        }
    }

    pub(super) fn about(&self) -> (Option<&KeyId>, Option<&ProviderError>) {
        match self {
            Self::Unwrap(error) => error.about(),
            Self::ContextMismatch | Self::PayloadAltered | Self::NotRecorded { .. } => (None, None),
        }
    }
}

impl RewrapError {
    pub(super) fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::Unwrap(error) => error.as_data(),
            Self::NoPrimary => ("no_primary", ErrorClass::Misconfigured),
            Self::Wrap { source, .. } => ("wrap", source.class()),
            Self::WouldBlock { .. } => ("would_block", ErrorClass::Bug),
            Self::Unverified { .. } => ("unverified", ErrorClass::Misconfigured),
            Self::InvalidWraps { .. } => ("invalid_wraps", ErrorClass::Bug),
        }
    }

    pub(super) fn about(&self) -> (Option<&KeyId>, Option<&ProviderError>) {
        match self {
            Self::Unwrap(error) => error.about(),
            Self::Wrap { key_id, source } => (Some(key_id), Some(source)),
            Self::WouldBlock { key_id } | Self::Unverified { key_id } => (Some(key_id), None),
            Self::NoPrimary | Self::InvalidWraps { .. } => (None, None),
        }
    }
}

error_as_data!(SealError, UnwrapError, OpenError, RewrapError);

/// Implements the public methods for the key and the provider's error that an error is `about`.
macro_rules! error_about_a_key {
    ($($error:ty),+) => {$(
        impl $error {
            /// Returns whether the same call may succeed later.
            #[must_use]
            pub fn is_transient(&self) -> bool {
                self.class() == ErrorClass::Transient
            }

            /// Returns how long the key service asked to wait, if it did.
            #[must_use]
            pub fn retry_after(&self) -> Option<Duration> {
                self.about().1.and_then(ProviderError::retry_after)
            }

            /// Returns the key that the failure is about; of several, the first that the envelope names.
            #[must_use]
            pub fn key_id(&self) -> Option<&KeyId> {
                self.about().0
            }
        }
    )+};
}

error_about_a_key!(SealError, UnwrapError, OpenError, RewrapError);

pub(super) use error_about_a_key;

/// Displays key ids, separated by commas.
struct List<'a>(&'a [KeyId]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, key_id) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{key_id}")?;
        }
        Ok(())
    }
}
