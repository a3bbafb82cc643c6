//! Errors that tell the operator what happened, to which row, and what to do next.
//!
//! No variant can hold a credential or key text, so no message can show one.

use std::io;
use std::path::PathBuf;

use rusqlite::{ErrorCode, ffi};
use sealwax::triplet::TripletError;
use sealwax::{ContextError, KeyError, KeyringError, SealError};

use crate::exit::Exit;
use crate::formatting::whole;
use crate::row::Owner;
use crate::row_fault::{Fault, Kind};

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Neither a file nor the variable names the keys.
    #[error("no keyring: neither --keys-file nor {} is given", crate::keys::VARIABLE)]
    NoKeyring,
    /// The keyring's file cannot be read.
    #[error("cannot read the keyring from {}: {source}", path.display())]
    KeyringFile {
        /// What `--keys-file` named.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The keyring is not text at all.
    #[error("the keyring from {origin} is not UTF-8 text")]
    KeyringNotText {
        /// A path or the variable's name.
        origin: String,
    },
    /// The keyring does not parse.
    #[error("the keyring from {origin} is refused: {source}")]
    Keyring {
        /// A path or the variable's name.
        origin: String,
        /// What is wrong with it, without its text.
        source: KeyringError,
    },
    /// The system gave no randomness for a key.
    #[error("cannot make a key: {source}")]
    NewKey {
        /// What failed.
        source: KeyError,
    },
    /// There is no vault at this path.
    #[error("there is no vault at {}", path.display())]
    NoVault {
        /// What `--db` named.
        path: PathBuf,
    },
    /// The file belongs to another program.
    #[error("{} is not a vault: another program made this database", path.display())]
    NotAVault {
        /// What `--db` named.
        path: PathBuf,
    },
    /// A newer release made the table.
    #[error("the vault at {} has schema version {found}; this program knows {known}", path.display())]
    NewerVault {
        /// What `--db` named.
        path: PathBuf,
        /// The file's version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// SQLite failed.
    #[error("the database failed while {doing}: {source}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// No such row.
    #[error("the vault has no credential for {owner}")]
    NotFound {
        /// Which one.
        owner: Owner,
    },
    /// The row is there already.
    #[error("the vault already has a credential for {owner}")]
    AlreadyExists {
        /// Which one.
        owner: Owner,
    },
    /// `keygen --out` never overwrites.
    #[error("{} exists already and is left as it is", path.display())]
    FileExists {
        /// What `--out` named.
        path: PathBuf,
    },
    /// The credential was given on the command line. It is not repeated here.
    #[error("the credential for {owner} was given as an argument, where every process can read it")]
    CredentialArgument {
        /// Whose it is.
        owner: Owner,
    },
    /// The credential cannot be stored or handed on.
    #[error("the credential for {owner} is refused: {problem}")]
    Credential {
        /// Whose it is.
        owner: Owner,
        /// What is wrong with it.
        problem: CredentialProblem,
    },
    /// One row cannot be opened.
    #[error("row {id} ({owner}) cannot be opened: {fault}")]
    Row {
        /// The row's id.
        id: i64,
        /// Whose it is.
        owner: Owner,
        /// What is wrong.
        fault: Fault,
    },
    /// A credential cannot be bound to these names.
    #[error("no credential can be stored for {owner}: {source}")]
    Context {
        /// Whose it would have been.
        owner: Owner,
        /// What is wrong with the names.
        source: ContextError,
    },
    /// A credential cannot be sealed.
    #[error("the credential for {owner} cannot be sealed: {source}")]
    Seal {
        /// Whose it is.
        owner: Owner,
        /// What failed.
        source: SealError,
    },
    /// An option of `import` is needed for a layout.
    #[error("--layout {layout} needs {option}")]
    MissingOption {
        /// Which one.
        option: &'static str,
        /// For which rows.
        layout: &'static str,
    },
    /// An option of `import` is for other layouts.
    #[error("{option} does not go with --layout {layout}")]
    StrayOption {
        /// Which one.
        option: &'static str,
        /// For which rows.
        layout: &'static str,
    },
    /// What should name a variable does not, and may be the key itself. It is not repeated here.
    #[error("what {option} was given is not the name of a variable for a key")]
    KeyArgument {
        /// Which option.
        option: &'static str,
    },
    /// The variable is not there. Its name is not repeated here: it may be the key itself.
    #[error("the variable that {option} names is not set, or empty")]
    NoLegacyKey {
        /// Which option.
        option: &'static str,
    },
    /// The variable is not text.
    #[error("the variable that {option} names is not UTF-8 text")]
    LegacyKeyNotText {
        /// Which option.
        option: &'static str,
    },
    /// The key of the rows does not parse.
    #[error("the key from --key-env is refused: {source}")]
    LegacyKey {
        /// What is wrong with it, without its text.
        source: KeyError,
    },
    /// The key of the rows is one that everybody knows.
    #[error("the key from --key-env is a placeholder: one byte, repeated")]
    PlaceholderKey,
    /// The data key of the rows does not open.
    #[error("the key from --wrapped-key-env is refused: {}", whole(source))]
    WrappedKey {
        /// What is wrong with it, without its text.
        source: TripletError,
    },
    /// The quarantine would take the place of what is imported, or of the vault.
    #[error("the quarantine file {} would be the file that is imported, or one of the vault", path.display())]
    QuarantineTaken {
        /// Where the quarantine would have been.
        path: PathBuf,
    },
    /// The command of `run` did not start.
    #[error("cannot start {command:?} for {owner}: {source}")]
    Start {
        /// Whose credential it would have had.
        owner: Owner,
        /// The program's name.
        command: String,
        /// What the system says.
        source: io::Error,
    },
    /// The story did not come out as it should: a defect.
    #[error("the story went wrong: {what}")]
    Story {
        /// What happened instead.
        what: &'static str,
    },
    /// Anything else about files, pipes and the terminal.
    #[error("{doing} failed: {source}")]
    InputOutput {
        /// What was being done.
        doing: String,
        /// What the system says.
        source: io::Error,
    },
}

impl VaultError {
    /// Whether the reader of the output went away.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::InputOutput { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code that goes with it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoKeyring
            | Self::KeyringFile { .. }
            | Self::KeyringNotText { .. }
            | Self::Keyring { .. }
            | Self::NewKey { .. }
            | Self::Context { .. }
            | Self::NoLegacyKey { .. }
            | Self::LegacyKeyNotText { .. }
            | Self::LegacyKey { .. }
            | Self::PlaceholderKey
            | Self::WrappedKey { .. } => Exit::Configuration,
            Self::CredentialArgument { .. }
            | Self::MissingOption { .. }
            | Self::StrayOption { .. }
            | Self::KeyArgument { .. }
            | Self::QuarantineTaken { .. } => Exit::Usage,
            Self::NotFound { .. } => Exit::NotFound,
            Self::AlreadyExists { .. } | Self::FileExists { .. } => Exit::AlreadyExists,
            Self::Credential { .. } => Exit::CredentialRefused,
            Self::NoVault { .. }
            | Self::NotAVault { .. }
            | Self::NewerVault { .. }
            | Self::Database { .. } => Exit::Database,
            Self::Row { fault, .. } => fault.kind.exit(),
            Self::Seal { source, .. } if source.is_transient() => Exit::Transient,
            Self::Seal { .. } => Exit::Key,
            Self::Start { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Exit::Command(127),
                _ => Exit::Command(126),
            },
            Self::Story { .. } => Exit::Altered,
            Self::InputOutput { .. } => Exit::InputOutput,
        }
    }

    /// What the operator should do next.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NoKeyring => {
                "name the keyring's file with --keys-file, or put its text into SEALWAX_KEYS; \
                 `byok-vault keygen prod-1 --out keys.txt` makes the first one"
            }
            Self::KeyringFile { .. } => "check the path of --keys-file and who may read it",
            Self::KeyringNotText { .. } => {
                "a keyring is plain ASCII text: check what was put there"
            }
            Self::Keyring { .. } => {
                "correct the keyring: one `primary ID swk1_...` line, older keys as `retired ID \
                 swk1_...`; nothing was read or written"
            }
            Self::NewKey { .. } => "the system's random source failed: try again, then look there",
            Self::NoVault { .. } => "check --db; the first `put` makes a new vault",
            Self::NotAVault { .. } => "check --db; the file is left as it is",
            Self::NewerVault { .. } => "run the newer release of byok-vault",
            Self::Database { source, .. } => database_advice(source),
            Self::NotFound { .. } => "`byok-vault list` shows what is there",
            Self::AlreadyExists { .. } => "`put --replace` overwrites it",
            Self::FileExists { .. } => "choose another name; a key file is never overwritten",
            Self::CredentialArgument { .. } => {
                "pipe it into standard input or type it at the prompt; it was not stored, and it \
                 is in the shell's history now: replace it at its provider"
            }
            Self::Credential { problem, .. } => problem.advice(),
            Self::Row { fault, .. } => fault.kind.advice(),
            Self::Context { .. } => "shorten the names",
            Self::Seal { source, .. } if source.is_transient() => "try again",
            Self::Seal { .. } => "check the keyring's primary and escrow keys",
            Self::MissingOption { .. } | Self::StrayOption { .. } => {
                "`byok-vault import --help` says which layout takes which options"
            }
            Self::KeyArgument { .. } => {
                "put the key's text into an environment variable and give its name; if the key \
                 itself was given, it is in the shell's history now"
            }
            Self::NoLegacyKey { .. } => {
                "set it to the key's text, from where the old program takes it; nothing was read \
                 or written"
            }
            Self::LegacyKeyNotText { .. } => "a key is text here: hex, base64, or what is hashed",
            Self::LegacyKey { .. } => {
                "take the key's text from where the old program takes it, with nothing around it; \
                 nothing was read or written"
            }
            Self::PlaceholderKey => {
                "everybody can read rows under it: treat their credentials as leaked, and replace \
                 them at their providers; --insecure-placeholder-key imports them all the same"
            }
            Self::WrappedKey { .. } => {
                "it is the column `value` of the row in deployment_key whose algorithm is \
                 aes-256-gcm, and --key-env the instance key that it was made under"
            }
            Self::QuarantineTaken { .. } => "name another file with --quarantine",
            Self::Start { .. } => "check the command after `--`",
            Self::Story { .. } => "this is a defect of byok-vault or of sealwax: please report it",
            Self::InputOutput { .. } => "correct that and run the same command again",
        }
    }
}

