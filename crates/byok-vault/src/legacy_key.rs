//! The key of imported rows, and how the rows are declared.

use std::env::{self, VarError};
use std::ffi::OsStr;

use sealwax::triplet::TripletKey;
use sealwax::{KeyError, Secret};
use sealwax_import::{Declaration, DeclarationError, ForeignRow, KeyTextError, RowError};

use crate::cli::Import;
use crate::error::VaultError;
use crate::import::{Reason, Refusal};
use crate::variables;

/// The declaration of the rows, and the key that opens them.
#[derive(Debug)]
pub struct LegacyKey {
    /// How the rows are written.
    pub declaration: Declaration,
    key: TripletKey,
    /// Whether the key is a placeholder, with which anyone can read the rows.
    pub is_placeholder: bool,
    /// Whether the key is only as strong as a text, which a person may have chosen.
    pub is_made_of_text: bool,
}

impl LegacyKey {
    /// Declares the rows as the options say, and loads the key from the environment.
    ///
    /// # Errors
    /// Returns an error if an option is missing, the declaration is incomplete, or the variable does not
    /// hold a key.
    pub fn load(args: &Import) -> Result<Self, VaultError> {
        let declaration = declaration(args)?;
        let form = declaration.key_as.ok_or(VaultError::NoKeyForm)?;
        if args.wrapped_key_env.is_some() != form.needs_wrapped() {
            return Err(VaultError::WrappedKeyOption { form });
        }
        let text = from_environment("--key-env", args.key_env.as_deref())?;
        let text = as_text(&text, "--key-env")?;
        let wrapped = match &args.wrapped_key_env {
            None => None,
            Some(name) => Some(from_environment("--wrapped-key-env", Some(name))?),
        };
        let wrapped =
            wrapped.as_ref().map(|text| as_text(text, "--wrapped-key-env")).transpose()?;
        let (key, is_placeholder) = match form.key(text, wrapped) {
            Ok(key) => (key, false),
            Err(KeyTextError::Key(KeyError::Weak)) => {
                let placeholder = form.insecure_placeholder(text);
                let accepted = placeholder.filter(|_| args.insecure_placeholder_key);
                (accepted.ok_or(VaultError::PlaceholderKey)?, true)
            }
            Err(source) => return Err(VaultError::LegacyKey { source }),
        };
        Ok(Self { declaration, key, is_placeholder, is_made_of_text: form.is_made_of_text() })
    }

    /// Opens a row and returns its credential.
    ///
    /// # Errors
    /// Returns why the row does not open, without any of its content.
    pub fn open(&self, row: &ForeignRow) -> Result<Secret, Refusal> {
        row.open(&self.key).map_err(|error| {
            // A wrapped key is bound to nothing.
            let is_of_the_row = matches!(error, RowError::Row(_));
            let mut refusal = Refusal::from(error);
            if is_of_the_row
                && refusal.reason == Reason::NotAuthentic
                && self.declaration.bound_to.is_some()
            {
                refusal.reason = Reason::NotAuthenticAsBound;
            }
            refusal
        })
    }
}

/// Returns the declaration of `--layout` or `--cell`, as the other options change it.
fn declaration(args: &Import) -> Result<Declaration, VaultError> {
    let mut declaration = match args.layout {
        Some(named) => named.declaration().map_err(in_option("--layout"))?,
        None => Declaration::default(),
    };
    for cell in &args.cells {
        declaration.cells.push(cell.parse().map_err(in_option("--cell"))?);
    }
    for path in &args.without {
        declaration.without.push(path.parse().map_err(in_option("--without"))?);
    }
    if let Some(template) = &args.bound_to {
        declaration.bound_to = Some(template.parse().map_err(in_option("--bound-to"))?);
    }
    declaration.key_as = args.key_as.or(declaration.key_as);
    declaration.check().map_err(|source| match source {
        DeclarationError::N8nBound => VaultError::Declaration { option: "--bound-to", source },
        _ => VaultError::Declaration { option: "--cell", source },
    })?;
    Ok(declaration)
}

fn in_option(option: &'static str) -> impl Fn(DeclarationError) -> VaultError {
    move |source| VaultError::Declaration { option, source }
}

fn as_text<'t>(text: &'t Secret, option: &'static str) -> Result<&'t str, VaultError> {
    text.expose_str().map_err(|_| VaultError::LegacyKeyNotText { option })
}

/// Reads a key from the environment.
///
/// An error repeats neither the value nor the name, because the name may be the key, given by mistake.
fn from_environment(option: &'static str, name: Option<&OsStr>) -> Result<Secret, VaultError> {
    let name = name
        .and_then(OsStr::to_str)
        .filter(|name| variables::variable(name).is_ok())
        .ok_or(VaultError::KeyArgument { option })?;
    match env::var(name) {
        Ok(text) if text.is_empty() => Err(VaultError::NoLegacyKey { option }),
        Ok(text) => Ok(Secret::from(text)),
        Err(VarError::NotPresent) => Err(VaultError::NoLegacyKey { option }),
        Err(VarError::NotUnicode(_)) => Err(VaultError::LegacyKeyNotText { option }),
    }
}
