use std::collections::BTreeMap;

use arc_swap::ArcSwap;
use sealwax::{Envelope, Keyring, RowError};
use sqlx::PgPool;
use tokio::task::spawn_blocking;

use crate::start::AnyError;

/// Rewraps the rows with ids above `last`, and returns those that fail. Stops at a page where `must_stop()` is true.
pub async fn rotate(db: &PgPool, ring: &ArcSwap<Keyring>, mut last: i64) -> Result<BTreeMap<i64, RowError>, AnyError> {
    let (mut failures, mut tries) = (BTreeMap::new(), 0);
    loop {
        let page = "SELECT id, envelope FROM credentials WHERE id > $1 ORDER BY id LIMIT 1000";
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(page).bind(last).fetch_all(db).await?;
        let Some(&(end, _)) = rows.last() else { return Ok(failures) };
        let ring = ring.load_full(); // For each page, so that a reload takes effect.
        // This takes milliseconds, so it must not block a thread that serves requests.
        let batch = spawn_blocking(move || ring.rewrap_batch(rows)).await?;
        let must_stop = batch.must_stop();
        failures.extend(batch.failures);
        if must_stop {
            eprintln!("stopped: nothing of the page to row {end} was written");
            return Ok(failures);
        }
        let swaps: Vec<_> = batch.changes.into_iter().map(|row| (row.id, row.old, row.fresh)).collect();
        let written = swap(db, &swaps).await?;
        eprintln!("to row {end}: {written} of {} written, {} were current", swaps.len(), batch.current);
        match tries {
            _ if written == swaps.len() => (last, tries) = (end, 0),
            10 => return Err(format!("rows up to {end} change whenever they are read").into()),
            _ => tries += 1, // Somebody changed a row meanwhile: read the page again.
        }
    }
}

/// Writes each fresh envelope if its row still has the old one, and returns how many it wrote.
pub async fn swap(db: &PgPool, rows: &[(i64, Envelope, Envelope)]) -> Result<usize, AnyError> {
    let ids: Vec<_> = rows.iter().map(|(id, ..)| *id).collect();
    let old: Vec<_> = rows.iter().map(|(_, old, _)| old.as_bytes()).collect();
    let fresh: Vec<_> = rows.iter().map(|(.., fresh)| fresh.as_bytes()).collect();
    let swap = sqlx::query(SWAP).bind(ids).bind(old).bind(fresh);
    Ok(swap.execute(db).await?.rows_affected().try_into()?)
}

// Locks the rows in the order of their ids, so that two jobs cannot deadlock. For a text column, change the two casts
// to text[], and bind to_string() in place of as_bytes().
const SWAP: &str = "
    WITH swap AS (SELECT id, old, fresh FROM unnest($1::int8[], $2::bytea[], $3::bytea[]) AS swap (id, old, fresh)
        JOIN credentials USING (id) ORDER BY id FOR UPDATE OF credentials)
    UPDATE credentials SET envelope = swap.fresh
      FROM swap WHERE credentials.id = swap.id AND credentials.envelope = swap.old";
