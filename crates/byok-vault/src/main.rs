//! Parses the command line, runs the command, and turns the outcome into an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use byok_vault::cli::Cli;
use byok_vault::commands;
use byok_vault::core_dumps;
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

fn main() -> ExitCode {
    core_dumps::forbid();
    let cli = Cli::try_parse().unwrap_or_else(|error| without_arguments(error).exit());
    let mut stdout = io::stdout().lock();
    let outcome = commands::dispatch(&cli, &mut stdout);
    let exit = match outcome.and_then(|exit| stdout.flush().map(|()| exit).map_err(Into::into)) {
        Ok(exit) => exit,
        Err(error) => {
            // A reader such as `head` in `list | head` has what it wanted.
            if !error.is_broken_pipe() {
                // If nobody is left to read this, there is no other place to report it.
                let mut stderr = io::stderr().lock();
                let _ = writeln!(stderr, "byok-vault: {error}");
                let _ = writeln!(stderr, "  next: {}", error.advice());
            }
            error.exit()
        }
    };
    commands::warn_about_modes(&cli);
    exit.into()
}

/// Removes the arguments from an error about the command line, because each may be a key that was given
/// by mistake.
fn without_arguments(mut error: clap::Error) -> clap::Error {
    let is_of_the_program = |kind: &ContextKind| match kind {
        // The name of an option, unless there is no such option.
        ContextKind::InvalidArg => error.kind() != ErrorKind::UnknownArgument,
        ContextKind::PriorArg
        | ContextKind::ValidSubcommand
        | ContextKind::ValidValue
        | ContextKind::ActualNumValues
        | ContextKind::ExpectedNumValues
        | ContextKind::MinValues
        | ContextKind::SuggestedSubcommand
        | ContextKind::SuggestedArg
        | ContextKind::SuggestedValue
        | ContextKind::Usage => true,
        _ => false,
    };
    let of_the_user: Vec<_> =
        error.context().map(|(kind, _)| kind).filter(|kind| !is_of_the_program(kind)).collect();
    for kind in of_the_user {
        let is_empty =
            matches!(error.get(kind), Some(ContextValue::String(text)) if text.is_empty());
        match kind {
            // clap reports a missing value as an empty one.
            ContextKind::InvalidValue if is_empty => {}
            ContextKind::InvalidValue
            | ContextKind::InvalidArg
            | ContextKind::InvalidSubcommand => {
                error.insert(kind, ContextValue::String("...".to_owned()));
            }
            _ => {
                error.remove(kind);
            }
        }
    }
    error
}
