//! Tenants' keys.

use sealwax_tenants::{Created, TenantId, TenantRecord, Tombstone};

use super::database::{Database, Value, first, pick, values};

/// The tables of tenants' keys.
///
/// Create them with `sealwax_tenants::sql`. The fence is not here, because it belongs to the transaction of a credential.
#[derive(Clone, Debug)]
pub struct TenantTable<D>(D);

impl<D: Database> TenantTable<D> {
    /// Takes the database that the tables are in.
    pub const fn new(database: D) -> Self {
        Self(database)
    }

    /// Returns the record of a tenant. For a request, join the view with the credential's row instead.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn read(&self, tenant: &TenantId) -> sqlx::Result<TenantRecord> {
        let rows = self.0.rows(pick!(&self.0, sealwax_tenants::sql, READ), vec![tenant.as_ref().into()]).await?;
        Ok(TenantRecord::from_row(tenant.clone(), first(rows).and_then(Value::text).as_deref()))
    }

    /// Inserts a key that was created. Returns whether the record was still the one that was read.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn create(&self, created: &Created) -> sqlx::Result<bool> {
        let create = pick!(&self.0, sealwax_tenants::sql, CREATE);
        Ok(self.0.execute(create, values(created.parameters())).await? == 1)
    }

    /// Destroys the keys of a tenant. Returns the tombstone with the roots that the deleted keys were under, or `None`, and
    /// destroys nothing, if the tenant has got another key.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn destroy(&self, dead: Tombstone) -> sqlx::Result<Option<Tombstone>> {
        let rows = self.0.rows(pick!(&self.0, sealwax_tenants::sql, DESTROY), values(dead.parameters())).await?;
        Ok(first(rows).map(|deleted| dead.with_deleted(deleted.text().as_deref())))
    }

    /// Destroys what a tombstone says, after a restore and before each move to a new root. Returns the tombstone with the roots
    /// that the deleted keys were under.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn replay(&self, dead: Tombstone) -> sqlx::Result<Tombstone> {
        let rows = self.0.rows(pick!(&self.0, sealwax_tenants::sql, REPLAY), values(dead.parameters())).await?;
        Ok(dead.with_deleted(first(rows).and_then(Value::text).as_deref()))
    }
}
