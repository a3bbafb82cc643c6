//! What `sealwax-tenants` reads from a table and an audit log: a record, a tombstone and a notice have one form each, and a
//! tombstone that was cut is none. A keyring has the keys that its record says, each in its own place, and the newest one
//! seals or there is no keyring. No error repeats a word of what was read.

use std::error::Error;

use sealwax::{KeyState, Keyring, MasterKey};
use sealwax_audit::{Entry, Record};
use sealwax_tenants::{
    Certificate, CertificateError, Notice, TenantError, TenantId, TenantKeys, TenantRecord,
    TenantState, Tombstone,
};

use super::heap::Limit;

/// In an input, they stand for the envelopes of the tenant's keys 2 and 3.
const ENVELOPES: [char; 2] = ['\u{1}', '\u{2}'];
const MAX_MARKS: usize = 8;
const MAX_NUMBER: u32 = 1000;
const VECTOR: &str = include_str!("../../crates/sealwax-tenants/tests/tenants/vector.txt");

/// The first character of an input says what the rest is: a record, a tombstone, or an entry of the log with its key id and,
/// in another line, its reason.
pub fn check(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let Some((kind, text)) = text.split_at_checked(1) else { return false };
    match kind {
        "r" => record(text),
        "t" => tombstone(text),
        "b" => notice("begin-root", text),
        "d" => notice("delete-tenant", text),
        "c" => notice("certify-destruction", text),
        _ => false,
    }
}

/// Returns the service's keyring, whose root's bytes count up.
fn service() -> Keyring {
    let mut root: Vec<u8> = (0..32).collect();
    let root = MasterKey::from_bytes(&mut root).unwrap();
    Keyring::new("epoch-2026-11".parse().unwrap(), root).unwrap()
}

fn tenant() -> TenantId {
    "42".parse().unwrap()
}

/// The envelopes of the keys 2 and 3.
fn genuine() -> Vec<&'static str> {
    let record = VECTOR.lines().find_map(|line| line.strip_prefix("record ")).unwrap();
    record.split("\\n").skip(1).map(|line| line.split_once(' ').unwrap().1).collect()
}

/// A record, read once more: the two numbers, and those of the keys with their texts.
struct Parts<'a> {
    number: u32,
    destroyed: u32,
    keys: Vec<(u32, &'a str)>,
}

fn parts(text: &str) -> Option<Parts<'_>> {
    let numbered = |line| {
        let (digits, rest) = str::split_once(line, ' ')?;
        Some((number(digits)?, rest))
    };
    let (first, lines) =
        text.split_once('\n').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let (number, destroyed) = numbered(first)?;
    let destroyed = self::number(destroyed)?;
    let lines = lines.into_iter().flat_map(|lines| lines.split('\n'));
    let keys: Vec<_> = lines.map(numbered).collect::<Option<_>>()?;
    let ascend = keys.is_sorted_by(|(one, _), (next, _)| one < next);
    let reached = keys.iter().all(|(key, _)| (1..=number).contains(key));
    (ascend && reached && destroyed <= number).then_some(Parts { number, destroyed, keys })
}

fn number(digits: &str) -> Option<u32> {
    let has_one_form = digits == "0" || !digits.starts_with('0');
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| is_number && has_one_form);
    number.filter(|number| *number <= MAX_NUMBER)
}

fn record(text: &str) -> bool {
    let genuine = genuine();
    let mut text = text.to_owned();
    for (mark, envelope) in ENVELOPES.into_iter().zip(&genuine) {
        text = text.replacen(mark, envelope, MAX_MARKS);
    }
    let record = TenantRecord::from_row(tenant(), Some(&text));
    let keys = TenantKeys::new(service(), []);
    let limit = Limit { bytes: 32 * text.len() + 512, allocations: 24 };
    let state = limit.hold(|| keys.state(&record));
    let Some(Parts { number, destroyed, keys: parts }) = parts(&text) else {
        let error = state.unwrap_err();
        assert!(matches!(error, TenantError::Record { .. }), "{error}");
        says_nothing_of(&text, &error);
        return false;
    };
    assert_eq!(TenantRecord::new(tenant(), number, destroyed, parts.iter().copied()), record);
    let live: Vec<_> = parts.into_iter().filter(|(key, _)| *key > destroyed).collect();
    match &state {
        Ok(TenantState::NeverHad) => assert!(number == 0 && live.is_empty()),
        Ok(TenantState::Destroyed) => assert!(number == destroyed && number > 0 && live.is_empty()),
        Ok(state) => assert!(
            *state == TenantState::Live && live.last().is_some_and(|(key, _)| *key == number)
        ),
        Err(error) => {
            let newest = live.last().map_or(destroyed, |(key, _)| *key);
            assert!(matches!(error, TenantError::Missing { .. }) && newest < number);
        }
    }
    let is_genuine = |key: u32, text: &str| {
        key.checked_sub(2).is_some_and(|at| genuine.get(at as usize) == Some(&text))
    };
    let ring = match keys.keyring(&record) {
        Ok(ring) => ring,
        Err(error) => {
            says_nothing_of(&text, &error);
            assert!(
                state.is_err()
                    || number == 0
                    || !live.iter().all(|(key, text)| is_genuine(*key, text))
            );
            return true;
        }
    };
    assert_eq!(ring.keys().count(), live.len() + destroyed as usize);
    let primary = (number > destroyed).then(|| format!("tenant/42@{number}"));
    assert_eq!(ring.primary().map(ToString::to_string), primary);
    for (key, text) in live {
        let state = ring.state(&format!("tenant/42@{key}")).unwrap();
        let expected = match (is_genuine(key, text), key == number) {
            (true, true) => KeyState::Primary,
            (true, false) => KeyState::Retired,
            (false, _) => KeyState::Disabled,
        };
        assert_eq!(state, expected);
    }
    let of_the_first = ring.state("tenant/42@1");
    assert!(destroyed == 0 || of_the_first == Some(KeyState::Destroyed));
    // A tombstone wins over it.
    keys.bury(&"tenant/42@1000 epoch-2026-11 .".parse().unwrap());
    assert_eq!(keys.keyring(&record).unwrap().primary(), None);
    true
}

