//! A table of sealed rows, the keyrings of a series of rotations, and the customers who write meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey};
use sealwax_sqlx::{Job, Options, ProofVerdict, Status, Table};
use sqlx::postgres::{PgConnectOptions, PgPool, PgTransaction};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, query, query_as, raw_sql};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::dice::Dice;
use super::workers::Start;
use crate::server;

pub(super) const ROWS: i64 = 20_000;
/// Large enough for customers to write to rows that a worker has just read.
const PAGE: i32 = 200;

pub(super) struct Scene {
    pub(super) db: PgPool,
    pub(super) options: PgConnectOptions,
    keys: Vec<String>,
    /// The values that a row may have: more than one if a customer does not know whether a write succeeded.
    values: HashMap<i64, Vec<String>>,
}

/// The customers who write beside a rotation, until they are asked to stop.
pub(super) struct Customers {
    stop: Arc<AtomicBool>,
    writes: JoinHandle<HashMap<i64, Vec<String>>>,
}

fn context(id: i64) -> EncryptionContext {
    EncryptionContext::new([("table", "credentials"), ("id", &id.to_string())]).unwrap()
}

fn seal(ring: &Keyring, id: i64, value: &str) -> Vec<u8> {
    ring.seal(&value.into(), &context(id)).unwrap().into()
}

fn key() -> String {
    MasterKey::generate().unwrap().to_text().expose_str().unwrap().to_owned()
}

impl Scene {
    /// Returns a new table on the server of the environment, or `None` if the test is skipped.
    pub(super) async fn new() -> Option<Self> {
        let (db, options) = server::empty().await?;
        Some(Self::in_database(db, options, "").await)
    }

    /// Creates the table, with a clause about how it is stored.
    pub(super) async fn in_database(db: PgPool, options: PgConnectOptions, storage: &str) -> Self {
        sealwax_sqlx::install(&mut db.acquire().await.unwrap()).await.unwrap();
        let create = format!("CREATE TABLE credentials (id bigint PRIMARY KEY, envelope bytea NOT NULL) {storage}");
        raw_sql(AssertSqlSafe(create)).execute(&db).await.unwrap();
        let mut scene = Self { db, options, keys: vec![key()], values: HashMap::new() };
        let ring: Keyring = scene.ring(0).parse().unwrap();
        let ids: Vec<i64> = (1..=ROWS).collect();
        scene.values = ids.iter().map(|id| (*id, vec![format!("secret {id}")])).collect();
        let envelopes: Vec<Vec<u8>> = ids.iter().map(|id| seal(&ring, *id, &format!("secret {id}"))).collect();
        let insert = "INSERT INTO credentials SELECT * FROM unnest($1::int8[], $2::bytea[])";
        query(insert).bind(ids).bind(envelopes).execute(&scene.db).await.unwrap();
        scene
    }

    /// Returns the keyring of a rotation as text: its key is the primary, all before it are retired.
    fn ring(&self, rotation: usize) -> String {
        let retired = self.keys.iter().take(rotation).enumerate();
        let retired: String = retired.map(|(n, key)| format!("; retired key-{n} {key}")).collect();
        format!("primary key-{rotation} {}{retired}", self.keys.get(rotation).unwrap())
    }

    pub(super) fn newest(&self) -> String {
        self.ring(self.keys.len().checked_sub(1).unwrap())
    }

    /// Plans a rotation to one more key. Returns the job, and how to start its workers.
    pub(super) async fn rotation(&mut self) -> (Job, Start) {
        self.keys.push(key());
        let primary = format!("key-{}", self.keys.len().checked_sub(1).unwrap()).parse().unwrap();
        let ring = self.newest();
        let mut db = self.db.acquire().await.unwrap();
        let table = Table::find(&mut db, "public", "credentials", &[], "envelope").await.unwrap();
        let options = Options { page: PAGE, prove: true, replace: true, ..Options::default() };
        let job = Job::plan_rotation(&mut db, &table, &ring.parse().unwrap(), &primary, &options).await.unwrap();
        let start = Start { options: self.options.clone(), ring, job: job.id(), tries: 60 };
        (job, start)
    }

    pub(super) async fn status(&self, job: &Job) -> Status {
        // A server that restarts ends the connections of the pool.
        for _ in 0..100 {
            let Ok(mut db) = self.db.acquire().await else { continue };
            if let Ok(status) = job.status(&mut db).await {
                return status;
            }
        }
        panic!("the database does not come back");
    }

