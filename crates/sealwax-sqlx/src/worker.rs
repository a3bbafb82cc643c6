//! A worker: it takes a range, does one page of it in a transaction, and begins again.
//!
//! PostgreSQL is the coordinator. A worker holds the lock of a range's row for the transaction of one page, so the lock
//! of a worker that dies goes with its connection, and whoever comes next goes on at the mark.

use std::collections::HashSet;
use std::time::Duration;

use sealwax::{Envelope, KeyId, Keyring, RewrapError, RowError};
use sqlx::postgres::{PgArguments, PgPool, PgTransaction};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Postgres, query, query_as, query_scalar};
use thiserror::Error;

use crate::job::{Job, Kind, add_range};
use crate::statements::{Key, Statements, Stored, Swap};

/// How a worker treats the database.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest time that one statement takes.
    pub statement: Duration,
    /// The longest time that a statement waits for a lock of another worker.
    pub lock: Duration,
    /// The time after which PostgreSQL ends the transaction of a worker that has stopped. A page's requests to a key
    /// service must take less.
    pub idle: Duration,
    /// How many times in a row a worker tries a page again after the database failed.
    pub tries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let (statement, lock, idle) = (Duration::from_secs(60), Duration::from_secs(5), Duration::from_secs(30));
        Self { statement, lock, idle, tries: 8 }
    }
}

/// What a worker has done, in one page or in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// The number of rows that it read.
    pub rows: u64,
    /// The number of rows that it wrote.
    pub changed: u64,
    /// The number of rows that needed no change, or that somebody else had changed.
    pub current: u64,
    /// The number of rows that failed.
    pub failed: u64,
}

impl Done {
    const fn add(&mut self, other: Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.changed = self.changed.saturating_add(other.changed);
        self.current = self.current.saturating_add(other.current);
        self.failed = self.failed.saturating_add(other.failed);
    }
}

/// Why a worker ended before its job.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkError {
    /// The keyring is another one than the job's.
    #[error("the keyring's fingerprint is {}, the job's is {}", hex(found), hex(expected))]
    #[non_exhaustive]
    OtherKeyring {
        /// The job's.
        expected: [u8; 8],
        /// The keyring's.
        found: [u8; 8],
    },
    /// The job stopped, and waits until somebody resumes it.
    #[error("the job stopped: {because}")]
    #[non_exhaustive]
    Stopped {
        /// Why.
        because: String,
    },
    /// Another job replaced this one.
    #[error("job {by} replaced this one")]
    #[non_exhaustive]
    Replaced {
        /// The number of the other job.
        by: i64,
    },
    /// The job was deleted.
    #[error("there is no such job any more")]
    Gone,
    /// The database failed, several times in a row.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

fn hex(fingerprint: &[u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(*fingerprint))
}

/// How many pages a worker leaves in a range that it splits; the rest becomes a range of its own.
const PAGES_BEFORE_SPLIT: i64 = 8;

/// How many times a worker reads rows again that somebody changed or locked meanwhile.
const TURNS: usize = 3;

/// How many times a job tries a row again that failed for a reason that can pass.
const TRIES_OF_A_ROW: i32 = 5;

/// What a failure is called if the row was locked or changed every time.
const BUSY: (&str, &str) = ("transient", "RowBusy");

#[derive(Debug, FromRow)]
struct Range {
    id: i64,
    above: Option<Key>,
    up_to: Option<Key>,
    mark: Option<Key>,
}

impl Range {
    fn left(&self) -> (Option<&Key>, Option<&Key>) {
        (self.mark.as_ref().or(self.above.as_ref()), self.up_to.as_ref())
    }
}

#[derive(Debug, FromRow)]
struct State {
    is_paused: bool,
    stopped_because: Option<String>,
    is_finished: bool,
    replaced_by: Option<i64>,
}

/// A row that failed.
#[derive(Debug)]
struct Failure {
    key: Key,
    class: String,
    name: &'static str,
    key_id: Option<KeyId>,
    is_transient: bool,
}

impl Failure {
    fn new(key: Key, error: &RowError) -> Self {
        let (class, name, key_id) = (error.class().to_string(), error.name(), error.key_id().cloned());
        Self { key, class, name, key_id, is_transient: error.is_transient() }
    }

