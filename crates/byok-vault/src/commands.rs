//! The commands, one file for each.

pub mod audit;
pub mod by_kind;
pub mod census;
pub mod child;
pub mod credential;
pub mod delete;
pub mod import;
pub mod keygen;
pub mod list;
pub mod put;
pub mod repair;
pub mod reseal;
pub mod rotate;
pub mod run;

use std::io::Write;

use crate::cli::{Cli, Command};
use crate::error::VaultError;
use crate::exit::Exit;
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
        Some(Command::Census(args)) => census::census(cli, args, out),
        Some(Command::Delete(args)) => delete::delete(cli, args, out),
    }
}
