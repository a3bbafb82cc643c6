//! Creates a database for each test on the server whose URL is in `SEALWAX_TEST_POSTGRES`.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;
use std::{env, fs};

use sealwax_audit::sql::postgres;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};

static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// Returns the URL of the server, or `None` if the tests over PostgreSQL are skipped.
pub(crate) fn url() -> Option<String> {
    env::var("SEALWAX_TEST_POSTGRES").ok()
}

/// Returns an empty database and its URL, or `None` if the test is skipped. Nothing drops the database.
pub(crate) async fn empty() -> Option<(PgPool, String)> {
    let server: PgConnectOptions = url()?.parse().unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let name = format!("services_{now}_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
    let mut admin = server.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut admin).await.unwrap();
    let options = server.database(&name);
    let url = options.to_url_lossy().to_string();
    Some((PgPoolOptions::new().max_connections(8).connect_with(options).await.unwrap(), url))
}

/// Returns the same, with the tables of the page.
pub(crate) async fn database() -> Option<(PgPool, String)> {
    let (db, url) = empty().await?;
    sqlx::raw_sql(postgres::TABLES).execute(&db).await.unwrap();
    for file in ["schema.sql", "key_ids.sql"] {
        let sql = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file));
        sqlx::raw_sql(AssertSqlSafe(sql.unwrap())).execute(&db).await.unwrap();
    }
    Some((db, url))
}
