//! What a job does with the rows of a page, without the database.

use sealwax::{Envelope, KeyId, OpenError, RewrapError, RowError, SealError, Secret, UnwrapError};
use sealwax_credentials::suspicions;
use sealwax_import::RowError as ForeignError;
use sqlx::error::DatabaseError;

use crate::context::NoContext;
use crate::statements::{Key, Old, Row, Stored, Swap};
use crate::step::Worker;
use crate::task::Task;
use crate::worker::WorkError;

/// How many rows must fail alike before that is taken for a fault of the keys, the contexts or the key service.
///
/// Fewer may be the only ones on a page that need something, and damaged, and a job must get past them.
const ROWS_ALIKE: usize = 10;

/// The rows to write, and those that failed. All others need no change.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) swaps: Vec<Swap>,
    pub(crate) failures: Vec<Failure>,
    /// Why the job has to stop, before anything of the page is written.
    pub(crate) stop: Option<String>,
    /// Whether the key service is down: every row that was tried failed, many of them for a reason that can pass.
    pub(crate) outage: Option<Outage>,
}

/// A key service that is down or refuses.
#[derive(Debug)]
pub(crate) struct Outage {
    pub(crate) error: WorkError,
    pub(crate) can_pass: bool,
}

/// A row that failed, and why.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) key: Key,
    pub(crate) reason: Reason,
}

#[derive(Debug)]
pub(crate) struct Reason {
    pub(crate) class: &'static str,
    pub(crate) name: &'static str,
    pub(crate) key_id: Option<KeyId>,
    /// The error's message, which has nothing of the row's contents.
    pub(crate) detail: String,
    pub(crate) is_transient: bool,
}

macro_rules! reason_from {
    ($($error:ty),+) => {$(
        impl From<$error> for Reason {
            fn from(error: $error) -> Self {
                let (key_id, is_transient) = (error.key_id().cloned(), error.is_transient());
                Self { key_id, is_transient, ..Self::new(error.class().as_str(), error.name(), error.to_string()) }
            }
        }
    )+};
}
reason_from!(RowError, UnwrapError, OpenError, SealError);

impl Reason {
    fn new(class: &'static str, name: &'static str, detail: impl Into<String>) -> Self {
        Self { class, name, key_id: None, detail: detail.into(), is_transient: false }
    }

    /// The row was locked or changed every time.
    pub(crate) fn busy() -> Self {
        let detail = "others have locked or changed the row every time";
        Self { is_transient: true, ..Self::new("transient", "row_busy", detail) }
    }
}

impl Reason {
    /// A constraint, a trigger or a limit of the database. Only its code is kept: its message has values of the row.
    pub(crate) fn refused_by_database(error: &sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default();
        Self::new("refused", "database_refused", format!("the database refuses the new envelope: SQLSTATE {code}"))
    }
}

impl From<NoContext> for Reason {
    fn from(error: NoContext) -> Self {
        match &error {
            NoContext::Row(_) => Self::new("misconfigured", "no_context", error.to_string()),
            NoContext::Context(of) => Self::new(of.class().as_str(), of.name(), error.to_string()),
        }
    }
}

impl From<ForeignError> for Reason {
    fn from(error: ForeignError) -> Self {
        match &error {
            ForeignError::Row(of) | ForeignError::WrappedKey { source: of, .. } => {
                Self::new(of.class().as_str(), of.name(), error.to_string())
            }
            _ => Self::new("refused", "not_as_declared", error.to_string()),
        }
    }
}

