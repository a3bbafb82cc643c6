//! Keyrings whose openings are recorded.

use std::sync::Arc;

use sealwax::{EncryptionContext, Envelope, ErrorClass, Keyring, MasterKey, OpenError, Secret};
use sealwax_audit::{AuditLog, AuditSink, EntryError, Field, Recorder, verify};

use crate::given::{Memory, id, log, only};

pub(crate) fn context(row: &str) -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme"), ("row", row)]).unwrap()
}

pub(crate) fn keyring() -> Keyring {
    Keyring::new(id("prod-2026"), MasterKey::generate().unwrap()).unwrap()
}

pub(crate) fn seal(keyring: &Keyring) -> Envelope {
    keyring.seal(&Secret::from("not for the log"), &context("42")).unwrap()
}

pub(crate) fn recorded<S: AuditSink + 'static>(
    keyring: &Keyring,
    log: &Arc<AuditLog<S>>,
) -> Keyring {
    keyring.clone().with_recorder(Recorder::new(log, "acme", "mia", "ticket 7").unwrap())
}

#[test]
fn an_opening_is_recorded_and_so_is_a_refusal() {
    let log = Arc::new(log(only("audit-2026", 0), Memory::default()));
    let keyring = keyring();
    let (sealed, other) = (seal(&keyring), seal(&keyring));
    let recorded = recorded(&keyring, &log);
    assert!(recorded.open(&sealed, &context("42")).unwrap().expose_str() == Ok("not for the log"));
    assert!(matches!(recorded.open(&other, &context("43")), Err(OpenError::ContextMismatch)));
    let stranger = self::keyring();
    let stranger = self::recorded(&stranger, &log);
    assert!(stranger.open(&sealed, &context("42")).is_err());
    pollster::block_on(recorded.open_async(&other, &context("42"))).unwrap();

    let chain = log.sink().chain("acme");
    let found: Vec<_> = chain
        .iter()
        .map(|record| {
            let entry = &record.entry;
            assert_eq!(
                (entry.action.as_str(), entry.who.as_str(), entry.why.as_str()),
                ("open", "mia", "ticket 7")
            );
            let digest = |row| log.keys().context_digest(&record.audit_key, &context(row));
            let row = ["42", "43"].into_iter().find(|row| digest(row) == entry.context).unwrap();
            let is_first = entry.commitment.as_ref() == Some(sealed.commitment());
            assert!(is_first || entry.commitment.as_ref() == Some(other.commitment()));
            (entry.outcome.as_str(), entry.key_id.as_ref().map(AsRef::as_ref), is_first, row)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("opened", Some("prod-2026"), true, "42"),
            ("context_mismatch", Some("prod-2026"), false, "43"),
            ("wrong_key_material", None, true, "42"),
            ("opened", Some("prod-2026"), false, "42"),
        ]
    );
    assert_eq!(verify(log.keys(), "acme", &chain, &[]).unwrap().last.unwrap().number, 4);
    // Neither a line nor a Debug shows the credential.
    let recorder = Recorder::new(&log, "acme", "mia", "ticket 7").unwrap();
    for (shown, expected) in
        [(format!("{log:?}"), "audit-2026"), (format!("{recorder:?}"), "ticket 7")]
    {
        assert!(shown.contains(expected), "{shown}");
    }
    let shown = format!("{chain:?} {log:?} {recorder:?} {}", chain[0]);
    assert!(!shown.contains("not for the log"));
}

#[test]
fn what_no_entry_may_hold_is_refused_when_a_recorder_is_created() {
    let log = Arc::new(log(only("audit-2026", 0), Memory::default()));
    let long = "x".repeat(1025);
    let new =
        |subject: &str, who: &str, why: &str| Recorder::new(&log, subject, who, why).map(drop);
    assert_eq!(new(&long[1..], &long[1..], &long[1..]), Ok(()));
    assert_eq!(new("a", "b", ""), Ok(()));
    let texts = [
        ("", "b", "", Field::Subject),
        (&long, "b", "", Field::Subject),
        ("a", "", "", Field::Who),
        ("a", &long, "", Field::Who),
        ("a", "b", &long, Field::Why),
    ];
    for (subject, who, why, expected) in texts {
        let error = new(subject, who, why).unwrap_err();
        assert!(matches!(error, EntryError::Length { field, .. } if field == expected), "{error}");
    }
    for character in ['\0', '\n', '\u{1b}', '\u{7f}', '\u{85}'] {
        let with = format!("a{character}");
        for (subject, who, why, expected) in [
            (with.as_str(), "b", "", Field::Subject),
            ("a", &with, "", Field::Who),
            ("a", "b", &with, Field::Why),
        ] {
            let error = new(subject, who, why).unwrap_err();
            assert!(
                matches!(error, EntryError::ControlCharacter { field, .. } if field == expected),
                "{error}"
            );
        }
    }
}

#[test]
fn a_clock_that_is_wrong_opens_nothing() {
    let log = Arc::new(AuditLog::new(only("audit-2026", 0), Memory::default(), || 1 << 53));
    let keyring = keyring();
    let error = recorded(&keyring, &log).open(&seal(&keyring), &context("42")).unwrap_err();
    assert_eq!((error.name(), error.class()), ("not_recorded", ErrorClass::Failed));
    assert!(log.sink().chain("acme").is_empty());
}
