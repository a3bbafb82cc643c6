//! What an operator wants to know.

use super::Store;
use crate::clock;

impl Store {
    /// Notes that a process runs, and which keys it has.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn beat(&self, process: &str, keys: &str) -> sqlx::Result<()> {
        let write = "INSERT INTO processes (name, keys, seen) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO UPDATE SET keys = excluded.keys, seen = excluded.seen";
        let write = sqlx::query(write).bind(process.to_owned()).bind(keys.to_owned()).bind(clock::column());
        write.execute(&self.writer).await.map(drop)
    }

    /// Returns the processes that ran in the last seconds, and their keys.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn processes(&self, seconds: i64) -> sqlx::Result<Vec<(String, String)>> {
        let alive = sqlx::query_as("SELECT name, keys FROM processes WHERE seen >= $1 ORDER BY name");
        alive.bind(clock::column().saturating_sub(seconds)).fetch_all(&self.pool).await
    }

    /// Deletes the notes of processes that ended long ago.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn purge_processes(&self) -> sqlx::Result<()> {
        let delete = sqlx::query("DELETE FROM processes WHERE seen < $1").bind(clock::column().saturating_sub(86400));
        delete.execute(&self.writer).await.map(drop)
    }

    /// Returns the last restore drill: when it ended, whether it passed, and its report.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn last_drill(&self) -> sqlx::Result<Option<(i64, i64, String)>> {
        let last = "SELECT finished, passed, report FROM drills ORDER BY finished DESC LIMIT 1";
        sqlx::query_as(last).fetch_optional(&self.pool).await
    }

    /// Writes down what a restore drill found.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn note_drill(&self, passed: bool, report: &str) -> sqlx::Result<()> {
        let note = "INSERT INTO drills (finished, passed, report) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let note = sqlx::query(note).bind(clock::column()).bind(i64::from(passed)).bind(report.to_owned());
        note.execute(&self.writer).await.map(drop)
    }
}
