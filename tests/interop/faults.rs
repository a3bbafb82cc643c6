//! Rows with one change each. This file only makes them. The crate decides what each one is, and
//! the other languages have to agree.

use hmac::{Hmac, KeyInit, Mac};
use sealwax::Envelope;
use sha2::Sha256;

use crate::outcome::Question;
use crate::rows::{Form, Key, Row, Seeded};

/// Returns a random row with one change after sealing.
pub(crate) fn draw(random: &mut Seeded) -> Question {
    let row = Row::draw(random);
    let data_key = random.clone().bytes(32); // The first bytes that the seal below draws.
    let envelope = row.sealed(random);
    let mut question = Question {
        envelope: form_of(random, &envelope),
        keyring: row.keyring.clone(),
        pairs: row.pairs.clone(),
    };
    match random.below(10) {
        0..4 => question.envelope = damaged(random, &question.envelope),
        4..7 => question.envelope = rewoven(random, &row, &envelope, &data_key),
        7 | 8 => question.keyring = of_somebody_else(random, &row),
        _ => mistaken(random, &mut question.pairs),
    }
    question
}

fn form_of(random: &mut Seeded, envelope: &Envelope) -> Form {
    if random.once_in(2) {
        Form::Text(envelope.to_string())
    } else {
        Form::Binary(envelope.as_bytes().to_vec())
    }
}

/// Makes a change without knowledge of the format, most often near the front.
fn damaged(random: &mut Seeded, form: &Form) -> Form {
    match form {
        Form::Text(text) => {
            let mut chars: Vec<char> = text.chars().collect();
            let at = place(random, chars.len());
            let other =
                random.pick(&['A', 'B', '0', '_', '-', '=', ':', ',', '+', '/', ' ', '\n', 'é']);
            damage(random, &mut chars, at, other);
            Form::Text(chars.into_iter().collect())
        }
        Form::Binary(bytes) => {
            let mut bytes = bytes.clone();
            let at = place(random, bytes.len());
            let other = bytes[at] ^ 1 << random.below(8);
            damage(random, &mut bytes, at, other);
            Form::Binary(bytes)
        }
    }
}

fn place(random: &mut Seeded, len: usize) -> usize {
    let end = if random.once_in(3) { len.min(12) } else { len };
    random.below(end)
}

fn damage<T>(random: &mut Seeded, items: &mut Vec<T>, at: usize, other: T) {
    match random.below(6) {
        0 => drop(items.remove(at)),
        1 => items.insert(at, other),
        2 => items.truncate(at),
        _ => items[at] = other,
    }
}

