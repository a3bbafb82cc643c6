//! No message repeats an argument that may be a key, wherever it was given.

use std::ffi::{OsStr, OsString};
use std::fs;

use byok_vault::cli::Cli;
use clap::{Arg, Command, CommandFactory};
use sealwax::MasterKey;

use crate::sandbox::{CANARY, Keys, Sandbox, audit_key};

/// Returns a good value for an argument that a command needs.
fn good(argument: &Arg) -> &'static str {
    match argument.get_id().as_str() {
        "tenant" => "acme",
        "provider" => "openai",
        "id" | "leaked" => "prod-1",
        "layout" => "langfuse",
        "key_env" => "OLD_KEY",
        "file" => "rows.jsonl",
        "command" => "true",
        "trim" => "",
        other => {
            assert_eq!(other, "", "add a good value for this argument");
            ""
        }
    }
}

/// Returns an argument and its value, the way it is written on the command line.
fn written(argument: &Arg, value: &OsStr, joined: bool) -> Vec<OsString> {
    match argument.get_long() {
        Some(long) if !argument.get_action().takes_values() && value.is_empty() => {
            vec![format!("--{long}").into()]
        }
        Some(long) if joined || !argument.get_action().takes_values() => {
            let mut text = OsString::from(format!("--{long}="));
            text.push(value);
            vec![text]
        }
        Some(long) => vec![format!("--{long}").into(), value.to_owned()],
        None if argument.is_last_set() => vec!["--".into(), value.to_owned()],
        None => vec![value.to_owned()],
    }
}

/// Returns whether `import` needs an argument that is not needed with `--explain`.
fn is_required(command: &Command, argument: &Arg, place: Option<&Arg>) -> bool {
    let is_of_the_form =
        |place: &Arg| matches!(place.get_id().as_str(), "layout" | "cells" | "explain");
    match argument.get_id().as_str() {
        "layout" => command.get_name() == "import" && !place.is_some_and(is_of_the_form),
        "key_env" | "file" => command.get_name() == "import",
        _ => false,
    }
}

/// Returns a command line of `command` with `value` in one place, and good values in the others.
fn line(command: &Command, place: Option<&Arg>, value: &OsStr, joined: bool) -> Vec<OsString> {
    let mut line = vec![OsString::from(command.get_name())];
    let (last, others): (Vec<_>, Vec<_>) =
        command.get_arguments().partition(|argument| argument.is_last_set());
    for argument in others.into_iter().chain(last) {
        if place.is_some_and(|place| place.get_id() == argument.get_id()) {
            line.extend(written(argument, value, joined));
        } else if argument.is_required_set() || is_required(command, argument, place) {
            line.extend(written(argument, OsStr::new(good(argument)), false));
        }
    }
    // Otherwise, it prints the new key.
    if command.get_name() == "keygen" && place.is_none_or(|place| place.get_id() != "out") {
        line.extend(["--out".into(), "new.txt".into()]);
    }
    if let Some(global) = place.filter(|place| place.is_global_set()) {
        let at = 1;
        line.splice(at..at, written(global, value, joined));
    }
    line
}

/// Returns every command line with `value` where an argument could be, and the name of the place.
fn lines(value: &OsStr) -> Vec<(String, Vec<OsString>)> {
    let program = Cli::command();
    let mut lines = Vec::new();
    let with = |begin: &str| {
        let mut text = OsString::from(begin);
        text.push(value);
        text
    };
    for begin in ["", "--", "-", "--db="] {
        lines.push((format!("{begin}VALUE"), vec![with(begin), "list".into()]));
    }
    lines.push(("help VALUE".to_owned(), vec!["help".into(), value.to_owned()]));
    for command in program.get_subcommands() {
        let globals = program.get_arguments().filter(|argument| argument.is_global_set());
        for place in command.get_arguments().chain(globals) {
            if matches!(place.get_id().as_str(), "help" | "version") {
                continue;
            }
            for joined in [false, true] {
                let name = format!("{} {}", command.get_name(), place.get_id());
                lines.push((name, line(command, Some(place), value, joined)));
            }
        }
        for stray in ["", "--", "-", "--no-such-option="] {
            let mut line = line(command, None, value, false);
            line.insert(1, with(stray));
            lines.push((format!("{} stray {stray}", command.get_name()), line));
        }
    }
    lines
}

#[track_caller]
fn run(value: &OsStr, is_skipped: impl Fn(&str) -> bool) -> usize {
    let keys = Keys::primary("k");
    let mut ran = 0;
    for (place, line) in lines(value) {
        if is_skipped(&place) {
            continue;
        }
        let sandbox = Sandbox::new();
        fs::write(sandbox.path("rows.jsonl"), "{}\n").unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_byok-vault"));
        command.args(&line).current_dir(sandbox.directory.path());
        command
            .env("SEALWAX_KEYS", &keys.0)
            .env("SEALWAX_AUDIT_KEY", audit_key())
            .env("OLD_KEY", "0f".repeat(32));
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        println!("{place}");
        let output = sandbox.finish(command, b"a-credential");
        let value = value.to_string_lossy();
        let shown = format!("{}{}", output.stdout, output.stderr);
        for part in [value.get(value.len() - 24..value.len() - 4).unwrap(), value.trim()] {
            assert!(!shown.contains(part), "{place} shows it, with exit code {}", output.code);
        }
        for entry in fs::read_dir(sandbox.directory.path()).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().to_lowercase();
            let has_it = ["swk1_", "swa1_"].iter().any(|begin| name.contains(begin));
            assert!(!has_it, "{place} makes a file with its name");
        }
        ran += 1;
    }
    ran
}

#[test]
fn a_master_key_is_never_repeated() {
    let key = MasterKey::generate().unwrap().to_text();
    let key = key.expose_str().unwrap();
    let audit_key = audit_key().trim().rsplit(' ').next().unwrap();
    for text in [
        key.to_owned(),
        format!("primary k {key}\n"),
        key.to_uppercase(),
        audit_key.to_owned(),
        audit_key.to_uppercase(),
    ] {
        assert!(run(OsStr::new(&text), |_| false) > 80);
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_is_not_utf_8_is_never_repeated() {
    use std::os::unix::ffi::OsStringExt;
    let key = MasterKey::generate().unwrap().to_text();
    let bytes = [key.expose_secret(), b"\xff--------"].concat();
    assert!(run(&OsString::from_vec(bytes), |_| false) > 80);
}

/// A credential cannot be distinguished from the name of a customer, a key or a file that is created.
#[test]
fn a_credential_is_not_repeated_where_no_name_is_expected() {
    let names = [
        " tenant",
        " provider",
        " label",
        "keygen id",
        "keygen out",
        "import quarantine",
        "backup file",
    ];
    let is_a_name = |place: &str| names.iter().any(|name| place.ends_with(name));
    let credential = format!("{CANARY}-0123456789abcdef0123456789abcdef");
    assert!(run(OsStr::new(&credential), is_a_name) > 60);
}
