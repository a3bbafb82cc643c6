use sealwax::{Envelope, Keyring, RowError};
use sqlx::PgPool;
use tokio::task::spawn_blocking;

use crate::start::AnyError;

/// Rewraps the rows whose id is above `last`, passes those that fail to `log`, and returns how many were not current.
pub async fn rotate(db: &PgPool, ring: &Keyring, last: i64, log: impl Fn(i64, RowError)) -> Result<usize, AnyError> {
    let (mut last, mut total) = (last, 0);
    loop {
        let page = "SELECT id, envelope FROM credentials WHERE id > $1 ORDER BY id LIMIT 1000";
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(page).bind(last).fetch_all(db).await?;
        let Some(&(end, _)) = rows.last() else { return Ok(total) };
        // This takes milliseconds, so it must not block a thread that serves requests.
        let ring = ring.clone();
        let batch = spawn_blocking(move || ring.rewrap_batch(rows)).await?;
        let must_stop = batch.must_stop();
        batch.failures.into_iter().for_each(|(id, error)| log(id, error));
        if must_stop {
            return Err(format!("a key failed, or every row did: nothing of the page to row {end} was written").into());
        }
        let swaps: Vec<_> = batch.changes.into_iter().map(|row| (row.id, row.old, row.fresh)).collect();
        let written = swap(db, &swaps).await?;
        eprintln!("to row {end}: {written} of {} written, {} were current", swaps.len(), batch.current);
        total += swaps.len();
        last = end;
    }
}

/// Writes each fresh envelope if its row still has the old one, and returns how many it wrote.
pub async fn swap(db: &PgPool, rows: &[(i64, Envelope, Envelope)]) -> sqlx::Result<u64> {
    let ids: Vec<_> = rows.iter().map(|(id, ..)| *id).collect();
    let old: Vec<_> = rows.iter().map(|(_, old, _)| old.as_bytes()).collect();
    let fresh: Vec<_> = rows.iter().map(|(.., fresh)| fresh.as_bytes()).collect();
    let swap = sqlx::query(SWAP).bind(ids).bind(old).bind(fresh);
    Ok(swap.execute(db).await?.rows_affected())
}

// Locks the rows in the order of their ids, so that two jobs cannot deadlock. For a text column, bind text[].
const SWAP: &str = "
    WITH swap AS (SELECT id, old, fresh FROM unnest($1::int8[], $2::bytea[], $3::bytea[]) AS swap (id, old, fresh)
        JOIN credentials USING (id) ORDER BY id FOR UPDATE OF credentials)
    UPDATE credentials SET envelope = swap.fresh
      FROM swap WHERE credentials.id = swap.id AND credentials.envelope = swap.old";
