//! The hidden prompt for a credential, and for what may be the rest of a paste.
//!
//! The terminal's own line editing cuts a long line off, and passes the rest of a pasted text on to the
//! shell. So the prompt turns it off together with the echo, and reads byte by byte.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use sealwax::Secret;
use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2};
use signal_hook::{flag, low_level};

use crate::credential::LIMIT;
use crate::error::CredentialProblem;

/// How long a read waits for a byte, in tenths of a second.
///
/// What comes within this time after the end of a line was pasted together with it.
const PAUSE: u8 = 2;

/// How long pasted text that is refused is read, so that the shell does not get it.
const DISCARD_FOR: Duration = Duration::from_secs(10);

/// The signals that end or stop a process by default.
const SIGNALS: [i32; 8] = [SIGHUP, SIGINT, SIGQUIT, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGTSTP];

/// Reads one line from the terminal without showing it.
///
/// If a signal comes meanwhile, it takes effect once the terminal is as it was before.
///
/// # Errors
/// Returns an error if the terminal fails or a signal interrupted the prompt. Otherwise returns the line,
/// or why it cannot be used.
pub fn read(prompt: &str) -> io::Result<Result<Secret, CredentialProblem>> {
    let signals = Signals::hold()?;
    let mut line = Hidden::open().and_then(|mut terminal| terminal.ask(prompt, signals));
    if signals.has_come() {
        // A part of a credential is wiped before the signal ends this process.
        line = Ok(Err(CredentialProblem::Empty));
    }
    // The terminal is as it was before, because it has been dropped.
    signals.release()?;
    line
}

/// The terminal without echo and line editing, until it is dropped.
struct Hidden {
    terminal: File,
    before: Termios,
}

impl Hidden {
    fn open() -> io::Result<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(
            LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::IEXTEN,
        );
        hidden.special_codes[SpecialCodeIndex::VMIN] = 0;
        hidden.special_codes[SpecialCodeIndex::VTIME] = PAUSE;
        // Discards what was typed before the prompt.
        tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }

    fn ask(
        &mut self,
        prompt: &str,
        signals: &Signals,
    ) -> io::Result<Result<Secret, CredentialProblem>> {
        self.terminal.write_all(prompt.as_bytes())?;
        // Never grows, because growing would leave copies behind: one more byte than the limit shows
        // that it was exceeded.
        let mut line = Vec::with_capacity(LIMIT + 1);
        let read = self.read_line(&mut line, signals);
        // What was read before a failure is wiped as well.
        let line = Secret::from(line);
        let problem = read?;
        let has_more = self.discard_the_rest()?;
        self.terminal.write_all(b"\n")?;
        let has_control = line.expose_str().is_ok_and(|text| text.chars().any(char::is_control));
        Ok(match problem {
            _ if has_more => Err(CredentialProblem::SeveralLines),
            Some(problem) => Err(problem),
            None if has_control => Err(CredentialProblem::Control),
            None => Ok(line),
        })
    }

    /// Reads up to the end of the line, or to a signal, and returns a control character as a problem.
    fn read_line(
        &mut self,
        line: &mut Vec<u8>,
        signals: &Signals,
    ) -> io::Result<Option<CredentialProblem>> {
        const END_OF_INPUT: u8 = 0x04;
        const BACKSPACE: u8 = 0x08;
        const ERASE_LINE: u8 = 0x15;
        const DELETE: u8 = 0x7f;
        let mut problem = None;
        while !signals.has_come() {
            match self.byte()? {
                None => {}
                Some(b'\n' | b'\r') => break,
                Some(END_OF_INPUT) if line.is_empty() => break,
                Some(BACKSPACE | DELETE) => erase_character(line),
                Some(ERASE_LINE) => line.clear(),
                Some(byte) if byte.is_ascii_control() => problem = Some(CredentialProblem::Control),
                Some(byte) if line.len() <= LIMIT => line.push(byte),
                Some(_) => {}
            }
        }
        Ok(problem)
    }

    /// Reads and forgets what was pasted after the line, and returns whether there was another line.
    fn discard_the_rest(&mut self) -> io::Result<bool> {
        let began = Instant::now();
        let mut has_more = false;
        while began.elapsed() < DISCARD_FOR
            && let Some(byte) = self.byte()?
        {
            has_more |= !matches!(byte, b'\n' | b'\r');
        }
        Ok(has_more)
    }

    /// Returns the next byte, or `None` if none comes for a while.
    fn byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        match self.terminal.read(&mut byte) {
            Ok(0) => {
                // If the terminal is gone, this fails, and reading would return nothing for ever.
                tcgetattr(&self.terminal)?;
                Ok(None)
            }
            Ok(_) => Ok(byte.first().copied()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Discards what was typed or pasted and not read, so that the shell does not get it. If this
        // fails, the terminal is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Removes the last character, of which UTF-8 may have several bytes.
fn erase_character(line: &mut Vec<u8>) {
    while let Some(byte) = line.pop() {
        let is_continuation = byte & 0b1100_0000 == 0b1000_0000;
        if !is_continuation {
            break;
        }
    }
}

/// The signals, which wait until they are released.
struct Signals {
    /// The last signal that came, or 0.
    came: Arc<AtomicUsize>,
    is_released: Arc<AtomicBool>,
}

impl Signals {
    /// Holds signals back until [`Signals::release`].
    fn hold() -> io::Result<&'static Self> {
        static SIGNALS: LazyLock<io::Result<Signals>> = LazyLock::new(Signals::register);
        let signals =
            SIGNALS.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        signals.came.store(0, Ordering::SeqCst);
        signals.is_released.store(false, Ordering::SeqCst);
        Ok(signals)
    }

    /// Registers the handlers, which stay in place and serve every prompt.
    fn register() -> io::Result<Self> {
        let (came, is_released) = (Arc::default(), Arc::default());
        for signal in SIGNALS {
            // Between prompts and after them, each signal has its usual effect.
            flag::register_conditional_default(signal, Arc::clone(&is_released))?;
            let number = usize::try_from(signal).unwrap_or_default();
            flag::register_usize(signal, Arc::clone(&came), number)?;
        }
        Ok(Self { came, is_released })
    }

    fn has_come(&self) -> bool {
        self.came.load(Ordering::SeqCst) != 0
    }

    /// Lets a signal that came have its usual effect.
    fn release(&self) -> io::Result<()> {
        self.is_released.store(true, Ordering::SeqCst);
        match i32::try_from(self.came.load(Ordering::SeqCst)) {
            Ok(0) | Err(_) => Ok(()),
            Ok(signal) => {
                low_level::emulate_default_handler(signal)?;
                Err(io::Error::other("a signal interrupted the prompt"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erasing_removes_a_whole_character() {
        for (before, after) in [("", ""), ("a", ""), ("ab", "a"), ("aé", "a"), ("a€", "a")] {
            let mut line = before.as_bytes().to_vec();
            erase_character(&mut line);
            assert_eq!(line, after.as_bytes(), "{before}");
        }
    }
}
