//! `run`: runs a command with a credential in its environment.

use std::process::Command;

use crate::cli::{Cli, Run};
use crate::commands::{child, credential};
use crate::core_dumps;
use crate::error::{CredentialProblem, VaultError};
use crate::exit::Exit;
use crate::files;
use crate::keys::{Keys, VARIABLE};
use crate::store::{Access, Store};
use crate::variables;

/// Opens a credential and runs the command with it.
///
/// The command does not get the keyring. On Unix, it replaces this program.
///
/// # Errors
/// Returns an error if the credential cannot be opened or passed on, or the command does not start.
pub fn run(cli: &Cli, args: &Run) -> Result<Exit, VaultError> {
    let owner = args.owner.owner();
    if cli.keys_file.as_deref().is_some_and(files::is_inherited) {
        return Err(VaultError::KeyringInherited);
    }
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let row = Store::open(&cli.db, Access::Read)?
        .find(&owner)?
        .ok_or_else(|| VaultError::NotFound { owner: owner.clone() })?;
    let opened = row.open(&keys.keyring)?;
    let name = match &args.env {
        Some(name) => name,
        None if variables::of_a_credential(&row.place.env_name).is_ok() => &row.place.env_name,
        None => {
            let problem = CredentialProblem::Variable;
            return Err(VaultError::Credential { owner, problem });
        }
    };

    let mut words = args.command.iter();
    let mut command = Command::new(words.next().cloned().unwrap_or_default());
    command.args(words).env_remove(VARIABLE);
    command.env(name, credential::as_variable(&opened, &owner)?);
    // If the command does not start, they are wiped as well.
    drop((opened, keys));
    core_dumps::allow_as_before();
    child::become_command(command)
        .map(Exit::Command)
        .map_err(|source| VaultError::Start { owner, source })
}
