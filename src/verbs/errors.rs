//! Why a credential was not sealed, not opened, or not rewrapped.

use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

use crate::format::error::FormatError;
use crate::format::key_id::KeyId;
use crate::keys::keyring::Keyring;
use crate::keys::provider_error::{ProviderError, ProviderErrorKind};

/// Why a credential was not sealed. Nothing was stored or lost.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The randomness source failed, or answered one repeated byte, or zeros for the iv.
    #[error("the randomness source failed")]
    Random,
    /// More than 16 MiB (16,777,216 bytes).
    #[error("a credential of more than 16777216 bytes")]
    TooLong,
    /// A key did not wrap the data key.
    #[error("key {key_id} did not wrap")]
    #[non_exhaustive]
    Provider {
        /// The key.
        key_id: KeyId,
        /// What its provider said.
        source: ProviderError,
    },
    /// A remote key, asked by a verb that does not wait.
    #[error("key {key_id} is remote: seal with seal_async")]
    #[non_exhaustive]
    WouldBlock {
        /// The key.
        key_id: KeyId,
    },
}

impl SealError {
    /// Whether the same call may go through later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Provider { source, .. } if source.is_transient())
    }

    /// A keyring's wraps that do not make an envelope: it has 1 to 8 keys, no two of one id.
    pub(super) fn impossible(keyring: &Keyring, error: FormatError) -> Self {
        let source = ProviderError::new(ProviderErrorKind::Other, error);
        Self::Provider { key_id: keyring.primary().clone(), source }
    }
}

impl From<WrapFailure> for SealError {
    fn from(WrapFailure { key_id, source }: WrapFailure) -> Self {
        match source {
            Some(source) => Self::Provider { key_id, source },
            None => Self::WouldBlock { key_id },
        }
    }
}

/// Why an envelope was not opened, or not verified. Nothing of it was changed.
///
/// Telling the variants apart is safe: each follows from public bytes, or is the verdict of a MAC
/// that an attacker without the key cannot aim at. [`crate::docs::operations`] has a table from
/// each to an HTTP status, an alert and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// None of the envelope's keys is in the keyring.
    #[error("none of its keys is in the keyring: {}", List(key_ids))]
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
        "key {key_id} has other material here than where this was sealed, or the row was altered"
    )]
    #[non_exhaustive]
    WrongKeyMaterial {
        /// The key.
        key_id: KeyId,
    },
    /// A wrap of another kind than this keyring has for the id: whoever sealed it held the key in
    /// another way, or a provider of your own does not tell its kind; or the row was altered.
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
    },
    /// Something but the ciphertext's bytes was altered: a wrap added, stripped or exchanged, the iv,
    /// the tag, the MAC, or the length of the ciphertext, as by a column that is too short. Or a
    /// provider answered another data key.
    #[error("the envelope was altered, or cut off by a column that is too short")]
    EnvelopeAltered,
    /// Sealed for another context: a row moved between tenants, or a context built differently.
    #[error("sealed for another context")]
    ContextMismatch,
    /// The ciphertext was altered.
    #[error("the payload was altered")]
    PayloadAltered,
    /// A key did not unwrap the data key.
    #[error("key {key_id} did not unwrap")]
    #[non_exhaustive]
    Provider {
        /// The key.
        key_id: KeyId,
        /// What its provider said.
        source: ProviderError,
    },
    /// A remote key, asked by a verb that does not wait.
    #[error("key {key_id} is remote: use the async form of this call")]
    #[non_exhaustive]
    WouldBlock {
        /// The key.
        key_id: KeyId,
    },
}

impl OpenError {
    /// Whether the same call may go through later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Provider { source, .. } if source.is_transient())
    }

    /// How soon it has to be told, of several: 0 first. What was not tried may open the row, and what
    /// may pass may open it later; the others are final.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::WouldBlock { .. } => 0,
            _ if self.is_transient() => 1,
            _ => 2,
        }
    }

    pub(super) fn from_provider(key_id: KeyId, source: ProviderError) -> Self {
        match source.kind() {
            ProviderErrorKind::WrongKeyMaterial => Self::WrongKeyMaterial { key_id },
            ProviderErrorKind::Rejected => Self::WrapAltered { key_id },
            ProviderErrorKind::Disabled => Self::KeyDisabled { key_id },
            _ => Self::Provider { key_id, source },
        }
    }
}

