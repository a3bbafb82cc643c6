//! Errors that tell the operator what happened, to which row, and what to do next.
//!
//! No variant can hold a credential or key text, so no message can show one. An argument may be a key
//! that was given by mistake, so a message shows an owner, which is in the table, and the path of a file
//! that exists, but names only the option otherwise.

mod database;

use std::io;
use std::path::PathBuf;

use sealwax::{ContextError, KeyError, KeyState, KeyringError, SealError};
use sealwax_import::{DeclarationError, KeyForm, KeyTextError};

use crate::exit::Exit;
use crate::formatting::file;
use crate::import::FileKind;
use crate::row::Owner;
use crate::row_fault::{Fault, Kind};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Neither `--keys-file` nor the variable is set.
    #[error("no keyring: neither --keys-file nor {} is set", crate::keys::VARIABLE)]
    NoKeyring,
    /// The file with the keyring cannot be read.
    #[error("cannot read the keyring from the file of --keys-file: {source}")]
    KeyringFile {
        /// The error of the operating system.
        source: io::Error,
    },
    /// The command of `run` could read the keyring.
    #[error("the command would inherit the open file with the keyring, and could read it")]
    KeyringInherited,
    /// The file with the keyring is too long to be one.
    #[error("the file of --keys-file is longer than {} bytes", crate::keys::LIMIT)]
    KeyringTooLong,
    /// The keyring is not text.
    #[error("the keyring from {origin} is not UTF-8 text")]
    KeyringNotText {
        /// The option or the variable.
        origin: String,
    },
    /// The keyring is UTF-16.
    #[error("the keyring from {origin} is UTF-16")]
    KeyringUtf16 {
        /// A path.
        origin: String,
    },
    /// The keyring does not parse.
    #[error("the keyring from {origin} is invalid: {source}")]
    Keyring {
        /// The option or the variable.
        origin: String,
        /// What is wrong with the keyring, without any of its text.
        source: KeyringError,
    },
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
        "the vault at {} has tables, indexes, views or triggers that are not its own",
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
    /// The value of an option is not the name of a variable.
    ///
    /// The value may be the key itself, so the error does not repeat it.
    #[error(
        "{option} expects the name of an environment variable other than {}",
        crate::keys::VARIABLE
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

    /// Returns the exit code for this error.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoKeyring
            | Self::KeyringFile { .. }
            | Self::KeyringInherited
            | Self::KeyringTooLong
            | Self::KeyringNotText { .. }
            | Self::KeyringUtf16 { .. }
            | Self::Keyring { .. }
            | Self::NewKey { .. }
            | Self::Context { .. }
            | Self::LeakedKeyState { .. }
            | Self::NoLegacyKey { .. }
            | Self::LegacyKeyNotText { .. }
            | Self::LegacyKey { .. }
            | Self::PlaceholderKey => Exit::Configuration,
            Self::CredentialArgument { .. }
            | Self::NoKeyForm
            | Self::WrappedKeyOption { .. }
            | Self::Declaration { .. }
            | Self::KeyArgument { .. }
            | Self::OutputTaken => Exit::Usage,
            Self::NotFound { .. } => Exit::NotFound,
            Self::AlreadyExists { .. } | Self::FileExists { .. } => Exit::AlreadyExists,
            Self::Credential { .. }
            | Self::Doubtful { .. }
            | Self::VariableNotKept { fault: None, .. } => Exit::CredentialRefused,
            Self::DatabaseName => Exit::Usage,
            Self::NoVault
            | Self::NotAFile { .. }
            | Self::ForeignObjects { .. }
            | Self::WrongCopy
            | Self::NoRowId
            | Self::NotAVault { .. }
            | Self::NewerVault { .. }
            | Self::Database { .. } => Exit::Database,
            Self::UnknownKey { .. } => Exit::Key,
            Self::Row { fault, .. } | Self::VariableNotKept { fault: Some(fault), .. } => {
                fault.kind.exit()
            }
            Self::Seal { source, .. } if source.is_transient() => Exit::Transient,
            Self::Seal { .. } => Exit::Key,
            Self::Start { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Exit::Command(127),
                _ => Exit::Command(126),
            },
            Self::Story { .. } => Exit::Altered,
            Self::NotJsonLines { .. } | Self::NotOwnFile { .. } | Self::InputOutput { .. } => {
                Exit::InputOutput
            }
        }
    }

    /// Returns what the operator should do next.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NoKeyring => {
                "pass the keyring's file with --keys-file, or put the keyring into SEALWAX_KEYS; \
                 `byok-vault keygen prod-1 --out keys.txt` creates the first keyring"
            }
            Self::KeyringFile { .. } => "check the path of --keys-file and its permissions",
            Self::KeyringInherited => {
                "pass its path with --keys-file, or a pipe as in `--keys-file <(pass keyring)`, and do \
                 not redirect the file itself; the command was not started"
            }
            Self::KeyringTooLong => {
                "check the path of --keys-file: a keyring has one line for each key"
            }
            Self::KeyringUtf16 { .. } => "save the file again as UTF-8 without a byte order mark",
            Self::KeyringNotText { .. } => "a keyring is plain ASCII text: check the contents",
            Self::Keyring { .. } => {
                "correct the keyring: it needs one line `primary ID swk1_...`, and older keys as \
                 `retired ID swk1_...`; nothing was read or written"
            }
            Self::NewKey { .. } => {
                "try again; if the error persists, check the operating system's randomness source"
            }
            Self::NoVault => "check --db; the first `put` creates a new vault",
            Self::NotAVault { .. } | Self::NotAFile { .. } => {
                "check --db; the file was not changed"
            }
            Self::DatabaseName => {
                "write ./ in front of a name that begins with a colon or with file:"
            }
            Self::ForeignObjects { .. } => {
                "find out who changed the database (`SELECT * FROM sqlite_schema`), and drop what does \
                 not belong there, or restore a backup; no row was read or written"
            }
            Self::NoRowId => {
                "somebody stored a row with that id: store the credentials again in a new vault, with \
                 another --db"
            }
            Self::WrongCopy => "run the command again; if the error persists, check the disk",
            Self::NewerVault { .. } => "use a newer release of byok-vault",
            Self::UnknownKey { with_keyring: true } => "check the spelling of the id",
            Self::UnknownKey { with_keyring: false } => {
                "check the spelling of the id; if a rotation has left the key, check again with the \
                 keyring, which still names it"
            }
            Self::Database { source, .. } => database::advice(source),
            Self::NotFound { .. } => "run `byok-vault list` to see what is stored",
            Self::AlreadyExists { .. } => {
                "use `put --replace` to overwrite it, or `put --label` to store another one"
            }
            Self::FileExists { .. } => "choose another name; an existing file is never overwritten",
            Self::NotOwnFile { .. } => {
                "find out who put it there, and move it away; no row was written"
            }
            Self::CredentialArgument { .. } => {
                "pipe it into standard input or type it at the prompt; it was not stored, and it \
                 is now in the shell's history: replace it at its provider"
            }
            Self::Credential { problem, .. } => problem.advice(),
            Self::Doubtful { .. } => {
                "correct it where it comes from; if it is right as it is, use `put --anyway`"
            }
            Self::VariableNotKept { .. } => {
                "name the variable yourself, with `put --replace --env`; nothing was stored. If nobody \
                 in charge chose the one in the vault (`byok-vault list` shows it), find out who can \
                 write to the database"
            }
            Self::Row { fault, .. } => fault.kind.advice(),
            Self::Context { .. } => "shorten the names",
            Self::Seal { source, .. } if source.is_transient() => "try again",
            Self::Seal { .. } => "check the keyring's primary and escrow keys",
            Self::LeakedKeyState { state: Some(KeyState::Primary) } => {
                "first make another key the primary, in every process"
            }
            Self::LeakedKeyState { .. } => {
                "for this job alone, use a keyring with the line `retired ID swk1_...` for the leaked \
                 key (--keys-file); in every other process the key stays `leaked`"
            }
            Self::NoKeyForm | Self::WrappedKeyOption { .. } | Self::Declaration { .. } => {
                "run `byok-vault import --help`, and `byok-vault import --explain NAME` for an example"
            }
            Self::NotJsonLines { kind, .. } => kind.advice(),
            Self::KeyArgument { .. } => {
                "put the key's text into an environment variable and pass the variable's name; if \
                 you passed the key itself, it is now in the shell's history"
            }
            Self::NoLegacyKey { .. } => {
                "set it to the key's text, as the old program reads it; nothing was read or written"
            }
            Self::LegacyKeyNotText { .. } => {
                "set it to the key as text: hex, base64, or the text that is hashed"
            }
            Self::LegacyKey { source: KeyTextError::Wrapped(_) } => {
                "--wrapped-key-env must name the variable with the column `value` of the row in \
                 deployment_key whose algorithm is aes-256-gcm, and --key-env the variable with the \
                 instance key that wrapped it"
            }
            Self::LegacyKey { source: KeyTextError::OtherForm { .. } } => {
                "check how the old program reads the text, and pass --key-as accordingly"
            }
            Self::LegacyKey { .. } => {
                "copy the key's text from where the old program reads it, with nothing around it; \
                 nothing was read or written"
            }
            Self::PlaceholderKey => {
                "anyone can read rows under this key: treat their credentials as leaked, and \
                 replace them at their providers; --insecure-placeholder-key imports them anyway"
            }
            Self::OutputTaken => "choose another name, with --quarantine for the quarantine file",
            Self::Start { .. } => "check the name of the command after `--`, and its permissions",
            Self::Story { .. } => "this is a bug in byok-vault or in sealwax: please report it",
            Self::InputOutput { .. } => "fix the cause and run the same command again",
        }
    }
}

