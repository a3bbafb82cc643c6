//! What can be wrong with a row.

use std::fmt;
use std::num::NonZeroUsize;

use sealwax::{ContextError, FormatError, OpenError, RewrapError, UnwrapError};
use sealwax_audit::AppendError;

use crate::around;
use crate::error::LogProblem;
use crate::exit::Exit;

/// What is wrong with one row: a kind to count and act on, and the library's message.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{said}")]
pub struct Fault {
    /// The kind, which decides what to do about the row.
    pub kind: FaultKind,
    said: String,
    /// Whether an envelope that lost its end, and still parses, fails in this way.
    may_be_cut: bool,
    /// Whether the message names what is around the envelope.
    is_named: bool,
    /// The number of characters of the row, if the row holds no whole envelope.
    length: Option<NonZeroUsize>,
}

impl Fault {
    fn new(kind: FaultKind, error: impl fmt::Display) -> Self {
        Self { kind, said: error.to_string(), may_be_cut: false, is_named: false, length: None }
    }

    /// Returns the fault of a row whose variable does not have the name of a credential.
    pub(crate) fn variable() -> Self {
        Self::new(FaultKind::Variable, "the variable does not have the name of a credential")
    }

    /// Returns the number of characters of the row, if its end may be missing.
    #[must_use]
    pub fn length(&self) -> Option<usize> {
        self.length.map(NonZeroUsize::get)
    }

    /// Returns whether the row is only the start of an envelope, and not a whole one that was altered.
    #[must_use]
    pub fn lacks_end(&self) -> bool {
        self.kind == FaultKind::Cut && !self.may_be_cut
    }

    /// Returns the fault of a row with this text, which a tool may have rewritten or cut off.
    ///
    /// Nobody altered such a row on purpose, so the tool must be looked for first.
    pub(crate) fn in_text(self, text: &str) -> Self {
        let length = text.chars().count();
        match self.kind {
            FaultKind::Unreadable => self.of_no_envelope(text),
            FaultKind::Altered if self.may_be_cut && is_size_of_a_column(length) => {
                self.cut(length)
            }
            FaultKind::Altered if self.may_be_cut => {
                Self { length: NonZeroUsize::new(length), ..self }
            }
            _ => self,
        }
    }

    fn of_no_envelope(self, text: &str) -> Self {
        if let Some(inside) = around::envelope_inside(text) {
            self.named(FaultKind::Surrounded, inside.found)
        } else if let Some(length) = around::cut_after(text) {
            self.cut(length)
        } else if around::has_envelope(text) {
            self.named(FaultKind::Embedded, "other text around an envelope")
        } else {
            self
        }
    }

    fn named(self, kind: FaultKind, found: &str) -> Self {
        let said =
            if self.is_named { self.said } else { format!("{} (found: {found})", self.said) };
        Self { kind, said, ..self }
    }

    fn cut(self, length: usize) -> Self {
        let said = format!("cut off after {length} characters? {}", self.said);
        Self { kind: FaultKind::Cut, said, length: NonZeroUsize::new(length), ..self }
    }
}

/// Returns whether a text of this many characters fills a column of a usual size.
///
/// Only the MAC of such a text fails, and an alteration has the same effect. Any other length is one that no
/// column has. Such a size is a power of two, one less, or round. MySQL can index 191 characters of four
/// bytes, or 767 of one.
fn is_size_of_a_column(length: usize) -> bool {
    length.is_power_of_two()
        || (length + 1).is_power_of_two()
        || ((40..=4000).contains(&length) && length.is_multiple_of(10))
        || matches!(length, 191 | 767 | 8000)
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
    /// The MAC, a wrap or the ciphertext does not verify.
    Altered,
    /// A valid envelope is in another row's place.
    Misplaced,
    /// Programs may obey the row's variable.
    Variable,
    /// The chain of the tenant in the log takes no entry, because somebody changed its end.
    LogChanged,
    /// The row may hold the start of an envelope, cut off by a column that is too short.
    Cut,
    /// The row may hold an envelope with something around it.
    Surrounded,
    /// The row holds an envelope among other text.
    Embedded,
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
    /// The chain of the tenant in the log is under an audit key that is not known.
    AuditKey,
    /// A key provider failed temporarily.
    Transient,
    /// The log has no entry that says that the row is opened.
    NotRecorded,
}

impl FaultKind {
    /// Returns the exit code for a row of this kind.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Self::Altered
            | Self::Misplaced
            | Self::Variable
            | Self::LogChanged
            | Self::Cut
            | Self::Surrounded
            | Self::Embedded
            | Self::Unreadable
            | Self::Newer => Exit::Altered,
            Self::WrongMaterial
            | Self::UnknownKey
            | Self::DisabledKey
            | Self::LeakedKey
            | Self::DestroyedKey
            | Self::Provider
            | Self::AuditKey => Exit::Key,
            Self::Transient => Exit::Transient,
            Self::NotRecorded => Exit::Database,
        }
    }
}

