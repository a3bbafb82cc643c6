//! Bytes or text that parse are the only encoding of an envelope.

use core::cell::Cell;
use core::fmt;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{Index, select};
use sealwax::{Envelope, Secret, Suite};

use crate::fixtures::{CREDENTIAL, Counting, SUITES, acme};
use crate::properties::{for_all, ring_of, suite, text};

/// Returns whether bytes are an envelope. If they are, asserts that they are its only encoding.
fn parses_as_bytes(bytes: &[u8]) -> bool {
    let Ok(envelope) = Envelope::from_bytes(bytes) else {
        assert!(Envelope::try_from(bytes.to_vec()).is_err());
        return false;
    };
    assert_eq!(envelope.as_bytes(), bytes);
    let text = envelope.to_string();
    assert_eq!(text.parse().as_ref(), Ok(&envelope), "{text}");
    assert_eq!(String::from(envelope.clone()), text);
    check_parts(&envelope);
    assert_eq!(Vec::from(envelope), bytes);
    true
}

/// Does the same for text.
fn parses_as_text(text: &str) -> bool {
    let Ok(envelope) = text.parse::<Envelope>() else {
        assert!(Envelope::try_from(text.to_owned()).is_err());
        return false;
    };
    assert_eq!(envelope.to_string(), text);
    assert_eq!(Envelope::from_bytes(envelope.as_bytes()).as_ref(), Ok(&envelope), "{text}");
    check_parts(&envelope);
    true
}

/// Asserts that the parts, put together as the format page says, are the whole envelope.
fn check_parts(envelope: &Envelope) {
    let suite = match envelope.suite() {
        Suite::Aes256Gcm => 1,
        Suite::ChaCha20Poly1305 => 2,
        other => panic!("a suite without an id: {other}"),
    };
    let wraps: Vec<_> = envelope.wrapped_keys().collect();
    let mut whole = [b"SW".as_slice(), &[1, suite, u8::try_from(wraps.len()).unwrap()]].concat();
    for wrap in &wraps {
        let id = wrap.key_id().as_ref().as_bytes();
        whole.push(u8::try_from(id.len()).unwrap());
        whole.extend(id);
        whole.extend(u16::try_from(wrap.body().len() + 1).unwrap().to_be_bytes());
        whole.push(wrap.kind().byte());
        whole.extend(wrap.body());
    }
    whole.extend(envelope.commitment());
    whole.extend(envelope.mac());
    whole.extend(envelope.iv());
    whole.extend(envelope.tag());
    whole.extend(envelope.ciphertext());
    assert_eq!(whole, envelope.as_bytes());
    assert!((1..=8).contains(&wraps.len()));
    assert!(envelope.key_ids().eq(wraps.iter().map(|wrap| wrap.key_id().clone())));
    let distinct: BTreeSet<_> = envelope.key_ids().collect();
    assert_eq!(distinct.len(), wraps.len());
}

/// A change to a sequence of bytes or characters.
#[derive(Clone, Debug)]
enum Edit<T> {
    Replace(Index, T),
    Insert(Index, T),
    Remove(Index),
    /// Inserts a copy of the items between two positions after them.
    Double(Index, Index),
    Truncate(Index),
}

impl<T: Clone> Edit<T> {
    fn apply(&self, items: &mut Vec<T>) {
        let len = items.len();
        if len == 0 {
            return;
        }
        match self {
            Self::Replace(at, item) => items[at.index(len)] = item.clone(),
            Self::Insert(at, item) => items.insert(at.index(len + 1), item.clone()),
            Self::Remove(at) => drop(items.remove(at.index(len))),
            Self::Double(from, to) => {
                let (from, to) = (from.index(len), to.index(len));
                let doubled = items[from.min(to)..from.max(to)].to_vec();
                let end = from.max(to);
                items.splice(end..end, doubled);
            }
            Self::Truncate(at) => items.truncate(at.index(len)),
        }
    }
}

fn edits<T: Clone + fmt::Debug + 'static>(
    item: impl Strategy<Value = T> + Clone + 'static,
) -> impl Strategy<Value = Vec<Edit<T>>> {
    let edit = prop_oneof![
        6 => (any::<Index>(), item.clone()).prop_map(|(at, item)| Edit::Replace(at, item)),
        2 => (any::<Index>(), item).prop_map(|(at, item)| Edit::Insert(at, item)),
        2 => any::<Index>().prop_map(Edit::Remove),
        1 => any::<(Index, Index)>().prop_map(|(from, to)| Edit::Double(from, to)),
        1 => any::<Index>().prop_map(Edit::Truncate),
    ];
    vec(edit, 1..4)
}

