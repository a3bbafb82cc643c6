//! The SQL of a sink, for SQLite and PostgreSQL.
//!
//! There are two tables. `sealwax_audit` has the entries, and `sealwax_audit_last` the number and the MAC of each
//! subject's last one. They only grow: triggers refuse to change or delete an entry, to move the last number by anything
//! but one, and to insert an entry that is not the last one. So an entry is in the table only if the guarded update of
//! the last number succeeded, and of two writers one succeeds.
//!
//! Triggers stop mistakes and injected SQL, not the owner of the tables, who can drop them. That is what the chain and
//! anchors are for.

/// SQL for SQLite 3.37 or later.
///
/// [`append`](AuditSink::append) runs [`START`](sqlite::START), [`MOVE`](sqlite::MOVE) and [`INSERT`](sqlite::INSERT) in
/// one transaction that begins with `BEGIN IMMEDIATE`. If `MOVE` changes no row, it rolls back and returns
/// [`Raced`](Appended::Raced).
///
/// [`AuditSink::append`]: crate::AuditSink::append
pub mod sqlite {
    /// Creates the tables and the triggers. Running it again changes nothing.
    pub const TABLES: &str = include_str!("sql/sqlite.sql");

    /// Selects the last entry of a subject, `?1`: one row, or none.
    ///
    /// The columns are those of [`INSERT`].
    pub const LAST: &str = "
        SELECT subject, number, time, action, who, why, outcome, key_id, commitment, context, audit_key, mac
        FROM sealwax_audit_last JOIN sealwax_audit USING (subject, number) WHERE subject = ?1";

    /// Selects the whole chain of a subject, `?1`, in ascending order.
    pub const CHAIN: &str = "
        SELECT subject, number, time, action, who, why, outcome, key_id, commitment, context, audit_key, mac
        FROM sealwax_audit WHERE subject = ?1 ORDER BY number";

    /// Makes a place for the chain of a subject, `?1`, if it has none.
    pub const START: &str = "
        INSERT INTO sealwax_audit_last (subject, number, mac) SELECT ?1, 0, x''
        WHERE NOT EXISTS (SELECT 1 FROM sealwax_audit_last WHERE subject = ?1)";

    /// The guarded update. It changes one row, or none if the entry before is no longer the last one.
    ///
    /// `?1` is the subject, `?2` the number of the new entry, `?3` its MAC, and `?4` the MAC of the entry before, or an
    /// empty blob for the first entry.
    pub const MOVE: &str = "
        UPDATE sealwax_audit_last SET number = ?2, mac = ?3 WHERE subject = ?1 AND number = ?2 - 1 AND mac = ?4";

    /// Inserts an entry: its twelve fields, in the order of the columns.
    pub const INSERT: &str = "
        INSERT INTO sealwax_audit
            (subject, number, time, action, who, why, outcome, key_id, commitment, context, audit_key, mac)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
}

/// SQL for PostgreSQL 13 or later.
///
/// [`append`](AuditSink::append) runs [`START`](postgres::START) and then [`APPEND`](postgres::APPEND), each a statement
/// alone or both in one transaction with the isolation `READ COMMITTED`, which is the default. If `APPEND` inserts no
/// row, it returns [`Raced`](Appended::Raced).
///
/// [`AuditSink::append`]: crate::AuditSink::append
pub mod postgres {
    /// Creates the tables and the triggers. Running it again changes nothing.
    ///
    /// It has several statements, so send it without parameters.
    pub const TABLES: &str = include_str!("sql/postgres.sql");

    /// Selects the last entry of a subject, `$1`: one row, or none.
    ///
    /// The columns are the parameters of [`APPEND`].
    pub const LAST: &str = "
        SELECT subject, number, time, action, who, why, outcome, key_id, commitment, context, audit_key, mac
        FROM sealwax_audit_last JOIN sealwax_audit USING (subject, number) WHERE subject = $1";

    /// Selects the whole chain of a subject, `$1`, in ascending order.
    pub const CHAIN: &str = "
        SELECT subject, number, time, action, who, why, outcome, key_id, commitment, context, audit_key, mac
        FROM sealwax_audit WHERE subject = $1 ORDER BY number";

    /// Makes a place for the chain of a subject, `$1`, if it has none. Needed for the first entry only.
    pub const START: &str = "
        INSERT INTO sealwax_audit_last (subject, number, mac) VALUES ($1, 0, '') ON CONFLICT DO NOTHING";

    /// The guarded update and the insert. It inserts one row, or none if the entry before is no longer the last one.
    ///
    /// `$1` to `$12` are the fields of the entry in the order of the columns. `$13` is the MAC of the entry before, or
    /// empty for the first entry.
    pub const APPEND: &str = "
        WITH moved AS (
            UPDATE sealwax_audit_last SET number = $2, mac = $12
            WHERE subject = $1 AND number = $2 - 1 AND mac = $13
            RETURNING subject
        )
        INSERT INTO sealwax_audit
            (subject, number, time, action, who, why, outcome, key_id, commitment, context, audit_key, mac)
        SELECT subject, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM moved";
}
