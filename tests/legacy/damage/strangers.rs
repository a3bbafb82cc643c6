//! Intact rows that are not for this reader: of another kind, under another key or name, or not
//! rows at all.

use std::collections::BTreeSet;

use sealwax::legacy::n8n;
use sealwax::triplet::TripletKey;

use super::{FRESH, Subject, Tally, each_row};
use crate::anatomy::Parts;
use crate::coding::Coding;
use crate::files::{COMMITTED, File, Good, Key, KeyText};
use crate::kinds::{KINDS, Kind, Part, Piece, Refusal, Row};
use crate::seeded::{SEED, Seeded};

/// Reads each row under its own key and under the reader's, with the columns in every rotation.
#[test]
fn a_row_of_every_other_kind() {
    let mut tally = Tally::default();
    let mut rng = Seeded::for_purpose("other kinds");
    let (mut pairs, mut same) = (BTreeSet::new(), 0);
    for written in COMMITTED.iter() {
        for reader in COMMITTED.iter().filter(|reader| reader.kind.name != written.kind.name) {
            let own: Vec<_> = written
                .key_texts
                .iter()
                .map(|text| text.clone().named(&reader.keys[0].name).key())
                .collect();
            for row in &written.rows {
                for turned in turns(&row.columns, reader.kind.columns.len()) {
                    match of_another_kind(written, row, reader.kind, &own[row.key], &turned) {
                        Some(refusal) => tally.count(reader.kind, refusal),
                        None => same += 1,
                    }
                    let theirs = rng.pick(&reader.keys);
                    let refusal =
                        of_another_kind(written, row, reader.kind, theirs, &turned).unwrap();
                    tally.count(reader.kind, refusal);
                    pairs.insert([written.kind.name, reader.kind.name]);
                }
            }
        }
    }
    assert_eq!(pairs.len(), 15 * 14);
    // Hex iv:tag:ciphertext as three columns; and with an empty ciphertext, IV and tag as two.
    assert_eq!(same, 52 + 51 + 2);
    tally.report("of another kind", 15, 65_000);
}

/// Returns how the row was rejected, or `None` if it is the same row in another form.
fn of_another_kind(
    written: &File,
    row: &Good,
    reader: &Kind,
    key: &Key,
    turned: &Row,
) -> Option<Refusal> {
    let pair = [written.kind.name, reader.name];
    let parsed = reader.parse(&key.name, turned);
    match ((reader.read)(key, turned), parsed) {
        (Ok(secret), Ok(parts)) => {
            let own = written.kind.parse(&written.keys[row.key].name, &row.columns).unwrap();
            assert!(sorted(parts) == sorted(own), "{pair:?}: the row opened");
            assert!(secret.expose_secret() == row.plaintext, "{pair:?}");
            None
        }
        (Ok(_), Err(refusal)) => panic!("{pair:?}: the row opened, expected {refusal:?}"),
        // Both columns twice: the row opens where a data key is expected, but the plaintext is not
        // one.
        (Err(Refusal::Key), Ok(_)) if pair == ["webcrypto", "envelope"] => Some(Refusal::Key),
        (Err(found), parsed) => {
            let expected = parsed.err().unwrap_or(Refusal::NotAuthentic);
            assert_eq!(found, expected, "{pair:?}, seed {}", *SEED);
            Some(found)
        }
    }
}

fn sorted(mut parts: Parts) -> Parts {
    parts.sort_by_key(|(part, _)| *part);
    parts
}

/// Returns rows of `count` columns made from this row: rotated to start at each column, and also with
/// a single text split, or several joined.
fn turns(row: &Row, count: usize) -> Vec<Row> {
    let mut dresses = vec![row.clone()];
    match (row.as_slice(), count) {
        ([text], 2..) => dresses.push(text.split(|b| *b == b':').map(<[u8]>::to_vec).collect()),
        (texts, 1) => dresses.push(vec![texts.join(&b':')]),
        _ => (),
    }
    let turn = |columns: &Row, first: usize| {
        columns.iter().cycle().skip(first).take(count).cloned().collect::<Row>()
    };
    let all_turns = |columns: &Row| (0..columns.len()).map(|at| turn(columns, at)).collect();
    dresses.iter().flat_map(|columns| -> Vec<Row> { all_turns(columns) }).collect()
}