impl From<io::Error> for VaultError {
    fn from(source: io::Error) -> Self {
        Self::InputOutput { doing: "writing the output".to_owned(), source }
    }
}

/// Why a credential cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialProblem {
    /// Nothing was read.
    #[error("it is empty")]
    Empty,
    /// More than [`crate::credential::LIMIT`] bytes were read.
    #[error("it is longer than {} bytes", crate::credential::LIMIT)]
    TooLong,
    /// The credential contains a NUL, at which an environment variable would end.
    #[error("it contains a NUL byte, which no environment variable can hold")]
    Nul,
    /// The credential is not text, as an environment variable must be.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Several lines were pasted at the prompt.
    #[error("it has several lines, and the prompt takes one")]
    SeveralLines,
    /// A control character was typed or pasted at the prompt.
    #[error("it contains a control character, such as a tab")]
    Control,
    /// The row's variable does not have the name of a credential.
    #[error(
        "the variable that it was stored with does not have the name of a credential, so programs may \
         obey it"
    )]
    Variable,
    /// The credential is not text either, because another program compressed it.
    #[error("it is compressed, not UTF-8 text")]
    Compressed,
}

impl CredentialProblem {
    fn advice(self) -> &'static str {
        match self {
            Self::Empty => "pipe the credential into standard input or type it at the prompt",
            Self::TooLong => {
                "check that the right file was piped in: a credential is a key, not a document"
            }
            Self::SeveralLines | Self::Control => {
                "nothing was stored, and nothing was passed on to the shell: pipe it into standard \
                 input, as in `put ... < key.pem`"
            }
            Self::Variable => {
                "run `byok-vault list` to see the variable, find out who chose it, and name another \
                 one with `run --env` or `put --replace --env`"
            }
            Self::Nul | Self::NotText => {
                "store it in a text form (base64, PEM, JSON) with `put --replace`"
            }
            Self::Compressed => "decompress it and store the text with `put`",
        }
    }
}
