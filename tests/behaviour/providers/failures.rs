//! A provider that fails: each operation reports which one, with which kind of error, and whether
//! it is transient.

use core::time::Duration;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sealwax::{ProviderError, ProviderErrorKind};

use crate::fixtures::{acme, open_outcome, rewrap_outcome, seal_outcome};
use crate::providers::{
    FORMS, Fault, Form, KINDS, Log, When, is_transient, old, opened_as, seal, secret, successor,
    three,
};

#[test]
fn a_seal_fails_as_the_first_provider_that_fails() {
    let log = Arc::new(Log::default());
    let ring = three(When::Now, &log);
    let mut tried = 0;
    for form in FORMS {
        for kind in KINDS {
            for (call, id) in [(1, "p"), (2, "e"), (3, "f")] {
                log.set_faults(&[(call, Fault::Fail(kind)), (call + 1, Fault::Panic)]);
                let result = form.seal(&ring);
                let row = format!("{kind:?} at call {call}, {form:?}");
                assert_eq!(seal_outcome(&result), format!("wrap({id}) {kind:?}"), "{row}");
                assert_eq!(result.unwrap_err().is_transient(), is_transient(kind), "{row}");
                assert_eq!(log.take_calls().split(' ').count(), call, "{row}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, FORMS.len() * 9 * 3);
}

#[test]
fn opening_maps_each_kind_of_error_and_reports_the_first_that_may_pass() {
    let log = Arc::new(Log::default());
    let ring = three(When::Now, &log);
    let row = seal(&ring);
    log.take_calls();
    let mut tried = 0;
    for form in FORMS {
        for (i, kind) in KINDS.into_iter().enumerate() {
            // Each of the three calls fails, the later ones with different kinds than the first.
            let kinds = [kind, KINDS[(i + 1) % KINDS.len()], KINDS[(i + 3) % KINDS.len()]];
            let told = kinds.iter().position(|kind| is_transient(*kind)).unwrap_or(0);
            let transient = is_transient(kinds[told]);
            let expected = opened_as(["p", "e", "f"][told], kinds[told]);
            let faults = kinds.map(Fault::Fail);
            let faults: Vec<_> = (1..).zip(faults).collect();

            log.set_faults(&faults);
            let opened = form.open(&ring, &row);
            assert_eq!(open_outcome(&opened), expected, "open, {form:?}");
            assert_eq!(opened.unwrap_err().is_transient(), transient, "{kind:?}");
            assert_eq!(log.take_calls(), "unwrap:p unwrap:e unwrap:f");

            let verified = form.verify(&ring, &row);
            assert_eq!(open_outcome(&verified), expected, "verify, {form:?}");
            assert_eq!(verified.unwrap_err().is_transient(), transient, "{kind:?}");
            assert_eq!(log.take_calls(), "unwrap:p unwrap:e unwrap:f");

            // After one or two failures, the next provider succeeds and is the last one asked.
            for (failing, asked) in [(1, "unwrap:p unwrap:e"), (2, "unwrap:p unwrap:e unwrap:f")] {
                log.set_faults(&faults[..failing]);
                let opened = form.open(&ring, &row);
                assert_eq!(open_outcome(&opened), "done", "{kind:?}, {failing} fail, {form:?}");
                assert_eq!(opened.unwrap(), secret());
                assert_eq!(log.take_calls(), asked);
            }
            tried += 4;
        }
    }
    assert_eq!(tried, FORMS.len() * 9 * 4);
}

#[test]
fn a_rewrap_fails_at_each_of_its_calls_with_what_that_call_was_for() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let ring = successor(When::Now, &log);
    log.take_calls();
    let mut tried = 0;
    for form in FORMS {
        for kind in KINDS {
            let failed = |id: &str| format!("wrap({id}) {kind:?}");
            let checked = |id: &str| match kind {
                // The provider says that the wrap it has just made is bad.
                ProviderErrorKind::Rejected | ProviderErrorKind::WrongKeyMaterial => {
                    format!("unverified({id})")
                }
                _ => failed(id),
            };
            let expected = [
                opened_as("o", kind),
                failed("p"),
                failed("e"),
                failed("f"),
                checked("p"),
                checked("e"),
                checked("f"),
            ];
            for (call, expected) in (1..).zip(expected) {
                log.set_faults(&[(call, Fault::Fail(kind)), (call + 1, Fault::Panic)]);
                let result = form.rewrap(&ring, &row);
                let at = format!("{kind:?} at call {call}, {form:?}");
                assert_eq!(rewrap_outcome(&result), expected, "{at}");
                let is_provider = expected.starts_with("provider") || expected.starts_with("wrap(");
                let transient = is_provider && is_transient(kind);
                assert_eq!(result.unwrap_err().is_transient(), transient, "{at}");
                assert_eq!(log.take_calls().split(' ').count(), call, "{at}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, FORMS.len() * 9 * 7);
    // After all this, the row is unchanged, and is rewrapped when the service works again.
    log.set_faults(&[]);
    assert_eq!(ring.rewrap(&row).unwrap(), Some(seal(&ring)));
}

#[test]
fn a_provider_that_panics_leaves_the_keyring_as_it_was() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let ring = successor(When::Now, &log);
    log.take_calls();
    let mut caught = 0;
    for call in 1..=7 {
        log.set_faults(&[(call, Fault::Panic)]);
        let panicked = catch_unwind(AssertUnwindSafe(|| ring.rewrap(&row).is_ok()));
        assert!(panicked.is_err(), "call {call}");
        log.calls.clear_poison();
        log.set_faults(&[]);
        log.take_calls();
        assert_eq!(ring.open(&row, &acme()).unwrap(), secret(), "after call {call}");
        log.take_calls();
        caught += 1;
    }
    assert_eq!(caught, 7);
}

#[test]
fn a_provider_error_tells_its_kind_its_wait_and_its_source() {
    let mut messages = Vec::new();
    for kind in KINDS {
        let bare = ProviderError::from(kind);
        assert_eq!((bare.kind(), bare.retry_after()), (kind, None));
        assert!(bare.source().is_none());
        assert_eq!(bare.is_transient(), is_transient(kind), "{kind:?}");

        let wait = Duration::from_millis(1500);
        let full = ProviderError::new(kind, "status 429").with_retry_after(wait);
        assert_eq!((full.kind(), full.retry_after()), (kind, Some(wait)));
        assert_eq!(full.source().unwrap().to_string(), "status 429");
        assert_eq!(full.to_string(), bare.to_string());
        assert_eq!(full.is_transient(), is_transient(kind), "{kind:?}");
        messages.push(bare.to_string());
    }
    messages.sort_unstable();
    messages.dedup();
    assert_eq!(messages.len(), 9);

    // The errors of the operations lead to it.
    let log = Arc::new(Log::default());
    log.set_faults(&[(1, Fault::Fail(ProviderErrorKind::Denied))]);
    let error = Form::Now.seal(&three(When::Now, &log)).unwrap_err();
    let source = error.source().unwrap().downcast_ref::<ProviderError>().unwrap();
    assert_eq!(source.kind(), ProviderErrorKind::Denied);
}
