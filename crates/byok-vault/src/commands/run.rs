//! `run`: runs a command with a credential in its environment.

use std::io;
use std::process::Command;

use crate::cli::{Cli, Run};
use crate::commands::{child, credential};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::keys::{Keys, VARIABLE};
use crate::store::{Access, Store};

/// Opens a credential and runs the command with it.
///
/// The command does not get the keyring.
///
/// # Errors
/// Returns an error if the credential cannot be opened or passed on, or the command does not start.
pub fn run(cli: &Cli, args: &Run) -> Result<Exit, VaultError> {
    let owner = args.owner.owner();
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let row = Store::open(&cli.db, Access::Read)?
        .find(&owner)?
        .ok_or_else(|| VaultError::NotFound { owner: owner.clone() })?;
    let opened = row.open(&keys.keyring)?;
    let name = args.env.as_ref().unwrap_or(&row.place.env_name);

    let mut words = args.command.iter();
    let program = words.next().cloned().unwrap_or_default();
    let mut command = Command::new(&program);
    command.args(words).env_remove(VARIABLE);
    command.env(name, credential::as_variable(&opened, &owner)?);
    // This process may wait for hours. Wipe the keys and the credential now.
    drop((opened, keys));
    child::run_to_end(command).map(Exit::Command).map_err(|source: io::Error| VaultError::Start {
        owner,
        command: program.to_string_lossy().into_owned(),
        source,
    })
}
