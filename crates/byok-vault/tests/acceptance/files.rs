//! What `--db` and `--keys-file` may name, and what is done about a file that somebody else can read or
//! has changed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use rusqlite::Connection;

use crate::import::{export, lobechat};
use crate::sandbox::{Change, Keys, Ran, Sandbox, audit_key, credential};

const PUT: [&str; 5] = ["put", "--tenant", "acme", "--provider", "openai"];

/// Runs the program on another path than the sandbox's vault, in the sandbox's directory.
fn on(sandbox: &Sandbox, keys: &Keys, db: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_byok-vault"));
    command
        .arg("--db")
        .arg(db)
        .args(arguments)
        .env("SEALWAX_KEYS", &keys.0)
        .env("SEALWAX_AUDIT_KEY", audit_key());
    command.current_dir(sandbox.directory.path());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    sandbox.finish(command, b"sk-canary")
}

#[test]
fn what_sqlite_would_not_keep_in_a_file_is_refused() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let mut refused = 0;
    for name in [":memory:", ":other:", "file:x.db", "file:x.db?mode=memory", "file::memory:", ""] {
        for arguments in [&PUT[..], &["list"], &["rotate"], &["backup", "b.db"]] {
            let ran = on(&sandbox, &keys, name, arguments).expect_code(2);
            assert!(!ran.stdout.contains("stored"), "{name:?}");
            refused += 1;
        }
    }
    assert_eq!(refused, 24);
    assert_eq!(fs::read_dir(sandbox.directory.path()).unwrap().count(), 0);
    // As files, they are names like others.
    for name in ["./:memory:", "./file:x.db", "a b?mode=memory#.db", "%61.db"] {
        on(&sandbox, &keys, name, &PUT).expect_code(0);
        assert!(sandbox.path(name).is_file(), "{name}");
    }
}

#[test]
fn what_is_not_a_file_is_reported_as_that() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let pipe = sandbox.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [sandbox.directory.path().to_str().unwrap(), pipe.to_str().unwrap(), "/dev/null"] {
        for arguments in [&PUT[..], &["list"], &["census"]] {
            on(&sandbox, &keys, path, arguments)
                .expect_code(13)
                .expect_in_stderr("is not a file, so it is not a vault");
        }
    }
    // A path through a file.
    let ran = on(&sandbox, &keys, "/dev/null/vault.db", &["list"]).expect_code(7);
    ran.expect_in_stderr("looking for the vault");
}

