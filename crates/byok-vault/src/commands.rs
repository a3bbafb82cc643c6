//! The commands, one file for each.

pub mod audit;
pub mod backup;
pub mod by_kind;
pub mod census;
pub mod child;
pub mod credential;
pub mod delete;
pub mod import;
pub mod keygen;
pub mod list;
pub mod log;
#[cfg(unix)]
pub mod prompt;
pub mod put;
pub mod repair;
pub mod reseal;
pub mod rotate;
pub mod run;

use std::io::{self, Write};

use crate::cli::{Cli, Command};
use crate::error::VaultError;
use crate::exit::Exit;
use crate::files;
use crate::key_text::Given;
use crate::store::Store;
use crate::story;

/// Runs the command of the command line, and writes its results to `out`.
///
/// # Errors
/// Returns an error if the command fails.
pub fn dispatch(cli: &Cli, out: &mut impl Write) -> Result<Exit, VaultError> {
    match &cli.command {
        None => story::tell(out),
        Some(Command::Keygen(args)) => keygen::keygen(args, out),
        Some(Command::Put(args)) => put::put(cli, args, out),
        Some(Command::Import(args)) => import::import(cli, args, out),
        Some(Command::List(args)) => list::list(cli, args, out),
        Some(Command::Run(args)) => run::run(cli, args),
        Some(Command::Rotate(args)) => rotate::rotate(cli, args, out),
        Some(Command::Audit) => audit::audit(cli, out),
        Some(Command::Repair(args)) => repair::repair(cli, args, out),
        Some(Command::Reseal(args)) => reseal::reseal(cli, args, out),
        Some(Command::Log(args)) => log::log(cli, args, out),
        Some(Command::Census(args)) => census::census(cli, args, out),
        Some(Command::Backup(args)) => backup::backup(cli, args, out),
        Some(Command::Delete(args)) => delete::delete(cli, args, out),
    }
}

/// Erases what a command deleted or replaced, and says so if it is still in a file.
pub(crate) fn erase(store: &Store, out: &mut impl Write) -> Result<(), VaultError> {
    if store.erase_replaced() { Ok(()) } else { say_not_erased(out) }
}

pub(crate) fn say_not_erased(out: &mut impl Write) -> Result<(), VaultError> {
    writeln!(
        out,
        "what was replaced or deleted is still in the vault's files, because another process reads \
         the vault, or the disk is full: the next change after that erases it"
    )?;
    Ok(())
}

/// Warns about keys or a vault that other users may read.
///
/// It is a warning, because a mode may be the only way to share a file with a group. `run` does not
/// warn: its standard error belongs to the command that it runs.
pub fn warn_about_modes(cli: &Cli) {
    if matches!(cli.command, None | Some(Command::Run(_))) {
        return;
    }
    let of_keys = |given: Given| {
        cli.file(given).map(|path| (path, format!("the file of {}", given.option())))
    };
    let keys = Given::ALL.into_iter().filter_map(of_keys);
    for (path, what) in keys.chain([(cli.db.as_path(), "the vault".to_owned())]) {
        if files::is_shared_by_mistake(path) {
            let _ = writeln!(
                io::stderr(),
                "warning: other users may read or change {what}: `chmod 600` makes it private"
            );
        }
    }
}
