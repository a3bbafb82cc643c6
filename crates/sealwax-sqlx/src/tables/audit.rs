//! The audit log.

use sealwax::{ProviderFuture, RecorderError};
use sealwax_audit::{Appended, AuditSink, Record};

use super::database::{Database, Value, first, pick};

/// The table of an audit log, as a sink that has to be waited for: only `open_async` opens.
///
/// Create the table with `sealwax_audit::sql`. Give it a pool of its own, or one that no request's transaction waits in.
#[derive(Clone, Debug)]
pub struct AuditTable<D>(D);

impl<D: Database> AuditTable<D> {
    /// Takes the database that the table is in.
    pub const fn new(database: D) -> Self {
        Self(database)
    }

    /// Returns the records of a subject's chain, as text and in order: parse and verify them.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn chain(&self, subject: &str) -> sqlx::Result<Vec<String>> {
        let rows = self.0.rows(pick!(&self.0, sealwax_audit::sql, CHAIN), vec![subject.into()]).await?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next()?.text()).collect())
    }

    /// Returns the subjects that have an entry. To verify the whole log, take these and the subjects of all anchors.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn subjects(&self) -> sqlx::Result<Vec<String>> {
        let rows = self.0.rows(pick!(&self.0, sealwax_audit::sql, SUBJECTS), Vec::new()).await?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next()?.text()).collect())
    }
}

impl<D: Database> AuditSink for AuditTable<D> {
    fn last<'a>(&'a self, subject: &'a str) -> ProviderFuture<'a, Result<Option<Record>, RecorderError>> {
        ProviderFuture::boxed(async move {
            let rows = self.0.rows(pick!(&self.0, sealwax_audit::sql, LAST), vec![subject.into()]).await;
            let record = first(rows.map_err(RecorderError::new)?).and_then(Value::text);
            record.map(|record| record.parse().map_err(RecorderError::new)).transpose()
        })
    }

    fn append<'a>(
        &'a self,
        record: &'a Record,
        after: Option<&'a [u8; 32]>,
    ) -> ProviderFuture<'a, Result<Appended, RecorderError>> {
        ProviderFuture::boxed(async move {
            let parameters = vec![
                record.subject.as_str().into(),
                Value::Number(i64::try_from(record.number).map_err(RecorderError::new)?),
                Value::Bytes(Some(record.mac.into())),
                record.to_string().into(),
                Value::Bytes(after.map(|mac| mac.to_vec())),
            ];
            let done = self.0.execute(pick!(&self.0, sealwax_audit::sql, APPEND), parameters).await;
            Ok(if done.map_err(RecorderError::new)? == 1 { Appended::Done } else { Appended::Raced })
        })
    }
}
