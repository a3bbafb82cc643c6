//! An envelope that parses from the text form encodes to the same text, and to bytes that parse to the same envelope.
//! The reference parses the same inputs to the same fields, and opens what the crate opens.

use sealwax::{Envelope, FormatError};

use super::agree;
use super::edits::neighbours;
use super::heap::Limit;
use super::material::{RING, context};
use super::reference::envelope::Envelope as Reference;

/// In an input, this stands for `LONG` times `A`. A wrap has up to 65,535 bytes, and an input that long is slow to
/// fuzz.
const MARK: char = '\u{1}';
const LONG: usize = 4096;
/// Enough for one wrap that is too long.
const MAX_MARKS: usize = 22;

pub fn parse(text: &str) -> Result<Envelope, FormatError> {
    Limit::twice(text.len(), 1).hold(|| text.parse())
}

pub fn check(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let text = text.replacen(MARK, &"A".repeat(LONG), MAX_MARKS);
    let is_envelope = check_text(&text);
    if is_envelope && text.len() < LONG {
        neighbours(&text).iter().for_each(|text| _ = check_text(text));
        for front in FRONTS {
            _ = check_text(&text.replacen("sw1:", front, 1));
        }
        // Ids that look like a key, or contain what looks like one.
        for id in ["swk1_", "SWO1_x", "a-swkt1_b", "sw1_", "swk_1", "swabc1_", "xswsws1_", "sw11_"]
        {
            _ = check_text(&with_id(&text, id));
        }
    }
    is_envelope
}

/// Prefixes of newer versions, and prefixes that only resemble one.
const FRONTS: [&str; 20] = [
    "sw2:",
    "sw9:",
    "sw10:",
    "sw99:",
    "sw100:",
    "sw255:",
    "sw:",
    "sw0:",
    "sw00:",
    "sw01:",
    "sw02:",
    "sw256:",
    "sw258:",
    "sw999:",
    "sw1000:",
    "sw4294967298:",
    "sw+2:",
    "SW1:",
    "sw\u{661}:",
    "sw1",
];

/// Replaces the first key id.
fn with_id(text: &str, id: &str) -> String {
    let front: String = text.split_inclusive(':').take(2).collect();
    match text.split_once('=') {
        Some((_, rest)) => format!("{front}{id}={rest}"),
        None => text.to_owned(),
    }
}

fn check_text(text: &str) -> bool {
    let found = parse(text);
    let expected = Reference::from_text(text);
    agree::envelope(&found, &expected, text.len());
    assert_eq!(Envelope::try_from(text), found);

    let (Ok(envelope), Ok(expected)) = (found, expected) else { return false };
    assert_eq!(envelope.to_string(), text);
    assert_eq!(expected.text(), text);
    assert_eq!(envelope.as_bytes(), expected.binary());
    assert_eq!(Envelope::from_bytes(envelope.as_bytes()).as_ref(), Ok(&envelope));
    agree::verdicts(&RING, &envelope, &expected, &context("1"));
    true
}
