//! Times the ways to write the rows of a rotation, and a census:
//! `ci/servers cargo bench --manifest-path assurance/services/Cargo.toml --locked --bench rotation`.
//!
//! With `-- --test`, it only runs everything once, with few rows.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking"
)]

#[path = "../tests/service/given.rs"]
#[expect(dead_code, reason = "only the tests use the key service")]
mod given;
#[path = "../tests/service/server.rs"]
mod server;

use std::time::{Duration, Instant};

use sealwax::Envelope;
use services::rotation::swap;
use sqlx::{PgConnection, PgPool};

use crate::server::database;

type Change = (i64, Envelope, Envelope);

async fn one_by_one(connection: &mut PgConnection, rows: &[Change]) -> u64 {
    let mut written = 0;
    for (id, old, fresh) in rows {
        let update = sqlx::query("UPDATE credentials SET envelope = $3 WHERE id = $1 AND envelope = $2");
        let update = update.bind(id).bind(old.as_bytes()).bind(fresh.as_bytes());
        written += update.execute(&mut *connection).await.unwrap().rows_affected();
    }
    written
}

/// Does the same as `swap` without the lock order, so that two jobs at once can deadlock.
async fn unordered(db: &PgPool, rows: &[Change]) -> u64 {
    let ids: Vec<_> = rows.iter().map(|(id, ..)| *id).collect();
    let old: Vec<_> = rows.iter().map(|(_, old, _)| old.as_bytes()).collect();
    let fresh: Vec<_> = rows.iter().map(|(.., fresh)| fresh.as_bytes()).collect();
    let update = "UPDATE credentials SET envelope = change.fresh
        FROM unnest($1::int8[], $2::bytea[], $3::bytea[]) AS change(id, old, fresh)
        WHERE credentials.id = change.id AND credentials.envelope = change.old";
    sqlx::query(update).bind(ids).bind(old).bind(fresh).execute(db).await.unwrap().rows_affected()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let is_test = std::env::args().any(|arg| arg == "--test");
    let (rows, turns, of_census) = if is_test { (20, 8, 100) } else { (5_000, 120, 100_000) };
    writing(rows, turns).await;
    a_census(of_census).await;
}

async fn writing(count: i64, turns: usize) {
    let (db, _) = database().await.expect("SEALWAX_TEST_POSTGRES is not set");
    let (a, b) = (given::key(), given::key());
    let rings = [format!("primary a {a}; retired b {b}"), format!("primary b {b}; retired a {a}")]
        .map(|text| given::ring(&text));
    given::rows(&db, &rings[0], count).await;

    // The four take turns, each back and forth; the fastest run of each counts.
    let mut fastest = [Duration::MAX; 4];
    for turn in 0..turns {
        let sql = "SELECT id, envelope FROM credentials ORDER BY id";
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(sql).fetch_all(&db).await.unwrap();
        let changes = rings[1 - turn % 2].rewrap_batch(rows).changes;
        let changes: Vec<Change> = changes.into_iter().map(|row| (row.id, row.old, row.fresh)).collect();
        sqlx::raw_sql("VACUUM credentials").execute(&db).await.unwrap();

        let (start, mut written) = (Instant::now(), 0);
        let way = turn / 2 % 4;
        for page in changes.chunks(1_000) {
            written += match way {
                0 => one_by_one(&mut db.acquire().await.unwrap(), page).await,
                1 => {
                    let mut transaction = db.begin().await.unwrap();
                    let written = one_by_one(&mut transaction, page).await;
                    transaction.commit().await.unwrap();
                    written
                }
                2 => u64::try_from(swap(&db, page).await.unwrap()).unwrap(),
                _ => unordered(&db, page).await,
            };
        }
        fastest[way] = fastest[way].min(start.elapsed());
        assert_eq!(written, count.unsigned_abs());
    }

    let [each, in_transaction, swapped, unordered] = fastest.map(|time| time.as_secs_f64() * 1e3);
    println!(
        "{count} rows: one UPDATE for each, {each:.0} ms; the same in transactions of 1,000, {in_transaction:.0} ms"
    );
    println!("swap: {swapped:.0} ms; without the lock order, {unordered:.0} ms");
    let (each, in_transaction) = (each / swapped, in_transaction / swapped);
    println!("swap is {each:.1} times as fast as one UPDATE for each, {in_transaction:.1} times with transactions");
    println!("the lock order makes it {:.0} % slower", (swapped / unordered - 1.0) * 100.0);
}

async fn a_census(count: i64) {
    let (db, _) = database().await.expect("SEALWAX_TEST_POSTGRES is not set");
    given::rows(&db, &given::ring(&format!("primary prod-2026 {}", given::key())), 1).await;
    let copies = "INSERT INTO credentials (tenant, provider, envelope)
        SELECT n, provider, envelope FROM credentials, generate_series(2, $1) AS n";
    sqlx::query(copies).bind(count).execute(&db).await.unwrap();
    sqlx::raw_sql("VACUUM ANALYZE credentials").execute(&db).await.unwrap();
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let census = sqlx::query_as(include_str!("../src/census.sql"));
        let census: Vec<(String, i64)> = census.fetch_all(&db).await.unwrap();
        fastest = fastest.min(start.elapsed());
        assert_eq!(census, [("prod-2026".to_owned(), count)]);
    }
    println!("a census of {count} rows: {} ms", fastest.as_millis());
}
