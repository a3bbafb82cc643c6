//! The audit log.

use sealwax::{ProviderFuture, RecorderError};
use sealwax_audit::{Anchor, Appended, AuditKeys, AuditSink, ChainError, Record, RecordError, Verified, Verifier};

use super::database::{Database, Value, first, pick};

/// The table of an audit log, as a sink that has to be waited for: only `open_async` opens.
///
/// Create the table with `sealwax_audit::sql`. Give it a pool of its own, or one that no request's transaction waits in.
#[derive(Clone, Debug)]
pub struct AuditTable<D>(D);

/// Why a chain is not verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditTableError {
    /// It is not what was appended.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl AuditTableError {
    /// Returns whether the chain is not what was appended: an entry that cannot be read is not. Otherwise, the database failed,
    /// and says nothing of the chain.
    #[must_use]
    pub const fn is_altered(&self) -> bool {
        match self {
            Self::Chain(_) | Self::Record(_) => true,
            Self::Database(error) => matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)),
        }
    }
}

/// How many records are read at once.
const PAGE: u16 = 1000;

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

    /// Verifies a subject's chain, page by page: in the same memory, however long it is.
    ///
    /// Given what an earlier call returned, it verifies the entries that came since, and that the chain still has an entry with
    /// the number and the MAC of the last one. It does not notice what was altered up to there, so pass `None` from time to time.
    ///
    /// # Errors
    ///
    /// Returns an [`AuditTableError`]: that of the whole chain, from its first entry on, whatever is known.
    pub async fn verify(
        &self,
        keys: &AuditKeys,
        subject: &str,
        anchors: &[Anchor],
        known: Option<&Verified>,
    ) -> Result<Verified, AuditTableError> {
        let last = known.and_then(|known| known.last.as_ref());
        if let (Some(last), Some(audit_key)) = (last, known.and_then(|known| known.audit_key.as_ref())) {
            let end = self.page(subject, last.number.saturating_sub(1), 1).await?;
            if end.first().is_some_and(|record| record.anchor() == *last)
                && let Ok(verifier) = Verifier::after(keys, last, audit_key, anchors)
            {
                match self.check_after(verifier, subject, last.number).await {
                    // The whole chain has the first error.
                    Err(AuditTableError::Chain(_) | AuditTableError::Record(_)) => {}
                    done => return done,
                }
            }
        }
        self.check_after(Verifier::new(keys, subject, anchors.iter().chain(last)), subject, 0).await
    }

    /// Checks what comes after an entry. Each record that passes is the next one, so that this ends.
    async fn check_after(
        &self,
        mut verifier: Verifier<'_>,
        subject: &str,
        mut number: u64,
    ) -> Result<Verified, AuditTableError> {
        loop {
            let page = self.page(subject, number, PAGE).await?;
            for record in &page {
                verifier.check(record)?;
                number = record.number;
            }
            if page.len() < usize::from(PAGE) {
                return Ok(verifier.finish()?);
            }
        }
    }

    /// Returns some records that come after an entry.
    async fn page(&self, subject: &str, after: u64, rows: u16) -> Result<Vec<Record>, AuditTableError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let parameters = vec![subject.into(), Value::Number(after), Value::Number(rows.into())];
        let rows = self.0.rows(pick!(&self.0, sealwax_audit::sql, PAGE), parameters).await?;
        // What is no text is no record, and an entry that is left out would be the end of the chain.
        let lines = rows.into_iter().map(|row| row.into_iter().next().and_then(Value::text).unwrap_or_default());
        Ok(lines.map(|line| line.parse()).collect::<Result<_, RecordError>>()?)
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
