//! Why a credential was not sealed, not opened, or not rewrapped.
//!
//! Each error names in `as_data` what each variant is called and asks for, and in `about` the key that failed and what
//! its provider said. [`crate::docs::operations`] has the same table, with an HTTP status, an alert and what to do.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use thiserror::Error;

use crate::format::error::FormatError;
use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::key_id::KeyId;
use crate::keys::provider_error::{ProviderError, ProviderErrorKind};
use crate::keys::usable_key::UsableKey;

/// Why a credential was not sealed. Nothing was stored or lost.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The randomness source failed, or returned one repeated byte, or zeros for the IV.
    #[error("the randomness source failed")]
    Random,
    /// More than 16 MiB (16,777,216 bytes).
    #[error("a credential of more than 16777216 bytes")]
    TooLong,
    /// The keyring has no primary: it only opens.
    #[error("the keyring has no primary key to seal with")]
    NoPrimary,
    /// A key did not wrap the data key.
    #[error("key {key_id} did not wrap")]
    #[non_exhaustive]
    Wrap {
        /// The key.
        key_id: KeyId,
        /// What its provider said.
        source: ProviderError,
    },
    /// A remote key, asked by a method that does not wait.
    #[error("key {key_id} is remote: seal with seal_async")]
    #[non_exhaustive]
    WouldBlock {
        /// The key.
        key_id: KeyId,
    },
}

/// Why no data key was unwrapped under which the envelope is intact: what [`verify`](crate::Keyring::verify)
/// returns, and what opening and rewrapping start with. Nothing was changed.
///
/// Telling the variants apart is safe: each follows from public bytes, or is the verdict of a MAC that an
/// attacker without the key cannot aim at. Where several wraps fail, a failure that may pass is reported before
/// a final one.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum UnwrapError {
    /// None of the envelope's keys is in the keyring.
    #[error("no key in this keyring can open the envelope; it is wrapped for: {}", List(key_ids))]
    #[non_exhaustive]
    UnknownKey {
        /// The keys that the envelope names.
        key_ids: Vec<KeyId>,
    },
    /// The only keys that could open it are disabled in the keyring, or at the service.
    #[error("key {key_id} is disabled")]
    #[non_exhaustive]
    KeyDisabled {
        /// The first of them.
        key_id: KeyId,
        /// What the service said; none where the keyring says so.
        source: Option<ProviderError>,
    },
    /// A key leaked that the envelope is wrapped for, and so its data key is known to others. Whatever
    /// other wraps there are: open it where that key is retired, seal it again, replace the credential.
    #[error("key {key_id} leaked: what is wrapped for it is refused")]
    #[non_exhaustive]
    KeyLeaked {
        /// The key.
        key_id: KeyId,
    },
    /// A key that could open it is destroyed, and no other is left: it is gone for good.
    #[error("key {key_id} was destroyed: what only it could open is gone for good")]
    #[non_exhaustive]
    KeyDestroyed {
        /// The key.
        key_id: KeyId,
    },
    /// The keyring has other material under this id than what wrapped; or the row was altered.
    #[error(
        "key {key_id} in this keyring is not the key that wrapped this envelope, or the envelope was altered"
    )]
    #[non_exhaustive]
    WrongKeyMaterial {
        /// The key.
        key_id: KeyId,
        /// What its provider said; none of a key in memory.
        source: Option<ProviderError>,
    },
    /// A wrap of another kind than this keyring has for the id: whoever sealed it held the key in
    /// another way, or a type around a provider did not pass its kind on; or the row was altered.
    #[error(
        "the wrapped key of {key_id} is of another kind than the keyring's entry for it, or the row was altered"
    )]
    #[non_exhaustive]
    WrongWrapKind {
        /// The key.
        key_id: KeyId,
    },
    /// The wrapped key was altered, or belongs to another row.
    #[error("the wrapped key of {key_id} was altered or belongs to another row")]
    #[non_exhaustive]
    WrapAltered {
        /// The key.
        key_id: KeyId,
        /// What its provider said; none of a key in memory.
        source: Option<ProviderError>,
    },
    /// Something but the ciphertext's bytes was altered: a wrap added, stripped or exchanged, the IV,
    /// the tag, the MAC, or the length of the ciphertext, as by a column that is too short. Or a
    /// provider returned another data key. A rewrap would re-authenticate that.
    #[error("the envelope was altered, or cut off by a column that is too short")]
    EnvelopeAltered,
    /// A key did not unwrap the data key.
    #[error("key {key_id} did not unwrap")]
    #[non_exhaustive]
    Provider {
        /// The key.
        key_id: KeyId,
        /// What its provider said.
        source: ProviderError,
    },
    /// A remote key, asked by a method that does not wait.
    #[error("key {key_id} is remote: use the async form of this call")]
    #[non_exhaustive]
    WouldBlock {
        /// The key.
        key_id: KeyId,
    },
}