impl Worker<'_> {
    /// Does what the job does with the rows of a page.
    pub(crate) async fn attempt(&self, rows: Vec<Row>) -> Attempt {
        let count = rows.len();
        let mut attempt = match self.job.task {
            Task::Rotate => self.rewrap(rows).await,
            _ => self.row_by_row(rows).await,
        };
        let writes = self.job.kind().writes();
        // A job that writes nothing tries every row.
        let has_success = !attempt.swaps.is_empty() || (!writes && attempt.failures.len() < count);
        let reasons = attempt.failures.iter().map(|failure| &failure.reason);
        // A verification tells also which rows a service refuses.
        let of_service =
            |reason: &&Reason| reason.is_transient || writes && ["provider", "wrap"].contains(&reason.name);
        if let (false, Some(one)) = (has_success, reasons.filter(of_service).nth(ROWS_ALIKE.saturating_sub(1))) {
            let error = WorkError::KeyService { key_id: one.key_id.clone(), detail: one.detail.clone() };
            attempt.outage = Some(Outage { error, can_pass: one.is_transient });
        }
        attempt
    }

    async fn row_by_row(&self, rows: Vec<Row>) -> Attempt {
        let mut attempt = Attempt::default();
        for row in rows {
            let key = row.key.clone();
            match self.one(row).await {
                Ok(None) => {}
                Ok(Some(swap)) => attempt.swaps.push(swap),
                Err(reason) => attempt.failures.push(Failure { key, reason }),
            }
        }
        // Under a wrong key or context, every row fails alike that needs something; to try all the others helps nobody. A
        // verification tells how many.
        if let (Task::Reseal { .. } | Task::Import { .. }, [], [first, ..]) =
            (&self.job.task, attempt.swaps.as_slice(), attempt.failures.as_slice())
        {
            let is_alike = |failure: &Failure| failure.reason.name == first.reason.name;
            let names = ["not_authentic", "wrong_key_material", "context_mismatch", "no_context"];
            let is_of_us = names.contains(&first.reason.name) && attempt.failures.iter().all(is_alike);
            if is_of_us && attempt.failures.len() >= ROWS_ALIKE {
                attempt.stop = Some(format!("no row of a page succeeds: {}", first.reason.detail));
            }
        }
        attempt
    }

    /// Rewraps all rows at once, because a key service takes many keys in one request.
    async fn rewrap(&self, rows: Vec<Row>) -> Attempt {
        let rows = rows.into_iter().filter_map(|row| Some((row.key, row.stored?)));
        let batch = self.ring.rewrap_batch_async(rows).await;
        let is_unverified =
            |(_, error): &&(Key, RowError)| matches!(error, RowError::Rewrap(RewrapError::Unverified { .. }));
        let unverified = batch.failures.iter().find(is_unverified);
        let stops = unverified.or(batch.failures.first()).filter(|_| batch.must_stop());
        let stop = stops.map(|(_, error)| error.to_string());
        let failures = batch.failures.into_iter().map(|(key, error)| Failure { key, reason: error.into() });
        let swaps = batch.changes.into_iter().map(Swap::from).collect();
        Attempt { failures: failures.collect(), swaps, stop, outage: None }
    }

    async fn one(&self, row: Row) -> Result<Option<Swap>, Reason> {
        let Row { key, stored, cells, seen } = row;
        let (task, ring) = (&self.job.task, self.ring);
        if let Task::Import { declaration, context, takes_suspicious } = task {
            let is_done = |stored: &Stored| Envelope::try_from(stored.clone()).is_ok();
            if stored.as_ref().is_some_and(is_done) || cells.are_null(&declaration.columns()) {
                return Ok(None);
            }
            let (Some(foreign), context) = (self.foreign, context.of(&cells)?) else { return Ok(None) };
            let credential = declaration.read(&cells)?.open(foreign)?;
            refuse(&credential, *takes_suspicious)?;
            let fresh = ring.seal_async(&credential, &context).await?;
            // What it replaces may be the only copy, so a key that does not unwrap what it wraps must be noticed now.
            ring.verify_async(&fresh).await?;
            return Ok(Some(Swap { key, old: stored.map_or(Old::Nothing, Old::Other), fresh, seen }));
        }
        let Some(stored) = stored else { return Ok(None) };
        let old = Envelope::try_from(stored).map_err(RowError::Format)?;
        match task {
            Task::Rotate | Task::Import { .. } => Ok(None),
            Task::Verify => Ok(ring.verify_async(&old).await.map(|()| None)?),
            Task::Audit(context) => Ok(ring.open_async(&old, &context.of(&cells)?).await.map(|_| None)?),
            Task::Reseal { leaked, .. } if !old.key_ids().any(|id| id == *leaked) => Ok(None),
            Task::Reseal { context, .. } => {
                let context = context.of(&cells)?;
                let credential = ring.open_async(&old, &context).await?;
                let fresh = ring.seal_async(&credential, &context).await?;
                ring.verify_async(&fresh).await?;
                Ok(Some(Swap { key, old: Old::Envelope(old), fresh, seen }))
            }
        }
    }
}

/// Refuses what looks like no credential.
fn refuse(credential: &Secret, takes_suspicious: bool) -> Result<(), Reason> {
    if credential.is_empty() {
        return Err(Reason::new("refused", "empty", "the plaintext is empty"));
    }
    let names: Vec<_> = suspicions(credential).map(|suspicion| suspicion.name()).collect();
    if takes_suspicious || names.is_empty() {
        return Ok(());
    }
    Err(Reason::new("refused", "suspicious", format!("it looks like no credential: {}", names.join(", "))))
}
