//! Keys in memory, and a late provider in place of a remote one, pass the checks.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKey, MasterKeyProvider, ProviderError, ProviderErrorKind,
    ProviderFuture, UnwrapRequest, WrapRequest,
};
use sealwax_conformance::{Counted, Expect, Fault, Faulty, Report, check};

fn key() -> MasterKey {
    MasterKey::generate().unwrap()
}

fn checked(provider: impl MasterKeyProvider + 'static) -> Report {
    let expect = Expect::default().other_key(key());
    pollster::block_on(check(provider, "prod-2026".parse().unwrap(), expect))
}

#[test]
fn keys_in_memory_pass() {
    let shared: Arc<dyn MasterKeyProvider> = Arc::new(key());
    let boxed: Box<dyn MasterKeyProvider> = Box::new(key());
    let leaked: &'static MasterKey = Box::leak(Box::new(key()));
    let reports = [
        checked(key()),
        checked(Arc::new(key())),
        checked(shared),
        checked(boxed),
        checked(leaked),
    ];
    for report in &reports {
        assert!(report.is_ok(), "{report}");
        // A key in memory has no service that could rotate it or count requests.
        assert_eq!((report.passed(), report.not_run()), (31, 2), "{report}");
    }
}

#[test]
fn a_late_provider_passes() {
    let late = Faulty::new(key()).starting_at(1, Fault::Late(3));
    let counted = Arc::new(Counted::new(late));
    let counter = Arc::clone(&counted);
    let requests = move || {
        let counts = counter.counts();
        counts.wraps + counts.unwraps + counts.wrap_batches + counts.unwrap_batches + counts.checks
    };
    let expect = Expect::default().other_key(key()).counting(requests);
    let report =
        pollster::block_on(check(Arc::clone(&counted), "prod-2026".parse().unwrap(), expect));
    assert!(report.is_ok(), "{report}");
    assert_eq!((report.passed(), report.not_run()), (32, 1), "{report}");
    // About as many calls as the documentation says.
    let counts = counted.counts();
    let single = counts.wraps + counts.unwraps;
    assert!((1000..1070).contains(&single), "{counts:?}");
    assert!(counts.wraps_in_batches >= 280 && counts.unwraps_in_batches >= 280, "{counts:?}");
}

#[test]
fn a_provider_that_hangs_is_found_without_a_clock_of_the_caller() {
    for call in [1, 2] {
        let hangs = Faulty::new(key()).starting_at(call, Fault::Hang);
        let expect = Expect::default().within(Duration::from_millis(50));
        let report = pollster::block_on(check(hangs, "k".parse().unwrap(), expect));
        assert_eq!((report.passed(), report.failed(), report.not_run()), (0, 1, 32));
        assert!(report.to_string().contains("hung"), "{report}");
        assert!(!report.is_ok());
    }
}

#[test]
fn the_checks_run_under_any_executor() {
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let late = Faulty::new(key()).starting_at(1, Fault::Late(1));
    let checks = is_send(check(late, "k".parse().unwrap(), Expect::default()));
    // The plainest one: it polls again and again, and has no waker.
    let mut checks = pin!(checks);
    let report = loop {
        if let Poll::Ready(report) = checks.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            break report;
        }
    };
    assert!(report.is_ok(), "{report}");
}

/// Puts data keys where they do not belong: into the sources of its errors.
struct Leaking {
    key: MasterKey,
    seen: Arc<Mutex<BTreeSet<[u8; 32]>>>,
}

impl KeyWrapper for Leaking {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.seen.lock().unwrap().insert(*request.data_key().expose_secret());
        self.key.wrap_key(request)
    }

    fn check<'a>(&'a self, _: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        let keys = format!("{:02x?}", self.seen.lock().unwrap());
        ProviderFuture::ready(Err(ProviderError::new(ProviderErrorKind::Denied, keys)))
    }
}

impl MasterKeyProvider for Leaking {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let keys = format!("{:02x?}", self.seen.lock().unwrap());
        let leak = |_| ProviderError::new(ProviderErrorKind::Denied, keys);
        self.key.unwrap_key(request).map(|key| key.map_err(leak))
    }
}

#[test]
fn a_report_shows_no_key_even_if_the_provider_does() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let report = checked(Leaking { key: key(), seen: Arc::clone(&seen) });
    assert!(report.failed() > 5, "{report}");
    let text = format!("{report} {report:?}").to_lowercase();
    let mut looked_for = 0;
    for key in seen.lock().unwrap().iter() {
        // The first bytes as they are in the error, in hex, and as a list.
        let [a, b, c, d, ..] = key;
        let hex = format!("{a:02x}{b:02x}{c:02x}{d:02x}");
        for part in [format!("{a:02x}, {b:02x}, {c:02x}"), hex, format!("{a}, {b}, {c}, {d}")] {
            assert!(!text.contains(&part), "a data key is in the report");
            looked_for += 1;
        }
    }
    assert!(looked_for > 1000, "{looked_for}");
}