fn database_advice(error: &rusqlite::Error) -> &'static str {
    if is_failed_write(error) {
        return "nothing more can be written: make room on the disk, or raise what limits this user \
                or the size of a file, and run the command again: finished batches are kept; if \
                there is room, the disk is failing: check it before anything else is written";
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds the database: run the command again when it has finished"
        }
        Some(ErrorCode::ReadOnly) => {
            "the database or its directory is read-only, and SQLite in WAL mode writes beside the \
             database even to read: give this user write access, or work on a copy; nothing was \
             changed"
        }
        Some(ErrorCode::CannotOpen) => {
            "check who may read and write the file and its directory (a database in WAL mode needs \
             its -wal and -shm files beside it, also for reading)"
        }
        Some(ErrorCode::DiskFull) => {
            "make room on the disk and run the command again: finished batches are kept"
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "check --db; if this is the vault, restore it from a backup"
        }
        _ => "run the command again; if it stays, check the disk and restore from a backup",
    }
}

/// SQLite says "full" only where the system says that the disk is; where a quota or a limit is
/// reached, or no room is left for the index of shared memory, it says that a write failed.
fn is_failed_write(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        matches!(
            error.extended_code,
            ffi::SQLITE_IOERR_WRITE
                | ffi::SQLITE_IOERR_FSYNC
                | ffi::SQLITE_IOERR_TRUNCATE
                | ffi::SQLITE_IOERR_SHMOPEN
                | ffi::SQLITE_IOERR_SHMSIZE
        )
    })
}

impl From<io::Error> for VaultError {
    fn from(source: io::Error) -> Self {
        Self::InputOutput { doing: "writing the output".to_owned(), source }
    }
}

/// Why a credential is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialProblem {
    /// Nothing was read.
    #[error("it is empty")]
    Empty,
    /// More than [`crate::credential::LIMIT`] bytes were read.
    #[error("it is longer than {} bytes", crate::credential::LIMIT)]
    TooLong,
    /// An environment variable ends at a NUL.
    #[error("it contains a NUL byte, which no environment variable can hold")]
    Nul,
    /// Environment variables are text.
    #[error("it is not UTF-8 text")]
    NotText,
}

impl CredentialProblem {
    fn advice(self) -> &'static str {
        match self {
            Self::Empty => "pipe the credential into standard input or type it at the prompt",
            Self::TooLong => "was the right file piped in? a credential is a key, not a document",
            Self::Nul | Self::NotText => {
                "store it in a text form (base64, PEM, JSON) with `put --replace`"
            }
        }
    }
}
