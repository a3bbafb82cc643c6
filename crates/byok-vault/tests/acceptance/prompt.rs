//! `put` at a real terminal: what it stores, what it refuses, and that it leaves the terminal as it was.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use byok_vault::row::Owner;
use byok_vault::store::{Access, Store};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use sealwax::Secret;

use crate::sandbox::{CANARY, Keys, Sandbox};

const PEM: &str = "-----BEGIN PRIVATE KEY-----\nsk-canary-line\nMIIB\n-----END PRIVATE KEY-----\n";

/// A terminal, and `put` waiting at its prompt.
struct Prompt {
    sandbox: Sandbox,
    keys: Keys,
    /// The side of a terminal emulator.
    controller: File,
    /// The side of the program.
    terminal: File,
    child: Child,
    output: Receiver<Vec<u8>>,
    shown: Vec<u8>,
}

/// The end of `put`.
struct Ended {
    status: ExitStatus,
    shown: String,
    /// How many bytes the shell would read next.
    left: u64,
    stored: Option<Secret>,
}

impl Prompt {
    /// Starts `put` in a new session, or returns `None` if this machine has no `setsid`.
    fn new() -> Option<Self> {
        Self::after(b"")
    }

    /// Starts `put` when this has been typed before.
    fn after(typed: &[u8]) -> Option<Self> {
        let has_setsid = Command::new("setsid").args(["--wait", "true"]).status();
        if !has_setsid.is_ok_and(|status| status.success()) {
            println!("skipped: this machine has no setsid");
            return None;
        }
        let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let controller = openpt(flags).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let terminal = File::from(ioctl_tiocgptpeer(&controller, flags).unwrap());
        assert!(is_usual(&terminal));
        let mut controller = File::from(controller);
        controller.write_all(typed).unwrap();

        let put = sandbox.command(None, &["put", "--tenant", "acme", "--provider", "openai"]);
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(put.get_program()).args(put.get_args());
        command.env("SEALWAX_KEYS", &keys.0).current_dir(sandbox.directory.path());
        let end = || Stdio::from(terminal.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();

        let (sender, output) = channel();
        let mut reader = controller.try_clone().unwrap();
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut part) {
                if sender.send(part[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut prompt = Self { sandbox, keys, controller, terminal, child, output, shown: vec![] };
        prompt.wait_for("(input is hidden): ");
        assert!(!has(&prompt.terminal, LocalModes::ECHO));
        Some(prompt)
    }

    fn wait_for(&mut self, text: &str) {
        let began = Instant::now();
        while !String::from_utf8_lossy(&self.shown).contains(text) {
            assert!(began.elapsed() < Duration::from_secs(30), "no {text:?}");
            if let Ok(part) = self.output.recv_timeout(Duration::from_millis(100)) {
                self.shown.extend(part);
            }
        }
    }

    fn paste(&mut self, bytes: &[u8]) -> &mut Self {
        self.controller.write_all(bytes).unwrap();
        self
    }

    fn pid(&self) -> Pid {
        // `setsid` becomes the program.
        Pid::from_child(&self.child)
    }

    /// Waits for the end of `put`, and checks that the terminal is as it was and shows no credential.
    #[track_caller]
    fn end(mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "it hangs");
            thread::sleep(Duration::from_millis(10));
        };
        assert!(is_usual(&self.terminal), "the terminal is left without echo");
        let mut raw = tcgetattr(&self.terminal).unwrap();
        raw.make_raw();
        tcsetattr(&self.terminal, OptionalActions::Now, &raw).unwrap();
        let left = rustix::io::ioctl_fionread(&self.terminal).unwrap();
        while let Ok(part) = self.output.recv_timeout(Duration::from_millis(100)) {
            self.shown.extend(part);
        }
        let shown = String::from_utf8_lossy(&self.shown).into_owned();
        assert!(!shown.contains(CANARY), "the terminal shows the credential");
        let owner = Owner { tenant: "acme".to_owned(), provider: "openai".to_owned(), label: None };
        let stored = self.sandbox.db().exists().then(|| {
            let store = Store::open(&self.sandbox.db(), Access::Read).unwrap();
            store.find(&owner).unwrap().unwrap().open(&self.keys.keyring()).unwrap()
        });
        Ended { status, shown, left, stored }
    }
}

fn has(terminal: &File, modes: LocalModes) -> bool {
    tcgetattr(terminal).unwrap().local_modes.contains(modes)
}

fn is_usual(terminal: &File) -> bool {
    has(terminal, LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN)
}

#[test]
fn a_line_is_stored_as_it_was_typed() {
    let long = format!("{CANARY}-{}", "k".repeat(10_000));
    let mut stored = 0;
    for (typed, expected) in [
        (b"sk-canary-1\n".to_vec(), "sk-canary-1"),
        (b"sk-canary-1\r".to_vec(), "sk-canary-1"),
        (b"sk-canary-1\r\n".to_vec(), "sk-canary-1"),
        (b"sk-canary,1+2\n".to_vec(), "sk-canary,1+2"),
        ("sk-canary-\u{e9}x\x7f\x08e\n".into(), "sk-canary-e"),
        (b"wrong\x15sk-canary-2\n".to_vec(), "sk-canary-2"),
        // Longer than the terminal's own line editing takes.
        (format!("{long}\n").into_bytes(), &long),
    ] {
        let Some(mut prompt) = Prompt::new() else { return };
        prompt.paste(&typed);
        let ended = prompt.end();
        assert_eq!(ended.status.code(), Some(0));
        assert!(ended.stored.unwrap() == Secret::from(expected), "another text than {typed:?}");
        assert_eq!(ended.left, 0);
        stored += 1;
    }
    assert_eq!(stored, 7);
}

#[test]
fn what_the_prompt_cannot_take_is_refused_and_the_shell_gets_nothing_of_it() {
    let too_long = format!("{CANARY}{}\n", "k".repeat(65_536));
    let mut refused = 0;
    for (pasted, says) in [
        (PEM.as_bytes(), "it has several lines"),
        (b"sk-canary-1\rsk-canary-2\r", "it has several lines"),
        (b"sk-canary-1\nsk-canary-2", "it has several lines"),
        (b"sk-canary\t1\n", "a control character"),
        (b"sk-canary\x001\n", "a control character"),
        (b"sk-canary\x1b[D1\n", "a control character"),
        ("sk-canary\u{85}1\n".as_bytes(), "a control character"),
        (b"sk-canary\xff\n", "not UTF-8"),
        (b"\n", "it is empty"),
        (b"\x04", "it is empty"),
        (too_long.as_bytes(), "longer than 65536 bytes"),
    ] {
        let Some(mut prompt) = Prompt::new() else { return };
        prompt.paste(pasted);
        let ended = prompt.end();
        assert_eq!(ended.status.code(), Some(6), "{}", ended.shown);
        assert!(ended.shown.contains(says), "no {says:?} in {}", ended.shown);
        assert!(ended.stored.is_none());
        assert_eq!(ended.left, 0, "left for the shell after {says:?}");
        refused += 1;
    }
    assert_eq!(refused, 11);
}

#[test]
fn a_paste_that_comes_in_parts_is_one() {
    let Some(mut prompt) = Prompt::new() else { return };
    for part in PEM.as_bytes().chunks(20) {
        prompt.paste(part);
        thread::sleep(Duration::from_millis(20));
    }
    let ended = prompt.end();
    assert_eq!(ended.status.code(), Some(6));
    assert!(ended.shown.contains("put ... < key.pem"), "{}", ended.shown);
    assert_eq!(ended.left, 0);
}

#[test]
fn what_was_typed_before_the_prompt_is_no_part_of_it() {
    let Some(mut prompt) = Prompt::after(b"for the shell\nand more") else { return };
    prompt.paste(b"sk-canary-1\n");
    let ended = prompt.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.shown);
    assert!(ended.stored.unwrap() == Secret::from("sk-canary-1"));
    assert_eq!(ended.left, 0);
}

