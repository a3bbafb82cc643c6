//! What a context is, to the byte; what is not one; and that no context is mistaken for another.

use core::iter;
use core::ops::RangeInclusive;
use std::collections::HashMap;

use sealwax::{ContextError, EncryptionContext, Secret, Suite};

use crate::fixtures::{CREDENTIAL, Counting, SUITES, class, context, keyring, unhex};

type Pairs = Vec<(String, String)>;

/// Returns the error as text, because its fields cannot be compared from outside in any other way.
fn outcome(pairs: &[(String, String)]) -> String {
    match EncryptionContext::new(pairs.iter().map(|(name, value)| (name, value))) {
        Ok(_) => "accepted".to_owned(),
        Err(ContextError::TooManyPairs) => "too many pairs".to_owned(),
        Err(ContextError::NameLength { pair, found, .. }) => format!("name {pair} of {found}"),
        Err(ContextError::ValueLength { pair, found, .. }) => format!("value {pair} of {found}"),
        Err(ContextError::DuplicateName { pair, .. }) => format!("duplicate {pair}"),
        Err(other) => panic!("a variant without a name: {other}"),
    }
}

fn owned(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Returns this many pairs, with names of 64 and values of 1024 bytes.
fn large(count: usize) -> Pairs {
    (0..count).map(|i| (format!("{i:064}"), format!("{i:01024}"))).collect()
}

#[test]
fn pairs_out_of_their_limits_are_refused_and_the_error_names_the_pair() {
    let name = |text: &str, times: usize| vec![(text.repeat(times), String::new())];
    let value = |text: &str, times: usize| vec![("n".to_owned(), text.repeat(times))];
    let mut thirty_third_is_bad = large(32);
    thirty_third_is_bad.push((String::new(), "x".repeat(2000)));
    let mut last_is_bad = large(31);
    last_is_bad.push((String::new(), String::new()));

    let rows: &[(&str, Pairs, &str)] = &[
        ("no pair", vec![], "accepted"),
        ("32 pairs of the largest", large(32), "accepted"),
        ("33 pairs", large(33), "too many pairs"),
        ("33 pairs, the last one bad as well", thirty_third_is_bad, "too many pairs"),
        ("32 pairs, the last one bad", last_is_bad, "name 31 of 0"),
        ("an empty name", owned(&[("", "x")]), "name 0 of 0"),
        ("an empty name and an empty value", owned(&[("", "")]), "name 0 of 0"),
        ("an empty second name", owned(&[("a", "x"), ("", "x")]), "name 1 of 0"),
        ("an empty value", owned(&[("a", "")]), "accepted"),
        ("a name of 1 byte", name("n", 1), "accepted"),
        ("a name of 64 bytes", name("n", 64), "accepted"),
        ("a name of 65 bytes", name("n", 65), "name 0 of 65"),
        ("a name of 32 characters in 64 bytes", name("é", 32), "accepted"),
        ("a name of 33 characters in 66 bytes", name("é", 33), "name 0 of 66"),
        ("a name of 22 characters in 66 bytes", name("€", 22), "name 0 of 66"),
        ("a name whose length wraps around in 16 bits", name("n", 65_540), "name 0 of 65540"),
        ("a value of 1024 bytes", value("v", 1024), "accepted"),
        ("a value of 1025 bytes", value("v", 1025), "value 0 of 1025"),
        ("a value of 512 characters in 1024 bytes", value("é", 512), "accepted"),
        ("a value of 513 characters in 1026 bytes", value("é", 513), "value 0 of 1026"),
        ("a value whose length wraps around in 16 bits", value("v", 65_540), "value 0 of 65540"),
        (
            "name and value bad: the name is named",
            vec![(String::new(), "v".repeat(1025))],
            "name 0 of 0",
        ),
        (
            "the fourth value too long",
            [owned(&[("d", ""), ("c", ""), ("b", "")]), value("v", 1025)].concat(),
            "value 3 of 1025",
        ),
        ("a name twice", owned(&[("a", "1"), ("a", "2")]), "duplicate 1"),
        ("a name twice with one value", owned(&[("a", "1"), ("a", "1")]), "duplicate 1"),
        (
            "a name twice, others between",
            owned(&[("b", ""), ("z", ""), ("a", ""), ("b", "")]),
            "duplicate 3",
        ),
        ("a name three times", owned(&[("a", ""), ("a", ""), ("a", "")]), "duplicate 1"),
        (
            "a name twice, and a length out of range after it",
            owned(&[("a", ""), ("a", ""), ("", "")]),
            "name 2 of 0",
        ),
        ("names that differ in case only", owned(&[("a", ""), ("A", "")]), "accepted"),
        ("a name that is a prefix of another", owned(&[("a", ""), ("aa", "")]), "accepted"),
    ];
    for (row, pairs, expected) in rows {
        assert_eq!(outcome(pairs), *expected, "{row}");
    }
    assert_eq!(rows.len(), 30);
}

#[test]
fn an_error_says_which_pair_and_what_is_allowed_and_nothing_of_the_pair() {
    let long = "~".repeat(1025);
    let rows = [
        (
            owned(&[("ok", ""), (&long, "")]),
            "the name of context pair 1 has 1025 bytes: expected 1 to 64",
        ),
        (owned(&[("a", &long)]), "the value of context pair 0 has 1025 bytes: expected 0 to 1024"),
        (owned(&[("~~", ""), ("~~", "~~")]), "context pair 1 repeats the name of an earlier pair"),
        (
            vec![("~~".to_owned(), "~~".to_owned()); 33],
            "the encryption context has more than 32 pairs",
        ),
    ];
    for (pairs, expected) in rows {
        let error = EncryptionContext::new(pairs).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!format!("{error:?}").contains('~'), "{error:?}");
    }
}

