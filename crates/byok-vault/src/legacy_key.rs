//! The key of imported rows: where it comes from, and how it opens them.

use std::collections::BTreeMap;
use std::env::{self, VarError};
use std::ffi::OsStr;

use sealwax::legacy::{cloak, litellm, n8n};
use sealwax::triplet::{Encoding, Triplet, TripletKey};
use sealwax::{KeyError, Secret};

use crate::cli::Import;
use crate::error::VaultError;
use crate::import::Refusal;
use crate::layout::{Form, KeyAs, KeyRule, Layout};
use crate::names;

/// The label of a cipher in Cloak's own documentation.
const USUAL_LABEL: &str = "AES.GCM.V1";

/// The columns of a row, by name.
pub type Columns = BTreeMap<&'static str, String>;

/// A key, and the layout of the rows that it opens.
#[derive(Debug)]
pub struct LegacyKey {
    layout: Layout,
    key: TripletKey,
    label: String,
    /// Whether the key is a placeholder, with which anyone can read the rows.
    pub is_placeholder: bool,
    /// Whether the key is only as strong as a text, which a person may have chosen.
    pub is_made_of_text: bool,
}

impl LegacyKey {
    /// Loads the key from the environment, as the layout and the options require.
    ///
    /// # Errors
    /// Returns an error if an option is missing, an option cannot be used with the layout, or the
    /// variable does not hold a key.
    pub fn load(args: &Import) -> Result<Self, VaultError> {
        let layout = args.layout;
        check_options(args)?;
        let text = from_environment("--key-env", &args.key_env)?;
        // The text is not trimmed, because the programs that wrote the rows do not trim it either.
        let text =
            text.expose_str().map_err(|_| VaultError::LegacyKeyNotText { option: "--key-env" })?;
        let (key, is_placeholder) = match (layout.key, args.key_as) {
            (KeyRule::Fixed(how), _) | (KeyRule::Declared, Some(how)) => {
                from_text(text, how, args.insecure_placeholder_key)?
            }
            (KeyRule::Declared, None) => {
                return Err(VaultError::MissingOption { option: "--key-as", layout: layout.name });
            }
            (KeyRule::SaltKey(version), _) => (litellm::insecure_key(version, text), false),
            (KeyRule::InstanceKey, _) => {
                let option = "--wrapped-key-env";
                let missing = VaultError::MissingOption { option, layout: layout.name };
                let name = args.wrapped_key_env.as_ref().ok_or(missing)?;
                let wrapped = from_environment(option, name)?;
                let wrapped =
                    wrapped.expose_str().map_err(|_| VaultError::LegacyKeyNotText { option })?;
                let unwrapped = n8n::insecure_unwrap_key(text, wrapped);
                (unwrapped.map_err(|source| VaultError::WrappedKey { source })?, false)
            }
        };
        let label = args.cipher_label.clone().unwrap_or_else(|| USUAL_LABEL.to_owned());
        let is_made_of_text = layout.key.is_made_of_text(args.key_as);
        Ok(Self { layout, key, label, is_placeholder, is_made_of_text })
    }

    /// Returns the columns that a row must have.
    #[must_use]
    pub fn columns(&self) -> &'static [&'static str] {
        self.layout.columns()
    }

    /// Opens a row and returns its credential.
    ///
    /// # Errors
    /// Returns why the row does not open, without any of its content.
    pub fn open(&self, columns: &Columns) -> Result<Secret, Refusal> {
        // A row with a missing column was rejected before, so the default is never used.
        let column = |name| columns.get(name).map_or("", String::as_str);
        let value = column("value");
        let opened = match self.layout.form {
            Form::Text(layout) => self.key.decrypt(&Triplet::parse(value, layout)?),
            Form::Columns(encoding) => {
                let (iv, tag) = (column("iv"), column("tag"));
                let row = Triplet::from_columns(iv, tag, column("ciphertext"), encoding)?;
                self.key.decrypt(&row)
            }
            Form::Joined { iv, data } => {
                let decode = |encoding: Encoding, name| {
                    let decoded = encoding.decode(column(name));
                    decoded.map_err(|error| Refusal::from(error).of(name))
                };
                let (iv, data) = (decode(iv, "iv")?, decode(data, "ciphertext")?);
                self.key.decrypt(&Triplet::from_joined_parts(&iv, &data)?)
            }
            Form::Envelope(encoding) => {
                let (iv, key) = (column("wrapped_key_iv"), column("wrapped_key"));
                let row_key = Triplet::from_joined(iv, key, encoding)
                    .and_then(|wrapped| self.key.unwrap_key(&wrapped))
                    .map_err(|error| Refusal::from(error).of("wrapped_key"))?;
                let row = Triplet::from_joined(column("iv"), column("ciphertext"), encoding)?;
                row_key.decrypt(&row)
            }
            Form::LiteLlm(version) => litellm::decrypt(&self.key, version, value),
            Form::Cloak(iv_len) => {
                let digits = value.strip_prefix("\\x").unwrap_or(value);
                // Databases print bytes in either case.
                let row = Encoding::HexAnyCase.decode(digits)?;
                cloak::decrypt(&self.key, &self.label, iv_len, &row)
            }
            Form::N8n => n8n::decrypt(&self.key, value),
        };
        opened.map_err(Refusal::from)
    }
}

