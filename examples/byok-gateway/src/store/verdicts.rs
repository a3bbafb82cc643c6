//! What customers see of the audit log.

use sealwax_audit::Record;

use super::Store;

impl Store {
    /// Returns the last entries of a tenant's log, newest first.
    pub async fn last_entries(&self, tenant: &str, count: i64) -> sqlx::Result<Vec<Record>> {
        let last = "SELECT record FROM sealwax_audit WHERE subject = $1 ORDER BY number DESC LIMIT $2";
        let rows: Vec<(String,)> =
            sqlx::query_as(last).bind(tenant.to_owned()).bind(count).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().filter_map(|(record,)| record.parse().ok()).collect())
    }

    /// Returns what the worker said last of a tenant's log, and when.
    pub async fn verdict(&self, tenant: &str) -> sqlx::Result<Option<(i64, String, i64)>> {
        let find = sqlx::query_as("SELECT entries, verdict, checked FROM verdicts WHERE tenant = $1");
        find.bind(tenant.to_owned()).fetch_optional(&self.pool).await
    }

    /// Writes down what a verification found.
    pub async fn judge(&self, tenant: &str, entries: i64, verdict: &str) -> sqlx::Result<()> {
        let write = "INSERT INTO verdicts (tenant, entries, verdict, checked) VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant) DO UPDATE
            SET entries = excluded.entries, verdict = excluded.verdict, checked = excluded.checked";
        let write = sqlx::query(write).bind(tenant.to_owned()).bind(entries).bind(verdict.to_owned());
        write.bind(crate::clock::column()).execute(&self.writer).await.map(drop)
    }
}
