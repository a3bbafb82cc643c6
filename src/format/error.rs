//! What is wrong with bytes that should have been an envelope or a part of one.

use core::convert::Infallible;
use core::fmt;

use thiserror::Error;

use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::surrounding::{Hint, Surrounding};

/// Why bytes or text are not an envelope, or not a part of one.
///
/// It names the field, what was expected there and where. But for the number of a version, it holds
/// nothing of the input: a row that does not parse may well be a credential that somebody stored in
/// the clear.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A field is missing, of the wrong length, out of its alphabet or out of its range.
    #[error("{field} at byte {offset}: expected {expected}{}", Hint(*surrounding))]
    #[non_exhaustive]
    Malformed {
        /// The field.
        field: Field,
        /// What the format asks for.
        expected: &'static str,
        /// Bytes from the start of the input to the start of the field, or to the fault in it.
        offset: usize,
        /// What stands around the whole input, where something does that may be taken away.
        surrounding: Option<Surrounding>,
    },
    /// Written in version 2 to 255 of the format, by a newer release.
    #[error("written in version {version} of the format, and this release reads version 1")]
    #[non_exhaustive]
    NewerVersion {
        /// The version that the envelope names.
        version: u8,
    },
}

impl FormatError {
    pub(crate) const fn malformed(field: Field, expected: &'static str, offset: usize) -> Self {
        Self::Malformed { field, expected, offset, surrounding: None }
    }

    /// The same fault of a text around which something may stand. Of an envelope, `starts` is its prefix.
    #[cold]
    pub(crate) fn of_text(self, text: &str, starts: &[&str]) -> Self {
        match self {
            Self::Malformed { field, expected, offset, surrounding: None } => {
                let surrounding = Surrounding::of(text, starts);
                Self::Malformed { field, expected, offset, surrounding }
            }
            told => told,
        }
    }

    const fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::Malformed { .. } => ("malformed", ErrorClass::Altered),
            Self::NewerVersion { .. } => ("newer_version", ErrorClass::Misconfigured),
        }
    }

    /// The same fault, seen from an input in which the field starts at `offset`.
    pub(crate) fn moved_to(self, offset: usize) -> Self {
        match self {
            Self::Malformed { field, expected, surrounding, .. } => {
                Self::Malformed { field, expected, offset, surrounding }
            }
            newer @ Self::NewerVersion { .. } => newer,
        }
    }
}

error_as_data!(FormatError);

impl From<Infallible> for FormatError {
    /// So that what is an envelope already is taken where something may have to be parsed.
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A field of an envelope, as [`FormatError`] names it; or of a row that others wrote, as
/// [`TripletError`](crate::triplet::TripletError) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The envelope as a whole: the number of its fields.
    Envelope,
    /// `sw1:`, or `"SW"` and the version byte; of another row, what marks its format.
    Prefix,
    /// The suite's name or id.
    Suite,
    /// The number of wrapped keys.
    WrapCount,
    /// A key id.
    KeyId,
    /// A wrapped key: its kind and its body.
    WrappedKey,
    /// The kind of a wrapped key, by name.
    WrapKind,
    /// The state of a master key, by name.
    KeyState,
    /// The commitment and the MAC, one field in the text form.
    Proof,
    /// The commitment to data key, suite, iv and context.
    Commitment,
    /// The MAC over everything but the bytes of the ciphertext.
    Mac,
    /// The iv of the payload.
    Iv,
    /// The tag of the payload.
    Tag,
    /// The ciphertext.
    Ciphertext,
    /// A row that others wrote, as a whole: the number of its parts, or its encoding.
    Row,
    /// One column of such a row.
    Column,
    /// The name that a row gives to its key.
    Label,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Envelope => "envelope",
            Self::Prefix => "prefix",
            Self::Suite => "suite",
            Self::WrapCount => "number of wrapped keys",
            Self::KeyId => "key id",
            Self::WrappedKey => "wrapped key",
            Self::WrapKind => "kind of wrap",
            Self::KeyState => "state of a key",
            Self::Proof => "proof",
            Self::Commitment => "commitment",
            Self::Mac => "mac",
            Self::Iv => "iv",
            Self::Tag => "tag",
            Self::Ciphertext => "ciphertext",
            Self::Row => "row",
            Self::Column => "column",
            Self::Label => "label",
        })
    }
}

/// Where a part of `text` starts in it.
#[expect(clippy::arithmetic_side_effects, reason = "a part of the text starts behind its start")]
pub(crate) fn offset_in(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}
