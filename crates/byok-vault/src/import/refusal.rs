//! Why one row was not imported.

use std::fmt;

use sealwax::triplet::TripletError;
use sealwax_import::RowError;

use crate::row_fault::Kind;

/// A reason to count and act on, and the details of one row.
///
/// It contains nothing from the row's columns: text that does not open may be a credential that
/// somebody stored unencrypted.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The reason, which decides what to do about the row.
    pub reason: Reason,
    /// What is wrong with this row, and where.
    pub detail: String,
}

/// The reasons for a refusal, with the most urgent ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The vault's own row for the owner does not open.
    VaultRow,
    /// The vault has another credential for the owner.
    AnotherCredential,
    /// The vault passes the credential in another variable.
    AnotherVariable,
    /// The file has two credentials, or two variables, for one owner.
    OwnerTwice,
    /// The file has one id for two owners.
    IdTwice,
    /// The tag does not verify.
    NotAuthentic,
    /// The tag does not verify, and associated data was declared.
    NotAuthenticAsBound,
    /// The row's wrapped key opens to something that is not a key.
    NoKey,
    /// The row does not match the layout.
    NotOfTheLayout,
    /// The credential is empty.
    Empty,
    /// `run` could not pass the credential to a command.
    CredentialRefused,
    /// The row opens to something that does not look like a credential.
    Suspicious,
    /// The command line would reject the tenant, the provider, the variable or the id.
    Name,
    /// A field is missing or has the wrong type.
    Field,
    /// The line is not a JSON object.
    NotJson,
    /// The line is longer than the limit.
    TooLong,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl From<RowError> for Refusal {
    fn from(error: RowError) -> Self {
        let reason = match &error {
            RowError::Missing { .. }
            | RowError::Twice { .. }
            | RowError::Type { .. }
            | RowError::NotAnObject { .. } => Reason::Field,
            RowError::Row(source) | RowError::WrappedKey { source, .. } => match source {
                TripletError::NotAuthentic => Reason::NotAuthentic,
                TripletError::Key { .. } => Reason::NoKey,
                _ => Reason::NotOfTheLayout,
            },
            _ => Reason::NotOfTheLayout,
        };
        Self::new(reason, error.to_string())
    }
}

impl Reason {
    /// Returns the word for programs, which the quarantine file contains.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::VaultRow => "vault-row",
            Self::AnotherCredential => "another-credential",
            Self::AnotherVariable => "another-variable",
            Self::OwnerTwice => "owner-twice",
            Self::IdTwice => "id-twice",
            Self::NotAuthentic | Self::NotAuthenticAsBound => "not-authentic",
            Self::NoKey => "no-key",
            Self::NotOfTheLayout => "not-of-the-layout",
            Self::Empty => "empty",
            Self::CredentialRefused => "credential-refused",
            Self::Suspicious => "suspicious",
            Self::Name => "name",
            Self::Field => "field",
            Self::NotJson => "not-json",
            Self::TooLong => "too-long",
        }
    }
}

impl Kind for Reason {
    fn label(self) -> &'static str {
        match self {
            Self::VaultRow => "the vault's own row does not open",
            Self::AnotherCredential => {
                "the vault has another credential for this tenant, provider and label"
            }
            Self::AnotherVariable => "the vault has another variable for this credential",
            Self::OwnerTwice => "two credentials or variables for one tenant, provider and label",
            Self::IdTwice => "two owners for one id",
            Self::NotAuthentic | Self::NotAuthenticAsBound => "not authentic",
            Self::NoKey => "the wrapped key is not a key",
            Self::NotOfTheLayout => "does not match the layout",
            Self::Empty => "the credential is empty",
            Self::CredentialRefused => "the credential cannot be used",
            Self::Suspicious => "does not look like a credential",
            Self::Name => "invalid name",
            Self::Field => "a field is missing or has the wrong type",
            Self::NotJson => "not a JSON object",
            Self::TooLong => "too long",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::VaultRow => {
                "repair the vault first (`byok-vault audit` says what is wrong), then \
                 import the quarantine file"
            }
            Self::AnotherCredential => {
                "find out which of the two is in use; the vault keeps its own until `put --replace`; \
                 if both are in use, give the line a `label`"
            }
            Self::AnotherVariable => {
                "the vault keeps its own until `put --replace --env`; `run --env` passes the \
                 credential in any variable"
            }
            Self::OwnerTwice => {
                "if all of them are in use, give each line its own `label`; otherwise this is a \
                 mistake in the export: find out which is in use, and remove the other lines from the \
                 quarantine file; then import that file"
            }
            Self::IdTwice => {
                "this is a mistake in the export: find out whose row it is, remove the other line \
                 from the quarantine file, and import that file"
            }
            Self::NotAuthentic => {
                "if all rows fail, the key or the layout is wrong: rows may be bound to \
                 associated data (--bound-to), and a key that was hashed with a line feed at its end \
                 is --key-as sha256-line-feed. If some rows fail and there was another key, import \
                 the quarantine file with that key; a row that no key opens was altered or damaged: \
                 get a new credential"
            }
            Self::NotAuthenticAsBound => {
                "if all rows fail, check --bound-to: the template must give the exact text that the old \
                 program used, with its case (of a UUID, for example), its members, their order, and \
                 what separates them. If it does, the key or the layout is wrong. If some rows fail, \
                 they may be bound to another text or to none, or be under another key: import the \
                 quarantine file with that option or key; a row that nothing opens was altered or \
                 damaged: get a new credential"
            }
            Self::NoKey => "the row cannot be opened: get a new credential from its owner",
            Self::NotOfTheLayout => {
                "check --layout or --cell; `import --explain NAME` shows how to declare another encoding, a \
                 text in front, or \\x. If only some rows fail, they were cut off, or hold something \
                 else, such as an unencrypted credential, which you can store with `put`"
            }
            Self::Empty => {
                "there is nothing to store: get a credential from its owner, or leave the row out"
            }
            Self::CredentialRefused => {
                "`run` could not pass it to a command: store it in a text form (decompressed, \
                 base64, PEM, JSON) with `put`"
            }
            Self::Suspicious => {
                "ask its owner; if it is right as it is, import the quarantine file with \
                 --suspicious import, otherwise get a new credential"
            }
            Self::Name | Self::Field => {
                "correct the line in the quarantine file, under \"row\", and import that file"
            }
            Self::NotJson => "export the row again, as one JSON object on one line of UTF-8",
            Self::TooLong => {
                "its content is not in the quarantine file: look at the line in the imported file; \
                 a credential is a key, not a document"
            }
        }
    }
}
