//! An envelope that parses from the binary form encodes to the same bytes, and to a text that parses to the same
//! envelope. The reference parses the same inputs to the same fields, and opens what the crate opens.

use sealwax::{Envelope, FormatError};

use super::heap::Limit;
use super::material::{RING, context};
use super::reference::envelope::{Envelope as Reference, Refused};
use super::{agree, parse_text};

pub fn check(bytes: &[u8]) -> bool {
    let is_envelope = check_bytes(bytes);
    if is_envelope {
        // Truncated anywhere near the front, and with other numbers in place of lengths and kinds.
        (0..bytes.len().min(MAX_FRONT)).for_each(|len| _ = parse(&bytes[..len]));
        for at in 2..8 {
            for number in [0, 1, 2, 3, 4, 8, 9, 127, 128, 129, 255] {
                let mut bytes = bytes.to_vec();
                bytes[at] = number;
                _ = parse(&bytes);
            }
        }
        // An id of the same length that looks like a key at its start or at its end.
        let id = 6..6 + usize::from(bytes[5]);
        for key in [b"swk1_".as_slice(), b"SWKT1_", b"sW1_", b"swkty1_"] {
            if let Some(more) = id.len().checked_sub(key.len()) {
                for start in [id.start, id.start + more] {
                    let mut bytes = bytes.to_vec();
                    bytes[start..start + key.len()].copy_from_slice(key);
                    _ = parse(&bytes);
                }
            }
        }
        // With one byte of ciphertext fewer or more, it is an envelope that does not verify.
        _ = check_bytes(&bytes[..bytes.len() - 1]);
        _ = check_bytes(&[bytes, &[0]].concat());
    }
    is_envelope
}

const MAX_FRONT: usize = 256;

fn parse(bytes: &[u8]) -> (Result<Envelope, FormatError>, Result<Reference, Refused>) {
    let found = Limit::twice(bytes.len(), 1).hold(|| Envelope::from_bytes(bytes));
    let expected = Reference::from_binary(bytes);
    agree::envelope(&found, &expected, bytes.len());
    (found, expected)
}

fn check_bytes(bytes: &[u8]) -> bool {
    let (found, expected) = parse(bytes);
    let owned = bytes.to_vec();
    assert_eq!(Limit::NOTHING.hold(|| Envelope::try_from(owned)), found);

    let (Ok(envelope), Ok(expected)) = (found, expected) else { return false };
    assert_eq!(envelope.as_bytes(), bytes);
    assert_eq!(expected.binary(), bytes);
    let text = envelope.to_string();
    assert_eq!(text, expected.text());
    assert_eq!(parse_text::parse(&text).as_ref(), Ok(&envelope));
    agree::verdicts(&RING, &envelope, &expected, &context("1"));
    true
}
