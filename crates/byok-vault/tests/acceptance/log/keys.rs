//! The keys of the log: what needs them, how they are written, and how one hands over to another.

use std::fs;
use std::process::Command;

use super::{audited, entries, lines, with};
use crate::import::{export, lobechat};
use crate::sandbox::{Change, Keys, Sandbox, audit_key, new_audit_key};

const RUN: [&str; 5] = ["run", "--tenant", "tenant-1", "--provider", "openai"];
const VERIFY: [&str; 2] = ["log", "--verify"];

#[test]
fn without_an_audit_key_nothing_is_opened() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 3);
    let touched = sandbox.path("touched");
    let run = [&RUN[..], &["--", "touch", touched.to_str().unwrap()]].concat();
    let file = export(&sandbox, [lobechat().line(1)]);
    let import = ["import", "--key-env", "OLD_KEY", "--layout", "lobechat", &file];
    let bytes = fs::read(sandbox.db()).unwrap();
    let mut refused = 0;
    for arguments in [
        &run[..],
        &["audit"],
        &["census", "--verify"],
        &["census", "--retire", "old", "--verify"],
        &["repair", "--trim"],
        &["repair", "--trim", "--dry-run"],
        &["reseal", "old"],
        &["reseal", "old", "--dry-run"],
        &["rotate"],
        &import,
        &VERIFY,
        &["log", "--verify", "--anchors"],
        &["log", "--hand-over"],
    ] {
        with(&sandbox, &keys.both, None, arguments)
            .expect_code(3)
            .expect_in_stderr("no audit key: neither --audit-key-file nor SEALWAX_AUDIT_KEY is set")
            .expect_in_stderr("byok-vault keygen --audit");
        refused += 1;
    }
    assert_eq!(refused, 13);
    assert!(!touched.exists());
    assert!(fs::read(sandbox.db()).unwrap() == bytes);
    assert_eq!(lines(&sandbox), [""; 0]);
    for arguments in [&["list"][..], &["census"], &["rotate", "--dry-run"], &["log"]] {
        with(&sandbox, &keys.both, None, arguments).expect_code(0);
    }
}

#[test]
fn an_audit_key_that_is_none_is_refused_and_not_shown() {
    let (sandbox, keys) = audited();
    let (line, other) = (audit_key().trim().to_owned(), new_audit_key("primary", "log-2"));
    let key = line.rsplit(' ').next().unwrap();
    let mut refused = 0;
    for (text, says) in [
        (String::new(), "no primary"),
        (key.to_owned(), "as the first word"),
        (format!("log-1 {key}"), "as the first word"),
        (format!("disabled log-1 {key}"), "found disabled"),
        (line.replace("primary", "retired"), "no primary"),
        (format!("{line}\n{other}"), "more than one primary"),
        (format!("{line}\nretired log-0 {key}"), "the same key"),
        (line.get(..line.len() - 1).unwrap().to_owned(), "invalid key"),
        (format!("{line}x"), "invalid key"),
        // The keyring and the audit key were exchanged.
        (keys.0.clone(), "of another kind: expected one that starts with swa1_"),
        (line.encode_utf16().flat_map(u16::to_le_bytes).map(char::from).collect(), "UTF-16"),
    ] {
        let file = sandbox.path("audit.txt");
        fs::write(&file, text.chars().map(|c| u8::try_from(c).unwrap()).collect::<Vec<_>>())
            .unwrap();
        let audit_file = ["--audit-key-file", file.to_str().unwrap()];
        for command in [&["audit"][..], &VERIFY] {
            with(&sandbox, &keys, None, &[command, &audit_file].concat())
                .expect_code(3)
                .expect_in_stderr("the audit key from --audit-key-file")
                .expect_in_stderr(says);
        }
        if says != "UTF-16" {
            with(&sandbox, &keys, Some(&text), &["audit"])
                .expect_code(3)
                .expect_in_stderr("the audit key from SEALWAX_AUDIT_KEY is invalid")
                .expect_in_stderr("write `primary ID swa1_...` on one line");
        }
        refused += 1;
    }
    assert_eq!(refused, 11);
    assert_eq!(entries(&sandbox).len(), 6);
    let missing = ["audit", "--audit-key-file", "/nonexistent/audit.txt"];
    with(&sandbox, &keys, Some(audit_key()), &missing)
        .expect_code(3)
        .expect_in_stderr("cannot read the audit key from --audit-key-file: No such file");
    // As a keyring, an audit key is refused as well.
    sandbox.vault(&Keys(line), &["list"]).expect_code(3);
}

