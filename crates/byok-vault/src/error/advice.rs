//! The exit code of each error, and what to do next.

use std::io;

use sealwax::KeyState;
use sealwax_import::KeyTextError;

use super::{VaultError, database};
use crate::exit::Exit;
use crate::key_text::Given;
use crate::row_fault::Kind;

impl VaultError {
    /// Returns the exit code for this error.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoKeys { .. }
            | Self::KeyText { .. }
            | Self::KeysInherited { .. }
            | Self::Keyring { .. }
            | Self::AuditKeys { .. }
            | Self::NewKey { .. }
            | Self::NewAuditKey { .. }
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
            | Self::StepOfKey { .. }
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
            Self::Log(problem) => problem.exit(),
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
            Self::NotJsonLines { .. }
            | Self::NoRows { .. }
            | Self::NotOwnFile { .. }
            | Self::Anchor { .. }
            | Self::NoAnchors
            | Self::InputOutput { .. } => Exit::InputOutput,
        }
    }

    /// Returns what the operator should do next.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NoKeys { given: Given::Keyring } => {
                "pass the keyring's file with --keys-file, or put the keyring into SEALWAX_KEYS; \
                 `byok-vault keygen prod-1 --out keys.txt` creates the first keyring"
            }
            Self::NoKeys { given: Given::AuditKeys } => {
                "this command records what it opens, and needs the key of the log: pass its file with \
                 --audit-key-file, or put the key into SEALWAX_AUDIT_KEY; `byok-vault keygen --audit \
                 log-1 --out audit.txt` creates the first one. Nothing was opened"
            }
            Self::KeyText { problem, .. } => problem.advice(),
            Self::KeysInherited { .. } => {
                "pass its path with --keys-file or --audit-key-file, or a pipe as in `--keys-file <(pass \
                 keyring)`, and do not redirect the file itself; the command was not started"
            }
            Self::Keyring { .. } => {
                "correct the keyring: it needs one line `primary ID swk1_...`, and older keys as \
                 `retired ID swk1_...`; nothing was read or written"
            }
            Self::AuditKeys { .. } => {
                "correct the key: write `primary ID swa1_...` on one line, and older keys of the log as \
                 `retired ID swa1_...`; nothing was read or written"
            }
            Self::Log(problem) => problem.advice(),
            Self::Anchor { .. } => "pass a file that `byok-vault log --verify --anchors` wrote",
            Self::NoAnchors => {
                "if there were no entries yet when you began the file, begin it again, without --anchor, once \
                 `byok-vault log --verify` exits with 0. Otherwise somebody emptied it: treat that as a security \
                 incident, and put back a copy"
            }
            Self::StepOfKey { .. } => {
                "do not end an id with @ and a number: only a ratchet makes such a key, and its key is derived from the \
                 one before it"
            }
            Self::NewKey { .. } | Self::NewAuditKey { .. } => {
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
                "find out who changed the database: `byok-vault log --verify` says what differs; drop what does \
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
            Self::NoRows { .. } => {
                "find out why the export wrote nothing, and delete no row of the old table: none was \
                 imported"
            }
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
