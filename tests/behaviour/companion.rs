//! What the crates beside this one share with it: keys for other purposes, and the text of a ring of them.

use std::collections::BTreeSet;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sealwax::companion::{
    DerivationKey, IntermediateKey, KeyLine, LineKey, Purpose, parse_key_lines,
};
use sealwax::{
    DataKey, KeyError, KeyId, KeyState, KeyWrapper, Keyring, KeyringError, LineProblem, MasterKey,
    MasterKeyProvider, ProviderErrorKind, Suite, UnwrapRequest, WrapRequest,
};
use sha2::{Digest, Sha256};

use crate::fixtures::{Scripted, master_key};

#[derive(Debug)]
enum Invoices {}

impl Purpose for Invoices {
    const NAME: &str = "swi1";
}

#[derive(Debug)]
enum Receipts {}

impl Purpose for Receipts {
    const NAME: &str = "swr1";
}

type Invoice = DerivationKey<Invoices>;

fn invoice(first: u8) -> Invoice {
    DerivationKey::from_bytes(&mut std::array::from_fn::<u8, 32, _>(|n| {
        first.wrapping_add(n.try_into().unwrap())
    }))
    .unwrap()
}

fn text<P: Purpose>(key: &DerivationKey<P>) -> String {
    key.to_text().expose_str().unwrap().to_owned()
}

fn fault(text: &str) -> KeyError {
    text.parse::<Invoice>().unwrap_err()
}

#[test]
fn its_text_has_the_prefix_and_the_checksum_of_its_purpose() {
    let key: [u8; 32] = std::array::from_fn(|n| n.try_into().unwrap());
    let hash: [u8; 32] =
        Sha256::new().chain_update(b"swi1/key").chain_update(key).finalize().into();
    let mut encoded = [0; 48];
    let bytes = [&key[..], &hash[..4]].concat();
    let expected = format!("swi1_{}", Base64UrlUnpadded::encode(&bytes, &mut encoded).unwrap());
    assert_eq!(text(&invoice(0)), expected);
    let again: Invoice = expected.parse().unwrap();
    assert_eq!(again.expand(&[b"a"]), invoice(0).expand(&[b"a"]));
    assert_eq!(format!("{again:?}"), "DerivationKey([REDACTED])");

    assert_eq!(fault(&expected.replacen('A', "B", 1)), KeyError::Checksum);
    assert_eq!(fault(&expected[..52]), KeyError::Malformed);
    assert!(matches!(fault(&format!("{expected}\n")), KeyError::Surrounded { .. }));
    // A key for another purpose, and a changed prefix.
    let other = expected.parse::<DerivationKey<Receipts>>().unwrap_err();
    assert!(matches!(other, KeyError::OtherKind { expected: "swr1", .. }));
    assert!(matches!(fault(&master_text(1)), KeyError::OtherKind { expected: "swi1", .. }));
    let renamed = expected.replacen("swi1_", "swr1_", 1);
    assert_eq!(renamed.parse::<DerivationKey<Receipts>>().unwrap_err(), KeyError::Checksum);
    let renamed = expected.replacen("swi1_", "swk1_", 1);
    assert!(matches!(renamed.parse::<MasterKey>(), Err(KeyError::Checksum)));
}

#[test]
fn bytes_and_randomness_are_checked_and_wiped() {
    let mut bytes = [7; 31];
    assert!(matches!(Invoice::from_bytes(&mut bytes), Err(KeyError::Length { found: 31, .. })));
    assert_eq!(bytes, [0; 31]);
    let mut bytes = [7; 32];
    assert!(matches!(Invoice::from_bytes(&mut bytes), Err(KeyError::Weak)));
    assert_eq!(bytes, [0; 32]);
    let drawn: Vec<u8> = (1..=32).collect();
    let key = Invoice::generate_with_rng(&mut Scripted(vec![drawn])).unwrap();
    assert_eq!(text(&key), text(&invoice(1)));
    for script in [vec![], vec![vec![9; 32]]] {
        let drawn = Invoice::generate_with_rng(&mut Scripted(script));
        assert!(matches!(drawn, Err(KeyError::Random)));
    }
    assert_ne!(text(&Invoice::generate().unwrap()), text(&Invoice::generate().unwrap()));
}

