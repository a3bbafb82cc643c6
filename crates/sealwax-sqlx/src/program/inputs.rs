//! What the program reads: the URL of the database, the keyring, the key of an import.

use std::env::{self, VarError};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use sealwax::triplet::TripletKey;
use sealwax::{Keyring, Secret};
use sealwax_import::Declaration;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::time::timeout;

use crate::cli::Cli;
use crate::exit::{Exit, Failure};

const DATABASE: &str = "DATABASE_URL";
const KEYS: &str = "SEALWAX_KEYS";
const IMPORT_KEY: &str = "SEALWAX_IMPORT_KEY";
const IMPORT_WRAPPED_KEY: &str = "SEALWAX_IMPORT_WRAPPED_KEY";

/// The most bytes of a file, several times as many as the largest keyring has.
const LIMIT: usize = 1024 * 1024;

/// The longest time that the program waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns how to connect to the database.
pub(crate) fn database(cli: &Cli) -> Result<PgConnectOptions, Failure> {
    let url = read(cli.database_file.as_deref(), DATABASE, "--database-file")?;
    // The error can repeat a part of the URL, such as the password.
    let malformed = |_| Failure::new(Exit::Configuration, "the URL of the database is malformed");
    let options: PgConnectOptions = text(&url, DATABASE)?.trim().parse().map_err(malformed)?;
    Ok(options.application_name("sealwax-rotate"))
}

pub(crate) async fn connect(database: &PgConnectOptions) -> Result<PgConnection, Failure> {
    let connected = timeout(PATIENCE, database.connect()).await;
    Ok(connected.unwrap_or(Err(sqlx::Error::PoolTimedOut))?)
}

/// Returns a pool for so many workers, which connects when it is used.
pub(crate) fn pool(database: PgConnectOptions, workers: u16) -> PgPool {
    // One more to ask how far they are.
    let connections = u32::from(workers).saturating_add(1);
    PgPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE).connect_lazy_with(database)
}

/// Reads the keyring.
pub(crate) fn keyring(cli: &Cli) -> Result<Keyring, Failure> {
    let keys = read(cli.keys_file.as_deref(), KEYS, "--keys-file")?;
    text(&keys, KEYS)?.parse().map_err(|error| Failure::new(Exit::Configuration, format!("the keyring: {error}")))
}

/// Reads the declaration of an import.
pub(crate) fn declaration(path: &Path) -> Result<Declaration, Failure> {
    let declared = file(path, "--declaration")?;
    text(&declared, "--declaration")?
        .parse()
        .map_err(|error| Failure::new(Exit::Configuration, format!("the declaration: {error}")))
}

/// Reads the key of the rows of an import, in the form that the declaration names.
pub(crate) fn import_key(declaration: &Declaration) -> Result<TripletKey, Failure> {
    let invalid = |error: String| Failure::new(Exit::Configuration, error);
    let form = declaration.key_as.ok_or_else(|| invalid("the declaration does not say `key as ...`".to_owned()))?;
    let key = read(None, IMPORT_KEY, "")?;
    let wrapped = if form.needs_wrapped() { Some(read(None, IMPORT_WRAPPED_KEY, "")?) } else { None };
    let wrapped = wrapped.as_ref().map(|wrapped| text(wrapped, IMPORT_WRAPPED_KEY)).transpose()?;
    form.key(text(&key, IMPORT_KEY)?, wrapped).map_err(|error| invalid(format!("{IMPORT_KEY}: {error}")))
}

/// Reads a file if one is given, and otherwise a variable.
fn read(path: Option<&Path>, variable: &str, option: &str) -> Result<Secret, Failure> {
    if let Some(path) = path {
        return file(path, option);
    }
    match env::var(variable) {
        Ok(text) => Ok(text.into()),
        Err(VarError::NotUnicode(_)) => Err(Failure::new(Exit::Configuration, format!("{variable} is not UTF-8"))),
        Err(VarError::NotPresent) => {
            let or = if option.is_empty() { String::new() } else { format!(", or use {option}") };
            Err(Failure::new(Exit::Configuration, format!("{variable} is not set: set it{or}")))
        }
    }
}

/// Reads a file. Errors name the option and not the path, which may be a key that was given by mistake.
fn file(path: &Path, option: &str) -> Result<Secret, Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::InputOutput, format!("the file of {option}: {error}"));
    let file = File::open(path).map_err(failed)?;
    // Large enough that it never grows, because growing would leave copies behind.
    let most = LIMIT.saturating_add(1);
    let mut bytes = Vec::with_capacity(most);
    let read = file.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes);
    // What was read before a failure is wiped as well.
    let content = Secret::from(bytes);
    read.map_err(failed)?;
    if content.len() > LIMIT {
        return Err(Failure::new(Exit::Configuration, format!("the file of {option} is longer than 1 MiB")));
    }
    Ok(content)
}

fn text<'a>(content: &'a Secret, what: &str) -> Result<&'a str, Failure> {
    content.expose_str().map_err(|_| Failure::new(Exit::Configuration, format!("{what} is not UTF-8")))
}
