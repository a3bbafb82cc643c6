//! What parses as the text form encodes to the same text, and to bytes that parse to the same
//! envelope. The reference parses the same inputs to the same fields, and opens what the crate opens.

use sealwax::{Envelope, FormatError};

use super::agree;
use super::edits::neighbours;
use super::heap::Limit;
use super::material::{RING, context};
use super::reference::envelope::Envelope as Reference;

/// In an input, so many `A`s: a wrap has up to 65,535 bytes, and an input that long is a slow one.
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
        for front in ["sw:", "sw0:", "sw01:", "sw2:", "sw4294967296:", "SW1:", "sw\u{661}:", "sw1"]
        {
            _ = check_text(&text.replacen("sw1:", front, 1));
        }
    }
    is_envelope
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
