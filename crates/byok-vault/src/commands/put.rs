//! `put`: stores a credential.

use std::io::Write;

use crate::cli::{Cli, Put};
use crate::clock::now;
use crate::commands::{credential, erase};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::keys::Keys;
use crate::row::{Place, Row};
use crate::store::{Access, Store};

/// Reads a credential and stores it for its owner.
///
/// # Errors
/// Returns an error if there already is a credential and `--replace` is not given, or if the credential
/// cannot be read, sealed or stored.
pub fn put(cli: &Cli, args: &Put, out: &mut impl Write) -> Result<Exit, VaultError> {
    let owner = args.owner.owner();
    if !args.stray.is_empty() {
        return Err(VaultError::CredentialArgument { owner });
    }
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let present = Store::open_if_present(&cli.db)?;
    // Check before somebody types a credential in vain.
    if let Some(store) = &present
        && !args.replace
        && store.find(&owner)?.is_some()
    {
        return Err(VaultError::AlreadyExists { owner });
    }
    let credential = credential::read(&owner)?;
    // An empty vault, left behind by a `put` without a credential, would look like the end of a rotation.
    let mut store = match present {
        Some(store) => store,
        None => Store::open(&cli.db, Access::Create)?,
    };

    let now = now();
    let writer = store.begin()?;
    // Seal inside the transaction: sealing takes microseconds, and the envelope is bound to an id that
    // is reserved only while the transaction is open.
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
            let env_name = args.env.clone().unwrap_or_else(|| owner.variable());
            writer.add(&keys.keyring, owner, env_name, &credential, now)?
        }
    };
    writer.commit()?;
    writeln!(
        out,
        "stored the credential for {} (row {}, revision {}, key {}, variable {})",
        row.place.owner,
        row.place.id,
        row.revision,
        keys.keyring.primary().map_or("", AsRef::as_ref),
        row.place.env_name,
    )?;
    if row.revision > 1 {
        erase(&store, out)?;
    }
    Ok(Exit::Done)
}
