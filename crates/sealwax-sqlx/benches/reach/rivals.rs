//! Other ways to rotate the same table, all with `rewrap_batch`, so that they differ in the statements only.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use sealwax::{Change, Keyring};
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, Postgres, Row as _, query, query_as};

use crate::workers::Run;

const PAGE: i64 = 1_000;

async fn next_page(db: &mut PgConnection, above: i64) -> Vec<(i64, Vec<u8>)> {
    let page = "SELECT id, envelope FROM credentials WHERE id > $1 ORDER BY id LIMIT $2";
    query_as(page).bind(above).bind(PAGE).fetch_all(db).await.unwrap()
}

/// The obvious loop: pages by key, one UPDATE a row, a transaction for each page.
pub(crate) async fn obvious(db: &PgPool, ring: &Keyring) -> Run {
    let start = Instant::now();
    let mut connection = db.acquire().await.unwrap();
    let (mut above, mut written) = (0, 0);
    loop {
        let rows = next_page(&mut connection, above).await;
        let Some((last, _)) = rows.last() else { return run(written, start) };
        above = *last;
        let mut transaction = connection.begin().await.unwrap();
        for row in ring.rewrap_batch(rows).changes {
            let update = query("UPDATE credentials SET envelope = $3 WHERE id = $1 AND envelope = $2");
            let update = update.bind(row.id).bind(row.old.as_bytes()).bind(row.fresh.as_bytes());
            written += update.execute(&mut *transaction).await.unwrap().rows_affected();
        }
        transaction.commit().await.unwrap();
    }
}

/// Pages by key and one UPDATE a page, in the simplest form: no job, no range, no lock order, no transaction.
pub(crate) async fn uncoordinated(db: &PgPool, ring: &Keyring) -> Run {
    let start = Instant::now();
    let mut connection = db.acquire().await.unwrap();
    let (mut above, mut written) = (0, 0);
    loop {
        let rows = next_page(&mut connection, above).await;
        let Some((last, _)) = rows.last() else { return run(written, start) };
        above = *last;
        let changes = ring.rewrap_batch(rows).changes;
        let update = "UPDATE credentials SET envelope = batch.fresh
            FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS batch (id, fresh, old)
            WHERE credentials.id = batch.id AND credentials.envelope = batch.old";
        written += bind(query(update), &changes).execute(&mut *connection).await.unwrap().rows_affected();
    }
}

/// The columns that [`sweep`] needs in a table.
pub(crate) const MARKER: &str = ", encryption_marker bytea NOT NULL DEFAULT '\\x0100000001'";
pub(crate) const INDEX: &str = "CREATE INDEX ON credentials (encryption_marker)";

/// The sweep on kms-aead's page about PostgreSQL, with its statements: a marker column with an index, a reader that
/// streams the rows whose marker is old, batches of 1,000, and one conditional UPDATE for each over one connection.
pub(crate) async fn sweep(db: &PgPool, ring: &Keyring) -> Run {
    let start = Instant::now();
    let mut reader = db.acquire().await.unwrap();
    let mut writer = db.acquire().await.unwrap();
    let current: &[u8] = &[1, 0, 0, 0, 2];
    let candidates = query("SELECT id, envelope FROM credentials WHERE encryption_marker < $1").bind(current);
    let mut candidates = candidates.fetch(&mut *reader).chunks(usize::try_from(PAGE).unwrap());
    let mut written = 0;
    while let Some(batch) = candidates.next().await {
        let read = |row: Result<PgRow, sqlx::Error>| {
            let row = row.unwrap();
            (row.get::<i64, _>("id"), row.get::<Vec<u8>, _>("envelope"))
        };
        let changes = ring.rewrap_batch(batch.into_iter().map(read)).changes;
        let update = "UPDATE credentials SET envelope = batch.fresh, encryption_marker = $4
            FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS batch (id, fresh, old)
            WHERE credentials.id = batch.id AND credentials.envelope = batch.old
            RETURNING credentials.id";
        let ids = bind(query(update), &changes).bind(current).fetch_all(&mut *writer).await.unwrap();
        written += u64::try_from(ids.len()).unwrap();
    }
    run(written, start)
}

fn run(written: u64, start: Instant) -> Run {
    Run { rows: written, changed: written, time: start.elapsed(), memory: 0 }
}

/// The time of `rewrap_batch` alone, over the same pages.
pub(crate) async fn crypto(db: &PgPool, ring: &Keyring) -> Duration {
    let mut connection = db.acquire().await.unwrap();
    let (mut above, mut time) = (0, Duration::ZERO);
    loop {
        let rows = next_page(&mut connection, above).await;
        let Some((last, _)) = rows.last() else { return time };
        above = *last;
        let start = Instant::now();
        let batch = ring.rewrap_batch(rows);
        time += start.elapsed();
        assert!(batch.failures.is_empty());
    }
}

fn bind<'q>(update: Query<'q, Postgres, PgArguments>, changes: &[Change<i64>]) -> Query<'q, Postgres, PgArguments> {
    let ids: Vec<i64> = changes.iter().map(|row| row.id).collect();
    let fresh: Vec<&[u8]> = changes.iter().map(|row| row.fresh.as_bytes()).collect();
    let old: Vec<&[u8]> = changes.iter().map(|row| row.old.as_bytes()).collect();
    update.bind(ids).bind(fresh).bind(old)
}
