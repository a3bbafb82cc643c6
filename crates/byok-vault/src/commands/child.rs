//! Runs a command on behalf of this program, passing signals in and the exit code out.

use std::io;
use std::process::Command;

/// Runs a command to its end and returns its exit code, or 128 + the signal that ended it.
///
/// # Errors
/// Returns an error if the command does not start.
#[cfg(unix)]
pub fn run_to_end(mut command: Command) -> io::Result<u8> {
    use rustix::process::{Pid, Signal, kill_process};
    use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    use signal_hook::iterator::Signals;

    // Catch signals before the command starts, so that none is missed. In the command they have their
    // default action again.
    let mut signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2])?;
    let mut child = command.spawn()?;
    drop(command); // It holds a copy of the credential.
    loop {
        for signal in signals.wait() {
            let passed_on = match signal {
                SIGHUP => Signal::HUP,
                SIGTERM => Signal::TERM,
                SIGUSR1 => Signal::USR1,
                SIGUSR2 => Signal::USR2,
                // The terminal also sends SIGINT and SIGQUIT to the command.
                _ => continue,
            };
            // The command may have ended, but its process id is not reused before `try_wait` reaps it.
            let _ = kill_process(Pid::from_child(&child), passed_on);
        }
        if let Some(status) = child.try_wait()? {
            return Ok(exit_code(status));
        }
    }
}

#[cfg(unix)]
fn exit_code(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;

    let code = status.code().or_else(|| status.signal().map(|signal| signal.saturating_add(128)));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// Runs a command to its end and returns its exit code.
///
/// # Errors
/// Returns an error if the command does not start.
#[cfg(not(unix))]
pub fn run_to_end(mut command: Command) -> io::Result<u8> {
    let mut child = command.spawn()?;
    drop(command); // It holds a copy of the credential.
    let code = child.wait()?.code();
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}
