//! Errors that tell the operator what happened, to which row, and what to do next.
//!
//! No variant can hold a credential or key text, so no message can show one. An argument may be a key
//! that was given by mistake, so a message shows an owner, which is in the table, and the path of a file
//! that exists, but names only the option otherwise.

mod advice;
mod credential;
mod database;
mod key_text;
mod log;

use std::io;
use std::path::PathBuf;

use sealwax::{ContextError, KeyError, KeyId, KeyState, KeyringError, SealError};
use sealwax_audit::{AnchorError, AuditKeysError};
use sealwax_import::{DeclarationError, KeyForm, KeyTextError};

use crate::formatting::file;
use crate::import::FileKind;
use crate::key_text::Given;
use crate::row::Owner;
use crate::row_fault::Fault;

pub use credential::CredentialProblem;
pub use key_text::KeyTextProblem;
pub use log::LogProblem;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Neither the option nor the variable is set.
    #[error("no {}: neither {} nor {} is set", given.name(), given.option(), given.variable())]
    NoKeys {
        /// Which keys.
        given: Given,
    },
    /// The text of keys cannot be read.
    #[error("cannot read the {} from {origin}: {problem}", given.name())]
    KeyText {
        /// Which keys.
        given: Given,
        /// The option or the variable.
        origin: String,
        /// What is wrong with the text.
        problem: KeyTextProblem,
    },
    /// The command of `run` could read the keys.
    #[error("the command would inherit the open file with the {}, and could read it", given.name())]
    KeysInherited {
        /// Which keys.
        given: Given,
    },
    /// The keyring does not parse.
    #[error("the keyring from {origin} is invalid: {source}")]
    Keyring {
        /// The option or the variable.
        origin: String,
        /// What is wrong with the keyring, without any of its text.
        source: KeyringError,
    },
    /// The audit keys do not parse.
    #[error("the audit key from {origin} is invalid: {source}")]
    AuditKeys {
        /// The option or the variable.
        origin: String,
        /// What is wrong with the keys, without any of their text.
        source: AuditKeysError,
    },
    /// No audit key could be generated.
    #[error("cannot generate an audit key: {source}")]
    NewAuditKey {
        /// Why it failed.
        source: KeyError,
    },
    /// The id of a new audit key is that of a later step of another one.
    #[error("{key_id} would be a step of another audit key: name the new key {other}")]
    StepOfKey {
        /// The id.
        key_id: KeyId,
        /// An id that is not that of a step.
        other: String,
    },
    /// A chain of the log takes no entry.
    #[error(transparent)]
    Log(#[from] LogProblem),
    /// The file of `log --anchor` does not hold anchors.
    #[error("line {line} of the file of --anchor is invalid: {source}")]
    Anchor {
        /// The number of the line.
        line: usize,
        /// What is wrong with the line.
        source: AnchorError,
    },
    /// The file of `log --anchor` is empty.
    #[error("there is no anchor in the file of --anchor")]
    NoAnchors,
    /// No key could be generated.
    #[error("cannot generate a key: {source}")]
    NewKey {
        /// Why it failed.
        source: KeyError,
    },
    /// There is no vault at this path.
    #[error("there is no vault at the path of --db, by default vault.db in this directory")]
    NoVault,
    /// SQLite would take the name for something other than a file.
    #[error(
        "--db must name a file: an empty name, a name that begins with a colon, or a URI is none"
    )]
    DatabaseName,
    /// There is a directory, a pipe or a device.
    #[error("{} is not a file, so it is not a vault", file(path))]
    NotAFile {
        /// The path given to `--db`.
        path: PathBuf,
    },
    /// The database of the vault has tables, indexes, views or triggers of another program.
    #[error(
        "the vault at {} has tables, indexes, views or triggers that are not its own, or lacks one of its own",
        file(path)
    )]
    ForeignObjects {
        /// The path given to `--db`.
        path: PathBuf,
    },
    /// A backup is not what was copied.
    #[error("the copy is not a vault with the same rows, and was removed")]
    WrongCopy,
    /// The file belongs to another program.
    #[error("{} is not a vault: another program created this database", file(path))]
    NotAVault {
        /// The path given to `--db`.
        path: PathBuf,
    },
    /// A newer release created the table.
    #[error(
        "the vault at {} has schema version {found}; this program supports {known}",
        file(path)
    )]
    NewerVault {
        /// The path given to `--db`.
        path: PathBuf,
        /// The file's version.
        found: i64,
        /// The newest version that this program supports.
        known: i64,
    },
    /// Neither a row nor the keyring names the key of `census --retire`.
    ///
    /// Its id may be a key that was given by mistake, so the error does not repeat it.
    #[error(
        "no row names the key of --retire, and {}",
        if *with_keyring { "neither does the keyring" } else { "there was no keyring" }
    )]
    UnknownKey {
        /// Whether there was a keyring.
        with_keyring: bool,
    },
    /// The table has a row with the greatest id, or had one.
    #[error(
        "the vault has used the last row id, {}, so it cannot store another credential",
        i64::MAX
    )]
    NoRowId,
    /// SQLite failed.
    #[error("the database failed while {doing}: {source}")]
    Database {
        /// What the program was doing.
        doing: &'static str,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// There is no such row.
    #[error("the vault has no credential for {owner}")]
    NotFound {
        /// The owner that was looked up.
        owner: Owner,
    },
    /// The row already exists.
    #[error("the vault already has a credential for {owner}")]
    AlreadyExists {
        /// The owner that was looked up.
        owner: Owner,
    },
    /// `keygen --out` and `backup` never overwrite.
    #[error("{} already exists and was left unchanged", file(path))]
    FileExists {
        /// The path of the file.
        path: PathBuf,
    },
    /// A file that the program appends to may have been put there by somebody else.
    #[error(
        "{} is a link, is not a file, has several names, or other users own it or may write to it",
        file(path)
    )]
    NotOwnFile {
        /// The path of the file.
        path: PathBuf,
    },
    /// The credential was given on the command line.
    ///
    /// The error does not repeat it.
    #[error("the credential for {owner} was given as an argument, where any process can read it")]
    CredentialArgument {
        /// The owner of the credential.
        owner: Owner,
    },
    /// The credential cannot be stored or passed on.
    #[error("the credential for {owner} cannot be used: {problem}")]
    Credential {
        /// The owner of the credential.
        owner: Owner,
        /// What is wrong with the credential.
        problem: CredentialProblem,
    },
    /// `put --replace` cannot keep the variable of the row, because somebody without the keyring, or
    /// with a leaked key, may have chosen it.
    #[error(
        "the variable of the credential for {owner} cannot be kept: {}",
        match fault {
            Some(fault) => format!("the row does not open: {fault}"),
            None => "it does not have the name of a credential".to_owned(),
        }
    )]
    VariableNotKept {
        /// The owner of the credential.
        owner: Owner,
        /// Why the row does not open, or `None` if the name is the reason.
        fault: Option<Fault>,
    },
    /// The credential does not look like one, and nobody said to store it anyway.
    #[error(
        "the text for {owner} was not stored, because it does not look like a credential: {doubts}"
    )]
    Doubtful {
        /// The owner of the credential.
        owner: Owner,
        /// Why it does not look like one, without any of its text.
        doubts: String,
    },
    /// A row cannot be opened.
    #[error("row {id} ({owner}) cannot be opened: {fault}")]
    Row {
        /// The id of the row.
        id: i64,
        /// The owner of the credential.
        owner: Owner,
        /// What is wrong with the row.
        fault: Fault,
    },
    /// A credential cannot be bound to these names.
    #[error("cannot store a credential for {owner}: {source}")]
    Context {
        /// The owner that the credential was meant for.
        owner: Owner,
        /// What is wrong with the names.
        source: ContextError,
    },
    /// A credential cannot be sealed.
    #[error("cannot seal the credential for {owner}: {source}")]
    Seal {
        /// The owner of the credential.
        owner: Owner,
        /// Why it failed; in a box, because every `Result` has room for the largest error.
        source: Box<SealError>,
    },
    /// `reseal` can open rows only with a key that is `retired`.
    ///
    /// The id may be the text of a key, so the error does not repeat it.
    #[error(
        "`reseal` needs the leaked key as `retired`, but {}",
        match state {
            Some(state) => format!("it is `{state}` in this keyring"),
            None => "this keyring has no such key".to_owned(),
        }
    )]
    LeakedKeyState {
        /// The state of the key in the keyring, or `None` if the key is missing.
        state: Option<KeyState>,
    },
    /// No option says how the key's text is written.
    #[error("these rows need --key-as, because their key may be written in several ways")]
    NoKeyForm,
    /// `--wrapped-key-env` is missing, or does not fit the form of the key.
    #[error(
        "--wrapped-key-env {} --key-as {form}",
        if form.needs_wrapped() { "is needed with" } else { "cannot be used with" }
    )]
    WrappedKeyOption {
        /// The form of the key.
        form: KeyForm,
    },
    /// The options do not declare a row.
    #[error("{option}: {source}")]
    Declaration {
        /// The name of the option.
        option: &'static str,
        /// What is wrong.
        source: DeclarationError,
    },
    /// The file to import is of another kind.
    #[error("{name} is {kind}, not one JSON object per line; nothing was read or written")]
    NotJsonLines {
        /// The name of the file.
        name: String,
        /// What it is.
        kind: FileKind,
    },
    /// The file to import is empty.
    #[error("{name} is empty: it has no rows")]
    NoRows {
        /// The name of the file.
        name: String,
    },
    /// The value of an option is not the name of a variable.
    ///
    /// The value may be the key itself, so the error does not repeat it.
    #[error(
        "{option} expects the name of an environment variable other than {} and {}",
        Given::Keyring.variable(),
        Given::AuditKeys.variable()
    )]
    KeyArgument {
        /// The name of the option.
        option: &'static str,
    },
    /// The variable is not set, or is empty.
    ///
    /// Its name may be the key itself, so the error does not repeat it.
    #[error("the environment variable named by {option} is not set or is empty")]
    NoLegacyKey {
        /// The name of the option.
        option: &'static str,
    },
    /// The variable is not text.
    #[error("the environment variable named by {option} is not UTF-8 text")]
    LegacyKeyNotText {
        /// The name of the option.
        option: &'static str,
    },
    /// The key of the rows does not parse.
    #[error("cannot use the key from --key-env: {source}")]
    LegacyKey {
        /// What is wrong with the key, without any of its text.
        source: KeyTextError,
    },
    /// The key of the rows is a placeholder that anyone can guess.
    #[error("the key from --key-env is a placeholder: one repeated byte")]
    PlaceholderKey,
    /// A new file would be the imported file, or a file of the vault.
    #[error("the new file would be the file to import or a file of the vault")]
    OutputTaken,
    /// The command of `run` did not start.
    ///
    /// Its name may be a key that was given by mistake, so the error does not repeat it.
    #[error("cannot start the command for {owner}: {source}")]
    Start {
        /// The owner of the credential.
        owner: Owner,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The story did not end as expected, which is a bug.
    #[error("the story failed: {what}")]
    Story {
        /// What happened instead.
        what: &'static str,
    },
    /// Reading or writing a file, a pipe or the terminal failed in another way.
    #[error("{doing} failed: {source}")]
    InputOutput {
        /// What the program was doing.
        doing: String,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl VaultError {
    /// Returns whether the reader of the output went away.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::InputOutput { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<io::Error> for VaultError {
    fn from(source: io::Error) -> Self {
        Self::InputOutput { doing: "writing the output".to_owned(), source }
    }
}
