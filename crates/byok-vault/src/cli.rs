//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use sealwax::KeyId;
use sealwax_import::{CATALOGUE, KeyForm, Named};

use crate::exit::Exit;
use crate::import::{NO_CONTEXT, Suspicious};
use crate::key_text::Given;
use crate::names::{name, reason, start_of_key};
use crate::row::Owner;
use crate::variables::{for_a_command, of_a_credential};

/// A vault for customers' API keys, each sealed for one tenant and provider.
///
/// Without a command, it demonstrates the whole life of a vault in a temporary database.
#[derive(Debug, Parser)]
#[command(version, after_help = Exit::TABLE)]
pub struct Cli {
    /// The vault's database file
    #[arg(long, global = true, value_name = "FILE", default_value = "vault.db", value_parser = path())]
    pub db: PathBuf,
    /// The file with the keyring; without it, the environment variable SEALWAX_KEYS holds the keyring
    #[arg(long, global = true, value_name = "FILE", value_parser = path())]
    pub keys_file: Option<PathBuf>,
    /// The file with the key of the log; without it, the environment variable SEALWAX_AUDIT_KEY holds the key
    #[arg(long, global = true, value_name = "FILE", value_parser = path())]
    pub audit_key_file: Option<PathBuf>,
    /// The command to run
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Returns the file with these keys, if an option names one.
    #[must_use]
    pub fn file(&self, given: Given) -> Option<&Path> {
        match given {
            Given::Keyring => self.keys_file.as_deref(),
            Given::AuditKeys => self.audit_key_file.as_deref(),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Generate a master key, as a line of a keyring, or a key for the log
    Keygen(Keygen),
    /// Store a credential from standard input or a hidden prompt
    ///
    /// One line ending (LF or CRLF) is trimmed from the end of standard input, and nothing else. If the
    /// credential does not look like one, `put` says why; at a terminal it asks, and otherwise it stores nothing.
    Put(Put),
    /// Import rows that another program encrypted; can be killed and run again
    ///
    /// FILE has one JSON object per line: "id", a string or an integer; "tenant" and "provider";
    /// "label", if a tenant has several credentials for a provider; "env", if `run` should pass the
    /// credential in that variable, whose last word must be KEY, KEYS, APIKEY, TOKEN, SECRET, PASSWORD,
    /// PGPASSWORD, PASSPHRASE, CREDENTIAL, CREDENTIALS, JSON, PAT or AUTH; and the columns that are in
    /// brackets under --layout, or that --cell names. Other members are ignored. A line has at most 32 MiB,
    /// and a row at most 64 members.
    ///
    /// Each row is opened with the old key and sealed as `put` does. A credential that is already in
    /// the vault is skipped, and a different one is never overwritten.
    ///
    /// Rows that are not imported are written to the quarantine file, with the reason. They can be
    /// imported from that file once they are corrected, or with another key. No file is ever replaced:
    /// if the name is taken, the quarantine file gets a number, unless the existing file has the same
    /// content. Only its owner can read it, because it holds the rows as they were, including
    /// credentials that were stored unencrypted.
    #[command(after_long_help = NO_CONTEXT)]
    Import(Import),
    /// List what is stored; needs no key
    List(List),
    /// Run a command with a credential in its environment, and nowhere else
    Run(Run),
    /// Rewrap every row for the current keys of the keyring; can be killed and run again
    Rotate(Rotate),
    /// Remove what tools put around envelopes; can be killed and run again
    Repair(Repair),
    /// Seal the credentials under a leaked key again; can be killed and run again
    ///
    /// The keyring of this job alone has the leaked key as `retired`. Each row that is wrapped for it is
    /// opened, and sealed under a fresh data key for the current keys.
    ///
    /// This does not make the credentials trustworthy: other people may have read them, or written them.
    /// The file vault.db.untrusted.jsonl, next to the vault, lists their rows. Replace these credentials
    /// at their providers.
    Reseal(Reseal),
    /// Open every row, and report those that do not open; prints nothing of any credential
    Audit,
    /// Print what was opened, when, by whom and why; check that nobody changed the log; change its key
    ///
    /// Printing needs no key. --verify and --hand-over need the key of the log, and the earlier ones as `retired`.
    Log(Log),
    /// Count rows by key, and check whether a key can be retired; needs no key
    Census(Census),
    /// Copy the vault into a new file, also while other processes use it; needs no key
    Backup(Backup),
    /// Delete a credential
    Delete(Delete),
}

/// The owner of a credential.
#[derive(Debug, Args)]
pub struct OwnerArgs {
    /// The customer
    #[arg(long, value_parser = name)]
    tenant: String,
    /// The service that accepts the credential: openai, anthropic, gemini, ...
    #[arg(long, value_parser = name)]
    provider: String,
    /// The name of the credential, if the customer has several for the service: staging, ...
    #[arg(long, value_parser = name)]
    label: Option<String>,
}

impl OwnerArgs {
    /// Returns the owner as the rest of the program uses it.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner {
            tenant: self.tenant.clone(),
            provider: self.provider.clone(),
            label: self.label.clone(),
        }
    }
}

