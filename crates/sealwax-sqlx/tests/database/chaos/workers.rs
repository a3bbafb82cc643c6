//! Workers as processes of their own: this test program, started again.

use std::env;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use sealwax::Keyring;
use sealwax_sqlx::{Job, Limits, WorkError};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const JOB: &str = "SEALWAX_CHAOS_JOB";
const NAME: &str = "SEALWAX_CHAOS_NAME";
const RING: &str = "SEALWAX_CHAOS_RING";
const TRIES: &str = "SEALWAX_CHAOS_TRIES";
const URL: &str = "SEALWAX_CHAOS_URL";

/// After this long without a statement, PostgreSQL ends a worker's transaction.
pub(super) const IDLE: Duration = Duration::from_secs(1);

/// How a worker ends if another job has replaced its own.
pub(super) const REPLACED: i32 = 3;
/// How it ends if the database failed too many times.
pub(super) const DATABASE: i32 = 4;

/// How to start a worker.
#[derive(Clone)]
pub(super) struct Start {
    pub(super) options: PgConnectOptions,
    pub(super) ring: String,
    pub(super) job: i64,
    pub(super) tries: u32,
}

impl Start {
    /// Starts a process. Its connection has `name`.
    pub(super) fn worker(&self, name: &str) -> Worker {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "chaos::workers::a_worker", "--ignored", "--nocapture"]);
        command.env(URL, self.options.to_url_lossy().to_string()).env(RING, &self.ring).env(NAME, name);
        command.env(JOB, self.job.to_string()).env(TRIES, self.tries.to_string());
        Worker { process: command.stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap() }
    }
}

pub(super) struct Worker {
    process: Child,
}

impl Worker {
    /// Returns how it ended, which it does soon.
    pub(super) async fn end(&mut self) -> ExitStatus {
        let end = timeout(Duration::from_secs(90), self.process.wait()).await;
        end.unwrap_or_else(|_| panic!("a worker does not end")).unwrap()
    }

    pub(super) async fn succeed(mut self) {
        let status = self.end().await;
        assert!(status.success(), "a worker failed: {status}");
    }

    /// Kills it, and returns whether it was still at work.
    pub(super) async fn kill(mut self) -> bool {
        if let Some(status) = self.process.try_wait().unwrap() {
            assert!(status.success(), "a worker failed: {status}");
            return false;
        }
        self.process.kill().await.unwrap();
        true
    }

    pub(super) async fn signal(&self, signal: &str) {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
    }
}

#[tokio::test]
#[ignore = "a process that the other tests start"]
async fn a_worker() {
    let Ok(job) = env::var(JOB) else { return };
    let ring: Keyring = env::var(RING).unwrap().parse().unwrap();
    let options: PgConnectOptions = env::var(URL).unwrap().parse().unwrap();
    let options = options.application_name(&env::var(NAME).unwrap());
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(5));
    let db = pool.connect_lazy_with(options);
    let job = loop {
        let Ok(mut connection) = db.acquire().await else { continue };
        if let Ok(job) = Job::load(&mut connection, job.parse().unwrap()).await {
            break job;
        }
    };
    let limits = Limits { idle: IDLE, tries: env::var(TRIES).unwrap().parse().unwrap(), ..Limits::default() };
    let code = match job.work(&db, &ring, &limits, |_| {}).await {
        Ok(_) => return,
        Err(WorkError::Replaced { .. }) => REPLACED,
        Err(error) => {
            eprintln!("a worker: {error:?}");
            if matches!(error, WorkError::Database(_)) { DATABASE } else { 1 }
        }
    };
    std::process::exit(code);
}
