//! `sealwax-rotate`: rotates a table of sealed credentials, together with any number of other processes.

mod cli;
mod core_dumps;
mod exit;
mod inputs;
mod place;
mod plan;
mod report;
mod work;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use sealwax::Keyring;
use sealwax_sqlx::{Job, Table, census, find, install, safe_to_destroy, safe_to_retire, unopenable};
use serde_json::json;
use sqlx::PgConnection;

use crate::cli::{Census, Cli, Command, Verify};
use crate::exit::{Exit, Failure};
use crate::place::Place;
use crate::report::Output;

fn main() -> ExitCode {
    core_dumps::forbid();
    // Also if the other arguments cannot be parsed.
    let output = Output { is_json: env::args_os().any(|argument| argument == "--json") };
    match arguments(output).and_then(|cli| start(&cli, output)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.report(output.is_json);
            failure.exit.into()
        }
    }
}

fn arguments(output: Output) -> Result<Cli, Failure> {
    let is_secret = |argument: OsString| ["swk1_", "://"].iter().any(|part| argument.to_string_lossy().contains(part));
    if env::args_os().any(is_secret) {
        let refused = "an argument is a key or a URL, and other users can read arguments";
        return Err(Failure::new(Exit::Usage, refused).hint("use a variable or a file: see --help"));
    }
    Cli::try_parse().map_err(|error| {
        let error = exit::without_arguments(error);
        if !output.is_json || !error.use_stderr() {
            error.exit();
        }
        // The usage follows after an empty line.
        let said = error.render().to_string();
        let said: Vec<_> = said.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        Failure::new(Exit::Usage, said.join(" ").trim_start_matches("error: "))
    })
}

fn start(cli: &Cli, output: Output) -> Result<Exit, Failure> {
    // Each worker gets a thread of its own, because it computes without a pause.
    let workers = match &cli.command {
        Command::Work(work) => work.how.workers,
        Command::Verify(verify) => verify.how.workers,
        _ => 0,
    };
    let threads = usize::from(workers).saturating_add(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(threads).build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::InputOutput, error.to_string()))?;
    runtime.block_on(run(cli, output))
}

async fn run(cli: &Cli, output: Output) -> Result<Exit, Failure> {
    let database = inputs::database(cli)?;
    let mut connection = inputs::connect(&database).await?;
    let db = &mut connection;
    match &cli.command {
        Command::Install => {
            install(db).await?;
            output.say("the schema sealwax is installed", &json!({ "installed": true }))?;
            Ok(Exit::Done)
        }
        Command::Plan(plan) => {
            let job = plan::plan(db, &inputs::keyring(cli)?, plan).await?;
            let (id, kind, place) = (job.id(), job.kind().name(), report::named(job.table()));
            let text = format!("job {id}: {kind} {place}\nnext: sealwax-rotate work {id}");
            output.say(&text, &json!({ "job": id, "kind": kind, "place": place }))?;
            Ok(Exit::Done)
        }
        Command::Work(work) => {
            let job = match work.job {
                Some(id) => Job::load(db, id).await?,
                None => the_only(db).await?,
            };
            drop(connection);
            let pool = inputs::pool(database, work.how.workers);
            work::work(&pool, job, inputs::keyring(cli)?, &work.how, output).await
        }
        Command::Verify(verify) => {
            let ring = inputs::keyring(cli)?;
            let (job, proved) = plan_verification(db, &ring, verify, output).await?;
            drop(connection);
            let pool = inputs::pool(database, verify.how.workers);
            let verified = work::work(&pool, job, ring, &verify.how, output).await?;
            Ok(if verified == Exit::Done { proved } else { verified })
        }
        Command::Status { job } => status(db, *job, output).await,
        Command::Pause { job } => {
            Job::load(db, *job).await?.pause(db).await?;
            say_state(db, *job, output).await
        }
        Command::Resume { job } => {
            Job::load(db, *job).await?.resume(db).await?;
            say_state(db, *job, output).await
        }
        Command::Cancel { job } => {
            Job::cancel(db, *job).await?;
            say_state(db, *job, output).await
        }
        Command::Forget { job } => {
            Job::load(db, *job).await?.forget_snapshot(db).await?;
            say_state(db, *job, output).await
        }
        Command::Census(census) => take_census(db, cli, census, output).await,
    }
}