    /// Waits until the job has read so many rows.
    pub(super) async fn wait_for(&self, job: &Job, rows: i64) {
        let start = Instant::now();
        while self.status(job).await.rows < rows {
            assert!(start.elapsed() < Duration::from_secs(60), "the job stands still");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets customers write under the newest key, up to 1,000 times a second, over one connection.
    pub(super) fn customers(&self) -> Customers {
        let (options, ring) = (self.options.clone(), self.newest().parse().unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        let values = self.values.clone();
        let writes = tokio::spawn(write(options, ring, values, Arc::clone(&stop)));
        Customers { stop, writes }
    }

    /// Writes a row under the newest key, without the commit.
    pub(super) async fn hold(&mut self, id: i64) -> PgTransaction<'static> {
        let value = "held".to_owned();
        let envelope = seal(&self.newest().parse().unwrap(), id, &value);
        self.values.insert(id, vec![value]);
        let mut transaction = self.db.begin().await.unwrap();
        let update = query("UPDATE credentials SET envelope = $2 WHERE id = $1").bind(id).bind(envelope);
        update.execute(&mut *transaction).await.unwrap();
        transaction
    }

    /// Stops the customers, and returns how many rows they have written.
    pub(super) async fn stop(&mut self, customers: Customers) -> usize {
        customers.stop.store(true, Ordering::SeqCst);
        let before = std::mem::replace(&mut self.values, customers.writes.await.unwrap());
        self.values.iter().filter(|(id, values)| before.get(id) != Some(values)).count()
    }

    /// Checks that every row has its value, and opens with the newest key alone.
    pub(super) async fn check_rows(&self) {
        let newest = self.keys.len().checked_sub(1).unwrap();
        let disabled: String = (0..newest).map(|n| format!("; disabled key-{n}")).collect();
        let alone = format!("primary key-{newest} {}{disabled}", self.keys.get(newest).unwrap());
        let ring: Keyring = alone.parse().unwrap();
        let rows: Vec<(i64, Vec<u8>)> =
            query_as("SELECT id, envelope FROM credentials").fetch_all(&self.db).await.unwrap();
        assert_eq!(rows.len(), self.values.len());
        for (id, envelope) in rows {
            let envelope = Envelope::try_from(envelope).unwrap();
            let secret = ring.open(&envelope, &context(id)).unwrap_or_else(|error| panic!("row {id}: {error}"));
            let is_expected = self.values.get(&id).unwrap().iter().any(|value| secret.expose_str() == Ok(value));
            assert!(is_expected, "row {id} has another value");
            assert!(ring.is_current(&envelope), "row {id} is not current");
        }
    }

    /// Checks the rows and the proof, and that the job is finished and has counted each row once.
    pub(super) async fn check(&self, job: &Job) {
        self.check_rows().await;
        let status = self.status(job).await;
        assert!(status.is_finished && status.replaced_by.is_none(), "{status:?}");
        assert_eq!(status.ranges, status.ranges_finished);
        assert_eq!((status.rows, status.failed), (ROWS, 0), "{status:?}");
        assert_eq!(status.changed.checked_add(status.current), Some(ROWS), "{status:?}");
        let mut db = self.db.acquire().await.unwrap();
        let proof = job.proof(&mut db).await.unwrap().unwrap();
        assert_eq!((proof.verdict, &proof.before), (ProofVerdict::Unchanged, &proof.after));
        assert_eq!(proof.unchanged.checked_add(proof.sealed), Some(ROWS.unsigned_abs()), "{proof:?}");
        assert_eq!((proof.gone, proof.added, proof.not_envelopes), (0, 0, 0));
        let newest = format!("key-{}", self.keys.len().checked_sub(1).unwrap());
        assert_eq!(proof.by_key_id_after, [(newest, ROWS.unsigned_abs())].into());
        job.forget_snapshot(&mut db).await.unwrap();
    }
}

async fn write(
    options: PgConnectOptions,
    ring: Keyring,
    mut values: HashMap<i64, Vec<String>>,
    stop: Arc<AtomicBool>,
) -> HashMap<i64, Vec<String>> {
    let (mut dice, mut next) = (Dice::new(), Instant::now());
    let mut connection = None;
    for number in 0_u64.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        sleep_until(next).await;
        next = Instant::now().max(next).checked_add(Duration::from_millis(1)).unwrap();
        let Some(db) = &mut connection else {
            connection = options.connect().await.ok();
            continue;
        };
        let id = i64::try_from(dice.below(ROWS.unsigned_abs())).unwrap().checked_add(1).unwrap();
        let value = format!("customer {number} {id}");
        let envelope = seal(&ring, id, &value);
        // Some hold the lock of the row for a while.
        let pause = if number.is_multiple_of(50) { 20 } else { 0 };
        let written: Result<(), sqlx::Error> = async {
            let mut transaction = db.begin().await?;
            let update = query("UPDATE credentials SET envelope = $2 WHERE id = $1").bind(id).bind(envelope);
            assert_eq!(update.execute(&mut *transaction).await?.rows_affected(), 1);
            sleep(Duration::from_millis(pause)).await;
            transaction.commit().await
        }
        .await;
        let of_row = values.get_mut(&id).unwrap();
        if written.is_ok() {
            of_row.clear();
        } else {
            connection = None;
        }
        of_row.push(value);
    }
    values
}
