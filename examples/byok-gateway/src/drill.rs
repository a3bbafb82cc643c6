//! The restore drill: makes a backup, restores it elsewhere, replays the tombstones, and looks whether every key can be used.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use sealwax::Envelope;
use sealwax_sqlx::tables::{Database, Dialect};
use serde::Serialize;
use tokio::process::Command;

use crate::clock;
use crate::config::Home;
use crate::files::TOMBSTONES;
use crate::providers;
use crate::store::Store;
use crate::vault::{GONE, Refused, Vault};
use crate::worker::PAGE;

/// What a drill found. The worker keeps it in the database, as JSON.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The customers' keys in the backup, and how many of them can be unwrapped, and are in their places.
    pub rows: u64,
    pub usable: u64,
    /// How many of the unusable ones are of tenants who were deleted since, and have to be so.
    pub of_deleted: u64,
    /// How old the backup was when it was restored: what would be lost.
    pub rpo_seconds: u64,
    /// How long it took until every row was checked: what customers would wait.
    pub rto_seconds: u64,
    /// The first rows that failed, by tenant and provider, and why; or why nothing was restored.
    pub failures: Vec<String>,
}

impl Report {
    /// Returns whether every key could be used that has to be.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Does a drill if the last one is too long ago.
pub async fn if_due(home: &Home, store: &Store) -> Result<()> {
    let now = clock::column();
    let recent = now.saturating_sub(i64::from(home.config.policy.drill_days).saturating_mul(86400))..=now;
    if store.last_drill().await?.is_none_or(|(finished, _, _)| !recent.contains(&finished)) {
        run(home, store).await?;
    }
    Ok(())
}

/// Does a drill, and writes down what it found.
pub async fn run(home: &Home, store: &Store) -> Result<Report> {
    let dir = home.path("drill");
    // The worker and an operator may begin one at the same time.
    let lock = std::fs::File::create(home.path("drill.lock"))?;
    let _lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
    // What a drill that was killed has left.
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    let (begun, backup) = (Instant::now(), dir.join("backup"));
    let inspected = async {
        let url = match store.dialect() {
            Dialect::Sqlite => restore_file(store, &backup).await?,
            Dialect::Postgres => restore_database(&home.database(), &backup).await?,
        };
        inspect(home, &Store::open(&url).await?).await
    };
    let failed = |error| Report { failures: vec![format!("{error:#}")], ..Report::default() };
    let mut report = inspected.await.unwrap_or_else(failed);
    if store.dialect() == Dialect::Postgres {
        let dropped = scratch(&home.database(), "DROP DATABASE IF EXISTS").await;
        report.failures.extend(dropped.err().map(|error| format!("{error:#}")));
    }
    let removed = std::fs::remove_dir_all(&dir);
    report.failures.extend(removed.err().map(|error| error.to_string()));
    report.rto_seconds = begun.elapsed().as_secs();
    store.note_drill(report.passed(), &serde_json::to_string(&report)?).await?;
    Ok(report)
}

async fn restore_file(store: &Store, backup: &Path) -> Result<String> {
    store.copy_to(&backup.display().to_string()).await.context("cannot copy the database")?;
    Ok(format!("sqlite:{}", backup.display()))
}

/// Dumps and restores with PostgreSQL's own programs, into a database beside the one in use.
async fn restore_database(url: &str, backup: &Path) -> Result<String> {
    let dump = backup.display().to_string();
    program("pg_dump", &["--format=custom", "--no-owner", "--file", &dump, url]).await?;
    scratch(url, "DROP DATABASE IF EXISTS").await?;
    scratch(url, "CREATE DATABASE").await?;
    let restored = beside(url)?;
    program("pg_restore", &["--no-owner", "--exit-on-error", "--dbname", &restored, &dump]).await?;
    Ok(restored)
}

async fn scratch(url: &str, statement: &str) -> Result<()> {
    let (_, name, _) = split(url)?;
    let command = format!("{statement} \"{name}{BESIDE}\"");
    program("psql", &["--quiet", "--no-psqlrc", "--command", &command, url]).await
}

/// What is added to the name of the database: a server may have those of several gateways.
const BESIDE: &str = "_drill";

/// Returns the address of the database beside another one.
fn beside(url: &str) -> Result<String> {
    let (server, name, query) = split(url)?;
    Ok(format!("{server}/{name}{BESIDE}{query}"))
}

/// Splits the address of a database into its server, its name, and the query with its question mark.
fn split(url: &str) -> Result<(&str, &str, &str)> {
    let (start, query) = url.split_at(url.find('?').unwrap_or(url.len()));
    let (server, name) = start.rsplit_once('/').context("the address of the database names none")?;
    Ok((server, name, query))
}

/// Runs a program. Its error may repeat the address, so it is not kept.
async fn program(name: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(name).args(arguments).output().await.with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!("{name} failed: {}", output.status);
    }
    Ok(())
}

/// Looks at every row of a restored database.
async fn inspect(home: &Home, restored: &Store) -> Result<Report> {
    let vault = Vault::unlock(home, restored).await?;
    for dead in home.lines(TOMBSTONES)? {
        restored.tenants().replay(dead).await?;
    }
    let mut report = Report { rpo_seconds: restored.age().await?, ..Report::default() };
    let mut after = (String::new(), String::new());
    loop {
        let page = restored.page((&after.0, &after.1), PAGE).await?;
        let Some((tenant, provider, _)) = page.last() else { break };
        after = (tenant.clone(), provider.clone());
        for (tenant, provider, found) in page {
            report.rows = report.rows.saturating_add(1);
            let usable = async {
                let row: Envelope = found.envelope.parse()?;
                providers::verify(&vault.keyring(&found.record, &row).await?, &row, found.record.tenant(), &provider)
            };
            match usable.await {
                Ok(()) => report.usable = report.usable.saturating_add(1),
                Err(error) if error.downcast_ref().is_some_and(|refused: &Refused| refused.name == GONE) => {
                    report.of_deleted = report.of_deleted.saturating_add(1);
                }
                Err(error) if report.failures.len() < 10 => {
                    report.failures.push(format!("{tenant} {provider}: {error}"))
                }
                Err(_) => {}
            }
        }
    }
    Ok(report)
}
