//! Databases of PostgreSQL.

use std::env;
use std::time::SystemTime;

use sqlx::{AnyPool, AssertSqlSafe};

/// Returns a name that no other test has.
pub(crate) fn unique(name: &str) -> String {
    format!("gateway_{name}_{}", SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos())
}

/// Creates a database, and returns the line of the configuration.
pub(crate) async fn postgres() -> Option<String> {
    let server = env::var("SEALWAX_TEST_POSTGRES").ok()?;
    sqlx::any::install_default_drivers();
    let name = unique("database");
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&AnyPool::connect(&server).await.unwrap()).await.unwrap();
    let (start, _) = server.rsplit_once('/').unwrap();
    Some(format!("database = \"{start}/{name}\"\n"))
}
