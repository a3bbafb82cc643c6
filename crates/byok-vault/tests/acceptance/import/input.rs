//! What `import` reads: files, pipes and lines.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use sealwax::triplet::Encoding;
use serde_json::{Value, json};

use super::{export, files, line, lobechat, new, quarantine_of, quarantined, reasons, write};
use crate::sandbox::{CANARY, credential, owner, searched};

#[test]
fn a_file_that_cannot_be_read_is_7() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let directory = sandbox.directory.path().to_str().unwrap();
    let place = sandbox.path("q.jsonl");
    // A path where nothing is may be a key.
    let missing = format!("{directory}/missing.jsonl");
    for (file, says) in [(missing.as_str(), "the file to import"), (directory, directory)] {
        let arguments = [file, "--quarantine", place.to_str().unwrap()];
        old.import(&sandbox, &keys, &arguments).expect_code(7).expect_in_stderr(says);
    }
    assert!(files(&sandbox).is_empty());
    // A file that is not a vault is reported before anything is written.
    fs::write(sandbox.db(), "this is no database at all, only a text file").unwrap();
    let file = export(&sandbox, [old.line(0)]);
    old.import(&sandbox, &keys, &[&file]).expect_code(13);
    old.import(&sandbox, &keys, &[&file, "--dry-run"]).expect_code(13);
    assert!(!quarantine_of(&file).exists());
}

#[test]
fn line_ends_blank_lines_and_a_byte_order_mark_are_taken() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let text = format!(
        "\u{feff}{}\r\n\r\n  \n {} \n\t\r\n[]\r\n{}",
        old.line(0),
        old.line(1),
        old.line(2)
    );
    let file = write(&sandbox, "export.jsonl", text.as_bytes());
    old.import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("3 rows imported, 0 rows already imported")
        .expect_in_stdout("    line 6: JSON, but not an object");
    assert_eq!(sandbox.assert_rows_open(&keys), 3);
    assert_eq!(quarantined(quarantine_of(&file))[0]["row"], json!("[]"));

    for empty in [&b""[..], b"\n\r\n \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"] {
        let (sandbox, keys) = new();
        let file = write(&sandbox, "export.jsonl", empty);
        for mode in [&[file.as_str()][..], &[&file, "--dry-run"]] {
            old.import(&sandbox, &keys, mode).expect_code(7).expect_in_stderr("is empty");
        }
        assert!(!sandbox.db().exists() && !quarantine_of(&file).exists());
    }
}

#[test]
fn what_is_no_text_is_kept_byte_for_byte() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let line = old.line(0).replace("tenant-0", "Zo@").into_bytes();
    let line: Vec<u8> = line.iter().map(|&byte| if byte == b'@' { 0xeb } else { byte }).collect();
    let file = write(&sandbox, "export.jsonl", &line);
    let says = "not UTF-8 after byte";
    old.import(&sandbox, &keys, &[&file]).expect_code(14).expect_in_stdout(says);
    let first = quarantine_of(&file);
    old.import(&sandbox, &keys, &[first.to_str().unwrap()]).expect_code(14).expect_in_stdout(says);
    assert!(!sandbox.db().exists(), "a tenant with another name was imported");
    let second = quarantined(quarantine_of(first.to_str().unwrap()));
    assert_eq!(second[0]["row_hex"], json!(Encoding::HexLower.encode(&line)));
}

#[test]
fn a_line_that_is_too_long_is_counted_and_not_copied() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let most = 32 * 1024 * 1024;
    let fill = |n: u64, length: usize| {
        let line = old.line(n);
        let padding = "x".repeat(length - line.len() - ",\"x\":\"\"".len());
        line.replacen('}', &format!(",\"x\":\"{padding}\"}}"), 1)
    };
    let too_long = format!("{CANARY}{}", "y".repeat(2 * most));
    let lines = [
        old.line(0),
        too_long,
        fill(1, most),
        fill(2, most + 1),
        // It can be read, but is too long with what a quarantine file adds to it.
        fill(3, most).replace("tenant-3", ""),
        old.line(4),
    ];
    let file = export(&sandbox, lines);
    old.import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("3 rows imported, 0 rows already imported")
        .expect_in_stdout("2 rows quarantined: too long")
        .expect_in_stdout("    line 2: longer than 32 MiB")
        .expect_in_stdout("    line 4: longer than 32 MiB")
        .expect_in_stdout("its content is not in the quarantine file");
    assert_eq!(sandbox.assert_rows_open(&keys), 3);
    let first = quarantine_of(&file);
    let text = fs::read_to_string(&first).unwrap();
    assert!(text.len() < 2_000 && !text.contains(CANARY));
    for (entry, (line, reason)) in
        quarantined(&first).iter().zip([(2, "too-long"), (4, "too-long"), (5, "name")])
    {
        assert_eq!(entry["quarantined"]["line"], json!(line));
        assert_eq!(entry["quarantined"]["reason"], json!(reason));
        assert_eq!(entry["row"], Value::Null);
        let where_it_is = format!("see line {line} of {file}");
        assert!(entry["quarantined"]["detail"].as_str().unwrap().contains(&where_it_is));
    }
    // When they are imported again, the lines still say where their rows are.
    old.import(&sandbox, &keys, &[first.to_str().unwrap()])
        .expect_code(14)
        .expect_in_stdout("3 rows quarantined: too long");
    assert_eq!(fs::read_to_string(quarantine_of(first.to_str().unwrap())).unwrap(), text);
}