    fn busy(key: Key) -> Self {
        Self { key, class: BUSY.0.to_owned(), name: BUSY.1, key_id: None, is_transient: true }
    }
}

/// What became of the rows of a page.
#[derive(Debug, Default)]
struct Page {
    done: Done,
    failures: Vec<Failure>,
    stop: Option<String>,
}

/// What a worker does next.
enum Next {
    Page(Done),
    Wait,
    End,
}

impl Job {
    /// Works on the job until every row is done, together with all other workers that do the same, in any process.
    ///
    /// `on_page` is called after each page of this worker. If the future is dropped, the page in progress is rolled back.
    /// The work on local keys takes some milliseconds a page, without a pause: give workers threads of their own, away from
    /// a service's requests. Each worker uses one connection of the pool; if the database goes away, the pool's timeout
    /// says how long the worker waits for it at each try.
    ///
    /// Rows that fail are in [`failures`](Self::failures) and stop nothing. Those that failed for a reason that can pass
    /// are tried again at the end.
    ///
    /// # Errors
    /// Returns an error if the keyring has another fingerprint than the job's, if the job stopped or was replaced, or if
    /// the database fails several times in a row.
    pub async fn work(
        &self,
        db: &PgPool,
        ring: &Keyring,
        limits: &Limits,
        mut on_page: impl FnMut(&Done) + Send,
    ) -> Result<Done, WorkError> {
        let (expected, found) = (self.fingerprint, ring.fingerprint());
        if expected != found {
            return Err(WorkError::OtherKeyring { expected, found });
        }
        let worker = Worker { job: self, ring, statements: Statements::new(&self.table), begin: begin(limits) };
        let (mut all, mut failed_tries) = (Done::default(), 0_u32);
        loop {
            match worker.next(db).await {
                Ok(Next::Page(done)) => {
                    all.add(done);
                    on_page(&done);
                    failed_tries = 0;
                    // If the database fails while it waits, the next page does too, and is tried again.
                    let _kept = self.keep_to_the_rate(db, done.rows).await;
                }
                Ok(Next::Wait) => drop(sleep(db, 1.0).await),
                Ok(Next::End) => return Ok(all),
                Err(WorkError::Database(error)) if failed_tries < limits.tries && can_pass(&error) => {
                    failed_tries = failed_tries.saturating_add(1);
                    // The pool has waited already if it could not connect.
                    let _slept = sleep(db, 0.05 * f64::from(1_u32 << failed_tries.min(6))).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits as long as the job's limit asks after a page, together with all other workers.
    async fn keep_to_the_rate(&self, db: &PgPool, rows: u64) -> Result<(), sqlx::Error> {
        let Some(limit) = self.rows_per_second else { return Ok(()) };
        let reserve = "UPDATE sealwax.jobs
            SET free_at = greatest(free_at, clock_timestamp()) + make_interval(secs => $2::float8 / $3) WHERE id = $1
            RETURNING extract(epoch FROM free_at - clock_timestamp())::float8";
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let wait: Option<f64> = query_scalar(reserve).bind(self.id).bind(rows).bind(limit).fetch_optional(db).await?;
        let mut left = wait.unwrap_or(0.0);
        while left > 0.0 {
            sleep(db, left.min(1.0)).await?;
            left -= 1.0;
        }
        Ok(())
    }
}

/// Waits without a timer of a runtime: the database is there.
async fn sleep(db: &PgPool, seconds: f64) -> Result<(), sqlx::Error> {
    query("SELECT pg_sleep($1)").bind(seconds).execute(db).await.map(drop)
}

/// Returns whether the same page may succeed later: the connection broke, the server restarts or is full, or a lock or
/// a statement took too long.
fn can_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // Connection, transaction rollback, resources, intervention of an operator, lock, idle transaction.
            let classes = ["08", "40", "53", "57", "58"];
            classes.iter().any(|class| code.starts_with(class)) || code == "55P03" || code == "25P03"
        }),
        _ => false,
    }
}

