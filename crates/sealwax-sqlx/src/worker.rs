//! A worker: it takes a range, does one page of it in a transaction, and begins again.
//!
//! PostgreSQL is the coordinator. A worker holds the lock of a range's row for the transaction of one page, so the lock
//! of a worker that dies goes with its connection, and whoever comes next goes on at the mark.

use std::time::Duration;

use futures_timer::Delay;
use sealwax::triplet::TripletKey;
use sealwax::{KeyId, Keyring, OpenError};
use sqlx::error::DatabaseError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use sqlx::{PgConnection, Postgres, query, query_scalar};
use thiserror::Error;

use crate::job::{Job, LOCK};
use crate::statements::Statements;
use crate::step::{Care, Next, Worker};
use crate::task::Kind;
use crate::witness;

/// How long a worker pauses after the first try that failed, doubled each time: some 31 s in all for eight tries.
const FIRST_PAUSE: Duration = Duration::from_millis(60);

/// How a worker treats the database.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest time that one statement takes.
    pub statement: Duration,
    /// The longest time that a statement waits for the lock of the job or of the table.
    pub lock: Duration,
    /// The time after which PostgreSQL ends the transaction of a worker that has stopped. A page's requests to a key
    /// service must take less.
    pub idle: Duration,
    /// How many times in a row a worker tries a page again after the database or the key service failed. Eight times take
    /// half a minute.
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
    /// The number of tries that failed. A row that is tried again counts each time; [`Status`](crate::Status) counts rows.
    pub failed: u64,
}