#[test]
fn standard_input_is_read_and_needs_a_place_for_the_quarantine() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let stranger = line(json!(0), &owner(9), &old.row(&credential(9)));
    // The same id twice: input from a pipe is also checked as a whole.
    let text = [old.line(0), old.line(1), stranger, "{}".to_owned()].join("\n");
    sandbox
        .finish(old.command(&sandbox, &keys, &["-"]), text.as_bytes())
        .expect_code(2)
        .expect_in_stderr("--quarantine");
    let place = sandbox.path("q.jsonl");
    let arguments = ["-", "--quarantine", place.to_str().unwrap()];
    for (more, first_line) in [
        (&["--dry-run"][..], "1 row would be imported, 0 rows already imported"),
        (&[], "1 row imported, 0 rows already imported"),
        (&[], "0 rows imported, 1 row already imported"),
    ] {
        let command = old.command(&sandbox, &keys, &[&arguments[..], more].concat());
        sandbox.finish(command, text.as_bytes()).expect_code(14).expect_in_stdout(first_line);
    }
    let twice = "id-twice".to_owned();
    assert_eq!(reasons(place), [(1, twice.clone()), (3, twice), (4, "field".to_owned())]);
    assert_eq!(sandbox.assert_rows_open(&keys), 1);
}

#[cfg(unix)]
#[test]
fn a_pipe_with_a_name_is_read_like_a_file() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let pipe = sandbox.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let place = sandbox.path("q.jsonl");
    let arguments = [pipe.to_str().unwrap(), "--quarantine", place.to_str().unwrap()];
    let import = old.command(&sandbox, &keys, &arguments).spawn().unwrap();
    fs::write(&pipe, old.line(0)).unwrap();
    let ran = searched(import.wait_with_output().unwrap());
    ran.expect_code(0).expect_in_stdout("1 row imported");
}

#[test]
fn a_line_that_would_be_large_in_memory_is_passed_over_or_told() {
    let (sandbox, keys) = new();
    let old = lobechat();
    let size = 4 * 1024 * 1024;
    let with = |n: u64, more: &str| old.line(n).replacen('{', &format!("{{{more},"), 1);
    let deep = format!("\"z\":{}{}", "[".repeat(size / 2), "]".repeat(size / 2));
    let wide = format!("\"z\":[{}[]]", "[],".repeat(size / 3));
    let members = "\"z\":0,".repeat(1_000_000);
    let unasked = wide.replacen("\"z\"", "\"value\"", 1);
    let lines = [
        old.line(0),
        with(1, &deep),
        with(2, &wide),
        with(3, members.trim_end_matches(',')),
        "\u{1}".repeat(size),
        // With its escapes, it would be longer than a line may be.
        "\u{1}".repeat(2 * size),
        with(6, &unasked).replacen("\"value\":\"", "\"y\":\"", 1),
        old.line(7),
    ];
    let file = export(&sandbox, lines);
    let start = Instant::now();
    old.import(&sandbox, &keys, &[&file])
        .expect_code(14)
        .expect_in_stdout("4 rows imported, 0 rows already imported, 4 rows quarantined")
        .expect_in_stdout("line 4: more than 64 members")
        .expect_in_stdout("line 5: not JSON at byte 1")
        .expect_in_stdout("value: expected a string");
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    let reason = |n, reason: &str| (n, reason.to_owned());
    let expected =
        [reason(4, "field"), reason(5, "not-json"), reason(6, "not-json"), reason(7, "field")];
    assert_eq!(reasons(quarantine_of(&file)), expected);
    let rows = quarantined(quarantine_of(&file));
    assert_eq!(rows[1]["row"].as_str().unwrap().len(), size);
    assert_eq!(rows[2]["row"], Value::Null);
    assert_eq!(sandbox.assert_rows_open(&keys), 4);
}
