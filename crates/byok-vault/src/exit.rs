//! Exit codes.

use std::process::ExitCode;

/// How a run ended. The table in `--help` and in the README is [`Exit::TABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked for is done.
    Done,
    /// A question was answered with no.
    No,
    /// The command line is wrong.
    Usage,
    /// The keyring, or the key of rows that are imported, is missing or malformed.
    Configuration,
    /// The vault has no such credential.
    NotFound,
    /// The credential or the file is there already.
    AlreadyExists,
    /// The credential itself cannot be used.
    CredentialRefused,
    /// A file, the terminal or a pipe failed.
    InputOutput,
    /// It may work when tried again.
    Transient,
    /// A key is missing, refused, gone, or not the one that sealed.
    Key,
    /// A row is damaged, altered or in another row's place.
    Altered,
    /// The database failed or is not a vault.
    Database,
    /// Some rows are done, others are not.
    Partial,
    /// What the command of `run` answered, or 128 + the signal that ended it.
    Command(u8),
}

impl Exit {
    /// The codes for people: shown by `--help`.
    pub const TABLE: &str = "\
Exit codes:
    0  done
    1  the answer is no (census --retire)
    2  the command line is wrong
    3  the keyring, or the key for import, is missing or malformed
    4  the vault has no such credential
    5  it exists already
    6  the credential cannot be used (empty, too long, a NUL, not UTF-8)
    7  a file, the terminal or a pipe failed
   10  a key provider failed for now: try again
   11  a key is unknown, disabled, leaked, destroyed or has other material
   12  a row is damaged, altered or in another row's place
   13  the database failed or is not a vault
   14  partly done: some rows could not be rewrapped, or are in quarantine
`run` answers with the exit code of its command: 126 if it cannot be executed,
127 if it is not found, 128 + N if signal N ended it.";

    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Configuration => 3,
            Self::NotFound => 4,
            Self::AlreadyExists => 5,
            Self::CredentialRefused => 6,
            Self::InputOutput => 7,
            Self::Transient => 10,
            Self::Key => 11,
            Self::Altered => 12,
            Self::Database => 13,
            Self::Partial => 14,
            Self::Command(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
