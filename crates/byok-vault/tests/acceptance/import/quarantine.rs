//! The quarantine file, and where it is written.

use std::fs;
use std::process::Command;

use sealwax::triplet::{IvLen, Layout};
use serde_json::{Value, json};

use super::{
    BASE64_KEY, OTHER_HEX_KEY, Old, export, files, key, langfuse, lobechat, new, quarantine_of,
    quarantined, reasons, text, write,
};
use crate::sandbox::{CANARY, audit_key};

#[test]
fn rows_of_two_keys_come_in_by_way_of_the_quarantine() {
    let (sandbox, keys) = new();
    let first = langfuse();
    let second = Old::new(&["langfuse"], OTHER_HEX_KEY, |secret| {
        text(&key(OTHER_HEX_KEY), Layout::HEX_IV12_CIPHERTEXT_TAG, IvLen::Twelve, secret)
    });
    let lines = (0..12).map(|n| if n % 3 == 0 { &second } else { &first }.line(n));
    let file = export(&sandbox, lines);
    first
        .import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("8 rows imported, 0 rows already imported")
        .expect_in_stdout("4 rows quarantined: not authentic")
        .expect_in_stdout("id 3 (tenant tenant-3, provider openai)")
        .expect_in_stdout("import the quarantine file with that key");
    let quarantine = quarantine_of(&file);
    assert!(!fs::read_to_string(&quarantine).unwrap().contains(CANARY));
    let ran = second.import(&sandbox, &keys, &[quarantine.to_str().unwrap()]).expect_code(0);
    assert!(ran.stdout.starts_with("4 rows imported, 0 rows already imported, "));
    assert_eq!(sandbox.assert_rows_open(&keys), 12);
    assert!(!quarantine_of(quarantine.to_str().unwrap()).exists());
    assert_eq!(quarantined(&quarantine).len(), 4, "the imported file is left unchanged");
}

#[test]
fn a_corrected_quarantine_is_imported() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let mut nameless: Value = serde_json::from_str(&old.line(0)).unwrap();
    nameless["tenant"] = json!("");
    let truncated = old.line(1).replacen('}', "", 1);
    let file = export(&sandbox, [nameless.to_string(), truncated]);
    old.import(&sandbox, &keys, &[&file]).expect_code(14).expect_in_stdout("0 rows imported");
    let mut lines = quarantined(quarantine_of(&file));
    lines[0]["row"]["tenant"] = json!("tenant-0");
    // Correct it inside the JSON string, with line endings in it.
    lines[1]["row"] = json!(lines[1]["row"].as_str().unwrap().replace(",\"", ",\n\"") + "}");
    let corrected = format!("{}\n{}\n", lines[0], lines[1]);
    fs::write(quarantine_of(&file), &corrected).unwrap();
    let corrected = quarantine_of(&file);
    let corrected = corrected.to_str().unwrap();
    // Use the wrong key first: the line endings must not break the next quarantine file.
    let stranger = Old { key: "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ..lobechat() };
    stranger.import(&sandbox, &keys, &[corrected]).expect_code(14);
    let again = quarantine_of(corrected);
    assert_eq!(quarantined(&again).len(), 2);
    old.import(&sandbox, &keys, &[again.to_str().unwrap()])
        .expect_code(0)
        .expect_in_stdout("2 rows imported");
    assert_eq!(sandbox.assert_rows_open(&keys), 2);
    old.import(&sandbox, &keys, &[corrected])
        .expect_code(0)
        .expect_in_stdout("0 rows imported, 2 rows already imported");
}

