//! Where the text of keys comes from: a file, or an environment variable.

use std::env::{self, VarError};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use sealwax::Secret;

use crate::error::{KeyTextProblem, VaultError};

/// The most bytes of a text with keys, several times as many as the largest has.
pub const LIMIT: usize = 1024 * 1024;

/// The keys that the program is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// The master keys, which seal and open credentials.
    Keyring,
    /// The keys of the log.
    AuditKeys,
}

impl Given {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Keyring, Self::AuditKeys];

    /// Returns what messages call the keys.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::AuditKeys => "audit key",
        }
    }

    /// Returns the option that names their file.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Keyring => "--keys-file",
            Self::AuditKeys => "--audit-key-file",
        }
    }

    /// Returns the environment variable that holds them if there is no file.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Keyring => "SEALWAX_KEYS",
            Self::AuditKeys => "SEALWAX_AUDIT_KEY",
        }
    }

    /// Reads the text from the file if one is given, otherwise from the variable.
    ///
    /// # Errors
    /// Returns an error if there is a text that cannot be read, is too long, or is not UTF-8.
    pub fn read_if_given(self, file: Option<&Path>) -> Result<Option<KeyText>, VaultError> {
        let failed = |origin: &str, problem| {
            let origin = origin.to_owned();
            VaultError::KeyText { given: self, origin, problem }
        };
        let (text, origin) = match file {
            Some(path) => {
                let origin = self.option();
                (read(path).map_err(|problem| failed(origin, problem))?, origin)
            }
            None => match env::var(self.variable()) {
                Ok(text) => (Secret::from(text), self.variable()),
                Err(VarError::NotPresent) => return Ok(None),
                Err(VarError::NotUnicode(_)) => {
                    return Err(failed(self.variable(), KeyTextProblem::NotText));
                }
            },
        };
        KeyText::new(self, text, origin.to_owned()).map(Some)
    }
}

/// Reads a text from a file, which may be a pipe.
fn read(path: &Path) -> Result<Secret, KeyTextProblem> {
    let file = File::open(path).map_err(KeyTextProblem::Unreadable)?;
    // Large enough that it never grows, because growing would leave copies behind: one more byte than
    // the limit shows that it was exceeded.
    let most = LIMIT + 1;
    let mut bytes = Vec::with_capacity(most);
    let read = file.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes);
    // What was read before a failure is wiped as well.
    let text = Secret::from(bytes);
    read.map_err(KeyTextProblem::Unreadable)?;
    if text.len() > LIMIT { Err(KeyTextProblem::TooLong) } else { Ok(text) }
}

/// The text of keys.
pub struct KeyText {
    given: Given,
    pub(crate) secret: Secret,
    pub(crate) origin: String,
}

impl KeyText {
    /// Takes a text; `origin` is for error messages.
    ///
    /// # Errors
    /// Returns an error if the text is UTF-16, or not text.
    pub fn new(given: Given, secret: Secret, origin: String) -> Result<Self, VaultError> {
        let problem = match secret.expose_str() {
            _ if is_utf16(&secret) => KeyTextProblem::Utf16,
            Ok(_) => return Ok(Self { given, secret, origin }),
            Err(_) => KeyTextProblem::NotText,
        };
        Err(VaultError::KeyText { given, origin, problem })
    }

    /// Returns the text, which is UTF-8.
    pub(crate) fn expose(&self) -> &str {
        self.secret.expose_str().unwrap_or_default()
    }

    /// Passes the keys to another process of this program.
    pub fn pass_to(&self, command: &mut Command) {
        command.env(self.given.variable(), self.expose());
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given, secret: _, origin } = self;
        f.debug_struct("KeyText").field("given", given).field("origin", origin).finish()
    }
}

/// Returns whether a text is UTF-16, with or without its byte order mark.
fn is_utf16(text: &Secret) -> bool {
    let bytes = text.expose_secret();
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..])
}