#[test]
fn it_derives_by_hkdf_expand_over_all_parts() {
    let key: [u8; 32] = std::array::from_fn(|n| n.try_into().unwrap());
    let mut seen = BTreeSet::new();
    let all: [&[&[u8]]; 5] = [&[], &[b"a"], &[b"a", b""], &[b"", b"a", b"bc"], &[&[7; 200], b"z"]];
    for parts in all {
        let mut hmac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        hmac.update(&parts.concat());
        hmac.update(&[1]);
        let expected: [u8; 32] = hmac.finalize().into_bytes().into();
        assert_eq!(invoice(0).expand(parts), expected);
        assert_eq!(invoice(0).derive(|prf| prf.expand(parts)), expected);
        // The key that is derived is those bytes.
        let derived = Invoice::from_bytes(&mut expected.clone()).unwrap();
        assert_eq!(text(&invoice(0).derive_key(parts)), text(&derived));
        seen.insert(expected);
    }
    assert_eq!(seen.len(), 4, "a part of no length changes nothing");
}

#[test]
fn it_compares_all_bits_of_what_it_derives() {
    let derived = invoice(0).expand(&[b"a"]);
    invoice(0).derive(|prf| {
        assert!(prf.matches(&[b"a"], &derived));
        assert!(!prf.matches(&[b"b"], &derived));
        for bit in 0..8 * derived.len() {
            let mut altered = derived;
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(!prf.matches(&[b"a"], &altered), "bit {bit}");
        }
    });
    assert!(!invoice(1).derive(|prf| prf.matches(&[b"a"], &derived)), "another key");
}

fn master_text(number: u8) -> String {
    text_of(&master_key(number))
}

fn text_of(key: &MasterKey) -> String {
    key.to_text().expose_str().unwrap().to_owned()
}

const STATES: [KeyState; 3] = [KeyState::Primary, KeyState::Retired, KeyState::Disabled];

fn lines(text: &str) -> Result<Vec<KeyLine<Invoice>>, KeyringError> {
    parse_key_lines(text, &STATES)
}

#[test]
fn a_ring_of_other_keys_has_the_grammar_of_a_keyring() {
    let [one, two, three] = [1, 2, 3].map(|number| text(&invoice(number)));
    let ring = format!("# invoices\r\nretired b\t{two}; primary a {one}\r\n\n disabled c {three}");
    let parsed = lines(&ring).unwrap();
    let told: Vec<_> = parsed
        .iter()
        .map(|line| (line.state, line.key_id.as_ref(), line.key.as_ref().map(text)))
        .collect();
    let expected = [
        (KeyState::Retired, "b", Some(two.clone())),
        (KeyState::Primary, "a", Some(one.clone())),
        (KeyState::Disabled, "c", None),
    ];
    assert_eq!(told, expected);
}

type Check = fn(&KeyringError) -> bool;

