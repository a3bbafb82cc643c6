//! One step of a worker: the transaction of a page.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::slice;
use std::time::Duration;

use sealwax::triplet::TripletKey;
use sealwax::{KeyState, Keyring};
use sqlx::postgres::{PgArguments, PgTransaction};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, FromRow, PgConnection, Postgres, query, query_as, query_scalar};

use crate::job::{Job, add_range};
use crate::page::{Attempt, Failure, Reason};
use crate::statements::{Key, Row, Statements, Swap};
use crate::task::Task;
use crate::worker::{Done, WorkError, refuses};

/// How many pages must be left in a range for a worker to leave half of them to another.
const PAGES_WORTH_A_SPLIT: i64 = 4;

/// How many of them it counts to find the middle.
const COUNTED_PAGES: i64 = 1_000;

/// How long a worker waits before it looks again whether a job goes on.
const PAUSE: Duration = Duration::from_millis(50);

/// How many times a worker reads rows again that somebody changed or locked meanwhile.
const TURNS: usize = 3;

/// How long a page waits for a row that somebody has locked, in milliseconds: so much shorter than PostgreSQL's
/// `deadlock_timeout` (1 s) that in a deadlock it is the page that ends, and not the customer's transaction.
const WAIT_FOR_A_ROW: u32 = 50;

/// The same for a page that leaves such rows out: then it waits only for what triggers lock.
const WAIT_FOR_TRIGGERS: u32 = 500;

/// How many times a job tries a row again that failed for a reason that can pass.
const TRIES_OF_A_ROW: i32 = 5;

#[derive(Debug, FromRow)]
struct Range {
    id: i64,
    above: Option<Key>,
    up_to: Option<Key>,
    mark: Option<Key>,
    is_wanted: bool,
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
    is_cancelled: bool,
    replaced_by: Option<i64>,
}

/// What a worker finds when it looks for a range.
enum Search {
    /// It has locked one that is not finished.
    Found(Range),
    /// It has left a part of its range to a worker that has none.
    Split,
    /// Others work on all of them, and it has said that it has none.
    Taken,
    /// All of them are finished, or the job does not run.
    Nothing,
}

/// What became of the rows of a page.
#[derive(Debug, Default)]
struct Page {
    done: Done,
    failures: Vec<Failure>,
}

/// Why nothing of a page may be written. Its transaction is rolled back when it is dropped.
enum Halt {
    /// The job has to stop.
    Stop(String),
    /// Otherwise, a short outage would give up every row of the table.
    Error(WorkError),
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        Self::Error(error.into())
    }
}

impl From<WorkError> for Halt {
    fn from(error: WorkError) -> Self {
        Self::Error(error)
    }
}

/// What a worker does next.
pub(crate) enum Next {
    Page(Done),
    Again,
    Wait(Duration),
    /// Nothing of the page is written, and the job has to stop.
    Stop(String),
    End,
}

pub(crate) struct Worker<'a> {
    pub(crate) job: &'a Job,
    pub(crate) ring: &'a Keyring,
    /// The key of the rows of an import.
    pub(crate) foreign: Option<&'a TripletKey>,
    pub(crate) statements: Statements,
    /// How every transaction begins.
    pub(crate) begin: String,
}

/// How a page is written, from the fastest way to the most careful one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Care {
    /// Waits a short time for rows that a customer has locked. If it takes longer, the page begins again, with the next.
    Wait,
    /// Leaves rows out that are locked.
    SkipLocked,
    /// The database refused the page: tries the rows one by one, to find those that it refuses.
    OneByOne,
}

impl Care {
    /// Returns how the pages of a job are written at first.
    pub(crate) fn for_keys_of(ring: &Keyring) -> Self {
        // With a key at a service, a page is too dear to begin again.
        let is_usable = |(_, state): &(_, KeyState)| {
            matches!(state, KeyState::Primary | KeyState::Retired | KeyState::Escrow | KeyState::OfflineEscrow)
        };
        let mut usable = ring.keys().filter(is_usable);
        if usable.all(|(id, _)| ring.check_value(id.as_ref()).is_some()) { Self::Wait } else { Self::SkipLocked }
    }
}

