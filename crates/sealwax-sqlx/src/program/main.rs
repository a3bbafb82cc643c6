//! `sealwax-rotate`: rotates a table of sealed credentials, together with any number of other processes.

mod cli;
mod exit;
mod inputs;
mod place;
mod plan;
mod report;
mod work;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use sealwax_sqlx::{Job, Table, census, find, install, safe_to_destroy, safe_to_retire, unopenable};
use serde_json::json;
use sqlx::PgConnection;
use sqlx::postgres::PgPool;

use crate::cli::{Census, Cli, Command, Verify};
use crate::exit::{Exit, Failure};
use crate::place::Place;
use crate::report::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => exit::without_arguments(error).exit(),
    };
    let output = Output { is_json: cli.json };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(threads(&cli)).build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(&cli, output)),
        Err(error) => Err(Failure::new(Exit::InputOutput, error.to_string())),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // If nobody is left to read this, there is no other place to say it.
            let mut stderr = io::stderr().lock();
            drop(writeln!(stderr, "error: {}", failure.message));
            if let Some(hint) = failure.hint {
                drop(writeln!(stderr, "hint: {hint}"));
            }
            failure.exit.into()
        }
    }
}

/// Each worker gets a thread of its own, because it computes without a pause.
fn threads(cli: &Cli) -> usize {
    match &cli.command {
        Command::Work(work) => work.how.workers.get().saturating_add(1),
        Command::Verify(verify) => verify.how.workers.get().saturating_add(1),
        _ => 1,
    }
}

async fn run(cli: &Cli, output: Output) -> Result<Exit, Failure> {
    let db = inputs::database(cli)?;
    let mut connection = db.acquire().await?;
    match &cli.command {
        Command::Install => {
            install(&mut connection).await?;
            output.say("the schema sealwax is installed", &json!({ "installed": true }))?;
            Ok(Exit::Done)
        }
        Command::Plan(plan) => {
            let job = plan::plan(&mut connection, &inputs::keyring(cli)?, plan).await?;
            let (id, kind) = (job.id(), job.kind().name());
            let text = format!("job {id}: {kind} {}\nnext: sealwax-rotate work {id}", report::named(job.table()));
            output.say(&text, &json!({ "job": id, "kind": kind }))?;
            Ok(Exit::Done)
        }
        Command::Work(work) => {
            let job = match work.job {
                Some(id) => Job::load(&mut connection, id).await?,
                None => the_only(&mut connection).await?,
            };
            drop(connection);
            work::work(&db, job, inputs::keyring(cli)?, &work.how, output).await
        }
        Command::Verify(verify) => self::verify(&db, connection, cli, verify, output).await,
        Command::Status { job } => status(&mut connection, *job, output).await,
        Command::Pause { job } => {
            Job::load(&mut connection, *job).await?.pause(&mut connection).await?;
            said(output, *job, "paused")
        }
        Command::Resume { job } => {
            Job::load(&mut connection, *job).await?.resume(&mut connection).await?;
            said(output, *job, "resumed")
        }
        Command::Cancel { job } => {
            Job::cancel(&mut connection, *job).await?;
            said(output, *job, "cancelled")
        }
        Command::Census(census) => take_census(&mut connection, cli, census, output).await,
    }
}

fn said(output: Output, job: i64, what: &str) -> Result<Exit, Failure> {
    output.say(&format!("job {job}: {what}"), &json!({ "job": job, "now": what }))?;
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
    for id in jobs {
        let job = Job::load(db, id).await?;
        report::job(db, &job, output).await?;
    }
    Ok(Exit::Done)
}

async fn verify(
    db: &PgPool,
    mut connection: sqlx::pool::PoolConnection<sqlx::Postgres>,
    cli: &Cli,
    args: &Verify,
    output: Output,
) -> Result<Exit, Failure> {
    let ring = inputs::keyring(cli)?;
    let table = args.place.find(&mut connection).await?;
    let mut proved = Exit::Done;
    if let Some(id) = args.proof_of {
        let job = Job::load(&mut connection, id).await?;
        if *job.table() != table {
            return Err(Failure::new(Exit::Usage, format!("job {id} is over {}", report::named(job.table()))));
        }
        let Some(proof) = job.proof(&mut connection).await? else {
            let no = Failure::new(Exit::NotFound, format!("job {id} has no proof"));
            return Err(no.hint("plan a rotation with --prove"));
        };
        proved = report::proof(id, &proof, output)?;
    }
    let job = Job::plan_verification(&mut connection, &table, &ring, &args.options.to_options()).await?;
    drop(connection);
    let verified = work::work(db, job, ring, &args.how, output).await?;
    Ok(match (verified, proved) {
        (Exit::Done, proved) => proved,
        (Exit::Partial, _) => Exit::No,
        (other, _) => other,
    })
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
        return report::safe("destroy", &safe_to_destroy(db, &tables, &waived, key_id, retention).await?, output);
    }
    if let Some(key_id) = &args.retire {
        return report::safe("retire", &safe_to_retire(db, &tables, &waived, key_id).await?, output);
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
