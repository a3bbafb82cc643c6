//! `run` in the process tree: which processes there are, what their environments hold, and what a signal
//! does to them.

#[cfg(target_os = "linux")]
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::sandbox::{Keys, Sandbox, audit_key};

const ACME: [&str; 4] = ["--tenant", "acme", "--provider", "openai"];

fn stored() -> (Sandbox, Keys) {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.put(&keys, &ACME, b"sk-canary-1").expect_code(0);
    (sandbox, keys)
}

/// Returns a command that runs `run` with this command, in the sandbox's directory.
fn run(sandbox: &Sandbox, keys: &Keys, command: &[&str]) -> Command {
    let arguments = [&["run"], ACME.as_slice(), &["--"], command].concat();
    let mut run = sandbox.command(Some(keys), &arguments);
    run.current_dir(sandbox.directory.path());
    run
}

/// Runs a command under `env` of GNU coreutils with these options, which set up signals.
fn under_env(options: &[&str], command: &Command) -> Command {
    let mut env = Command::new("env");
    env.args(options).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => env.env(name, value),
            None => env.env_remove(name),
        };
    }
    env.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(directory) = command.get_current_dir() {
        env.current_dir(directory);
    }
    env
}

/// Returns whether this machine's `env` can set up signals, and says so if not.
fn has_signals_in_env() -> bool {
    let has = Command::new("env")
        .args(["--block-signal=CHLD", "--ignore-signal=HUP", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has {
        println!("skipped: `env` of this machine has no --block-signal");
    }
    has
}

fn wait_for(path: &Path) {
    let began = Instant::now();
    while !path.exists() {
        assert!(began.elapsed() < Duration::from_secs(30), "the command did not start");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a process to end, and kills it if it does not.
fn end_of(mut child: Child) -> Option<std::process::ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// Returns a process and its descendants.
#[cfg(target_os = "linux")]
fn tree(root: u32) -> Vec<u32> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name of the program, in brackets, may contain spaces.
        let after_name = stat.rsplit(')').next().unwrap();
        let parent: u32 = after_name.split_whitespace().nth(1).unwrap().parse().unwrap();
        parents.insert(pid, parent);
    }
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&process) = tree.get(next) {
        tree.extend(parents.iter().filter(|(_, parent)| **parent == process).map(|(pid, _)| *pid));
        next += 1;
    }
    tree
}

#[cfg(target_os = "linux")]
#[test]
fn no_process_of_the_tree_has_the_keyring_in_its_environment() {
    let (sandbox, keys) = stored();
    let file = sandbox.path("keys.txt");
    fs::write(&file, &keys.0).unwrap();
    let ready = sandbox.path("ready");
    // The shell starts another process, so that the tree has two.
    let script = format!("sleep 30 & : > {}; wait", ready.display());
    let mut seen = 0;
    for from_file in [false, true] {
        let _ = fs::remove_file(&ready);
        let mut command = run(&sandbox, &keys, &["sh", "-c", &script]);
        if from_file {
            let arguments = ["run", ACME[0], ACME[1], ACME[2], ACME[3]];
            let arguments = [&arguments[..], &["--keys-file", file.to_str().unwrap()]].concat();
            let arguments = [&arguments[..], &["--", "sh", "-c", &script]].concat();
            command = sandbox.command(Some(&Keys::primary("other")), &arguments);
        }
        let child = command.process_group(0).spawn().unwrap();
        wait_for(&ready);
        let mut with_credential = 0;
        for process in tree(child.id()) {
            let environment = fs::read(format!("/proc/{process}/environ")).unwrap();
            let environment = String::from_utf8_lossy(&environment);
            assert!(!environment.contains("SEALWAX_KEYS"), "in process {process}");
            assert!(!environment.contains("swk1_"), "in process {process}");
            with_credential += u32::from(environment.contains("sk-canary-1"));
            seen += 1;
        }
        assert_eq!(with_credential, 2, "the command and what it started");
        kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
        end_of(child);
    }
    assert_eq!(seen, 4, "this program is not one of them");
}

#[test]
fn the_command_has_the_process_id_of_the_program() {
    let (sandbox, keys) = stored();
    let child = run(&sandbox, &keys, &["sh", "-c", "echo $$"]).spawn().unwrap();
    let id = child.id();
    let ran = crate::sandbox::searched(child.wait_with_output().unwrap()).expect_code(0);
    assert_eq!(ran.stdout, format!("{id}\n"));
}

#[test]
fn the_exit_code_and_the_signal_are_the_commands() {
    let (sandbox, keys) = stored();
    for code in [0, 1, 7, 126, 127, 255] {
        let script = format!("exit {code}");
        sandbox.finish(run(&sandbox, &keys, &["sh", "-c", &script]), b"").expect_code(code);
    }
    for signal in [2, 9, 15] {
        let script = format!("kill -{signal} $$");
        let status = run(&sandbox, &keys, &["sh", "-c", &script]).status().unwrap();
        assert_eq!(status.signal(), Some(signal));
    }
}

#[test]
fn a_command_that_does_not_start_is_126_or_127() {
    let (sandbox, keys) = stored();
    let directory = sandbox.directory.path().to_str().unwrap();
    let script = sandbox.path("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    for (command, code) in [
        ("/nonexistent/program", 127),
        ("no-such-program-anywhere", 127),
        ("", 127),
        (directory, 126),
        (script.to_str().unwrap(), 126),
    ] {
        sandbox
            .finish(run(&sandbox, &keys, &[command]), b"")
            .expect_code(code)
            .expect_in_stderr("cannot start the command for tenant acme, provider openai")
            .expect_in_stderr("next:");
    }
}

#[test]
fn every_signal_reaches_the_command() {
    let (sandbox, keys) = stored();
    let mut ended = 0;
    for (signal, name) in [
        (Signal::HUP, "HUP"),
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
        (Signal::ALARM, "ALRM"),
        (Signal::TERM, "TERM"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ] {
        let ready = sandbox.path(&format!("ready-{name}"));
        let script = format!("ulimit -c 0; touch {}; exec sleep 30", ready.display());
        let child = run(&sandbox, &keys, &["sh", "-c", &script]).spawn().unwrap();
        wait_for(&ready);
        // If the shell has not yet become `sleep`, it ends by the same signal.
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = end_of(child).expect("the signal had no effect");
        assert_eq!(status.signal(), Some(signal.as_raw()), "{name}");

        let ready = sandbox.path(&format!("caught-{name}"));
        let script = format!(
            "trap 'exit 42' {name}; touch {}; while :; do sleep 0.02; done",
            ready.display()
        );
        let child = run(&sandbox, &keys, &["sh", "-c", &script]).spawn().unwrap();
        wait_for(&ready);
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(end_of(child).expect("the signal was lost").code(), Some(42), "{name}");
        ended += 2;
    }
    assert_eq!(ended, 14);
}

/// What the kernel says about the signals of a process.
#[cfg(target_os = "linux")]
fn signals(command: Command) -> BTreeMap<String, u64> {
    let output = { command }.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split_once(":\t"))
        .map(|(name, mask)| (name.to_owned(), u64::from_str_radix(mask, 16).unwrap()))
        .collect()
}

#[cfg(target_os = "linux")]
#[test]
fn the_command_inherits_what_is_blocked_and_ignored() {
    if !has_signals_in_env() {
        return;
    }
    const PIPE: u64 = 1 << 12;
    let (sandbox, keys) = stored();
    let show = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    let mut directly = Command::new(show[0]);
    directly.args(&show[1..]);
    let mut compared = 0;
    for options in [
        &[][..],
        &["--block-signal=CHLD"],
        &["--block-signal=TERM"],
        &["--block-signal"],
        &["--ignore-signal=HUP"],
        &["--ignore-signal=INT", "--ignore-signal=QUIT"],
        &["--ignore-signal=ALRM", "--block-signal=ALRM"],
        &["--ignore-signal=PIPE"],
        &["--ignore-signal"],
    ] {
        let mut expected = signals(under_env(options, &directly));
        let found = signals(under_env(options, &run(&sandbox, &keys, &show)));
        // See `become_command`.
        *expected.get_mut("SigIgn").unwrap() &= !PIPE;
        assert_eq!(found, expected, "{options:?}");
        assert_eq!(found.len(), 2);
        compared += 1;
    }
    assert_eq!(compared, 9);
}

#[test]
fn blocked_and_ignored_signals_do_not_hang_the_command() {
    if !has_signals_in_env() {
        return;
    }
    let (sandbox, keys) = stored();
    for options in [&["--block-signal=CHLD"][..], &["--block-signal=TERM"], &["--block-signal"]] {
        let command = under_env(options, &run(&sandbox, &keys, &["sh", "-c", "exit 42"]));
        let child = { command }.spawn().unwrap();
        assert_eq!(end_of(child).expect("it hangs").code(), Some(42), "{options:?}");
    }
    // As `nohup` does.
    let ready = sandbox.path("ready");
    let script = format!("touch {}; sleep 0.3; exit 42", ready.display());
    let command =
        under_env(&["--ignore-signal=HUP"], &run(&sandbox, &keys, &["sh", "-c", &script]));
    let child = { command }.spawn().unwrap();
    wait_for(&ready);
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    assert_eq!(end_of(child).unwrap().code(), Some(42));
}

#[test]
fn a_broken_pipe_ends_a_command_that_writes_without_end() {
    let (sandbox, keys) = stored();
    let script = "yes | head -n 1";
    let command = run(&sandbox, &keys, &["sh", "-c", script]);
    assert_eq!(sandbox.finish(command, b"").expect_code(0).stdout, "y\n");
    // The reader is gone before the command writes.
    let mut child = run(&sandbox, &keys, &["yes"]).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(end_of(child).expect("it goes on").signal(), Some(Signal::PIPE.as_raw()));
}

/// Waits until the limit of a process on the size of a core dump is such, and returns whether it is.
#[cfg(target_os = "linux")]
fn becomes(child: &Child, is_such: impl Fn(&str) -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        if is_such(core.split_whitespace().nth(4).unwrap()) {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

#[cfg(target_os = "linux")]
#[test]
fn no_core_is_dumped_while_there_are_secrets() {
    let (sandbox, keys) = stored();
    let put = sandbox.command(Some(&keys), &["put", "--tenant", "beta", "--provider", "openai"]);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -c \"$(ulimit -H -c)\"; read go; exec \"$0\" \"$@\""]);
    command
        .arg(put.get_program())
        .args(put.get_args())
        .env("SEALWAX_KEYS", &keys.0)
        .env("SEALWAX_AUDIT_KEY", audit_key());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let has_limit = becomes(&child, |limit| limit != "0");
    child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    // The program waits for the credential.
    let has_none = becomes(&child, |limit| limit == "0");
    child.kill().unwrap();
    child.wait().unwrap();
    if !has_limit {
        println!("skipped: this machine allows no core dumps");
    }
    assert!(has_none, "a core dump would hold the keyring");
}

#[test]
fn the_command_may_dump_core_as_before() {
    let (sandbox, keys) = stored();
    let mut compared = 0;
    for limit in ["0", "100", "unlimited"] {
        let script = format!("ulimit -S -c {limit} && exec \"$0\" \"$@\"");
        let show = run(&sandbox, &keys, &["sh", "-c", "ulimit -S -c"]);
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(show.get_program()).args(show.get_args());
        command
            .env("SEALWAX_KEYS", &keys.0)
            .env("SEALWAX_AUDIT_KEY", audit_key())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let ran = crate::sandbox::searched(command.output().unwrap());
        // The maximum may be lower.
        if ran.stderr.contains("ulimit") {
            println!("skipped: no core of {limit} on this machine");
            continue;
        }
        assert_eq!(ran.expect_code(0).stdout.trim(), limit);
        compared += 1;
    }
    assert!(compared >= 1);
}

#[cfg(target_os = "linux")]
#[test]
fn the_command_inherits_no_file_with_the_keyring() {
    let (sandbox, keys) = stored();
    let file = sandbox.path("keys.txt");
    fs::write(&file, &keys.0).unwrap();
    let touched = sandbox.path("touched");
    let shell = |script: &str| {
        let run = run(&sandbox, &keys, &["touch", touched.to_str().unwrap()]);
        let mut command = Command::new("bash");
        command.args(["-c", script]).arg(run.get_program()).args(run.get_args());
        command.current_dir(sandbox.directory.path()).env_remove("SEALWAX_KEYS");
        command.env("SEALWAX_AUDIT_KEY", audit_key());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        sandbox.finish(command, b"")
    };
    let run = "\"$0\" --keys-file";
    let mut refused = 0;
    for redirected in [
        "/dev/fd/3 \"$@\" 3< keys.txt",
        "/proc/self/fd/3 \"$@\" 3< keys.txt",
        "/dev/stdin \"$@\" < keys.txt",
        "keys.txt \"$@\" 9< keys.txt",
        "/dev/fd/3 \"$@\" 3<> keys.txt",
    ] {
        shell(&format!("{run} {redirected}"))
            .expect_code(3)
            .expect_in_stderr("the command would inherit the open file with the keyring")
            .expect_in_stderr("--keys-file <(pass keyring)");
        assert!(!touched.exists());
        refused += 1;
    }
    assert_eq!(refused, 5);
    fs::write(sandbox.path("audit.txt"), audit_key()).unwrap();
    let audit = "SEALWAX_AUDIT_KEY= \"$0\" --keys-file keys.txt --audit-key-file";
    for redirected in ["/dev/fd/3 \"$@\" 3< audit.txt", "audit.txt \"$@\" 9< audit.txt"] {
        shell(&format!("{audit} {redirected}"))
            .expect_code(3)
            .expect_in_stderr("the command would inherit the open file with the audit key");
        assert!(!touched.exists());
    }
    shell(&format!("{audit} <(cat audit.txt) \"$@\"")).expect_code(0);
    fs::remove_file(&touched).unwrap();
    // What was read from a pipe is gone.
    for passed in ["<(cat keys.txt) \"$@\"", "keys.txt \"$@\""] {
        shell(&format!("{run} {passed}")).expect_code(0);
        assert!(touched.exists());
        fs::remove_file(&touched).unwrap();
    }
    shell(&format!("cat keys.txt | {run} /dev/stdin \"$@\"")).expect_code(0);
}

#[cfg(target_os = "linux")]
#[test]
fn the_command_inherits_no_file_of_the_vault() {
    let (sandbox, keys) = stored();
    let command = run(&sandbox, &keys, &["sh", "-c", "ls -l /proc/self/fd"]);
    let ran = sandbox.finish(command, b"").expect_code(0);
    assert!(ran.stdout.contains("-> pipe:"));
    assert!(!ran.stdout.contains("vault.db"), "an open file of the vault");
}
