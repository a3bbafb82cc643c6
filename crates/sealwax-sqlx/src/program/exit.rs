//! The exit codes of the program, and how errors lead to them.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use sealwax_sqlx::{PlanError, TableError, WorkError};
use serde_json::json;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    No,
    Usage,
    Configuration,
    NotFound,
    Conflict,
    InputOutput,
    Key,
    Database,
    Partial,
    Signal(u8),
}

impl Exit {
    /// The table of the codes, which `--help` prints.
    pub(crate) const TABLE: &str = "\
Exit codes:
    0  success
    1  no: the key may still be needed, rows do not verify or do not open, or a proof fails
    2  the command line is invalid
    3  the keyring, the URL of the database, or the declaration or key of an import is missing or malformed
    4  there is no such job, table or column, or it cannot be used
    5  a job over the column is not finished, or the job has stopped, or was replaced or cancelled
    7  reading a file or writing the output failed
   11  a key is unknown, disabled, leaked or destroyed, or is not the one that the job was planned with
   13  the database failed
   14  partly done: some rows failed
  130, 143  ended by SIGINT or SIGTERM; the job goes on when a worker is started again";

    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Configuration => 3,
            Self::NotFound => 4,
            Self::Conflict => 5,
            Self::InputOutput => 7,
            Self::Key => 11,
            Self::Database => 13,
            Self::Partial => 14,
            Self::Signal(signal) => signal.saturating_add(128),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why the program ends, and what helps.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
    /// Whether nobody reads the output any more, as with `| head -1`. That is no error to report.
    pub(crate) is_broken_pipe: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, is_broken_pipe: false }
    }

    pub(crate) fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// Says on stderr what failed.
    pub(crate) fn report(&self, is_json: bool) {
        if self.is_broken_pipe {
            return;
        }
        let Self { message, hint, .. } = self;
        let said = match hint {
            _ if is_json => json!({ "error": message, "hint": hint }).to_string(),
            Some(hint) => format!("error: {message}\nhint: {hint}"),
            None => format!("error: {message}"),
        };
        // If nobody is left to read this, there is no other place to say it.
        drop(writeln!(io::stderr(), "{said}"));
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        // What a constraint or a trigger says can repeat the columns of a row.
        let message = match error.as_database_error().and_then(|error| error.code()) {
            Some(code) if ["22", "23", "27", "44", "P0"].iter().any(|class| code.starts_with(class)) => {
                format!("the database refuses a row: SQLSTATE {code}")
            }
            _ => error.to_string(),
        };
        let failure = Self::new(Exit::Database, message);
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return failure.hint("the database does not answer, or takes no more connections");
        }
        let code = error.as_database_error().and_then(|error| error.code());
        match code.as_deref() {
            // A schema, a table, a column or a function that does not exist.
            Some("3F000" | "42P01" | "42703" | "42883") => {
                failure.hint("create or update the schema `sealwax`: sealwax-rotate install")
            }
            Some("42501") => failure.hint("the role lacks a right: see *Roles* in the README"),
            _ => failure,
        }
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Database(error) => error.into(),
            TableError::NoPrimaryKey { .. } => Self::new(Exit::NotFound, error.to_string())
                .hint("write them after the column, as in `credentials:envelope:tenant,provider`"),
            error => Self::new(Exit::NotFound, error.to_string()),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let exit = match error {
            PlanError::Database(error) => return error.into(),
            PlanError::Table(error) => return error.into(),
            PlanError::Unfinished { .. } => {
                return Self::new(Exit::Conflict, error.to_string())
                    .hint("sealwax-rotate status names it; go on with `work`, or give --replace, or `cancel` it");
            }
            PlanError::Witness { ref source, .. } => return Self::new(Exit::Key, format!("{error}: {source}")),
            PlanError::OtherPrimary { .. } | PlanError::NotOpened { .. } | PlanError::NotRetired { .. } => Exit::Key,
            PlanError::Option { .. } | PlanError::NoProof { .. } => Exit::Usage,
            _ => Exit::NotFound,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<WorkError> for Failure {
    fn from(error: WorkError) -> Self {
        let exit = match error {
            WorkError::Database(error) => return error.into(),
            WorkError::Stopped { .. } => {
                let stopped = Self::new(Exit::Conflict, error.to_string());
                return stopped.hint("sealwax-rotate status says which rows failed; resume the job when it is mended");
            }
            WorkError::OtherKeyring { .. } => {
                return Self::new(Exit::Key, error.to_string())
                    .hint("give all workers the keyring that the job was planned with, or replace the job");
            }
            WorkError::Witness { ref source, .. } => return Self::new(Exit::Key, format!("{error}: {source}")),
            WorkError::KeyService { .. } => Exit::Key,
            WorkError::NoKey => Exit::Configuration,
            WorkError::Gone => Exit::NotFound,
            _ => Exit::Conflict,
        };
        Self::new(exit, error.to_string())
    }
}

/// Says why arguments cannot be used, and repeats none, because it may be a key that was given by mistake.
pub(crate) fn without_arguments(mut error: clap::Error) -> clap::Error {
    for kind in error.context().map(|(kind, _)| kind).collect::<Vec<_>>() {
        match kind {
            // The name of an option that there is.
            ContextKind::InvalidArg if error.kind() != ErrorKind::UnknownArgument => {}
            ContextKind::InvalidArg | ContextKind::InvalidValue | ContextKind::InvalidSubcommand => {
                // clap reports a missing value as an empty one.
                if !matches!(error.get(kind), Some(ContextValue::String(text)) if text.is_empty()) {
                    error.insert(kind, ContextValue::String("...".to_owned()));
                }
            }
            ContextKind::PriorArg | ContextKind::ValidSubcommand | ContextKind::ValidValue | ContextKind::Usage => {}
            // Most suggestions repeat an argument.
            _ => drop(error.remove(kind)),
        }
    }
    error
}
