//! Bodies in chunks: each cut, random texts against a search without state, and what a hostile upstream can hold up.

use std::cell::Cell;
use std::time::Instant;

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_oneof};
use proptest::{proptest, test_runner::Config};

use crate::corpora::redaction;
use crate::{KEY, bound, redacted};

/// A page on which the key is in all forms.
fn page() -> Vec<u8> {
    let hex: String = KEY.bytes().map(|byte| format!("{byte:02X}")).collect();
    let percent = KEY.replace('-', "%2d").replace('_', "%5F");
    let json = KEY.replace('-', "\\u002d");
    let base64 = "dXNlcjpzay1xWjdfWHc5dkszSnA1SGQ4LkJuMkdtNlJ5NA==";
    format!("<a href=\"?{percent}\">{KEY}</a> {{\"{json}\"}} {base64} %{hex}%7{KEY}\\u00{KEY}")
        .into()
}

#[test]
fn every_cut_gives_the_same_body() {
    let (secret, page) = (bound(KEY), page());
    let expected = redaction::masked(KEY.as_bytes(), &page);
    let stars = expected.iter().filter(|byte| **byte == b'*').count();
    assert_eq!(stars, 3 * 29 + 33 + 34 + 38 + 58);
    let mut cuts = 0;
    for first in 0..=page.len() {
        for second in (first..=page.len()).step_by(7) {
            let chunks = [&page[..first], &page[first..second], &page[second..]];
            assert!(redacted(&secret, chunks) == expected, "cut at {first} and {second}");
            cuts += 1;
        }
    }
    assert!(cuts > 6_000, "{cuts}");
    for size in [1, 2, 3, 5, 8, 1023, 1024, 1025] {
        assert!(redacted(&secret, page.chunks(size)) == expected, "chunks of {size}");
    }
}

/// The longest form: the key in base64, each character escaped, and then the start of an escape.
#[test]
fn what_is_decided_is_not_held_back() {
    let base64 = "c2stcVo3X1h3OXZLM0pwNUhkOC5CbjJHbTZSeTQ=";
    let escaped =
        |text: &str| text.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<String>();
    let body = escaped(base64) + "\\u00";
    let (mut redactor, mut out, mut given) = (crate::redactor(&bound(KEY)), 0, 0);
    for byte in body.as_bytes() {
        redactor.push(&[*byte], |bytes| out += bytes.len());
        given += 1;
        assert!(given - out < 8 * KEY.len(), "{} bytes after {given}", given - out);
    }
    redactor.finish(|bytes| out += bytes.len());
    assert_eq!((out, given), (body.len(), body.len()));
    let masked = redacted(&bound(KEY), [body.as_bytes()]);
    assert!(masked.starts_with(&[b'*'; 6 * 38]), "{}", masked.len());
}

#[test]
fn what_cannot_be_a_key_is_not_held_back() {
    let mut redactor = crate::redactor(&bound(KEY));
    let mut given = 0;
    for event in ["data: {\"text\":\"Hel\"}\n\n", "data: {\"text\":\"lo\"}\n\n", "data: [DONE]\n\n"]
    {
        let mut out = Vec::new();
        redactor.push(event.as_bytes(), |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, event.as_bytes());
        given += 1;
    }
    assert_eq!(given, 3);
    // Once a key can no longer come of it, everything is handed on.
    let mut out = Vec::new();
    redactor.push(b"a sk-qZ", |bytes| out.extend_from_slice(bytes));
    assert_eq!(out, b"a ");
    redactor.push(b"\n", |bytes| out.extend_from_slice(bytes));
    assert_eq!(out, b"a sk-qZ\n");
}

/// Keys and texts of few different characters, so that forms overlap, and begin again inside themselves.
#[test]
fn random_texts_agree_with_a_search_without_state() {
    let key = prop_oneof!["[ab]{8,12}", "[%u\\\\0416]{8,10}", "[!-~]{8,20}", "(aab){3,5}"];
    let piece = prop_oneof![
        4 => any::<u8>().prop_map(Piece::Byte),
        4 => prop::sample::select(b"ab%\\u04161/+-_=".to_vec()).prop_map(Piece::Byte),
        1 => (0xf8_u8.., any::<u8>(), any::<u8>()).prop_map(|(form, detail, len)| Piece::Form(form, detail, len)),
        1 => Just(Piece::Cut),
    ];
    let masked = Cell::new(0);
    let config = Config { cases: 3000, failure_persistence: None, ..Config::default() };
    proptest!(config, |(key in key, pieces in prop::collection::vec(piece, 1..60))| {
        let (text, cuts) = redaction::text(key.as_bytes(), &pieces.iter().flat_map(Piece::bytes).collect::<Vec<_>>());
        let expected = redaction::masked(key.as_bytes(), &text);
        let chunks = cuts.windows(2).map(|ends| &text[ends[0]..ends[1]]);
        masked.set(masked.get() + usize::from(expected != text));
        prop_assert!(redaction::redacted(&bound(&key), key.len(), chunks) == expected);
    });
    assert!(masked.get() > 500, "{masked:?}");
}

/// What `redaction::text` makes a text of.
#[derive(Clone, Debug)]
enum Piece {
    Byte(u8),
    Form(u8, u8, u8),
    Cut,
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        match *self {
            Self::Byte(byte) => vec![byte.min(0xef)],
            Self::Form(form, detail, len) => vec![form, detail, len],
            Self::Cut => vec![0xf0],
        }
    }
}

/// Texts that make a search start again and again: they take about as long as any other.
#[test]
fn a_hostile_body_takes_no_longer() {
    let key = "a".repeat(4000) + "b";
    let secret = bound(&key);
    let seconds = |unit: &[u8]| {
        let chunk: Vec<u8> = unit.iter().copied().cycle().take(1 << 16).collect();
        let mut redactor = crate::redactor(&secret);
        let start = Instant::now();
        for _ in 0..16 {
            redactor.push(&chunk, |_| ());
        }
        redactor.finish(|_| ());
        start.elapsed().as_secs_f64()
    };
    let calm = seconds(b"\n");
    // A search that starts again at each byte would compare each of a million bytes thousands of times.
    let almost = key.replace('b', "c");
    let units: [&[u8]; 7] =
        [b"a", key.as_bytes(), almost.as_bytes(), b"%61", b"\\u0061", b"6", b"YWFh"];
    for (number, unit) in units.into_iter().enumerate() {
        let hostile = seconds(unit);
        assert!(hostile < 20.0 * calm.max(0.02), "text {number}: {hostile} s, and {calm} s");
    }
}
