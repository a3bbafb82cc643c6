//! The same ciphertexts in envelopes, arranged in every way: each envelope has at most one reading.

use std::collections::BTreeSet;

use sealwax::{DataKey, EncryptionContext, Envelope, Keyring, Suite};

use crate::forgery::Pair;
use crate::page::{Parts, SUITES, cipher, derive, drawn, ring};
use crate::reference::procedures::wrap_local;

fn context(row: &str) -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme"), ("row", row)]).unwrap()
}

/// One reading of an envelope: with this data key, in this context.
#[derive(Clone)]
struct Reading {
    data_key: [u8; 32],
    context: EncryptionContext,
}

impl Reading {
    fn new(data_key: &str, row: &str) -> Self {
        Self { data_key: drawn(data_key), context: context(row) }
    }
}

/// What was tried, and how often it opened.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    envelopes: usize,
    attempts: usize,
    opened: usize,
}

/// Opens an envelope with every keyring and every data key in every context, and counts. Asserts
/// that every successful attempt gives the same reading.
fn read_everywhere(
    envelope: &Envelope,
    rings: &[Keyring],
    readings: &[Reading; 2],
    count: &mut Count,
) {
    let mut plaintexts = BTreeSet::new();
    let mut places = BTreeSet::new();
    let mut tried = |context: &EncryptionContext, opened: Result<sealwax::Secret, _>| {
        count.attempts += 1;
        let Ok(secret) = opened.map_err(|_: sealwax::OpenError| ()) else { return };
        count.opened += 1;
        plaintexts.insert(secret.expose_secret().to_vec());
        places.insert(context.encoded().to_vec());
    };
    let contexts = [&readings[0].context, &readings[1].context];
    for context in if contexts[0] == contexts[1] { &contexts[..1] } else { &contexts } {
        for ring in rings {
            tried(context, ring.open(envelope, context));
        }
        for reading in readings {
            let data_key = DataKey::from_bytes(&mut reading.data_key.clone()).unwrap();
            tried(context, envelope.open_with(&data_key, context));
        }
    }
    count.envelopes += 1;
    assert!(plaintexts.len() <= 1, "an envelope has {} plaintexts", plaintexts.len());
    assert!(places.len() <= 1, "an envelope opens in {} contexts", places.len());
}

/// Builds every envelope around a ciphertext that decrypts under the keys of both readings. Each of
/// the two wraps holds either data key and is bound to either commitment. The wraps come in either
/// order, under either commitment, with a MAC computed with either data key.
fn arrange(suite: Suite, readings: &[Reading; 2], count: &mut Count) {
    let iv: [u8; 12] = drawn("iv");
    let derived = [0, 1].map(|of| {
        let Reading { data_key, context } = &readings[of];
        derive(data_key, suite, &iv, context)
    });
    let keys = [&derived[0].0, &derived[1].0];
    let pair = Pair { cipher: cipher(suite), keys, iv: &iv, associated_data: &[] };
    let mut ciphertext = drawn::<51>("ciphertext").to_vec();
    let tag = pair.reconcile(&mut ciphertext);
    let plaintexts = pair.readings(&ciphertext, &tag).map(Option::unwrap);
    assert_ne!(plaintexts[0], plaintexts[1], "both keys read the same plaintext");

    let masters = [("a", drawn("master a")), ("b", drawn("master b"))];
    let [a, b] = [0, 1].map(|of| (masters[of].0, &masters[of].1));
    let rings = [ring(&[a]), ring(&[b]), ring(&[a, b]), ring(&[b, a])];
    // One bit for each choice.
    for choices in 0_usize..1 << 7 {
        let choice = |bit: usize| choices >> bit & 1;
        let wrap_of = |of: usize| {
            let (id, master) = masters[of];
            let (_, commitment) = &derived[choice(of)];
            let data_key = &readings[choice(2 + of)].data_key;
            (id.to_owned(), wrap_local(&master, id, suite.id(), commitment, data_key))
        };
        let first = choice(4);
        let parts = Parts {
            suite: suite.id(),
            wraps: vec![wrap_of(first), wrap_of(1 - first)],
            commitment: derived[choice(5)].1.clone(),
            mac: Vec::new(),
            iv: iv.to_vec(),
            tag: tag.to_vec(),
            ciphertext: ciphertext.clone(),
        };
        let envelope = parts.with_mac_under(&readings[choice(6)].data_key).envelope();
        read_everywhere(&envelope, &rings, readings, count);
    }
}

fn arranged(one: (&str, &str), other: (&str, &str)) -> Count {
    let mut count = Count::default();
    for suite in SUITES {
        let readings = [one, other].map(|(data_key, row)| Reading::new(data_key, row));
        arrange(suite, &readings, &mut count);
    }
    count
}

/// The envelopes that open are those whose commitment and MAC come from one data key. That data key
/// opens 64 of them. The keyrings whose wrap holds that data key and is bound to its commitment
/// open the others: 16 and 16 for the keyrings of one key, 28 and 28 for those of two.
#[test]
fn an_envelope_of_two_data_keys_opens_by_one_at_most() {
    let count = arranged(("one", "1"), ("other", "1"));
    println!("two data keys: {count:?}");
    assert_eq!(count, Count { envelopes: 256, attempts: 256 * 6, opened: 2 * 152 });
}

#[test]
fn an_envelope_of_two_contexts_opens_in_one_at_most() {
    let count = arranged(("one", "1"), ("one", "2"));
    println!("two contexts: {count:?}");
    assert_eq!(count, Count { envelopes: 256, attempts: 256 * 12, opened: 2 * 576 });
}

#[test]
fn an_envelope_of_two_data_keys_and_two_contexts_opens_in_one_way_at_most() {
    let count = arranged(("one", "1"), ("other", "2"));
    println!("two data keys and two contexts: {count:?}");
    assert_eq!(count, Count { envelopes: 256, attempts: 256 * 12, opened: 2 * 152 });
}
