//! A rotation whose workers are killed, stopped and cut off, while customers write to the same rows.
//!
//! Workers are processes. `SEALWAX_CHAOS=long` lets the tests run longer: 100 kills, for example.

mod cutter;
mod dice;
mod scene;
mod workers;

use std::env;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{AssertSqlSafe, query_scalar, raw_sql};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use self::dice::Dice;
use self::scene::{ROWS, Scene};
use self::workers::{DATABASE, REPLACED, Worker};
use crate::cluster::Cluster;
use crate::server::empty_on;

/// The tests take turns, because each needs the whole machine.
static TURN: Mutex<()> = Mutex::const_new(());

fn is_long() -> bool {
    env::var("SEALWAX_CHAOS").is_ok_and(|value| value == "long")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_lose_nothing() {
    let _turn = TURN.lock().await;
    let Some(mut scene) = Scene::new().await else { return };
    let (mut dice, mut kills, mut rotations, mut written) = (Dice::new(), 0, 0, 0);
    while kills < if is_long() { 100 } else { 20 } {
        let (job, start) = scene.rotation().await;
        let customers = scene.customers();
        let mut workers: Vec<Worker> = (0..4).map(|_| start.worker("worker")).collect();
        loop {
            sleep(dice.milliseconds(150)).await;
            let victim = usize::try_from(dice.below(4)).unwrap();
            let worker = workers.get_mut(victim).unwrap();
            if !std::mem::replace(worker, start.worker("worker")).kill().await {
                break;
            }
            kills += 1;
        }
        for worker in workers {
            worker.succeed().await;
        }
        written += scene.stop(customers).await;
        scene.check(&job).await;
        rotations += 1;
    }
    println!("{kills} kills in {rotations} rotations of {ROWS} rows; customers wrote {written} rows");
    assert!(written > 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stops_does_not_keep_its_range() {
    let _turn = TURN.lock().await;
    let Some(mut scene) = Scene::new().await else { return };
    for _ in 0..if is_long() { 5 } else { 1 } {
        let (job, start) = scene.rotation().await;
        let customers = scene.customers();
        let (stopped, other) = (start.worker("stopped"), start.worker("other"));
        scene.wait_for(&job, 1_000).await;
        // Until it stops in the middle of a page.
        for turn in 1.. {
            stopped.signal("-STOP").await;
            sleep(Duration::from_millis(10)).await;
            if state(&scene, "stopped").await.as_deref() == Some("idle in transaction")
                && has_range(&scene, "stopped").await
            {
                break;
            }
            assert!(turn < 500, "the worker is never in a transaction");
            stopped.signal("-CONT").await;
            sleep(Duration::from_millis(1)).await;
        }
        let start = Instant::now();
        other.succeed().await;
        println!("the other worker ended {:?} after the stop", start.elapsed());
        assert_eq!(state(&scene, "stopped").await, None, "PostgreSQL has ended its connection");
        scene.wait_for(&job, ROWS).await;
        stopped.signal("-CONT").await;
        stopped.succeed().await;
        assert!(scene.stop(customers).await > 10);
        scene.check(&job).await;
    }
}

/// It fails at first, and has the newest key when its turn comes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_a_customer_holds_is_counted_once() {
    let _turn = TURN.lock().await;
    let Some(mut scene) = Scene::new().await else { return };
    let (job, start) = scene.rotation().await;
    let write = scene.hold(7).await;
    let worker = start.worker("worker");
    let start = Instant::now();
    while scene.status(&job).await.failed == 0 {
        assert!(start.elapsed() < Duration::from_secs(30), "the row is not in the way");
        sleep(Duration::from_millis(5)).await;
    }
    write.commit().await.unwrap();
    worker.succeed().await;
    scene.check(&job).await;
    assert_eq!(scene.status(&job).await.current, 1);
}

async fn state(scene: &Scene, name: &str) -> Option<String> {
    let state = "SELECT state FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()";
    query_scalar(state).bind(name).fetch_optional(&scene.db).await.unwrap()
}

/// Returns whether a worker's transaction has locked a range, and not only begun.
async fn has_range(scene: &Scene, name: &str) -> bool {
    let has_range = "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE application_name = $1 AND relation = 'sealwax.ranges'::regclass AND mode = 'RowShareLock')";
    query_scalar(has_range).bind(name).fetch_one(&scene.db).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_lose_nothing() {
    let _turn = TURN.lock().await;
    let Some(mut scene) = Scene::new().await else { return };
    let cutter = cutter::cutter(format!("{}:{}", scene.options.get_host(), scene.options.get_port())).await;
    let (mut dice, mut ended) = (Dice::new(), 0_i64);
    let cuts = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::SeqCst);
    let wanted = if is_long() { 100 } else { 10 };
    while cuts(&cutter.cuts.all) < wanted || cuts(&cutter.cuts.commits) < wanted / 4 || ended < 10 {
        let (job, mut start) = scene.rotation().await;
        start.options = start.options.port(cutter.port);
        let customers = scene.customers();
        let workers: Vec<Worker> = (0..3).map(|_| start.worker("worker")).collect();
        let start = Instant::now();
        while !scene.status(&job).await.is_finished {
            assert!(start.elapsed() < Duration::from_secs(120), "no worker goes on");
            // Ever more rarely, so that a worker gets through on a busy machine, too.
            sleep(dice.milliseconds(200) + start.elapsed() / 20).await;
            let end = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
                WHERE application_name = 'worker' AND datname = current_database() LIMIT 1) AS one";
            ended += query_scalar::<_, i64>(end).fetch_one(&scene.db).await.unwrap();
        }
        for worker in workers {
            worker.succeed().await;
        }
        assert!(scene.stop(customers).await > 10);
        scene.check(&job).await;
    }
    let (all, commits) = (cuts(&cutter.cuts.all), cuts(&cutter.cuts.commits));
    println!("{all} connections cut, {commits} at a COMMIT; PostgreSQL ended {ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_key_takes_over() {
    let _turn = TURN.lock().await;
    let Some(mut scene) = Scene::new().await else { return };
    for _ in 0..if is_long() { 10 } else { 2 } {
        let (first, start) = scene.rotation().await;
        let (killed, mut alive) = (start.worker("killed"), start.worker("alive"));
        scene.wait_for(&first, ROWS / 4).await;
        assert!(killed.kill().await);
        // The other one is at work while a job with one more key replaces its own.
        let (second, start) = scene.rotation().await;
        assert_eq!(alive.end().await.code(), Some(REPLACED));
        let status = scene.status(&first).await;
        assert!(status.rows < ROWS && status.is_finished);
        assert_eq!(status.replaced_by, Some(second.id()));
        let customers = scene.customers();
        start.worker("second").succeed().await;
        scene.stop(customers).await;
        scene.check(&second).await;
        let (third, start) = scene.rotation().await;
        start.worker("third").succeed().await;
        scene.check(&third).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_loses_nothing() {
    let _turn = TURN.lock().await;
    let Some(mut cluster) = Cluster::new() else { return };
    let (db, options) = empty_on(cluster.options()).await;
    let mut scene = Scene::in_database(db, options, "").await;
    let (mut dice, mut restarts) = (Dice::new(), 0);
    while restarts < if is_long() { 20 } else { 4 } {
        let (job, start) = scene.rotation().await;
        let customers = scene.customers();
        let workers: Vec<Worker> = (0..3).map(|_| start.worker("worker")).collect();
        for (signal, rows) in [("-QUIT", ROWS / 8), ("-INT", ROWS / 2)] {
            scene.wait_for(&job, rows).await;
            sleep(dice.milliseconds(50)).await;
            assert!(!scene.status(&job).await.is_finished);
            cluster.restart(signal);
            restarts += 1;
        }
        for worker in workers {
            worker.succeed().await;
        }
        assert!(scene.stop(customers).await > 10);
        scene.check(&job).await;
    }
    println!("{restarts} restarts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing() {
    let _turn = TURN.lock().await;
    let Some(cluster) = Cluster::new() else { return };
    let Some(disk) = cluster.mount(64 * 1024) else { return };
    let (db, options) = empty_on(cluster.options()).await;
    let space = format!("CREATE TABLESPACE small LOCATION '{}'", disk.0.display());
    raw_sql(AssertSqlSafe(space)).execute(&db).await.unwrap();
    let mut scene = Scene::in_database(db, options, "TABLESPACE small").await;
    // Some rows can be written to new pages of the table, but not all.
    let size = "SELECT pg_total_relation_size('credentials') / 1024";
    let size: i64 = query_scalar(size).fetch_one(&scene.db).await.unwrap();
    disk.resize(u64::try_from(size).unwrap().checked_add(512).unwrap());
    let (job, mut start) = scene.rotation().await;
    start.tries = 3;
    let mut worker = start.worker("worker");
    assert_eq!(worker.end().await.code(), Some(DATABASE));
    let status = scene.status(&job).await;
    assert!((1..ROWS).contains(&status.changed), "{status:?}");
    assert_eq!((status.failed, status.is_finished, status.stopped_because), (0, false, None));
    println!("the disk was full after {} rows", status.changed);
    disk.resize(64 * 1024);
    start.worker("worker").succeed().await;
    scene.check(&job).await;
    drop(cluster);
}
