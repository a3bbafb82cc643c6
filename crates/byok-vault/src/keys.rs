//! The keyring that the program is given.

use std::fmt;
use std::path::Path;

use sealwax::{KeyId, Keyring, Secret};

use crate::error::VaultError;
use crate::key_text::{Given, KeyText};

/// A keyring and the text that it was parsed from.
pub struct Keys {
    /// The keyring, which seals, opens and rewraps.
    pub keyring: Keyring,
    pub(crate) text: KeyText,
}

impl Keys {
    /// Loads the keyring from the file if one is given, otherwise from the environment.
    ///
    /// # Errors
    /// Returns [`VaultError::NoKeys`] if there is neither, and other errors if the keyring cannot
    /// be read or parsed.
    pub fn load(file: Option<&Path>) -> Result<Self, VaultError> {
        Self::load_if_given(file)?.ok_or(VaultError::NoKeys { given: Given::Keyring })
    }

    /// Loads the keyring like [`Keys::load`], for commands that can do without one.
    ///
    /// # Errors
    /// Returns an error if there is a keyring that cannot be read or parsed.
    pub fn load_if_given(file: Option<&Path>) -> Result<Option<Self>, VaultError> {
        Given::Keyring.read_if_given(file)?.map(Self::of).transpose()
    }

    /// Parses a keyring from text; `origin` is for error messages.
    ///
    /// # Errors
    /// Returns an error if the text is not a keyring.
    pub fn parse(text: Secret, origin: String) -> Result<Self, VaultError> {
        Self::of(KeyText::new(Given::Keyring, text, origin)?)
    }

    fn of(text: KeyText) -> Result<Self, VaultError> {
        match text.expose().parse() {
            Ok(keyring) => Ok(Self { keyring, text }),
            Err(source) => Err(VaultError::Keyring { origin: text.origin, source }),
        }
    }

    /// Returns the keyring with this key disabled, to rehearse its retirement.
    ///
    /// # Errors
    /// Returns an error if the key is the primary, because the text of a keyring needs one.
    pub fn without(&self, id: &KeyId) -> Result<Keyring, VaultError> {
        let text = self.text.expose();
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
        let origin = format!("{} without {id}", self.text.origin);
        Self::parse(Secret::from(rehearsed), origin).map(|keys| keys.keyring)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keyring, text } = self;
        f.debug_struct("Keys").field("keyring", keyring).field("text", text).finish()
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
