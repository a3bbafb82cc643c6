//! Errors in bytes or text that should be an envelope or a part of one.

use core::convert::Infallible;
use core::fmt;

use thiserror::Error;

use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::surrounding::{Hint, Surrounding};

/// An error in bytes or text that should be an envelope or a part of one.
///
/// It says which field is wrong, where it is and what was expected. It contains nothing from the input except a version
/// number: a row that does not parse may well be a credential that somebody stored in plaintext.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A field is missing, has the wrong length, uses a character outside its alphabet, or is out of range.
    #[error("invalid {field} at byte {offset}: expected {expected}{}", Hint(*surrounding))]
    #[non_exhaustive]
    Malformed {
        /// The invalid field.
        field: Field,
        /// What the format requires.
        expected: &'static str,
        /// The offset in bytes of the field, or of the fault in it, from the start of the input.
        offset: usize,
        /// What was recognised around the whole input, if anything.
        surrounding: Option<Surrounding>,
    },
    /// A newer release wrote the envelope, in format version 2 to 255.
    #[error("the envelope has format version {version}, but this release reads only version 1")]
    #[non_exhaustive]
    NewerVersion {
        /// The format version of the envelope.
        version: u8,
    },
}

impl FormatError {
    pub(crate) const fn malformed(field: Field, expected: &'static str, offset: usize) -> Self {
        Self::Malformed { field, expected, offset, surrounding: None }
    }

    /// Returns the same error with a hint about what surrounds `text`.
    ///
    /// `starts` lists what such a text may start with: for an envelope, its prefix.
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

    /// Returns the same error for an input in which the field starts at `offset`.
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
    /// Lets functions that parse an envelope accept a parsed one as well.
    ///
    /// It is never called.
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The field that an error is about.
///
/// [`FormatError`] names a field of an envelope; [`TripletError`](crate::triplet::TripletError) names a field of a row
/// that another program wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The envelope as a whole: its number of fields.
    Envelope,
    /// `sw1:`, or `"SW"` and the version byte. In other rows, the marker of their format.
    Prefix,
    /// The name or id of a suite.
    Suite,
    /// The number of wrapped keys.
    WrapCount,
    /// A key id.
    KeyId,
    /// A wrapped key: its kind and its body.
    WrappedKey,
    /// The name of a wrap kind.
    WrapKind,
    /// The name of a master key's state.
    KeyState,
    /// The commitment and the MAC, which are one field in the text form.
    Proof,
    /// The commitment to the data key, suite, IV and context.
    Commitment,
    /// The MAC over everything except the bytes of the ciphertext.
    Mac,
    /// The IV of the payload.
    Iv,
    /// The tag of the payload.
    Tag,
    /// The ciphertext.
    Ciphertext,
    /// A row that another program wrote, as a whole: its number of parts, or its encoding.
    Row,
    /// One column of a row that another program wrote.
    Column,
    /// The name that a row gives its key.
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
            Self::WrapKind => "wrap kind",
            Self::KeyState => "key state",
            Self::Proof => "proof",
            Self::Commitment => "commitment",
            Self::Mac => "MAC",
            Self::Iv => "IV",
            Self::Tag => "tag",
            Self::Ciphertext => "ciphertext",
            Self::Row => "row",
            Self::Column => "column",
            Self::Label => "label",
        })
    }
}

/// Returns the offset of `part` in `text`.
#[expect(clippy::arithmetic_side_effects, reason = "a part does not start before the text")]
pub(crate) fn offset_in(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}