#[test]
fn a_signal_ends_the_prompt_and_leaves_the_terminal_as_it_was() {
    let mut ended = 0;
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::ALARM, Signal::TERM] {
        let Some(mut prompt) = Prompt::new() else { return };
        prompt.paste(b"sk-canary-half");
        kill_process(prompt.pid(), signal).unwrap();
        let end = prompt.end();
        assert_eq!(end.status.signal(), Some(signal.as_raw()), "{}", end.shown);
        assert!(end.stored.is_none());
        assert_eq!(end.left, 0);
        ended += 1;
    }
    assert_eq!(ended, 5);
}

#[test]
fn control_c_ends_the_prompt_and_leaves_the_terminal_as_it_was() {
    for (typed, signal) in [(&b"sk-canary-half\x03"[..], Signal::INT), (b"\x1c", Signal::QUIT)] {
        let Some(mut prompt) = Prompt::new() else { return };
        prompt.paste(typed);
        let end = prompt.end();
        assert_eq!(end.status.signal(), Some(signal.as_raw()), "{}", end.shown);
        assert_eq!(end.left, 0);
    }
}

/// Asks whether to store what does not look like a credential.
fn asked() -> Option<Prompt> {
    let mut prompt = Prompt::new()?;
    prompt.paste(b"null\n").wait_for("[y/N] ");
    assert!(!has(&prompt.terminal, LocalModes::ECHO));
    Some(prompt)
}

