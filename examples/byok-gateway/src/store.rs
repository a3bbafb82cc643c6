//! The database: SQLite or PostgreSQL.
//!
//! Statements that both understand are here; those of sealwax's crates are picked for the one that is used.

mod accounts;
mod credentials;
mod keys;
mod operations;
mod verdicts;

use anyhow::{Context, Result};
use sealwax_audit::{AuditLog, sql as audit};
use sealwax_sqlx::tables::{AuditTable, Database, Dialect, TenantTable, TokenTable, Value};
use sealwax_tenants::sql as tenants;
use sealwax_tokens::sql as tokens;
use sqlx::any::AnyPoolOptions;
use sqlx::{Any, AnyPool, Transaction};

pub use accounts::Proofs;
pub use credentials::{Credential, Found, Put};

/// A database, with as many connections as it likes.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
    /// SQLite has one writer. Whoever waits for a connection waits less than whoever tries again.
    writer: AnyPool,
    dialect: Dialect,
}

impl Store {
    /// Connects to a database, and creates its tables.
    pub async fn open(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let dialect = if url.starts_with("sqlite:") { Dialect::Sqlite } else { Dialect::Postgres };
        let url = if dialect == Dialect::Sqlite { format!("{url}?mode=rw") } else { url.into() };
        let options = AnyPoolOptions::new().max_connections(16).after_connect(move |connection, _| {
            Box::pin(async move {
                if dialect == Dialect::Sqlite {
                    // An audit entry must survive a power cut, and deleted rows are overwritten.
                    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
                        PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000;";
                    sqlx::raw_sql(settings).execute(connection).await?;
                }
                Ok(())
            })
        });
        let pool = options.clone().connect(&url).await.context("cannot open `database`, which `init` makes")?;
        let writer = match dialect {
            Dialect::Sqlite => options.max_connections(1).connect(&url).await?,
            Dialect::Postgres => pool.clone(),
        };
        let store = Self { pool, writer, dialect };
        store.create_tables().await.context("cannot create the tables")?;
        Ok(store)
    }

    async fn create_tables(&self) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        if self.dialect == Dialect::Postgres {
            // Two processes that start at once would both create a table.
            sqlx::query("SELECT pg_advisory_xact_lock(1936744812)").execute(&mut *transaction).await?;
        }
        let tables = match self.dialect {
            Dialect::Sqlite => [tokens::sqlite::TABLES, audit::sqlite::TABLES, tenants::sqlite::TABLES],
            Dialect::Postgres => [tokens::postgres::TABLES, audit::postgres::TABLES, tenants::postgres::TABLES],
        };
        for statements in tables.into_iter().chain([include_str!("store/tables.sql")]) {
            sqlx::raw_sql(statements).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    /// Begins a transaction that writes.
    async fn begin(&self) -> sqlx::Result<Transaction<'static, Any>> {
        match self.dialect {
            // Otherwise, a read would be followed by a write that is refused, because somebody else wrote in between.
            Dialect::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await,
            Dialect::Postgres => self.writer.begin().await,
        }
    }
}

/// The audit log, whose entries are in this database.
pub type Log = AuditLog<AuditTable<Store>>;

impl Store {
    /// Returns the table of the audit log.
    #[must_use]
    pub fn audit(&self) -> AuditTable<Self> {
        AuditTable::new(self.clone())
    }

    /// Returns the table of tokens, sign-in links and sessions.
    #[must_use]
    pub fn tokens(&self) -> TokenTable<Self> {
        TokenTable::new(self.clone())
    }

    /// Returns the tables of tenants' keys.
    #[must_use]
    pub fn tenants(&self) -> TenantTable<Self> {
        TenantTable::new(self.clone())
    }
}

impl Database for Store {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    async fn rows(&self, sql: &'static str, parameters: Vec<Value>) -> sqlx::Result<Vec<Vec<Value>>> {
        let is_read = sql.trim_start().starts_with("SELECT");
        if is_read { &self.pool } else { &self.writer }.rows(sql, parameters).await
    }

    async fn execute(&self, sql: &'static str, parameters: Vec<Value>) -> sqlx::Result<u64> {
        self.writer.execute(sql, parameters).await
    }
}
