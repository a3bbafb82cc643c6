use std::time::{SystemTime, UNIX_EPOCH};

use sealwax::{ProviderFuture, RecorderError};
use sealwax_audit::sql::postgres::{APPEND, LAST};
use sealwax_audit::{Appended, AuditKeys, AuditLog, AuditSink, Record};
use sqlx::{Error, PgPool};

use crate::failure::is_transient;

/// The table of the audit log.
#[derive(Debug)]
pub struct Table(PgPool);

impl Table {
    async fn read_last(&self, subject: &str) -> sqlx::Result<Option<Record>> {
        let line: Option<String> = sqlx::query_scalar(LAST).bind(subject).fetch_optional(&self.0).await?;
        line.map(|line| line.parse()).transpose().map_err(|error| Error::Decode(Box::new(error)))
    }

    async fn insert(&self, record: &Record, after: Option<&[u8; 32]>) -> sqlx::Result<Appended> {
        let number = i64::try_from(record.number).map_err(|error| Error::Encode(error.into()))?;
        let insert = sqlx::query(APPEND).bind(&record.subject).bind(number).bind(record.mac);
        let insert = insert.bind(record.to_string()).bind(after.map(<[u8; 32]>::as_slice));
        let rows = insert.execute(&self.0).await?.rows_affected();
        Ok(if rows == 1 { Appended::Done } else { Appended::Raced })
    }
}

impl AuditSink for Table {
    fn last<'a>(&'a self, subject: &'a str) -> ProviderFuture<'a, Result<Option<Record>, RecorderError>> {
        ProviderFuture::boxed(async move { self.read_last(subject).await.map_err(failed) })
    }

    fn append<'a>(
        &'a self,
        record: &'a Record,
        after: Option<&'a [u8; 32]>,
    ) -> ProviderFuture<'a, Result<Appended, RecorderError>> {
        ProviderFuture::boxed(async move { self.insert(record, after).await.map_err(failed) })
    }
}

fn failed(error: Error) -> RecorderError {
    if is_transient(&error) { RecorderError::transient(error) } else { RecorderError::new(error) }
}

/// Returns the audit log, whose entries have the time of this machine's clock.
pub fn audit_log(keys: AuditKeys, db: PgPool) -> AuditLog<Table> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    AuditLog::new(keys, Table(db), move || now().try_into().unwrap_or(u64::MAX))
}
