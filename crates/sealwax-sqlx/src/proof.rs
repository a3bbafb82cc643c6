//! The proof of a rotation: what the rows hold afterwards is what they held before.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection as _, FromRow, PgConnection, query, query_as};

use crate::census::count;
use crate::job::Job;
use crate::table::{Table, quoted};

/// What a job's snapshot and its table have in common, and the verdict.
///
/// A rotation replaces the wraps of an envelope and the MAC over them, and keeps its *payload*: suite, commitment, IV, tag
/// and ciphertext. Whoever seals a row draws a new data key, so the row has another commitment. So where the commitment
/// is the same, the whole payload must be.
///
/// A proof does not see the wraps and the MAC: a [verification](Job::plan_verification) does. To a proof, a row with
/// another commitment is one that somebody sealed; if the commitment was damaged, the verification says so. And if two
/// rows were exchanged, only an [audit](Job::plan_audit) says so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proof {
    /// The rows with the payload that they had.
    pub unchanged: u64,
    /// The rows with the commitment that they had and another payload, or whose value is no envelope any more.
    pub damaged: u64,
    /// The rows that somebody else has sealed meanwhile: their commitments differ.
    pub sealed: u64,
    /// The rows that had an envelope and are gone, or are NULL.
    pub gone: u64,
    /// The rows that had no envelope.
    pub added: u64,
    /// The rows with a value that is no envelope, whether they had one or not.
    pub not_envelopes: u64,
    /// The digest over the rows that are unchanged or damaged, as they were: SHA-256 in hex, as *Proof* on the page
    /// [Rotation](crate::docs) defines it.
    pub before: String,
    /// The digest over the same rows, as they are.
    pub after: String,
    /// How many rows named each key when the job was planned.
    pub by_key_id_before: BTreeMap<String, u64>,
    /// How many rows name each key.
    pub by_key_id_after: BTreeMap<String, u64>,
    /// The verdict, about what was compared and nothing else.
    pub verdict: ProofVerdict,
}

/// What a [`Proof`] concludes. If there are several reasons against it, this is the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofVerdict {
    /// Rows are damaged, so the digests differ.
    Damaged,
    /// The job is not finished, was replaced or cancelled, or was a dry run. So far, no row is damaged.
    Unfinished,
    /// No row was compared: there was none, or others have sealed or deleted them all.
    NothingCompared,
    /// Every row that nobody else has sealed or deleted has the payload that it had, and the digests are equal.
    Unchanged,
}

#[derive(Debug, FromRow)]
struct Compared {
    unchanged: i64,
    damaged: i64,
    sealed: i64,
    gone: i64,
    added: i64,
    not_envelopes: i64,
    before: String,
    after: String,
}

impl Job {
    /// Compares what the rows hold with what they held when the job was planned, or returns `None` if the job was planned
    /// without [`Options::prove`](crate::Options::prove) or its snapshot was deleted.
    ///
    /// It reads every row, in a transaction of its own which sees one moment of the database. Other rotations do not
    /// matter, so this may be asked again at any time. Row-level security that would hide rows is an error.
    ///
    /// # Errors
    /// Returns an error if the database fails, or if `db` is in a transaction.
    pub async fn proof(&self, db: &mut PgConnection) -> Result<Option<Proof>, sqlx::Error> {
        let mut transaction = db.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        query("SET LOCAL row_security = off").execute(&mut *transaction).await?;
        let job = "SELECT finished_at IS NOT NULL AND replaced_by IS NULL AND NOT is_cancelled AND NOT is_dry_run, key_ids, key_id_rows FROM sealwax.jobs
            WHERE id = $1 AND key_ids IS NOT NULL";
        let job = query_as(job).bind(self.id).fetch_optional(&mut *transaction).await?;
        let Some((is_finished, key_ids, rows)): Option<(bool, Vec<String>, Vec<i64>)> = job else { return Ok(None) };
        let compare = query_as(AssertSqlSafe(compare(&self.table))).bind(self.id);
        let found: Compared = compare.fetch_one(&mut *transaction).await?;
        let by_key_id_after = count(&mut transaction, &self.table).await?.by_key_id();
        transaction.commit().await?;
        let verdict = if found.damaged > 0 || found.before != found.after {
            ProofVerdict::Damaged
        } else if !is_finished {
            ProofVerdict::Unfinished
        } else if found.unchanged == 0 {
            ProofVerdict::NothingCompared
        } else {
            ProofVerdict::Unchanged
        };
        Ok(Some(Proof {
            unchanged: found.unchanged.unsigned_abs(),
            damaged: found.damaged.unsigned_abs(),
            sealed: found.sealed.unsigned_abs(),
            gone: found.gone.unsigned_abs(),
            added: found.added.unsigned_abs(),
            not_envelopes: found.not_envelopes.unsigned_abs(),
            before: found.before,
            after: found.after,
            by_key_id_before: key_ids.into_iter().zip(rows.into_iter().map(i64::unsigned_abs)).collect(),
            by_key_id_after,
            verdict,
        }))
    }

