//! Sinks that fail, that have to be waited for, and that never let anybody append.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use sealwax::{ErrorClass, ProviderFuture, RecorderError};
use sealwax_audit::{
    Action, AppendError, Appended, AuditSink, ChainError, EntryError, Record, verify,
};

use crate::given::{Memory, Reply, append, chain, id, log, now, only};
use crate::openings::{context, keyring, recorded, seal};

/// What goes wrong, and in which of the two methods.
#[derive(Clone, Copy)]
enum Fault {
    LastFails,
    AppendFails,
    FailsForNow,
    /// Both methods have to be waited for.
    Waits,
    /// Only appending has to be waited for.
    AppendWaits,
    AlwaysRaced,
    OtherSubject,
}

struct Faulty {
    fault: Fault,
    inner: Memory,
    /// The calls of `append`, and those of `last` that were waited for.
    calls: AtomicUsize,
    polled: AtomicUsize,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            inner: Memory::default(),
            calls: AtomicUsize::new(0),
            polled: AtomicUsize::new(0),
        }
    }
}

/// Pends once, as if it were waiting for a server.
async fn pend() {
    let mut polled = false;
    std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl AuditSink for Faulty {
    fn last<'a>(&'a self, subject: &'a str) -> Reply<'a, Option<Record>> {
        match self.fault {
            Fault::LastFails => ProviderFuture::ready(Err(RecorderError::new("no disk"))),
            Fault::FailsForNow => ProviderFuture::ready(Err(RecorderError::transient("busy"))),
            Fault::OtherSubject => ProviderFuture::ready(Ok(Some(chain("initech").1[0].clone()))),
            Fault::Waits => ProviderFuture::boxed(async {
                self.polled.fetch_add(1, Ordering::Relaxed);
                pend().await;
                Ok(self.inner.last_of(subject))
            }),
            _ => self.inner.last(subject),
        }
    }

    fn append<'a>(
        &'a self,
        record: &'a Record,
        after: Option<&'a [u8; 32]>,
    ) -> Reply<'a, Appended> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Fault::AppendFails => ProviderFuture::ready(Err(RecorderError::new("no disk"))),
            Fault::AlwaysRaced => ProviderFuture::ready(Ok(Appended::Raced)),
            Fault::Waits | Fault::AppendWaits => ProviderFuture::boxed(async move {
                pend().await;
                Ok(self.inner.insert(record, after))
            }),
            _ => self.inner.append(record, after),
        }
    }
}

#[test]
fn nothing_is_opened_that_is_not_recorded() {
    let keyring = keyring();
    let sealed = seal(&keyring);
    let faults = [
        (Fault::LastFails, ErrorClass::Failed, "no disk", 0),
        (Fault::AppendFails, ErrorClass::Failed, "no disk", 1),
        (Fault::FailsForNow, ErrorClass::Transient, "busy", 0),
        (
            Fault::AlwaysRaced,
            ErrorClass::Transient,
            "other writers appended to the chain each time: it was tried 1000 times",
            1000,
        ),
        (
            Fault::OtherSubject,
            ErrorClass::Failed,
            "the sink returned the last entry of another subject",
            0,
        ),
    ];
    for (fault, class, message, calls) in faults {
        let log = Arc::new(log(only("audit-2026", 0), Faulty::new(fault)));
        let recorded = recorded(&keyring, &log);
        for error in [
            recorded.open(&sealed, &context("42")).unwrap_err(),
            pollster::block_on(recorded.open_async(&sealed, &context("42"))).unwrap_err(),
        ] {
            assert_eq!((error.name(), error.class()), ("not_recorded", class));
            let mut source = std::error::Error::source(&error).unwrap();
            while let Some(next) = source.source() {
                source = next;
            }
            assert_eq!(source.to_string(), message);
        }
        assert_eq!(log.sink().calls.load(Ordering::Relaxed), 2 * calls);
        assert!(log.sink().inner.chain("acme").is_empty());
    }
}