fn begin(limits: &Limits) -> String {
    let milliseconds = |limit: Duration| limit.as_millis().clamp(1, 86_400_000);
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {};
         SET LOCAL idle_in_transaction_session_timeout = {}",
        milliseconds(limits.statement),
        milliseconds(limits.lock),
        milliseconds(limits.idle)
    )
}

struct Worker<'a> {
    job: &'a Job,
    ring: &'a Keyring,
    statements: Statements,
    begin: String,
}

impl Worker<'_> {
    async fn next(&self, db: &PgPool) -> Result<Next, WorkError> {
        let mut transaction = db.begin_with(AssertSqlSafe(self.begin.clone())).await?;
        let Some(range) = self.range(&mut transaction).await? else { return self.after_ranges(transaction, db).await };
        let rows = self.statements.page(&mut transaction, range.left(), self.job.page).await?;
        let Some((mark, _)) = rows.last() else {
            let finish = "UPDATE sealwax.ranges SET finished_at = now() WHERE id = $1";
            query(finish).bind(range.id).execute(&mut *transaction).await?;
            transaction.commit().await?;
            return Ok(Next::Page(Done::default()));
        };
        let mark = mark.clone();
        let page = self.page(&mut transaction, rows).await?;
        if let Some(because) = page.stop {
            return self.stop(transaction, db, because).await;
        }
        let done = page.done;
        let move_mark = "UPDATE sealwax.ranges SET mark = $2, rows = rows + $3, changed = changed + $4,
            current = current + $5 WHERE id = $1";
        let move_mark = query(move_mark).bind(range.id).bind(mark);
        let move_mark = move_mark.bind(signed(done.rows)).bind(signed(done.changed)).bind(signed(done.current));
        move_mark.execute(&mut *transaction).await?;
        self.record(&mut transaction, &page.failures).await?;
        transaction.commit().await?;
        Ok(Next::Page(done))
    }

    /// Locks a range that is not finished, if there is one and the job runs.
    async fn range(&self, transaction: &mut PgTransaction<'_>) -> Result<Option<Range>, sqlx::Error> {
        const OF_A_RUNNING_JOB: &str = "SELECT r.id, r.above, r.up_to, r.mark FROM sealwax.ranges r
              JOIN sealwax.jobs j ON j.id = r.job
             WHERE r.job = $1 AND r.finished_at IS NULL
               AND j.paused_at IS NULL AND j.stopped_because IS NULL AND j.finished_at IS NULL";
        let free = format!("{OF_A_RUNNING_JOB} ORDER BY r.id LIMIT 1 FOR NO KEY UPDATE OF r SKIP LOCKED");
        let free = query_as(AssertSqlSafe(free)).bind(self.job.id).fetch_optional(&mut **transaction).await?;
        if free.is_some() {
            return Ok(free);
        }
        // Others work on all of them. Wait for the end of a page, and leave its worker a part of the range.
        let taken = format!("{OF_A_RUNNING_JOB} ORDER BY r.id DESC LIMIT 1 FOR NO KEY UPDATE OF r");
        let taken = query_as(AssertSqlSafe(taken)).bind(self.job.id).fetch_optional(&mut **transaction).await?;
        let Some(mut range): Option<Range> = taken else { return Ok(None) };
        let pages = PAGES_BEFORE_SPLIT.saturating_mul(self.job.page.into());
        if let Some(split) = self.statements.nth(transaction, range.left(), pages).await? {
            add_range(transaction, self.job.id, Some(&split), range.up_to.as_ref()).await?;
            let shorten = "UPDATE sealwax.ranges SET up_to = $2 WHERE id = $1";
            query(shorten).bind(range.id).bind(&split).execute(&mut **transaction).await?;
            range.up_to = Some(split);
        }
        Ok(Some(range))
    }

    /// Tries again what failed and can pass, and ends the job when nothing is left.
    async fn after_ranges(&self, mut transaction: PgTransaction<'_>, db: &PgPool) -> Result<Next, WorkError> {
        let state =
            "SELECT paused_at IS NOT NULL AS is_paused, stopped_because, finished_at IS NOT NULL AS is_finished,
            replaced_by FROM sealwax.jobs WHERE id = $1";
        let state: Option<State> = query_as(state).bind(self.job.id).fetch_optional(&mut *transaction).await?;
        match state.ok_or(WorkError::Gone)? {
            State { replaced_by: Some(by), .. } => return Err(WorkError::Replaced { by }),
            State { is_finished: true, .. } => return Ok(Next::End),
            State { stopped_because: Some(because), .. } => return Err(WorkError::Stopped { because }),
            State { is_paused: true, .. } => return Ok(Next::Wait),
            State { .. } => {}
        }
        let again = "SELECT key FROM sealwax.failures WHERE job = $1 AND is_transient AND tries < $2
              AND failed_at <= now() - tries * interval '200 milliseconds'
            ORDER BY tries, key LIMIT $3 FOR UPDATE SKIP LOCKED";
        let again = query_scalar(again).bind(self.job.id).bind(TRIES_OF_A_ROW).bind(self.job.page);
        let keys: Vec<Key> = again.fetch_all(&mut *transaction).await?;
        if keys.is_empty() {
            let finish = "UPDATE sealwax.jobs j SET finished_at = now() WHERE id = $1 AND finished_at IS NULL
                 AND NOT EXISTS (SELECT FROM sealwax.ranges WHERE job = j.id AND finished_at IS NULL)
                 AND NOT EXISTS (SELECT FROM sealwax.failures WHERE job = j.id AND is_transient AND tries < $2)";
            let finish = query(finish).bind(self.job.id).bind(TRIES_OF_A_ROW).execute(&mut *transaction).await?;
            transaction.commit().await?;
            return Ok(if finish.rows_affected() == 1 { Next::End } else { Next::Wait });
        }
        let rows = self.statements.at_keys(&mut transaction, &keys).await?;
        let page = self.page(&mut transaction, rows).await?;
        if let Some(because) = page.stop {
            return self.stop(transaction, db, because).await;
        }
        let count = "UPDATE sealwax.ranges SET changed = changed + $2, current = current + $3
            WHERE id = (SELECT max(id) FROM sealwax.ranges WHERE job = $1)";
        let count = query(count).bind(self.job.id).bind(signed(page.done.changed)).bind(signed(page.done.current));
        count.execute(&mut *transaction).await?;
        self.record(&mut transaction, &page.failures).await?;
        // A row that did not fail this time, or is gone.
        let failed: HashSet<&Key> = page.failures.iter().map(|failure| &failure.key).collect();
        let succeeded: Vec<&Key> = keys.iter().filter(|key| !failed.contains(key)).collect();
        let forget = format!("DELETE FROM sealwax.failures WHERE job = $1 AND key IN (SELECT {KEY} FROM {KEYS})");
        self.with_keys(query(AssertSqlSafe(forget)), succeeded).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Next::Page(Done { rows: 0, ..page.done }))
    }

    /// Does what the job does with the rows of a page.
    async fn page(&self, db: &mut PgConnection, mut rows: Vec<(Key, Stored)>) -> Result<Page, sqlx::Error> {
        let mut page = Page::default();
        page.done.rows = unsigned(rows.len());
        match self.job.kind {
            Kind::Verify => page.failures = self.verify(rows).await,
            Kind::Rotate => {
                for turn in 0.. {
                    let batch = self.ring.rewrap_batch_async(rows).await;
                    if batch.must_stop() {
                        page.stop = batch.failures.first().map(|(_, error)| error.to_string());
                        return Ok(page);
                    }
                    page.failures.extend(batch.failures.into_iter().map(|(key, error)| Failure::new(key, &error)));
                    let swaps: Vec<_> = batch.changes.into_iter().map(Swap::from).collect();
                    if turn == TURNS {
                        page.failures.extend(swaps.into_iter().map(|swap| Failure::busy(swap.key)));
                        break;
                    }
                    let written = if swaps.is_empty() { 0 } else { self.statements.swap(db, &swaps).await? };
                    page.done.changed = page.done.changed.saturating_add(written);
                    if written == unsigned(swaps.len()) {
                        break;
                    }
                    // Somebody has locked or changed a row: read them again, also those that are done now.
                    let keys: Vec<Key> = swaps.into_iter().map(|swap| swap.key).collect();
                    rows = self.statements.at_keys(db, &keys).await?;
                }
            }
        }
        page.done.failed = unsigned(page.failures.len());
        let touched = page.done.changed.saturating_add(page.done.failed);
        page.done.current = page.done.rows.saturating_sub(touched);
        Ok(page)
    }

    async fn verify(&self, rows: Vec<(Key, Stored)>) -> Vec<Failure> {
        let mut failures = Vec::new();
        for (key, stored) in rows {
            match Envelope::try_from(stored) {
                Err(error) => failures.push(Failure::new(key, &RowError::Format(error))),
                Ok(envelope) => {
                    if let Err(error) = self.ring.verify_async(&envelope).await {
                        failures.push(Failure::new(key, &RowError::from(RewrapError::from(error))));
                    }
                }
            }
        }
        failures
    }

    /// Records rows that failed, and stops the job if there are too many of one class.
    async fn record(&self, db: &mut PgConnection, failures: &[Failure]) -> Result<(), sqlx::Error> {
        if failures.is_empty() {
            return Ok(());
        }
        let record = format!(
            "INSERT INTO sealwax.failures (job, key, class, name, key_id, is_transient)
             SELECT $1, {KEY}, ($4::text[])[i], ($5::text[])[i], ($6::text[])[i], ($7::bool[])[i] FROM {KEYS}
                 ON CONFLICT (job, key) DO UPDATE SET class = excluded.class, name = excluded.name,
                    key_id = excluded.key_id, is_transient = excluded.is_transient,
                    tries = failures.tries + 1, failed_at = now()"
        );
        let record = self.with_keys(query(AssertSqlSafe(record)), failures.iter().map(|failure| &failure.key));
        let record = record
            .bind(failures.iter().map(|failure| failure.class.as_str()).collect::<Vec<_>>())
            .bind(failures.iter().map(|failure| failure.name).collect::<Vec<_>>())
            .bind(failures.iter().map(|failure| failure.key_id.as_ref().map(AsRef::<str>::as_ref)).collect::<Vec<_>>())
            .bind(failures.iter().map(|failure| failure.is_transient).collect::<Vec<_>>());
        record.execute(&mut *db).await?;
        let Some(limit) = self.job.stop_after else { return Ok(()) };
        let stop = "UPDATE sealwax.jobs SET stopped_because = format('%s rows failed, class %s', rows, class)
              FROM (SELECT class, count(*) AS rows FROM sealwax.failures WHERE job = $1
                     GROUP BY class HAVING count(*) >= $2 ORDER BY rows DESC LIMIT 1) AS failed WHERE id = $1";
        query(stop).bind(self.job.id).bind(limit).execute(db).await.map(drop)
    }

    /// Takes a page back and stops the job.
    async fn stop(&self, transaction: PgTransaction<'_>, db: &PgPool, because: String) -> Result<Next, WorkError> {
        transaction.rollback().await?;
        let stop = "UPDATE sealwax.jobs SET stopped_because = $2 WHERE id = $1";
        query(stop).bind(self.job.id).bind(&because).execute(db).await?;
        Err(WorkError::Stopped { because })
    }

    /// Binds the job and, for [`KEYS`], the keys.
    fn with_keys<'q>(
        &self,
        statement: Query<'q, Postgres, PgArguments>,
        keys: impl IntoIterator<Item = impl AsRef<[String]>>,
    ) -> Query<'q, Postgres, PgArguments> {
        let mut values: Vec<String> = Vec::new();
        keys.into_iter().for_each(|key| values.extend_from_slice(key.as_ref()));
        let width = i32::try_from(self.job.table.keys().count()).unwrap_or(i32::MAX);
        statement.bind(self.job.id).bind(values).bind(width)
    }
}

/// Keys of any width, from one array of all their values: PostgreSQL has no arrays of arrays.
const KEYS: &str = "generate_series(1, cardinality($2::text[]) / $3::int4) AS i";
const KEY: &str = "($2::text[])[(i - 1) * $3 + 1 : i * $3]";

fn unsigned(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
