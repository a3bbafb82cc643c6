//! What sealwax keeps in a database.

use sqlx::{Connection as _, PgConnection, query, raw_sql};

/// Identifies the advisory lock of an installation: the ASCII codes of "sealwax".
const LOCK: i64 = 0x73_6561_6c77_6178;

/// Creates the schema `sealwax` with its functions and tables, or brings it up to date.
///
/// Running it again changes nothing, and two programs may run it at once. The role needs the right to create a schema,
/// and must own `sealwax` if it exists.
///
/// # Errors
/// Returns an error if the database fails; nothing has changed then.
pub async fn install(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = db.begin().await?;
    query("SELECT pg_catalog.pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    for sql in [include_str!("schema.sql"), include_str!("jobs.sql")] {
        raw_sql(sql).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
