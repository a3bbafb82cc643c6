//! Records as JSON Lines.

use sealwax_audit::{EntryError, Field, Record, RecordError, read_lines};

use crate::given::chain;

const FIELDS: [&str; 12] = [
    "subject",
    "number",
    "time",
    "action",
    "who",
    "why",
    "outcome",
    "key_id",
    "commitment",
    "context",
    "audit_key",
    "mac",
];

/// A marker that no error may show.
const MARKER: &str = "kept-from-errors";

/// Returns a record with all fields.
fn full() -> Record {
    let (_, chain) = chain("acme");
    let mut record = chain[0].clone();
    record.entry.who = MARKER.into();
    record
}

/// Returns the line of a record, in which the text of one member, `"name":value`, was replaced.
fn with(name: &str, replaced: &str) -> String {
    let line = full().to_string();
    let members: Vec<_> = line[1..line.len() - 1].split(',').collect();
    assert_eq!(members.len(), 12);
    let start = format!("\"{name}\":");
    let members = members
        .into_iter()
        .map(|member| if member.starts_with(&start) { replaced } else { member });
    let members: Vec<_> = members.filter(|member| !member.is_empty()).collect();
    format!("{{{}}}", members.join(","))
}

fn error(line: &str) -> RecordError {
    let error = line.parse::<Record>().unwrap_err();
    assert!(!format!("{error} {error:?}").contains(MARKER), "an error shows the line");
    error
}

#[test]
fn what_is_written_is_read() {
    let (_, chain) = chain("acme \"\\/ é 🔑 \u{2028}");
    let text: String = chain.iter().map(|record| format!("{record}\n")).collect();
    assert_eq!(text.lines().count(), 9);
    let read: Vec<Record> = read_lines(&text).map(Result::unwrap).collect();
    assert_eq!(read, chain);
    let line = chain[0].to_string();
    let names = line.split("\":").map(|part| part.rsplit('"').next().unwrap());
    assert!(names.take(12).eq(FIELDS), "{line}");
    // In another order, with spaces, and with escapes that nobody needs.
    let line = full().to_string();
    let mut members: Vec<_> = line[1..line.len() - 1].split(',').collect();
    members.reverse();
    let other = format!(" {{ {} }} \r", members.join(" ,\t")).replace("acme", "\\u0061cme");
    assert_eq!(other.parse(), Ok(full()));
}

#[test]
fn each_field_is_there_once_and_no_other_is() {
    for name in FIELDS {
        let without = error(&with(name, ""));
        assert!(
            matches!(without, RecordError::Missing { field, .. } if field.as_str() == name),
            "{without}"
        );
        let line = full().to_string();
        let value =
            line.split(&format!("\"{name}\":")).nth(1).unwrap().split([',', '}']).next().unwrap();
        let twice = error(&with(name, &format!("\"{name}\":{value},\"{name}\":{value}")));
        assert!(
            matches!(twice, RecordError::Repeated { field, .. } if field.as_str() == name),
            "{twice}"
        );
        for renamed in [name.to_uppercase(), format!("{name} "), format!("{MARKER}{name}")] {
            let unknown = error(&with(name, &format!("\"{renamed}\":{value}")));
            assert_eq!(unknown, RecordError::Unknown);
        }
    }
    let line = full().to_string();
    assert_eq!(error(&line.replacen('{', "{\"\":{\"a\":[1]},", 1)), RecordError::Unknown);
}

