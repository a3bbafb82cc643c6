//! How the text of a key is written.

use std::fmt;
use std::str::FromStr;

use sealwax::legacy::litellm::{self, Version};
use sealwax::legacy::n8n;
use sealwax::triplet::{Encoding, TripletError, TripletKey};
use sealwax::{KeyError, Secret};

use crate::declaration::DeclarationError;
use crate::row::whole;

/// How the text that an operator has becomes the key of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyForm {
    /// 64 hex digits, in either case.
    Hex,
    /// 44 characters of standard base64.
    Base64,
    /// 43 characters of base64url, or 44 with padding.
    Base64Url,
    /// 32 bytes of text, used as they are.
    Raw,
    /// Any text: the key is its SHA-256.
    Sha256,
    /// Any text: the key is the SHA-256 of the text and a line feed.
    ///
    /// A mounted file often ends in a line feed that its program hashed with it, and that `$(…)` in a
    /// shell takes away.
    Sha256LineFeed,
    /// LiteLLM's salt key, from which HKDF derives the key of version 3.
    LiteLlmV3,
    /// n8n's instance key, which unwraps the data key.
    N8n,
}

/// Every form, with its name and what the text must be.
const FORMS: [(&str, KeyForm, &str); 8] = [
    ("hex", KeyForm::Hex, "64 hex digits"),
    ("base64", KeyForm::Base64, "44 characters of base64"),
    ("base64url", KeyForm::Base64Url, "43 characters of base64url, or 44 with ="),
    ("raw", KeyForm::Raw, "32 bytes of text, used as they are"),
    ("sha256", KeyForm::Sha256, "any text: the key is its SHA-256"),
    (
        "sha256-line-feed",
        KeyForm::Sha256LineFeed,
        "any text: the key is the SHA-256 of the text and a line feed",
    ),
    ("litellm-v3", KeyForm::LiteLlmV3, "LiteLLM's salt key, which goes into HKDF"),
    ("n8n", KeyForm::N8n, "n8n's instance key, which unwraps the data key"),
];

/// Why a text is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyTextError {
    /// The text is not a key.
    #[error(transparent)]
    Key(KeyError),
    /// The text is a key of another form.
    #[error("not a key as {declared}, but one as {form}")]
    #[non_exhaustive]
    OtherForm {
        /// The form that was declared.
        declared: KeyForm,
        /// The form that the text has.
        form: KeyForm,
    },
    /// The text is base64 whose padding is missing.
    #[error("the = at the end of the base64 is missing")]
    NoPadding,
    /// The text is a key in base64 once more, as `kubectl get secret -o yaml` shows it.
    #[error("the key is inside another layer of base64, as Kubernetes shows it")]
    Base64Layer,
    /// There are separators between the hex digits.
    #[error("the hex digits of the key have separators between the bytes")]
    Separators,
    /// The key has 16 or 24 bytes.
    #[error("a key of {len} bytes (AES-{}), and only keys of 32 bytes are read", len.saturating_mul(8))]
    #[non_exhaustive]
    ShortKey {
        /// The number of bytes.
        len: usize,
    },
    /// The text is not a key but something in its place.
    #[error("found {0} instead of a key")]
    InPlace(&'static str),
    /// A word and a colon are in front of a key, such as `base64:`.
    #[error("the text starts with a word and a colon, which are no part of the key")]
    Prefix,
    /// The wrapped key does not unwrap, or is not a key.
    #[error("cannot unwrap the data key: {}", whole(.0))]
    Wrapped(TripletError),
    /// The form needs a wrapped key, which was not given.
    #[error("this form of key also needs the wrapped data key")]
    NoWrapped,
}

impl KeyForm {
    /// The names of all forms.
    pub const NAMES: &str =
        "hex, base64, base64url, raw, sha256, sha256-line-feed, litellm-v3 or n8n";

    /// Returns every form.
    pub fn all() -> impl Iterator<Item = Self> {
        FORMS.iter().map(|(_, form, _)| *form)
    }