#[test]
fn the_rest_of_a_paste_is_no_answer_and_is_neither_shown_nor_passed_on() {
    let mut refused = 0;
    for rest in [&b"sk-canary-rest\n"[..], b"sk-canary-1\nsk-canary-2", b"y\nsk-canary-2\n", b"\n"]
    {
        let Some(mut prompt) = asked() else { return };
        prompt.paste(rest);
        let ended = prompt.end();
        assert_eq!(ended.status.code(), Some(6), "{}", ended.shown);
        assert!(ended.stored.is_none());
        assert_eq!(ended.left, 0);
        refused += 1;
    }
    assert_eq!(refused, 4);
    let Some(mut prompt) = asked() else { return };
    prompt.paste(b"yes\n");
    let ended = prompt.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.shown);
    assert!(ended.stored.unwrap() == Secret::from("null"));
}

#[test]
fn a_signal_ends_the_second_prompt_like_the_first() {
    for signal in [Signal::INT, Signal::TERM] {
        let Some(mut prompt) = asked() else { return };
        prompt.paste(b"sk-canary-half");
        kill_process(prompt.pid(), signal).unwrap();
        let end = prompt.end();
        assert_eq!(end.status.signal(), Some(signal.as_raw()), "{}", end.shown);
        assert_eq!(end.left, 0);
    }
}

#[test]
fn a_stopped_prompt_leaves_the_terminal_as_it_was() {
    let Some(prompt) = Prompt::new() else { return };
    kill_process(prompt.pid(), Signal::TSTP).unwrap();
    let began = Instant::now();
    while !is_usual(&prompt.terminal) {
        assert!(began.elapsed() < Duration::from_secs(10), "stopped without echo");
        thread::sleep(Duration::from_millis(10));
    }
    // It may not have stopped yet, and a signal to continue would come too soon.
    thread::sleep(Duration::from_millis(200));
    kill_process(prompt.pid(), Signal::CONT).unwrap();
    let end = prompt.end();
    assert_eq!(end.status.code(), Some(7), "{}", end.shown);
    assert!(end.shown.contains("a signal interrupted the prompt"), "{}", end.shown);
}

#[test]
fn a_terminal_that_goes_away_ends_the_prompt() {
    let Some(prompt) = Prompt::new() else { return };
    let Prompt { controller, terminal, mut child, output, .. } = prompt;
    // The thread that reads has another copy of the controller, until it has nobody to send to.
    drop(output);
    (&terminal).write_all(b"x").unwrap();
    drop((controller, terminal));
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(30), "it hangs");
        thread::sleep(Duration::from_millis(10));
    }
}
