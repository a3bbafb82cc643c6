//! Rotates a table of 10,000 rows with two workers, and asks whether the old key is still needed.
//!
//! It works in a database that it creates on the server in `SEALWAX_TEST_POSTGRES`, and prints:
//!
//! ```text
//! before: {"prod-2025": 10000}
//! 2 workers wrote 10000 rows, 0 failed
//! after: {"prod-2026": 10000}
//! without the old key, 10000 rows verify
//! to retire prod-2025: NoneFound
//! ```

use std::env;
use std::error::Error;

use sealwax::{EncryptionContext, Keyring, MasterKey};
use sealwax_sqlx::{Job, Limits, Options, Table, census, install, safe_to_retire};
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{ConnectOptions as _, query};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let db = database().await?;
    let connection = &mut *db.acquire().await?;
    let (old_key, new_key) = (MasterKey::generate()?.to_text(), MasterKey::generate()?.to_text());
    let (old_key, new_key) = (old_key.expose_str()?, new_key.expose_str()?);
    let old: Keyring = format!("primary prod-2025 {old_key}").parse()?;
    let new: Keyring = format!("primary prod-2026 {new_key}; retired prod-2025 {old_key}").parse()?;
    fill(connection, &old).await?;

    install(connection).await?;
    let table = Table::find(connection, "public", "credentials", &[], "envelope").await?;
    println!("before: {:?}", census(connection, &table).await?.by_key_id());

    let job = Job::plan_rotation(connection, &table, &new, &"prod-2026".parse()?, &Options::default()).await?;
    let limits = Limits::default();
    let (one, other) = tokio::try_join!(job.work(&db, &new, &limits, |_| {}), job.work(&db, &new, &limits, |_| {}))?;
    let status = job.status(connection).await?;
    println!("2 workers wrote {} rows, {} failed", one.changed.saturating_add(other.changed), status.failed);
    println!("after: {:?}", census(connection, &table).await?.by_key_id());

    let without: Keyring = format!("primary prod-2026 {new_key}; disabled prod-2025").parse()?;
    let job = Job::plan_verification(connection, &table, &without, &Options::default()).await?;
    let done = job.work(&db, &without, &limits, |_| {}).await?;
    println!("without the old key, {} rows verify", done.rows.saturating_sub(done.failed));
    let report = safe_to_retire(connection, &[table], &[], &"prod-2025".parse()?).await?;
    println!("to retire prod-2025: {:?}", report.verdict);
    Ok(())
}

/// Creates a database.
async fn database() -> Result<PgPool, Box<dyn Error>> {
    let server = env::var("SEALWAX_TEST_POSTGRES").map_err(|_| "start it with ci/servers: see the README")?;
    let server: PgConnectOptions = server.parse()?;
    let mut admin = server.connect().await?;
    query("DROP DATABASE IF EXISTS sealwax_example").execute(&mut admin).await?;
    query("CREATE DATABASE sealwax_example").execute(&mut admin).await?;
    Ok(PgPool::connect_with(server.database("sealwax_example").options([("search_path", "public")])).await?)
}

/// Creates the table of a service.
async fn fill(db: &mut sqlx::PgConnection, ring: &Keyring) -> Result<(), Box<dyn Error>> {
    query(
        "CREATE TABLE credentials (tenant int, provider text, envelope bytea NOT NULL, PRIMARY KEY (tenant, provider))",
    )
    .execute(&mut *db)
    .await?;
    let (mut tenants, mut envelopes) = (Vec::new(), Vec::new());
    for tenant in 1..=10_000 {
        let context = EncryptionContext::new([("tenant", format!("{tenant}").as_str()), ("provider", "openai")])?;
        envelopes.push(ring.seal(&"sk-not-a-real-key".into(), &context)?.as_bytes().to_vec());
        tenants.push(tenant);
    }
    let insert = "INSERT INTO credentials SELECT tenant, 'openai', envelope FROM unnest($1::int[], $2) AS new (tenant, envelope)";
    query(insert).bind(tenants).bind(envelopes).execute(db).await?;
    Ok(())
}
