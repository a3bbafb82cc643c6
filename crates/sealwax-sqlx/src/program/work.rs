//! `work`: workers in this process, and how far the job is.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sealwax::Keyring;
use sealwax_sqlx::{Done, Job, Kind, Status, WorkError};
use sqlx::postgres::PgPool;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::cli::How;
use crate::exit::{Exit, Failure};
use crate::inputs;
use crate::report::{self, Output};

/// Works until the job is done, or somebody ends this process. A page in progress is rolled back then.
pub(crate) async fn work(db: &PgPool, job: Job, ring: Keyring, how: &How, output: Output) -> Result<Exit, Failure> {
    let foreign = match job.declaration() {
        Some(declaration) => Some(Arc::new(inputs::import_key(declaration)?)),
        None => None,
    };
    let (job, ring, limits) = (Arc::new(job), Arc::new(ring), how.limits());
    let mut signals = signals().map_err(|error| Failure::new(Exit::InputOutput, error.to_string()))?;
    let mut workers = JoinSet::new();
    for _ in 0..how.workers {
        let (db, job, ring, foreign) = (db.clone(), Arc::clone(&job), Arc::clone(&ring), foreign.clone());
        workers.spawn(async move {
            match &foreign {
                Some(foreign) => job.work_on_import(&db, &ring, foreign, &limits, |_| {}).await,
                None => job.work(&db, &ring, &limits, |_| {}).await,
            }
        });
    }
    let mut progress = Progress::new(&job, output);
    let ended = watch(&mut workers, &mut signals, db, &job, &mut progress).await;
    workers.shutdown().await;
    progress.end();
    if let Some(signal) = ended? {
        output.say_to_a_person(&format!("ended; to go on: sealwax-rotate work {}", job.id()))?;
        return Ok(Exit::Signal(signal));
    }
    let status = report::job(&mut *db.acquire().await?, &job, output).await?;
    Ok(match (status.failed, job.kind()) {
        (0, _) => Exit::Done,
        (_, Kind::Audit | Kind::Verify) => Exit::No,
        _ => Exit::Partial,
    })
}

/// Shows how far the workers are until they end, or one of them fails, or a signal comes, which it returns.
async fn watch(
    workers: &mut JoinSet<Result<Done, WorkError>>,
    signals: &mut Signals,
    db: &PgPool,
    job: &Job,
    progress: &mut Progress<'_>,
) -> Result<Option<u8>, Failure> {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let status = async {
            ticks.tick().await;
            job.status(&mut *db.acquire().await?).await
        };
        tokio::select! {
            ended = workers.join_next() => match ended {
                None => return Ok(None),
                Some(Ok(Ok(_))) => {}
                Some(Ok(Err(error))) => {
                    let failure = Failure::from(error);
                    return Err(Failure { message: format!("job {}: {}", job.id(), failure.message), ..failure });
                }
                Some(Err(error)) => return Err(Failure::new(Exit::InputOutput, format!("a worker: {error}"))),
            },
            signal = any(signals) => return Ok(Some(signal)),
            status = status => {
                // If this failed, so do the workers, and they say why.
                if let Ok(status) = status {
                    progress.show(&status)?;
                }
            }
        }
    }
}

type Signals = Vec<(u8, Signal)>;

fn signals() -> io::Result<Signals> {
    let ends = [(2, SignalKind::interrupt()), (15, SignalKind::terminate())];
    ends.into_iter().map(|(number, kind)| Ok((number, signal(kind)?))).collect()
}

/// Waits for one of the signals.
async fn any(signals: &mut Signals) -> u8 {
    let waits = signals.iter_mut().map(|(number, signal)| {
        Box::pin(async move {
            signal.recv().await;
            *number
        })
    });
    futures_util::future::select_all(waits).await.0
}

/// How far the job is: a bar for a person, a line a second for a machine, and now and then a line for a file.
struct Progress<'a> {
    job: &'a Job,
    output: Output,
    bar: Option<ProgressBar>,
    start: Instant,
    at_start: Option<i64>,
    shown: Option<Instant>,
}

impl<'a> Progress<'a> {
    fn new(job: &'a Job, output: Output) -> Self {
        let bar = (!output.is_json && io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} rows, {msg}");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { job, output, bar, start: Instant::now(), at_start: None, shown: None }
    }

    fn show(&mut self, status: &Status) -> Result<(), Failure> {
        let Status { rows, rows_expected, failed, .. } = status;
        let at_start = *self.at_start.get_or_insert(*rows);
        // Of this run: others may have worked on the job before.
        let rate = report::rate(rows.saturating_sub(at_start), self.start.elapsed());
        if self.output.is_json {
            let mut object = report::counts(self.job.id(), status);
            object.insert("rows_a_second".to_owned(), rate.into());
            return self.output.print_json(&object.into());
        }
        let left = u64::try_from(rows_expected.saturating_sub(*rows)).unwrap_or_default().checked_div(rate);
        let left = left.map(|seconds| format!(", {} left", HumanDuration(Duration::from_secs(seconds))));
        let paused = if status.is_paused { ", paused" } else { "" };
        let how = format!("{rate} a second, {failed} failed{}{paused}", left.unwrap_or_default());
        if let Some(bar) = &self.bar {
            bar.set_length(rows_expected.unsigned_abs());
            bar.set_position(rows.unsigned_abs());
            bar.set_message(how);
        } else if self.shown.is_none_or(|shown| shown.elapsed() >= Duration::from_secs(10)) {
            self.shown = Some(Instant::now());
            self.output.say_to_a_person(&format!("{rows} of {rows_expected} rows, {how}"))?;
        }
        Ok(())
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
