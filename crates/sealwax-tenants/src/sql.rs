//! The tables of tenants' keys, for SQLite and PostgreSQL.
//!
//! `sealwax_tenants` has a row for each tenant that ever had a key: the number of the newest one, and the number up to
//! which they are destroyed. `sealwax_tenant_keys` has a row for each key that is not destroyed, with its envelope, and is
//! rewrapped to a new root like any table of envelopes. The view `sealwax_tenant_records` has both as one text.
//!
//! - **Each statement is its own transaction**, except `FENCE` and `WRITER_FENCE`, which belong to that of a credential.
//! - **Triggers keep what was destroyed so**: no row of `sealwax_tenants` goes, none of its numbers falls, and no destroyed key
//!   comes back. They bind whoever is not the owner of the tables.
//! - **`CREATE` and `DESTROY` write only if the record is the one that was read.** If they affect no row, somebody else was
//!   first: read the record again.
//! - **Every parameter is a text**, also a number, so that a method can return all of them in order.

pub mod sqlite;

/// SQL for PostgreSQL 14 or later, at the isolation level `READ COMMITTED`, which is the default.
pub mod postgres {
    /// Creates the tables, their triggers and the view. Running it again changes nothing.
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
        WITH turn AS MATERIALIZED (
            SELECT FROM pg_advisory_xact_lock(hashtextextended('sealwax_tenants/' || $1, 0))),
        counted AS (
            INSERT INTO sealwax_tenants AS t (tenant, number, destroyed)
            SELECT $1, $4::text::integer, $3::text::integer FROM turn
            WHERE $2 = '0' OR EXISTS (SELECT FROM sealwax_tenants WHERE tenant = $1)
            ON CONFLICT (tenant) DO UPDATE SET number = excluded.number
            WHERE t.number = $2::text::integer AND t.destroyed = $3::text::integer
            RETURNING tenant, number)
        INSERT INTO sealwax_tenant_keys (tenant, number, envelope)
        SELECT tenant, number, $5 FROM counted";

    /// Deletes the older keys of a tenant, if a key is the newest one and not destroyed. It affects a row for each.
    ///
    /// Run it once the tenant's rows were rewrapped, and no dump that you may restore has rows under an older key: nothing
    /// else has these. The parameters are those of the newest [key](crate::TenantKeyId::parameters): `$1` is the tenant and
    /// `$2` the number.
    pub const PRUNE: &str = "
        DELETE FROM sealwax_tenant_keys k USING sealwax_tenants t
        WHERE t.tenant = $1 AND t.number = $2::text::integer AND t.destroyed < t.number
        AND k.tenant = t.tenant AND k.number < t.number";

    /// Destroys the keys of a tenant, as a [tombstone](crate::Tombstone::parameters) says, and selects one row; or none, and
    /// destroys none, if the tenant has got another key.
    ///
    /// What it selects is for [`Tombstone::with_deleted`](crate::Tombstone::with_deleted): the envelopes that it deleted, or
    /// null. `$1` is the tenant and `$2` the number of the newest key. It waits for transactions that have passed the
    /// [`FENCE`], and those that come later wait for it. When it is committed, no other one passes it.
    pub const DESTROY: &str = "
        WITH turn AS MATERIALIZED (
            SELECT FROM pg_advisory_xact_lock(hashtextextended('sealwax_tenants/' || $1, 0))),
        destroyed AS (
            UPDATE sealwax_tenants t SET destroyed = number FROM turn
            WHERE t.tenant = $1 AND t.number = $2::text::integer
            RETURNING t.tenant),
        gone AS (
            DELETE FROM sealwax_tenant_keys k USING destroyed d WHERE k.tenant = d.tenant RETURNING k.envelope)
        SELECT (SELECT string_agg(envelope, E'\n') FROM gone) FROM destroyed";

    /// Selects one row if a key is the tenant's newest and not destroyed, and keeps it so until the transaction ends.
    ///
    /// Run it in the transaction that writes a credential, before the credential, with the parameters of
    /// [`TenantKeyId::of`](crate::TenantKeyId::of) its envelope, and roll back if it selects no row: read the record again,
    /// and seal again. `$1` is the tenant and `$2` the number of the key. Outside of a transaction it locks nothing. Or run
    /// it in the statement that writes the credential, which then affects no row:
    ///
    /// ```
    /// use sealwax_tenants::sql::postgres::FENCE;
    ///
    /// let insert = format!(
    ///     "WITH fence AS ({FENCE}) INSERT INTO credentials (tenant, envelope) SELECT tenant, $3 FROM fence"
    /// );
    /// ```
    ///
    /// (`FOR KEY SHARE`, which a foreign key takes, would keep neither `DESTROY` nor `CREATE` waiting. Without the advisory
    /// lock, which has a queue, a stream of credentials would keep both of them waiting for as long as it flows.)
    pub const FENCE: &str = "
        WITH turn AS MATERIALIZED (
            SELECT FROM pg_advisory_xact_lock_shared(hashtextextended('sealwax_tenants/' || $1, 0)))
        SELECT t.tenant FROM turn, sealwax_tenants t
        WHERE t.tenant = $1 AND t.number = $2::text::integer AND t.destroyed < t.number FOR SHARE OF t";

    /// The same for a row that is under no key of the tenant, such as what a writer that cannot read has sealed: selects one
    /// row if the tenant has a key that is not destroyed. `$1` is the tenant.
    pub const WRITER_FENCE: &str = "
        WITH turn AS MATERIALIZED (
            SELECT FROM pg_advisory_xact_lock_shared(hashtextextended('sealwax_tenants/' || $1, 0)))
        SELECT t.tenant FROM turn, sealwax_tenants t
        WHERE t.tenant = $1 AND t.destroyed < t.number FOR SHARE OF t";

    /// Destroys what a [tombstone](crate::Tombstone::parameters) says, in a database that was restored from before. Running
    /// it again changes nothing.
    ///
    /// It selects one row, the envelopes that it deleted or null, for
    /// [`Tombstone::with_deleted`](crate::Tombstone::with_deleted): if a job had moved them to a new root meanwhile, that is
    /// one of the tombstone's too. `$1` is the tenant and `$2` the number of the newest key that is destroyed. A key with a
    /// larger number stays.
    pub const REPLAY: &str = "
        WITH turn AS MATERIALIZED (
            SELECT FROM pg_advisory_xact_lock(hashtextextended('sealwax_tenants/' || $1, 0))),
        buried AS (
            INSERT INTO sealwax_tenants AS t (tenant, number, destroyed)
            SELECT $1, $2::text::integer, $2::text::integer FROM turn
            ON CONFLICT (tenant) DO UPDATE
            SET number = greatest(t.number, excluded.number), destroyed = greatest(t.destroyed, excluded.destroyed)
            RETURNING tenant),
        gone AS (
            DELETE FROM sealwax_tenant_keys k USING buried b
            WHERE k.tenant = b.tenant AND k.number <= $2::text::integer RETURNING k.envelope)
        SELECT string_agg(envelope, E'\n') FROM gone";
}
