//! Parses the command line, runs the command, and turns the outcome into an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use byok_vault::cli::Cli;
use byok_vault::commands;
use clap::Parser;
use clap::error::ContextKind;

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|mut error| {
        // The invalid value may be a key that was given in place of an id, so it is not shown.
        error.remove(ContextKind::InvalidValue);
        error.exit()
    });
    let mut stdout = io::stdout().lock();
    let outcome = commands::dispatch(&cli, &mut stdout);
    match outcome.and_then(|exit| stdout.flush().map(|()| exit).map_err(Into::into)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            // A reader such as `head` in `list | head` has what it wanted.
            if !error.is_broken_pipe() {
                // If nobody is left to read this, there is no other place to report it.
                let mut stderr = io::stderr().lock();
                let _ = writeln!(stderr, "byok-vault: {error}");
                let _ = writeln!(stderr, "  next: {}", error.advice());
            }
            error.exit().into()
        }
    }
}