impl Kind for FaultKind {
    fn label(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Misplaced => "in another row's place",
            Self::Variable => "a variable that programs may obey",
            Self::LogChanged => "not opened, because somebody changed the log of the tenant",
            Self::Cut => "cut off by a column?",
            Self::Surrounded => "something around the envelope",
            Self::Embedded => "an envelope inside other text",
            Self::Unreadable => "not an envelope",
            Self::Newer => "written in a newer format",
            Self::WrongMaterial => "different key under the same id",
            Self::UnknownKey => "key not in the keyring",
            Self::DisabledKey => "key disabled",
            Self::LeakedKey => "key leaked",
            Self::DestroyedKey => "key destroyed",
            Self::Provider => "refused by a key provider",
            Self::AuditKey => "not opened, because the audit key of the tenant's log is not known",
            Self::Transient => "temporary failure of a key provider",
            Self::NotRecorded => "not recorded, and so not opened",
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
                "the envelope was sealed for another tenant, provider, label, row or variable name: rows \
                 were swapped or edited; treat it as a security incident and restore the row from \
                 a backup"
            }
            Self::Variable => {
                "`run` refuses this variable: store the credential with `put --replace --env`. If you \
                 did not choose it, somebody with a key of the row did, who may have read the \
                 credential or written it: get a new one"
            }
            Self::LogChanged => {
                "find out who can write to the database, and what `byok-vault log --verify` says; the rows of \
                 this tenant are not opened before its log can go on, for which the README has the steps"
            }
            Self::Cut => {
                "first check whether a column or a tool limits texts to this length: remove the \
                 limit (`TEXT` has none), and restore the row from a backup or store the credential \
                 again with `put --replace`. If nothing has this limit, treat it as a security \
                 incident, and find out who can write to the database"
            }
            Self::Surrounded => {
                "find the tool that wrote the row; `byok-vault repair --trim --dry-run` says whether \
                 the row opens without what is around it, and `repair --trim` takes that away"
            }
            Self::Embedded => {
                "find the tool that wrote the row. `repair --trim` leaves such a row, because the other \
                 text may be worth keeping: write only the envelope into the row (the page *operations* \
                 of sealwax has the SQL for JSON and for a name before =), and run `byok-vault audit`"
            }
            Self::Unreadable => {
                "something overwrote the row: restore it from a backup, or store the credential \
                 again with `put --replace`"
            }
            Self::Newer => "a newer release wrote the row: use that release",
            Self::WrongMaterial => {
                "the key that the keyring has under this id is not the key that sealed the row. If \
                 two keys were given this id, make a key with a new id the primary, and `rotate` \
                 twice: with the one key as `retired` under the old id, then with the other. That \
                 brings every row over. If there was only ever one key, the row was altered"
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
                 new one with `put --replace`. To use it until then, run `byok-vault reseal`"
            }
            Self::DestroyedKey => {
                "the credential is gone for good: store a new one with `put --replace`"
            }
            Self::Provider => "check what the key provider permits this program to do",
            Self::AuditKey => {
                "add the key to those of the log, as `retired ID swa1_...`; to change to a new one, run \
                 `byok-vault log --hand-over` while this program still has the old one"
            }
            Self::Transient | Self::NotRecorded => "run the same command again",
        }
    }
}

impl From<FormatError> for Fault {
    fn from(error: FormatError) -> Self {
        let kind = match error {
            FormatError::NewerVersion { .. } => FaultKind::Newer,
            _ => FaultKind::Unreadable,
        };
        let is_named = matches!(error, FormatError::Malformed { surrounding: Some(_), .. });
        Self { is_named, ..Self::new(kind, error) }
    }
}

impl From<ContextError> for Fault {
    fn from(error: ContextError) -> Self {
        // `put` rejects such names, so another program wrote them into the row.
        Self::new(FaultKind::Misplaced, error)
    }
}

impl From<UnwrapError> for Fault {
    fn from(error: UnwrapError) -> Self {
        let may_be_cut = matches!(error, UnwrapError::EnvelopeAltered);
        Self { may_be_cut, ..Self::new(unwrap_kind(&error), error) }
    }
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Unwrap(error) => error.into(),
            OpenError::ContextMismatch => Self::new(FaultKind::Misplaced, error),
            // The MAC has verified, so the ciphertext has its full length.
            OpenError::PayloadAltered => Self::new(FaultKind::Altered, error),
            OpenError::NotRecorded { .. } => Self::new(FaultKind::NotRecorded, error),
            _ => Self::new(FaultKind::Provider, error),
        }
    }
}

impl From<LogProblem> for Fault {
    fn from(problem: LogProblem) -> Self {
        let kind = match &problem {
            LogProblem::Append { source: AppendError::UnknownKey { .. } } => FaultKind::AuditKey,
            LogProblem::End { .. } | LogProblem::Append { .. } => FaultKind::LogChanged,
        };
        Self::new(kind, problem)
    }
}

impl From<RewrapError> for Fault {
    fn from(error: RewrapError) -> Self {
        match error {
            RewrapError::Unwrap(error) => error.into(),
            _ => Self::new(provider_kind(error.is_transient()), error),
        }
    }
}

fn unwrap_kind(error: &UnwrapError) -> FaultKind {
    match error {
        UnwrapError::UnknownKey { .. } => FaultKind::UnknownKey,
        UnwrapError::KeyDisabled { .. } => FaultKind::DisabledKey,
        UnwrapError::KeyLeaked { .. } => FaultKind::LeakedKey,
        UnwrapError::KeyDestroyed { .. } => FaultKind::DestroyedKey,
        UnwrapError::WrongKeyMaterial { .. } => FaultKind::WrongMaterial,
        // The vault's keys are all in memory and make the same kind of wrap, so another kind is damage.
        UnwrapError::WrongWrapKind { .. }
        | UnwrapError::WrapAltered { .. }
        | UnwrapError::EnvelopeAltered => FaultKind::Altered,
        _ => provider_kind(error.is_transient()),
    }
}

fn provider_kind(transient: bool) -> FaultKind {
    if transient { FaultKind::Transient } else { FaultKind::Provider }
}
