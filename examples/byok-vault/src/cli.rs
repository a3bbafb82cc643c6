//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use sealwax::KeyId;

use crate::exit::Exit;
use crate::keys::VARIABLE;
use crate::row::Owner;

/// A vault for customers' API keys, each sealed for one tenant and provider.
///
/// Without a command it tells its whole story in a temporary database.
#[derive(Debug, Parser)]
#[command(version, after_help = Exit::TABLE)]
pub struct Cli {
    /// The vault's database
    #[arg(long, global = true, value_name = "FILE", default_value = "vault.db")]
    pub db: PathBuf,
    /// The keyring's file; without it, the environment variable SEALWAX_KEYS is the keyring
    #[arg(long, global = true, value_name = "FILE")]
    pub keys_file: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a master key, as a line for a keyring
    Keygen(Keygen),
    /// Store a credential, from standard input or a hidden prompt
    ///
    /// One line end (LF or CRLF) is trimmed from the end of standard input, and nothing else.
    Put(Put),
    /// Show what is stored; needs no key
    List(List),
    /// Run a command with a credential in its environment, and nowhere else
    Run(Run),
    /// Bring every row to the keyring's present keys; can be killed and run again
    Rotate(Rotate),
    /// Count rows by key, and say whether a key can be retired; needs no key
    Census(Census),
    /// Delete a credential
    Delete(Delete),
}

/// Whose credential.
#[derive(Debug, Args)]
pub struct OwnerArgs {
    /// The customer
    #[arg(long, value_parser = name)]
    tenant: String,
    /// Where the credential is valid: openai, anthropic, gemini, ...
    #[arg(long, value_parser = name)]
    provider: String,
}

impl OwnerArgs {
    /// As the rest of the program knows it.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner { tenant: self.tenant.clone(), provider: self.provider.clone() }
    }
}

/// `keygen`
#[derive(Debug, Args)]
pub struct Keygen {
    /// A label for the key: prod-2026. Never give one label to two keys
    pub id: KeyId,
    /// Write the line to this new file, readable to its owner only
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `put`
#[derive(Debug, Args)]
pub struct Put {
    /// Whose credential.
    #[command(flatten)]
    pub owner: OwnerArgs,
    /// The environment variable that `run` passes it in
    /// [default: OPENAI_API_KEY for openai, ANTHROPIC_API_KEY for anthropic, GEMINI_API_KEY for
    /// gemini and google, and so on]
    #[arg(long, value_name = "NAME", value_parser = variable)]
    pub env: Option<String>,
    /// Overwrite the credential that is there
    #[arg(long)]
    pub replace: bool,
    /// Catches a credential that was given as an argument, so that it is not echoed in a message.
    #[arg(hide = true, num_args = 0.., allow_hyphen_values = true)]
    pub stray: Vec<OsString>,
}

/// `list`
#[derive(Debug, Args)]
pub struct List {
    /// Only this customer
    #[arg(long, value_parser = name)]
    pub tenant: Option<String>,
    /// One JSON array
    #[arg(long)]
    pub json: bool,
}

/// `run`
#[derive(Debug, Args)]
pub struct Run {
    /// Whose credential.
    #[command(flatten)]
    pub owner: OwnerArgs,
    /// Pass it in this variable [default: the one it was stored with]
    #[arg(long, value_name = "NAME", value_parser = variable)]
    pub env: Option<String>,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<OsString>,
}

/// `rotate`
#[derive(Debug, Args)]
pub struct Rotate {
    /// Rows in one transaction
    #[arg(long, value_name = "ROWS", default_value_t = 500,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch_size: u32,
    /// Only count what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// `census`
#[derive(Debug, Args)]
pub struct Census {
    /// Ask whether this key can be retired; exit code 1 if not
    #[arg(long, value_name = "ID")]
    pub retire: Option<KeyId>,
    /// Check the mac of every row, with the key of --retire disabled; needs the keyring
    #[arg(long)]
    pub verify: bool,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// `delete`
#[derive(Debug, Args)]
pub struct Delete {
    /// Whose credential.
    #[command(flatten)]
    pub owner: OwnerArgs,
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 200 {
        return Err("a name has 1 to 200 bytes".to_owned());
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err("a name has no control characters, and no space at either end".to_owned());
    }
    Ok(text.to_owned())
}

fn variable(text: &str) -> Result<String, String> {
    let mut characters = text.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err("a variable's name has letters, digits and _, and no digit first".to_owned());
    }
    if text == VARIABLE {
        return Err("commands never see the variable of the keyring".to_owned());
    }
    Ok(text.to_owned())
}
