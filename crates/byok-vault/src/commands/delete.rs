//! `delete`: removes a credential. Needs no key.

use std::io::Write;

use crate::cli::{Cli, Delete};
use crate::commands::erase;
use crate::error::VaultError;
use crate::exit::Exit;
use crate::store::{Access, Store};

/// Deletes a row.
///
/// # Errors
/// Returns an error if there is no such row, or the database fails.
pub fn delete(cli: &Cli, args: &Delete, out: &mut impl Write) -> Result<Exit, VaultError> {
    let owner = args.owner.owner();
    let mut store = Store::open(&cli.db, Access::Write)?;
    let writer = store.begin()?;
    if !writer.delete(&owner)? {
        return Err(VaultError::NotFound { owner });
    }
    writer.commit()?;
    writeln!(
        out,
        "deleted the credential for {owner}; it remains valid at the provider until it is revoked \
         there"
    )?;
    erase(&store, out)?;
    Ok(Exit::Done)
}
