//! Planning a job.

use std::collections::BTreeMap;

use sealwax::{KeyId, KeyState, Keyring, SealError};
use sealwax_import::Declaration;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, query, query_as, query_scalar};
use thiserror::Error;

use crate::census::{Census, census, count};
use crate::context::RowContext;
use crate::job::{Job, add_range, wait_for_pages};
use crate::proof;
use crate::sealed::Sealed;
use crate::statements::Statements;
use crate::table::{Table, TableError};
use crate::task::{Kind, Task};
use crate::witness;

/// How a job runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most rows of a page, 1 to 10,000. A page also ends with the row that reaches 8 MiB.
    pub page: i32,
    /// The most rows a second of all workers together, or `None` for no limit.
    pub rows_per_second: Option<i32>,
    /// Stops the job when a class of errors has this many failures since the job was planned or resumed, or `None` for no
    /// limit.
    pub stop_after: Option<i64>,
    /// The number of ranges to begin with. Workers split them as they need.
    pub ranges: i64,
    /// Writes nothing to the table: the job only counts what it would write.
    pub dry_run: bool,
    /// Notes what every row holds before a rotation, so that [`Job::proof`] can compare it. Only a rotation keeps it.
    pub prove: bool,
    /// Ends an unfinished job of the same kind over the same column. One of another kind must be finished or
    /// [cancelled](Job::cancel).
    pub replace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            page: 1_000,
            rows_per_second: None,
            stop_after: None,
            ranges: 8,
            dry_run: false,
            prove: false,
            replace: false,
        }
    }
}

/// Why a job was not planned or not found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The keyring has another primary than the one that was confirmed.
    #[error("the keyring's primary is {}, not {confirmed}", found.as_ref().map_or("missing", |id| id.as_ref()))]
    #[non_exhaustive]
    OtherPrimary {
        /// The key id that the caller confirmed.
        confirmed: KeyId,
        /// The keyring's primary.
        found: Option<KeyId>,
    },
    /// Rows name keys that the keyring does not have or, if no other key opens the row, that it does not open. A key that
    /// leaked is one of them.
    #[error("the keyring cannot open every row, or lacks keys: {}", list(keys))]
    #[non_exhaustive]
    NotOpened {
        /// The key ids that rows name, and the state of each in the keyring, or `None` if it does not have the id.
        keys: Vec<(KeyId, Option<KeyState>)>,
    },
    /// The key that leaked does not open in this keyring.
    #[error("key {key_id} must be retired in this keyring, and it is {}", named(state))]
    #[non_exhaustive]
    NotRetired {
        /// The key.
        key_id: KeyId,
        /// Its state in the keyring, or `None` if the keyring does not have the id.
        state: Option<KeyState>,
    },
    /// An option is out of its range.
    #[error("{option} must be from {from} to {to}")]
    #[non_exhaustive]
    Option {
        /// The option's name.
        option: &'static str,
        /// The least value.
        from: i64,
        /// The greatest value.
        to: i64,
    },
    /// Only a rotation can be proved.
    #[error("only a rotation can be proved, not a job of the kind {}", kind.name())]
    #[non_exhaustive]
    NoProof {
        /// What the job does.
        kind: Kind,
    },
    /// An unfinished job of this kind has this column, or, of two jobs that write, one of another kind.
    #[error("job {job} over this column is not finished: work on it, replace it by one of its kind, or cancel it")]
    #[non_exhaustive]
    Unfinished {
        /// The number of the job.
        job: i64,
    },
    /// The columns that identify rows are others than when the job was planned, or in another order, or of other types.
    #[error("the key of the table has changed since job {job} was planned")]
    #[non_exhaustive]
    KeyChanged {
        /// The number of the job.
        job: i64,
    },
    /// There is no such job.
    #[error("there is no job {job}")]
    #[non_exhaustive]
    NoJob {
        /// The number.
        job: i64,
    },
    /// A newer release has planned the job.
    #[error("job {job} is of a kind that this release does not know")]
    #[non_exhaustive]
    UnknownKind {
        /// The number of the job.
        job: i64,
    },
    /// The keyring does not seal.
    #[error("the keyring does not seal what workers have to open")]
    #[non_exhaustive]
    Witness {
        /// Why.
        source: SealError,
    },
    /// The table cannot be used.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The database failed. Log its `Display`, as with [`WorkError::Database`](crate::WorkError::Database).
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

