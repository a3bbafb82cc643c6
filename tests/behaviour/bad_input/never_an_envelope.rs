//! Input that was never an envelope is rejected as such, at once, whatever its length.

use std::time::{Duration, Instant};

use sealwax::{Envelope, Field, FormatError, Suite};

use crate::bad_input::{Fault, binary_fault, fault, one_wrap, text_fault};
use crate::fixtures::{CREDENTIAL, sealed};

#[test]
fn what_was_never_an_envelope_is_refused_and_not_echoed() {
    let row = sealed(Suite::default(), 1).to_string();
    let quoted = format!("\"{row}\"");
    let single_quoted = format!("'{row}'");
    let escaped = row.replace(':', "\\u003a");
    let percent = row.replace(':', "%3A");
    let hex: String = row.bytes().map(|byte| format!("{byte:02x}")).collect();
    let hex_prefixed = format!("0x{hex}");
    let upper_prefix = row.replacen("sw1", "SW1", 1);
    let dotted = row.replace(':', ".");
    let postgres_hex = format!("\\x{hex}");
    let rows: [(&str, &str, Fault); 31] = [
        ("empty", "", (Field::Prefix, 0)),
        ("a space", " ", (Field::Prefix, 0)),
        ("null", "null", (Field::Prefix, 0)),
        ("undefined", "undefined", (Field::Prefix, 0)),
        ("None", "None", (Field::Prefix, 0)),
        ("an object in JavaScript", "[object Object]", (Field::Prefix, 0)),
        ("JSON's empty object", "{}", (Field::Prefix, 0)),
        ("a JSON-quoted row", &quoted, (Field::Prefix, 0)),
        ("a quoted row", &single_quoted, (Field::Prefix, 0)),
        ("a row in hex", &hex, (Field::Prefix, 0)),
        ("a row in hex with 0x", &hex_prefixed, (Field::Prefix, 0)),
        ("a row in hex with \\x", &postgres_hex, (Field::Prefix, 0)),
        ("a plaintext key", CREDENTIAL, (Field::Prefix, 0)),
        ("a plaintext key with colons", "sk:live:QZXJ:KVWB", (Field::Prefix, 0)),
        ("a plaintext key that starts as a row", "sw1:QZXJKVWBHYPF", (Field::Envelope, 16)),
        ("a master key", "swk1_QZXJKVWBHYPFQZXJKVWBHYPF", (Field::Prefix, 0)),
        ("a master key with a colon", "swk1:QZXJKVWBHYPF", (Field::Prefix, 0)),
        ("iv:tag:ciphertext", "00112233:44556677:QZXJKVWB", (Field::Prefix, 0)),
        ("no version", "sw:QZXJ", (Field::Prefix, 0)),
        ("a version in letters", "swx:QZXJ", (Field::Prefix, 0)),
        ("a version with a sign", "sw+1:QZXJ", (Field::Prefix, 0)),
        ("a full-width version", "sw\u{ff11}:QZXJ", (Field::Prefix, 0)),
        ("a prefix without its colon", "sw1", (Field::Prefix, 0)),
        ("a newer prefix without its colon", "sw2", (Field::Prefix, 0)),
        ("an upper-case prefix", &upper_prefix, (Field::Prefix, 0)),
        ("a Cyrillic prefix", "\u{455}w1:a256gcm", (Field::Prefix, 0)),
        ("the prefix alone", "sw1:", (Field::Envelope, 4)),
        ("the binary form's magic", "SW\u{1}\u{1}\u{1}", (Field::Prefix, 0)),
        ("dots for colons", &dotted, (Field::Prefix, 0)),
        ("escaped colons", &escaped, (Field::Prefix, 0)),
        ("percent-encoded colons", &percent, (Field::Prefix, 0)),
    ];
    let mut windows = 0;
    for (name, text, expected) in rows {
        let error = text.parse::<Envelope>().expect_err(name);
        assert_eq!(fault(&error), expected, "{name}");
        let said = format!("{error} {error:?}");
        for secret in [CREDENTIAL, "QZXJKVWBHYPF", "[object"] {
            for window in secret.as_bytes().windows(4) {
                let window = std::str::from_utf8(window).unwrap();
                assert!(!said.contains(window), "{name}: the error echoes the input");
                windows += 1;
            }
        }
        // The same bytes in place of the binary form.
        let bytes = Envelope::from_bytes(text.as_bytes()).expect_err(name);
        let expected = match text.len() {
            _ if text.starts_with("SW\u{1}") => (Field::KeyId, 5),
            _ => (Field::Prefix, 0),
        };
        if text.starts_with("SW1") {
            assert!(matches!(bytes, FormatError::NewerVersion { version: 0x31, .. }), "{name}");
        } else {
            assert_eq!(fault(&bytes), expected, "{name}, as bytes");
        }
    }
    assert_eq!(windows, 31 * (48 + 9 + 4));
}

