//! Audit keys, their texts and their steps.

use std::convert::Infallible;

use sealwax::EncryptionContext;
use sealwax_audit::{Anchor, AnchorError, AuditKey, AuditKeyError, AuditKeys, AuditKeysError};

use crate::given::{id, key, only};

const TEXT: &str = "swa1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8fttF-";

fn text(key: &AuditKey) -> String {
    key.to_text().expose_str().unwrap().to_owned()
}

/// An RNG that repeats its bytes.
struct Repeating(&'static [u8]);

impl rand_core::TryRng for Repeating {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("a key is drawn in one call")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("a key is drawn in one call")
    }

    fn try_fill_bytes(&mut self, place: &mut [u8]) -> Result<(), Infallible> {
        assert_eq!(place.len(), 32);
        place.iter_mut().zip(self.0.iter().cycle()).for_each(|(place, byte)| *place = *byte);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Repeating {}

#[test]
fn a_key_and_its_text() {
    assert_eq!(text(&key(0)), TEXT);
    assert_eq!(text(&TEXT.parse().unwrap()), TEXT);
    assert_eq!(format!("{:?}", key(0)), "AuditKey([REDACTED])");
    assert_ne!(text(&AuditKey::generate().unwrap()), text(&AuditKey::generate().unwrap()));
    let drawn = AuditKey::generate_with_rng(&mut Repeating(b"ab")).unwrap();
    let same = AuditKey::from_bytes(&mut b"ab".repeat(16)).unwrap();
    assert_eq!(text(&drawn), text(&same));
    let failed = AuditKey::generate_with_rng(&mut Repeating(b"a"));
    assert_eq!(failed.unwrap_err(), AuditKeyError::Random);
}

#[test]
fn a_buffer_is_wiped_whether_or_not_it_holds_a_key() {
    for (len, is_key) in
        [(0, false), (16, false), (31, false), (32, true), (33, false), (64, false)]
    {
        let mut bytes: Vec<u8> = (1..=len).collect();
        let taken = AuditKey::from_bytes(&mut bytes);
        assert_eq!(taken.is_ok(), is_key);
        let is_length = matches!(taken, Err(AuditKeyError::Length { expected: 32, found, .. }) if found == usize::from(len));
        assert_eq!(is_length, !is_key);
        assert_eq!(bytes, vec![0; usize::from(len)]);
    }
    let mut bytes = [0x61; 32];
    assert_eq!(AuditKey::from_bytes(&mut bytes).unwrap_err(), AuditKeyError::Weak);
    assert_eq!(bytes, [0; 32]);
}

#[test]
fn each_character_of_a_key_counts() {
    let mut cases = 0;
    for at in 0..TEXT.len() {
        for character in ["A", "B", "_", "-", "/", "=", " ", "\n", "é", ""] {
            let mut changed = TEXT.to_owned();
            changed.replace_range(at..=at, character);
            if changed == TEXT {
                continue;
            }
            let error = changed.parse::<AuditKey>().unwrap_err();
            assert!(matches!(error, AuditKeyError::Malformed | AuditKeyError::Checksum), "{error}");
            cases += 1;
        }
    }
    assert!(cases > 500, "{cases}");
    for changed in [
        format!("{TEXT}A"),
        format!(" {TEXT}"),
        format!("{TEXT}\n"),
        format!("{TEXT}="),
        TEXT.replace("swa1", "swk1"),
        TEXT.replace("swa1", "SWA1"),
        TEXT[5..].to_owned(),
        TEXT[..49].to_owned(),
        String::new(),
        "swa1_".into(),
        TEXT.repeat(2),
    ] {
        assert_eq!(changed.parse::<AuditKey>().unwrap_err(), AuditKeyError::Malformed);
    }
    assert_eq!(
        TEXT.replace("AAEC", "AAED").parse::<AuditKey>().unwrap_err(),
        AuditKeyError::Checksum
    );
    // The text of 32 zeros, with its checksum.
    let weak = "swa1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAClpXIA";
    assert_eq!(weak.parse::<AuditKey>().unwrap_err(), AuditKeyError::Weak);
}

fn keys(text: &str) -> Result<AuditKeys, AuditKeysError> {
    text.replace('$', TEXT)
        .replace('%', &self::text(&key(7)))
        .replace('&', &self::text(&key(9)))
        .parse()
}

#[test]
fn the_text_of_a_services_keys() {
    let parsed =
        keys("# a comment with $\n\n  primary\taudit-2026@3  $ \r\nretired a %;retired b &\n");
    let parsed = parsed.unwrap();
    assert_eq!(parsed.primary().0.as_ref(), "audit-2026@3");
    assert_eq!(text(parsed.primary().1), TEXT);
    assert_eq!(parsed.retired().map(AsRef::as_ref).collect::<Vec<_>>(), ["a", "b"]);
    let shown = format!("{parsed:?}");
    assert!(shown.contains("audit-2026@3") && !shown.contains("swa1") && !shown.contains("AAEC"));
    // The order of the lines does not matter.
    assert_eq!(keys("retired a $\nprimary b %").unwrap().primary().0.as_ref(), "b");

    let line = |text: &str, expected: usize| {
        let error = keys(text).unwrap_err();
        let is_line = matches!(error, AuditKeysError::Line { line, .. } if line == expected);
        assert!(is_line, "{text}: {error}");
    };
    for text in [
        "primary",
        "primary a",
        "primary $",
        "a $",
        "primary a $ b",
        "escrow a $",
        "Primary a $",
        "$",
        "\u{a0}primary a $",
        "primary=a $",
    ] {
        line(text, 1);
    }
    line("primary a $\nretired b", 2);
    line("primary a $\n\n;;x", 3);
    let error = keys("primary a $\nretired $ %").unwrap_err();
    assert!(matches!(error, AuditKeysError::KeyId { line: 2, .. }), "{error}");
    let error = keys("primary a $\nretired b $A").unwrap_err();
    assert!(
        matches!(error, AuditKeysError::Key { line: 2, source: AuditKeyError::Malformed, .. }),
        "{error}"
    );
    for text in ["", "\n", "retired a $", "# primary a $"] {
        assert_eq!(keys(text).unwrap_err(), AuditKeysError::NoPrimary);
    }
    assert_eq!(keys("primary a $; primary b %").unwrap_err(), AuditKeysError::TwoPrimaries);
    for text in [
        "primary a $\nretired a %",
        "primary a $\nretired A %",
        "primary a $\nretired b %\nretired b %",
    ] {
        assert!(matches!(keys(text), Err(AuditKeysError::DuplicateKeyId { .. })), "{text}");
    }
    let error = keys("primary a $\nretired b $").unwrap_err();
    assert!(
        matches!(&error, AuditKeysError::DuplicateKey { key_id, other, .. } if *key_id == id("b") && *other == id("a"))
    );
    // No error shows what is in the text of a key.
    for text in ["primary a $A", "primary $ $", "$", "retired a $", "primary a $\nretired b $"] {
        let error = keys(text).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert!(!format!("{error} {error:?} {source:?}").contains("AECA"), "an error shows a key");
    }
}

#[test]
fn a_key_stands_in_for_its_later_steps_alone() {
    let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
    let digest = |keys: &AuditKeys, key_id: &str| keys.context_digest(&id(key_id), &context);
    let first = only("audit", 0);
    let mut third = only("audit", 0);
    for step in 1..=3 {
        third = third.ratcheted().unwrap();
        assert_eq!(third.primary().0.as_ref(), format!("audit@{step}"));
        assert_eq!(third.retired().count(), step);
    }
    let alone = AuditKeys::new(id("audit@3"), text(third.primary().1).parse().unwrap());
    for step in ["audit@3", "audit@4", "audit@3660"] {
        assert!(digest(&first, step).is_some(), "{step}");
        assert_eq!(digest(&first, step), digest(&third, step));
        assert_eq!(digest(&first, step), digest(&alone, step));
    }
    for step in ["audit", "audit@1", "audit@2"] {
        assert!(digest(&first, step).is_some(), "{step}");
        assert_eq!(digest(&first, step), digest(&third, step));
        assert_eq!(digest(&alone, step), None, "{step}");
    }
    // Ids that only look like steps.
    for other in [
        "audit@0",
        "audit@03",
        "audit@3661",
        "audit@65535",
        "audit@65536",
        "audit@+4",
        "audit@4x",
        "audit@",
        "audit4",
        "Audit@4",
    ] {
        let parsed = other.parse();
        assert!(
            parsed.is_err() || first.context_digest(&parsed.unwrap(), &context).is_none(),
            "{other}"
        );
    }
    let mut digests: Vec<_> =
        ["audit", "audit@1", "audit@2", "audit@3"].map(|step| digest(&first, step)).into();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 4);

    // The last step, and an id that becomes too long.
    let last = only("audit@3660", 0).ratcheted();
    assert_eq!(last.unwrap_err(), AuditKeysError::LastStep);
    assert!(only("audit@3659", 0).ratcheted().is_ok());
    let long = "a".repeat(127);
    assert_eq!(only(&long, 0).ratcheted().unwrap_err(), AuditKeysError::LastStep);
    assert!(only(&long[1..], 0).ratcheted().is_ok());
}

#[test]
fn the_next_step_may_be_there_already_but_no_other_key_under_its_id() {
    let next =
        || text(only("audit", 0).ratcheted().unwrap().primary().1).parse::<AuditKey>().unwrap();
    let with = |key_id, key| only("audit", 0).with_retired(id(key_id), key).unwrap();
    let ratcheted = with("audit@1", next()).ratcheted().unwrap();
    assert_eq!(ratcheted.retired().map(AsRef::as_ref).collect::<Vec<_>>(), ["audit"]);
    // Chains are under that key.
    for key_id in ["audit@1", "AUDIT@1"] {
        let error = with(key_id, key(9)).ratcheted().unwrap_err();
        assert!(
            matches!(&error, AuditKeysError::DuplicateKeyId { key_id, .. } if *key_id == id("audit@1")),
            "{error}"
        );
    }
    // The same key under another id.
    let error = with("other", next()).ratcheted().unwrap_err();
    assert!(
        matches!(&error, AuditKeysError::DuplicateKey { key_id, other, .. } if *key_id == id("audit@1") && *other == id("other")),
        "{error}"
    );
}

#[test]
fn the_text_of_an_anchor() {
    let anchor = Anchor { subject: "a: b:".into(), number: 17, mac: [0xab; 32] };
    let hex = "ab".repeat(32);
    assert_eq!(anchor.to_string(), format!("swa1:17:{hex}:a: b:"));
    assert_eq!(anchor.to_string().parse(), Ok(anchor));
    for text in [
        String::new(),
        "swa1:".into(),
        format!("swa1:17:{hex}"),
        format!("swa1:17:{hex}:"),
        format!("swa2:17:{hex}:acme"),
        format!(" swa1:17:{hex}:acme"),
        format!("swa1:017:{hex}:acme"),
        format!("swa1:+17:{hex}:acme"),
        format!("swa1:-17:{hex}:acme"),
        format!("swa1:0:{hex}:acme"),
        format!("swa1::{hex}:acme"),
        format!("swa1:9007199254740992:{hex}:acme"),
        format!("swa1:17:{}:acme", hex.to_uppercase()),
        format!("swa1:17:{hex}ab:acme"),
        format!("swa1:17:{}:acme", &hex[2..]),
        format!("swa1:17:{}:acme", &hex[1..]),
        format!("swa1:17:{hex}:acme\n"),
        format!("swa1:17:{hex}:ac\u{7f}me"),
        format!("swa1:17:{hex}:{}", "a".repeat(1025)),
    ] {
        assert_eq!(text.parse::<Anchor>(), Err(AnchorError), "{text}");
    }
    assert!(format!("swa1:9007199254740991:{hex}:{}", "a".repeat(1024)).parse::<Anchor>().is_ok());
}
