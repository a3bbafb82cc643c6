//! What a database has besides rows: tables, indexes, views and triggers.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::Connection;

use super::migration::SCHEMA_1;
use super::{CREDENTIALS, log};
use crate::formatting::shown;

/// The table and the SQL of each object, by its type and name.
type Objects = BTreeMap<(String, String), (String, Option<String>)>;

/// An object that a new vault of the same version does not have, or has in another form.
#[derive(Debug)]
pub struct Difference {
    kind: String,
    name: String,
    is: Is,
}

#[derive(Debug)]
enum Is {
    Missing,
    Foreign,
    Changed,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, is } = self;
        let is = match is {
            Is::Missing => "is missing",
            Is::Foreign => "is not the vault's own",
            Is::Changed => "was changed",
        };
        write!(f, "the {} {} {is}", shown(kind), shown(name))
    }
}

/// Returns in what the objects of the database differ from those of a new vault of that version.
///
/// A trigger of another program would run with every change, and another definition of the table could
/// change what is stored.
pub(super) fn differences(
    connection: &Connection,
    version: i64,
) -> rusqlite::Result<Vec<Difference>> {
    let new = Connection::open_in_memory()?;
    new.execute_batch(if version == 1 { SCHEMA_1 } else { CREDENTIALS })?;
    if version >= 3 {
        new.execute_batch(log::TABLES)?;
    }
    let (found, mut own) = (objects(connection)?, objects(&new)?);
    let mut differences = Vec::new();
    for ((kind, name), object) in found {
        let key = (kind, name);
        let is = match own.remove(&key) {
            Some(same) if same == object => continue,
            Some(_) => Is::Changed,
            None => Is::Foreign,
        };
        let (kind, name) = key;
        differences.push(Difference { kind, name, is });
    }
    let missing = own.into_keys().map(|(kind, name)| Difference { kind, name, is: Is::Missing });
    differences.extend(missing);
    Ok(differences)
}

fn objects(connection: &Connection) -> rusqlite::Result<Objects> {
    // ANALYZE creates the tables of statistics, which change nothing.
    connection
        .prepare(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema
             WHERE NOT (type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4'))",
        )?
        .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, sql(row)?))))?
        .collect()
}

/// Returns the SQL of an object, without the indentation that people change when they create it again.
///
/// Line breaks stay: one that ends a comment decides what is a comment. What is trimmed is white space for SQLite too.
fn sql(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<String>> {
    let sql: Option<String> = row.get(3)?;
    Ok(sql.map(|sql| sql.lines().map(str::trim_ascii).collect::<Vec<_>>().join("\n")))
}