#[test]
fn a_directory_that_may_not_be_read_is_reported_as_that() {
    use std::os::unix::fs::{MetadataExt, chown};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;

    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let is_root = fs::metadata(sandbox.directory.path()).unwrap().uid() == 0;
    let private = sandbox.path("private");
    fs::create_dir(&private).unwrap();
    // The superuser may read anyway, so the program must not run as the superuser.
    let program = sandbox.path("byok-vault");
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_byok-vault")).arg(&program);
    assert!(copy.status().unwrap().success());
    fs::set_permissions(sandbox.directory.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&private, Permissions::from_mode(0o000)).unwrap();
    for arguments in [&PUT[..], &["list"]] {
        let mut command = Command::new(&program);
        command.arg("--db").arg(private.join("vault.db")).args(arguments);
        command.env("SEALWAX_KEYS", &keys.0).env("SEALWAX_AUDIT_KEY", audit_key()).current_dir("/");
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        if is_root {
            chown(&private, Some(NOBODY), Some(NOBODY)).unwrap();
            command.uid(NOBODY).gid(NOBODY);
        }
        sandbox.finish(command, b"sk-canary").expect_code(7).expect_in_stderr(
            "looking for the vault at the path of --db failed: Permission denied",
        );
    }
    fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_database_with_something_that_is_not_ours_is_refused() {
    let mut refused = 0;
    for sql in [
        "CREATE TRIGGER t AFTER INSERT ON credentials BEGIN DELETE FROM credentials; END",
        "CREATE VIEW v AS SELECT * FROM credentials",
        "CREATE INDEX i ON credentials (created_at)",
        "CREATE TABLE theirs (x)",
        "ALTER TABLE credentials ADD COLUMN x TEXT",
        "ALTER TABLE credentials RENAME COLUMN revision TO version",
    ] {
        let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
        sandbox.fill(&keys, 2);
        Connection::open(sandbox.db()).unwrap().execute_batch(sql).unwrap();
        let backup = sandbox.path("backup.db");
        let backup = ["backup", backup.to_str().unwrap()];
        for arguments in [&["list"][..], &["rotate"], &["census"], &PUT, &backup] {
            sandbox
                .vault(&keys, arguments)
                .expect_code(13)
                .expect_in_stderr("tables, indexes, views or triggers that are not its own")
                .expect_in_stderr("log --verify");
            refused += 1;
        }
    }
    assert_eq!(refused, 30);

    // Statistics, which an administrator may make, are no reason.
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    sandbox.fill(&keys, 2);
    Connection::open(sandbox.db()).unwrap().execute_batch("ANALYZE; VACUUM").unwrap();
    sandbox.vault(&keys, &["rotate"]).expect_code(0);
    assert_eq!(sandbox.assert_rows_open(&keys), 2);
}

#[test]
fn a_quarantine_file_does_not_take_the_name_of_a_file_of_the_vault() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 1);
    let old = lobechat();
    let rows = export(&sandbox, [old.line(7)]);
    let directory = sandbox.path("elsewhere");
    fs::create_dir(&directory).unwrap();
    symlink(sandbox.db(), directory.join("link.db")).unwrap();
    symlink(&directory, sandbox.path("other")).unwrap();
    let import = ["import", "--layout", "lobechat", "--key-env", "OLD_KEY", &rows, "--quarantine"];
    let mut refused = 0;
    for db in ["vault.db", "elsewhere/link.db", "other/link.db"] {
        for end in ["", "-wal", "-shm", "-journal", ".untrusted.jsonl"] {
            for begin in ["vault.db", "elsewhere/../vault.db", db] {
                let quarantine = sandbox.path(&format!("{begin}{end}"));
                let arguments = [&import[..], &[quarantine.to_str().unwrap()]].concat();
                let mut command = Command::new(env!("CARGO_BIN_EXE_byok-vault"));
                command.arg("--db").arg(sandbox.path(db)).args(arguments);
                command
                    .env("SEALWAX_KEYS", &keys.before.0)
                    .env("SEALWAX_AUDIT_KEY", audit_key())
                    .env("OLD_KEY", old.key);
                command.stdout(std::process::Stdio::piped());
                command.stderr(std::process::Stdio::piped());
                sandbox.finish(command, b"").expect_code(2).expect_in_stderr("a file of the vault");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 45);
    assert_eq!(sandbox.assert_rows_open(&keys.before), 1);
}

#[test]
fn a_file_that_others_may_read_is_named_in_a_warning() {
    let (sandbox, keys) = (Sandbox::new(), Keys::primary("k"));
    let file = sandbox.path("keys.txt");
    fs::write(&file, &keys.0).unwrap();
    let keys_file = ["--keys-file", file.to_str().unwrap()];
    let list = [&["list"][..], &keys_file].concat();
    let run =
        [&keys_file[..], &["run", "--tenant", "tenant-0", "--provider", "openai", "--", "true"]]
            .concat();
    sandbox.fill(&keys, 1);
    let mut warned = 0;
    for (mode, is_shared) in
        [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o644, true), (0o602, true)]
    {
        for (path, warning) in [
            (&file, "warning: other users may read or change the file of --keys-file"),
            (&sandbox.db(), "warning: other users may read or change the vault"),
        ] {
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            fs::set_permissions(sandbox.db(), Permissions::from_mode(0o600)).unwrap();
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            let ran = sandbox.without_keys(&list).expect_code(0);
            assert_eq!(ran.stderr.contains(warning), is_shared, "{mode:o} {ran:?}");
            assert_eq!(ran.stderr.lines().count(), usize::from(is_shared));
            // What `run` writes to standard error is its command's alone.
            let ran = sandbox.without_keys(&run).expect_code(0);
            assert_eq!(ran.stderr, "", "{mode:o}");
            warned += u32::from(is_shared);
        }
    }
    assert_eq!(warned, 8);

    // A pipe is private, whatever its mode is.
    let mut command = Command::new("sh");
    command.args(["-c", "cat keys.txt | \"$0\" --keys-file /dev/stdin list"]);
    command.arg(env!("CARGO_BIN_EXE_byok-vault")).current_dir(sandbox.directory.path());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    fs::set_permissions(sandbox.db(), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(sandbox.finish(command, b"").expect_code(0).stderr, "");
}

/// Returns the directories that a command wrote to the disk, or `None` if there is no `strace`.
fn synced(command: &Command) -> Option<String> {
    let mut traced = Command::new("strace");
    traced.args(["-f", "-y", "-e", "trace=fsync"]).arg(command.get_program());
    traced.args(command.get_args());
    for (name, value) in command.get_envs() {
        traced.env(name, value?);
    }
    match traced.output() {
        Ok(output) if output.status.code() != Some(1) => {
            Some(String::from_utf8_lossy(&output.stderr).into_owned())
        }
        _ => {
            println!("skipped: no strace on this machine");
            None
        }
    }
}

#[test]
fn the_name_of_a_new_file_survives_a_power_cut() {
    let (sandbox, keys) = (Sandbox::new(), Change::new());
    sandbox.fill(&keys.before, 1);
    let rows = export(&sandbox, [credential(5)]);
    for name in ["keys", "quarantine", "backup"] {
        fs::create_dir(sandbox.path(name)).unwrap();
    }
    let path = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
    let (key, quarantine, backup) =
        (path("keys/keys.txt"), path("quarantine/rows.jsonl"), path("backup/vault.db"));
    let import = ["import", "--layout", "lobechat", "--key-env", "OLD_KEY", &rows, "--quarantine"];
    let mut checked = 0;
    for (directory, arguments) in [
        ("keys", vec!["keygen", "k", "--out", &key]),
        ("quarantine", [&import[..], &[&quarantine]].concat()),
        ("backup", vec!["backup", &backup]),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_byok-vault"));
        command.arg("--db").arg(sandbox.db()).args(arguments);
        command
            .env("SEALWAX_KEYS", &keys.before.0)
            .env("SEALWAX_AUDIT_KEY", audit_key())
            .env("OLD_KEY", lobechat().key);
        let Some(synced) = synced(&command) else { return };
        assert!(synced.contains(&format!("/{directory}>)")), "{directory} is not synced: {synced}");
        checked += 1;
    }
    assert_eq!(checked, 3);
}
