//! The tables of tenants' keys, for PostgreSQL.
//!
//! `sealwax_tenants` has a row for each tenant that ever had a key: the number of the newest one, and the number up to
//! which they are destroyed. `sealwax_tenant_keys` has a row for each key that is not destroyed, with its envelope, and is
//! rewrapped to a new root like any table of envelopes. The view `sealwax_tenant_records` has both as one text.
//!
//! - **Each statement is its own transaction**, except `FENCE`, which belongs to that of a credential.
//! - **`CREATE` and `DESTROY` write only if the record is the one that was read.** If they affect no row, somebody else was
//!   first: read the record again.
//! - **Every parameter is a text**, also a number, so that a method can return all of them in order.

pub mod sqlite;

/// SQL for PostgreSQL 14 or later, at the isolation level `READ COMMITTED`, which is the default.
pub mod postgres {
    /// Creates the tables and the view. Running it again changes nothing.
    ///
    /// It has several statements, so send it without parameters.
    pub const TABLES: &str = include_str!("sql/postgres.sql");

    /// Selects the [record](crate::TenantRecord::from_row) of a tenant, `$1`.
    ///
    /// To read it with a credential, join the view, and take null for a tenant who has no record:
    /// `… LEFT JOIN sealwax_tenant_records r ON r.tenant = credentials.tenant`.
    pub const READ: &str = "SELECT record FROM sealwax_tenant_records WHERE tenant = $1";

    /// Inserts a key that was [created](crate::Created::parameters): one row, or none if the record is not the one that was
    /// read.
    ///
    /// `$1` is the tenant, `$2` and `$3` the numbers of the record that was read, `$4` the number of the key and `$5` its
    /// envelope.
    pub const CREATE: &str = "
        WITH counted AS (
            INSERT INTO sealwax_tenants AS t (tenant, number, destroyed)
            VALUES ($1, $4::text::integer, $3::text::integer)
            ON CONFLICT (tenant) DO UPDATE SET number = excluded.number
            WHERE t.number = $2::text::integer AND t.destroyed = $3::text::integer
            RETURNING tenant, number)
        INSERT INTO sealwax_tenant_keys (tenant, number, envelope)
        SELECT tenant, number, $5 FROM counted";

    /// Destroys the keys of a tenant, as a [tombstone](crate::Tombstone::parameters) says, and selects one row; or none, and
    /// destroys none, if the tenant has got another key.
    ///
    /// What it selects is for [`Tombstone::with_deleted`](crate::Tombstone::with_deleted): the envelopes that it deleted, or
    /// null. `$1` is the tenant and `$2` the number of the newest key. It waits for transactions that have passed the
    /// [`FENCE`]. When it is committed, no other one passes it.
    pub const DESTROY: &str = "
        WITH destroyed AS (
            UPDATE sealwax_tenants SET destroyed = number
            WHERE tenant = $1 AND number = $2::text::integer
            RETURNING tenant),
        gone AS (
            DELETE FROM sealwax_tenant_keys k USING destroyed d WHERE k.tenant = d.tenant RETURNING k.envelope)
        SELECT (SELECT string_agg(envelope, E'\n') FROM gone) FROM destroyed";

    /// Selects one row if a key is the tenant's newest and not destroyed, and keeps it so until the transaction ends.
    ///
    /// Run it in the transaction that writes a credential, before the credential, with the parameters of
    /// [`TenantKeyId::of`](crate::TenantKeyId::of) its envelope, and roll back if it selects no row: read the record again,
    /// and seal again. `$1` is the tenant and `$2` the number of the key. (`FOR KEY SHARE`, which a foreign key takes, would
    /// keep neither `DESTROY` nor `CREATE` waiting.) Outside of a transaction it locks nothing.
    pub const FENCE: &str = "
        SELECT tenant FROM sealwax_tenants
        WHERE tenant = $1 AND number = $2::text::integer AND destroyed < number FOR SHARE";

    /// Destroys what a [tombstone](crate::Tombstone::parameters) says, in a database that was restored from before. Running
    /// it again changes nothing.
    ///
    /// It selects one row, the envelopes that it deleted or null, for
    /// [`Tombstone::with_deleted`](crate::Tombstone::with_deleted): if a job had moved them to a new root meanwhile, that is
    /// one of the tombstone's too. `$1` is the tenant and `$2` the number of the newest key that is destroyed. A key with a
    /// larger number stays.
    pub const REPLAY: &str = "
        WITH buried AS (
            INSERT INTO sealwax_tenants AS t (tenant, number, destroyed)
            VALUES ($1, $2::text::integer, $2::text::integer)
            ON CONFLICT (tenant) DO UPDATE
            SET number = greatest(t.number, excluded.number), destroyed = greatest(t.destroyed, excluded.destroyed)
            RETURNING tenant),
        gone AS (
            DELETE FROM sealwax_tenant_keys k USING buried b
            WHERE k.tenant = b.tenant AND k.number <= $2::text::integer RETURNING k.envelope)
        SELECT string_agg(envelope, E'\n') FROM gone";
}