#[test]
fn what_is_wrong_with_a_ring_of_other_keys_is_told_as_for_a_keyring() {
    let [one, two] = [1, 2].map(|number| text(&invoice(number)));
    let primary = format!("primary a {one}");
    let many: String = (0..1024).map(|n| format!("disabled d{n}\n")).collect();
    let rows: [(&str, String, Check); 16] = [
        ("nothing", String::new(), |e| matches!(e, KeyringError::NoPrimary)),
        ("a comment with a key", format!("# {primary}"), |e| {
            matches!(e, KeyringError::Line { line: 1, problem: LineProblem::Commented, .. })
        }),
        ("two primaries", format!("{primary}; primary b {two}"), |e| {
            matches!(e, KeyringError::TwoPrimaries)
        }),
        (
            "an id twice",
            format!("{primary}\nretired A {two}"),
            |e| matches!(e, KeyringError::DuplicateKeyId { key_id, .. } if key_id.as_ref() == "A"),
        ),
        (
            "an id twice, without keys",
            format!("{primary}; disabled b; disabled B"),
            |e| matches!(e, KeyringError::DuplicateKeyId { key_id, .. } if key_id.as_ref() == "B"),
        ),
        (
            "a key twice",
            format!("{primary}\nretired b {one}"),
            |e| matches!(e, KeyringError::DuplicateKey { other, .. } if other.as_ref() == "a"),
        ),
        ("a key twice, not kept", format!("{primary}\ndisabled b {one}"), |e| {
            matches!(e, KeyringError::DuplicateKey { .. })
        }),
        ("too many", format!("{primary}\n{many}"), |e| matches!(e, KeyringError::TooManyKeys)),
        ("no key", format!("{primary}\nretired b"), |e| is_line_2(e, &LineProblem::MissingKey)),
        ("a fourth word", format!("{primary}\nretired b {two} c"), |e| {
            is_line_2(e, &LineProblem::ExtraWord)
        }),
        ("no state", format!("{primary}\nold b {two}"), |e| {
            is_line_2(e, &LineProblem::UnknownState)
        }),
        ("a state of master keys", format!("{primary}\nescrow b {two}"), |e| {
            problem_2(e).is_some_and(|problem| {
                matches!(problem, LineProblem::OtherState { state: KeyState::Escrow, .. })
            })
        }),
        ("a master key", format!("{primary}\nretired b {}", master_text(1)), |e| {
            let is_other =
                |source: &KeyError| matches!(source, KeyError::OtherKind { expected: "swi1", .. });
            problem_2(e).is_some_and(
                |problem| matches!(problem, LineProblem::Key { source, .. } if is_other(source)),
            )
        }),
        ("a key in the place of an id", format!("{primary}\nretired {} {two}", &two[5..]), |e| {
            problem_2(e).is_some_and(|problem| {
                matches!(problem, LineProblem::KeyId { source: Some(_), .. })
            })
        }),
        (
            "a master key in the place of an id",
            format!("{primary}\nretired {} {two}", &master_text(1)[5..]),
            |e| {
                problem_2(e).is_some_and(|problem| {
                    matches!(problem, LineProblem::KeyId { source: Some(_), .. })
                })
            },
        ),
        ("a carriage return", format!("{primary}\rretired b {two}"), |e| {
            matches!(
                e,
                KeyringError::Line { line: 1, problem: LineProblem::StrayCharacter { .. }, .. }
            )
        }),
    ];
    for (name, text, is_expected) in &rows {
        let error = lines(text).unwrap_err();
        assert!(is_expected(&error), "{name}: {error}");
        assert!(!error.to_string().contains(&one[5..20]), "{name}");
    }
    // A keyring does not take them either.
    assert!(matches!(
        primary.parse::<Keyring>(),
        Err(KeyringError::Line { problem: LineProblem::Key { .. }, .. })
    ));
}

#[test]
fn a_key_in_the_place_of_an_id_is_told_without_a_text_too() {
    let bare = |text: String| text.split_once('_').unwrap().1.parse::<KeyId>().unwrap();
    let ours = bare(text(&invoice(1)));
    let masters = [bare(master_text(1)), bare(text_of(&MasterKey::generate_for_tests(1)))];
    for id in masters.iter().chain([&ours]) {
        assert_eq!(invoice(2).check_id(id), Err(KeyringError::KeyAsKeyId));
    }
    for id in &masters {
        assert_eq!(master_key(2).check_id(id), Err(KeyringError::KeyAsKeyId));
    }
    // A hash of a kind that is not known, as far as anybody can see.
    assert_eq!(master_key(2).check_id(&ours), Ok(()));
    for id in ["a", "test/a"] {
        assert_eq!(invoice(2).check_id(&id.parse().unwrap()), Ok(()), "{id}");
    }
}