#[test]
fn under_every_other_key() {
    let mut rng = Seeded::for_purpose("other keys");
    each_row("under another key", 15, 3_000, |subject, tally| {
        let Subject { file, kind, key, row, stranger, .. } = subject;
        let mut refuse = |other: &Key| {
            let refusal = subject.refusal(other, row, &|| "another key".to_owned());
            assert_eq!(refusal, Refusal::NotAuthentic, "{}", subject.origin);
            tally.count(kind, refusal);
        };
        // The keys of the other rows, a new one, and a placeholder.
        for (other, text) in file.keys.iter().zip(&file.key_texts) {
            if !std::ptr::eq(other, *key) {
                refuse(&text.clone().named(&key.name).key());
            }
        }
        refuse(&(kind.new_key)(&mut rng).named(&key.name).key());
        refuse(stranger);
    });
}

const OTHER_LABELS: [&str; 8] =
    ["AES.GCM.V1", "AES.GCM.V2", "AES.GCM.V", "aes.gcm.v1", "A", "NAMEx", " NAME", "NAME\0"];
const OTHER_KEY_IDS: [&str; 8] =
    ["KEYID0123456789ab", "my-second_key-Id", "NAMEx", "xNAME", "_", "-", "NAME.", " NAME"];

/// Names that a row contains unencrypted. A different name is rejected before a key is used,
/// whether it is in the row or declared by the reader.
#[test]
fn under_every_other_name() {
    each_row("under another name", 3, 2_200, |subject, tally| {
        let Subject { kind, key, key_text, row, parts, origin, .. } = subject;
        let (others, expected) = match kind.name {
            "n8n" => (OTHER_KEY_IDS, Refusal::OtherKeyId),
            "cloak-iv16" | "cloak-iv12" => (OTHER_LABELS, Refusal::Malformed),
            _ => return,
        };
        for other in others.map(|other| other.replace("NAME", &key.name)) {
            if other == key.name || other.len() > 127 {
                continue;
            }
            let declared = KeyText::clone(key_text).named(&other).key();
            let refusal = subject.refusal(&declared, row, &|| format!("as {other:?}"));
            assert_eq!(refusal, expected, "{origin}: as {other:?}");
            tally.count(kind, refusal);
            // A name that cannot be a key id does not make an n8n row.
            let no_key_id = other.len() > 36 || other.contains(['.', ' ']);
            let expected = if no_key_id { Refusal::Malformed } else { expected };
            let renamed = kind.compose(&other, &relabelled(parts, &other));
            let refusal = subject.refuse(&renamed, tally, &|| format!("renamed {other:?}"));
            assert_eq!(refusal, Some(expected), "{origin}: renamed {other:?}");
        }
    });
}

fn relabelled(parts: &Parts, name: &str) -> Parts {
    let mut parts = parts.clone();
    for (_, bytes) in parts.iter_mut().filter(|(part, _)| *part == Part::Label) {
        *bytes = [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    }
    parts
}

/// The row is malformed. Read as the version that it claims, under the key that this version
/// derives from the same text, it is not authentic.
#[test]
fn every_other_version() {
    let prefixes = [
        "v1:gcm:",
        "v2:gcm:",
        "v3:gcm:",
        "v4:gcm:",
        "V2:gcm:",
        "v2:GCM:",
        "v2:gcm",
        "",
        "v2:gcm::",
        " v2:gcm:",
        "v2:cbc:",
        "litellm_enc::v2:gcm:",
        "litellm_enc::v3:gcm:",
    ];
    each_row("of another version", 2, 1_500, |subject, tally| {
        let Subject { kind, key_text, row, origin, .. } = subject;
        let Some(own) = version(kind) else { return };
        let rest = row[0].strip_prefix(own.as_bytes()).unwrap();
        for other in prefixes.into_iter().filter(|other| *other != own) {
            let row = vec![[other.as_bytes(), rest].concat()];
            let refusal = subject.refuse(&row, tally, &|| format!("{other:?} in front"));
            assert_eq!(refusal, Some(Refusal::Malformed), "{origin}: {other:?}");
            let Some(claimed) = KINDS.iter().find(|kind| version(kind) == Some(other)) else {
                continue;
            };
            let derivation = if other == "v2:gcm:" { "sha256" } else { "hkdf-litellm-v3" };
            let key = KeyText::new(derivation, key_text.text.clone()).key();
            let refusal = (claimed.read)(&key, &row).unwrap_err();
            assert_eq!(refusal, Refusal::NotAuthentic, "{origin}: {other:?}");
            tally.count(kind, refusal);
        }
    });
}

fn version(kind: &Kind) -> Option<&'static str> {
    match kind.columns {
        [[Piece::Text(version), ..]] => Some(version),
        _ => None,
    }
}

