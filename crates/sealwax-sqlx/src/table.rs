//! A table with a column of envelopes, as PostgreSQL's catalogue describes it.

use sqlx::{PgConnection, query_as, query_scalar};
use thiserror::Error;

/// How a column stores envelopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// As bytes: `bytea`.
    Binary,
    /// As text: `text`, or `character varying` without a limit.
    Text,
}

/// A column of a key, and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyColumn {
    pub(crate) name: String,
    /// As SQL writes it: `bigint`.
    pub(crate) type_name: String,
}

/// A table with a column of envelopes, and the columns that identify its rows.
///
/// Every name was found in the catalogue, so no text of a caller gets into a statement, except as a quoted identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    schema: String,
    name: String,
    keys: Vec<KeyColumn>,
    envelope: String,
    form: Form,
}

/// Why a table cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TableError {
    /// There is no such table, or the role may not see it.
    #[error("there is no table {table}")]
    #[non_exhaustive]
    NoTable {
        /// The schema and the name.
        table: String,
    },
    /// Other tables inherit from the table, so its unique index does not identify the rows that a query sees.
    #[error("other tables inherit from {table}; only partitions can be used")]
    #[non_exhaustive]
    Inherited {
        /// The schema and the name.
        table: String,
    },
    /// The table has no such column.
    #[error("the table {table} has no column {column}")]
    #[non_exhaustive]
    NoColumn {
        /// The schema and the name.
        table: String,
        /// The column.
        column: String,
    },
    /// A column has a type that cannot be used for this.
    #[error("{table}, column {column}: the type is {found}, expected {expected}")]
    #[non_exhaustive]
    Type {
        /// The schema and the name.
        table: String,
        /// The column.
        column: String,
        /// The type in the catalogue.
        found: String,
        /// The types that can be used.
        expected: &'static str,
    },
    /// PostgreSQL computes the column of envelopes from others, so nothing can be written to it.
    #[error("{table}, column {column}: it is generated, so no envelope can be written to it")]
    #[non_exhaustive]
    Generated {
        /// The schema and the name.
        table: String,
        /// The column.
        column: String,
    },
    /// The column of envelopes is one of the key columns, so a row that is written would get another key.
    #[error("{table}, column {column}: it is one of the key columns, so it cannot be the column of envelopes")]
    #[non_exhaustive]
    EnvelopeInKey {
        /// The schema and the name.
        table: String,
        /// The column.
        column: String,
    },
    /// No key columns were named, and the table has no primary key.
    #[error("the table {table} has no primary key: name the columns of a unique index")]
    #[non_exhaustive]
    NoPrimaryKey {
        /// The schema and the name.
        table: String,
    },
    /// The key columns do not identify a row.
    #[error(
        "the columns {columns} of {table} do not identify a row: each must be NOT NULL, and a unique index must have \
         exactly these, without a condition, and not deferrable"
    )]
    #[non_exhaustive]
    NotUnique {
        /// The schema and the name.
        table: String,
        /// The columns.
        columns: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

const KEY_TYPES: &[&str] = &["smallint", "integer", "bigint", "uuid", "text", "character varying"];

impl Table {
    /// Finds a table in the catalogue.
    ///
    /// `keys` are the columns of its primary key or of another unique index; if there are none, the primary key is used.
    /// They are of type `smallint`, `integer`, `bigint`, `uuid`, `text` or `character varying`. `envelope` is a column of
    /// type `bytea`, `text` or `character varying`; a limit on its length is refused, because envelopes grow. It is neither
    /// generated nor one of the keys.
    ///
    /// # Errors
    /// Returns why the table cannot be used.
    pub async fn find(
        db: &mut PgConnection,
        schema: &str,
        name: &str,
        keys: &[&str],
        envelope: &str,
    ) -> Result<Self, TableError> {
        let table = format!("{schema}.{name}");
        let found: Option<(i64, bool)> = query_as(
            "SELECT c.oid::int8, c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = c.oid)
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')",
        )
        .bind(schema)
        .bind(name)
        .fetch_optional(&mut *db)
        .await?;
        let (oid, is_inherited) = found.ok_or_else(|| TableError::NoTable { table: table.clone() })?;
        if is_inherited {
            return Err(TableError::Inherited { table });
        }

        for column in keys {
            Self::column_type(db, oid, &table, column).await?;
        }
        let keys = Self::unique_index(db, oid, &table, keys).await?;
        let mut columns = Vec::with_capacity(keys.len());
        for column in keys {
            let type_name = Self::column_type(db, oid, &table, &column).await?;
            // A type of a limited length is written as its unlimited one, so that a cast never cuts a value.
            let base = type_name.split('(').next().unwrap_or_default().to_owned();
            if !KEY_TYPES.contains(&base.as_str()) {
                let expected = "smallint, integer, bigint, uuid, text or character varying";
                return Err(TableError::Type { table, column, found: type_name, expected });
            }
            columns.push(KeyColumn { name: column, type_name: base });
        }
        let form = match Self::column_type(db, oid, &table, envelope).await?.as_str() {
            "bytea" => Form::Binary,
            "text" | "character varying" => Form::Text,
            other => {
                let (column, found) = (envelope.to_owned(), other.to_owned());
                return Err(TableError::Type { table, column, found, expected: "bytea, or text without a limit" });
            }
        };
        let is_generated = "SELECT attgenerated <> '' FROM pg_catalog.pg_attribute
            WHERE attrelid = $1::int8::oid AND attname = $2";
        if query_scalar(is_generated).bind(oid).bind(envelope).fetch_one(&mut *db).await? {
            return Err(TableError::Generated { table, column: envelope.to_owned() });
        }
        if columns.iter().any(|column| column.name == envelope) {
            return Err(TableError::EnvelopeInKey { table, column: envelope.to_owned() });
        }
        let (schema, name, envelope) = (schema.to_owned(), name.to_owned(), envelope.to_owned());
        Ok(Self { schema, name, keys: columns, envelope, form })
    }

    /// Returns the columns of the index that identifies rows, in its order.
    async fn unique_index(
        db: &mut PgConnection,
        oid: i64,
        table: &str,
        keys: &[&str],
    ) -> Result<Vec<String>, TableError> {
        let indexes: Vec<(bool, Vec<String>)> = query_as(
            "SELECT i.indisprimary, array_agg(a.attname::text ORDER BY k.at)
               FROM pg_catalog.pg_index i
               CROSS JOIN unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k (number, at)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
               LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
              WHERE i.indrelid = $1::int8::oid AND i.indisunique AND i.indisvalid AND i.indimmediate
                AND i.indpred IS NULL AND i.indexprs IS NULL
              GROUP BY i.indexrelid, i.indisprimary
             HAVING bool_and(a.attnotnull AND coalesce(c.collisdeterministic, true))
              ORDER BY i.indisprimary DESC, i.indexrelid",
        )
        .bind(oid)
        .fetch_all(db)
        .await?;
        let mut named = keys.to_vec();
        named.sort_unstable();
        for (is_primary, columns) in indexes {
            let mut sorted: Vec<&str> = columns.iter().map(String::as_str).collect();
            sorted.sort_unstable();
            if (keys.is_empty() && is_primary) || sorted == named {
                return Ok(columns);
            }
        }
        let table = table.to_owned();
        Err(if keys.is_empty() {
            TableError::NoPrimaryKey { table }
        } else {
            TableError::NotUnique { table, columns: keys.join(", ") }
        })
    }

    /// Finds further columns, and returns whether each is of type `bytea`.
    pub(crate) async fn are_bytes(&self, db: &mut PgConnection, columns: &[String]) -> Result<Vec<bool>, TableError> {
        let table = format!("{}.{}", self.schema, self.name);
        let oid = "SELECT $1::text::pg_catalog.regclass::oid::int8";
        let oid: i64 = query_scalar(oid).bind(self.quoted()).fetch_one(&mut *db).await?;
        let mut are_bytes = Vec::with_capacity(columns.len());
        for column in columns {
            let found = Self::column_type(db, oid, &table, column).await?;
            // The text of these does not depend on settings of a session, as that of a date does.
            if !KEY_TYPES.contains(&found.split('(').next().unwrap_or_default())
                && !["bytea", "json", "jsonb"].contains(&found.as_str())
            {
                let expected = "smallint, integer, bigint, uuid, text, character varying, json, jsonb or bytea";
                return Err(TableError::Type { table, column: column.clone(), found, expected });
            }
            are_bytes.push(found == "bytea");
        }
        Ok(are_bytes)
    }

    /// Returns the type of a column, with its limit: `character varying(255)`.
    async fn column_type(db: &mut PgConnection, oid: i64, table: &str, column: &str) -> Result<String, TableError> {
        query_scalar(
            "SELECT pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
              WHERE attrelid = $1::int8::oid AND attname = $2 AND attnum > 0 AND NOT attisdropped",
        )
        .bind(oid)
        .bind(column)
        .fetch_optional(db)
        .await?
        .ok_or_else(|| TableError::NoColumn { table: table.to_owned(), column: column.to_owned() })
    }

    /// Returns the name of the schema.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Returns the name of the table.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the names of the columns that identify a row, in the order of their index.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|column| column.name.as_str())
    }

    /// Returns the types of the columns that identify a row, in the order of their index.
    pub(crate) fn key_types(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|column| column.type_name.as_str())
    }

    /// Returns the name of the column of envelopes.
    #[must_use]
    pub fn envelope(&self) -> &str {
        &self.envelope
    }

    /// Returns how the column stores envelopes.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Returns the table as SQL names it: `"public"."credentials"`.
    pub(crate) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// Returns the column of envelopes as SQL names it.
    pub(crate) fn quoted_envelope(&self) -> String {
        quoted(&self.envelope)
    }

    /// Returns the key columns and their types, in the order of their index.
    pub(crate) fn key_columns(&self) -> &[KeyColumn] {
        &self.keys
    }
}

/// Returns a name as an identifier of SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
