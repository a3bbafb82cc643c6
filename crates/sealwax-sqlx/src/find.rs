//! The search for envelopes in columns that nobody declared.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, query, query_as};

use crate::table::{Table, quoted};

/// A column whose envelopes, if any, need no census.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waived {
    schema: String,
    table: String,
    column: String,
}

impl Waived {
    /// Waives a column.
    #[must_use]
    pub fn new(schema: &str, table: &str, column: &str) -> Self {
        Self { schema: schema.to_owned(), table: table.to_owned(), column: column.to_owned() }
    }
}

/// A column that must be declared or waived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The schema.
    pub schema: String,
    /// The table or materialized view.
    pub table: String,
    /// The column.
    pub column: String,
    /// What is known about it.
    pub finding: Finding,
}

/// What [`find`] knows about a column.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// There are envelopes in it.
    #[non_exhaustive]
    Envelopes {
        /// The rows with at least one.
        rows: u64,
    },
    /// The database did not let the role read the table, so there can be envelopes in it.
    #[non_exhaustive]
    NotScanned {
        /// The SQLSTATE: `42501` if a permission is missing, or if row-level security would hide rows.
        code: String,
    },
}

/// The columns whose values can be or contain bytes or text, also in arrays, domains and composite types.
///
/// A partition is read with its table. A type of the category `U` is one such as bytea, jsonb or xml.
const CANDIDATES: &str = "
    WITH RECURSIVE bases (column_type, base) AS (
        SELECT oid, oid FROM pg_catalog.pg_type
        UNION
        SELECT b.column_type, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END
          FROM bases b JOIN pg_catalog.pg_type t ON t.oid = b.base
         WHERE t.typtype = 'd' OR t.typcategory = 'A' AND t.typelem <> 0
    )
    SELECT n.nspname::text, c.relname::text, pg_catalog.array_agg(a.attname::text ORDER BY a.attnum),
           pg_catalog.array_agg(a.atttypid = 'pg_catalog.bytea'::regtype ORDER BY a.attnum)
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
       AND n.nspname <> 'information_schema'
       AND n.nspname !~ '^pg_'
       -- Only our own tables: a role with the name sealwax may have tables in this schema.
       AND NOT (n.nspname = 'sealwax' AND c.relname IN ('sightings', 'jobs', 'ranges', 'failures', 'resealed',
                                                           'payloads'))
       AND EXISTS (SELECT FROM bases b JOIN pg_catalog.pg_type t ON t.oid = b.base
                    WHERE b.column_type = a.atttypid AND t.typtype <> 'd' AND t.typcategory IN ('S', 'U', 'C')
                      AND t.oid <> 'pg_catalog.uuid'::regtype)
       AND NOT EXISTS (SELECT FROM unnest($1::text[], $2::text[], $3::text[]) AS k (s, t, c)
                        WHERE k.s = n.nspname AND k.t = c.relname AND k.c = a.attname)
     GROUP BY 1, 2 ORDER BY 1, 2";

/// Matches text with the text form in it, or with a value in it that begins as the binary form does, in base64 or hex.
const IN_TEXT: &str = r"sw1:(a256gcm|c20p):|(^|[^A-Za-z0-9+/_-])(U1cBA[Q-Za-v]|(\\+x|0x)?535701(01|02))";

/// Finds the columns with envelopes that are neither declared nor waived.
///
/// It searches all tables and materialized views of the database, except those of PostgreSQL and our own,
/// for the text form anywhere in a text, a JSON value and the like, and for the binary form at the start of a `bytea`, or
/// of a text in base64 or hex. It does not see envelopes that are compressed, encrypted or split, or in large objects,
/// foreign tables or other databases. It reads each table once, in a transaction of its own.
///
/// A table that cannot be read is in the list too.
///
/// # Errors
/// Returns an error if the connection fails, or if the catalogue cannot be read.
pub async fn find(db: &mut PgConnection, declared: &[Table], waived: &[Waived]) -> Result<Vec<Found>, sqlx::Error> {
    let declared = declared.iter().map(|table| [table.schema(), table.name(), table.envelope()]);
    let waived = waived.iter().map(|waived| [waived.schema.as_str(), &waived.table, &waived.column]);
    let known: Vec<[&str; 3]> = declared.chain(waived).collect();
    let [schemas, tables, columns] =
        [0, 1, 2].map(|part| known.iter().filter_map(|name| name.get(part).copied()).collect::<Vec<_>>());
    let candidates: Vec<(String, String, Vec<String>, Vec<bool>)> =
        query_as(CANDIDATES).bind(schemas).bind(tables).bind(columns).fetch_all(&mut *db).await?;
    let mut found = Vec::new();
    for (schema, table, columns, are_bytes) in candidates {
        let tests: Vec<String> =
            columns.iter().zip(are_bytes).map(|(column, is_bytes)| count(column, is_bytes)).collect();
        let sql = format!("SELECT {} FROM {}.{}", tests.join(", "), quoted(&schema), quoted(&table));
        let findings: Vec<Finding> = match rows(db, sql, columns.len()).await {
            Ok(rows) => rows.into_iter().map(|rows| Finding::Envelopes { rows }).collect(),
            Err(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default().into_owned();
                columns.iter().map(|_| Finding::NotScanned { code: code.clone() }).collect()
            }
            Err(error) => return Err(error),
        };
        for (column, finding) in columns.into_iter().zip(findings) {
            if finding != (Finding::Envelopes { rows: 0 }) {
                found.push(Found { schema: schema.clone(), table: table.clone(), column, finding });
            }
        }
    }
    Ok(found)
}

/// Returns the expression that counts the rows with envelopes in a column.
fn count(column: &str, is_bytes: bool) -> String {
    let column = quoted(column);
    let test = if is_bytes {
        format!(r"pg_catalog.substring({column}, 1, 4) IN ('\x53570101', '\x53570102', '\x7377313a')")
    } else {
        format!("{column}::text COLLATE \"C\" ~ '{IN_TEXT}'")
    };
    format!("pg_catalog.count(*) FILTER (WHERE {test})")
}

async fn rows(db: &mut PgConnection, sql: String, columns: usize) -> Result<Vec<u64>, sqlx::Error> {
    let mut transaction = db.begin().await?;
    // Otherwise PostgreSQL leaves out rows that the role may not see.
    query("SET LOCAL row_security = off").execute(&mut *transaction).await?;
    query("SET LOCAL bytea_output = 'hex'").execute(&mut *transaction).await?;
    let row = query(AssertSqlSafe(sql)).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    let count = |at| Ok(u64::try_from(row.try_get::<i64, _>(at)?).unwrap_or_default());
    (0..columns).map(count).collect()
}
