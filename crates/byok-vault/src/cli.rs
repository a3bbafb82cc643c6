//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use sealwax::KeyId;

use crate::exit::Exit;
use crate::import::NO_CONTEXT;
use crate::layout::{KeyAs, Layout};
use crate::names::{name, variable};
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
    /// Move rows in that another program encrypted; can be killed and run again
    ///
    /// FILE has one JSON object a line: "id", a string or an integer; "tenant" and "provider";
    /// "env", if `run` is to pass the credential in that variable; and the columns that --layout
    /// has in brackets, as strings. Other members are not looked at. A line has at most 32 MiB, and
    /// a row at most 64 members.
    ///
    /// Each row is opened with the old key and sealed as `put` does. A credential that is in the
    /// vault already is passed over, and another one is never overwritten.
    ///
    /// What is not imported is written to the quarantine file, with the reason, and can be imported
    /// from there when it is corrected, or with another key. No file is ever replaced: if the name
    /// is taken, the quarantine file gets a number, unless the file that is there holds the same. It
    /// is readable to its owner only, because its rows are as they were: credentials in the clear
    /// among them.
    #[command(after_long_help = NO_CONTEXT)]
    Import(Import),
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

/// `import`
#[derive(Debug, Args)]
pub struct Import {
    /// How the rows are written
    #[arg(long, value_name = "NAME")]
    pub layout: Layout,
    /// The environment variable with the text of the key that the rows are encrypted with
    #[arg(long, value_name = "VAR")]
    pub key_env: OsString,
    /// What that text is, where the layout does not fix it
    #[arg(long, value_name = "HOW")]
    pub key_as: Option<KeyAs>,
    /// For n8n: the environment variable with the value of the data key in deployment_key
    #[arg(long, value_name = "VAR")]
    pub wrapped_key_env: Option<OsString>,
    /// For Cloak: the label of the rows [default: AES.GCM.V1]
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
    /// Accept a key of one repeated byte, which everybody knows: 64 zeros, for instance
    #[arg(long)]
    pub insecure_placeholder_key: bool,
    /// Where rows go that are not imported [default: FILE.quarantine.jsonl]
    #[arg(long, value_name = "FILE", required_if_eq("file", "-"))]
    pub quarantine: Option<PathBuf>,
    /// Rows in one transaction
    #[arg(long, value_name = "ROWS", default_value_t = 500,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch_size: u32,
    /// Open every row, and only tell what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// The rows, as JSON Lines; - is standard input
    pub file: PathBuf,
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