impl Done {
    pub(crate) const fn add(&mut self, other: Self) {
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
    /// The keyring does not open what the planner of the job has sealed for its workers.
    ///
    /// So it has another key under the same id, such as that of a test service, or the key service does not let it unwrap.
    #[error("the keys are not those that the job was planned with, or do not unwrap")]
    #[non_exhaustive]
    Witness {
        /// Why it does not open it.
        source: OpenError,
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
    /// The key service is down, or refuses: no row of a page succeeds, several times in a row.
    ///
    /// The page is not recorded, and a worker that starts later tries it again. If the service refuses for good, such as
    /// for a key that was destroyed there, [resume](Job::resume) the job: the rows are failures then.
    #[error("the key service is down or refuses: {detail}")]
    #[non_exhaustive]
    KeyService {
        /// The key.
        key_id: Option<KeyId>,
        /// What one of the rows says, without anything of its contents.
        detail: String,
    },
    /// Somebody has [cancelled](Job::cancel) the job.
    #[error("the job was cancelled")]
    Cancelled,
    /// The job is an import: use [`work_on_import`](Job::work_on_import).
    #[error("an import needs the key of the rows")]
    NoKey,
    /// The job was deleted.
    #[error("there is no such job any more")]
    Gone,
    /// The database failed, several times in a row.
    ///
    /// Log its `Display`: its `Debug` has PostgreSQL's details, which can repeat the columns of a row.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

fn hex(fingerprint: &[u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(*fingerprint))
}

impl Job {
    /// Works on the job until every row is done, together with all other workers that do the same, in any process.
    ///
    /// `on_page` is called after each page of this worker, or after several that needed no change. If the future is dropped,
    /// the page in progress is rolled back.
    /// The work on local keys takes some milliseconds a page, without a pause: give workers threads of their own, away from
    /// a service's requests. Each worker uses one connection of the pool; if the database goes away, the pool's timeout
    /// says how long the worker waits for it at each try.
    ///
    /// Rows that fail are in [`failures`](Self::failures) and stop nothing. Those that failed for a reason that can pass
    /// are tried again at the end.
    ///
    /// # Errors
    /// Returns an error if the keyring is not the job's, if the job stopped or was replaced or cancelled, or if the
    /// database or the key service fails several times in a row.
    pub async fn work(
        &self,
        db: &PgPool,
        ring: &Keyring,
        limits: &Limits,
        on_page: impl FnMut(&Done) + Send,
    ) -> Result<Done, WorkError> {
        self.work_with(db, ring, None, limits, on_page).await
    }

    /// Works on an import, as [`work`](Self::work) does, with the key of the rows.
    ///
    /// # Errors
    /// Returns the same errors.
    pub async fn work_on_import(
        &self,
        db: &PgPool,
        ring: &Keyring,
        foreign: &TripletKey,
        limits: &Limits,
        on_page: impl FnMut(&Done) + Send,
    ) -> Result<Done, WorkError> {
        self.work_with(db, ring, Some(foreign), limits, on_page).await
    }

    async fn work_with(
        &self,
        db: &PgPool,
        ring: &Keyring,
        foreign: Option<&TripletKey>,
        limits: &Limits,
        mut on_page: impl FnMut(&Done) + Send,
    ) -> Result<Done, WorkError> {
        let (expected, found) = (self.fingerprint, ring.fingerprint());
        if expected != found {
            return Err(WorkError::OtherKeyring { expected, found });
        }
        if foreign.is_none() && self.kind() == Kind::Import {
            return Err(WorkError::NoKey);
        }
        let statements = Statements::new(&self.table, self.reads.clone());
        let worker = Worker { job: self, ring, foreign, statements, begin: begin(limits, self.id) };
        let usual = Care::for_keys_of(ring);
        let (mut connection, mut all, mut failed_tries, mut care) = (None, Done::default(), 0_u32, usual);
        loop {
            let error = match self.page(db, &mut connection, &worker, care).await {
                Ok(Next::Page(done)) => {
                    (care, failed_tries) = (usual, 0);
                    all.add(done);
                    on_page(&done);
                    continue;
                }
                Ok(Next::Again | Next::Wait(_)) => continue,
                Ok(Next::Stop(because)) => return Err(WorkError::Stopped { because }),
                Ok(Next::End) => return Ok(all),
                Err(error) => error,
            };
            // It may be in a transaction that failed.
            connection = None;
            match error {
                // A customer has locked a row for long, or somebody replaces or cancels the job, or changes the table.
                WorkError::Database(error) if is_lock_timeout(&error) => care = care.max(Care::SkipLocked),
                WorkError::Database(error) if care != Care::OneByOne && refuses(&error) => care = Care::OneByOne,
                error if failed_tries < limits.tries && can_pass(&error) => {
                    failed_tries = failed_tries.saturating_add(1);
                    Delay::new(FIRST_PAUSE.saturating_mul(1_u32 << failed_tries.min(8))).await;
                }
                error => return Err(error),
            }
        }
    }

    /// Does a page, and waits as long as is necessary before it and after it.
    async fn page(
        &self,
        db: &PgPool,
        connection: &mut Option<PoolConnection<Postgres>>,
        worker: &Worker<'_>,
        care: Care,
    ) -> Result<Next, WorkError> {
        let connection = match connection {
            Some(connection) => connection,
            None => {
                if let Some(witness) = &self.witness {
                    witness::open(worker.ring, witness).await.map_err(|source| WorkError::Witness { source })?;
                }
                let mut new = db.acquire().await?;
                // If the future is dropped, the server sees at once that the page ends.
                new.close_on_drop();
                connection.insert(new)
            }
        };
        let next = worker.next(connection, care).await?;
        match &next {
            // If this fails, so does the next page.
            Next::Page(done) => drop(self.keep_to_the_rate(connection, done).await),
            Next::Wait(time) => Delay::new(*time).await,
            Next::Stop(because) => {
                let stop = "UPDATE sealwax.jobs SET stopped_because = $2 WHERE id = $1";
                query(stop).bind(self.id).bind(because).execute(&mut **connection).await?;
            }
            Next::Again | Next::End => {}
        }
        Ok(next)
    }

    /// Waits as long as the job's limit asks after a page, together with all other workers.
    async fn keep_to_the_rate(&self, db: &mut PgConnection, done: &Done) -> Result<(), sqlx::Error> {
        let Some(limit) = self.rows_per_second else { return Ok(()) };
        let reserve = "UPDATE sealwax.jobs
            SET free_at = greatest(free_at, clock_timestamp()) + make_interval(secs => $2::float8 / $3) WHERE id = $1
            RETURNING extract(epoch FROM free_at - clock_timestamp())::float8";
        // A row that is tried again counts again.
        let rows = done.changed.saturating_add(done.current).saturating_add(done.failed);
        let reserve = query_scalar(reserve).bind(self.id).bind(i64::try_from(rows).unwrap_or(i64::MAX)).bind(limit);
        let wait: Option<f64> = reserve.fetch_optional(db).await?;
        if let Some(wait) = wait.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
            Delay::new(wait).await;
        }
        Ok(())
    }
}

/// Returns whether the same may succeed later: the key service is down, the connection broke, the server restarts or is
/// full, or a lock or a statement took too long.
fn can_pass(error: &WorkError) -> bool {
    use sqlx::Error::{Database, Io, PoolTimedOut, Protocol};
    match error {
        WorkError::KeyService { .. } => true,
        WorkError::Witness { source } => source.is_transient(),
        WorkError::Database(Io(_) | PoolTimedOut | Protocol(_)) => true,
        WorkError::Database(Database(error)) => error.code().is_some_and(|code| {
            // Connection, transaction rollback, resources, intervention of an operator.
            let classes = ["08", "40", "53", "57", "58"];
            // A server that is not the primary any more, and a transaction that was idle or took too long.
            let codes = ["25006", "25P03", "25P04"];
            classes.iter().any(|class| code.starts_with(class)) || codes.contains(&code.as_ref())
        }),
        _ => false,
    }
}

/// Returns whether the database refuses a value, whoever writes it: a constraint, a trigger, a limit.
pub(crate) fn refuses(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| ["22", "23", "27", "44", "54", "P0"].iter().any(|class| code.starts_with(class)))
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("55P03"))
}

/// Returns what every transaction begins with: no row may be hidden, its limits, and the lock of the job.
fn begin(limits: &Limits, job: i64) -> String {
    let milliseconds = |limit: Duration| limit.as_millis().clamp(1, 86_400_000);
    // The last limit is for a worker that stops while the server sends it a page.
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL row_security = off;
         SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {};
         SET LOCAL idle_in_transaction_session_timeout = {idle}; SET LOCAL tcp_user_timeout = {idle};
         SELECT pg_advisory_xact_lock_shared({LOCK}, {job})",
        milliseconds(limits.statement),
        milliseconds(limits.lock),
        idle = milliseconds(limits.idle)
    )
}
