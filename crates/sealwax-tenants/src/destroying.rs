//! Destroying a tenant's keys.

use crate::error::TenantError;
use crate::keys::TenantKeys;
use crate::record::{Parsed, TenantRecord};
use crate::roots::Roots;
use crate::tenant::TenantId;
use crate::tombstone::Tombstone;

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
    /// The service's keyring has no key, except destroyed ones, and the record names none: whatever the tenant's keys are
    /// sealed under, this process does not know it.
    #[error("the service's keyring has no root")]
    NoRoots,
}

impl TenantKeys {
    /// Returns the tombstone of a tenant, if `hold` does not refuse.
    ///
    /// Bind its [parameters](Tombstone::parameters) to [`DESTROY`](crate::sql::postgres::DESTROY), which deletes the keys if
    /// the tenant got no other key since, and give [`with_deleted`](Tombstone::with_deleted) what that selects. Then
    /// [`bury`](Self::bury) the tombstone, and append it to the audit log. A tenant
    /// who was deleted before gets another tombstone of the same key, with the roots that the service has now.
    ///
    /// The tombstone names the roots of this process. A [`Certificate`](crate::Certificate) adds those that other processes
    /// had, or that were dropped before: the audit log has the beginning of each.
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
        // Those of the keyring, because a backup may be older than the last rewrap; those of the envelopes, because the
        // keyring may have lost one.
        let mut roots = Roots::of_ring(&self.ring);
        roots.add_named(parsed.keys.iter().map(|(_, text)| *text));
        if roots.is_empty() {
            return Err(DestroyError::NoRoots);
        }
        Ok(Tombstone { key: tenant.key(parsed.number), roots })
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
