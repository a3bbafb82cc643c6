//! Workers as processes of their own: this program, started again.

use std::env;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use sealwax::Keyring;
use sealwax_sqlx::{Job, Limits};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgPool};
use tokio::process::Command;

const JOB: &str = "REACH_JOB";
const RING: &str = "REACH_RING";
const URL: &str = "REACH_URL";
const WORKERS: &str = "REACH_WORKERS";

/// What some workers did together.
pub(crate) struct Run {
    pub(crate) rows: u64,
    pub(crate) changed: u64,
    /// From the start of the first process to the end of the last one.
    pub(crate) time: Duration,
    /// The most memory that one of them has had, in KiB.
    pub(crate) memory: u64,
}

impl Run {
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a rate")]
    pub(crate) fn rate(&self) -> f64 {
        self.rows as f64 / self.time.as_secs_f64()
    }
}

/// Starts processes with so many workers each, and waits until the job is finished.
pub(crate) async fn run(
    db: &PgPool,
    options: &PgConnectOptions,
    ring: &str,
    job: &Job,
    processes: usize,
    workers: u32,
) -> Run {
    let start_one = |_| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.env(URL, options.to_url_lossy().to_string()).env(RING, ring).env(JOB, job.id().to_string());
        command.env(WORKERS, workers.to_string());
        command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
    };
    let before = job.status(&mut db.acquire().await.unwrap()).await.unwrap();
    let start = Instant::now();
    let children: Vec<_> = (0..processes).map(start_one).collect();
    let mut memory = 0;
    for child in children {
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "a worker failed: {}", output.status);
        memory = memory.max(String::from_utf8(output.stdout).unwrap().trim().parse().unwrap());
    }
    let time = start.elapsed();
    let status = job.status(&mut db.acquire().await.unwrap()).await.unwrap();
    assert!(status.is_finished && status.failed == 0 && status.rows == status.rows_expected, "{status:?}");
    let since = |now: i64, before: i64| u64::try_from(now - before).unwrap();
    Run { rows: since(status.rows, before.rows), changed: since(status.changed, before.changed), time, memory }
}

/// Works, if this process is a worker, and returns whether it is.
pub(crate) async fn work() -> bool {
    let Ok(job) = env::var(JOB) else { return false };
    let ring: Keyring = env::var(RING).unwrap().parse().unwrap();
    let options: PgConnectOptions = env::var(URL).unwrap().parse().unwrap();
    let workers: u32 = env::var(WORKERS).unwrap().parse().unwrap();
    // A worker tries again if its connection is broken, so the pool need not ask before each page.
    let pool = PgPoolOptions::new().max_connections(workers).test_before_acquire(false);
    let db = pool.connect_with(options).await.unwrap();
    let job = Job::load(&mut db.acquire().await.unwrap(), job.parse().unwrap()).await.unwrap();
    let limits = Limits::default();
    let work = |_| job.work(&db, &ring, &limits, |_| {});
    futures_util::future::try_join_all((0..workers).map(work)).await.unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{}", most.trim().trim_end_matches(" kB"));
    true
}