/// Says what became of a job: one that is finished cannot be paused or cancelled.
async fn say_state(db: &mut PgConnection, job: i64, output: Output) -> Result<Exit, Failure> {
    let state = Job::status_of(db, job).await?.map_or("deleted".to_owned(), |status| report::state(&status));
    output.say(&format!("job {job}: {state}"), &json!({ "job": job, "state": state }))?;
    Ok(Exit::Done)
}

/// Loads the only job that is not finished.
async fn the_only(db: &mut PgConnection) -> Result<Job, Failure> {
    match Job::unfinished(db).await?.as_slice() {
        [id] => Ok(Job::load(db, *id).await?),
        [] => Err(Failure::new(Exit::NotFound, "every job is finished").hint("plan one: sealwax-rotate plan")),
        several => {
            let several = several.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            Err(Failure::new(Exit::Usage, format!("name one of the unfinished jobs: {several}")))
        }
    }
}

async fn status(db: &mut PgConnection, job: Option<i64>, output: Output) -> Result<Exit, Failure> {
    let jobs = match job {
        Some(id) => vec![id],
        None => Job::unfinished(db).await?,
    };
    if jobs.is_empty() {
        output.say_to_a_person("every job is finished")?;
    }
    let mut exit = Exit::Done;
    for id in jobs {
        match Job::load(db, id).await {
            Ok(job) => drop(report::job(db, &job, output).await?),
            Err(error) => {
                let Some(status) = Job::status_of(db, id).await? else { return Err(error.into()) };
                let failure = Failure::from(error);
                report::unusable(id, &status, &failure.message, output)?;
                exit = failure.exit;
            }
        }
    }
    Ok(exit)
}

/// Plans a verification, after the proof that was asked for, and returns what that concludes.
async fn plan_verification(
    db: &mut PgConnection,
    ring: &Keyring,
    args: &Verify,
    output: Output,
) -> Result<(Job, Exit), Failure> {
    let table = args.place.find(db).await?;
    let mut proved = Exit::Done;
    if let Some(id) = args.proof_of {
        let job = Job::load(db, id).await?;
        if *job.table() != table {
            return Err(Failure::new(Exit::Usage, format!("job {id} is over {}", report::named(job.table()))));
        }
        let Some(proof) = job.proof(db).await? else {
            let no = Failure::new(Exit::NotFound, format!("job {id} has no proof"));
            return Err(no.hint("plan a rotation with --prove"));
        };
        proved = report::proof(id, &proof, output)?;
    }
    // If the old key is among them, the verification does not say whether a row still needs it.
    report::keys(ring, output)?;
    Ok((Job::plan_verification(db, &table, ring, &args.options.to_options()).await?, proved))
}

async fn tables(db: &mut PgConnection, places: &[Place]) -> Result<Vec<Table>, Failure> {
    let mut tables = Vec::with_capacity(places.len());
    for place in places {
        tables.push(place.find(db).await?);
    }
    Ok(tables)
}

async fn take_census(db: &mut PgConnection, cli: &Cli, args: &Census, output: Output) -> Result<Exit, Failure> {
    let tables = tables(db, &args.places).await?;
    let waived: Vec<_> = args.waived.iter().map(Place::to_waived).collect();
    if args.index {
        for table in &tables {
            output.say(&format!("{};", table.index_statement()), &json!({ "index": table.index_statement() }))?;
        }
        return Ok(Exit::Done);
    }
    if args.unopenable {
        let (ring, mut exit) = (inputs::keyring(cli)?, Exit::Done);
        for table in &tables {
            let found = unopenable(db, table, &ring).await?;
            if !found.is_empty() {
                exit = Exit::No;
            }
            report::unopenable(table, &found, output)?;
        }
        return Ok(exit);
    }
    if let Some(key_id) = &args.destroy {
        // clap requires the retention.
        let retention = args.retention.unwrap_or(std::time::Duration::MAX);
        let report = safe_to_destroy(db, &tables, &waived, key_id, retention).await?;
        return report::safe("destroy", &report, &args.waived, output);
    }
    if let Some(key_id) = &args.retire {
        let report = safe_to_retire(db, &tables, &waived, key_id).await?;
        return report::safe("retire", &report, &args.waived, output);
    }
    for table in &tables {
        report::census(table, &census(db, table).await?, output)?;
    }
    if args.find {
        let found = find(db, &tables, &waived).await?;
        report::undeclared(&found, output)?;
        return Ok(if found.is_empty() { Exit::Done } else { Exit::No });
    }
    Ok(Exit::Done)
}
