//! The database: SQLite or PostgreSQL.
//!
//! Statements that both understand are here; those of sealwax's crates are picked for the one that is used.

mod accounts;
mod audit;
mod credentials;
mod operations;
mod tenants;
mod tokens;

use anyhow::{Context, Result};
use sqlx::any::{AnyArguments, AnyPoolOptions};
use sqlx::query::Query;
use sqlx::{Any, AnyPool, Encode, Transaction, Type};

pub use audit::Sink;
pub use credentials::{Credential, Found, Put};

/// Picks a statement of a crate of sealwax.
macro_rules! pick {
    ($store:expr, $($module:ident)::+, $name:ident) => {
        match $store.kind {
            $crate::store::Kind::Sqlite => $($module)::+::sqlite::$name,
            $crate::store::Kind::Postgres => $($module)::+::postgres::$name,
        }
    };
}
use pick;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// A database, with as many connections as it likes.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
    /// SQLite has one writer. Whoever waits for a connection waits less than whoever tries again.
    writer: AnyPool,
    pub kind: Kind,
}

impl Store {
    /// Connects to a database, and creates its tables.
    pub async fn open(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let kind = if url.starts_with("sqlite:") { Kind::Sqlite } else { Kind::Postgres };
        let url = if kind == Kind::Sqlite { format!("{url}?mode=rwc") } else { url.into() };
        let options = AnyPoolOptions::new().max_connections(16).after_connect(move |connection, _| {
            Box::pin(async move {
                if kind == Kind::Sqlite {
                    // An audit entry must survive a power cut, and deleted rows are overwritten.
                    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
                        PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000;";
                    sqlx::raw_sql(settings).execute(connection).await?;
                }
                Ok(())
            })
        });
        let pool = options.clone().connect(&url).await.context("cannot open the database")?;
        let writer = match kind {
            Kind::Sqlite => options.max_connections(1).connect(&url).await?,
            Kind::Postgres => pool.clone(),
        };
        let store = Self { pool, writer, kind };
        store.create_tables().await.context("cannot create the tables")?;
        Ok(store)
    }

    async fn create_tables(&self) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        if self.kind == Kind::Postgres {
            // Two processes that start at once would both create a table.
            sqlx::query("SELECT pg_advisory_xact_lock(1936744812)").execute(&mut *transaction).await?;
        }
        let tables = [
            include_str!("store/tables.sql"),
            pick!(self, sealwax_tokens::sql, TABLES),
            pick!(self, sealwax_audit::sql, TABLES),
            pick!(self, sealwax_tenants::sql, TABLES),
        ];
        for statements in tables {
            sqlx::raw_sql(statements).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    /// Begins a transaction that writes.
    async fn begin(&self) -> sqlx::Result<Transaction<'static, Any>> {
        match self.kind {
            // Otherwise, a read would be followed by a write that is refused, because somebody else wrote in between.
            Kind::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await,
            Kind::Postgres => self.writer.begin().await,
        }
    }
}

/// Binds parameters of one type, in order.
fn bound<'q, T>(sql: &'static str, parameters: impl IntoIterator<Item = T>) -> Query<'q, Any, AnyArguments>
where
    T: Encode<'q, Any> + Type<Any> + 'q,
{
    parameters.into_iter().fold(sqlx::query(sql), Query::bind)
}