fn check_options(args: &Import) -> Result<(), VaultError> {
    let Layout { name, key, form, .. } = args.layout;
    let stray = [
        ("--key-as", args.key_as.is_some() && key != KeyRule::Declared),
        ("--wrapped-key-env", args.wrapped_key_env.is_some() && key != KeyRule::InstanceKey),
        ("--cipher-label", args.cipher_label.is_some() && !matches!(form, Form::Cloak(_))),
    ];
    match stray.into_iter().find(|(_, stray)| *stray) {
        Some((option, _)) => Err(VaultError::StrayOption { option, layout: name }),
        None => Ok(()),
    }
}

/// Reads a key from the environment.
///
/// An error repeats neither the value nor the name, because the name may be the key, given by mistake.
fn from_environment(option: &'static str, name: &OsStr) -> Result<Secret, VaultError> {
    let name = name
        .to_str()
        .filter(|name| names::variable(name).is_ok())
        .ok_or(VaultError::KeyArgument { option })?;
    match env::var(name) {
        Ok(text) if text.is_empty() => Err(VaultError::NoLegacyKey { option }),
        Ok(text) => Ok(Secret::from(text)),
        Err(VarError::NotPresent) => Err(VaultError::NoLegacyKey { option }),
        Err(VarError::NotUnicode(_)) => Err(VaultError::LegacyKeyNotText { option }),
    }
}

/// Returns the key, and whether it is a placeholder.
fn from_text(
    text: &str,
    how: KeyAs,
    accept_placeholder: bool,
) -> Result<(TripletKey, bool), VaultError> {
    let key = match how {
        KeyAs::Hex => TripletKey::from_hex(text),
        KeyAs::Base64 => TripletKey::from_base64(text),
        KeyAs::Raw => TripletKey::from_bytes(&mut text.as_bytes().to_vec()),
        KeyAs::Sha256 => Ok(TripletKey::insecure_sha256_of(text)),
    };
    match key {
        Ok(key) => Ok((key, false)),
        Err(KeyError::Weak) => match repeated_byte(text, how) {
            Some(byte) if accept_placeholder => {
                Ok((TripletKey::insecure_repeated_byte(byte), true))
            }
            _ => Err(VaultError::PlaceholderKey),
        },
        Err(source) => Err(VaultError::LegacyKey { source }),
    }
}

/// Returns the byte that a placeholder repeats, which is its first.
fn repeated_byte(text: &str, how: KeyAs) -> Option<u8> {
    let bytes = match how {
        KeyAs::Hex => Encoding::HexAnyCase.decode(text).ok()?,
        KeyAs::Base64 => Encoding::Base64.decode(text).ok()?,
        KeyAs::Raw => text.as_bytes().to_vec(),
        KeyAs::Sha256 => return None,
    };
    bytes.first().copied()
}

#[cfg(test)]
mod tests {
    use sealwax::triplet::IvLen;

    use super::*;

    #[test]
    fn every_placeholder_is_refused_and_accepted_as_the_byte_it_is() {
        for byte in 0..=u8::MAX {
            let row = TripletKey::insecure_repeated_byte(byte)
                .encrypt(&Secret::from("x"), IvLen::Twelve)
                .unwrap();
            for (how, text) in [
                (KeyAs::Hex, Encoding::HexLower.encode(&[byte; 32])),
                (KeyAs::Hex, Encoding::HexLower.encode(&[byte; 32]).to_uppercase()),
                (KeyAs::Base64, Encoding::Base64.encode(&[byte; 32])),
            ] {
                let refused = from_text(&text, how, false).unwrap_err();
                assert!(matches!(refused, VaultError::PlaceholderKey), "{text}: {refused}");
                let (key, is_placeholder) = from_text(&text, how, true).unwrap();
                assert!(is_placeholder && key.decrypt(&row).is_ok(), "{text}");
            }
        }
    }
}
