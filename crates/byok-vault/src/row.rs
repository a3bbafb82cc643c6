//! One stored credential, and what its envelope is bound to.

use std::fmt;

use sealwax::{
    EncryptionContext, Envelope, Keyring, OpenEvent, OpenRecorder, ProviderFuture, RecorderError,
    Secret,
};

use crate::error::VaultError;
use crate::formatting::shown;
use crate::row_fault::{Fault, FaultKind};

/// The owner of a credential.
///
/// A tenant has at most one credential for each provider and label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The customer.
    pub tenant: String,
    /// The service that accepts the credential.
    pub provider: String,
    /// What distinguishes the credential from others of the tenant for the provider, if it has a name.
    pub label: Option<String>,
}

impl Owner {
    /// Returns the label as the table stores it: no label is the empty text.
    pub(crate) fn label_or_empty(&self) -> &str {
        self.label.as_deref().unwrap_or_default()
    }

    /// Returns the environment variable that the provider's own tools read.
    #[must_use]
    pub fn variable(&self) -> String {
        match self.provider.as_str() {
            "google" | "gemini" => "GEMINI_API_KEY".to_owned(),
            provider => {
                let upper = provider.to_ascii_uppercase();
                let name = upper.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
                // No variable starts with a digit.
                let digit = name.starts_with(|c: char| c.is_ascii_digit());
                format!("{}{name}_API_KEY", if digit { "_" } else { "" })
            }
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant {}, provider {}", shown(&self.tenant), shown(&self.provider))?;
        self.label.as_ref().map_or(Ok(()), |label| write!(f, ", label {}", shown(label)))
    }
}

/// What a row's envelope is bound to, so that a copy of it does not open anywhere else.
///
/// The id is part of it, so that the envelope of a deleted row does not open in the row that replaces
/// it: ids are never used twice, and `put --replace` keeps the id. The variable's name is part of it
/// because it determines what the credential does to a command: write access to the database alone
/// must not be enough to pass the credential to a command as `LD_PRELOAD`. The revision is not part of
/// it: it is stored in the same row, so anyone who puts back an old envelope could put back its
/// revision as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The primary key of the table, which never changes during the row's life.
    pub id: i64,
    /// The owner of the credential.
    pub owner: Owner,
    /// The environment variable in which `run` passes the credential.
    pub env_name: String,
}

impl Place {
    fn context(&self) -> Result<EncryptionContext, sealwax::ContextError> {
        let id = self.id.to_string();
        let names = [
            ("tenant", self.owner.tenant.as_str()),
            ("provider", self.owner.provider.as_str()),
            ("row", id.as_str()),
            ("env", self.env_name.as_str()),
        ];
        // Not an empty pair, because rows without a label were sealed before there were labels.
        let label = self.owner.label.as_deref().map(|label| ("label", label));
        EncryptionContext::new(names.into_iter().chain(label))
    }

    /// Seals a credential for this place and returns the text of its envelope.
    ///
    /// # Errors
    /// Returns an error if the names are too long, or the keyring cannot seal.
    pub fn seal(&self, keyring: &Keyring, credential: &Secret) -> Result<String, VaultError> {
        let context = self
            .context()
            .map_err(|source| VaultError::Context { owner: self.owner.clone(), source })?;
        let envelope = keyring.seal(credential, &context).map_err(|source| VaultError::Seal {
            owner: self.owner.clone(),
            source: Box::new(source),
        })?;
        Ok(envelope.to_string())
    }
}

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What the envelope is bound to.
    pub place: Place,
    /// The text of the envelope, as it was read from the table.
    pub envelope: String,
    /// The number of the credential: 1 for the first, and one more for each replacement.
    pub revision: i64,
    /// When the row was created, in seconds since 1970.
    pub created_at: i64,
    /// When the credential was last stored, in seconds since 1970.
    ///
    /// A rewrap does not change it.
    pub updated_at: i64,
}

impl Row {
    /// Parses the envelope, which needs no key.
    ///
    /// # Errors
    /// Returns an error if the text is not an envelope.
    pub fn parse(&self) -> Result<Envelope, Fault> {
        self.envelope.parse::<Envelope>().map_err(|error| self.fault(error))
    }

