//! A job over a table: planned once, worked on by any number of workers, in any number of processes.

use std::collections::BTreeSet;

use sealwax::{KeyId, KeyState, Keyring};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, FromRow, PgConnection, Row as _, query, query_as, query_scalar};
use thiserror::Error;

use crate::statements::{Key, Statements};
use crate::table::{Table, TableError};

/// What a job does with every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Rewraps it for the current keys of the keyring.
    Rotate,
    /// Verifies it, and writes nothing.
    Verify,
}

impl Kind {
    /// Returns the name in the table of jobs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Verify => "verify",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Rotate, Self::Verify].into_iter().find(|kind| kind.name() == name)
    }
}

/// How a job runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most rows of a page, 1 to 10,000. A page is also limited to 8 MiB of envelopes.
    pub page: i32,
    /// The most rows a second of all workers together, or `None` for no limit.
    pub rows_per_second: Option<i32>,
    /// Stops the job when a class of errors has this many failures, or `None` for no limit.
    pub stop_after: Option<i64>,
    /// The number of ranges to begin with. Workers split them as they need.
    pub ranges: i64,
    /// Ends an unfinished job over the same column that has another keyring.
    pub replace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { page: 1_000, rows_per_second: None, stop_after: None, ranges: 8, replace: false }
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
    /// Rows name keys that the keyring does not open.
    #[error("the keyring cannot open every row: {}", list(keys))]
    #[non_exhaustive]
    NotOpened {
        /// The key ids that rows name, and the state of each in the keyring, or `None` if it does not have the id.
        keys: Vec<(KeyId, Option<KeyState>)>,
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
    /// An unfinished job of this kind has this column.
    #[error("job {job} over this column is not finished: work on it, or replace it")]
    #[non_exhaustive]
    Unfinished {
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
    /// The table cannot be used.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

fn list(keys: &[(KeyId, Option<KeyState>)]) -> String {
    let state = |state: &Option<KeyState>| state.map_or("unknown".to_owned(), |state| state.to_string());
    let keys: Vec<_> = keys.iter().map(|(id, of_ring)| format!("{id} is {}", state(of_ring))).collect();
    keys.join(", ")
}

/// A job over a table.
#[derive(Debug)]
pub struct Job {
    pub(crate) id: i64,
    pub(crate) kind: Kind,
    pub(crate) table: Table,
    pub(crate) fingerprint: [u8; 8],
    pub(crate) page: i32,
    pub(crate) rows_per_second: Option<i32>,
    pub(crate) stop_after: Option<i64>,
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
    /// Whether all rows are done, or the job was replaced.
    pub is_finished: bool,
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
    /// The values of the key columns of some of these rows, at most ten.
    #[sqlx(skip)]
    pub keys: Vec<Vec<String>>,
}

impl Job {
    /// Plans a rotation: a job that rewraps every row for the keyring's primary, which the caller names once more.
    ///
    /// Nothing is written to the table. The job begins when a worker [works](Self::work) on it.
    ///
    /// # Errors
    /// Returns an error if the keyring cannot open every row that has an envelope, and if a job of this kind over the same
    /// column is not finished, unless it has another keyring and the options replace it.
    pub async fn plan_rotation(
        db: &mut PgConnection,
        table: &Table,
        ring: &Keyring,
        primary: &KeyId,
        options: &Options,
    ) -> Result<Self, PlanError> {
        if ring.primary() != Some(primary) {
            return Err(PlanError::OtherPrimary { confirmed: primary.clone(), found: ring.primary().cloned() });
        }
        let mut keys = Vec::new();
        for id in key_ids(db, table).await? {
            let state = ring.state(id.as_ref());
            if !matches!(state, Some(KeyState::Primary | KeyState::Retired | KeyState::Escrow)) {
                keys.push((id, state));
            }
        }
        if !keys.is_empty() {
            return Err(PlanError::NotOpened { keys });
        }
        Self::plan(db, table, ring, Kind::Rotate, options).await
    }

    /// Plans a job that verifies every row with the keyring, as [`Keyring::verify`] does, and writes nothing.
    ///
    /// After a rotation, use a keyring in which the old key is `disabled`: if no row fails, no row needs the old key.
    ///
    /// # Errors
    /// Returns an error as [`plan_rotation`](Self::plan_rotation) does, except about keys: a row that the keyring does not
    /// open is a failure of the job.
    pub async fn plan_verification(
        db: &mut PgConnection,
        table: &Table,
        ring: &Keyring,
        options: &Options,
    ) -> Result<Self, PlanError> {
        Self::plan(db, table, ring, Kind::Verify, options).await
    }

    async fn plan(
        db: &mut PgConnection,
        table: &Table,
        ring: &Keyring,
        kind: Kind,
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
        let fingerprint = ring.fingerprint();
        let mut transaction = db.begin().await?;
        let unfinished: Option<(i64, Vec<u8>)> = query_as(
            "SELECT id, fingerprint FROM sealwax.jobs WHERE finished_at IS NULL AND kind = $1
                AND table_schema = $2 AND table_name = $3 AND envelope_column = $4 FOR UPDATE",
        )
        .bind(kind.name())
        .bind(table.schema())
        .bind(table.name())
        .bind(table.envelope())
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some((job, of_job)) = &unfinished {
            if !options.replace || *of_job == fingerprint {
                return Err(PlanError::Unfinished { job: *job });
            }
            // This waits for the pages that are in progress: after it, no worker writes for the old keyring.
            let end = "UPDATE sealwax.ranges SET finished_at = now() WHERE job = $1 AND finished_at IS NULL";
            query(end).bind(job).execute(&mut *transaction).await?;
            let end = "UPDATE sealwax.jobs SET finished_at = now() WHERE id = $1";
            query(end).bind(job).execute(&mut *transaction).await?;
        }

        let count = format!("SELECT count({}) FROM {}", table.quoted_envelope(), table.quoted());
        let rows: i64 = query_scalar(AssertSqlSafe(count)).fetch_one(&mut *transaction).await?;
        // Some 300 rows for each range are enough to divide the table.
        let sample = options.ranges.saturating_mul(30_000);
        let percent = sample.checked_div(rows).unwrap_or(100).clamp(1, 100);
        let boundaries = Statements::new(table).boundaries(&mut transaction, percent, options.ranges).await?;

        let keys: Vec<&str> = table.keys().collect();
        let id: i64 = query_scalar(
            "INSERT INTO sealwax.jobs (kind, table_schema, table_name, key_columns, envelope_column, primary_key_id,
                 fingerprint, rows_expected, page, rows_per_second, stop_after)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id",
        )
        .bind(kind.name())
        .bind(table.schema())
        .bind(table.name())
        .bind(keys)
        .bind(table.envelope())
        .bind(ring.primary().map(AsRef::<str>::as_ref))
        .bind(fingerprint)
        .bind(rows)
        .bind(options.page)
        .bind(options.rows_per_second)
        .bind(options.stop_after)
        .fetch_one(&mut *transaction)
        .await?;
        if let Some((old, _)) = unfinished {
            let replace = "UPDATE sealwax.jobs SET replaced_by = $2 WHERE id = $1";
            query(replace).bind(old).bind(id).execute(&mut *transaction).await?;
        }
        let above = std::iter::once(None).chain(boundaries.iter().map(Some));
        let up_to = boundaries.iter().map(Some).chain(std::iter::once(None));
        for (above, up_to) in above.zip(up_to) {
            add_range(&mut transaction, id, above, up_to).await?;
        }
        transaction.commit().await?;
        Self::load(db, id).await
    }

    /// Loads a job.
    ///
    /// # Errors
    /// Returns an error if there is no such job, or its table cannot be used any more.
    pub async fn load(db: &mut PgConnection, id: i64) -> Result<Self, PlanError> {
        let row = query("SELECT * FROM sealwax.jobs WHERE id = $1").bind(id).fetch_optional(&mut *db).await?;
        let row = row.ok_or(PlanError::NoJob { job: id })?;
        let text = |row: &PgRow, column: &str| row.try_get::<String, _>(column);
        let kind = Kind::from_name(&text(&row, "kind")?).ok_or(PlanError::UnknownKind { job: id })?;
        let keys: Vec<String> = row.try_get("key_columns")?;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let (schema, name) = (text(&row, "table_schema")?, text(&row, "table_name")?);
        let table = Table::find(db, &schema, &name, &keys, &text(&row, "envelope_column")?).await?;
        Ok(Self {
            id,
            kind,
            table,
            fingerprint: row.try_get("fingerprint")?,
            page: row.try_get("page")?,
            rows_per_second: row.try_get("rows_per_second")?,
            stop_after: row.try_get("stop_after")?,
        })
    }

    /// Returns the numbers of the jobs that are not finished, the oldest first.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn unfinished(db: &mut PgConnection) -> Result<Vec<i64>, sqlx::Error> {
        query_scalar("SELECT id FROM sealwax.jobs WHERE finished_at IS NULL ORDER BY id").fetch_all(db).await
    }

    /// Returns the number of the job.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// Returns what the job does.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
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
        query_as(
            "SELECT j.rows_expected, r.*, (SELECT count(*) FROM sealwax.failures WHERE job = $1) AS failed,
                    j.paused_at IS NOT NULL AS is_paused, j.stopped_because, j.finished_at IS NOT NULL AS is_finished,
                    j.replaced_by, extract(epoch FROM coalesce(j.finished_at, now()) - j.planned_at)::float8 AS seconds
               FROM sealwax.jobs j, (
                 SELECT coalesce(sum(rows), 0)::int8 AS rows, coalesce(sum(changed), 0)::int8 AS changed,
                        coalesce(sum(current), 0)::int8 AS current, count(*) AS ranges,
                        count(finished_at) AS ranges_finished
                   FROM sealwax.ranges WHERE job = $1) r
              WHERE j.id = $1",
        )
        .bind(self.id)
        .fetch_one(db)
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
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn resume(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        let resume = "UPDATE sealwax.jobs SET paused_at = NULL, stopped_because = NULL WHERE id = $1";
        query(resume).bind(self.id).execute(db).await.map(drop)
    }
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

/// Returns the key ids that the table's envelopes name.
async fn key_ids(db: &mut PgConnection, table: &Table) -> Result<BTreeSet<KeyId>, sqlx::Error> {
    let heads = format!(
        "SELECT DISTINCT split_part(wrap, '=', 2) FROM (
           SELECT DISTINCT sealwax.head({}) COLLATE \"C\" AS head FROM {}) AS heads,
           unnest(string_to_array(split_part(head, ' ', 2), ',')) AS wrap WHERE head IS NOT NULL",
        table.quoted_envelope(),
        table.quoted()
    );
    let ids: Vec<String> = query_scalar(AssertSqlSafe(heads)).fetch_all(db).await?;
    Ok(ids.into_iter().filter_map(|id| id.parse().ok()).collect())
}
