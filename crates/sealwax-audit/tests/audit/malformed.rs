//! Lines that are no records and no anchors, which neither the crate nor its verifier in Python reads.

use std::io::Write;
use std::process::{Command, Stdio};

use sealwax_audit::{Anchor, Record, verify};

use crate::format;
use crate::given::only;
use crate::python::{is_here, keys, python};

/// Replaces a part of the first line of the page, which must be there.
fn with(part: &str, other: &str) -> String {
    let line = format::lines().lines().next().unwrap();
    assert!(line.contains(part), "{part}");
    line.replacen(part, other, 1)
}

/// Returns whether Python reads each line.
fn reads(reader: &str, lines: &[String]) -> Vec<bool> {
    let program = format!(
        "import sys, records
for line in sys.stdin.buffer.read().decode().split('\\n'):
    try:
        records.{reader}(line)
        print('read')
    except (ValueError, RecursionError):
        print('refused')"
    );
    let mut python = Command::new("python3");
    python.args(["-B", "-c", &program]).env("PYTHONPATH", env!("CARGO_MANIFEST_DIR"));
    let mut python = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    let read: Vec<bool> = printed.lines().map(|line| line == "read").collect();
    assert_eq!(read.len(), lines.len());
    read
}

/// A line that the crate does not read is refused as such, even if the MAC is right, and no other line is.
#[test]
fn it_reads_what_the_crate_reads() {
    if !is_here() {
        return;
    }
    let (long, longer) = ("é".repeat(512), "é".repeat(512) + "a");
    let id = |text: &str| with("prod-2026", text);
    let who = |text: &str| with("mia", text);
    let hex = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";
    let null_commitment = |line: String| line.replace(&format!("\"{hex}\""), "null");
    let null_context = |line: String| {
        let at = line.find("\"context\":").unwrap() + 10;
        format!("{}null{}", &line[..at], &line[at + 66..])
    };
    let null_id = |line: String| line.replace("\"prod-2026\"", "null");
    let action = |action: &str| with("\"open\"", &format!("\"{action}\""));
    let refused = [
        // Members.
        with("{", "{\"who\":\"mia\","),
        with("{", "{\"number\":1,"),
        with("{", "{\"note\":\"\","),
        with("{", "{\"\\u0077ho\":\"mia\","),
        with("\"outcome\":\"opened\",", ""),
        with("\"why\":\"ticket 7\",", ""),
        with("\"who\"", "\"Who\""),
        // Types.
        with("\"number\":1", "\"number\":true"),
        with("\"number\":1", "\"number\":1.0"),
        with("\"number\":1", "\"number\":1e0"),
        with("\"number\":1", "\"number\":\"1\""),
        with("\"number\":1", "\"number\":null"),
        with("\"number\":1", "\"number\":01"),
        with("\"number\":1", "\"number\":-1"),
        with("\"number\":1", "\"number\":0"),
        with("\"number\":1", "\"number\":9007199254740992"),
        with("1790000000000", "9007199254740992"),
        with("1790000000000", "false"),
        with("1790000000000", "-0"),
        with("1790000000000", "NaN"),
        with("1790000000000", "[0]"),
        with("1790000000000", &"9".repeat(5000)),
        with("\"mia\"", "7"),
        with("\"mia\"", "null"),
        with("\"mia\"", "{\"name\":\"mia\"}"),
        with("\"prod-2026\"", "false"),
        with("\"prod-2026\"", "-5"),
        with("\"audit-2026\"", "null"),
        // Hex.
        with("8a8b", "8A8b"),
        with("8a8b", "8a 8b"),
        with("8a8b", "8a8"),
        with("8a8b", ""),
        with("056881ce4bed", "056881CE4bed"),
        with("7df498d8", "7DF498D8"),
        with(&format!("\"{hex}\""), "\"\""),
        // Key ids.
        id(""),
        id("prod 2026"),
        id("prod-2026\\n"),
        id("-prod"),
        id("@3"),
        id("prodé"),
        id("x-SWO1_y"),
        id("swkt1_"),
        id(&"a".repeat(129)),
        with("\"audit-2026\"", "\"\""),
        with("audit-2026\"", "audit-2026\\n\""),
        // Texts.
        who(""),
        who(&longer),
        who("mia\\n"),
        who("mia\\u0000"),
        who("mia\u{7f}"),
        who("mia\u{85}"),
        who("mia\\u009f"),
        who("mia\t"),
        who("\\ud800"),
        with("acme", ""),
        with("acme", &longer),
        with("acme", "ac\\u001bme"),
        with("ticket 7", &longer),
        with("ticket 7", "\\r"),
        with("\"open\"", "\"\""),
        with("\"open\"", &format!("\"{}\"", "a".repeat(65))),
        with("\"open\"", "\"\\b\""),
        with("\"opened\"", &format!("\"{}\"", "a".repeat(65))),
        with("\"opened\"", "\"\\u0080\""),
        // Reserved actions, and those of the chain with other fields.
        action("swa1/"),
        action("swa1/x"),
        action("swa1/end"),
        null_context(action("swa1/end")),
        null_commitment(action("swa1/end")),
        null_id(null_context(null_commitment(action("swa1/end")))),
        action("swa1/begin"),
        null_context(null_commitment(action("swa1/begin"))),
        null_id(null_context(action("swa1/begin"))),
        // JSON.
        String::new(),
        "null".into(),
        "5".into(),
        "[]".into(),
        "{}".into(),
        "[".repeat(100_000),
        format!("[{}]", with("", "")),
        with("{", "\u{feff}{"),
        with("{", "{,"),
        with("}", "} x"),
        with("}", ",}"),
        with("\"mia\"", "'mia'"),
        with("mia", "\\x6dia"),
        // An array of members is no object.
        with("{", "[[").replace("\":", "\",").replace(",\"", "],[\"").replace('}', "]]"),
    ];
    for (line, read) in refused.iter().zip(reads("read_record", &refused)) {
        assert!(line.parse::<Record>().is_err() && !read, "{line}");
    }
    assert_eq!(refused.len(), 88);
    let printed = python("malformed", &keys(), &refused[0], "").unwrap_err();
    assert!(printed.starts_with("line 1 of log: "), "{printed}");

    // The same entry, and the largest that is allowed.
    let held = [
        with("{", " { "),
        with("mia", "\\u006dia"),
        with("ticket 7", "ticket\\u00207"),
        with("}", "}\r"),
        with(":1,", " :\t1 ,"),
        with("{\"subject\":\"acme\",", "{").replace('}', ",\"subject\":\"acme\"}"),
        who(&long),
        with("acme", &long),
        with("ticket 7", ""),
        action(&"a".repeat(64)),
        id(&"a".repeat(128)),
        with("1790000000000", "9007199254740991"),
        null_context(with("open", "swa1/begin")),
        null_context(null_commitment(with("open", "swa1/end"))),
    ];
    for (line, read) in held.iter().zip(reads("read_record", &held)) {
        assert!(line.parse::<Record>().is_ok() && read, "{line}");
    }
    for line in &held[..6] {
        verify(&only("audit-2026", 0), "acme", [line.parse::<Record>().unwrap()], &[]).unwrap();
        python("held", &keys(), line, "").unwrap();
    }
}