#[test]
fn an_iterator_without_end_is_given_up_after_thirty_three_pairs() {
    let endless = iter::repeat(("tenant", "acme"));
    assert_eq!(EncryptionContext::new(endless), Err(ContextError::TooManyPairs));

    let mut drawn = 0;
    let endless = (0_u64..).map(|i| {
        drawn += 1;
        (i.to_string(), "")
    });
    assert_eq!(EncryptionContext::new(endless), Err(ContextError::TooManyPairs));
    assert_eq!(drawn, 33);
}

#[test]
fn the_largest_context_is_encoded_whole_and_seals_and_opens() {
    let pairs = large(32);
    let context = EncryptionContext::new(pairs.clone()).unwrap();
    assert_eq!(context.encoded().len(), 2 + 32 * (2 + 64 + 2 + 1024));
    let found: Vec<_> = context.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    assert_eq!(found, pairs);

    let keyring = keyring(Suite::default());
    let secret = Secret::from(CREDENTIAL);
    let envelope = keyring.seal_with_rng(&secret, &context, &mut Counting(1)).unwrap();
    assert_eq!(keyring.open(&envelope, &context).unwrap(), secret);

    // Its very last byte counts.
    let mut pairs = pairs;
    pairs[31].1.replace_range(1023.., "x");
    let other = EncryptionContext::new(pairs).unwrap();
    assert_eq!(class(&keyring.open(&envelope, &other).unwrap_err()), "context_mismatch");
}

#[test]
fn a_context_is_encoded_as_the_format_says() {
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[], "0000"),
        (&[("a", "")], "0001 0001 61 0000"),
        (&[("a", "b")], "0001 0001 61 0001 62"),
        (&[("tenant", "acme")], "0001 0006 74656e616e74 0004 61636d65"),
        (&[("b", "2"), ("a", "1")], "0002 0001 61 0001 31 0001 62 0001 32"),
        (&[("é", "€")], "0001 0002 c3a9 0003 e282ac"),
        (&[("\0", "\r\n")], "0001 0001 00 0002 0d0a"),
        (&[(" ", "\u{feff}")], "0001 0001 20 0003 efbbbf"),
    ];
    for (pairs, hex) in rows {
        let context = context(pairs);
        assert_eq!(context.encoded(), unhex(&hex.replace(' ', "")), "{pairs:?}");
        for (name, value) in *pairs {
            assert_eq!(context.get(name), Some(*value), "{pairs:?}");
        }
        let mut sorted = pairs.to_vec();
        sorted.sort_unstable();
        assert_eq!(context.iter().collect::<Vec<_>>(), sorted, "{pairs:?}");
        assert_eq!(context.get("absent"), None);
        assert_eq!(context.clone(), context);
    }
    assert_eq!(rows.len(), 8);

    assert_eq!(EncryptionContext::empty(), context(&[]));
    assert_eq!(EncryptionContext::empty().encoded(), [0, 0]);
    assert_eq!(EncryptionContext::empty().iter().count(), 0);
    // A value is not found under a part of its name, or under its name in another case.
    let tenant = context(&[("tenant", "acme")]);
    assert_eq!([tenant.get("tenan"), tenant.get("Tenant"), tenant.get("")], [None; 3]);
    let shown = format!("{:?}", context(&[("b", "2"), ("a", "1")]));
    assert_eq!(shown, r#"EncryptionContext {"a": "1", "b": "2"}"#);
}

