//! Creates a database for each test on the server whose URL is in `SEALWAX_TEST_POSTGRES`.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;
use std::{env, fs};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};

static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// Returns the URL of the server, or `None` if the tests over PostgreSQL are skipped.
pub(crate) fn url() -> Option<String> {
    env::var("SEALWAX_TEST_POSTGRES").ok()
}

/// Returns an empty database and how to connect to it, or `None` if the test is skipped. Nothing drops the database.
pub(crate) async fn empty() -> Option<(PgPool, PgConnectOptions)> {
    Some(empty_on(url()?.parse().unwrap()).await)
}

/// Returns an empty database on this server.
pub(crate) async fn empty_on(server: PgConnectOptions) -> (PgPool, PgConnectOptions) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let name = format!("sealwax_sqlx_{now}_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
    let mut admin = server.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut admin).await.unwrap();
    // Otherwise, the tables of a role with the name `sealwax` would be created in the schema of this crate.
    let options = server.database(&name).options([("search_path", "public")]);
    (PgPoolOptions::new().max_connections(8).connect_with(options.clone()).await.unwrap(), options)
}

/// Returns the same, with the schema `sealwax`.
pub(crate) async fn database() -> Option<PgPool> {
    let (db, _) = empty().await?;
    sealwax_sqlx::install(&mut db.acquire().await.unwrap()).await.unwrap();
    Some(db)
}

/// `ci/assurance` fails unless this says that none is skipped.
#[test]
fn tests_that_are_skipped_are_counted() {
    // The program's tests are in another directory, and compile this file again.
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(env!("CARGO_CRATE_NAME"));
    let count = |text: String| {
        let skips =
            |line: &&str| line.trim_start().starts_with("let Some(") && line.contains("().await else { return };");
        text.lines().filter(skips).count()
    };
    let (mut over_postgres, mut left) = (0, vec![tests]);
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            over_postgres += count(fs::read_to_string(path).unwrap());
        }
    }
    assert!(over_postgres >= 10, "{over_postgres}");
    let skipped = if url().is_some() { 0 } else { over_postgres };
    let line = format!("sealwax-sqlx: {skipped} of {over_postgres} tests over PostgreSQL are skipped\n");
    // The harness would swallow what `eprint!` says in a test that passes.
    io::stderr().write_all(line.as_bytes()).unwrap();
}
