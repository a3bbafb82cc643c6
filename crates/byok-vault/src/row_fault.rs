//! What can be wrong with a row.

use sealwax::{ContextError, FormatError, OpenError, RewrapError, UnwrapError};

use crate::exit::Exit;

/// What is wrong with one row: a kind to count and act on, and the library's message.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{said}")]
pub struct Fault {
    /// The kind, which decides what to do about the row.
    pub kind: FaultKind,
    said: String,
}

/// A kind of fault, by which reports count rows.
///
/// The most urgent kinds come first.
pub trait Kind: Copy + Ord {
    /// Returns the name of the kind, which follows a count of rows.
    fn label(self) -> &'static str;

    /// Returns what the operator should do next.
    fn advice(self) -> &'static str;
}

/// The kinds of [`Fault`], with the most urgent kinds first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The MAC or a wrap does not verify.
    Altered,
    /// A valid envelope is in another row's place.
    Misplaced,
    /// The row does not hold an envelope.
    Unreadable,
    /// The envelope has a newer format.
    Newer,
    /// The keyring has a different key under the row's key id.
    WrongMaterial,
    /// The keyring has none of the row's keys.
    UnknownKey,
    /// The row's key is disabled in the keyring.
    DisabledKey,
    /// One of the row's keys has leaked.
    LeakedKey,
    /// The row's key has been destroyed.
    DestroyedKey,
    /// A key provider refused the request.
    Provider,
    /// A key provider failed temporarily.
    Transient,
}

impl FaultKind {
    /// Returns the exit code for a row of this kind.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Self::Altered | Self::Misplaced | Self::Unreadable | Self::Newer => Exit::Altered,
            Self::WrongMaterial
            | Self::UnknownKey
            | Self::DisabledKey
            | Self::LeakedKey
            | Self::DestroyedKey
            | Self::Provider => Exit::Key,
            Self::Transient => Exit::Transient,
        }
    }
}

impl Kind for FaultKind {
    fn label(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Misplaced => "in another row's place",
            Self::Unreadable => "not an envelope",
            Self::Newer => "written in a newer format",
            Self::WrongMaterial => "different key under the same id",
            Self::UnknownKey => "key not in the keyring",
            Self::DisabledKey => "key disabled",
            Self::LeakedKey => "key leaked",
            Self::DestroyedKey => "key destroyed",
            Self::Provider => "refused by a key provider",
            Self::Transient => "temporary failure of a key provider",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Altered => {
                "the row was changed outside of byok-vault. If its end is missing, a column or a \
                 tool cut it off: restore it from a backup, or store the credential again with \
                 `put --replace`. Otherwise treat it as a security incident, restore the row from \
                 a backup, and find out who can write to the database"
            }
            Self::Misplaced => {
                "the envelope was sealed for another tenant, provider, row or variable name: rows \
                 were swapped or edited; treat it as a security incident and restore the row from \
                 a backup"
            }
            Self::Unreadable => {
                "something overwrote the row: restore it from a backup, or store the credential \
                 again with `put --replace`"
            }
            Self::Newer => "a newer release wrote the row: use that release",
            Self::WrongMaterial => {
                "the key that the keyring has under this id is not the key that sealed the row: \
                 put the original key back, and never give one id to two keys; if the keyring is \
                 right, the row was altered"
            }
            Self::UnknownKey => {
                "add the key to the keyring as `retired ID swk1_...`, or check that this keyring \
                 belongs to this database"
            }
            Self::DisabledKey => {
                "somebody disabled this key on purpose: find out why, and make it `retired` if its \
                 rows are still needed"
            }
            Self::LeakedKey => {
                "a key of this row has leaked: revoke the credential at its provider and store a \
                 new one with `put --replace`"
            }
            Self::DestroyedKey => {
                "the credential is gone for good: store a new one with `put --replace`"
            }
            Self::Provider => "check what the key provider permits this program to do",
            Self::Transient => "run the same command again",
        }
    }
}

impl From<FormatError> for Fault {
    fn from(error: FormatError) -> Self {
        let kind = match error {
            FormatError::NewerVersion { .. } => FaultKind::Newer,
            _ => FaultKind::Unreadable,
        };
        Self { kind, said: error.to_string() }
    }
}

impl From<ContextError> for Fault {
    fn from(error: ContextError) -> Self {
        // `put` rejects such names, so another program wrote them into the row.
        Self { kind: FaultKind::Misplaced, said: error.to_string() }
    }
}

impl From<UnwrapError> for Fault {
    fn from(error: UnwrapError) -> Self {
        Self { kind: unwrap_kind(&error), said: error.to_string() }
    }
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::Unwrap(error) => unwrap_kind(error),
            OpenError::ContextMismatch => FaultKind::Misplaced,
            OpenError::PayloadAltered => FaultKind::Altered,
            _ => FaultKind::Provider,
        };
        Self { kind, said: error.to_string() }
    }
}

impl From<RewrapError> for Fault {
    fn from(error: RewrapError) -> Self {
        let kind = match &error {
            RewrapError::Unwrap(error) => unwrap_kind(error),
            _ => provider_kind(error.is_transient()),
        };
        Self { kind, said: error.to_string() }
    }
}

fn unwrap_kind(error: &UnwrapError) -> FaultKind {
    match error {
        UnwrapError::UnknownKey { .. } => FaultKind::UnknownKey,
        UnwrapError::KeyDisabled { .. } => FaultKind::DisabledKey,
        UnwrapError::KeyLeaked { .. } => FaultKind::LeakedKey,
        UnwrapError::KeyDestroyed { .. } => FaultKind::DestroyedKey,
        UnwrapError::WrongKeyMaterial { .. } | UnwrapError::WrongWrapKind { .. } => {
            FaultKind::WrongMaterial
        }
        UnwrapError::WrapAltered { .. } | UnwrapError::EnvelopeAltered => FaultKind::Altered,
        _ => provider_kind(error.is_transient()),
    }
}

fn provider_kind(transient: bool) -> FaultKind {
    if transient { FaultKind::Transient } else { FaultKind::Provider }
}