fn tombstone(text: &str) -> bool {
    let limit = Limit { bytes: 256 * text.len() + 4096, allocations: 4 * text.len() + 16 };
    let tombstone = match limit.hold(|| text.parse::<Tombstone>()) {
        Ok(tombstone) => tombstone,
        Err(error) => {
            says_nothing_of(text, &error);
            return false;
        }
    };
    assert_eq!(tombstone.to_string(), text, "a tombstone with two texts");
    let words = text.split(' ').count();
    assert!(tombstone.roots().count() + 2 == words && words > 2);
    let cuts = (0..text.len()).filter_map(|at| text.get(..at));
    assert!(cuts.take(1024).all(|cut| cut.parse::<Tombstone>().is_err()), "a cut tombstone");
    true
}

fn notice(action: &str, text: &str) -> bool {
    let (key_id, why) = text.split_once('\n').unwrap_or((text, ""));
    let entry = Entry {
        time: 1_790_000_000_000,
        action: action.into(),
        who: "mia".into(),
        why: why.into(),
        outcome: String::new(),
        key_id: key_id.parse().ok(),
        commitment: None,
        context: None,
    };
    let (subject, audit_key) = (Notice::SUBJECT.into(), "audit-2026".parse().unwrap());
    let record = Record { subject, number: 7, entry, audit_key, mac: [0; 32] };
    let read = Tombstone::from_record(&record);
    let certificate = Certificate::from_record(&record);
    let (roots, reason) = why.split_once(": ").unwrap_or_default();
    // What is read is a tombstone, and is written as the same again.
    let is_one = format!("{key_id} {roots} .").parse::<Tombstone>();
    let is_read = match action {
        "begin-root" => {
            assert_eq!((&read, &certificate), (&Ok(None), &Ok(None)));
            let begun = format!("tenant/42@1 {roots} .").parse::<Tombstone>();
            let is_it = |begun: Tombstone| begun.roots().map(AsRef::as_ref).eq([key_id]);
            why.contains(": ") && begun.is_ok_and(is_it)
        }
        _ => {
            assert_eq!(read.as_ref().ok().and_then(Option::as_ref), is_one.as_ref().ok());
            assert_eq!(certificate.is_err(), action == "certify-destruction" && is_one.is_err());
            is_one.is_ok()
        }
    };
    for error in [read.as_ref().err(), certificate.as_ref().err()].into_iter().flatten() {
        says_nothing_of(text, error);
    }
    if let Ok(tombstone) = &is_one {
        let notice = tombstone.notice("mia", reason);
        let again = notice.action();
        assert_eq!((again.key_id, again.why), (record.entry.key_id.as_ref(), why));
    }
    // A chain of this entry alone is broken, has no tombstone, or one whose root was not begun or is not destroyed.
    let key = "tenant/42@1000".parse().unwrap();
    let refused = Certificate::new(&key, [&record], &service()).unwrap_err();
    says_nothing_of(why, &refused);
    let is_refused = matches!(refused, CertificateError::Notice(_));
    assert_eq!(is_refused, !is_read && action != "certify-destruction");
    is_read
}

/// An error repeats no long word of what was read, except ids.
fn says_nothing_of(text: &str, error: &dyn Error) {
    let shown = format!("{error} {error:?}");
    let words = text.split([' ', ':', '\n']);
    let mut long = words.filter(|word| word.len() > 12 && word.parse::<sealwax::KeyId>().is_err());
    assert!(!long.any(|word| shown.contains(word)), "an error that echoes its input");
}
