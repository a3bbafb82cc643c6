//! The exit codes of the program.

use std::process::ExitCode;

/// How a run ended.
///
/// [`Exit::TABLE`] is the table in `--help` and in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The program did everything that it was asked to do.
    Done,
    /// `census --retire` did not find the key safe to retire, or what is checked has no rows or entries.
    No,
    /// The command line is invalid.
    Usage,
    /// The keyring, the audit key, or the key of the rows to import is missing or malformed.
    Configuration,
    /// The vault has no such credential.
    NotFound,
    /// The credential or the file already exists.
    AlreadyExists,
    /// The credential itself cannot be used, or does not look like one.
    CredentialRefused,
    /// Reading or writing a file, the terminal or a pipe failed.
    InputOutput,
    /// The same command may work when it is run again.
    Transient,
    /// A key is missing, refused, gone, or not the one that sealed the row.
    Key,
    /// A row or the log is damaged or altered, or a row is in another row's place.
    Altered,
    /// The database failed, or is not a vault.
    Database,
    /// Some rows, or some chains of the log, are done, others are not.
    Partial,
    /// The command of `run` did not start or, where it cannot replace this program, its exit code.
    Command(u8),
}

impl Exit {
    /// The table of the codes, which `--help` prints.
    pub const TABLE: &str = "\
Exit codes:
    0  success
    1  the key is not known to be safe to retire (census --retire), or there are no rows or entries to check
    2  the command line is invalid
    3  the keyring, the audit key, a name, or the key for an import is missing or malformed
    4  the vault has no such credential
    5  the credential or the file already exists
    6  the credential cannot be used (empty, too long, not UTF-8, ...), or does not look like one
    7  reading or writing a file, the terminal or a pipe failed, or the file to import is empty or of another kind
   10  a key provider failed temporarily: try again
   11  a key is unknown, disabled, leaked, destroyed, or not the one that sealed the row; or an audit key is unknown
   12  a row or the log is damaged or altered, or a row is in another row's place
   13  the database failed, or is not a vault
   14  partly done: some rows could not be rewrapped, resealed or repaired, or were quarantined, or chains not handed over
`audit`, and `census` without --retire, exit with the code of the most urgent fault: 12
before 11 before 10. `run` becomes its command, so the exit code is the command's: 126 if it
cannot be executed, 127 if it is not found, and in a shell 128 + N if signal N ended it.";

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
