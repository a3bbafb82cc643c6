//! The keys of the log that the program is given.

use std::path::Path;

use sealwax::Secret;
use sealwax_audit::AuditKeys;

use crate::error::VaultError;
use crate::key_text::{Given, KeyText};

/// The keys of the log, and the text that they were parsed from.
#[derive(Debug)]
pub struct LogKeys {
    /// The keys: the primary writes entries, and all of them verify entries.
    pub keys: AuditKeys,
    pub(crate) text: KeyText,
}

impl LogKeys {
    /// Loads the keys from the file if one is given, otherwise from the environment.
    ///
    /// # Errors
    /// Returns [`VaultError::NoKeys`] if there is neither, and other errors if the keys cannot be read or
    /// parsed.
    pub fn load(file: Option<&Path>) -> Result<Self, VaultError> {
        let given = Given::AuditKeys;
        Self::of(given.read_if_given(file)?.ok_or(VaultError::NoKeys { given })?)
    }

    /// Parses keys from text; `origin` is for error messages.
    ///
    /// # Errors
    /// Returns an error if the text is not that of audit keys.
    pub fn parse(text: Secret, origin: String) -> Result<Self, VaultError> {
        Self::of(KeyText::new(Given::AuditKeys, text, origin)?)
    }

    fn of(text: KeyText) -> Result<Self, VaultError> {
        match text.expose().parse() {
            Ok(keys) => Ok(Self { keys, text }),
            Err(source) => Err(VaultError::AuditKeys { origin: text.origin, source }),
        }
    }
}
