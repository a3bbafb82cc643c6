//! Two contexts have one encoding exactly where they have the same pairs, in whatever order; and one
//! opens what was sealed for the other exactly then. What is refused has the fault that the error
//! names. The reference makes the same bytes, and reads them back.

use sealwax::{ContextError, EncryptionContext, OpenError, Secret};

use super::heap::Limit;
use super::input::Input;
use super::material::{DEK, IV, RING, Scripted};
use super::reference::context::{decode, encode, sorted};

type Pairs = Vec<(String, String)>;

pub fn check(input: &[u8]) -> bool {
    let mut input = Input::new(input);
    let one = pairs(&mut input);
    let other = variant(&one, &mut input);
    let (Some(found), Some(other_found)) = (context(&one), context(&other)) else { return false };
    let is_same = sorted(&one) == sorted(&other);
    assert_eq!(found.encoded() == other_found.encoded(), is_same);
    assert_eq!(found == other_found, is_same);

    let rng = [DEK.as_slice(), &IV].concat();
    let secret = Secret::from("x");
    let keyring = &RING.keyring;
    let sealed = keyring.seal_with_rng(&secret, &found, &mut Scripted(&rng)).unwrap();
    match keyring.open(&sealed, &other_found) {
        Ok(opened) => assert!(is_same && opened == secret),
        Err(error) => assert!(!is_same && matches!(error, OpenError::ContextMismatch)),
    }
    true
}

/// The context of these pairs, if they are one: as the reference says.
fn context(pairs: &Pairs) -> Option<EncryptionContext> {
    let given = pairs.iter().map(|(name, value)| (name, value));
    let encoded_len: usize = pairs.iter().map(|(name, value)| 4 + name.len() + value.len()).sum();
    // Of each pair, where it was given and where it is sorted to: no text is copied but into the
    // encoding, which grows by doubling. Counted as if both stood there while it does.
    let limit = Limit { bytes: 3 * encoded_len + 32 * (4 * 16 + 64) + 256, allocations: 24 };
    let found = limit.hold(|| EncryptionContext::new(given));
    match (&found, encode(pairs)) {
        (Ok(found), Some(expected)) => {
            assert_eq!(found.encoded(), expected);
            let sorted = sorted(pairs).unwrap();
            assert_eq!(decode(found.encoded()).as_ref(), Some(&sorted));
            assert!(found.iter().eq(sorted.iter().map(|(name, value)| (&**name, &**value))));
            for (name, value) in &sorted {
                assert_eq!(found.get(name), Some(value.as_str()));
                let longer = format!("{name}x");
                let expected = sorted.iter().find(|(other, _)| *other == longer);
                assert_eq!(found.get(&longer), expected.map(|(_, value)| value.as_str()));
            }
        }
        (Err(error), None) => assert!(has_fault(pairs, error), "{error}"),
        (found, expected) => panic!("{found:?}, and not {expected:?}"),
    }
    found.ok()
}

fn has_fault(pairs: &Pairs, error: &ContextError) -> bool {
    match error {
        ContextError::TooManyPairs => pairs.len() > 32,
        ContextError::NameLength { pair, found, .. } => {
            let len = pairs[*pair].0.len();
            len == *found && !(1..=64).contains(&len)
        }
        ContextError::ValueLength { pair, found, .. } => {
            let len = pairs[*pair].1.len();
            len == *found && len > 1024
        }
        ContextError::DuplicateName { pair, .. } => {
            let (name, _) = &pairs[*pair];
            pairs[..*pair].iter().any(|(other, _)| other == name)
        }
        other => panic!("an error that the target lacks: {other}"),
    }
}

fn pairs(input: &mut Input<'_>) -> Pairs {
    let count = input.below(35);
    (0..count).map(|_| (text(input, 70), text(input, 1030))).collect()
}

/// A short text as it stands, or one character often: so that a few bytes reach each limit.
fn text(input: &mut Input<'_>, limit: usize) -> String {
    match input.byte() {
        len @ 0..192 => String::from_utf8_lossy(input.take(usize::from(len) % 24)).into_owned(),
        _ => {
            let character = *input.choose(&["a", "b", ":", "\0", "é", "🔑", "\u{ffff}"]);
            character.repeat(input.u16() % limit / character.len() + 1)
        }
    }
}

/// The same pairs in another order, or with a border moved, or one more or less; or other pairs.
fn variant(pairs: &Pairs, input: &mut Input<'_>) -> Pairs {
    let mut pairs = pairs.clone();
    let change = input.below(6);
    if pairs.is_empty() {
        return self::pairs(input);
    }
    let at = input.below(pairs.len());
    match change {
        0 => pairs.rotate_left(at),
        1 => pairs.reverse(),
        2 => {
            let (name, value) = &mut pairs[at];
            value.insert_str(0, &name.pop().map(String::from).unwrap_or_default());
        }
        3 => drop(pairs.remove(at)),
        4 => pairs.push((text(input, 70), text(input, 1030))),
        _ => return self::pairs(input),
    }
    pairs
}