    /// Returns the name of the form.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().map_or("", |(name, _, _)| name)
    }

    /// Returns what the text must be.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.entry().map_or("", |(_, _, about)| about)
    }

    fn entry(self) -> Option<&'static (&'static str, Self, &'static str)> {
        FORMS.iter().find(|(_, form, _)| *form == self)
    }

    /// Returns whether the key is only as strong as its text, which a person may have chosen.
    #[must_use]
    pub fn is_made_of_text(self) -> bool {
        !matches!(self, Self::Hex | Self::Base64 | Self::Base64Url)
    }

    /// Returns whether the form also needs the data key, wrapped.
    #[must_use]
    pub fn needs_wrapped(self) -> bool {
        matches!(self, Self::N8n)
    }

    /// Makes the key from its text, and from the wrapped data key if the form needs one.
    ///
    /// The text is not trimmed, because the programs that wrote the rows do not trim it either.
    ///
    /// # Errors
    /// Returns an error if the text is not a key of this form.
    pub fn key(self, text: &str, wrapped: Option<&str>) -> Result<TripletKey, KeyTextError> {
        match self {
            Self::LiteLlmV3 => Ok(litellm::insecure_key(Version::V3, text)),
            Self::N8n => {
                let wrapped = wrapped.ok_or(KeyTextError::NoWrapped)?;
                n8n::insecure_unwrap_key(text, wrapped).map_err(KeyTextError::Wrapped)
            }
            Self::Sha256 => Ok(TripletKey::insecure_sha256_of(text)),
            Self::Sha256LineFeed => {
                // The `Secret` wipes the copy, and `concat` allocates the exact size.
                let line = Secret::from([text, "\n"].concat());
                Ok(TripletKey::insecure_sha256_of(line.expose_str().unwrap_or_default()))
            }
            Self::Hex | Self::Base64 | Self::Base64Url | Self::Raw => {
                self.written_out(text).map_err(|error| self.why_not(text, error))
            }
        }
    }

    /// Parses a text that is the key itself.
    fn written_out(self, text: &str) -> Result<TripletKey, KeyError> {
        match self {
            Self::Hex => TripletKey::from_hex(text),
            Self::Base64 => TripletKey::from_base64(text),
            Self::Base64Url => TripletKey::from_base64url(text),
            _ => TripletKey::from_bytes(&mut text.as_bytes().to_vec()),
        }
    }

    /// Returns what is wrong with a text, if another reading of it is a key.
    fn why_not(self, text: &str, error: KeyError) -> KeyTextError {
        let is_key =
            |form: Self, text: &str| matches!(form.written_out(text), Ok(_) | Err(KeyError::Weak));
        if error == KeyError::Weak {
            return KeyTextError::Key(error);
        }
        let padded = Secret::from([text, "="].concat());
        if self == Self::Base64 && is_key(self, padded.expose_str().unwrap_or_default()) {
            return KeyTextError::NoPadding;
        }
        let encoded = [Self::Hex, Self::Base64, Self::Base64Url];
        if let Some(form) = encoded.into_iter().find(|form| is_key(*form, text)) {
            return KeyTextError::OtherForm { declared: self, form };
        }
        if encoded.into_iter().any(|form| is_key(form, text.trim())) {
            // The error names the white space, or the form is another one as well.
            return KeyTextError::Key(error);
        }
        let behind = text.split_once(':').map_or("", |(_, behind)| behind);
        if encoded.into_iter().any(|form| is_key(form, behind)) {
            return KeyTextError::Prefix;
        }
        if let Some(short) = short_key(text) {
            return short;
        }
        let digits = Secret::from(text.replace([':', '-', ' '], ""));
        if is_key(Self::Hex, digits.expose_str().unwrap_or_default()) {
            return KeyTextError::Separators;
        }
        let inner = Secret::from(Encoding::Base64.decode(text).unwrap_or_default());
        let inner = inner.expose_str().unwrap_or_default();
        if encoded.into_iter().any(|form| is_key(form, inner.trim())) {
            return KeyTextError::Base64Layer;
        }
        in_place(text).map_or(KeyTextError::Key(error), KeyTextError::InPlace)
    }

    /// Makes a key of one repeated byte, such as the 64 zeros of an example configuration, which
    /// [`key`](Self::key) rejects.
    ///
    /// Returns `None` if the text is no such key.
    #[must_use]
    pub fn insecure_placeholder(self, text: &str) -> Option<TripletKey> {
        if self.key(text, None).err() != Some(KeyTextError::Key(KeyError::Weak)) {
            return None;
        }
        let bytes = match self {
            Self::Hex => Encoding::HexAnyCase.decode(text),
            Self::Base64 => Encoding::Base64.decode(text),
            Self::Base64Url => Encoding::Base64Url.decode(text.trim_end_matches('=')),
            _ => Ok(text.as_bytes().to_vec()),
        };
        bytes.ok()?.first().copied().map(TripletKey::insecure_repeated_byte)
    }
}

/// Returns the error for a key of AES-128 or AES-192.
fn short_key(text: &str) -> Option<KeyTextError> {
    let encodings = [Encoding::HexAnyCase, Encoding::Base64];
    let decoded = encodings.into_iter().filter_map(|encoding| encoding.decode(text).ok());
    let short = decoded.map(Secret::from).find(|bytes| matches!(bytes.len(), 16 | 24))?;
    Some(KeyTextError::ShortKey { len: short.len() })
}

/// Returns what stands in place of a key, from its first and its last characters.
fn in_place(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let is_in = |open: &str, close: &str| text.starts_with(open) && text.ends_with(close);
    if is_in("${", "}") || is_in("$(", ")") || is_in("%", "%") || is_in("{{", "}}") {
        Some("a $ variable that was not expanded")
    } else if is_in("<Buffer", ">") || is_in("b'", "'") {
        Some("bytes as a program printed them, such as Node's <Buffer …>,")
    } else if is_in("[", "]") || is_in("{", "}") {
        Some("JSON")
    } else if ["/", "./", "~/", "file:"].iter().any(|start| text.starts_with(start))
        || text.contains("://")
    {
        Some("a path or a reference")
    } else if text.contains('=') && !text.ends_with('=') {
        Some("a variable name and = before the value")
    } else {
        None
    }
}

impl FromStr for KeyForm {
    type Err = DeclarationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = FORMS.iter().find(|(name, _, _)| *name == text);
        form.map(|(_, form, _)| *form).ok_or(DeclarationError::UnknownKeyForm)
    }
}

impl fmt::Display for KeyForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_complete() {
        let names: Vec<_> = FORMS.iter().map(|(name, _, _)| *name).collect();
        assert_eq!(KeyForm::NAMES.replace(" or ", ", "), names.join(", "));
    }
}
