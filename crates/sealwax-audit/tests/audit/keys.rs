//! Audit keys, their texts and their steps.

use std::convert::Infallible;

use sealwax::{EncryptionContext, KeyError, KeyringError, LineProblem};
use sealwax_audit::{Anchor, AnchorError, AuditKey, AuditKeys, AuditKeysError};

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
    assert_eq!(format!("{:?}", key(0)), "DerivationKey([REDACTED])");
    assert_ne!(text(&AuditKey::generate().unwrap()), text(&AuditKey::generate().unwrap()));
    let drawn = AuditKey::generate_with_rng(&mut Repeating(b"ab")).unwrap();
    let same = AuditKey::from_bytes(&mut b"ab".repeat(16)).unwrap();
    assert_eq!(text(&drawn), text(&same));
    let failed = AuditKey::generate_with_rng(&mut Repeating(b"a"));
    assert_eq!(failed.unwrap_err(), KeyError::Random);
}

/// The library's tests cover what else is wrong with a text, for keys of any kind.
#[test]
fn a_text_is_of_no_other_kind() {
    let of = |text: &str| text.parse::<AuditKey>().unwrap_err();
    assert!(matches!(
        of(&TEXT.replace("swa1", "swk1")),
        KeyError::OtherKind { expected: "swa1", .. }
    ));
    assert_eq!(of(&TEXT.replace("AAEC", "AAED")), KeyError::Checksum);
    assert_eq!(of(&TEXT[..52]), KeyError::Malformed);
    // The text of 32 zeros, with its checksum.
    assert_eq!(of("swa1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAClpXIA"), KeyError::Weak);
    let of_master = TEXT.replace("swa1", "swk1").parse::<sealwax::MasterKey>();
    assert_eq!(of_master.unwrap_err(), KeyError::Checksum);
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

    let problem = |text: &str| match keys(text).unwrap_err() {
        AuditKeysError::Text(KeyringError::Line { line, problem, .. }) => (line, problem),
        other => panic!("{other}"),
    };
    assert_eq!(problem("primary a"), (1, LineProblem::MissingKey));
    assert_eq!(problem("primary a $ b"), (1, LineProblem::ExtraWord));
    assert_eq!(problem("primary a $\n\n;;x"), (3, LineProblem::UnknownState));
    assert!(matches!(problem("primary a $\nescrow b %"), (2, LineProblem::OtherState { .. })));
    assert!(matches!(problem("primary a $\ndisabled b"), (2, LineProblem::OtherState { .. })));
    assert!(matches!(problem("primary a $\nretired $ %"), (2, LineProblem::KeyId { .. })));
    assert!(matches!(problem("primary a $\nretired b $A"), (2, LineProblem::Key { .. })));
    assert_eq!(problem("# primary a $"), (1, LineProblem::Commented));
    let of_all = |text: &str| match keys(text).unwrap_err() {
        AuditKeysError::Text(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(of_all("retired a $"), KeyringError::NoPrimary);
    assert_eq!(of_all("primary a $; primary b %"), KeyringError::TwoPrimaries);
    assert!(matches!(of_all("primary a $\nretired A %"), KeyringError::DuplicateKeyId { .. }));
    assert!(matches!(of_all("primary a $\nretired b $"), KeyringError::DuplicateKey { .. }));
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
    let alone = AuditKeys::new(id("audit@3"), text(third.primary().1).parse().unwrap()).unwrap();
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
    let error = with("AUDIT@1", key(9)).ratcheted().unwrap_err();
    assert!(
        matches!(&error, AuditKeysError::DuplicateKeyId { key_id, .. } if *key_id == id("audit@1")),
        "{error}"
    );
    // The same key under another id.
    let error = with("other", next()).ratcheted().unwrap_err();
    assert!(
        matches!(&error, AuditKeysError::DuplicateKey { key_id, other, .. } if *key_id == id("audit@1") && *other == id("other")),
        "{error}"
    );
}

#[test]
fn two_steps_of_a_key_fit_together() {
    let mut steps = only("audit", 0);
    for _ in 0..5 {
        steps = steps.ratcheted().unwrap();
    }
    let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
    let of_step = |step: usize| {
        let mut keys = only("audit", 0);
        for _ in 0..step {
            keys = keys.ratcheted().unwrap();
        }
        text(keys.primary().1)
    };
    let other = text(&key(7));
    let line = |state: &str, step: usize, key: &str| {
        let key_id = if step == 0 { "audit".into() } else { format!("audit@{step}") };
        format!("{state} {key_id} {key}; ")
    };
    let mut cases = 0;
    for earlier in 0..5 {
        for later in earlier + 1..=5 {
            // Whichever is the primary, and whatever is between them.
            for states in [["primary", "retired"], ["retired", "primary"]] {
                let parse = |keys: [&str; 2]| -> Result<AuditKeys, _> {
                    let first = line(states[0], earlier, keys[0]);
                    format!(
                        "{first}{}retired audit-2025 {}",
                        line(states[1], later, keys[1]),
                        text(&key(9))
                    )
                    .parse()
                };
                let (first, second) = (of_step(earlier), of_step(later));
                let held = parse([&first, &second]).unwrap();
                assert_eq!(
                    held.context_digest(&id("audit@5"), &context),
                    steps.context_digest(&id("audit@5"), &context)
                );
                for wrong in [[first.as_str(), &other], [&other, &second]] {
                    let error = parse(wrong).unwrap_err();
                    let AuditKeysError::OtherStep { key_id, earlier: named, .. } = &error else {
                        panic!("{error}")
                    };
                    let named = [named.as_ref(), key_id.as_ref()];
                    let text = format!("{}{}", line("", earlier, ""), line("", later, ""));
                    assert!(named.iter().all(|named| text.contains(named)), "{named:?}");
                    assert!(!format!("{error} {error:?}").contains("swa1_"), "{error}");
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 15 * 2 * 2);
    // Added one by one: the later one to the earlier one, and the other way round.
    for (key_id, added) in [("audit@2", "audit"), ("audit", "audit@2")] {
        let error = only(key_id, 0).with_retired(id(added), key(7)).unwrap_err();
        assert!(
            matches!(&error, AuditKeysError::OtherStep { key_id, earlier, .. }
                if *key_id == id("audit@2") && *earlier == id("audit")),
            "{error}"
        );
    }
    // One that fits does not excuse one between them that does not.
    let keys = format!(
        "{}{}{}",
        line("primary", 4, &of_step(4)),
        line("retired", 0, &of_step(0)),
        line("retired", 2, &other)
    );
    assert!(matches!(keys.parse::<AuditKeys>(), Err(AuditKeysError::OtherStep { .. })));
    // Ids that only look like steps, and another base.
    for added in ["audit@02", "Audit@2", "audit-2", "audit@2@1"] {
        only("audit", 0).with_retired(id(added), key(7)).unwrap();
    }
}

#[test]
fn no_id_is_a_key() {
    let bare = id(text(&key(7)).strip_prefix("swa1_").unwrap());
    let added = only("audit", 0).with_retired(bare.clone(), key(1));
    let all = [AuditKeys::new(bare.clone(), key(0)), added];
    for keys in all {
        let error = keys.unwrap_err();
        assert_eq!(error, AuditKeysError::Text(KeyringError::KeyAsKeyId));
        assert!(!error.to_string().contains(&bare.as_ref()[..8]));
    }
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