fn named(state: &Option<KeyState>) -> String {
    state.map_or("unknown".to_owned(), |state| state.to_string())
}

fn list(keys: &[(KeyId, Option<KeyState>)]) -> String {
    let keys: Vec<_> = keys.iter().map(|(id, state)| format!("{id} is {}", named(state))).collect();
    keys.join(", ")
}

impl Job {
    /// Plans a rotation: a job that rewraps every row for the keyring's primary, which the caller names once more.
    ///
    /// Nothing is written to the table. The job begins when a worker [works](Self::work) on it.
    ///
    /// # Errors
    /// Returns an error if the keyring cannot open every row that has an envelope or does not know a key that one names, if
    /// it does not seal, and if another job that writes to this column is not finished, unless it is of this kind and the
    /// options replace it. An escrow that is no longer wanted is `disabled` or `destroyed` in the keyring.
    pub async fn plan_rotation(
        db: &mut PgConnection,
        table: &Table,
        ring: &Keyring,
        primary: &KeyId,
        options: &Options,
    ) -> Result<Self, PlanError> {
        confirm(ring, primary)?;
        opens(ring, &census(db, table).await?)?;
        Self::plan(db, table, ring, Task::Rotate, options).await
    }

    /// Plans a job that verifies every row with the keyring, as [`Keyring::verify`] does, and writes nothing.
    ///
    /// After a rotation, use a keyring in which the old key is `disabled`: if no row fails, no row needs the old key.
    ///
    /// # Errors
    /// Returns an error if another verification of this column is not finished, unless the options replace it. A row that
    /// the keyring does not open is a failure of the job.
    pub async fn plan_verification(
        db: &mut PgConnection,
        table: &Table,
        ring: &Keyring,
        options: &Options,
    ) -> Result<Self, PlanError> {
        Self::plan(db, table, ring, Task::Verify, options).await
    }

    /// Plans a job that opens every row and writes nothing. The plaintext is wiped at once.
    ///
    /// # Errors
    /// Returns an error if another audit of this column is not finished, unless the options replace it, and if a column of
    /// the context cannot be used.
    pub async fn plan_audit(
        db: &mut PgConnection,
        table: &Table,
        ring: &Keyring,
        context: &RowContext,
        options: &Options,
    ) -> Result<Self, PlanError> {
        Self::plan(db, table, ring, Task::Audit(context.clone()), options).await
    }

    /// Plans a job that opens every row with a wrap under a leaked key, and seals it again.
    ///
    /// The keyring of this job, and of no other process, has the leaked key as `retired`: see *A leaked key* on the page
    /// [Operations](sealwax::docs::operations). The job lists the rows that it seals in `sealwax.resealed`, in the
    /// transaction that writes them. The list can also have rows that were not written in the end.
    ///
    /// # Errors
    /// Returns an error as [`plan_rotation`](Self::plan_rotation) does, and if the leaked key is not `retired`.
    pub async fn plan_reseal(
        db: &mut PgConnection,
        table: &Table,
        ring: &Keyring,
        primary: &KeyId,
        leaked: &KeyId,
        context: &RowContext,
        options: &Options,
    ) -> Result<Self, PlanError> {
        confirm(ring, primary)?;
        let state = ring.state(leaked.as_ref());
        if state != Some(KeyState::Retired) {
            return Err(PlanError::NotRetired { key_id: leaked.clone(), state });
        }
        opens(ring, &census(db, table).await?)?;
        let task = Task::Reseal { leaked: leaked.clone(), context: context.clone() };
        Self::plan(db, table, ring, task, options).await
    }