fn problem_2(error: &KeyringError) -> Option<&LineProblem> {
    match error {
        KeyringError::Line { line: 2, problem, .. } => Some(problem),
        _ => None,
    }
}

fn is_line_2(error: &KeyringError, expected: &LineProblem) -> bool {
    problem_2(error) == Some(expected)
}

fn data_key(first: u8) -> DataKey {
    DataKey::from_bytes(&mut std::array::from_fn::<u8, 32, _>(|n| {
        first.wrapping_add(n.try_into().unwrap())
    }))
    .unwrap()
}

#[test]
fn an_intermediate_key_wraps_as_a_master_key_does() {
    let (key, wrapped) = (IntermediateKey::new(&data_key(0x40)), data_key(0));
    let master = MasterKey::from_bytes(&mut data_key(0x40).expose_secret().clone()).unwrap();
    let mut tried = 0;
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        // Also under an id that no master key has, unless it is a test key.
        for id in ["kms/2026", "test/kms"] {
            let id: KeyId = id.parse().unwrap();
            let body = key.wrap(WrapRequest::new(&id, suite, &[7; 32], &wrapped));
            let request = UnwrapRequest::new(&id, suite, &[7; 32], &body);
            let unwrapped = key.unwrap(request).unwrap();
            assert!(unwrapped.expose_secret() == wrapped.expose_secret());
            if !id.as_ref().starts_with("test/") {
                let made = master.wrap_key(WrapRequest::new(&id, suite, &[7; 32], &wrapped));
                assert_eq!(made.into_ready().unwrap().unwrap(), body);
                assert!(master.unwrap_key(request).into_ready().unwrap().is_ok());
            }
            let mut refused = 0;
            let mut refuse = |request: UnwrapRequest<'_>| {
                let error = key.unwrap(request).unwrap_err();
                // The check value too: a key that the provider has just returned is not other material.
                assert_eq!(error.kind(), ProviderErrorKind::Rejected);
                refused += 1;
            };
            for bit in 0..8 * 60 {
                let mut altered = body;
                altered[bit / 8] ^= 1 << (bit % 8);
                refuse(UnwrapRequest::new(&id, suite, &[7; 32], &altered));
            }
            let other =
                if suite == Suite::Aes256Gcm { Suite::ChaCha20Poly1305 } else { Suite::Aes256Gcm };
            refuse(UnwrapRequest::new(&id, suite, &[7; 32], &body[..59]));
            refuse(UnwrapRequest::new(&id, suite, &[7; 32], &[]));
            refuse(UnwrapRequest::new(&id, suite, &[8; 32], &body));
            refuse(UnwrapRequest::new(&id, other, &[7; 32], &body));
            refuse(UnwrapRequest::new(&"kms/2027".parse().unwrap(), suite, &[7; 32], &body));
            assert_eq!(refused, 485);
            tried += 1;
        }
    }
    assert_eq!(tried, 4);
    assert_eq!(format!("{key:?}"), "IntermediateKey([REDACTED])");
}

#[test]
fn a_branch_key_is_known_by_all_bits_of_its_name() {
    let key = IntermediateKey::new(&data_key(0x40));
    let mut hmac = Hmac::<Sha256>::new_from_slice(data_key(0x40).expose_secret()).unwrap();
    hmac.update(b"sw1/branch\x01");
    let expected: [u8; 32] = hmac.finalize().into_bytes().into();
    assert_eq!(key.branch_id(), expected);
    assert!(key.is_branch(&expected));
    let differing = (0..256).filter(|bit| {
        let mut other = expected;
        other[bit / 8] ^= 1 << (bit % 8);
        !key.is_branch(&other)
    });
    assert_eq!(differing.count(), 256);
    assert!(!IntermediateKey::new(&data_key(0x41)).is_branch(&expected));
}
