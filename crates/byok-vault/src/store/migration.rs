//! Older versions of the schema: in version 1, rows have no labels; version 2 has no log.

use rusqlite::{Connection, Transaction};

use super::{CREDENTIALS, log};

pub(super) const SCHEMA_1: &str = "
    CREATE TABLE credentials (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        tenant     TEXT NOT NULL,
        provider   TEXT NOT NULL,
        env_name   TEXT NOT NULL,
        envelope   TEXT NOT NULL,
        revision   INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        UNIQUE (tenant, provider)
    ) STRICT;";

/// Lets a read-only connection read the table like one of the current version.
///
/// A temporary view hides the table. If another process migrates the table meanwhile, the view has the
/// real labels, because they come first.
pub(super) fn hide_version_1(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TEMP VIEW credentials AS SELECT *, '' AS label FROM main.credentials",
    )
}

/// Brings the schema of this version up to date.
pub(super) fn from(version: i64, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    if version < 2 {
        from_version_1(transaction)?;
    }
    if version < 3 { transaction.execute_batch(log::TABLES) } else { Ok(()) }
}

/// Moves the rows of version 1 into the table of version 2.
///
/// The table is created again, because SQLite cannot change its UNIQUE constraint. Envelopes stay valid:
/// a row without a label is bound to the same names as before. The last id that was used is kept even if
/// its row is deleted, because ids are never used twice.
fn from_version_1(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("ALTER TABLE credentials RENAME TO credentials_1")?;
    transaction.execute_batch(CREDENTIALS)?;
    transaction.execute_batch(
        "INSERT INTO credentials
                (id, tenant, provider, env_name, envelope, revision, created_at, updated_at)
            SELECT id, tenant, provider, env_name, envelope, revision, created_at, updated_at
                FROM credentials_1;
         DELETE FROM sqlite_sequence WHERE name = 'credentials';
         INSERT INTO sqlite_sequence (name, seq)
            SELECT 'credentials', seq FROM sqlite_sequence WHERE name = 'credentials_1';
         DROP TABLE credentials_1;",
    )
}
