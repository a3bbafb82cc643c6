//! What an operator wants to know.

use super::Store;
use crate::clock;

/// Returns the name of this process, which runs on one machine.
fn name(process: &str) -> String {
    format!("{process} {}", std::process::id())
}

impl Store {
    /// Notes that this process runs, and which keys it has.
    pub async fn beat(&self, process: &str, keys: &str) -> sqlx::Result<()> {
        let write = "INSERT INTO processes (name, keys, seen) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO UPDATE SET keys = excluded.keys, seen = excluded.seen";
        let write = sqlx::query(write).bind(name(process)).bind(keys.to_owned()).bind(clock::column());
        write.execute(&self.writer).await.map(drop)
    }

    /// Notes that this process ends.
    pub async fn ended(&self, process: &str) -> sqlx::Result<()> {
        let delete = sqlx::query("DELETE FROM processes WHERE name = $1").bind(name(process));
        delete.execute(&self.writer).await.map(drop)
    }

    /// Returns the processes that ran in the last seconds, and their keys.
    pub async fn processes(&self, seconds: i64) -> sqlx::Result<Vec<(String, String)>> {
        let alive = sqlx::query_as("SELECT name, keys FROM processes WHERE seen >= $1 ORDER BY name");
        alive.bind(clock::column().saturating_sub(seconds)).fetch_all(&self.pool).await
    }

    /// Deletes tokens that have expired, and the notes of processes that ended long ago.
    pub async fn purge(&self) -> anyhow::Result<()> {
        self.tokens().purge(clock::seconds()).await?;
        let delete = sqlx::query("DELETE FROM processes WHERE seen < $1").bind(clock::column().saturating_sub(86400));
        Ok(delete.execute(&self.writer).await.map(drop)?)
    }

    /// Returns the last restore drill: when it ended, whether it passed, and its report.
    pub async fn last_drill(&self) -> sqlx::Result<Option<(i64, i64, String)>> {
        let last = "SELECT finished, passed, report FROM drills ORDER BY finished DESC LIMIT 1";
        sqlx::query_as(last).fetch_optional(&self.pool).await
    }

    /// Writes down what a restore drill found.
    pub async fn note_drill(&self, passed: bool, report: &str) -> sqlx::Result<()> {
        let note = "INSERT INTO drills (finished, passed, report) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let note = sqlx::query(note).bind(clock::column()).bind(i64::from(passed)).bind(report.to_owned());
        note.execute(&self.writer).await.map(drop)
    }

    /// Copies a database of SQLite into a new file.
    pub async fn copy_to(&self, file: &str) -> sqlx::Result<()> {
        sqlx::query("VACUUM INTO $1").bind(file.to_owned()).execute(&self.pool).await.map(drop)
    }

    /// Returns how many seconds ago somebody wrote to the database: running processes do so each second.
    pub async fn age(&self) -> sqlx::Result<u64> {
        let newest = "SELECT coalesce(max(seen), 0) FROM processes";
        let (seen,): (i64,) = sqlx::query_as(newest).fetch_one(&self.pool).await?;
        Ok(u64::try_from(clock::column().saturating_sub(seen)).unwrap_or_default())
    }

    /// Counts the customers' keys that are not under their tenants' newest keys, and the tenants' keys that are not under a
    /// root.
    pub async fn not_current(&self, root: &str) -> sqlx::Result<(i64, i64)> {
        let keys = "SELECT count(*) FROM credentials c LEFT JOIN sealwax_tenants t ON t.tenant = c.tenant
            WHERE t.tenant IS NULL OR c.envelope NOT LIKE 'sw1:%:tenant/' || t.tenant || '@' || t.number || '=%'";
        let (keys,): (i64,) = sqlx::query_as(keys).fetch_one(&self.pool).await?;
        let roots = "SELECT count(*) FROM sealwax_tenant_keys WHERE envelope NOT LIKE 'sw1:%:' || $1 || '=%'";
        let (roots,): (i64,) = sqlx::query_as(roots).bind(root.to_owned()).fetch_one(&self.pool).await?;
        Ok((keys, roots))
    }
}
