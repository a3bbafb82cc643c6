//! The SQL of a sink, for SQLite and PostgreSQL.
//!
//! The table `sealwax_audit` has a row for each entry: the subject, the number, the MAC, and the record as text, which
//! is [`Record`](crate::Record)'s `to_string` and `parse`. The view `sealwax_audit_entries` has a column for each field.
//!
//! - **The table only grows.** Triggers refuse to change or delete a row (PostgreSQL: also to truncate), and to insert
//!   one whose number is not the next one. They stop mistakes and injected SQL. The owner of the table and a superuser can
//!   still disable or drop them (PostgreSQL: but `session_replication_role` does not), so let the service have another
//!   role. The chain and its anchors are for the rest.
//! - **Of two writers, one appends.** `APPEND` inserts a row only if the entry before is in the table, with the MAC that
//!   the writer has seen, and the number is not taken. It is one statement, so it needs no transaction and takes no lock.
//!   If it inserts no row, the sink returns [`Raced`](crate::Appended::Raced).
//! - **An entry must survive what comes after it.** Commit it before the credential is opened, on a connection of its own:
//!   in the transaction of a request that is rolled back, an opening would be lost. PostgreSQL needs
//!   `synchronous_commit = on`, and SQLite in WAL mode `synchronous = FULL`: with `NORMAL`, a power cut may take the last
//!   entries.

/// SQL for SQLite 3.38 or later.
pub mod sqlite {
    /// Creates the table, its triggers and the view. Running it again changes nothing.
    pub const TABLES: &str = include_str!("sql/sqlite.sql");

    /// Selects the record of a subject's last entry, `?1`, if it has one.
    pub const LAST: &str =
        "SELECT record FROM sealwax_audit WHERE subject = ?1 ORDER BY number DESC LIMIT 1";

    /// Selects the records of a subject's chain, `?1`, in ascending order.
    pub const CHAIN: &str = "SELECT record FROM sealwax_audit WHERE subject = ?1 ORDER BY number";

    /// Selects the records that come after a number, `?2`, in a subject's chain, `?1`, in ascending order: `?3` of them.
    pub const PAGE: &str = "SELECT record FROM sealwax_audit WHERE subject = ?1 AND number > ?2 ORDER BY number LIMIT ?3";

    /// Selects the subjects that have an entry, also if their first one is gone.
    ///
    /// To verify the whole log, take these **and the subjects of all anchors**: of a chain that was deleted, there is
    /// nothing left in the table.
    pub const SUBJECTS: &str = "SELECT DISTINCT subject FROM sealwax_audit ORDER BY subject";

    /// Inserts an entry, or no row if another writer was first.
    ///
    /// `?1` is the subject, `?2` the number, `?3` the MAC and `?4` the text of the record. `?5` is the MAC of the entry
    /// before, or null for the first entry.
    pub const APPEND: &str = "
        INSERT INTO sealwax_audit (subject, number, mac, record) SELECT ?1, ?2, ?3, ?4
        WHERE ?2 = 1 OR EXISTS (SELECT 1 FROM sealwax_audit WHERE subject = ?1 AND number = ?2 - 1 AND mac = ?5)
        ON CONFLICT DO NOTHING";
}

/// SQL for PostgreSQL 14 or later, at the isolation level `READ COMMITTED`, which is the default.
pub mod postgres {
    /// Creates the table, its triggers and the view. Running it again changes nothing.
    ///
    /// It has several statements, so send it without parameters.
    pub const TABLES: &str = include_str!("sql/postgres.sql");

    /// Selects the record of a subject's last entry, `$1`, if it has one.
    pub const LAST: &str =
        "SELECT record FROM sealwax_audit WHERE subject = $1 ORDER BY number DESC LIMIT 1";

    /// Selects the records of a subject's chain, `$1`, in ascending order.
    pub const CHAIN: &str = "SELECT record FROM sealwax_audit WHERE subject = $1 ORDER BY number";

    /// Selects the records that come after a number, `$2`, in a subject's chain, `$1`, in ascending order: `$3` of them.
    pub const PAGE: &str = "SELECT record FROM sealwax_audit WHERE subject = $1 AND number > $2 ORDER BY number LIMIT $3";

    /// Selects the subjects that have an entry, also if their first one is gone.
    ///
    /// To verify the whole log, take these **and the subjects of all anchors**: of a chain that was deleted, there is
    /// nothing left in the table.
    pub const SUBJECTS: &str = "SELECT DISTINCT subject FROM sealwax_audit ORDER BY subject";

    /// Inserts an entry, or no row if another writer was first.
    ///
    /// `$1` is the subject, `$2` the number (`bigint`), `$3` the MAC (`bytea`) and `$4` the text of the record. `$5` is
    /// the MAC of the entry before (`bytea`), or null for the first entry.
    pub const APPEND: &str = "
        INSERT INTO sealwax_audit (subject, number, mac, record) SELECT $1::text, $2::bigint, $3::bytea, $4::text
        WHERE $2 = 1 OR EXISTS (SELECT 1 FROM sealwax_audit WHERE subject = $1 AND number = $2 - 1 AND mac = $5::bytea)
        ON CONFLICT DO NOTHING";
}