    /// Plans a job that opens rows of another program, as they are declared, and seals them for the keyring's primary.
    ///
    /// If the declaration names the table's column of envelopes, the envelopes replace what is there, and rows that are
    /// envelopes already are left as they are. Otherwise, the rows in which that column is null get an envelope, and nothing
    /// else is changed. Rows that are not imported are in the job's [`failures`](Self::failures), unchanged. So are those
    /// that open to something that looks like no credential, unless `takes_suspicious` is set.
    ///
    /// # Errors
    /// Returns an error if the keyring's primary is another one, if it does not seal, and if another job that writes
    /// to this column is not finished, as [`plan_rotation`](Self::plan_rotation) does.
    #[expect(clippy::too_many_arguments, reason = "each is another decision, and none has a default")]
    pub async fn plan_import(
        db: &mut PgConnection,
        table: &Table,
        ring: &Keyring,
        primary: &KeyId,
        declaration: &Declaration,
        context: &RowContext,
        takes_suspicious: bool,
        options: &Options,
    ) -> Result<Self, PlanError> {
        confirm(ring, primary)?;
        let (declaration, context) = (Box::new(declaration.clone()), context.clone());
        Self::plan(db, table, ring, Task::Import { declaration, context, takes_suspicious }, options).await
    }

    async fn plan(
        db: &mut PgConnection,
        table: &Table,
        ring: &Keyring,
        task: Task,
        options: &Options,
    ) -> Result<Self, PlanError> {
        let checked: [(_, i64, _); 4] = [
            ("page", options.page.into(), 10_000),
            ("ranges", options.ranges, 10_000),
            ("rows_per_second", options.rows_per_second.unwrap_or(1).into(), i32::MAX.into()),
            ("stop_after", options.stop_after.unwrap_or(1), i64::MAX),
        ];
        for (option, value, to) in checked {
            if !(1..=to).contains(&value) {
                return Err(PlanError::Option { option, from: 1, to });
            }
        }
        let kind = task.kind();
        if options.prove && kind != Kind::Rotate {
            return Err(PlanError::NoProof { kind });
        }
        let reads = task.reads(db, table).await?;
        let fingerprint = ring.fingerprint();
        let witness = if kind.writes() { Some(witness::seal(ring).await?) } else { None };
        let mut transaction = db.begin().await?;
        // Otherwise PostgreSQL leaves out rows that the role may not see.
        query("SET LOCAL row_security = off").execute(&mut *transaction).await?;
        let before = unfinished(&mut transaction, table, kind).await?;
        let replaced = match before {
            Some((job, of)) if !options.replace || of != kind.name() => return Err(PlanError::Unfinished { job }),
            other => other.map(|(job, _)| job),
        };

        let statements = Statements::new(table, reads);
        let rows: i64 = query_scalar(AssertSqlSafe(statements.count.clone())).fetch_one(&mut *transaction).await?;
        // No range is smaller than a page, and some 300 rows for each are enough to divide the table.
        let pages = rows.checked_div(options.page.into()).unwrap_or_default();
        let ranges = options.ranges.min(pages).max(1);
        let percent = ranges.saturating_mul(30_000).checked_div(rows).unwrap_or(100).clamp(1, 100);
        let boundaries = statements.boundaries(&mut transaction, percent, ranges).await?;

        if let Some(job) = replaced {
            // After this, no worker writes for the old keyring.
            wait_for_pages(&mut transaction, job).await?;
            let end = "UPDATE sealwax.jobs SET finished_at = now() WHERE id = $1 AND finished_at IS NULL";
            query(end).bind(job).execute(&mut *transaction).await?;
            if matches!(task, Task::Rotate | Task::Reseal { .. }) {
                // It has written since the rows were counted.
                opens(ring, &count(&mut transaction, table).await?)?;
            }
        }
        let (leaked, declaration, takes_suspicious) = match &task {
            Task::Reseal { leaked, .. } => (Some(leaked.to_string()), None, false),
            Task::Import { declaration, takes_suspicious, .. } => {
                (None, Some(declaration.to_string()), *takes_suspicious)
            }
            Task::Rotate | Task::Verify | Task::Audit(_) => (None, None, false),
        };
        let keys: Vec<&str> = table.keys().collect();
        let inserted: Result<i64, _> = query_scalar(
            "INSERT INTO sealwax.jobs (kind, table_schema, table_name, key_columns, key_types, envelope_column, primary_key_id,
                 fingerprint, rows_expected, page, rows_per_second, stop_after, leaked_key_id, context, declaration,
                 takes_suspicious, is_dry_run, witness)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING id",
        )
        .bind(kind.name())
        .bind(table.schema())
        .bind(table.name())
        .bind(keys)
        .bind(table.key_types().collect::<Vec<_>>())
        .bind(table.envelope())
        .bind(ring.primary().map(AsRef::<str>::as_ref))
        .bind(fingerprint)
        .bind(rows)
        .bind(options.page)
        .bind(options.rows_per_second)
        .bind(options.stop_after)
        .bind(leaked)
        .bind(task.context().map(RowContext::to_texts))
        .bind(declaration)
        .bind(takes_suspicious)
        .bind(options.dry_run)
        .bind(witness.map(Sealed))
        .fetch_one(&mut *transaction)
        .await;
        let id = match inserted {
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                // Somebody has planned another at the same time.
                transaction.rollback().await?;
                let other = unfinished(db, table, kind).await?;
                return Err(other.map_or(sqlx::Error::Database(error).into(), |(job, _)| PlanError::Unfinished { job }));
            }
            inserted => inserted?,
        };
        if let Some(old) = replaced {
            let replace = "UPDATE sealwax.jobs SET replaced_by = $2 WHERE id = $1";
            query(replace).bind(old).bind(id).execute(&mut *transaction).await?;
        }
        let above = std::iter::once(None).chain(boundaries.iter().map(Some));
        let up_to = boundaries.iter().map(Some).chain(std::iter::once(None));
        for (above, up_to) in above.zip(up_to) {
            add_range(&mut transaction, id, above, up_to).await?;
        }
        if options.prove {
            proof::take_snapshot(&mut transaction, table, id).await?;
        }
        transaction.commit().await?;
        Self::load(db, id).await
    }
}

