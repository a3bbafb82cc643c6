//! `delete`: remove a credential. Needs no key.

use std::io::Write;

use crate::cli::{Cli, Delete};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::store::{Access, Store};

/// Deletes a row.
///
/// # Errors
/// There is none, or the database failed.
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
        "deleted the credential for {owner}; it is still valid at the provider until it is \
         revoked there"
    )?;
    Ok(Exit::Done)
}
