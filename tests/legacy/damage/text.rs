//! Damage to the stored text: changed characters, and the same bytes in another spelling.

use super::{LONG, Subject, each_row};
use crate::coding::Coding;
use crate::kinds::{Piece, Refusal, Row};

#[test]
fn characters_added_at_each_end_of_each_column() {
    let added = [
        "0", "00", "a", "A", "AAAA", "=", "==", "====", ":", "::", ":00", "00:", ",", ";", "\0",
        "\n", "\r\n", " ", "\t", "\"", "'", "0x", "\\x", "b'", "\u{feff}", "\u{a0}", "é",
        "v2:gcm:",
    ];
    each_row("characters added", 15, 85_000, |subject, tally| {
        for (at, column) in subject.row.iter().enumerate() {
            for more in added {
                let what = || format!("{more:?} at an end of column {at}");
                for column in [[more.as_bytes(), column], [column, more.as_bytes()]] {
                    subject.refuse(&subject.with_column(at, column.concat()), tally, &what);
                }
            }
        }
    });
}

/// In columns of bytes, this changes every byte.
#[test]
fn every_character_deleted_doubled_or_in_the_other_case() {
    each_row("a character changed", 15, 300_000, |subject, tally| {
        for (at, column) in subject.row.iter().enumerate() {
            let step = if column.len() > 2 * LONG { 37 } else { 1 };
            for place in (0..column.len()).step_by(step) {
                let (before, after) = (&column[..place], &column[place + 1..]);
                let character = column[place];
                let replaced: [&[u8]; 3] = [&[], &[character; 2], &[other_case(character)]];
                for characters in replaced {
                    let what = || format!("column {at}, character {place} is now {characters:?}");
                    let row = subject.with_column(at, [before, characters, after].concat());
                    subject.refuse(&row, tally, &what);
                }
            }
        }
    });
}

fn other_case(character: u8) -> u8 {
    if character.is_ascii_alphabetic() { character ^ 0x20 } else { character }
}

/// Spellings that a lenient decoder accepts for the same bytes. Each is malformed.
#[test]
fn every_other_spelling_is_malformed() {
    each_row("spelled differently", 15, 33_000, |subject, tally| {
        let mut refuse = |row: Row, how: &str| {
            let refusal = subject.refuse(&row, tally, &|| how.to_owned());
            let fine = refusal.is_none_or(|refusal| refusal == Refusal::Malformed);
            assert!(fine, "{}: {how}: {refusal:?}", subject.origin);
        };
        if subject.kind.has_bytes_at(0) {
            // Columns of bytes that were stored as text.
            for coding in [Coding::Hex, Coding::Base64] {
                let row = subject.row.iter().map(|column| coding.encode(column)).collect();
                refuse(row, "as text");
            }
            return;
        }
        for at in 0..subject.row.len() {
            let (coding, coded_at) = spelling(subject, at);
            let (before, coded) = subject.row[at].split_at(coded_at);
            let spellings = match coding {
                // An empty column has only one spelling.
                _ if coded.is_empty() => continue,
                Coding::Hex => spellings_of_hex(coded),
                other => spellings_of_base64(other, coded),
            };
            for (how, spelled) in [spellings, in_lines(coded)].concat() {
                refuse(subject.with_column(at, [before, &spelled].concat()), how);
            }
        }
    });
}

/// Returns the encoding of a column and where it starts, which may be after a version or a key id.
fn spelling(subject: &Subject<'_>, at: usize) -> (Coding, usize) {
    let pieces = subject.kind.columns[at];
    let coded = pieces.iter().find_map(|piece| match piece {
        Piece::Coded(coding, _) => Some(*coding),
        Piece::Text(_) | Piece::KeyId => None,
    });
    let before = match pieces {
        [Piece::Text(text), ..] => text.len(),
        [Piece::KeyId, Piece::Text(text), ..] => subject.key.name.len() + text.len(),
        _ => 0,
    };
    (coded.unwrap(), before)
}

type Spellings = Vec<(&'static str, Vec<u8>)>;

fn in_lines(coded: &[u8]) -> Spellings {
    let mut found = vec![
        ("with a line break at the end", [coded, b"\n"].concat()),
        ("with a space at the end", [coded, b" "].concat()),
        ("with a space in front", [b" ", coded].concat()),
    ];
    for width in [4, 64, 76] {
        for end in ["\n", "\r\n", " "] {
            let lines: Vec<_> = coded.chunks(width).collect();
            found.push(("in lines", lines.join(end.as_bytes())));
        }
    }
    found
}

/// Works on several parts at once, including their separators.
fn spellings_of_hex(coded: &[u8]) -> Spellings {
    let upper = |(at, byte): (usize, &u8)| {
        if at.is_multiple_of(2) { byte.to_ascii_uppercase() } else { *byte }
    };
    vec![
        ("in upper case", coded.to_ascii_uppercase()),
        ("in mixed case", coded.iter().enumerate().map(upper).collect()),
        ("with 0x", [b"0x", coded].concat()),
        ("with \\x", [b"\\x", coded].concat()),
        ("in pairs", coded.chunks(2).collect::<Vec<_>>().join(&b':')),
    ]
}

fn spellings_of_base64(coding: Coding, coded: &[u8]) -> Spellings {
    let other_alphabet = |byte: &u8| match byte {
        b'+' => b'-',
        b'/' => b'_',
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    let unpadded: Vec<_> = coded.iter().copied().filter(|byte| *byte != b'=').collect();
    let padding = coded.len() - unpadded.len();
    let mut found = vec![
        ("without padding", unpadded.clone()),
        ("with its padding for an address", [unpadded.clone(), b"%3D".repeat(padding)].concat()),
        ("with more padding", [coded, b"===="].concat()),
        ("in the other alphabet", coded.iter().map(other_alphabet).collect()),
    ];
    // Every last character that differs only in unused bits.
    let last = unpadded.len() - 1;
    for character in (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9') {
        let mut spelled = coded.to_vec();
        spelled[last] = character;
        if coding.decode(&spelled).is_none() {
            found.push(("with unused bits", spelled));
        }
    }
    found
}
