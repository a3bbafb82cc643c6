//! What sealwax keeps in a database.

use sqlx::{Connection as _, PgConnection, raw_sql};

/// Creates what this crate keeps in a database, or brings it up to date: functions and tables in the schema `sealwax`.
///
/// It can be repeated, also by two processes at once.
///
/// # Errors
/// Returns an error if the database fails, for example because the role may not create a schema.
pub async fn install(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = db.begin().await?;
    // "sealwax" in ASCII. `CREATE … IF NOT EXISTS` fails if two do it at once.
    raw_sql("SELECT pg_advisory_xact_lock(x'7365616c776178'::int8)").execute(&mut *transaction).await?;
    raw_sql(include_str!("schema.sql")).execute(&mut *transaction).await?;
    raw_sql(include_str!("jobs.sql")).execute(&mut *transaction).await?;
    transaction.commit().await
}
