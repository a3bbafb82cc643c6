//! What a database has besides rows: tables, indexes, views and triggers.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::migration::SCHEMA_1;
use super::{CREDENTIALS, log};

/// The type, the name, the table and the SQL of each object.
type Objects = BTreeSet<(String, String, String, Option<String>)>;

/// Returns whether the database has exactly the objects of a new vault of that version.
///
/// A trigger of another program would run with every change, and another definition of the table could
/// change what is stored.
pub(super) fn are_ours(connection: &Connection, version: i64) -> rusqlite::Result<bool> {
    let new = Connection::open_in_memory()?;
    new.execute_batch(if version == 1 { SCHEMA_1 } else { CREDENTIALS })?;
    if version >= 3 {
        new.execute_batch(log::TABLES)?;
    }
    Ok(objects(connection)? == objects(&new)?)
}

fn objects(connection: &Connection) -> rusqlite::Result<Objects> {
    // ANALYZE creates the tables of statistics, which change nothing.
    connection
        .prepare(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema
             WHERE NOT (type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4'))",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, sql(row)?)))?
        .collect()
}

/// Returns the SQL of an object, with one space where there was white space.
fn sql(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<String>> {
    let sql: Option<String> = row.get(3)?;
    Ok(sql.map(|sql| sql.split_whitespace().collect::<Vec<_>>().join(" ")))
}
