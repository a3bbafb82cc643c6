//! What `sealwax-audit` reads, from any writer: a record, an anchor and the text of a key each have one form, and what is
//! read is written as the same again. The keys of a service are those of their text. Verifying never panics.
//! No error repeats a word of what was read.

use std::error::Error;

use sealwax_audit::{Anchor, AuditKey, AuditKeys, Record, Verifier, read_lines};

use super::heap::Limit;

/// In an input, these stand for the text of a key, because a mutated key text no longer has a valid checksum.
const MARKS: [(char, u8); 3] = [('\u{1}', 0), ('\u{2}', 1), ('\u{3}', 2)];
const MAX_MARKS: usize = 16;
/// A reader of a line keeps its texts, and one copy of them: as JSON without its escapes, or as an entry's bytes.
const LINE: Limit = Limit { bytes: 512, allocations: 40 };

pub fn check(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    // Each is tried, whatever the others are.
    [lines(text), anchor(text), key(text), keys(text)].contains(&true)
}

/// Returns the key whose bytes count up from `first`.
fn counting(first: u8) -> AuditKey {
    let mut bytes: Vec<u8> = (first..first + 32).collect();
    AuditKey::from_bytes(&mut bytes).unwrap()
}

fn text_of(key: &AuditKey) -> String {
    key.to_text().expose_str().unwrap().to_owned()
}

fn lines(text: &str) -> bool {
    let keys = AuditKeys::new("audit-2026".parse().unwrap(), counting(0)).unwrap();
    let mut verifiers: Vec<(String, Verifier<'_>)> = Vec::new();
    let mut are_records = false;
    for line in text.lines().take(64) {
        let limit = Limit { bytes: 3 * line.len() + LINE.bytes, ..LINE };
        match limit.hold(|| line.parse::<Record>()) {
            Ok(record) => {
                let written = record.to_string();
                assert_eq!(written.parse(), Ok(record.clone()));
                assert_eq!(written, written.parse::<Record>().unwrap().to_string());
                let of_subject =
                    verifiers.iter_mut().find(|(subject, _)| *subject == record.subject);
                match of_subject {
                    Some((_, verifier)) => drop(verifier.check(&record)),
                    None => {
                        let mut verifier = Verifier::new(&keys, &record.subject, &[]);
                        // With an unknown key, its MAC cannot be right.
                        let checked = verifier.check(&record);
                        assert!(
                            checked.is_err() || record.audit_key.as_ref().starts_with("audit-2026")
                        );
                        verifiers.push((record.subject, verifier));
                    }
                }
                are_records = true;
            }
            Err(error) => says_nothing_of(line, &error),
        }
    }
    assert_eq!(read_lines(text).count(), text.lines().count());
    are_records
}

fn anchor(text: &str) -> bool {
    match text.parse::<Anchor>() {
        Ok(anchor) => {
            assert_eq!(anchor.to_string(), text);
            true
        }
        Err(error) => {
            says_nothing_of(text, &error);
            false
        }
    }
}

fn key(text: &str) -> bool {
    // With the checksum that a mutation cannot guess.
    let marked = MARKS.iter().fold(text.to_owned(), |text, (mark, first)| {
        text.replacen(*mark, &text_of(&counting(*first)), MAX_MARKS)
    });
    match marked.parse::<AuditKey>() {
        Ok(key) => {
            assert!(text_of(&key) == marked, "a key with two texts");
            true
        }
        Err(error) => {
            says_nothing_of(&marked, &error);
            false
        }
    }
}

fn keys(text: &str) -> bool {
    let marked = MARKS.iter().fold(text.to_owned(), |text, (mark, first)| {
        text.replacen(*mark, &text_of(&counting(*first)), MAX_MARKS)
    });
    match marked.parse::<AuditKeys>() {
        Ok(keys) => {
            // Every id that the keys have is in the text, after its state, and the primary's key after its id.
            let (primary, key) = keys.primary();
            let words: Vec<&str> = marked
                .split([' ', '\t', '\n', '\r', ';'])
                .filter(|word| !word.is_empty())
                .collect();
            let has =
                |expected: &[&str]| words.windows(expected.len()).any(|words| words == expected);
            assert!(has(&["primary", primary.as_ref(), &text_of(key)]), "another primary");
            assert!(keys.retired().all(|retired| has(&["retired", retired.as_ref()])));
            assert!(!format!("{keys:?}").contains("swa1_"), "Debug shows a key");
            true
        }
        Err(error) => {
            says_nothing_of(&marked, &error);
            false
        }
    }
}

/// An error repeats no long word of what was read, except for the id that two keys have.
fn says_nothing_of(text: &str, error: &(dyn Error + 'static)) {
    let mut shown = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        shown.push_str(&error.to_string());
        next = error.source();
    }
    let shows_ids = shown.contains("the audit keys");
    let words = text.split([' ', '\t', '\n', ';', '"', ',', ':', '{', '}']);
    let mut long =
        words.filter(|word| word.len() > 20 && (!shows_ids || word.starts_with("swa1_")));
    assert!(!long.any(|word| shown.contains(word)), "an error that echoes its input");
}