#[test]
fn nothing_is_ever_replaced() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let stranger = Old { key: "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ..lobechat() };
    let file = export(&sandbox, [old.line(0), "{}".to_owned()]);
    let place = sandbox.path("q.jsonl");
    let arguments = [file.as_str(), "--quarantine", place.to_str().unwrap()];
    old.import(&sandbox, &keys, &arguments).expect_code(14).expect_in_stdout("q.jsonl\n");
    let first = fs::read(&place).unwrap();
    // Another key quarantines other rows, so the new file gets a number.
    stranger
        .import(&sandbox, &keys, &arguments)
        .expect_code(14)
        .expect_in_stdout("q.2.jsonl: a new name, because no file is ever replaced");
    let second = fs::read(sandbox.path("q.2.jsonl")).unwrap();
    assert_ne!(first, second);
    // Repeat both, in either order: the existing files have the same content.
    let before = files(&sandbox);
    for (program, name) in [(&stranger, "q.2.jsonl"), (&old, "q.jsonl")] {
        program
            .import(&sandbox, &keys, &arguments)
            .expect_code(14)
            .expect_in_stdout(&format!("{name}: unchanged"));
        assert_eq!(files(&sandbox), before);
    }
    assert_eq!(fs::read(&place).unwrap(), first);
    assert_eq!(fs::read(sandbox.path("q.2.jsonl")).unwrap(), second);

    // With nothing to quarantine, the existing file stays, and the report says so.
    let good = write(&sandbox, "good.jsonl", old.line(0).as_bytes());
    old.import(&sandbox, &keys, &[&good, "--quarantine", place.to_str().unwrap()])
        .expect_code(0)
        .expect_in_stdout("q.jsonl already existed and was left unchanged");
    assert_eq!(fs::read(&place).unwrap(), first);
}

#[test]
fn whatever_has_the_name_is_left_alone() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let file = export(&sandbox, [old.line(0), "{}".to_owned()]);
    let place = sandbox.path("taken");
    let arguments = [file.as_str(), "--quarantine", place.to_str().unwrap()];
    for other in ["", "primary k swk1_...\n", "{\"quarantined\":{},\"row\":{}}\n", "\0"] {
        fs::write(&place, other).unwrap();
        old.import(&sandbox, &keys, &arguments).expect_code(14).expect_in_stdout("taken.2: ");
        assert_eq!(fs::read_to_string(&place).unwrap(), other);
    }
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    old.import(&sandbox, &keys, &arguments).expect_code(14).expect_in_stdout("taken.2: unchanged");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::remove_dir(&place).unwrap();
        // A dangling link, and a pipe without a writer.
        std::os::unix::fs::symlink("nowhere", &place).unwrap();
        old.import(&sandbox, &keys, &arguments).expect_code(14).expect_in_stdout("taken.2: ");
        fs::remove_file(&place).unwrap();
        assert!(Command::new("mkfifo").arg(&place).status().unwrap().success());
        old.import(&sandbox, &keys, &arguments).expect_code(14).expect_in_stdout("taken.2: ");
        assert!(!sandbox.path("nowhere").exists());
        let mode = fs::metadata(sandbox.path("taken.2")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_line_with_a_reason_has_one_row_and_nothing_else() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let (one, other) = (old.line(1), old.line(2));
    let reason = "\"quarantined\":{\"line\":1}";
    let beside = |object: &str| object.replacen('{', &format!("{{{reason},"), 1);
    let bad = [
        format!("{{{reason},\"row\":{one},\"row\":{other}}}"),
        format!("{{{reason},\"row\":{one},\"row_hex\":\"7b7d\"}}"),
        format!("{{{reason},\"row\":{one},\"id\":1}}"),
        format!("{{{reason},{reason},\"row\":{one}}}"),
        format!("{{\"quarantined\":true,\"row\":{one}}}"),
        format!("{{{reason}}}"),
        format!("{{{reason},\"row_hex\":\"7\"}}"),
        format!("{{{reason},\"row_hex\":null}}"),
        beside(&one),
        one.replacen('{', "{\"quarantined\":null,", 1),
        // A row in quarantine inside a row in quarantine.
        format!("{{{reason},\"row\":{{{reason},\"row\":{one}}}}}"),
    ];
    let good = format!("{{\"row\":{},{reason}}}", old.line(0));
    let file = export(&sandbox, bad.iter().chain([&good]));
    old.import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("1 row imported, 0 rows already imported, 11 rows quarantined")
        .expect_in_stdout("quarantined: expected exactly one row and no other members");
    let expected: Vec<_> = (1..=11).map(|n| (n, "field".to_owned())).collect();
    assert_eq!(reasons(quarantine_of(&file)), expected);
    let text = fs::read_to_string(quarantine_of(&file)).unwrap();
    for (line, bad) in text.lines().zip(bad.iter().take(10)) {
        assert!(line.ends_with(&format!(",\"row\":{bad}}}")), "{line}");
    }
    // Nor are these rows imported from their own quarantine file.
    old.import(&sandbox, &keys, &[quarantine_of(&file).to_str().unwrap()])
        .expect_code(14)
        .expect_in_stdout("0 rows imported, 0 rows already imported, 11 rows quarantined");
    assert_eq!(sandbox.assert_rows_open(&keys), 1);
}

