//! Error classes: what an operator should do about an error, as data.

use core::fmt;

/// What an error requires of the operator.
///
/// A table in [`crate::docs::operations`] gives the class, an HTTP status and an alert for each error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The same call may succeed later: a key service is throttling or unavailable.
    Transient,
    /// The credential is lost for good, as far as this keyring knows: a key that it needs was destroyed.
    ///
    /// Before you give it up, check whether another of its [`key_ids`](crate::Envelope::key_ids) is disabled in this
    /// keyring or missing from it.
    Gone,
    /// The stored data was changed, or it was used in the wrong place.
    Altered,
    /// The keyring, its text or the key service is not what the rows need.
    Misconfigured,
    /// A rule forbids it: the key is disabled or leaked, or the data exceeds a size limit.
    Refused,
    /// The machine failed: its randomness source does not work, or a recorder could not record.
    Failed,
    /// The calling program has a bug.
    Bug,
}

impl ErrorClass {
    /// Returns the name of the class in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Gone => "gone",
            Self::Altered => "altered",
            Self::Misconfigured => "misconfigured",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Bug => "bug",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Implements `class` and `name` for errors whose `as_data` gives a name and a class for each variant.
macro_rules! error_as_data {
    ($($error:ty),+) => {$(
        impl $error {
            /// Returns what the error requires of the operator.
            #[must_use]
            pub fn class(&self) -> ErrorClass {
                self.as_data().1
            }

            /// Returns the name of the variant in snake case, for metrics and audits.
            ///
            /// For `Unwrap`, `Format` and `Rewrap`, which only pass on another error, it is the name of that error. A
            /// name never changes once it has been released.
            #[must_use]
            pub fn name(&self) -> &'static str {
                self.as_data().0
            }
        }
    )+};
}

pub(crate) use error_as_data;
