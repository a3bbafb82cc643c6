//! The states of a master key, and the word for each in the text of a keyring.

use core::fmt;
use core::str::FromStr;

use crate::format::error::{Field, FormatError};

/// What a master key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// Seals and opens; a keyring has one primary, or none if it only opens.
    Primary,
    /// Opens only.
    Retired,
    /// Opens, and every new envelope is wrapped for it too; a keyring has at most seven.
    Escrow,
    /// Every new envelope is wrapped for it too, but this process cannot open with it.
    ///
    /// In the text of a keyring, its word is `escrow`, and its key is a sealing key (`sws1_…`).
    OfflineEscrow,
    /// Known but refused: the error names this key if an envelope needs it.
    Disabled,
    /// In the hands of others: an envelope with a wrap under this key is refused.
    ///
    /// This holds whatever other wraps the envelope has, because its data key is known.
    Leaked,
    /// Its material is gone: an envelope that needs this key is gone for good, and the error says so.
    Destroyed,
}

impl KeyState {
    /// The states that have a word in the text of a keyring.
    pub(crate) const ALL: [Self; 6] =
        [Self::Primary, Self::Retired, Self::Escrow, Self::Disabled, Self::Leaked, Self::Destroyed];

    /// Returns the word for this state: in the text of a keyring too, except that an offline escrow is an `escrow` there.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Retired => "retired",
            Self::Escrow => "escrow",
            Self::OfflineEscrow => "offline",
            Self::Disabled => "disabled",
            Self::Leaked => "leaked",
            Self::Destroyed => "destroyed",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for KeyState {
    type Err = FormatError;

    /// Parses what `Display` writes.
    fn from_str(word: &str) -> Result<Self, FormatError> {
        match word {
            "primary" => Ok(Self::Primary),
            "retired" => Ok(Self::Retired),
            "escrow" => Ok(Self::Escrow),
            "offline" => Ok(Self::OfflineEscrow),
            "disabled" => Ok(Self::Disabled),
            "leaked" => Ok(Self::Leaked),
            "destroyed" => Ok(Self::Destroyed),
            _ => Err(FormatError::malformed(
                Field::KeyState,
                "primary, retired, escrow, offline, disabled, leaked or destroyed",
                0,
            )),
        }
    }
}

#[cfg(feature = "serde")]
crate::format::serde::serde_as_text!(KeyState: "a key state");