/// What a service stored before it encrypted, or forgot to encrypt.
#[test]
fn a_credential_in_place_of_a_row_is_malformed() {
    let credentials = [
        "",
        "sk-test-123",
        "sk-test-0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFG",
        "sk-test-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "sk-test:0123456789abcdef",
        "sk-test:one:two",
        "sk-test-clé",
        "{\"apiKey\":\"sk-test-123\"}",
        "-----BEGIN TEST KEY-----\nc2stdGVzdA==\n-----END TEST KEY-----\n",
    ];
    each_row("a credential in place of a row", 15, 30_000, |subject, tally| {
        // The text before a `:` may be a key id, but nobody has that key.
        let malformed = |refusal| match refusal {
            Refusal::OtherKeyId => subject.kind.name == "n8n",
            other => other == Refusal::Malformed,
        };
        for credential in credentials {
            let what = || format!("{credential:?}");
            let column = credential.as_bytes().to_vec();
            // In the only column that existed before others were added; and in all columns.
            let mut alone = vec![Vec::new(); subject.row.len()];
            alone[0].clone_from(&column);
            for row in [alone, vec![column.clone(); subject.row.len()]] {
                let refusal = subject.refuse(&row, tally, &what).unwrap();
                assert!(malformed(refusal), "{}: {}: {refusal:?}", subject.origin, what());
            }
            // In one column, with the others unchanged.
            for at in 0..subject.row.len() {
                let row = subject.with_column(at, column.clone());
                let refusal = subject.refuse(&row, tally, &what);
                // A column of bytes can contain any bytes, and a ciphertext can be empty.
                let may_be_any = matches!(
                    subject.kind.columns[at],
                    [Piece::Coded(Coding::Bytes, _) | Piece::Coded(_, [Part::Ciphertext])]
                );
                let fine = may_be_any || refusal.is_none_or(malformed);
                assert!(fine, "{}: {}: {refusal:?}", subject.origin, what());
            }
        }
    });
}

/// n8n's other layer: the data key in `deployment_key.value`, under the instance key.
#[test]
fn a_wrapped_data_key_damaged() {
    let mut tally = Tally::default();
    let files = [&*COMMITTED, &*FRESH].map(|files| files.last().unwrap());
    for file in files {
        for KeyText { text, name, value, .. } in &file.key_texts {
            let mut refuse = |instance_key: &str, value: &str, expected: Refusal| {
                let error = n8n::insecure_unwrap_key(instance_key, value).unwrap_err();
                assert_eq!(Refusal::from(error), expected, "{value}, seed {}", *SEED);
                tally.count(file.kind, expected);
            };
            for other in ["", "another", " ", &text.to_uppercase(), &format!("{text}\n")] {
                if other != text {
                    refuse(other, value, Refusal::NotAuthentic);
                }
            }
            let bytes = Coding::Base64.decode(value.as_bytes()).unwrap();
            let encoded = |bytes: &[u8]| String::from_utf8(Coding::Base64.encode(bytes)).unwrap();
            for at in 0..bytes.len() {
                let told = |malformed| match malformed {
                    true => Refusal::Malformed,
                    false => Refusal::NotAuthentic,
                };
                for bit in 0..8 {
                    let mut flipped = bytes.clone();
                    flipped[at] ^= 1 << bit;
                    refuse(text, &encoded(&flipped), told(at == 0));
                }
                // A value needs at least the version, the salt and the tag.
                refuse(text, &encoded(&bytes[..at]), told(at < 1 + 32 + 16));
            }
            // The start of the older form.
            let older = "U2FsdGVkX18AAAAAAAAAAKqqqqqqqqqqqqqqqqqqqqo=".to_owned();
            for malformed in
                [format!("{value}A"), format!("{value}\n"), format!("{name}:{value}"), older]
            {
                refuse(text, &malformed, Refusal::Malformed);
            }
            for unwrapped in no_data_keys() {
                let wrapping_key = TripletKey::insecure_sha256_of(text);
                let row = n8n::encrypt(&wrapping_key, "x", &unwrapped.as_str().into()).unwrap();
                refuse(text, row.strip_prefix("x:").unwrap(), Refusal::Key);
            }
        }
    }
    tally.report("a wrapped data key", 1, 6_000);
}

/// Returns plaintexts that open, but are not the 64 digits of a key.
fn no_data_keys() -> Vec<String> {
    let repeated = [("ab", 31), ("ab", 33), ("00", 32), ("zz", 32)];
    let texts = ["", "sk-test-123", "é"].map(str::to_owned);
    texts.into_iter().chain(repeated.map(|(text, count)| text.repeat(count))).collect()
}
