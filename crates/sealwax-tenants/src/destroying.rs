//! Destroying a tenant's keys.

use sealwax::{KeyId, KeyState};

use crate::error::TenantError;
use crate::keys::TenantKeys;
use crate::record::{Parsed, TenantRecord};
use crate::tenant::TenantId;
use crate::tombstone::{Tombstone, roots_of};

/// Why a tenant was not deleted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DestroyError<E> {
    /// The record cannot be used.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The caller refused, for a legal hold perhaps.
    #[error("the destruction of the keys was refused")]
    Refused(E),
}

impl TenantKeys {
    /// Returns the tombstone of a tenant, if `hold` does not refuse.
    ///
    /// Bind its [parameters](Tombstone::parameters) to [`DESTROY`](crate::sql::postgres::DESTROY), which deletes the keys if
    /// the tenant got no other key since, and give [`with_deleted`](Tombstone::with_deleted) what that selects. Then
    /// [`bury`](Self::bury) the tombstone, and append it to the audit log. A tenant
    /// who was deleted before gets another tombstone of the same key, with the roots that the service has now.
    ///
    /// Call it where the service's keyring has every root that any process seals under: what a root
    /// sealed once is in a backup, and a root that this keyring does not know may not be in the tombstone. The steps
    /// for a new primary ensure that, because every process knows a new root before anybody seals under it.
    ///
    /// Nothing is gone yet: the roots of the tombstone have to be destroyed first, as the README says.
    ///
    /// # Errors
    ///
    /// Returns a [`DestroyError`].
    pub fn destroy<E>(
        &self,
        record: &TenantRecord,
        hold: impl FnOnce(&TenantId) -> Result<(), E>,
    ) -> Result<Tombstone, DestroyError<E>> {
        // Also a tenant whose newest key was lost.
        let parsed = self.replayed(record, record.parse_incomplete(0)?)?;
        let tenant = record.tenant();
        if parsed.number == 0 {
            return Err(TenantError::NeverHad { tenant: tenant.clone() }.into());
        }
        hold(tenant).map_err(DestroyError::Refused)?;
        Ok(Tombstone { key: tenant.key(parsed.number), roots: self.roots(&parsed).collect() })
    }

    /// The keys that may have sealed the tenant's: those that the keyring has, because a backup may be older than the last
    /// rewrap, and those that the envelopes name, because the keyring may have lost one.
    fn roots(&self, parsed: &Parsed<'_>) -> impl Iterator<Item = KeyId> {
        let in_the_ring = self.ring.keys().filter(|(_, state)| *state != KeyState::Destroyed);
        let in_the_ring = in_the_ring.map(|(key_id, _)| key_id.clone());
        let named = roots_of(parsed.keys.iter().map(|(_, text)| *text));
        in_the_ring.chain(named)
    }

    /// Parses the record of a tenant who may be changed: it must know what the tombstones know.
    pub(crate) fn parse_replayed<'a>(
        &self,
        record: &'a TenantRecord,
    ) -> Result<Parsed<'a>, TenantError> {
        self.replayed(record, record.parse(0)?)
    }

    fn replayed<'a>(
        &self,
        record: &TenantRecord,
        parsed: Parsed<'a>,
    ) -> Result<Parsed<'a>, TenantError> {
        if parsed.destroyed < self.lock().buried(record.tenant()) {
            return Err(TenantError::NotReplayed { tenant: record.tenant().clone() });
        }
        Ok(parsed)
    }
}
