//! Creates a database for each test on the server whose URL is in `SEALWAX_TEST_POSTGRES`.

use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};

static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// Returns the URL of the server, or `None` if the tests over PostgreSQL are skipped.
pub(crate) fn url() -> Option<String> {
    env::var("SEALWAX_TEST_POSTGRES").ok()
}

/// Returns an empty database with the schema `sealwax`, or `None` if the test is skipped. Nothing drops the database.
pub(crate) async fn database() -> Option<PgPool> {
    let server: PgConnectOptions = url()?.parse().unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let name = format!("sqlx_{now}_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
    let mut admin = server.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut admin).await.unwrap();
    // Otherwise the tables of a role with the name `sealwax` are created in our schema.
    let options = server.database(&name).options([("search_path", "public")]);
    let db = PgPoolOptions::new().max_connections(8).connect_with(options).await.unwrap();
    sealwax_sqlx::install(&mut db.acquire().await.unwrap()).await.unwrap();
    Some(db)
}