#[test]
fn the_quarantine_is_never_what_is_imported_nor_the_vault() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let file = export(&sandbox, [old.line(0), "{}".to_owned()]);
    let before = fs::read(&file).unwrap();
    let directory = sandbox.directory.path().to_str().unwrap();
    fs::create_dir(sandbox.path("sub")).unwrap();
    let mut same = vec![
        file.clone(),
        format!("{directory}/./export.jsonl"),
        format!("{directory}/sub/../export.jsonl"),
        format!("{directory}/sub/../vault.db"),
        format!("{directory}/vault.db-wal"),
        format!("{directory}/vault.db-shm"),
        format!("{directory}/sub/../vault.db-journal"),
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&file, sandbox.path("link.jsonl")).unwrap();
        same.push(format!("{directory}/link.jsonl"));
    }
    for place in &same {
        for more in [&[][..], &["--dry-run"]] {
            let arguments = [file.as_str(), "--quarantine", place];
            old.import(&sandbox, &keys, &[&arguments[..], more].concat())
                .expect_code(2)
                .expect_in_stderr("choose another name, with --quarantine");
        }
        assert!(fs::read(&file).unwrap() == before);
    }
    // This is checked before anything is read, even if there is nothing to read.
    let missing = format!("{directory}/missing.jsonl");
    let arguments = [missing.as_str(), "--quarantine", &missing];
    old.import(&sandbox, &keys, &arguments).expect_code(2);
    assert!(!sandbox.db().exists());

    // The same with relative paths.
    let mut command = old.command(&sandbox, &keys, &["export.jsonl", "--quarantine", &file]);
    command.current_dir(directory);
    sandbox.finish(command, b"").expect_code(2);
    let mut command = old.command(&sandbox, &keys, &["export.jsonl"]);
    command.current_dir(directory);
    sandbox.finish(command, b"").expect_code(14).expect_in_stdout(" export.jsonl.quarantine.jsonl");
    assert_eq!(reasons(quarantine_of(&file)), [(2, "field".to_owned())]);
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_written_is_7_and_nothing_has_happened() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    let (sandbox, keys) = new();
    let old = lobechat();
    let shut = sandbox.path("shut");
    fs::create_dir(&shut).unwrap();
    let file = write(&sandbox, "shut/export.jsonl", format!("{}\n{{}}\n", old.line(0)).as_bytes());
    // The superuser may write anyway, so the program must not run as the superuser.
    let program = sandbox.path("byok-vault");
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_byok-vault")).arg(&program);
    assert!(copy.status().unwrap().success());
    let root = fs::metadata(&program).unwrap().uid() == 0;
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(sandbox.directory.path(), fs::Permissions::from_mode(0o777)).unwrap();

    let import = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        let options = ["import", "--layout", "lobechat", "--key-env", "OLD_KEY"];
        command.arg("--db").arg(sandbox.db()).args(options).args(arguments);
        command
            .env("SEALWAX_KEYS", &keys.0)
            .env("SEALWAX_AUDIT_KEY", audit_key())
            .env("OLD_KEY", BASE64_KEY);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        if root {
            command.uid(65_534).gid(65_534);
        }
        sandbox.finish(command, b"")
    };
    import(&[&file]).expect_code(7).expect_in_stderr("creating the quarantine file");
    assert!(!sandbox.db().exists(), "rows were imported before the quarantine file was certain");
    // A dry run does not need the directory, and another path works.
    import(&[&file, "--dry-run"]).expect_code(14);
    let place = sandbox.path("q.jsonl");
    import(&[&file, "--quarantine", place.to_str().unwrap()]).expect_code(14);
    assert_eq!(reasons(place), [(2, "field".to_owned())]);
    // A file that cannot be read.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    import(&[&file, "--dry-run"]).expect_code(7).expect_in_stderr("reading");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o755)).unwrap();
}