#[test]
fn another_number_of_fields_is_refused_where_it_ends_or_where_the_eighth_starts() {
    let row = one_wrap(Suite::default(), CREDENTIAL).to_string();
    let fields: Vec<&str> = row.split(':').collect();
    let mut tried = 0;
    for count in [2, 3, 4, 5, 6, 8, 9, 70_000] {
        // Whole fields removed from the end, or empty ones added.
        let mut text = fields[..fields.len().min(count)].join(":");
        text.extend(std::iter::repeat_n(':', count.saturating_sub(fields.len())));
        assert_eq!(text.split(':').count(), count);
        let expected = if count < 7 { text.len() } else { row.len() + 1 };
        assert_eq!(text_fault(&text), (Field::Envelope, expected), "{count} fields");
        // Fields that are all empty.
        let empty = format!("sw1{}", ":".repeat(count - 1));
        let expected = if count < 7 { empty.len() } else { "sw1:::::::".len() };
        assert_eq!(text_fault(&empty), (Field::Envelope, expected), "{count} empty fields");
        tried += 2;
    }
    assert_eq!(tried, 16);
    assert_eq!(text_fault("sw1::::::"), (Field::Suite, 4), "seven empty fields");
}

/// The largest column that a caller is likely to pass by mistake, full of characters that the
/// parser looks for.
#[test]
fn sixty_four_mebibytes_of_nothing_are_refused_quickly() {
    const LEN: usize = 64 * 1024 * 1024;
    // Linear work takes a fraction of this, even on a slow machine; quadratic work takes days.
    const LIMIT: Duration = Duration::from_secs(5);
    let head = "sw1:a256gcm:";
    let row = one_wrap(Suite::default(), "").to_string();
    let (_, tail) = row.strip_prefix(head).unwrap().split_once(':').unwrap();
    let tail = format!(":{tail}");
    let one_id = format!("{head}prod=");
    let cases: [(&str, &str, &str, &str, Fault); 11] = [
        ("colons", "", ":", "", (Field::Prefix, 0)),
        ("colons after the prefix", "sw1:", ":", "", (Field::Envelope, 10)),
        ("colons after the suite", head, ":", "", (Field::Envelope, head.len() + 5)),
        ("commas for wraps", head, ",", &tail, (Field::WrappedKey, head.len())),
        ("a key id", head, "A", &tail, (Field::WrappedKey, head.len())),
        ("equals signs", head, "=", &tail, (Field::KeyId, head.len())),
        ("a wrapped key", &one_id, "A", &tail, (Field::WrappedKey, one_id.len())),
        ("a proof", "sw1:a256gcm:prod=AAAA:", "A", ":::", (Field::Proof, 22)),
        ("no version", "sw", "A", "", (Field::Prefix, 0)),
        ("digits without a colon", "sw", "9", "", (Field::Prefix, 0)),
        ("NULs", "", "\0", "", (Field::Prefix, 0)),
    ];
    let mut refused = 0;
    for (name, before, filling, after, expected) in cases {
        let text = [before, &filling.repeat(LEN), after].concat();
        let start = Instant::now();
        assert_eq!(text_fault(&text), expected, "{name}");
        if before.is_empty() {
            assert_eq!(binary_fault(text.as_bytes()), (Field::Prefix, 0), "{name}, as bytes");
        }
        assert!(start.elapsed() < LIMIT, "{name}: {:?}", start.elapsed());
        refused += 1;
    }
    assert_eq!(refused, 11);
}