/// The arguments of `keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// Generate a key for the log, and not a master key
    #[arg(long)]
    pub audit: bool,
    /// The id of the key, such as prod-2026. Never give one id to two keys
    pub id: KeyId,
    /// Write the line to this new file, which only its owner can read
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub out: Option<PathBuf>,
}

/// The arguments of `put`.
#[derive(Debug, Args)]
pub struct Put {
    /// The owner of the credential.
    #[command(flatten)]
    pub owner: OwnerArgs,
    /// The environment variable in which `run` passes the credential
    /// [default: OPENAI_API_KEY for openai, ANTHROPIC_API_KEY for anthropic, GEMINI_API_KEY for
    /// gemini and google, and so on]; its last word must be KEY, TOKEN, SECRET or another that
    /// `import --help` lists
    #[arg(long, value_name = "NAME", value_parser = of_a_credential)]
    pub env: Option<String>,
    /// Overwrite the existing credential
    #[arg(long)]
    pub replace: bool,
    /// Store the credential even if it does not look like one, for example because it is masked
    #[arg(long)]
    pub anyway: bool,
    /// Catches a credential that was given as an argument, so that no message echoes it.
    #[arg(hide = true, num_args = 0.., allow_hyphen_values = true)]
    pub stray: Vec<OsString>,
}

/// The arguments of `import`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("form").required(true))]
pub struct Import {
    /// The layout of the rows, by name
    #[arg(long, value_name = "NAME", value_parser = layouts(), group = "form")]
    pub layout: Option<&'static Named>,
    /// A column, or a member of its JSON, and the parts of the row in it, such as
    /// 'value={iv12:hex}:{tag:hex}:{ct:hex}'; for each column
    ///
    /// The parts are iv12, iv16, iv (either), tag and ct; the encodings hex, base64, base64url,
    /// base64url-padded, hex-any-case, base64-lines, text and bytes. {iv12+ct+tag:base64} are parts that
    /// were joined before they were encoded. --explain shows more.
    #[arg(long = "cell", value_name = "PATH=PATTERN", group = "form")]
    pub cells: Vec<String>,
    /// Refuse rows that have this member
    #[arg(long, value_name = "PATH")]
    pub without: Vec<String>,
    /// The associated data of the rows, such as 'cred:{id}'
    #[arg(long, value_name = "TEMPLATE")]
    pub bound_to: Option<String>,
    /// Print the options that a layout stands for, and do nothing else
    #[arg(long, value_name = "NAME", value_parser = layouts(), group = "form")]
    pub explain: Option<&'static Named>,
    /// The environment variable that holds the text of the key that encrypted the rows
    #[arg(long, value_name = "VAR", required_unless_present = "explain")]
    pub key_env: Option<OsString>,
    /// How that text becomes the key; without it, as the layout says
    #[arg(long, value_name = "FORM", value_parser = key_forms())]
    pub key_as: Option<KeyForm>,
    /// For n8n: the environment variable that holds the data key's `value` from deployment_key
    #[arg(long, value_name = "VAR")]
    pub wrapped_key_env: Option<OsString>,
    /// Accept a key of one repeated byte, such as 64 zeros, which anyone can guess
    #[arg(long)]
    pub insecure_placeholder_key: bool,
    /// What to do with rows that open to something that does not look like a credential
    #[arg(long, value_name = "WHAT", default_value = "quarantine")]
    pub suspicious: Suspicious,
    /// The file for rows that are not imported [default: FILE.quarantine.jsonl]
    #[arg(long, value_name = "FILE", required_if_eq("file", "-"), value_parser = path())]
    pub quarantine: Option<PathBuf>,
    /// The number of rows per transaction
    #[arg(long, value_name = "ROWS", default_value_t = 500, value_parser = batch_size)]
    pub batch_size: u32,
    /// Open every row, but only report what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// The rows, as JSON Lines; - is standard input
    #[arg(value_parser = path(), required_unless_present = "explain", default_value = "-",
          hide_default_value = true)]
    pub file: PathBuf,
}

/// Parses the name of a layout, which the help lists with its columns.
fn layouts() -> impl TypedValueParser<Value = &'static Named> {
    let value = |named: &'static Named| {
        let columns = named.declaration().map(|declaration| declaration.columns().join(", "));
        let columns = columns.unwrap_or_default();
        PossibleValue::new(named.name).help(format!("{} [{columns}]", named.about))
    };
    PossibleValuesParser::new(CATALOGUE.iter().map(value))
        .try_map(|name| Named::find(&name).ok_or("no such layout"))
}

