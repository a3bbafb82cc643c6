//! A job over a table: planned once, worked on by any number of workers, in any number of processes.

use sealwax::Envelope;
use sealwax_import::Declaration;
use sqlx::postgres::PgRow;
use sqlx::{Connection as _, FromRow, PgConnection, Row as _, query, query_as, query_scalar};

use crate::plan::PlanError;
use crate::sealed::Sealed;
use crate::statements::{Key, Reads};
use crate::table::Table;
use crate::task::{Kind, Task};

/// The first number of the advisory locks of jobs, "sw" in ASCII twice; the second one is the number of the job. A
/// worker shares the lock while it does a page.
pub(crate) const LOCK: i32 = 0x7377_7377;

/// A job over a table.
#[derive(Debug)]
pub struct Job {
    pub(crate) id: i64,
    pub(crate) task: Task,
    pub(crate) reads: Reads,
    pub(crate) table: Table,
    pub(crate) fingerprint: [u8; 8],
    pub(crate) witness: Option<Envelope>,
    pub(crate) page: i32,
    pub(crate) rows_per_second: Option<i32>,
    pub(crate) stop_after: Option<i64>,
    pub(crate) is_dry_run: bool,
}

/// How far a job is.
#[derive(Clone, Debug, FromRow)]
#[non_exhaustive]
pub struct Status {
    /// The number of rows with an envelope when the job was planned.
    pub rows_expected: i64,
    /// The number of rows that were read.
    pub rows: i64,
    /// The number of rows that were written.
    pub changed: i64,
    /// The number of rows that needed no change.
    pub current: i64,
    /// The number of rows that failed and have not succeeded since.
    pub failed: i64,
    /// The number of ranges.
    pub ranges: i64,
    /// The number of ranges that are done.
    pub ranges_finished: i64,
    /// Whether somebody has paused the job.
    pub is_paused: bool,
    /// Why the job stopped, if it did.
    pub stopped_because: Option<String>,
    /// Whether all rows are done, or the job was replaced or cancelled.
    pub is_finished: bool,
    /// Whether somebody has cancelled the job.
    pub is_cancelled: bool,
    /// The job that replaced this one.
    pub replaced_by: Option<i64>,
    /// The seconds since the job was planned, until it was finished.
    pub seconds: f64,
}

/// The number of rows that failed in one way.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
#[non_exhaustive]
pub struct Failures {
    /// The class of the error, as [`ErrorClass`](sealwax::ErrorClass) prints it.
    pub class: String,
    /// The name of the error.
    pub name: String,
    /// The key that the error is about.
    pub key_id: Option<String>,
    /// The number of rows.
    pub rows: i64,
    /// The values of the key columns of some of these rows, at most ten. If a key is text, such as an e-mail address, these
    /// can be personal data.
    #[sqlx(skip)]
    pub keys: Vec<Vec<String>>,
}

impl Job {
    /// Loads a job.
    ///
    /// # Errors
    /// Returns an error if there is no such job, or its table cannot be used any more.
    pub async fn load(db: &mut PgConnection, id: i64) -> Result<Self, PlanError> {
        let row = query("SELECT * FROM sealwax.jobs WHERE id = $1").bind(id).fetch_optional(&mut *db).await?;
        let row = row.ok_or(PlanError::NoJob { job: id })?;
        let text = |row: &PgRow, column: &str| row.try_get::<String, _>(column);
        let task = Task::read(&row)?.ok_or(PlanError::UnknownKind { job: id })?;
        let keys: Vec<String> = row.try_get("key_columns")?;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let (schema, name) = (text(&row, "table_schema")?, text(&row, "table_name")?);
        let table = Table::find(db, &schema, &name, &keys, &text(&row, "envelope_column")?).await?;
        let types: Vec<String> = row.try_get("key_types")?;
        // Ranges and marks are in this order, and compare as these types.
        if !table.keys().eq(keys) || !table.key_types().eq(types.iter().map(String::as_str)) {
            return Err(PlanError::KeyChanged { job: id });
        }
        Ok(Self {
            id,
            reads: task.reads(db, &table).await?,
            task,
            table,
            fingerprint: row.try_get("fingerprint")?,
            witness: row.try_get::<Option<Sealed>, _>("witness")?.map(Envelope::from),
            page: row.try_get("page")?,
            rows_per_second: row.try_get("rows_per_second")?,
            stop_after: row.try_get("stop_after")?,
            is_dry_run: row.try_get("is_dry_run")?,
        })
    }

