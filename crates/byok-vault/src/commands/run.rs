//! `run`: runs a command with a credential in its environment.

use std::process::Command;

use crate::cli::{Cli, Run};
use crate::commands::{child, credential};
use crate::core_dumps;
use crate::error::{CredentialProblem, VaultError};
use crate::exit::Exit;
use crate::files;
use crate::key_text::Given;
use crate::keys::Keys;
use crate::log::Log;
use crate::store::{Access, Store};
use crate::variables;

/// Opens a credential and runs the command with it.
///
/// The command gets neither the keyring nor the audit key. On Unix, it replaces this program.
///
/// # Errors
/// Returns an error if the credential cannot be opened or passed on, or the command does not start.
pub fn run(cli: &Cli, args: &Run) -> Result<Exit, VaultError> {
    let owner = args.owner.owner();
    for given in Given::ALL {
        if cli.file(given).is_some_and(files::is_inherited) {
            return Err(VaultError::KeysInherited { given });
        }
    }
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let opener = Log::of(cli, "run")?.because(args.why.as_deref()).opener(&keys.keyring);
    let mut store = Store::open(&cli.db, Access::Write)?;
    let row = store.find(&owner)?.ok_or_else(|| VaultError::NotFound { owner: owner.clone() })?;
    let opened = opener.open(&mut store, &row)?;
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
    command.args(words);
    for given in Given::ALL {
        command.env_remove(given.variable());
    }
    command.env(name, credential::as_variable(&opened, &owner)?);
    // If the command does not start, they are wiped as well.
    drop((opened, opener, keys, store));
    core_dumps::allow_as_before();
    child::become_command(command)
        .map(Exit::Command)
        .map_err(|source| VaultError::Start { owner, source })
}
