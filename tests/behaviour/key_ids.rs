//! An id is a label: wherever an id is read, text that looks like a key is rejected.

use core::error::Error;

use sealwax::{Envelope, Field, FormatError, KeyId, Keyring, KeyringError, LineProblem, Suite};

use crate::fixtures::{Parts, base64url, key_id, master_key, sealed, sha256};

fn key_text(number: u8) -> String {
    master_key(number).to_text().expose_str().unwrap().to_owned()
}

/// Returns the position of the fault, or `None` if this is an id.
fn fault(id: &str) -> Option<usize> {
    let parsed = id.parse::<KeyId>();
    assert_eq!(parsed.is_ok(), KeyId::try_from(id).is_ok(), "{id}");
    match parsed {
        Ok(parsed) => {
            assert_eq!(parsed.as_ref(), id);
            None
        }
        Err(FormatError::Malformed { field: Field::KeyId, offset, expected, .. }) => {
            assert_eq!(expected, "a label, not a key", "{id}");
            Some(offset)
        }
        Err(other) => panic!("{id}: {other}"),
    }
}

/// Reads the same id in an envelope, in both forms. The results are the same as for the id alone.
fn fault_in_envelopes(id: &str) -> [Option<usize>; 2] {
    let mut parts = Parts::of(&sealed(Suite::default(), 1));
    parts.wraps.truncate(1);
    parts.wraps[0].0 = id.to_owned();
    let told = |parsed: Result<Envelope, FormatError>| match parsed {
        Ok(envelope) => {
            assert_eq!(envelope.key_ids().next().unwrap().as_ref(), id);
            None
        }
        Err(FormatError::Malformed { field: Field::KeyId, offset, expected, .. }) => {
            assert_eq!(expected, "a label, not a key", "{id}");
            Some(offset)
        }
        Err(other) => panic!("{id}: {other}"),
    };
    [told(parts.text().parse()), told(Envelope::from_bytes(&parts.binary()))]
}

/// Reads a keyring text with `disabled` and this id.
fn in_keyring(id: &str) -> Result<Keyring, KeyringError> {
    format!("primary main {}\ndisabled {id}", key_text(9)).parse()
}

fn is_refused_in_keyring(id: &str) -> bool {
    match in_keyring(id) {
        Ok(_) => false,
        Err(KeyringError::Line {
            line: 2,
            problem: LineProblem::KeyId { source: Some(FormatError::Malformed { .. }), .. },
            ..
        }) => true,
        Err(other) => panic!("{id}: {other}"),
    }
}

#[test]
fn an_id_that_holds_the_prefix_of_a_key_is_refused_everywhere() {
    let text = key_text(2);
    let test_key = text.replacen("swk1_", "swkt1_", 1);
    let long = "x".repeat(123);
    let rows = [
        (text.as_str(), 0),
        (test_key.as_str(), 0),
        (&text.to_uppercase(), 0),
        (&format!("x{text}"), 1),
        (&format!("prod-2023{text}"), 9),
        ("swk1_", 0),
        ("SWK1_", 0),
        ("xsws1_", 1),
        ("swkt1_x", 0),
        ("swo1_", 0),
        ("x-SWO1_y", 2),
        ("SwKt1_", 0),
        ("sWs1_abc", 0),
        ("a/swb1_", 2),
        ("prod@swk1_3", 5),
        // Where one candidate ends, another may begin. The error names the first complete one.
        ("swswk1_", 2),
        ("sswk1_", 1),
        ("swwk1_", 0),
        ("sw1_swk1_", 4),
        ("swabc1_swk1_", 7),
        ("swk1_swk1_", 0),
        (&format!("{long}swk1_"), 123),
    ];
    for (id, at) in rows {
        assert_eq!(fault(id), Some(at), "{id}");
        assert!(is_refused_in_keyring(id), "{id}");
        // After `sw1:a256gcm:` in the text form, and after the head and a length in the binary
        // form, where the fault is the whole id.
        assert_eq!(fault_in_envelopes(id), [Some(12), Some(6)], "{id}");
    }
    assert_eq!(rows.len(), 22);
    assert_eq!(long.len() + "swk1_".len(), 128, "the last possible position in an id");
}

