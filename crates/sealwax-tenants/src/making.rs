//! Making a tenant's next key.

use sealwax::{DataKey, Envelope, ErrorClass, KeyError, KeyId, SealError, Secret};

use crate::error::TenantError;
use crate::keys::TenantKeys;
use crate::record::{TenantRecord, TenantState};
use crate::tenant::{MAX_NUMBER, TenantId, TenantKeyId};

/// A new key of a tenant, sealed. It exists once [`CREATE`](crate::sql::postgres::CREATE) has written it.
#[derive(Clone, Debug)]
#[must_use = "the key exists once it is written to the database"]
pub struct Created {
    key: TenantKeyId,
    /// The number and what was destroyed in the record.
    seen: [u32; 2],
    envelope: Envelope,
}

impl Created {
    /// Returns which key it is.
    #[must_use]
    pub const fn key(&self) -> &TenantKeyId {
        &self.key
    }

    /// Returns the envelope that the key is in.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Returns what [`CREATE`](crate::sql::postgres::CREATE) binds: the tenant, the two numbers of the record that was read,
    /// the number of the key, and its envelope as text.
    #[must_use]
    pub fn parameters(&self) -> [String; 5] {
        let [tenant, number] = self.key.parameters();
        let [seen, destroyed] = self.seen.map(|number| number.to_string());
        [tenant, seen, destroyed, number, self.envelope.to_string()]
    }
}

/// Why no key was made.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The record cannot be used.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The tenant is in another state than the caller said: somebody was first, or a key would have come back unasked.
    #[error("the state of tenant {tenant} is {found}")]
    #[non_exhaustive]
    OtherState {
        /// The tenant.
        tenant: TenantId,
        /// The state.
        found: TenantState,
    },
    /// The tenant has had 1000 keys.
    #[error("tenant {tenant} has had 1000 keys")]
    #[non_exhaustive]
    TooMany {
        /// The tenant.
        tenant: TenantId,
    },
    /// No key was drawn.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The service's keyring did not seal the key.
    #[error("the service's keyring did not seal key {key_id}")]
    #[non_exhaustive]
    Seal {
        /// The tenant's key.
        key_id: KeyId,
        /// Why. `WouldBlock` says that the service's key is remote: use `create_async`.
        source: SealError,
    },
}

impl CreateError {
    fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::Tenant(error) => (error.name(), error.class()),
            Self::OtherState { .. } => ("other_state", ErrorClass::Refused),
            Self::TooMany { .. } => ("too_many", ErrorClass::Refused),
            Self::Key(error) => (error.name(), error.class()),
            Self::Seal { source, .. } => ("seal", source.class()),
        }
    }

    /// Returns what the error requires of the operator.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.as_data().1
    }

    /// Returns the name of the variant in snake case, for metrics and audits. For `Tenant` and `Key`, it is that of the error
    /// inside.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.as_data().0
    }

    /// Returns whether the same call may succeed later: the key service is throttling or unavailable.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == ErrorClass::Transient
    }
}

impl TenantKeys {
    /// Makes the next key of a tenant. Insert what it returns.
    ///
    /// Say which state the tenant is in: [`NeverHad`](TenantState::NeverHad) for the first key, [`Live`](TenantState::Live)
    /// for a rotation, and [`Destroyed`](TenantState::Destroyed) for a tenant who comes back after a deletion, and whose old
    /// rows stay closed. So nobody comes back by accident.
    ///
    /// # Errors
    ///
    /// Returns a [`CreateError`].
    pub fn create(
        &self,
        record: &TenantRecord,
        state: TenantState,
    ) -> Result<Created, CreateError> {
        let next = self.next(record, state)?;
        let sealed = self.service().seal(&drawn()?, &next.key.context());
        next.created(sealed)
    }

    /// Makes the next key of a tenant like [`create`](Self::create), and waits for the service's key.
    ///
    /// # Errors
    ///
    /// Returns a [`CreateError`].
    pub async fn create_async(
        &self,
        record: &TenantRecord,
        state: TenantState,
    ) -> Result<Created, CreateError> {
        let next = self.next(record, state)?;
        let sealed = self.service().seal_async(&drawn()?, &next.key.context()).await;
        next.created(sealed)
    }

    fn next(&self, record: &TenantRecord, state: TenantState) -> Result<Next, CreateError> {
        let parsed = self.parse_replayed(record)?;
        let (tenant, found) = (record.tenant().clone(), parsed.state());
        if found != state {
            return Err(CreateError::OtherState { tenant, found });
        }
        let number = parsed.number.saturating_add(1);
        if number > MAX_NUMBER {
            return Err(CreateError::TooMany { tenant });
        }
        Ok(Next { key: tenant.key(number), seen: [parsed.number, parsed.destroyed] })
    }
}

/// A key that is being made.
struct Next {
    key: TenantKeyId,
    seen: [u32; 2],
}

impl Next {
    fn created(self, sealed: Result<Envelope, SealError>) -> Result<Created, CreateError> {
        let Self { key, seen } = self;
        match sealed {
            Ok(envelope) => Ok(Created { key, seen, envelope }),
            Err(source) => Err(CreateError::Seal { key_id: (&key).into(), source }),
        }
    }
}

/// Draws the 32 bytes of a master key. (`DataKey` is drawn and checked like one, and gives its bytes.)
fn drawn() -> Result<Secret, KeyError> {
    Ok(Secret::from(DataKey::generate()?.expose_secret()))
}