#[test]
fn it_reads_the_anchors_that_the_crate_reads() {
    if !is_here() {
        return;
    }
    let first = format::lines().lines().next().unwrap();
    let anchor = first.parse::<Record>().unwrap().anchor().to_string();
    let hex = &anchor[7..71];
    let refused = [
        String::new(),
        "junk".into(),
        anchor.replace("swa1:", "swa2:"),
        anchor.replace(":1:", ":01:"),
        anchor.replace(":1:", ":+1:"),
        anchor.replace(":1:", ":0:"),
        anchor.replace(":1:", ":9007199254740992:"),
        anchor.replace(":1:", &format!(":{}:", "9".repeat(20))),
        anchor.replace(hex, &hex.to_uppercase()),
        anchor.replace(hex, &hex[2..]),
        anchor.replace(":acme", ""),
        anchor.replace(":acme", ":"),
        format!(" {anchor}"),
        format!("{anchor}\u{7f}"),
        format!("{anchor}{}", "e".repeat(1021)),
    ];
    for (line, read) in refused.iter().zip(reads("read_anchor", &refused)) {
        assert!(line.parse::<Anchor>().is_err() && !read, "{line}");
    }
    assert_eq!(refused.len(), 15);
    let accepts = |log: &str, anchors: &str| python("anchors", &keys(), log, anchors);
    let printed = accepts(first, &format!("{anchor}\njunk\n")).unwrap_err();
    assert!(printed.starts_with("line 2 of anchors: "), "{printed}");
    assert_eq!(accepts(first, &anchor).unwrap(), format!("{anchor}\n"));
    assert_eq!(accepts(first, &format!("{anchor}\r\n")).unwrap(), format!("{anchor}\n"));

    // Files with nothing in them prove nothing.
    assert_eq!(accepts("", "").unwrap_err(), "log is empty\n");
    assert!(
        python("keys", "primary audit-2026 swa1_A\n", first, "")
            .unwrap_err()
            .starts_with("line 1 of keys: ")
    );
    assert!(
        python("keys", &keys().replace("swa1_A", "swa1_B"), first, "")
            .unwrap_err()
            .starts_with("line 2 of keys: ")
    );
}