#[test]
fn names_stand_in_the_order_of_their_bytes_a_proper_prefix_first() {
    let ordered = ["A", "Z", "a", "aZ", "aa", "ab", "abc", "z", "é", "\u{fffd}", "\u{10000}"];
    // To make the test meaningful, this checks that other orders differ: case folding, length
    // first, and UTF-16 code units, in which the surrogates of U+10000 precede U+FFFD.
    assert!("z".to_lowercase() > "a".to_lowercase() && "Z".to_lowercase() > "a".to_lowercase());
    assert!("aZ".len() > "z".len());
    assert!("\u{10000}".encode_utf16().lt("\u{fffd}".encode_utf16()));

    let context = EncryptionContext::new(ordered.iter().rev().map(|name| (name, "v"))).unwrap();
    assert!(context.iter().map(|(name, _)| name).eq(ordered));
    // In the encoded bytes too, not only in what `iter` returns.
    let mut encoded = vec![0, 11];
    for name in ordered {
        encoded.extend([0, u8::try_from(name.len()).unwrap()]);
        encoded.extend(name.as_bytes());
        encoded.extend([0, 1, b'v']);
    }
    assert_eq!(context.encoded(), encoded);
}

#[test]
fn the_order_in_which_pairs_are_given_does_not_matter() {
    let pairs = [("tenant", "acme"), ("provider", "openai"), ("row", "7"), ("ten", "")];
    let expected = context(&pairs);
    let keyring = keyring(Suite::default());
    let secret = Secret::from(CREDENTIAL);
    let envelope = keyring.seal_with_rng(&secret, &expected, &mut Counting(1)).unwrap();
    let mut tried = 0;
    for a in 0..4 {
        for b in (0..4).filter(|b| *b != a) {
            for c in (0..4).filter(|c| *c != a && *c != b) {
                let order = [pairs[a], pairs[b], pairs[c], pairs[6 - a - b - c]];
                let context = context(&order);
                assert_eq!(context, expected, "{order:?}");
                assert_eq!(context.encoded(), expected.encoded(), "{order:?}");
                assert_eq!(keyring.open(&envelope, &context).unwrap(), secret, "{order:?}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 24);
}

/// Texts that a database, a form or a person may mistake for each other.
const NEAR: [(&str, &str, &str); 17] = [
    ("case", "acme", "Acme"),
    ("case outside of ASCII", "é", "É"),
    ("sharp s", "straße", "strasse"),
    ("a trailing space", "acme", "acme "),
    ("a leading space", "acme", " acme"),
    ("a trailing line feed", "acme", "acme\n"),
    ("a trailing NUL", "acme", "acme\0"),
    ("a byte order mark", "acme", "\u{feff}acme"),
    ("NFC and NFD", "caf\u{e9}", "cafe\u{301}"),
    ("composed Hangul", "\u{ac00}", "\u{1100}\u{1161}"),
    ("the Angstrom sign", "\u{212b}", "\u{c5}"),
    ("a ligature", "\u{fb01}", "fi"),
    ("full-width digits", "42", "\u{ff14}\u{ff12}"),
    ("a Cyrillic look-alike", "acme", "\u{430}cme"),
    ("a Greek look-alike", "o", "\u{3bf}"),
    ("a zero-width joiner", "acme", "ac\u{200d}me"),
    ("a leading zero", "7", "07"),
];

#[test]
fn what_looks_alike_is_another_context() {
    let keyring = keyring(Suite::default());
    let secret = Secret::from(CREDENTIAL);
    let mut tried = 0;
    for (row, a, b) in NEAR {
        assert_ne!(a, b, "{row}");
        let as_values = [context(&[("tenant", a)]), context(&[("tenant", b)])];
        let as_names = [context(&[(a, "acme")]), context(&[(b, "acme")])];
        for [left, right] in [as_values, as_names] {
            for (sealed, opened) in [(&left, &right), (&right, &left)] {
                assert_ne!(sealed, opened, "{row}");
                let envelope = keyring.seal_with_rng(&secret, sealed, &mut Counting(1)).unwrap();
                let error = keyring.open(&envelope, opened).unwrap_err();
                assert_eq!(class(&error), "context_mismatch", "{row}");
                assert_eq!(keyring.open(&envelope, sealed).unwrap(), secret, "{row}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 17 * 4);
}

/// Returns all texts of these lengths over an alphabet of characters that people join fields with.
fn texts(lengths: RangeInclusive<usize>) -> Vec<String> {
    let mut texts = vec![vec![String::new()]];
    for _ in 0..*lengths.end() {
        let longer = texts[texts.len() - 1].iter();
        let longer = longer.flat_map(|text| ['a', ':', '=', '\0'].map(|c| format!("{text}{c}")));
        texts.push(longer.collect());
    }
    texts.drain(lengths).flatten().collect()
}

/// Contexts by their encoding.
type Seen<'p> = HashMap<Vec<u8>, Vec<(&'p str, &'p str)>>;

fn record<'p>(seen: &mut Seen<'p>, set: &[(&'p str, &'p str)]) {
    let context = context(set);
    let mut sorted = set.to_vec();
    sorted.sort_unstable();
    assert!(context.iter().eq(sorted.iter().copied()), "{set:?}");
    let twin = seen.insert(context.encoded().to_vec(), sorted);
    assert_eq!(twin, None, "has the same encoding as {set:?}");
}

/// Tries all short texts: the encoding is injective, and the pairs can be read back.
#[test]
fn no_two_contexts_are_encoded_alike() {
    let (names, values) = (texts(1..=2), texts(0..=2));
    assert_eq!((names.len(), values.len()), (20, 21));
    let pairs: Vec<(&str, &str)> =
        names.iter().flat_map(|name| values.iter().map(|value| (&**name, &**value))).collect();

    let mut seen = Seen::new();
    record(&mut seen, &[]);
    for (i, first) in pairs.iter().enumerate() {
        record(&mut seen, &[*first]);
        for second in pairs[..i].iter().filter(|second| second.0 != first.0) {
            record(&mut seen, &[*first, *second]);
        }
    }
    // None, one of 420, or two of 420 with different names.
    println!("{} contexts, no two with the same encoding", seen.len());
    assert_eq!(seen.len(), 1 + 420 + (420 * 419 / 2 - 20 * (21 * 20 / 2)));
}

/// Pairs that a fake KMS was seen to confuse, end to end.
#[test]
fn a_boundary_that_moves_is_another_context() {
    let rows: &[[&[(&str, &str)]; 2]] = &[
        [&[("ab", "c")], &[("a", "bc")]],
        [&[("a", "b=c")], &[("a=b", "c")]],
        [&[("a", "b"), ("c", "d")], &[("a", "b:c=d")]],
        [&[("a", "b"), ("c", "d")], &[("a", "b\0\u{1}c\0\u{1}d")]],
        [&[("a", "b"), ("c", "d")], &[("a", "d"), ("c", "b")]],
        [&[("a", "b")], &[("b", "a")]],
        [&[("a", "")], &[]],
        [&[("a", "b"), ("c", "")], &[("a", "b")]],
    ];
    let mut tried = 0;
    for suite in SUITES {
        let keyring = keyring(suite);
        for [left, right] in rows {
            for (sealed, opened) in [(left, right), (right, left)] {
                let secret = Secret::from(CREDENTIAL);
                let mut rng = Counting(1);
                let envelope = keyring.seal_with_rng(&secret, &context(sealed), &mut rng).unwrap();
                let error = keyring.open(&envelope, &context(opened)).unwrap_err();
                assert_eq!(class(&error), "context_mismatch", "{sealed:?} as {opened:?}");
                assert_eq!(keyring.open(&envelope, &context(sealed)).unwrap(), secret);
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * 8 * 2);
}
