//! 10,000 rows move from a local key to the service in one run, also through branches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use sealwax::{
    EncryptionContext, Envelope, Keyring, MasterKey, MasterKeyProvider, Secret, UnwrapRequest,
};
use sealwax_branch::BranchKeys;
use sealwax_transit::TransitKey;
use serde_json::json;
use tokio::task::JoinSet;

use super::{Bao, Counting, Plain, with_bao};

const ROWS: usize = 10_000;

fn context(row: usize) -> EncryptionContext {
    EncryptionContext::new([("row", row.to_string().as_str())]).unwrap()
}

fn secret(row: usize) -> Secret {
    Secret::from(format!("sk-proj-{row}"))
}

/// Rows under a local key, and a keyring with which they can move to the service.
struct Move {
    key: Arc<TransitKey<Counting<Plain>>>,
    ring: Keyring,
    rows: Vec<Envelope>,
    requests: Arc<AtomicUsize>,
}

impl Move {
    async fn new(bao: &Bao) -> Self {
        bao.create("byok", json!({})).await;
        let transport = Counting::new(bao.transport.clone());
        let requests = Arc::clone(&transport.requests);
        let key = TransitKey::connect(transport, bao.location("byok"), bao.root()).await.unwrap();
        let key = Arc::new(key);
        key.refresh().await.unwrap();
        assert_eq!(requests.swap(0, Ordering::Relaxed), 2);
        let local = || MasterKey::from_bytes(&mut (0..32).collect::<Vec<u8>>()).unwrap();
        let before = Keyring::new("local".parse().unwrap(), local()).unwrap();
        let rows = (0..ROWS).map(|row| before.seal(&secret(row), &context(row)).unwrap()).collect();
        let ring = Keyring::new("transit/byok".parse().unwrap(), Arc::clone(&key)).unwrap();
        let ring = ring.with_retired("local".parse().unwrap(), local()).unwrap();
        Self { key, ring, rows, requests }
    }

    fn requests(&self) -> usize {
        self.requests.swap(0, Ordering::Relaxed)
    }

    /// Moves all rows in one call.
    async fn in_one_run(&self) -> Vec<Envelope> {
        let batch = self.ring.rewrap_batch_async(self.rows.iter().cloned().enumerate()).await;
        assert_eq!((batch.changes.len(), batch.current, batch.failures.len()), (ROWS, 0, 0));
        assert!(batch.changes.iter().map(|change| change.id).eq(0..ROWS));
        batch.changes.into_iter().map(|change| change.fresh).collect()
    }

    /// Moves row by row, `at_once` at a time.
    async fn row_by_row(&self, at_once: usize) -> usize {
        let (mut tasks, mut moved) = (JoinSet::new(), 0);
        for row in &self.rows {
            if tasks.len() == at_once {
                moved += usize::from(tasks.join_next().await.unwrap().unwrap());
            }
            let (ring, row) = (self.ring.clone(), row.clone());
            tasks.spawn(async move { ring.rewrap_async(&row).await.unwrap().is_some() });
        }
        while let Some(done) = tasks.join_next().await {
            moved += usize::from(done.unwrap());
        }
        moved
    }

    /// Opens rows under the key at the service alone.
    async fn all_open(&self, rows: &[Envelope]) {
        let key_id = "transit/byok".parse().unwrap();
        let request = |row: &'_ Envelope| -> Vec<u8> {
            let mut wraps = row.wrapped_keys();
            let wrap = wraps.next().unwrap();
            assert!(*wrap.key_id() == key_id && wraps.next().is_none());
            wrap.body().to_vec()
        };
        let bodies: Vec<_> = rows.iter().map(request).collect();
        let requests: Vec<_> = rows
            .iter()
            .zip(&bodies)
            .map(|(row, body)| UnwrapRequest::new(&key_id, row.suite(), row.commitment(), body))
            .collect();
        let keys = self.key.unwrap_keys(&requests).await;
        assert_eq!(keys.len(), ROWS);
        for (row, (envelope, key)) in rows.iter().zip(keys).enumerate() {
            let opened = envelope.open_with(&key.unwrap(), &context(row)).unwrap();
            assert_eq!(opened, secret(row));
        }
    }
}