/// Changes the wraps, their order or their content. Sometimes the editor has the data key and
/// computes a new MAC.
fn rewoven(random: &mut Seeded, row: &Row, envelope: &Envelope, data_key: &[u8]) -> Form {
    let mut wraps = wraps_of(envelope);
    let mut ciphertext = envelope.ciphertext().to_vec();
    let at = random.below(wraps.len());
    let other = random.below(wraps.len());
    match random.below(11) {
        0 => drop(wraps.remove(at)),
        1 => wraps.push(wraps[at].clone()),
        2 => wraps.swap(at, other),
        3 => wraps[at].0 = other_id(random),
        4 => wraps[at].1[0] = random.pick(&[0, 1, 2, 3, 4, 5, 6, 0x7f, 0x80, 0xff]),
        5 => {
            let len = random.pick(&[0, 1, 2, 5, 29, 60]);
            wraps[at].1.truncate(len);
        }
        6 => wraps[at].1.push(0),
        // The wrap of another row under the same keys.
        7 => wraps[at] = wraps_of(&row.sealed(random)).remove(at),
        // What a column that is too short does, or one that pads.
        8 => ciphertext.truncate(random.below(ciphertext.len().max(1))),
        9 => ciphertext.push(0),
        _ => {
            let byte = random.pick(&[1, 4, 5, 28, 29, 60]);
            wraps[at].1[byte] ^= 0x10;
        }
    }
    let mut bytes = vec![b'S', b'W', 1, envelope.suite().id(), wraps.len().try_into().unwrap()];
    for (id, wrapped) in &wraps {
        bytes.push(id.len().try_into().unwrap());
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&u16::try_from(wrapped.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(wrapped);
    }
    bytes.extend_from_slice(envelope.commitment());
    let mac = if random.once_in(2) {
        *envelope.mac()
    } else {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(data_key).unwrap();
        let len = u32::try_from(ciphertext.len()).unwrap().to_be_bytes();
        for part in [b"sw1/mac", bytes.as_slice(), envelope.iv(), envelope.tag(), &len] {
            mac.update(part);
        }
        *mac.finalize().into_bytes().first_chunk().unwrap()
    };
    for part in [&mac, envelope.iv().as_slice(), envelope.tag(), &ciphertext] {
        bytes.extend_from_slice(part);
    }
    match Envelope::from_bytes(&bytes) {
        Ok(envelope) => form_of(random, &envelope),
        Err(_) => Form::Binary(bytes),
    }
}

/// Returns an id of none of the row's keys. Some ids look like a key and are therefore invalid.
fn other_id(random: &mut Seeded) -> String {
    let drawn = Key::draw(random).id;
    if random.once_in(2) {
        return drawn;
    }
    let letter = |random: &mut Seeded| random.pick(&['a', 'k', 'O', 't', 'Z', '1', '_', '.']);
    let mut prefix = random.pick(&["sw", "sW", "Sw", "SW"]).to_owned();
    for _ in 0..random.below(4) {
        prefix.push(letter(random));
    }
    prefix += random.pick(&["1_", "1_", "1_", "1-", "2_", "_1", "1"]);
    let at = random.below(drawn.len() + 1);
    let (before, after) = drawn.split_at(at);
    format!("{before}{prefix}{after}")
}

fn wraps_of(envelope: &Envelope) -> Vec<(String, Vec<u8>)> {
    let wraps = envelope.wrapped_keys().map(|wrapped| {
        (wrapped.key_id().to_string(), [&[wrapped.kind().byte()], wrapped.body()].concat())
    });
    wraps.collect()
}

/// Returns a keyring that has only some of the row's keys, has them under other states or material,
/// has none of them, or is mistyped.
fn of_somebody_else(random: &mut Seeded, row: &Row) -> String {
    let stranger = Key::of("stranger", &random.bytes(32));
    match random.below(6) {
        0 => row.keyring.replace(&row.keys[random.below(row.keys.len())].text, &stranger.text),
        1 => format!("primary {} {}", stranger.id, stranger.text),
        2 => {
            let mut chars: Vec<char> = row.keyring.chars().collect();
            let at = random.below(chars.len());
            let other = random.pick(&['A', '0', '#', ';', '\n', '\r', '\t', '\u{a0}', 'é', '=']);
            damage(random, &mut chars, at, other);
            chars.into_iter().collect()
        }
        3 => {
            let state = random.pick(&["disabled", "leaked", "destroyed"]);
            let id = random.pick(&[stranger.id.as_str(), &stranger.text, &stranger.text[5..]]);
            format!("{}\n{state} {id}", row.keyring)
        }
        _ => {
            let mut text = format!("primary {} {}", stranger.id, stranger.text);
            for key in &row.keys {
                let material = match random.below(12) {
                    // One key under two ids.
                    0 => stranger.text.clone(),
                    1..4 => Key::of("any", &random.bytes(32)).text,
                    _ => key.text.clone(),
                };
                match random.below(10) {
                    0 | 1 => text += &format!("\ndisabled {}", key.id),
                    2 | 3 => text += &format!("\ndestroyed {}", key.id),
                    4 => text += &format!("\nleaked {}", key.id),
                    5 => text += &format!("\nleaked {} {material}", key.id),
                    6 | 7 => text += &format!("\nretired {} {material}", key.id),
                    8 => text += &format!("\nescrow {} {material}", key.id),
                    _ => (),
                }
            }
            text
        }
    }
}

fn mistaken(random: &mut Seeded, pairs: &mut Vec<(String, String)>) {
    let at = random.below(pairs.len().max(1));
    match (random.below(6), pairs.get_mut(at)) {
        (0, _) => pairs.push(("added".to_owned(), String::new())),
        (1, Some(pair)) => pair.1.push(' '),
        (2, Some(pair)) => core::mem::swap(&mut pair.0, &mut pair.1),
        (3, Some(pair)) => {
            let again = pair.clone();
            pairs.push(again);
        }
        (4, Some(_)) => drop(pairs.remove(at)),
        // Not a mistake: the order in which pairs are given does not matter.
        (_, _) => pairs.reverse(),
    }
}