/// Parses the form of a key, which the help lists with its meaning.
fn key_forms() -> impl TypedValueParser<Value = KeyForm> {
    let value = |form: KeyForm| PossibleValue::new(form.name()).help(form.about());
    PossibleValuesParser::new(KeyForm::all().map(value)).try_map(|name| name.parse())
}

/// The arguments of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// List only this customer's credentials
    #[arg(long, value_parser = name)]
    pub tenant: Option<String>,
    /// List only credentials with this label
    #[arg(long, value_parser = name)]
    pub label: Option<String>,
    /// Print one JSON array
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The owner of the credential.
    #[command(flatten)]
    pub owner: OwnerArgs,
    /// Pass the credential in this variable [default: the one it was stored with]
    #[arg(long, value_name = "NAME", value_parser = for_a_command)]
    pub env: Option<String>,
    /// Write into the log what the credential is used for
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub why: Option<String>,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<OsString>,
}

/// The arguments of `rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    /// The number of rows per transaction
    #[arg(long, value_name = "ROWS", default_value_t = 500, value_parser = batch_size)]
    pub batch_size: u32,
    /// Only count the rows that would be rewrapped
    #[arg(long)]
    pub dry_run: bool,
}

/// The arguments of `reseal`.
#[derive(Debug, Args)]
pub struct Reseal {
    /// The id of the leaked key, which is `retired` in this keyring
    #[arg(value_name = "LEAKED-ID")]
    pub leaked: KeyId,
    /// The number of rows per transaction
    #[arg(long, value_name = "ROWS", default_value_t = 500, value_parser = batch_size)]
    pub batch_size: u32,
    /// Only list the rows that would be resealed
    #[arg(long)]
    pub dry_run: bool,
}

/// The arguments of `repair`.
#[derive(Debug, Args)]
pub struct Repair {
    /// Remove white space, a byte order mark, quotes, b'…' and \x or 0x with the hex of the text,
    /// if the row opens without them
    #[arg(long, required = true)]
    pub trim: bool,
    /// The number of rows per transaction
    #[arg(long, value_name = "ROWS", default_value_t = 500, value_parser = batch_size)]
    pub batch_size: u32,
    /// Only count the rows that would be repaired
    #[arg(long)]
    pub dry_run: bool,
}

/// The arguments of `census`.
#[derive(Debug, Args)]
pub struct Census {
    /// Check whether this key can be retired; exit code 1 if not
    #[arg(long, value_name = "ID")]
    pub retire: Option<KeyId>,
    /// Open every row as `audit` does, but with the key of --retire disabled; needs the keyring
    #[arg(long)]
    pub verify: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `log`.
#[derive(Debug, Args)]
pub struct Log {
    /// Only this customer's part of the log
    #[arg(long, value_parser = name)]
    pub tenant: Option<String>,
    /// Check that no entry was altered, removed, added or exchanged; exit code 12 if one was
    #[arg(long)]
    pub verify: bool,
    /// Also check that the log still has the entries that the anchors in this file name
    #[arg(long, value_name = "FILE", requires = "verify", value_parser = path())]
    pub anchor: Option<PathBuf>,
    /// Print an anchor of each part that is intact, to keep where nobody can change it; the report goes to
    /// standard error
    #[arg(long, requires = "verify")]
    pub anchors: bool,
    /// End each customer's part of the log under its key, and go on under the primary; can be killed and run again
    #[arg(long, conflicts_with_all = ["verify", "json"])]
    pub hand_over: bool,
    /// Print one JSON object per line
    #[arg(long, conflicts_with = "verify")]
    pub json: bool,
}

/// The arguments of `backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// The new file, which only its owner can read
    #[arg(value_parser = path())]
    pub file: PathBuf,
}

/// The arguments of `delete`.
#[derive(Debug, Args)]
pub struct Delete {
    /// The owner of the credential.
    #[command(flatten)]
    pub owner: OwnerArgs,
}

/// Returns the parser of the path of a file.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|text| {
        // No file is created with a key as its name, and no message shows one.
        match start_of_key(text.as_encoded_bytes()) {
            Some(start) => Err(format!(
                "expected the path of a file, not a key, and {start} looks like the start of one"
            )),
            None if text.is_empty() => Err("expected the path of a file".to_owned()),
            None => Ok(PathBuf::from(text)),
        }
    })
}

/// Parses a number of rows per transaction.
fn batch_size(text: &str) -> Result<u32, &'static str> {
    let number = text.parse().ok().filter(|number| (1..=100_000).contains(number));
    number.ok_or("expected a number from 1 to 100000")
}