#[test]
fn each_value_has_its_type_and_its_form() {
    let mut cases = 0;
    for name in FIELDS {
        let is_number = ["number", "time"].contains(&name);
        let is_optional = ["key_id", "commitment", "context"].contains(&name);
        for (value, is_number_value, is_null) in [
            ("1", true, false),
            ("-1", false, false),
            ("1.0", false, false),
            ("1e3", false, false),
            ("18446744073709551616", false, false),
            ("null", false, true),
            ("true", false, false),
            ("[\"a\"]", false, false),
            ("{\"a\":1}", false, false),
        ] {
            let line = with(name, &format!("\"{name}\":{value}"));
            if is_number && is_number_value || is_optional && is_null {
                assert!(line.parse::<Record>().is_ok(), "{name}: {value}");
            } else {
                let error = error(&line);
                assert!(
                    matches!(error, RecordError::Type { field, .. } if field.as_str() == name),
                    "{name}: {value}: {error}"
                );
                cases += 1;
            }
        }
        if is_number {
            let error = error(&with(name, &format!("\"{name}\":\"1\"")));
            assert!(matches!(error, RecordError::Type { .. }), "{error}");
        }
    }
    assert_eq!(cases, 12 * 9 - 2 - 3);

    let hex = "ab".repeat(32);
    for name in ["commitment", "context", "mac"] {
        for value in [
            String::new(),
            hex.to_uppercase(),
            hex[1..].into(),
            hex[2..].into(),
            format!("{hex}ab"),
            format!("0x{}", &hex[2..]),
            format!("{} ", &hex[1..]),
            format!("é{}", &hex[2..]),
        ] {
            let error = error(&with(name, &format!("\"{name}\":\"{value}\"")));
            assert!(
                matches!(error, RecordError::Hex { field, .. } if field.as_str() == name),
                "{error}"
            );
        }
    }
    for name in ["key_id", "audit_key"] {
        for value in ["", " a", "a b", "é", "swa1_a", &"a".repeat(129)] {
            let error = error(&with(name, &format!("\"{name}\":\"{value}\"")));
            assert!(
                matches!(error, RecordError::KeyId { field, .. } if field.as_str() == name),
                "{error}"
            );
        }
    }
    for (name, value) in [
        ("number", "0"),
        ("number", "9007199254740992"),
        ("time", "9007199254740992"),
        ("time", "18446744073709551615"),
    ] {
        let error = error(&with(name, &format!("\"{name}\":{value}")));
        assert!(
            matches!(error, RecordError::Entry(EntryError::Range { field, .. }) if field.as_str() == name),
            "{error}"
        );
    }
    assert!(with("time", "\"time\":0").parse::<Record>().is_ok());
    for (name, longest, least) in [
        ("subject", 1024, 1),
        ("action", 64, 1),
        ("who", 1024, 1),
        ("why", 1024, 0),
        ("outcome", 64, 0),
    ] {
        let text = |len: usize| with(name, &format!("\"{name}\":\"{}\"", "x".repeat(len)));
        assert!(text(longest).parse::<Record>().is_ok(), "{name}");
        assert!(text(least).parse::<Record>().is_ok(), "{name}");
        let lens = [Some(longest + 1), usize::checked_sub(least, 1)];
        for len in lens.into_iter().flatten() {
            let error = error(&text(len));
            let RecordError::Entry(EntryError::Length { field, found, least: from, most, .. }) =
                error
            else {
                panic!("{error}")
            };
            assert_eq!((field.as_str(), found, from, most), (name, len, least, longest));
        }
        for escape in ["\\n", "\\u0000", "\\u001b[2J", "\\u0085"] {
            let error = error(&with(name, &format!("\"{name}\":\"a{escape}\"")));
            assert!(
                matches!(error, RecordError::Entry(EntryError::ControlCharacter { field, .. }) if field.as_str() == name),
                "{error}"
            );
        }
    }
    for action in ["swa1/", "swa1/end", "swa1/begin", "swa1/x"] {
        let error = error(&with("action", &format!("\"action\":\"{action}\"")));
        assert_eq!(error, RecordError::Entry(EntryError::Reserved));
    }
}

#[test]
fn a_line_is_one_object() {
    let line = full().to_string();
    for at in 0..line.len() {
        assert!(line[..at].parse::<Record>().is_err(), "{at}");
    }
    let lines = [
        String::new(),
        " ".into(),
        "null".into(),
        "[]".into(),
        format!("[{line}]"),
        format!("{line}{line}"),
        format!("{line},"),
        format!("{line} x"),
        format!("\u{feff}{line}"),
        line.replace('"', "'"),
        line.replace("\"number\":1", "\"number\":01"),
        line.replace("acme", "ac\nme"),
        line.replace("acme", "\\ud800"),
        line.replace("acme", "\\x61cme"),
        line.replacen('{', "{,", 1),
    ];
    for line in lines {
        let error = error(&line);
        assert!(matches!(error, RecordError::Json { .. }), "{error}");
    }
    // The first line that is wrong has its number.
    let text = format!("{line}\r\n{line}\n\n{line}");
    let errors: Vec<_> =
        read_lines(&text).filter_map(Result::err).map(|error| error.line).collect();
    assert_eq!(errors, [3]);
    assert_eq!(read_lines(&text).count(), 4);
    assert_eq!(read_lines("").count(), 0);
}

#[test]
fn a_field_has_the_name_that_its_line_has() {
    let fields = [
        Field::Subject,
        Field::Number,
        Field::Time,
        Field::Action,
        Field::Who,
        Field::Why,
        Field::Outcome,
        Field::KeyId,
        Field::Commitment,
        Field::Context,
        Field::AuditKey,
        Field::Mac,
    ];
    assert_eq!(fields.map(Field::as_str), FIELDS);
    assert_eq!(format!("{:>10}", Field::KeyId), "    key_id");
}
