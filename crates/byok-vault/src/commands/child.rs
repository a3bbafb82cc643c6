//! Runs a command in place of this program.

use std::io;
use std::process::Command;

/// Replaces this program with a command, and returns only if the command cannot be started.
///
/// The command takes over the process: its id, its signals, its terminal and its exit code. No other
/// process is left that would have to pass signals on, and whose initial environment, with the keyring,
/// would stay readable in `/proc`. The command inherits the signal mask and the ignored signals, except
/// SIGPIPE: Rust's runtime ignores it before this program starts, so it gets its default action back.
///
/// # Errors
/// Returns an error if the command does not start.
#[cfg(unix)]
pub fn become_command(mut command: Command) -> io::Result<u8> {
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

/// Runs a command to its end and returns its exit code.
///
/// # Errors
/// Returns an error if the command does not start.
#[cfg(not(unix))]
pub fn become_command(mut command: Command) -> io::Result<u8> {
    let mut child = command.spawn()?;
    drop(command); // It holds a copy of the credential.
    let code = child.wait()?.code();
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}
