//! Where the keyring comes from.

use std::env::{self, VarError};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use sealwax::{KeyId, Keyring, Secret};

use crate::error::VaultError;

/// The environment variable that holds the keyring.
pub const VARIABLE: &str = "SEALWAX_KEYS";

/// The most bytes of a keyring, several times as many as the largest keyring has.
pub const LIMIT: usize = 1024 * 1024;

/// A keyring and the text that it was parsed from.
pub struct Keys {
    /// The keyring, which seals, opens and rewraps.
    pub keyring: Keyring,
    pub(crate) text: Secret,
    origin: String,
}

impl Keys {
    /// Loads the keyring from the file if one is given, otherwise from [`VARIABLE`].
    ///
    /// # Errors
    /// Returns [`VaultError::NoKeyring`] if there is neither, and other errors if the keyring cannot
    /// be read or parsed.
    pub fn load(file: Option<&Path>) -> Result<Self, VaultError> {
        Self::load_if_given(file)?.ok_or(VaultError::NoKeyring)
    }

    /// Loads the keyring like [`Keys::load`], for commands that can do without one.
    ///
    /// # Errors
    /// Returns an error if there is a keyring that cannot be read or parsed.
    pub fn load_if_given(file: Option<&Path>) -> Result<Option<Self>, VaultError> {
        if let Some(path) = file {
            return Self::parse(read(path)?, "--keys-file".to_owned()).map(Some);
        }
        match env::var(VARIABLE) {
            Ok(text) => Self::parse(Secret::from(text), VARIABLE.to_owned()).map(Some),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => {
                Err(VaultError::KeyringNotText { origin: VARIABLE.to_owned() })
            }
        }
    }

    /// Parses a keyring from text; `origin` is for error messages.
    ///
    /// # Errors
    /// Returns an error if the text is not a keyring.
    pub fn parse(text: Secret, origin: String) -> Result<Self, VaultError> {
        let keyring = match text.expose_str() {
            _ if is_utf16(&text) => return Err(VaultError::KeyringUtf16 { origin }),
            Ok(plain) => plain.parse(),
            Err(_) => return Err(VaultError::KeyringNotText { origin }),
        };
        match keyring {
            Ok(keyring) => Ok(Self { keyring, text, origin }),
            Err(source) => Err(VaultError::Keyring { origin, source }),
        }
    }

    /// Passes the keyring to another process of this program.
    ///
    /// # Errors
    /// Returns an error if the keyring is not text, which [`Keys::parse`] has ruled out.
    pub fn pass_to(&self, command: &mut Command) -> Result<(), VaultError> {
        let text = self
            .text
            .expose_str()
            .map_err(|_| VaultError::KeyringNotText { origin: self.origin.clone() })?;
        command.env(VARIABLE, text);
        Ok(())
    }

    /// Returns the keyring with this key disabled, to rehearse its retirement.
    ///
    /// # Errors
    /// Returns an error if the key is the primary, because the text of a keyring needs one.
    pub fn without(&self, id: &KeyId) -> Result<Keyring, VaultError> {
        let origin = || format!("{} without {id}", self.origin);
        let text =
            self.text.expose_str().map_err(|_| VaultError::KeyringNotText { origin: origin() })?;
        // Large enough that it never grows, because growing would leave a copy of the keys behind.
        let mut rehearsed = String::with_capacity(text.len() + "disabled\n".len());
        for line in text.split('\n').filter(|line| !line.trim_start().starts_with('#')) {
            for entry in line.split(';') {
                if entry.split_ascii_whitespace().nth(1) == Some(id.as_ref()) {
                    rehearsed.push_str("disabled ");
                    rehearsed.push_str(id.as_ref());
                } else {
                    rehearsed.push_str(entry);
                }
                rehearsed.push('\n');
            }
        }
        Self::parse(Secret::from(rehearsed), origin()).map(|keys| keys.keyring)
    }
}

/// Reads the text of a keyring from a file, which may be a pipe.
fn read(path: &Path) -> Result<Secret, VaultError> {
    let reading = |source| VaultError::KeyringFile { source };
    let file = File::open(path).map_err(reading)?;
    // Large enough that it never grows, because growing would leave copies behind: one more byte than
    // the limit shows that it was exceeded.
    let most = LIMIT + 1;
    let mut bytes = Vec::with_capacity(most);
    let read = file.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes);
    // What was read before a failure is wiped as well.
    let text = Secret::from(bytes);
    read.map_err(reading)?;
    if text.len() > LIMIT { Err(VaultError::KeyringTooLong) } else { Ok(text) }
}

/// Returns whether a text is UTF-16, with or without its byte order mark.
fn is_utf16(text: &Secret) -> bool {
    let bytes = text.expose_secret();
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..])
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keyring, text: _, origin } = self;
        f.debug_struct("Keys").field("keyring", keyring).field("origin", origin).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealwax::{EncryptionContext, KeyState, MasterKey};

    fn entry(state: &str, id: &str) -> String {
        let key = MasterKey::generate().unwrap().to_text();
        format!("{state} {id} {}", key.expose_str().unwrap())
    }

    fn keys(text: String) -> Keys {
        Keys::parse(Secret::from(text), "a test".to_owned()).unwrap()
    }

    #[test]
    fn a_rehearsal_disables_one_key_and_keeps_the_others() {
        for separator in ["\n", "; ", "\r\n\n  "] {
            let comment = "# retired old swk1_; a note\n";
            let entries = [entry("primary", "new"), entry("retired", "old"), entry("escrow", "dr")];
            let keys = keys(format!("{comment}{}", entries.join(separator)));
            let envelope =
                keys.keyring.seal(&Secret::from("x"), &EncryptionContext::empty()).unwrap();

            let rehearsed = keys.without(&"old".parse().unwrap()).unwrap();

            let mut states: Vec<_> =
                rehearsed.keys().map(|(id, state)| (id.to_string(), state)).collect();
            states.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(
                states,
                [
                    ("dr".to_owned(), KeyState::Escrow),
                    ("new".to_owned(), KeyState::Primary),
                    ("old".to_owned(), KeyState::Disabled),
                ]
            );
            assert!(rehearsed.is_current(&envelope));
            assert!(rehearsed.verify(&envelope).is_ok());
        }
    }

    #[test]
    fn there_is_no_rehearsal_without_the_primary() {
        let keys = keys(entry("primary", "only"));
        let error = keys.without(&"only".parse().unwrap()).unwrap_err();
        assert!(matches!(error, VaultError::Keyring { .. }));
    }
}
