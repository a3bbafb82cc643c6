//! The audit log.

use sealwax::{ProviderFuture, RecorderError};
use sealwax_audit::{Appended, AuditSink, Record};

use super::{Store, pick};

/// The table that the audit log is in.
#[derive(Clone, Debug)]
pub struct Sink(pub Store);

impl AuditSink for Sink {
    fn last<'a>(&'a self, subject: &'a str) -> ProviderFuture<'a, Result<Option<Record>, RecorderError>> {
        ProviderFuture::boxed(async move {
            let last = pick!(self.0, sealwax_audit::sql, LAST);
            let row: Option<(String,)> =
                sqlx::query_as(last).bind(subject).fetch_optional(&self.0.pool).await.map_err(RecorderError::new)?;
            row.map(|(record,)| record.parse().map_err(RecorderError::new)).transpose()
        })
    }

    fn append<'a>(
        &'a self,
        record: &'a Record,
        after: Option<&'a [u8; 32]>,
    ) -> ProviderFuture<'a, Result<Appended, RecorderError>> {
        ProviderFuture::boxed(async move {
            let number = i64::try_from(record.number).map_err(RecorderError::new)?;
            let append = sqlx::query(pick!(self.0, sealwax_audit::sql, APPEND))
                .bind(record.subject.clone())
                .bind(number)
                .bind(record.mac.to_vec())
                .bind(record.to_string())
                .bind(after.map(|mac| mac.to_vec()));
            let done = append.execute(&self.0.writer).await.map_err(RecorderError::new)?;
            Ok(if done.rows_affected() == 1 { Appended::Done } else { Appended::Raced })
        })
    }
}

impl Store {
    /// Returns the records of a subject's chain, as text and in order.
    pub async fn chain(&self, subject: &str) -> sqlx::Result<Vec<String>> {
        let rows: Vec<(String,)> = sqlx::query_as(pick!(self, sealwax_audit::sql, CHAIN))
            .bind(subject.to_owned())
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|(record,)| record).collect())
    }

    /// Returns the subjects that have a chain.
    pub async fn subjects(&self) -> sqlx::Result<Vec<String>> {
        let rows: Vec<(String,)> =
            sqlx::query_as(pick!(self, sealwax_audit::sql, SUBJECTS)).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(subject,)| subject).collect())
    }

    /// Returns the last entries of a tenant's log, newest first.
    pub async fn last_entries(&self, tenant: &str, count: i64) -> sqlx::Result<Vec<Record>> {
        let last = "SELECT record FROM sealwax_audit WHERE subject = $1 ORDER BY number DESC LIMIT $2";
        let rows: Vec<(String,)> =
            sqlx::query_as(last).bind(tenant.to_owned()).bind(count).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().filter_map(|(record,)| record.parse().ok()).collect())
    }

    /// Returns what the worker said last of a tenant's log, and when.
    pub async fn verdict(&self, tenant: &str) -> sqlx::Result<Option<(i64, String, i64)>> {
        sqlx::query_as("SELECT entries, verdict, checked FROM verdicts WHERE tenant = $1")
            .bind(tenant.to_owned())
            .fetch_optional(&self.pool)
            .await
    }

    /// Writes down what a verification found.
    pub async fn judge(&self, tenant: &str, entries: i64, verdict: &str) -> sqlx::Result<()> {
        let write = "INSERT INTO verdicts (tenant, entries, verdict, checked) VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant) DO UPDATE
            SET entries = excluded.entries, verdict = excluded.verdict, checked = excluded.checked";
        let write = sqlx::query(write).bind(tenant.to_owned()).bind(entries).bind(verdict.to_owned());
        write.bind(crate::clock::column()).execute(&self.writer).await.map(drop)
    }

    /// Returns the subjects whose chain had another verdict.
    pub async fn altered(&self, intact: &str) -> sqlx::Result<Vec<String>> {
        let altered = sqlx::query_as("SELECT tenant FROM verdicts WHERE verdict <> $1 ORDER BY tenant");
        let rows: Vec<(String,)> = altered.bind(intact.to_owned()).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(subject,)| subject).collect())
    }
}
