//! The databases that the tables may be in.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{AnyPool, PgPool, Row};

/// A database that the tables are in: a pool of sqlx.
///
/// Implement it for a type of yours if reads and writes go to different pools: SQLite has one writer, and whoever waits for its
/// connection waits less than whoever tries again.
pub trait Database: Clone + Send + Sync + 'static {
    /// Returns which SQL it understands.
    fn dialect(&self) -> Dialect;

    /// Returns the rows that a statement selects or returns. A statement that [writes](Self::execute) may return rows, too.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    fn rows(
        &self,
        sql: &'static str,
        parameters: Vec<Value>,
    ) -> impl Future<Output = sqlx::Result<Vec<Vec<Value>>>> + Send;

    /// Runs a statement that writes, and returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    fn execute(&self, sql: &'static str, parameters: Vec<Value>) -> impl Future<Output = sqlx::Result<u64>> + Send;
}

/// Which SQL a database understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the other crates have SQL for these two")]
pub enum Dialect {
    /// SQLite 3.38 or later.
    Sqlite,
    /// PostgreSQL 14 or later.
    Postgres,
}

/// What a statement takes or selects. None of it is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a database of one's own has to bind each of them")]
pub enum Value {
    /// A text or null.
    Text(Option<String>),
    /// An integer.
    Number(i64),
    /// Bytes or null.
    Bytes(Option<Vec<u8>>),
}

impl Value {
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => text,
            Self::Number(_) | Self::Bytes(_) => None,
        }
    }

    pub(super) const fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::Bytes(_) => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

/// Makes parameters of what a method of another crate returns.
pub(super) fn values(parameters: impl IntoIterator<Item = impl Into<Value>>) -> Vec<Value> {
    parameters.into_iter().map(Into::into).collect()
}

/// Returns the first column of the first row.
pub(super) fn first(rows: Vec<Vec<Value>>) -> Option<Value> {
    rows.into_iter().next()?.into_iter().next()
}

macro_rules! pool {
    ($pool:ty, $arguments:ty, $self:ident, $dialect:expr) => {
        impl Database for $pool {
            fn dialect(&$self) -> Dialect {
                $dialect
            }

            async fn rows(&self, sql: &'static str, parameters: Vec<Value>) -> sqlx::Result<Vec<Vec<Value>>> {
                let query: Query<'_, _, $arguments> = sqlx::query(sql);
                let query = parameters.into_iter().fold(query, |query, value| match value {
                    Value::Text(text) => query.bind(text),
                    Value::Number(number) => query.bind(number),
                    Value::Bytes(bytes) => query.bind(bytes),
                });
                let rows = query.fetch_all(self).await?;
                let value = |row: &_, column| {
                    // Whatever kind the column has.
                    Row::try_get(row, column)
                        .map(Value::Text)
                        .or_else(|_| Row::try_get::<Option<i64>, _>(row, column).map(|number| number.map_or(Value::Text(None), Value::Number)))
                        .or_else(|_| Row::try_get::<bool, _>(row, column).map(|is| Value::Number(is.into())))
                };
                rows.iter().map(|row| (0..row.len()).map(|column| value(row, column)).collect()).collect()
            }

            async fn execute(&self, sql: &'static str, parameters: Vec<Value>) -> sqlx::Result<u64> {
                let query: Query<'_, _, $arguments> = sqlx::query(sql);
                let query = parameters.into_iter().fold(query, |query, value| match value {
                    Value::Text(text) => query.bind(text),
                    Value::Number(number) => query.bind(number),
                    Value::Bytes(bytes) => query.bind(bytes),
                });
                Ok(query.execute(self).await?.rows_affected())
            }
        }
    };
}

pool!(PgPool, sqlx::postgres::PgArguments, self, Dialect::Postgres);
#[cfg(feature = "sqlite")]
pool!(sqlx::SqlitePool, sqlx::sqlite::SqliteArguments, self, Dialect::Sqlite);
pool!(
    AnyPool,
    AnyArguments,
    self,
    if self.connect_options().database_url.scheme() == "sqlite" { Dialect::Sqlite } else { Dialect::Postgres }
);

/// Picks a statement of another crate.
macro_rules! pick {
    ($database:expr, $($module:ident)::+, $name:ident) => {
        match $crate::tables::Database::dialect($database) {
            $crate::tables::Dialect::Sqlite => $($module)::+::sqlite::$name,
            $crate::tables::Dialect::Postgres => $($module)::+::postgres::$name,
        }
    };
}
pub(super) use pick;
