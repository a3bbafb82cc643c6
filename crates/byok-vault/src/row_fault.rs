//! What can be wrong with one row.

use sealwax::{ContextError, FormatError, OpenError, RewrapError, UnwrapError};

use crate::exit::Exit;

/// What is wrong with one row: a kind to count and act on, and the library's own words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{said}")]
pub struct Fault {
    /// What to do about it.
    pub kind: FaultKind,
    said: String,
}

/// What can be wrong with a row, as reports count it: the kinds to look at first in front.
pub trait Kind: Copy + Ord {
    /// A name for a count of rows.
    fn label(self) -> &'static str;

    /// What the operator should do next.
    fn advice(self) -> &'static str;
}

/// The kinds of [`Fault`], the ones to look at first in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The mac or a wrap does not verify.
    Altered,
    /// A good envelope in another row's place.
    Misplaced,
    /// Not an envelope.
    Unreadable,
    /// An envelope of a later format.
    Newer,
    /// Other material under a known id.
    WrongMaterial,
    /// No key of the row is in the keyring.
    UnknownKey,
    /// The keyring refuses the row's key.
    DisabledKey,
    /// Others have one of the row's keys.
    LeakedKey,
    /// The row's key is gone.
    DestroyedKey,
    /// A key provider refused.
    Provider,
    /// A key provider failed for now.
    Transient,
}

impl FaultKind {
    /// The exit code for a row of this kind.
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
            Self::Newer => "of a newer format",
            Self::WrongMaterial => "other material under the key's id",
            Self::UnknownKey => "key not in the keyring",
            Self::DisabledKey => "key disabled",
            Self::LeakedKey => "key leaked",
            Self::DestroyedKey => "key destroyed",
            Self::Provider => "refused by a key provider",
            Self::Transient => "a key provider failed for now",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Altered => {
                "the row was changed outside of byok-vault. Does it end early? Then a column or a \
                 tool cut it: restore it from a backup, or store the credential again with \
                 `put --replace`. Otherwise treat it as a security incident, restore the row from \
                 a backup, and find out who can write to the database"
            }
            Self::Misplaced => {
                "the envelope was sealed for another tenant, provider, row or variable name: rows \
                 were exchanged or edited; treat it as a security incident and restore the row \
                 from a backup"
            }
            Self::Unreadable => {
                "something overwrote the row: restore it from a backup, or store the credential \
                 again with `put --replace`"
            }
            Self::Newer => "a newer release wrote the row: run that release",
            Self::WrongMaterial => {
                "the keyring has other material under this id than the row was sealed with: put \
                 the original key back, and never give one id to two keys; if the keyring is \
                 right, the row was altered"
            }
            Self::UnknownKey => {
                "add the key to the keyring as `retired ID swk1_...`, or check that this keyring \
                 belongs to this database"
            }
            Self::DisabledKey => {
                "the keyring refuses this key on purpose: find out why, and make it `retired` if \
                 its rows are still needed"
            }
            Self::LeakedKey => {
                "others have a key of this row: revoke the credential at its provider and store a \
                 new one with `put --replace`"
            }
            Self::DestroyedKey => {
                "the credential is gone for good: store a new one with `put --replace`"
            }
            Self::Provider => "check what the key provider allows this program to do",
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
        // `put` refuses such names, so somebody else wrote them into the row.
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
