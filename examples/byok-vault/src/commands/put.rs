//! `put`: store a credential.

use std::io::Write;

use crate::cli::{Cli, Put};
use crate::commands::{credential, now};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::keys::Keys;
use crate::row::{Owner, Place, Row};
use crate::store::{Access, Store};

/// Reads a credential and stores it for its owner.
///
/// # Errors
/// There is one already and `--replace` is not given, or it cannot be read, sealed or stored.
pub fn put(cli: &Cli, args: &Put, out: &mut impl Write) -> Result<Exit, VaultError> {
    let owner = args.owner.owner();
    if !args.stray.is_empty() {
        return Err(VaultError::CredentialArgument { owner });
    }
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let mut store = Store::open(&cli.db, Access::Create)?;
    // Before anybody types a credential for nothing.
    if !args.replace && store.find(&owner)?.is_some() {
        return Err(VaultError::AlreadyExists { owner });
    }
    let credential = credential::read(&owner)?;

    let now = now();
    let writer = store.begin()?;
    // Sealing inside the transaction: it takes microseconds, and the envelope is bound to an id
    // that is only ours while the transaction is open.
    let row = match writer.find(&owner)? {
        Some(_) if !args.replace => return Err(VaultError::AlreadyExists { owner }),
        Some(found) => {
            let env_name = args.env.clone().unwrap_or(found.place.env_name);
            let place = Place { env_name, ..found.place };
            let envelope = place.seal(&keys.keyring, &credential)?;
            let revision = found.revision.saturating_add(1);
            let row = Row { place, envelope, revision, updated_at: now, ..found };
            writer.replace(&row)?;
            row
        }
        None => {
            let env_name = args.env.clone().unwrap_or_else(|| default_variable(&owner));
            let place = Place { id: writer.next_id()?, owner, env_name };
            let envelope = place.seal(&keys.keyring, &credential)?;
            let row = Row { place, envelope, revision: 1, created_at: now, updated_at: now };
            writer.insert(&row)?;
            row
        }
    };
    writer.commit()?;
    writeln!(
        out,
        "stored the credential for {} (row {}, revision {}, key {}, variable {})",
        row.place.owner,
        row.place.id,
        row.revision,
        keys.keyring.primary(),
        row.place.env_name,
    )?;
    Ok(Exit::Done)
}

/// The variable that a provider's own tools read.
fn default_variable(owner: &Owner) -> String {
    match owner.provider.as_str() {
        "google" | "gemini" => "GEMINI_API_KEY".to_owned(),
        provider => {
            let upper = provider.to_ascii_uppercase();
            let name = upper.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            // No variable starts with a digit.
            let digit = name.starts_with(|c: char| c.is_ascii_digit());
            format!("{}{name}_API_KEY", if digit { "_" } else { "" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_has_a_variable() {
        for (provider, variable) in [
            ("openai", "OPENAI_API_KEY"),
            ("anthropic", "ANTHROPIC_API_KEY"),
            ("gemini", "GEMINI_API_KEY"),
            ("google", "GEMINI_API_KEY"),
            ("x-ai", "X_AI_API_KEY"),
            ("21st", "_21ST_API_KEY"),
        ] {
            let owner = Owner { tenant: "acme".to_owned(), provider: provider.to_owned() };
            assert_eq!(default_variable(&owner), variable);
        }
    }
}