#[test]
fn ten_thousand_rows_move_with_82_requests() {
    with_bao(|bao| async move {
        let rows = Move::new(&bao).await;
        let moved = rows.in_one_run().await;
        // 249 rows in a request are 41 requests to wrap, and 41 to check what was wrapped, one wrap of it twice.
        assert_eq!(rows.requests(), 82);
        rows.all_open(&moved).await;
        assert_eq!(rows.requests(), 41);
        // Through the keyring too, with one request each.
        for row in [0, 248, 249, ROWS - 1] {
            let opened = rows.ring.open_async(&moved[row], &context(row)).await.unwrap();
            assert_eq!(opened, secret(row));
        }
        assert_eq!(rows.requests(), 4);
    });
}

impl Move {
    /// Returns a keyring with branches of 1,000 rows, as a process has it that knows none of them yet.
    fn branching(&self) -> Keyring {
        let branches = BranchKeys::new(Arc::clone(&self.key), 1000.try_into().unwrap());
        let local = MasterKey::from_bytes(&mut (0..32).collect::<Vec<u8>>()).unwrap();
        Keyring::new("transit/branches".parse().unwrap(), branches)
            .unwrap()
            .with_retired("local".parse().unwrap(), local)
            .unwrap()
    }

    /// Moves all rows through branches, in one call.
    async fn through_branches(&self) -> Vec<Envelope> {
        let rows = self.rows.iter().cloned().enumerate();
        let batch = self.branching().rewrap_batch_async(rows).await;
        assert_eq!((batch.changes.len(), batch.failures.len()), (ROWS, 0));
        batch.changes.into_iter().map(|change| change.fresh).collect()
    }
}

#[test]
fn ten_thousand_rows_move_through_branches_with_20_requests() {
    with_bao(|bao| async move {
        let rows = Move::new(&bao).await;
        let moved = rows.through_branches().await;
        assert_eq!(rows.requests(), 20);
        // By another process.
        let other = rows.branching();
        for (row, envelope) in moved.iter().enumerate() {
            let opened = other.open_async(envelope, &context(row)).await.unwrap();
            assert_eq!(opened, secret(row));
        }
        assert_eq!(rows.requests(), 10);
    });
}

#[test]
#[ignore = "a measurement, which takes half a minute"]
fn branches_against_one_request_a_row() {
    with_bao(|bao| async move {
        let rows = Move::new(&bao).await;
        let time = |start: Instant| start.elapsed().as_secs_f64() * 1000.0;
        let (mut branches, mut single) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let start = Instant::now();
            rows.through_branches().await;
            branches.push(time(start));
            assert_eq!(rows.requests(), 20);
            let start = Instant::now();
            assert_eq!(rows.row_by_row(64).await, ROWS);
            single.push(time(start));
            assert_eq!(rows.requests(), 2 * ROWS);
        }
        println!("{ROWS} rows, in ms: branches {branches:.0?}, 64 at once {single:.0?}");
        let best = |times: Vec<f64>| times.into_iter().fold(f64::INFINITY, f64::min);
        let ratio = best(single) / best(branches);
        println!("branches are {ratio:.1} times as fast");
        assert!(ratio >= 20.0);
    });
}

/// The README has the command and a figure.
#[test]
#[ignore = "a measurement, which takes half a minute"]
fn a_batch_against_one_request_a_row() {
    with_bao(|bao| async move {
        let rows = Move::new(&bao).await;
        let time = |start: Instant| start.elapsed().as_secs_f64() * 1000.0;
        let (mut batch, mut single) = (Vec::new(), Vec::new());
        // In turns, so that whatever else the machine does affects both.
        for _ in 0..3 {
            let start = Instant::now();
            rows.in_one_run().await;
            batch.push(time(start));
            assert_eq!(rows.requests(), 82);
            let start = Instant::now();
            assert_eq!(rows.row_by_row(64).await, ROWS);
            single.push(time(start));
            assert_eq!(rows.requests(), 2 * ROWS);
        }
        println!(
            "{ROWS} rows, in ms: batch {batch:.0?}, one request a row, 64 at once {single:.0?}"
        );
        let best = |times: Vec<f64>| times.into_iter().fold(f64::INFINITY, f64::min);
        let ratio = best(single) / best(batch);
        println!("the batch is {ratio:.1} times as fast");
        assert!(ratio >= 10.0);
    });
}