#[test]
fn keygen_makes_an_audit_key() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, 1);
    let file = sandbox.path("audit.txt");
    let path = file.to_str().unwrap();
    sandbox
        .without_keys(&["keygen", "--audit", "log-2026", "--out", path])
        .expect_code(0)
        .expect_in_stdout("wrote key log-2026 to ")
        .expect_in_stdout("as `retired`");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("primary log-2026 swa1_") && text.ends_with('\n'));
    sandbox.without_keys(&["keygen", "--audit", "log-2026", "--out", path]).expect_code(5);
    let audit_file = ["audit", "--audit-key-file", path];
    with(&sandbox, &keys, None, &audit_file).expect_code(0);
    assert_eq!(entries(&sandbox)[0].audit_key.as_ref(), "log-2026");
    // It is on standard output without --out, where the check for secrets finds it.
    let mut command = Command::new(env!("CARGO_BIN_EXE_byok-vault"));
    let output = command.args(["keygen", "--audit", "log-2027"]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("primary log-2027 swa1_"));
    let id = text.trim().rsplit(' ').next().unwrap();
    assert_ne!(sandbox.without_keys(&["keygen", "--audit", id]).code, 0);
}

#[test]
fn a_new_audit_key_is_no_step_of_another() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("audit.txt");
    let keygen =
        |id| sandbox.without_keys(&["keygen", "--audit", id, "--out", file.to_str().unwrap()]);
    for (id, other) in [("x@3", "x-3"), ("a@b@2026", "a@b-2026"), ("x@0", "x-0"), ("x@03", "x-03")]
    {
        keygen(id).expect_code(2).expect_in_stderr(&format!("name the new key {other}\n"));
    }
    assert!(!file.exists());
    keygen("x@").expect_code(0);
    fs::remove_file(&file).unwrap();
    keygen("x@b3").expect_code(0);
    // A master key has no steps.
    let master = sandbox.path("keys.txt");
    sandbox.without_keys(&["keygen", "x@3", "--out", master.to_str().unwrap()]).expect_code(0);
}

#[test]
fn a_key_of_the_log_is_warned_about_and_is_in_no_command() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, 2);
    let script = "test -z \"${SEALWAX_AUDIT_KEY+x}\" && test -z \"${SEALWAX_KEYS+x}\"";
    let run = [&RUN[..], &["--", "sh", "-c", script]].concat();
    sandbox.vault(&keys, &run).expect_code(0);
    let file = sandbox.path("audit.txt");
    fs::write(&file, audit_key()).unwrap();
    let from_file = ["--audit-key-file", file.to_str().unwrap()];
    sandbox.vault(&keys, &[&from_file, &run[..]].concat()).expect_code(0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for (mode, warned) in [(0o600, 0), (0o640, 1)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            fs::set_permissions(sandbox.db(), fs::Permissions::from_mode(0o600)).unwrap();
            let ran = sandbox.vault(&keys, &[&["audit"], &from_file[..]].concat()).expect_code(0);
            let warning = "other users may read or change the file of --audit-key-file";
            assert_eq!(ran.stderr.matches(warning).count(), warned);
        }
    }
    for name in ["SEALWAX_AUDIT_KEY", "SEALWAX_KEYS"] {
        let run = [&RUN[..], &["--env", name, "--", "true"]].concat();
        sandbox.vault(&keys, &run).expect_code(2);
    }
}