impl Worker<'_> {
    /// Does one page of the job, in a transaction, or several that need no change, or finds that there is none.
    ///
    /// After an error, the connection must be closed, because it may be in a transaction that sqlx does not know.
    pub(crate) async fn next(&self, db: &mut PgConnection, care: Care) -> Result<Next, WorkError> {
        match self.step(db, care).await {
            Ok(next) => Ok(next),
            Err(Halt::Stop(because)) => Ok(Next::Stop(because)),
            Err(Halt::Error(error)) => Err(error),
        }
    }

    async fn step(&self, db: &mut PgConnection, care: Care) -> Result<Next, Halt> {
        let mut transaction = db.begin_with(AssertSqlSafe(self.begin.clone())).await?;
        let mut range = match self.range(&mut transaction, care).await? {
            Search::Found(range) => range,
            Search::Split => {
                transaction.commit().await?;
                return Ok(Next::Again);
            }
            Search::Taken => {
                transaction.commit().await?;
                // Shorter than the pages that stay.
                return Ok(Next::Wait(Duration::from_millis(5)));
            }
            Search::Nothing => return self.after_ranges(transaction, care).await,
        };
        let (mut done, mut failures, mut is_finished) = (Done::default(), Vec::new(), false);
        for _ in 0..self.pages_without_change() {
            let rows;
            (rows, is_finished) = self.statements.page(&mut transaction, range.left(), self.job.page).await?;
            let Some(Row { key, .. }) = rows.last() else { break };
            range.mark = Some(key.clone());
            let page = self.page(&mut transaction, rows, care, done.current > 0).await?;
            done.add(page.done);
            failures = page.failures;
            if is_finished || done.current < done.rows {
                break;
            }
        }
        let move_mark = "UPDATE sealwax.ranges SET mark = $2, rows = rows + $3, changed = changed + $4,
            current = current + $5, finished_at = CASE WHEN $6 THEN now() END WHERE id = $1";
        let move_mark = query(move_mark).bind(range.id).bind(range.mark);
        let move_mark = move_mark.bind(signed(done.rows)).bind(signed(done.changed)).bind(signed(done.current));
        move_mark.bind(is_finished).execute(&mut *transaction).await?;
        self.record(&mut transaction, &failures).await?;
        transaction.commit().await?;
        Ok(Next::Page(done))
    }

    /// Returns how many pages may be in one transaction as long as none of their rows needs a change.
    fn pages_without_change(&self) -> usize {
        // Only a rotation passes over them so fast that nobody waits for it.
        if matches!(self.job.task, Task::Rotate) && self.job.rows_per_second.is_none() { 16 } else { 1 }
    }

    /// Looks for a range, if the job runs.
    async fn range(&self, transaction: &mut PgTransaction<'_>, care: Care) -> Result<Search, sqlx::Error> {
        const OF_A_RUNNING_JOB: &str = "FROM sealwax.ranges r JOIN sealwax.jobs j ON j.id = r.job
             WHERE r.job = $1 AND r.finished_at IS NULL
               AND j.paused_at IS NULL AND j.stopped_because IS NULL AND j.finished_at IS NULL";
        // From then on, it waits only for rows of the table.
        let wait = if care == Care::Wait { WAIT_FOR_A_ROW } else { WAIT_FOR_TRIGGERS };
        let free = format!(
            "SELECT range.*, set_config('lock_timeout', '{wait}ms', true)
               FROM (SELECT r.id, r.above, r.up_to, r.mark, j.is_wanted {OF_A_RUNNING_JOB}
                      ORDER BY r.id LIMIT 1 FOR NO KEY UPDATE OF r SKIP LOCKED) AS range"
        );
        let free = query_as(AssertSqlSafe(free)).bind(self.job.id).fetch_optional(&mut **transaction).await?;
        let Some(range): Option<Range> = free else {
            // Others work on all of them. One of them leaves a part of its own.
            let want = format!(
                "UPDATE sealwax.jobs SET is_wanted = true WHERE id = $1 AND EXISTS (SELECT {OF_A_RUNNING_JOB})"
            );
            let want = query(AssertSqlSafe(want)).bind(self.job.id).execute(&mut **transaction).await?;
            return Ok(if want.rows_affected() > 0 { Search::Taken } else { Search::Nothing });
        };
        if !range.is_wanted {
            return Ok(Search::Found(range));
        }
        let page = i64::from(self.job.page);
        let left = self.statements.left(transaction, range.left(), page.saturating_mul(COUNTED_PAGES)).await?;
        if left < page.saturating_mul(PAGES_WORTH_A_SPLIT) {
            return Ok(Search::Found(range));
        }
        let Some(split) = self.statements.nth(transaction, range.left(), left / 2).await? else {
            return Ok(Search::Found(range));
        };
        add_range(transaction, self.job.id, Some(&split), range.up_to.as_ref()).await?;
        let shorten = "UPDATE sealwax.ranges SET up_to = $2 WHERE id = $1";
        query(shorten).bind(range.id).bind(&split).execute(&mut **transaction).await?;
        let served = "UPDATE sealwax.jobs SET is_wanted = false WHERE id = $1";
        query(served).bind(self.job.id).execute(&mut **transaction).await?;
        Ok(Search::Split)
    }

    /// Tries again what failed and can pass, and ends the job when nothing is left.
    async fn after_ranges(&self, mut transaction: PgTransaction<'_>, care: Care) -> Result<Next, Halt> {
        let state =
            "SELECT paused_at IS NOT NULL AS is_paused, stopped_because, finished_at IS NOT NULL AS is_finished,
            is_cancelled, replaced_by FROM sealwax.jobs WHERE id = $1";
        let state: Option<State> = query_as(state).bind(self.job.id).fetch_optional(&mut *transaction).await?;
        match state.ok_or(WorkError::Gone)? {
            State { replaced_by: Some(by), .. } => return Err(WorkError::Replaced { by }.into()),
            State { is_cancelled: true, .. } => return Err(WorkError::Cancelled.into()),
            State { is_finished: true, .. } => return Ok(Next::End),
            State { stopped_because: Some(because), .. } => return Err(WorkError::Stopped { because }.into()),
            State { is_paused: true, .. } => {
                transaction.rollback().await?;
                return Ok(Next::Wait(PAUSE));
            }
            State { .. } => {}
        }
        let again = "SELECT key FROM sealwax.failures WHERE job = $1 AND is_transient AND tries < $2
              AND failed_at <= now() - 5 ^ (tries - 1) * interval '200 milliseconds'
            ORDER BY tries, key LIMIT $3 FOR UPDATE SKIP LOCKED";
        let again = query_scalar(again).bind(self.job.id).bind(TRIES_OF_A_ROW).bind(self.job.page);
        let keys: Vec<Key> = again.fetch_all(&mut *transaction).await?;
        if keys.is_empty() {
            let finish = "UPDATE sealwax.jobs j SET finished_at = now() WHERE id = $1 AND finished_at IS NULL
                 AND NOT EXISTS (SELECT FROM sealwax.ranges WHERE job = j.id AND finished_at IS NULL)
                 AND NOT EXISTS (SELECT FROM sealwax.failures WHERE job = j.id AND is_transient AND tries < $2)";
            let finish = query(finish).bind(self.job.id).bind(TRIES_OF_A_ROW).execute(&mut *transaction).await?;
            transaction.commit().await?;
            return Ok(if finish.rows_affected() == 1 { Next::End } else { Next::Wait(PAUSE) });
        }
        let rows = self.statements.at_keys(&mut transaction, &keys).await?;
        let page = self.page(&mut transaction, rows, care.max(Care::SkipLocked), false).await?;
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
    async fn page(
        &self,
        db: &mut PgConnection,
        mut rows: Vec<Row>,
        care: Care,
        has_success: bool,
    ) -> Result<Page, Halt> {
        let mut page = Page::default();
        page.done.rows = unsigned(rows.len());
        for turn in 0.. {
            let Attempt { mut swaps, failures, stop, outage } = self.attempt(rows).await;
            // One bad row must not stop a job in which others succeed; a key that does not unwrap what it wraps must.
            let is_unverified = failures.iter().any(|failure| failure.reason.name == "unverified");
            let may_stop = turn == 0 && page.done.rows > 1 && !has_success;
            if let Some(because) = stop
                && (is_unverified || (may_stop && self.has_no_success(db).await?))
            {
                return Err(Halt::Stop(because));
            }
            if let Some(outage) = outage.filter(|_| turn == 0)
                && (outage.can_pass || !self.is_resumed(db).await?)
            {
                return Err(outage.error.into());
            }
            page.failures.extend(failures);
            if turn == TURNS {
                page.failures.extend(swaps.into_iter().map(|swap| Failure { key: swap.key, reason: Reason::busy() }));
                break;
            }
            if matches!(self.job.task, Task::Reseal { .. }) && !self.job.is_dry_run {
                self.list(db, &swaps).await?;
            }
            let written = if self.job.is_dry_run {
                unsigned(std::mem::take(&mut swaps).len())
            } else if care == Care::OneByOne {
                let (written, left) = self.one_by_one(db, swaps, &mut page.failures).await?;
                swaps = left;
                written
            } else {
                let written = self.statements.swap(db, &swaps, care).await?;
                if written == unsigned(swaps.len()) {
                    swaps.clear();
                }
                written
            };
            page.done.changed = page.done.changed.saturating_add(written);
            if swaps.is_empty() {
                break;
            }
            // Somebody has locked or changed a row: read them again, also those that are done now.
            let keys: Vec<Key> = swaps.into_iter().map(|swap| swap.key).collect();
            rows = self.statements.at_keys(db, &keys).await?;
        }
        page.done.failed = unsigned(page.failures.len());
        let touched = page.done.changed.saturating_add(page.done.failed);
        page.done.current = page.done.rows.saturating_sub(touched);
        Ok(page)
    }

    async fn has_no_success(&self, db: &mut PgConnection) -> Result<bool, sqlx::Error> {
        // Whoever resumes a job that has stopped wants it to go on.
        if self.is_resumed(db).await? {
            return Ok(false);
        }
        let none = "SELECT NOT EXISTS (
            SELECT FROM sealwax.ranges WHERE job = $1 AND (changed > 0 OR current > 0 AND $2))";
        // What a reseal or an import leaves as it is tells nothing about keys and contexts.
        let is_rotation = matches!(self.job.task, Task::Rotate);
        query_scalar(none).bind(self.job.id).bind(is_rotation).fetch_one(db).await
    }

    async fn is_resumed(&self, db: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let is_resumed = "SELECT resumed_at IS NOT NULL FROM sealwax.jobs WHERE id = $1";
        query_scalar(is_resumed).bind(self.job.id).fetch_one(db).await
    }

    /// Writes each row by itself; a row that the database refuses fails. Returns how many it wrote, and the others' swaps.
    async fn one_by_one(
        &self,
        db: &mut PgConnection,
        swaps: Vec<Swap>,
        failures: &mut Vec<Failure>,
    ) -> Result<(u64, Vec<Swap>), sqlx::Error> {
        // Otherwise a deferred constraint would refuse all of them, at the end.
        query("SET CONSTRAINTS ALL IMMEDIATE").execute(&mut *db).await?;
        let (mut written, mut left) = (0_u64, Vec::new());
        for swap in swaps {
            let mut savepoint = db.begin().await?;
            match self.statements.swap(&mut savepoint, slice::from_ref(&swap), Care::OneByOne).await {
                Ok(count) => {
                    savepoint.commit().await?;
                    written = written.saturating_add(count);
                    if count == 0 {
                        left.push(swap);
                    }
                }
                Err(error) if refuses(&error) => {
                    savepoint.rollback().await?;
                    failures.push(Failure { key: swap.key, reason: Reason::refused_by_database(&error) });
                }
                Err(error) => return Err(error),
            }
        }
        Ok((written, left))
    }

    /// Lists the rows of a job that reseals, before it writes them.
    async fn list(&self, db: &mut PgConnection, swaps: &[Swap]) -> Result<(), sqlx::Error> {
        let list =
            format!("INSERT INTO sealwax.resealed (job, key) SELECT $1, {KEY} FROM {KEYS} ON CONFLICT DO NOTHING");
        self.with_keys(query(AssertSqlSafe(list)), swaps.iter().map(|swap| &swap.key)).execute(db).await.map(drop)
    }

    /// Records rows that failed, and stops the job if there are too many of one class.
    async fn record(&self, db: &mut PgConnection, failures: &[Failure]) -> Result<(), sqlx::Error> {
        if failures.is_empty() {
            return Ok(());
        }
        let record = format!(
            "INSERT INTO sealwax.failures (job, key, class, name, key_id, detail, is_transient)
             SELECT $1, {KEY}, ($4::text[])[i], ($5::text[])[i], ($6::text[])[i], ($7::text[])[i], ($8::bool[])[i]
               FROM {KEYS}
                 ON CONFLICT (job, key) DO UPDATE SET class = excluded.class, name = excluded.name,
                    key_id = excluded.key_id, detail = excluded.detail,
                    is_transient = excluded.is_transient,
                    tries = failures.tries + 1, failed_at = now()"
        );
        let record = self.with_keys(query(AssertSqlSafe(record)), failures.iter().map(|failure| &failure.key));
        let record = record
            .bind(failures.iter().map(|failure| failure.reason.class).collect::<Vec<_>>())
            .bind(failures.iter().map(|failure| failure.reason.name).collect::<Vec<_>>())
            .bind(
                failures
                    .iter()
                    .map(|failure| failure.reason.key_id.as_ref().map(AsRef::<str>::as_ref))
                    .collect::<Vec<_>>(),
            )
            .bind(failures.iter().map(|failure| failure.reason.detail.as_str()).collect::<Vec<_>>())
            .bind(failures.iter().map(|failure| failure.reason.is_transient).collect::<Vec<_>>());
        record.execute(&mut *db).await?;
        let Some(limit) = self.job.stop_after else { return Ok(()) };
        let stop = "UPDATE sealwax.jobs SET stopped_because = format('%s rows failed, class %s', rows, class)
              FROM (SELECT class, count(*) AS rows FROM sealwax.failures WHERE job = $1 AND failed_at > coalesce(
                          (SELECT resumed_at FROM sealwax.jobs WHERE id = $1), '-infinity')
                     GROUP BY class HAVING count(*) >= $2 ORDER BY rows DESC LIMIT 1) AS failed WHERE id = $1";
        query(stop).bind(self.job.id).bind(limit).execute(db).await.map(drop)
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
