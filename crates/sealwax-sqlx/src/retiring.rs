//! Whether a key is still needed: by rows, or by backups.

use std::time::{Duration, SystemTime};

use sealwax::KeyId;
use sqlx::{PgConnection, query_as, query_scalar};

use crate::census::{Census, take};
use crate::find::{Found, Waived, find};
use crate::table::Table;

/// A column that was scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scanned {
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The column of envelopes.
    pub column: String,
    /// When the scan ended, by the clock of the database.
    pub at: SystemTime,
    /// What it counted.
    pub census: Census,
}

/// What the database says about a key, and the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The key.
    pub key_id: KeyId,
    /// What was scanned for it.
    pub scanned: Vec<Scanned>,
    /// The rows that name the key.
    pub naming: u64,
    /// The rows that name the key and no other.
    pub naming_alone: u64,
    /// The rows with a value that is no envelope.
    pub not_envelopes: u64,
    /// The columns that must be declared or waived before anything is safe.
    pub undeclared: Vec<Found>,
    /// The numbers of the jobs that are not finished and wrap for the key, in any table of the database.
    pub unfinished: Vec<i64>,
    /// The verdict, about what was scanned and nothing else.
    pub verdict: Verdict,
}

/// What a [`Report`] concludes. If there are several reasons against it, this is the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// No table was declared, so nothing was scanned.
    NothingScanned,
    /// Rows name the key.
    Named,
    /// Values that are no envelopes may be damaged rows that need the key.
    NotEnvelopes,
    /// There are columns to declare or to waive.
    Undeclared,
    /// A job that is not finished wraps for the key: it would write rows that name it.
    UnfinishedJob,
    /// A column that once had rows with the key was not scanned since they left, so nobody knows when they left.
    ///
    /// If it was dropped or renamed, its row in `sealwax.sightings` must be deleted when no backup has it any more.
    NoDate,
    /// Backups that must still be kept can hold rows that name the key.
    #[non_exhaustive]
    InBackups {
        /// When the last of them is older than the retention.
        until: SystemTime,
    },
    /// No row that was scanned names the key; for [`safe_to_destroy`], neither does a backup of those tables.
    NoneFound,
}

/// Looks for rows that still need a key, before it is removed from keyrings.
///
/// It looks for unfinished jobs that wrap for the key, as the primary or as an escrow key. It takes a
/// [census](crate::census()) of every declared table, then [finds](find) the columns that nobody declared.
/// Rows that another transaction has not yet committed are not seen: first wait until no program seals under the key.
///
/// # Errors
/// Returns an error if the database fails, or if a declared table cannot be read.
pub async fn safe_to_retire(
    db: &mut PgConnection,
    tables: &[Table],
    waived: &[Waived],
    key_id: &KeyId,
) -> Result<Report, sqlx::Error> {
    // Before the tables, because a job that ends meanwhile may have written rows after they were scanned.
    let unfinished = "SELECT id FROM sealwax.jobs WHERE finished_at IS NULL AND NOT is_dry_run
        AND strpos(sealwax.head(witness) || ',', '=' || $1 || ',') > 0 ORDER BY id";
    let unfinished: Vec<i64> = query_scalar(unfinished).bind(key_id.as_ref()).fetch_all(&mut *db).await?;
    let mut scanned = Vec::with_capacity(tables.len());
    for table in tables {
        let census = take(db, table, Some(key_id)).await?;
        let now = "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::int8";
        let at = time(query_scalar(now).fetch_one(&mut *db).await?);
        let [schema, table, column] = [table.schema(), table.name(), table.envelope()].map(str::to_owned);
        scanned.push(Scanned { schema, table, column, at, census });
    }
    let undeclared = find(db, tables, waived).await?;
    let sum = |count: &dyn Fn(&Census) -> u64| scanned.iter().map(|scanned| count(&scanned.census)).sum();
    let naming = sum(&|census| census.naming(key_id));
    let naming_alone = sum(&|census| census.naming_alone(key_id));
    let not_envelopes = sum(&|census| census.not_envelopes);
    let verdict = if scanned.is_empty() {
        Verdict::NothingScanned
    } else if naming > 0 {
        Verdict::Named
    } else if not_envelopes > 0 {
        Verdict::NotEnvelopes
    } else if !undeclared.is_empty() {
        Verdict::Undeclared
    } else if !unfinished.is_empty() {
        Verdict::UnfinishedJob
    } else {
        Verdict::NoneFound
    };
    let key_id = key_id.clone();
    Ok(Report { key_id, scanned, naming, naming_alone, not_envelopes, undeclared, unfinished, verdict })
}

/// Looks for rows and backups that still need a key, before it is destroyed.
///
/// It does what [`safe_to_retire`] does. If no row names the key, it compares the date when the last one left with the
/// retention, which is how long backups are kept. That date is the first census that saw none, so take one after each
/// rotation. A row that appears again resets it. It covers every column in which a census ever saw the key, even if it is
/// not among `tables`; it says nothing about columns that never had a census.
///
/// # Errors
/// Returns an error if the database fails, or if a declared table cannot be read.
pub async fn safe_to_destroy(
    db: &mut PgConnection,
    tables: &[Table],
    waived: &[Waived],
    key_id: &KeyId,
    retention: Duration,
) -> Result<Report, sqlx::Error> {
    let mut report = safe_to_retire(db, tables, waived, key_id).await?;
    if report.verdict != Verdict::NoneFound {
        return Ok(report);
    }
    let (known, last, now): (Option<bool>, Option<i64>, i64) = query_as(
        "SELECT pg_catalog.bool_and(first_absent IS NOT NULL),
                (extract(epoch FROM pg_catalog.max(first_absent)) * 1000000)::int8,
                (extract(epoch FROM pg_catalog.now()) * 1000000)::int8
           FROM sealwax.sightings WHERE key_id = $1",
    )
    .bind(key_id.as_ref())
    .fetch_one(db)
    .await?;
    report.verdict = match (known, last) {
        (Some(true), Some(last)) => match time(last).checked_add(retention) {
            Some(until) if until <= time(now) => Verdict::NoneFound,
            Some(until) => Verdict::InBackups { until },
            None => Verdict::NoDate,
        },
        _ => Verdict::NoDate,
    };
    Ok(report)
}

/// Returns the time that is this many microseconds after 1970.
fn time(micros: i64) -> SystemTime {
    let since = Duration::from_micros(u64::try_from(micros).unwrap_or_default());
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}
