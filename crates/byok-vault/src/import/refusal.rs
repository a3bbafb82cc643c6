//! Why one row was not imported.

use std::fmt;

use sealwax::triplet::TripletError;

use crate::formatting::whole;
use crate::row_fault::Kind;

/// A reason to count and act on, and what is known besides.
///
/// Nothing of a row's columns is in it: what does not open may well be a credential that somebody
/// stored in the clear.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What to do about it.
    pub reason: Reason,
    /// Where and what, for the one row.
    pub detail: String,
}

/// The reasons, the ones to look at first in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The vault's own row for the tenant and provider does not open.
    VaultRow,
    /// The vault holds another credential for the tenant and provider.
    AnotherCredential,
    /// The vault passes the credential in another variable.
    AnotherVariable,
    /// The file gives two credentials, or two variables, to one owner.
    OwnerTwice,
    /// The file gives one id to two owners.
    IdTwice,
    /// The tag does not verify.
    NotAuthentic,
    /// The row's own key opened to something else.
    NoKey,
    /// Not what the layout says a row is.
    NotOfTheLayout,
    /// The credential is empty.
    Empty,
    /// `run` could not hand the credential on.
    CredentialRefused,
    /// A tenant, a provider, a variable or an id that the command line would refuse.
    Name,
    /// A field is missing or of the wrong type.
    Field,
    /// Not a JSON object.
    NotJson,
    /// More text than is looked at.
    TooLong,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// The same, told of one column.
    pub(crate) fn of(self, column: &str) -> Self {
        Self { detail: format!("in {column}: {}", self.detail), ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl From<TripletError> for Refusal {
    fn from(error: TripletError) -> Self {
        let reason = match error {
            TripletError::NotAuthentic => Reason::NotAuthentic,
            TripletError::Key { .. } => Reason::NoKey,
            _ => Reason::NotOfTheLayout,
        };
        Self::new(reason, whole(&error))
    }
}

impl Reason {
    /// A word for programs: it stands in the quarantine file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::VaultRow => "vault-row",
            Self::AnotherCredential => "another-credential",
            Self::AnotherVariable => "another-variable",
            Self::OwnerTwice => "owner-twice",
            Self::IdTwice => "id-twice",
            Self::NotAuthentic => "not-authentic",
            Self::NoKey => "no-key",
            Self::NotOfTheLayout => "not-of-the-layout",
            Self::Empty => "empty",
            Self::CredentialRefused => "credential-refused",
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
                "the vault has another credential for this tenant and provider"
            }
            Self::AnotherVariable => "the vault has another variable for this credential",
            Self::OwnerTwice => "one tenant and provider, two credentials or variables",
            Self::IdTwice => "one id, two owners",
            Self::NotAuthentic => "not authentic",
            Self::NoKey => "what is wrapped is no key",
            Self::NotOfTheLayout => "not of the layout",
            Self::Empty => "the credential is empty",
            Self::CredentialRefused => "the credential is refused",
            Self::Name => "a name is refused",
            Self::Field => "a field is missing or of the wrong type",
            Self::NotJson => "not a JSON object",
            Self::TooLong => "too long",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::VaultRow => {
                "repair the vault first (`byok-vault census --verify` says what is wrong), then \
                 import the quarantine file"
            }
            Self::AnotherCredential => {
                "find out which of the two is in use; the vault's stays until `put --replace`"
            }
            Self::AnotherVariable => {
                "the vault's stays until `put --replace --env`; `run --env` passes the credential \
                 in any variable"
            }
            Self::OwnerTwice => {
                "a mistake in the export: find out which of them is in use, take the other lines \
                 out of the quarantine file, and import that"
            }
            Self::IdTwice => {
                "a mistake in the export: find out whose row it is, take the other line out of the \
                 quarantine file, and import that"
            }
            Self::NotAuthentic => {
                "if there was another key, import the quarantine file with that one; if no key and \
                 no layout opens the row, it was altered or damaged: get a new credential"
            }
            Self::NoKey => "the row cannot be opened: get a new credential from its owner",
            Self::NotOfTheLayout => {
                "check --layout; if only some rows fail, they were cut off, or hold something \
                 else, a credential in the clear for instance, which `put` takes"
            }
            Self::Empty => {
                "there is nothing to store: get a credential from its owner, or leave it out"
            }
            Self::CredentialRefused => {
                "`run` could not hand it on: store it in a text form (base64, PEM, JSON) with `put`"
            }
            Self::Name | Self::Field => {
                "correct the line in the quarantine file, under \"row\", and import that file"
            }
            Self::NotJson => "export the row again, as one JSON object on one line of UTF-8",
            Self::TooLong => {
                "its content is not in the quarantine file: look at the line in the file that was \
                 imported; a credential is a key, not a document"
            }
        }
    }
}