    /// Opens the row and returns the credential.
    ///
    /// # Errors
    /// Returns [`VaultError::Row`], which says what is wrong with the row or the keyring.
    pub fn open(&self, keyring: &Keyring) -> Result<Secret, VaultError> {
        self.try_open(keyring).map_err(|fault| self.error(fault))
    }

    /// Opens the row, for callers that continue with other rows if this one fails.
    ///
    /// # Errors
    /// Returns what is wrong with the row or the keyring.
    pub fn try_open(&self, keyring: &Keyring) -> Result<Secret, Fault> {
        keyring.open(&self.parse()?, &self.place.context()?).map_err(|error| self.fault(error))
    }

    /// Checks that the envelope is intact and sealed for this row, and decrypts nothing.
    ///
    /// # Errors
    /// Returns what is wrong with the row or the keyring. Only opening finds that the ciphertext was altered.
    pub fn check(&self, keyring: &Keyring) -> Result<(), Fault> {
        match self.try_open(&keyring.clone().with_recorder(NeverOpen)) {
            Ok(_) => Ok(()),
            Err(fault) if fault.kind == FaultKind::NotRecorded => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// Rewraps the envelope for the current keys and returns its text, or `None` if it is current.
    ///
    /// # Errors
    /// Returns [`VaultError::Row`], which says what is wrong with the row or the keyring.
    pub fn rewrap(&self, keyring: &Keyring) -> Result<Option<String>, VaultError> {
        let envelope = self.parse().map_err(|fault| self.error(fault))?;
        match keyring.rewrap(&envelope) {
            Ok(fresh) => Ok(fresh.map(|envelope| envelope.to_string())),
            Err(error) => Err(self.error(self.fault(error))),
        }
    }

    fn fault(&self, error: impl Into<Fault>) -> Fault {
        error.into().in_text(&self.envelope)
    }

    /// Returns the error that says which row has this fault.
    #[must_use]
    pub fn error(&self, fault: Fault) -> VaultError {
        VaultError::Row { id: self.place.id, owner: self.place.owner.clone(), fault }
    }
}

/// A recorder without a record, so that a keyring stops where it would begin to decrypt.
struct NeverOpen;

impl OpenRecorder for NeverOpen {
    fn record<'a>(&'a self, _: &'a OpenEvent<'a>) -> ProviderFuture<'a, Result<(), RecorderError>> {
        ProviderFuture::ready(Err(RecorderError::new("nothing is opened")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealwax::MasterKey;

    #[test]
    fn a_check_decrypts_nothing() {
        let key = MasterKey::generate().unwrap();
        let keyring = Keyring::new("k".parse().unwrap(), key).unwrap();
        let owner = Owner { tenant: "acme".to_owned(), provider: "x".to_owned(), label: None };
        let place = Place { id: 1, owner, env_name: "X_API_KEY".to_owned() };
        let envelope = place.seal(&keyring, &Secret::from("sk-1")).unwrap();
        let row = Row { place, envelope, revision: 1, created_at: 0, updated_at: 0 };
        assert!(row.check(&keyring).is_ok());

        let place = Place { id: 2, ..row.place.clone() };
        let moved = Row { place, ..row.clone() };
        assert_eq!(moved.check(&keyring).unwrap_err().kind, FaultKind::Misplaced);

        // Only decrypting finds an altered ciphertext.
        let mut bytes = row.parse().unwrap().as_bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        let envelope = Envelope::from_bytes(&bytes).unwrap().to_string();
        let altered = Row { envelope, ..row };
        assert_eq!(altered.try_open(&keyring).unwrap_err().kind, FaultKind::Altered);
        assert!(altered.check(&keyring).is_ok());
    }

    #[test]
    fn every_provider_has_a_variable() {
        for (provider, variable) in [
            ("openai", "OPENAI_API_KEY"),
            ("anthropic", "ANTHROPIC_API_KEY"),
            ("gemini", "GEMINI_API_KEY"),
            ("google", "GEMINI_API_KEY"),
            ("x-ai", "X_AI_API_KEY"),
            ("21st", "_21ST_API_KEY"),
        ] {
            let (tenant, provider) = ("acme".to_owned(), provider.to_owned());
            let owner = Owner { tenant, provider, label: None };
            assert_eq!(owner.variable(), variable);
        }
    }
}
