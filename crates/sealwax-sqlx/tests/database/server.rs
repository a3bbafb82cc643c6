//! Creates a database for each test on the server whose URL is in `SEALWAX_TEST_POSTGRES`.

use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool, raw_sql};

static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// Returns an empty database, or `None` if the test is skipped. Nothing drops the database.
pub(crate) async fn database() -> Option<(PgPool, PgConnectOptions)> {
    let server: PgConnectOptions = env::var("SEALWAX_TEST_POSTGRES").ok()?.parse().unwrap();
    Some(database_on(server).await)
}

pub(crate) async fn database_on(server: PgConnectOptions) -> (PgPool, PgConnectOptions) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let name = format!("sealwax_{now}_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
    let mut admin = server.connect().await.unwrap();
    raw_sql(AssertSqlSafe(create)).execute(&mut admin).await.unwrap();
    // The server's user has the name of our schema, where its tables would be.
    let options = server.database(&name).options([("search_path", "public")]);
    (PgPoolOptions::new().max_connections(8).connect_with(options.clone()).await.unwrap(), options)
}
