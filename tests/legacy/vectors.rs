//! Known answers from the original stacks: each row opens to the byte, and can be migrated to an
//! envelope.

use std::collections::{HashMap, HashSet};
use std::fs;

use sealwax::triplet::{Encoding, IvLen};
use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, Secret};

use crate::files::{COMMITTED, Good, folder};
use crate::kinds::{KINDS, Part, Refusal, kind};
use crate::seeded::Seeded;

/// The plaintexts in the rows of each kind: all lengths around the cipher's blocks, and characters
/// that a separator, a terminator or an encoding could break. In some kinds they are inside a JSON
/// object.
const LENGTHS: [usize; 35] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    26, 27, 28, 29, 30, 31, 32, 4096, 8192,
];
const HELD: [&str; 8] = ["🔑", "part=2==", ":part=1", "\"apiKey", "\n", "\0", "\t", " sk-test"];
const HELD_IN_JSON: [&str; 8] =
    ["🔑", "part=2==", ":part=1", "\"apiKey", "\\n", "\\u0000", "\\t", "\" sk-test"];

fn holds(rows: &[Good], text: &str) -> bool {
    rows.iter().any(|row| row.plaintext.windows(text.len()).any(|held| held == text.as_bytes()))
}

#[test]
fn every_row_of_every_kind_opens_to_the_byte() {
    let counts: Vec<_> = COMMITTED.iter().map(|file| (file.kind.name, file.rows.len())).collect();
    let expected = [
        ("hex-iv16-sha256", 52),
        ("lobechat", 51),
        ("langfuse", 51),
        ("columns-base64", 68),
        ("columns-hex", 68),
        ("columns-bytes", 68),
        ("webcrypto", 52),
        ("typebot", 51),
        ("envelope", 52),
        ("litellm-v2", 53),
        ("litellm-v3", 51),
        ("sqlalchemy-utils", 52),
        ("cloak-iv16", 53),
        ("cloak-iv12", 53),
        ("n8n", 52),
    ];
    assert_eq!(counts, expected);
    for file in COMMITTED.iter() {
        let name = file.kind.name;
        (0..file.rows.len()).for_each(|number| drop(file.open(number)));
        let lens: HashSet<_> = file.rows.iter().map(|row| row.plaintext.len()).collect();
        assert!(LENGTHS.iter().all(|len| lens.contains(len)), "{name}: a length is missing");
        let held = if ["lobechat", "typebot", "n8n"].contains(&name) { HELD_IN_JSON } else { HELD };
        for text in held {
            assert!(holds(&file.rows, text), "{name} holds no {text:?}");
        }
        let used: HashSet<_> = file.rows.iter().map(|row| row.key).collect();
        assert_eq!(used.len(), file.keys.len(), "{name}: a key has no row");
    }
    println!(
        "{} rows of {} kinds opened",
        counts.iter().map(|(_, n)| n).sum::<usize>(),
        KINDS.len()
    );
}

/// No file is left unread.
#[test]
fn every_file_is_of_a_kind() {
    let mut found = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|e| e == "json") && name != "node_accepts" {
            kind(name);
            found += 1;
        }
    }
    assert_eq!(found, KINDS.len());
}

/// The kinds that allow two IV lengths have rows with both, and no IV is used twice.
#[test]
fn ivs_are_of_the_lengths_that_the_kinds_say() {
    for file in COMMITTED.iter() {
        let kind = file.kind;
        let mut seen: HashMap<Vec<u8>, usize> = HashMap::new();
        for row in &file.rows {
            let parts = kind.parse(&file.keys[row.key].name, &row.columns).unwrap();
            let drawn = parts.into_iter().find(|(part, _)| matches!(part, Part::Iv | Part::Salt));
            *seen.entry(drawn.unwrap().1).or_default() += 1;
        }
        assert!(seen.values().all(|count| *count == 1), "{}: an IV is used twice", kind.name);
        let count = |len: usize| seen.keys().filter(|iv| iv.len() == len).count();
        let expected = match kind.name {
            "columns-base64" | "columns-hex" | "columns-bytes" => [52, 16],
            "hex-iv16-sha256" | "cloak-iv16" => [0, file.rows.len()],
            "n8n" => [0, 0],
            _ => [file.rows.len(), 0],
        };
        assert_eq!([count(12), count(16)], expected, "{}", kind.name);
    }
}

#[test]
fn every_row_moves_over_to_an_envelope() {
    let keyring =
        Keyring::new("prod-2026".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let mut moved = 0;
    for file in COMMITTED.iter() {
        for (number, row) in file.rows.iter().enumerate() {
            let id = number.to_string();
            let pairs = [("tenant", "acme"), ("kind", file.kind.name), ("row", &id)];
            let context = EncryptionContext::new(pairs).unwrap();
            let envelope = keyring.seal(&file.open(number), &context).unwrap();
            let column: Envelope = envelope.to_string().parse().unwrap();
            let opened = keyring.open(&column, &context).unwrap();
            assert!(opened.expose_secret() == row.plaintext, "{} {number}", file.kind.name);
            moved += 1;
        }
    }
    assert_eq!(moved, 827);
}

/// The other direction: the crate can read what it writes, and it matches the table.
#[test]
fn every_plaintext_is_written_back_in_its_kind() {
    let mut rng = Seeded::for_purpose("written back");
    let mut written = 0;
    for file in COMMITTED.iter() {
        let kind = file.kind;
        for row in &file.rows {
            let key = &file.keys[row.key];
            let secret = Secret::from(row.plaintext.as_slice());
            for iv_len in [IvLen::Twelve, IvLen::Sixteen] {
                let columns = (kind.write)(key, &secret, iv_len, &mut rng);
                assert!(columns != row.columns, "{}: the IV was not drawn again", kind.name);
                assert!((kind.read)(key, &columns).unwrap() == secret, "{}", kind.name);
                let parts = kind.parse(&key.name, &columns).unwrap();
                assert_eq!(kind.compose(&key.name, &parts), columns);
                let lens = |columns: &[Vec<u8>]| columns.iter().map(Vec::len).collect::<Vec<_>>();
                // The length is the same, except for kinds with two IV lengths.
                if kind.ivs.len() == 1 {
                    assert_eq!(lens(&columns), lens(&row.columns), "{}", kind.name);
                }
                written += 1;
            }
        }
    }
    assert_eq!(written, 827 * 2);
}

#[test]
fn an_envelope_whose_data_key_is_none_is_refused() {
    let mut rng = Seeded::for_purpose("no data key");
    let envelope = kind("envelope");
    let key = (envelope.new_key)(&mut rng).key();
    let good = (envelope.write)(&key, &Secret::from("sk-test-1"), IvLen::Twelve, &mut rng);
    let malformed =
        [vec![], vec![7; 31], vec![7; 33], vec![7; 64]].map(|it| (it, Refusal::Malformed));
    let weak = [vec![0; 32], vec![7; 32]].map(|it| (it, Refusal::Key));
    for (unwrapped, refusal) in malformed.into_iter().chain(weak) {
        let wrapped = key
            .triplet
            .encrypt_with_rng(&Secret::from(unwrapped), IvLen::Twelve, &mut rng)
            .unwrap()
            .to_joined(Encoding::Base64);
        let [key_iv, wrapped] = wrapped.map(String::into_bytes);
        let row = vec![good[0].clone(), good[1].clone(), wrapped, key_iv];
        assert_eq!((envelope.read)(&key, &row).unwrap_err(), refusal);
    }
}
