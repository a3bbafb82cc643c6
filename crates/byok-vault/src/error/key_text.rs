//! What can be wrong with the text of keys, before it is parsed.

use std::io;

use crate::key_text::LIMIT;

/// Why a text cannot hold keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyTextProblem {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(io::Error),
    /// The file is longer than any with keys.
    #[error("it is longer than {LIMIT} bytes")]
    TooLong,
    /// The text is not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// The text is UTF-16.
    #[error("it is UTF-16")]
    Utf16,
}

impl KeyTextProblem {
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "check the path and the permissions of the file",
            Self::TooLong => "check the path: such a file has one line for each key",
            Self::NotText => "keys are plain ASCII text: check the contents",
            Self::Utf16 => "save the file again as UTF-8 without a byte order mark",
        }
    }
}
