//! SQL for SQLite 3.38 or later.
//!
//! Each statement is its own transaction. `FENCE` and `WRITER_FENCE` need one that has begun to write (`BEGIN IMMEDIATE`):
//! then nobody else writes until it ends.

/// Creates the tables, their triggers and the view. Running it again changes nothing.
pub const TABLES: &str = include_str!("sqlite.sql");

/// Selects the [record](crate::TenantRecord::from_row) of a tenant, `?1`.
///
/// To read it with a credential, join the view, and take null for a tenant who has no record:
/// `… LEFT JOIN sealwax_tenant_records r ON r.tenant = credentials.tenant`.
pub const READ: &str = "SELECT record FROM sealwax_tenant_records WHERE tenant = ?1";

/// Inserts a key that was [created](crate::Created::parameters): one row, or none if the record is not the one that was read.
///
/// `?1` is the tenant, `?2` and `?3` the numbers of the record that was read, `?4` the number of the key and `?5` its envelope.
pub const CREATE: &str = "
    INSERT INTO sealwax_tenant_keys (tenant, number, envelope) SELECT ?1, CAST(?4 AS INTEGER), ?5
    WHERE CASE WHEN EXISTS (SELECT 1 FROM sealwax_tenants WHERE tenant = ?1)
        THEN EXISTS (SELECT 1 FROM sealwax_tenants
            WHERE tenant = ?1 AND number = CAST(?2 AS INTEGER) AND destroyed = CAST(?3 AS INTEGER))
        ELSE ?2 = '0' END";

/// Deletes the older keys of a tenant, if a key is the newest one and not destroyed. It affects a row for each.
///
/// Run it once the tenant's rows were rewrapped, and no dump that you may restore has rows under an older key: nothing else
/// has these. `?1` is the tenant and `?2` the number of the newest key.
pub const PRUNE: &str = "
    DELETE FROM sealwax_tenant_keys WHERE tenant = ?1 AND number < CAST(?2 AS INTEGER)
    AND EXISTS (SELECT 1 FROM sealwax_tenants WHERE tenant = ?1 AND number = CAST(?2 AS INTEGER) AND destroyed < number)";

/// Destroys the keys of a tenant, as a [tombstone](crate::Tombstone::parameters) says, and selects one row; or none, and
/// destroys none, if the tenant has got another key.
///
/// What it selects is for [`Tombstone::with_deleted`](crate::Tombstone::with_deleted): the envelopes that it deletes, or null.
/// `?1` is the tenant and `?2` the number of the newest key.
pub const DESTROY: &str = "
    UPDATE sealwax_tenants SET destroyed = number WHERE tenant = ?1 AND number = CAST(?2 AS INTEGER)
    RETURNING (SELECT group_concat(k.envelope, char(10)) FROM sealwax_tenant_keys k WHERE k.tenant = ?1)";

/// Selects one row if a key is the tenant's newest and not destroyed.
///
/// Run it in the transaction that writes a credential, with the parameters of [`TenantKeyId::of`](crate::TenantKeyId::of) its
/// envelope, and roll back if it selects no row. `?1` is the tenant and `?2` the number of the key.
pub const FENCE: &str = "
    SELECT tenant FROM sealwax_tenants WHERE tenant = ?1 AND number = CAST(?2 AS INTEGER) AND destroyed < number";

/// The same for a row that is under no key of the tenant, such as what a writer that cannot read has sealed: selects one row if
/// the tenant has a key that is not destroyed. `?1` is the tenant.
pub const WRITER_FENCE: &str = "SELECT tenant FROM sealwax_tenants WHERE tenant = ?1 AND destroyed < number";

/// Destroys what a [tombstone](crate::Tombstone::parameters) says, in a database that was restored from before. Running it
/// again changes nothing.
///
/// It selects one row, the envelopes that it deletes or null, for
/// [`Tombstone::with_deleted`](crate::Tombstone::with_deleted). `?1` is the tenant and `?2` the number of the newest key that is
/// destroyed. A key with a larger number stays.
pub const REPLAY: &str = "
    INSERT INTO sealwax_tenants (tenant, number, destroyed) VALUES (?1, CAST(?2 AS INTEGER), CAST(?2 AS INTEGER))
    ON CONFLICT (tenant) DO UPDATE
    SET number = max(number, excluded.number), destroyed = max(destroyed, excluded.destroyed)
    RETURNING (SELECT group_concat(k.envelope, char(10)) FROM sealwax_tenant_keys k
        WHERE k.tenant = ?1 AND k.number <= CAST(?2 AS INTEGER))";
