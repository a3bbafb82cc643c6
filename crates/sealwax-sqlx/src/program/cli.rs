//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use sealwax::KeyId;
use sealwax_sqlx::{Limits, Options};

use crate::exit::Exit;
use crate::place::Place;

/// Rotates a table of sealed credentials in PostgreSQL, together with any number of other processes.
///
/// A PLACE is [schema.]table[:column[:key,...]]. The schema is `public` and the column `envelope`
/// unless they are given. The keys are the columns that identify a row; unless they are given, those
/// of the primary key. Names are taken as they are. Write a name that has a dot, a colon or a comma
/// in double quotes.
#[derive(Debug, Parser)]
#[command(name = "sealwax-rotate", version, verbatim_doc_comment, after_help = Exit::TABLE)]
pub(crate) struct Cli {
    /// A file with the URL of the database, instead of the variable DATABASE_URL
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) database_file: Option<PathBuf>,
    /// A file with the keyring, instead of the variable SEALWAX_KEYS
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) keys_file: Option<PathBuf>,
    /// Prints JSON, an object a line; an error is one on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Creates the schema `sealwax`, or brings it up to date
    Install,
    /// Plans a job; nothing is written to the table yet
    #[command(subcommand)]
    Plan(Plan),
    /// Works on a job until it is done; start as many processes as you like
    Work(Work),
    /// Shows how far a job is, or all that are not finished
    Status { job: Option<i64> },
    /// Lets all workers of a job end their page and wait
    Pause { job: i64 },
    /// Resumes a job that was paused or has stopped
    Resume { job: i64 },
    /// Ends a job; what it has written stays
    Cancel { job: i64 },
    /// Deletes what `plan rotate --prove` noted, when no proof is needed any more
    Forget { job: i64 },
    /// Verifies every row under the given keyring, in which the old key is `disabled`
    Verify(Verify),
    /// Counts the rows by key id, suite and kind, and says whether a key is still needed
    Census(Census),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Plan {
    /// Rewraps every row for the keyring's primary
    Rotate {
        place: Place,
        /// The primary of the keyring, once more
        #[arg(long, value_name = "KEY_ID")]
        confirm_primary: KeyId,
        /// Notes what every row holds, for `verify --proof-of`
        #[arg(long)]
        prove: bool,
        #[command(flatten)]
        options: JobOptions,
    },
    /// Opens every row
    Audit {
        place: Place,
        #[command(flatten)]
        context: Context,
        #[command(flatten)]
        options: JobOptions,
    },
    /// Opens and seals every row again that names a leaked key
    Reseal {
        place: Place,
        /// The primary of the keyring, once more
        #[arg(long, value_name = "KEY_ID")]
        confirm_primary: KeyId,
        /// The key that leaked, which is `retired` in the keyring
        #[arg(long, value_name = "KEY_ID")]
        leaked: KeyId,
        #[command(flatten)]
        context: Context,
        #[command(flatten)]
        options: JobOptions,
    },
    /// Opens and seals what another program encrypted
    Import {
        place: Place,
        /// The primary of the keyring, once more
        #[arg(long, value_name = "KEY_ID")]
        confirm_primary: KeyId,
        /// How the rows are encrypted: see the README of sealwax-import
        #[arg(long, value_name = "FILE")]
        declaration: PathBuf,
        /// Imports also what looks like no credential
        #[arg(long)]
        take_suspicious: bool,
        #[command(flatten)]
        context: Context,
        #[command(flatten)]
        options: JobOptions,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Context {
    /// A pair of the context, such as tenant={tenant_id}, where {tenant_id} is a column; once for each pair
    #[arg(long = "context", value_name = "NAME=TEMPLATE", value_parser = pair)]
    pub(crate) pairs: Vec<(String, String)>,
    /// Without any pair: the context is empty
    #[arg(long)]
    pub(crate) empty_context: bool,
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, template) = text.split_once('=').ok_or("expected NAME=TEMPLATE")?;
    Ok((name.to_owned(), template.to_owned()))
}

#[derive(Debug, Args)]
pub(crate) struct JobOptions {
    /// The most rows of a page
    #[arg(long, default_value_t = Options::default().page)]
    page: i32,
    /// The most rows a second of all workers together
    #[arg(long)]
    rows_per_second: Option<i32>,
    /// Stops the job when a class of errors has so many rows
    #[arg(long, value_name = "ROWS")]
    stop_after: Option<i64>,
    /// Into how many ranges the keys are divided at first
    #[arg(long, default_value_t = Options::default().ranges)]
    ranges: i64,
    /// Writes nothing to the table
    #[arg(long)]
    dry_run: bool,
    /// Ends an unfinished job of the same kind over the same column
    #[arg(long)]
    replace: bool,
}

impl JobOptions {
    pub(crate) fn to_options(&self) -> Options {
        let &Self { page, rows_per_second, stop_after, ranges, dry_run, replace } = self;
        Options { page, rows_per_second, stop_after, ranges, dry_run, replace, ..Options::default() }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Work {
    /// The job, unless there is only one that is not finished
    pub(crate) job: Option<i64>,
    #[command(flatten)]
    pub(crate) how: How,
}

/// How workers work.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// The number of workers in this process, each with a connection and a thread
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: u16,
    /// The longest time that one statement takes, such as 500ms, 60s, 5m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    statement_timeout: Option<Duration>,
    /// The longest time that a statement waits for the lock of the job or of the table
    #[arg(long, value_name = "TIME", value_parser = duration)]
    lock_timeout: Option<Duration>,
    /// The time after which PostgreSQL ends the transaction of a worker that has stopped
    #[arg(long, value_name = "TIME", value_parser = duration)]
    idle_timeout: Option<Duration>,
    /// How many times in a row a worker tries a page again after the database or the key service failed
    #[arg(long)]
    tries: Option<u32>,
}

impl How {
    pub(crate) fn limits(&self) -> Limits {
        let usual = Limits::default();
        Limits {
            statement: self.statement_timeout.unwrap_or(usual.statement),
            lock: self.lock_timeout.unwrap_or(usual.lock),
            idle: self.idle_timeout.unwrap_or(usual.idle),
            tries: self.tries.unwrap_or(usual.tries),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    pub(crate) place: Place,
    /// Compares also what every row holds with what it held before this rotation, which was planned with --prove
    #[arg(long, value_name = "JOB")]
    pub(crate) proof_of: Option<i64>,
    #[command(flatten)]
    pub(crate) options: JobOptions,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Census {
    #[arg(required = true)]
    pub(crate) places: Vec<Place>,
    /// Finds also envelopes in columns of the database that are no PLACE
    #[arg(long, group = "question")]
    pub(crate) find: bool,
    /// A column whose envelopes need no census; once for each
    #[arg(long = "waive", value_name = "PLACE")]
    pub(crate) waived: Vec<Place>,
    /// Says whether rows still need this key
    #[arg(long, value_name = "KEY_ID", group = "question")]
    pub(crate) retire: Option<KeyId>,
    /// Says whether rows or backups still need this key
    #[arg(long, value_name = "KEY_ID", group = "question", requires = "retention")]
    pub(crate) destroy: Option<KeyId>,
    /// How long backups are kept, such as 90d
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "destroy")]
    pub(crate) retention: Option<Duration>,
    /// Finds rows that the keyring does not open, by the index of --index
    #[arg(long, group = "question")]
    pub(crate) unopenable: bool,
    /// Prints the statement that creates the index, and does nothing else
    #[arg(long, group = "question")]
    pub(crate) index: bool,
}

/// Reads a time: a number and its unit.
fn duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "expected a number and one of ms, s, m, h, d";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| EXPECTED)?;
    let milliseconds: u64 = match text.strip_prefix(digits) {
        Some("ms") => 1,
        Some("s") => 1_000,
        Some("m") => 60_000,
        Some("h") => 3_600_000,
        Some("d") => 86_400_000,
        _ => return Err(EXPECTED),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or("too long")
}