    /// Returns the numbers of the jobs that are not finished, the oldest first.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn unfinished(db: &mut PgConnection) -> Result<Vec<i64>, sqlx::Error> {
        query_scalar("SELECT id FROM sealwax.jobs WHERE finished_at IS NULL ORDER BY id").fetch_all(db).await
    }

    /// Cancels a job, whether or not its table still loads. What it has written stays.
    ///
    /// This waits for the pages that are in progress; after it, no worker writes for the job. A job that is finished stays
    /// as it is.
    ///
    /// # Errors
    /// Returns an error if there is no such job, or if the database fails.
    pub async fn cancel(db: &mut PgConnection, id: i64) -> Result<(), PlanError> {
        let mut transaction = db.begin().await?;
        wait_for_pages(&mut transaction, id).await?;
        let cancel = "UPDATE sealwax.jobs SET finished_at = coalesce(finished_at, now()),
            is_cancelled = is_cancelled OR finished_at IS NULL WHERE id = $1";
        if query(cancel).bind(id).execute(&mut *transaction).await?.rows_affected() == 0 {
            return Err(PlanError::NoJob { job: id });
        }
        Ok(transaction.commit().await?)
    }

    /// Returns the number of the job.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// Returns what the job does.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.task.kind()
    }

    /// Returns whether the job writes nothing to the table, and only counts what it would write.
    #[must_use]
    pub const fn is_dry_run(&self) -> bool {
        self.is_dry_run
    }

    /// Returns how the rows of an import are encrypted, or `None` if the job is none.
    #[must_use]
    pub fn declaration(&self) -> Option<&Declaration> {
        self.task.declaration()
    }

    /// Returns the table.
    #[must_use]
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Returns how far the job is.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn status(&self, db: &mut PgConnection) -> Result<Status, sqlx::Error> {
        Self::status_of(db, self.id).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// Returns how far a job is, whether or not its table still loads, or `None` if there is no such job.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn status_of(db: &mut PgConnection, id: i64) -> Result<Option<Status>, sqlx::Error> {
        query_as(
            "SELECT j.rows_expected, r.*, (SELECT count(*) FROM sealwax.failures WHERE job = $1) AS failed,
                    j.paused_at IS NOT NULL AS is_paused, j.stopped_because, j.finished_at IS NOT NULL AS is_finished,
                    j.is_cancelled, j.replaced_by, extract(epoch FROM coalesce(j.finished_at, now()) - j.planned_at)::float8 AS seconds
               FROM sealwax.jobs j, (
                 SELECT coalesce(sum(rows), 0)::int8 AS rows, coalesce(sum(changed), 0)::int8 AS changed,
                        coalesce(sum(current), 0)::int8 AS current, count(*) AS ranges,
                        count(finished_at) AS ranges_finished
                   FROM sealwax.ranges WHERE job = $1) r
              WHERE j.id = $1",
        )
        .bind(id)
        .fetch_optional(db)
        .await
    }

    /// Returns the rows that failed and have not succeeded since, in groups, the largest first.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn failures(&self, db: &mut PgConnection) -> Result<Vec<Failures>, sqlx::Error> {
        let groups = "SELECT class, name, key_id, count(*) AS rows FROM sealwax.failures WHERE job = $1
            GROUP BY class, name, key_id ORDER BY rows DESC, class, name, key_id";
        let mut groups: Vec<Failures> = query_as(groups).bind(self.id).fetch_all(&mut *db).await?;
        for group in &mut groups {
            let keys = "SELECT key FROM sealwax.failures
                WHERE job = $1 AND class = $2 AND name = $3 AND key_id IS NOT DISTINCT FROM $4 ORDER BY key LIMIT 10";
            let keys = query_scalar(keys).bind(self.id).bind(&group.class).bind(&group.name).bind(&group.key_id);
            group.keys = keys.fetch_all(&mut *db).await?;
        }
        Ok(groups)
    }

    /// Pauses the job: each worker ends its page and waits until the job is resumed.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn pause(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        let pause = "UPDATE sealwax.jobs SET paused_at = coalesce(paused_at, now()) WHERE id = $1";
        query(pause).bind(self.id).execute(db).await.map(drop)
    }

    /// Resumes the job after a pause or a stop. After a stop, start workers again.
    ///
    /// The failures so far do not count for [`stop_after`](crate::Options::stop_after) any more.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn resume(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        let resume = "UPDATE sealwax.jobs
            SET paused_at = NULL, stopped_because = NULL, resumed_at = clock_timestamp() WHERE id = $1";
        query(resume).bind(self.id).execute(db).await.map(drop)
    }
}

/// Waits for the pages of a job that are in progress. Until the transaction ends, no other begins.
pub(crate) async fn wait_for_pages(transaction: &mut PgConnection, job: i64) -> Result<(), sqlx::Error> {
    let wait = query("SELECT pg_advisory_xact_lock($1, $2::int8::int4)").bind(LOCK).bind(job);
    wait.execute(transaction).await.map(drop)
}

pub(crate) async fn add_range(
    db: &mut PgConnection,
    job: i64,
    above: Option<&Key>,
    up_to: Option<&Key>,
) -> Result<(), sqlx::Error> {
    let add = query("INSERT INTO sealwax.ranges (job, above, up_to) VALUES ($1, $2, $3)");
    add.bind(job).bind(above).bind(up_to).execute(db).await.map(drop)
}