/// Returns the number and the kind of a job that is not finished, and beside which none of this kind can run.
async fn unfinished(db: &mut PgConnection, table: &Table, kind: Kind) -> Result<Option<(i64, String)>, sqlx::Error> {
    query_as(
        "SELECT id, kind FROM sealwax.jobs WHERE finished_at IS NULL AND (kind = $1 OR $5 AND witness IS NOT NULL)
            AND table_schema = $2 AND table_name = $3 AND envelope_column = $4",
    )
    .bind(kind.name())
    .bind(table.schema())
    .bind(table.name())
    .bind(table.envelope())
    .bind(kind.writes())
    .fetch_optional(db)
    .await
}

/// Compares the primary with the one that the caller names.
fn confirm(ring: &Keyring, primary: &KeyId) -> Result<(), PlanError> {
    if ring.primary() == Some(primary) {
        return Ok(());
    }
    Err(PlanError::OtherPrimary { confirmed: primary.clone(), found: ring.primary().cloned() })
}

/// Checks that the keyring opens every row, and has every key that rows name: a rewrap drops the wraps of the others.
fn opens(ring: &Keyring, census: &Census) -> Result<(), PlanError> {
    let state = |id: &KeyId| ring.state(id.as_ref());
    let opens = |id: &KeyId| matches!(state(id), Some(KeyState::Primary | KeyState::Retired | KeyState::Escrow));
    let mut keys = BTreeMap::new();
    for (head, _) in &census.heads {
        let is_opened = head.wraps().any(|(_, id)| opens(id));
        let is_given_up = |id: &KeyId| {
            is_opened && matches!(state(id), Some(KeyState::Disabled | KeyState::Destroyed | KeyState::OfflineEscrow))
        };
        let missing = head.wraps().map(|(_, id)| id).filter(|id| !opens(id) && !is_given_up(id));
        keys.extend(missing.map(|id| (id.clone(), state(id))));
    }
    if keys.is_empty() { Ok(()) } else { Err(PlanError::NotOpened { keys: keys.into_iter().collect() }) }
}