    /// Deletes what [`proof`](Self::proof) compares with, when it is no longer needed: some 140 bytes a row.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn forget_snapshot(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut transaction = db.begin().await?;
        for forget in [
            "UPDATE sealwax.jobs SET key_ids = NULL, key_id_rows = NULL WHERE id = $1",
            "DELETE FROM sealwax.payloads WHERE job = $1",
        ] {
            query(forget).bind(self.id).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }
}

/// Notes what the rows hold, for the proof of a job.
pub(crate) async fn take_snapshot(db: &mut PgConnection, table: &Table, job: i64) -> Result<(), sqlx::Error> {
    let insert = format!(
        "INSERT INTO sealwax.payloads (job, key, payload)
         SELECT $1, key, payload FROM ({}) AS t WHERE payload IS NOT NULL",
        payloads(table)
    );
    query(AssertSqlSafe(insert)).bind(job).execute(&mut *db).await?;
    let counts = count(db, table).await?.by_key_id();
    let rows: Vec<i64> = counts.values().map(|rows| i64::try_from(*rows).unwrap_or(i64::MAX)).collect();
    let note = query("UPDATE sealwax.jobs SET key_ids = $2, key_id_rows = $3 WHERE id = $1");
    note.bind(job).bind(counts.into_keys().collect::<Vec<_>>()).bind(rows).execute(db).await.map(drop)
}

/// Returns the query for the key and the payload of each row that is not NULL.
fn payloads(table: &Table) -> String {
    let key: Vec<_> = table.keys().map(|column| format!("{}::text", quoted(column))).collect();
    // OFFSET 0 keeps PostgreSQL from computing a payload wherever it is named.
    format!(
        "SELECT ARRAY[{key}] COLLATE \"C\" AS key, sealwax.payload({envelope}) AS payload FROM {table}
          WHERE {envelope} IS NOT NULL OFFSET 0",
        key = key.join(", "),
        envelope = table.quoted_envelope(),
        table = table.quoted(),
    )
}

/// Returns the query that compares the snapshot of a job with the table.
///
/// The rows are in 65,536 parts, by the SHA-256 of their keys, so that the memory does not depend on the table.
fn compare(table: &Table) -> String {
    format!(
        "WITH pairs AS (
            SELECT convert_to(key::text, 'UTF8') AS name, p.payload AS before, t.payload AS after, key,
                   p.job IS NOT NULL AS was_there, t.is_there IS NOT NULL AS is_there,
                   substring(p.payload FROM 1 FOR 32) <> substring(t.payload FROM 1 FOR 32) AS is_sealed
              FROM (SELECT * FROM sealwax.payloads WHERE job = $1) AS p
              FULL JOIN (SELECT *, true AS is_there FROM ({payloads}) AS t) AS t USING (key)
        ), parts AS (
            SELECT count(*) FILTER (WHERE before = after) AS unchanged,
                   count(*) FILTER (WHERE is_compared AND after IS DISTINCT FROM before) AS damaged,
                   count(*) FILTER (WHERE is_sealed) AS sealed,
                   count(*) FILTER (WHERE NOT is_there) AS gone,
                   count(*) FILTER (WHERE NOT was_there AND after IS NOT NULL) AS added,
                   count(*) FILTER (WHERE is_there AND after IS NULL) AS not_envelopes,
                   sha256(string_agg(name || before, '' ORDER BY key) FILTER (WHERE is_compared)) AS before,
                   sha256(string_agg(name || after, '' ORDER BY key) FILTER (WHERE is_compared)) AS after, part
              FROM (SELECT *, was_there AND is_there AND is_sealed IS NOT TRUE AS is_compared,
                           substring(sha256(name) FROM 1 FOR 2) AS part FROM pairs) AS pairs
             GROUP BY part
        )
        SELECT coalesce(sum(unchanged), 0)::int8 AS unchanged, coalesce(sum(damaged), 0)::int8 AS damaged,
               coalesce(sum(sealed), 0)::int8 AS sealed, coalesce(sum(gone), 0)::int8 AS gone,
               coalesce(sum(added), 0)::int8 AS added, coalesce(sum(not_envelopes), 0)::int8 AS not_envelopes,
               encode(sha256(coalesce(string_agg(before, '' ORDER BY part), '')), 'hex') AS before,
               encode(sha256(coalesce(string_agg(after, '' ORDER BY part), '')), 'hex') AS after
          FROM parts",
        payloads = payloads(table)
    )
}