/// Returns valid envelopes of many shapes, which are sealed once.
fn valid() -> &'static [Envelope] {
    static VALID: OnceLock<Vec<Envelope>> = OnceLock::new();
    VALID.get_or_init(|| {
        let mut rows = Vec::new();
        for suite in SUITES {
            for escrows in [0, 1, 7] {
                for len in [0, 1, 2, 51, 300] {
                    let secret = Secret::from(&CREDENTIAL.repeat(6)[..len]);
                    let ring = ring_of(suite, escrows);
                    rows.push(ring.seal_with_rng(&secret, &acme(), &mut Counting(1)).unwrap());
                }
            }
        }
        assert_eq!(rows.len(), 2 * 3 * 5);
        rows
    })
}

/// Counts how many of the tried values parsed. Some must parse and some must not, or the test shows
/// nothing.
#[derive(Default)]
struct Parsed(Cell<usize>, Cell<usize>);

impl Parsed {
    fn count(&self, parsed: bool) {
        let counter = if parsed { &self.0 } else { &self.1 };
        counter.set(counter.get() + 1);
    }

    fn assert_both(&self) {
        let (parsed, refused) = (self.0.get(), self.1.get());
        assert!(parsed > 50 && refused > 50, "{parsed} parsed, {refused} refused");
    }
}

#[test]
fn bytes_that_parse_are_the_only_encoding_of_an_envelope() {
    let parsed = Parsed::default();
    let values = (select(valid()), edits(any::<u8>()));
    for_all(1000, values, |(row, edits)| {
        let mut bytes = row.as_bytes().to_vec();
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        parsed.count(parses_as_bytes(&bytes));
    });
    parsed.assert_both();
}

#[test]
fn text_that_parses_is_the_only_encoding_of_an_envelope() {
    let parsed = Parsed::default();
    let base64url = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']);
    let char = prop_oneof![
        8 => select(base64url.collect::<Vec<_>>()),
        1 => select(":=,.+/@ \n\r\t\0".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ];
    let values = (select(valid()), edits(char.boxed()));
    for_all(1000, values, |(row, edits)| {
        let mut chars: Vec<char> = row.to_string().chars().collect();
        edits.iter().for_each(|edit| edit.apply(&mut chars));
        parsed.count(parses_as_text(&chars.into_iter().collect::<String>()));
    });
    parsed.assert_both();
}

/// Input that anyone who can write to the database can give to a parser, from nothing to almost an
/// envelope.
#[test]
fn arbitrary_bytes_and_text_are_refused_or_canonical() {
    let front =
        select(vec![&b""[..], b"S", b"SW", b"SW\x01", b"SW\x01\x01\x01", b"SW\x01\x02\x02"]);
    for_all(500, (front, vec(any::<u8>(), 0..300)), |(front, bytes)| {
        parses_as_bytes(&[front, &bytes].concat());
    });
    let front = select(vec!["", "sw", "sw1", "sw1:", "sw1:a256gcm:", "sw1:c20p:prod=AQ:", "sw2:"]);
    for_all(500, (front, text(0..200)), |(front, text)| {
        parses_as_text(&format!("{front}{text}"));
    });
    // Any bodies, ids and kinds, in envelopes built from random fields alone.
    let parsed = Parsed::default();
    let wrap = (vec(select(b"aZ0._-/@".to_vec()), 0..5), vec(any::<u8>(), 1..60));
    let values = (suite(), vec(wrap, 0..10), vec(any::<u8>(), 76..200));
    for_all(500, values, |(suite, wraps, tail)| {
        let count = u8::try_from(wraps.len()).unwrap();
        let mut bytes = vec![b'S', b'W', 1, u8::from(suite != Suite::Aes256Gcm) + 1, count];
        for (i, (rest, wrapped)) in wraps.iter().enumerate() {
            bytes.push(u8::try_from(rest.len()).unwrap() + 1);
            bytes.push(b"AZaz09bcde"[i]); // So that no two are the same.
            bytes.extend(rest);
            bytes.extend(u16::try_from(wrapped.len()).unwrap().to_be_bytes());
            bytes.extend(wrapped);
        }
        bytes.extend(tail);
        parsed.count(parses_as_bytes(&bytes));
    });
    parsed.assert_both();
}