impl UnwrapError {
    /// How soon it is reported, of several: 0 first. What was not tried may open the row, and what
    /// may pass may open it later; the others are final.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::WouldBlock { .. } => 0,
            _ if self.is_transient() => 1,
            _ => 2,
        }
    }

    /// What a key's failure to unwrap means. A key in memory says no more than the variant.
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

/// Why an envelope was not opened. Nothing of it was changed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No data key was unwrapped, or the envelope was altered.
    #[error(transparent)]
    Unwrap(#[from] UnwrapError),
    /// Sealed for another context: a row moved between tenants, or a context built differently.
    #[error("sealed for another context")]
    ContextMismatch,
    /// The ciphertext was altered.
    #[error("the payload was altered")]
    PayloadAltered,
}

/// Why an envelope was not rewrapped. It is unchanged, and still opens where it did.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// No data key was unwrapped, or the envelope was altered: rewrapping would re-authenticate that.
    #[error(transparent)]
    Unwrap(#[from] UnwrapError),
    /// The keyring has no primary: it only opens.
    #[error("the keyring has no primary key to rewrap for")]
    NoPrimary,
    /// A key did not wrap the data key, or could not be asked for what it had just wrapped.
    #[error("key {key_id} did not wrap")]
    #[non_exhaustive]
    Wrap {
        /// The key.
        key_id: KeyId,
        /// What its provider said.
        source: ProviderError,
    },
    /// A remote key that was to wrap, asked by a method that does not wait.
    #[error("key {key_id} is remote: use rewrap_async")]
    #[non_exhaustive]
    WouldBlock {
        /// The key.
        key_id: KeyId,
    },
    /// A key did not unwrap to the same data key what it had just wrapped.
    #[error("key {key_id} does not unwrap what it has just wrapped")]
    #[non_exhaustive]
    Unverified {
        /// The key.
        key_id: KeyId,
    },
    /// Wraps that do not make an envelope: none, more than eight, or two under one key id.
    #[error("the wrapped keys do not make an envelope")]
    #[non_exhaustive]
    InvalidWraps {
        /// What is wrong with them.
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
        }
    }

    pub(super) fn about(&self) -> (Option<&KeyId>, Option<&ProviderError>) {
        match self {
            Self::Unwrap(error) => error.about(),
            Self::ContextMismatch | Self::PayloadAltered => (None, None),
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

/// Makes the key and the provider's error that a failure is `about` its interface.
macro_rules! error_about_a_key {
    ($($error:ty),+) => {$(
        impl $error {
            /// Whether the same call may go through later.
            #[must_use]
            pub fn is_transient(&self) -> bool {
                self.class() == ErrorClass::Transient
            }

            /// How long the key service asked to wait, if it did.
            #[must_use]
            pub fn retry_after(&self) -> Option<Duration> {
                self.about().1.and_then(ProviderError::retry_after)
            }

            /// The key that the failure is about; of several, the first that the envelope names.
            #[must_use]
            pub fn key_id(&self) -> Option<&KeyId> {
                self.about().0
            }
        }
    )+};
}

error_about_a_key!(SealError, UnwrapError, OpenError, RewrapError);

pub(super) use error_about_a_key;

/// A key that did not wrap; without a source, one that would have had to be waited for.
pub(crate) struct WrapFailure {
    pub(crate) key_id: KeyId,
    pub(crate) source: Option<ProviderError>,
}

macro_rules! from_wrap_failure {
    ($($error:ty),+) => {$(
        impl From<WrapFailure> for $error {
            fn from(WrapFailure { key_id, source }: WrapFailure) -> Self {
                match source {
                    Some(source) => Self::Wrap { key_id, source },
                    None => Self::WouldBlock { key_id },
                }
            }
        }
    )+};
}

from_wrap_failure!(SealError, RewrapError);

/// Key ids, separated by commas.
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
