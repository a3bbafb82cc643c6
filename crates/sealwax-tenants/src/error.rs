//! Why a tenant's keyring was not made.

use sealwax::{ErrorClass, FormatError, KeyError, KeyId, KeyringError, OpenError, UnwrapError};

use crate::record::RecordError;
use crate::tenant::{TenantId, TenantKeyId};

/// Why there is no keyring for a tenant.
///
/// That the tenant's keys were destroyed is no error: then there is a keyring, which says
/// [`KeyDestroyed`](UnwrapError::KeyDestroyed) of each row.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TenantError {
    /// The database has no record of the tenant, and there is no tombstone.
    #[error("tenant {tenant} never had a key")]
    #[non_exhaustive]
    NeverHad {
        /// The tenant.
        tenant: TenantId,
    },
    /// The tenant's keys are not kept, and a key of the service's keyring is remote.
    #[error("the keys of tenant {tenant} are not loaded: use the async form of this method")]
    #[non_exhaustive]
    NotLoaded {
        /// The tenant.
        tenant: TenantId,
    },
    /// The database was restored, and the tombstone of the tenant was not replayed there.
    #[error("the tombstone of tenant {tenant} was not replayed in the database")]
    #[non_exhaustive]
    NotReplayed {
        /// The tenant.
        tenant: TenantId,
    },
    /// The record is not as [`TenantRecord`](crate::TenantRecord) says.
    #[error("the record of tenant {tenant} is malformed")]
    #[non_exhaustive]
    Record {
        /// The tenant.
        tenant: TenantId,
        /// What is wrong.
        source: RecordError,
    },
    /// The record has no envelope for the newest key, and the key is not destroyed: the row was deleted.
    #[error("key {key_id} is missing from the record, and is not destroyed")]
    #[non_exhaustive]
    Missing {
        /// The key.
        key_id: KeyId,
    },
    /// A text in the record is no envelope.
    #[error("key {key_id} is not in an envelope")]
    #[non_exhaustive]
    Envelope {
        /// The key.
        key_id: KeyId,
        /// What is wrong with the text.
        source: FormatError,
    },
    /// The service's keyring did not open a key.
    #[error("key {key_id} of a tenant was not opened")]
    #[non_exhaustive]
    Open {
        /// The tenant's key.
        key_id: KeyId,
        /// Why. `ContextMismatch` says that something else was put in the key's place.
        source: OpenError,
    },
    /// What the service's keyring opened is no key: another program sealed it.
    #[error("the envelope of key {key_id} holds no key")]
    #[non_exhaustive]
    NotAKey {
        /// The tenant's key.
        key_id: KeyId,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The keys do not make a keyring: two of them are the same.
    #[error("the keys of tenant {tenant} make no keyring")]
    #[non_exhaustive]
    Keyring {
        /// The tenant.
        tenant: TenantId,
        /// Why.
        source: KeyringError,
    },
}

impl TenantError {
    fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::NeverHad { .. } => ("never_had", ErrorClass::Misconfigured),
            Self::NotLoaded { .. } => ("not_loaded", ErrorClass::Bug),
            Self::NotReplayed { .. } => ("not_replayed", ErrorClass::Misconfigured),
            Self::Record { .. } => ("record", ErrorClass::Altered),
            Self::Missing { .. } => ("missing", ErrorClass::Altered),
            Self::Envelope { source, .. } => ("envelope", source.class()),
            Self::Open { source, .. } => ("open", source.class()),
            Self::NotAKey { .. } => ("not_a_key", ErrorClass::Altered),
            Self::Keyring { .. } => ("keyring", ErrorClass::Altered),
        }
    }

    /// Returns what the error requires of the operator.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.as_data().1
    }

    /// Returns the name of the variant in snake case, for metrics and audits.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.as_data().0
    }

    /// Returns whether the same call may succeed later: the key service is throttling or unavailable.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == ErrorClass::Transient
    }

    pub(crate) fn of_opening(key: &TenantKeyId, source: OpenError) -> Self {
        if let OpenError::Unwrap(UnwrapError::WouldBlock { .. }) = source {
            return Self::NotLoaded { tenant: key.tenant.clone() };
        }
        Self::Open { key_id: key.into(), source }
    }
}