#[test]
fn a_sink_that_has_to_be_waited_for_is_for_open_async() {
    let keyring = keyring();
    let sealed = seal(&keyring);
    let log = Arc::new(log(only("audit-2026", 0), Faulty::new(Fault::Waits)));
    let recorded = recorded(&keyring, &log);
    let error = recorded.open(&sealed, &context("42")).unwrap_err();
    assert_eq!(error.name(), "not_recorded");
    drop(log.append("acme", Action::new("noted", "mia", "", "")));
    // Nothing was begun, and no entry says that it was opened.
    assert_eq!(log.sink().polled.load(Ordering::Relaxed), 0);
    assert_eq!(log.sink().calls.load(Ordering::Relaxed), 0);
    pollster::block_on(recorded.open_async(&sealed, &context("42"))).unwrap();
    pollster::block_on(log.append("acme", Action::new("noted", "mia", "", ""))).unwrap();
    assert_eq!(log.sink().inner.chain("acme").len(), 2);
}

#[test]
fn a_sink_may_be_ready_for_one_method_alone() {
    let keyring = keyring();
    let sealed = seal(&keyring);
    let log = Arc::new(log(only("audit-2026", 0), Faulty::new(Fault::AppendWaits)));
    let recorded = recorded(&keyring, &log);
    assert_eq!(recorded.open(&sealed, &context("42")).unwrap_err().name(), "not_recorded");
    assert!(log.sink().inner.chain("acme").is_empty());
    pollster::block_on(recorded.open_async(&sealed, &context("42"))).unwrap();
    assert_eq!(log.sink().inner.chain("acme").len(), 1);
}

#[test]
fn an_action_of_a_program() {
    let log = log(only("audit-2026", 0), Memory::default());
    let refused = |subject: &str, action| {
        let error = now(log.append(subject, action)).unwrap_err();
        assert!(!error.is_transient());
        let AppendError::Entry { source, .. } = error else { panic!("{error}") };
        source
    };
    // Also with the fields that such an entry of the chain has.
    let (key_id, commitment) = (id("audit-2027"), [7; 32]);
    for action in ["swa1/end", "swa1/begin", "swa1/", "swa1/other"] {
        let action = Action::new(action, "ops", "", "");
        let ends = Action { key_id: Some(&key_id), ..action };
        for action in [action, ends, Action { commitment: Some(&commitment), ..ends }] {
            assert_eq!(refused("acme", action), EntryError::Reserved);
        }
    }
    let long = "x".repeat(65);
    for (action, outcome) in [("", ""), (long.as_str(), ""), ("a", &long)] {
        let error = refused("acme", Action::new(action, "ops", "", outcome));
        assert!(matches!(error, EntryError::Length { .. }), "{error}");
    }
    for subject in ["", &"x".repeat(1025)] {
        let error = refused(subject, Action::new("a", "ops", "", ""));
        assert!(matches!(error, EntryError::Length { .. }), "{error}");
    }
    assert!(matches!(
        refused("acme", Action::new("a\n", "ops", "", "")),
        EntryError::ControlCharacter { .. }
    ));
    assert!(matches!(now(log.hand_over("a\n", "ops", "")), Err(AppendError::Entry { .. })));
    assert!(log.sink().chain("acme").is_empty());
    append(&log, "acme", 1);
    now(log.append("acme", Action::new(&long[1..], "ops", "", &long[1..]))).unwrap();
    assert_eq!(log.sink().chain("acme").len(), 2);
}

/// A table whose last row was forged stops its subject, and no other.
#[test]
fn a_number_that_has_no_next_one() {
    let (_, mut chain) = chain("acme");
    for number in [(1 << 53) - 1, u64::MAX] {
        chain[2].number = number;
        let log = log(only("audit-2026", 0), Memory::with(&chain[2..3]));
        let error = now(log.append("acme", Action::new("a", "ops", "", ""))).unwrap_err();
        assert!(
            matches!(error, AppendError::Entry { source: EntryError::Range { .. }, .. }),
            "{error}"
        );
        append(&log, "initech", 1);
    }
}

/// Nor does it cost a service or a verifier more than the derivation of all steps.
#[test]
fn a_step_that_no_ratchet_makes() {
    let (keys, mut chain) = chain("acme");
    for (step, is_step) in [("audit-2026@3660", true), ("audit-2026@3661", false)] {
        chain[0].audit_key = id(step);
        let error = verify(&keys, "acme", &chain, &[]).unwrap_err();
        assert_eq!(matches!(error, ChainError::UnknownKey { .. }), !is_step, "{error}");
        let log = log(only("audit-2026", 0), Memory::with(&chain[..1]));
        let appended = now(log.append("acme", Action::new("a", "ops", "", "")));
        assert_eq!(matches!(appended, Err(AppendError::UnknownKey { .. })), !is_step);
    }
}
