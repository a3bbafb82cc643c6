//! What an error means to an operator, as data.

use core::fmt;

/// What an error asks of whoever runs the service. [`crate::docs::operations`] has a table from each error
/// to its class, an HTTP status and an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The same call may go through later: a key service throttles, or is away.
    Transient,
    /// The credential is gone for good, as far as this keyring knows: a key that it needs was destroyed. Before
    /// giving it up, look whether another of its [`key_ids`](crate::Envelope::key_ids) is disabled or missing here.
    Gone,
    /// Somebody or something changed what was stored, or asks for it in the wrong place.
    Altered,
    /// The keyring, its text or the key service is not what the rows need.
    Misconfigured,
    /// A rule says no: a disabled or leaked key, a size limit.
    Refused,
    /// The machine failed: its randomness.
    Failed,
    /// A mistake in the program that calls.
    Bug,
}

impl ErrorClass {
    /// The class's name, in snake case.
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

/// Makes the table that an error has in `as_data`, a name and a class for each variant, its interface.
macro_rules! error_as_data {
    ($($error:ty),+) => {$(
        impl $error {
            /// What the error asks of whoever runs the service.
            #[must_use]
            pub fn class(&self) -> ErrorClass {
                self.as_data().1
            }

            /// The variant's name in snake case, for metrics and audits; of `Unwrap`, `Format` and `Rewrap`, which
            /// only hand on an error, that error's name. A name never changes once it was released.
            #[must_use]
            pub fn name(&self) -> &'static str {
                self.as_data().0
            }
        }
    )+};
}

pub(crate) use error_as_data;