/// Why an envelope was not rewrapped. It is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// None of the envelope's keys is in the keyring.
    #[error("none of its keys is in the keyring: {}", List(key_ids))]
    #[non_exhaustive]
    UnknownKey {
        /// The keys that the envelope names.
        key_ids: Vec<KeyId>,
    },
    /// The only keys that could unwrap it are disabled in the keyring, or at the service.
    #[error("key {key_id} is disabled")]
    #[non_exhaustive]
    KeyDisabled {
        /// The first of them.
        key_id: KeyId,
    },
    /// A key leaked that the envelope is wrapped for: its data key is known, and a rewrap is no remedy.
    /// Open it where that key is retired, seal it again, replace the credential.
    #[error("key {key_id} leaked: what is wrapped for it is refused")]
    #[non_exhaustive]
    KeyLeaked {
        /// The key.
        key_id: KeyId,
    },
    /// A key that could unwrap it is destroyed, and no other is left: it is gone for good.
    #[error("key {key_id} was destroyed: what only it could open is gone for good")]
    #[non_exhaustive]
    KeyDestroyed {
        /// The key.
        key_id: KeyId,
    },
    /// The keyring has other material under this id than what wrapped; or the row was altered.
    #[error(
        "key {key_id} has other material here than where this was sealed, or the row was altered"
    )]
    #[non_exhaustive]
    WrongKeyMaterial {
        /// The key.
        key_id: KeyId,
    },
    /// A wrap of another kind than this keyring has for the id; or the row was altered.
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
    },
    /// Something was altered, or the ciphertext cut off by a column that is too short. Rewrapping would
    /// re-authenticate that.
    #[error("the envelope was altered, or cut off by a column that is too short")]
    EnvelopeAltered,
    /// A key did not unwrap or did not wrap the data key.
    #[error("key {key_id} did not unwrap or did not wrap")]
    #[non_exhaustive]
    Provider {
        /// The key.
        key_id: KeyId,
        /// What its provider said.
        source: ProviderError,
    },
    /// A remote key, asked by a verb that does not wait.
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

impl RewrapError {
    /// Whether the same call may go through later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Provider { source, .. } if source.is_transient())
    }
}

impl From<WrapFailure> for RewrapError {
    fn from(WrapFailure { key_id, source }: WrapFailure) -> Self {
        match source {
            Some(source) => Self::Provider { key_id, source },
            None => Self::WouldBlock { key_id },
        }
    }
}

impl From<OpenError> for RewrapError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::UnknownKey { key_ids } => Self::UnknownKey { key_ids },
            OpenError::KeyDisabled { key_id } => Self::KeyDisabled { key_id },
            OpenError::KeyLeaked { key_id } => Self::KeyLeaked { key_id },
            OpenError::KeyDestroyed { key_id } => Self::KeyDestroyed { key_id },
            OpenError::WrongKeyMaterial { key_id } => Self::WrongKeyMaterial { key_id },
            OpenError::WrongWrapKind { key_id } => Self::WrongWrapKind { key_id },
            OpenError::WrapAltered { key_id } => Self::WrapAltered { key_id },
            OpenError::Provider { key_id, source } => Self::Provider { key_id, source },
            OpenError::WouldBlock { key_id } => Self::WouldBlock { key_id },
            // The last two tell of a payload, which a rewrap does not look at.
            OpenError::EnvelopeAltered | OpenError::ContextMismatch | OpenError::PayloadAltered => {
                Self::EnvelopeAltered
            }
        }
    }
}

/// A key that did not wrap; without a source, one that would have had to be waited for.
pub(crate) struct WrapFailure {
    pub(crate) key_id: KeyId,
    pub(crate) source: Option<ProviderError>,
}

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