/// Every letter and every pair of letters, in either case.
#[test]
fn every_kind_of_key_that_may_come_is_refused() {
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').collect();
    let mut refused = 0;
    for prefix in ["sw", "SW", "Sw", "sW"] {
        for one in &letters {
            assert_eq!(fault(&format!("{prefix}{one}1_")), Some(0), "{prefix}{one}1_");
            refused += 1;
            for two in &letters {
                let id = format!("x{prefix}{one}{two}1_y");
                assert_eq!(fault(&id), Some(1), "{id}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 4 * (52 + 52 * 52));
}

#[test]
fn an_id_that_only_looks_near_a_key_is_one() {
    let rows = [
        "sw1_",
        "sw_1_",
        "swabc1_",
        "swabcd1_",
        "sw-1_",
        "sw.1_",
        "sw/k1_",
        "swk-1_",
        "swk.1_",
        "swk1",
        "swk1-",
        "swk1.",
        "swk1/",
        "swk1@",
        "swk1a_",
        "swk_1",
        "swk_1_",
        "swk11_",
        "swk2_",
        "swk0_",
        "swk10_",
        "swkl_",
        "swkI_",
        "sw11_",
        "sw1k1_",
        "swk11",
        "s-wk1_",
        "s.w.k1_",
        "s/wk1_",
        "wk1_",
        "k1_",
        "1_",
        "skw1_",
        "wsk1_",
        "swk",
        "sw",
        "sk1_",
        "ssk1_",
        "sv1_k",
        "swkt2_",
        "swkt1-",
        "swkt-1_",
        "swk-t1_",
        "swktt1_",
        "sw9k1_",
        "swk91_",
        "prod-2026",
        "tenant/42@3",
        "sw1",
        "swk1swk1",
        "swabc1_swabc1_",
    ];
    for id in rows {
        assert_eq!(fault(id), None, "{id}");
        assert_eq!(fault_in_envelopes(id), [None, None], "{id}");
        assert!(!is_refused_in_keyring(id), "{id}");
    }
    assert_eq!(rows.len(), 51);
}

/// Returns the characters of a key's text after its prefix: base64url of key ‖ a checksum of four
/// bytes.
fn bare(label: &str, key: &[u8]) -> String {
    let checksum = sha256(&[label.as_bytes(), key].concat());
    base64url(&[key, &checksum[..4]].concat())
}

/// Returns keys whose texts begin with each of the 64 characters.
fn keys(len: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..64_u8).map(move |number| {
        let mut key: Vec<u8> = (0..).map(|at: u8| at.wrapping_mul(29) ^ number).take(len).collect();
        key[0] = number << 2;
        key
    })
}

/// Returns how each way of adding to a keyring treats an id.
fn told(result: Result<Keyring, KeyringError>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(KeyringError::KeyAsKeyId) => "key as key id",
        Err(other) => panic!("unexpected error: {other}"),
    }
}

fn by_hand(id: &str) -> [&'static str; 5] {
    let ring = || Keyring::new(key_id("main"), master_key(9)).unwrap();
    let id = || key_id(id);
    [
        told(ring().with_retired(id(), master_key(2))),
        told(ring().with_escrow(id(), master_key(2))),
        told(ring().with_disabled(id())),
        told(ring().with_leaked(id())),
        told(ring().with_destroyed(id())),
    ]
}

/// On its own, this text is an id, and an envelope may contain it. A keyring rejects it, because
/// that is where keys are put by mistake.
#[test]
fn a_key_without_its_prefix_is_no_id_of_a_keyring() {
    let (mut tried, mut no_ids) = (0, 0);
    for (label, len, characters) in
        [("sw1/key", 32, 48), ("swkt1/key", 32, 48), ("sw1/key", 64, 91)]
    {
        for key in keys(len) {
            let id = bare(label, &key);
            assert_eq!(id.len(), characters);
            assert!(is_refused_in_keyring(&id), "{label}, {id}");
            // A text that starts with `-` or `_` is not an id anyway.
            if id.parse::<KeyId>().is_err() {
                assert!(id.starts_with(['-', '_']), "{id}");
                no_ids += 1;
                continue;
            }
            assert_eq!(by_hand(&id), ["key as key id"; 5], "{label}, {id}");
            tried += 1;
        }
    }
    assert_eq!((tried + no_ids, no_ids), (3 * 64, 3 * 2));
    // The key in a text, as someone would paste it.
    let pasted = key_text(2);
    let pasted = pasted.strip_prefix("swk1_").unwrap();
    assert_eq!(by_hand(pasted), ["key as key id"; 5]);
    for line in ["disabled <>", "leaked <>", "destroyed <>", "retired <> <key>", "escrow <> <key>"]
    {
        let line = line.replace("<>", pasted).replace("<key>", &key_text(3));
        let text = format!("primary main {}\n{line}", key_text(9));
        let error = text.parse::<Keyring>().unwrap_err();
        assert!(error.to_string().starts_with("line 2 of the keys: expected a key id"), "{error}");
    }
    let error = format!("primary {pasted} {}", key_text(3)).parse::<Keyring>().unwrap_err();
    assert!(error.to_string().starts_with("line 1 of the keys: expected a key id"), "{error}");
}

#[test]
fn what_is_no_checked_key_is_an_id_of_a_keyring_whatever_its_length() {
    let mut tried = 0;
    let mut accept = |id: &str, what: &str| {
        if id.parse::<KeyId>().is_ok() {
            assert_eq!(by_hand(id), ["accepted"; 5], "{what}: {id}");
            assert!(!is_refused_in_keyring(id), "{what}: {id}");
            tried += 1;
        }
    };
    for (label, len) in [("sw1/key", 32), ("swkt1/key", 32), ("sw1/key", 64)] {
        let key = keys(len).nth(1).unwrap();
        let id = bare(label, &key);
        for bit in 0..32 {
            // Each bit of the checksum.
            let checksum = sha256(&[label.as_bytes(), &key].concat());
            let mut bytes = [&key, &checksum[..4]].concat();
            bytes[len + bit / 8] ^= 1 << (bit % 8);
            accept(&base64url(&bytes), "a bit of the checksum");
        }
        accept(&id[..id.len() - 1], "one character fewer");
        accept(&format!("{id}A"), "one character more");
        accept(&format!("x{id}"), "a character in front");
        accept(&id.to_lowercase(), "lower case");
        accept(&id.replacen(&id[10..11], "@", 1), "another character");
    }
    // The checksum is over another length, or under the label of the other length.
    for len in [16, 31, 33, 48, 63, 65, 88] {
        let key = keys(len).nth(1).unwrap();
        accept(&bare("sw1/key", &key), "another length");
        accept(&bare("swkt1/key", &key), "another length");
    }
    let key = keys(64).nth(1).unwrap();
    accept(&bare("swkt1/key", &key), "an opening key under the label of test keys");
    let key = keys(32).nth(1).unwrap();
    for label in ["", "sw1", "sw1/keys", "sw1/mac", "swk1_", "swkt1"] {
        accept(&bare(label, &key), "another label");
    }
    // Ids as long as the text of a key, as people might choose them.
    accept(&"a".repeat(48), "48 characters");
    accept(&"a".repeat(91), "91 characters");
    assert_eq!(tried, 3 * 37 + 14 + 1 + 6 + 2);
}

/// Returns whether a text contains four consecutive characters of a key.
fn shows(text: &str, key: &str) -> bool {
    (0..key.len() - 3).any(|at| text.contains(&key[at..at + 4]))
}

#[test]
fn no_error_over_an_id_shows_the_key_that_stood_in_its_place() {
    let whole = key_text(2);
    let bare = whole.strip_prefix("swk1_").unwrap();
    assert!(shows(&format!("key {} failed", &bare[10..14]), bare), "the check finds a key");
    let main = format!("primary main {}", key_text(9));
    let mut errors: Vec<Box<dyn Error>> = vec![
        whole.parse::<KeyId>().unwrap_err().into(),
        format!("x-{whole}").parse::<KeyId>().unwrap_err().into(),
        format!("primary {whole} {}", key_text(3)).parse::<Keyring>().unwrap_err().into(),
        format!("primary {bare} {}", key_text(3)).parse::<Keyring>().unwrap_err().into(),
        Keyring::new(key_id("a"), master_key(1))
            .unwrap()
            .with_leaked(key_id(bare))
            .unwrap_err()
            .into(),
    ];
    for id in [&whole, bare] {
        for line in ["disabled", "leaked", "destroyed", "retired", "escrow", "retired x;disabled"] {
            errors.push(format!("{main}\n{line} {id}").parse::<Keyring>().unwrap_err().into());
        }
    }
    assert_eq!(errors.len(), 5 + 12);
    for error in errors {
        let mut shown = format!("{error} {error:?} {error:#?}");
        let mut source = error.source();
        while let Some(error) = source {
            shown += &format!(" {error} {error:?}");
            source = error.source();
        }
        assert!(!shows(&shown, bare), "{shown}");
    }
}
