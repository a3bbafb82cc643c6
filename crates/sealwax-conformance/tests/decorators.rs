//! Decorators that forward everything pass, and each method that one forgets is found.

#![expect(clippy::panic, reason = "a planted fault")]

use std::sync::Arc;

use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind,
    ProviderFuture, UnwrapRequest, WrapKind, WrapRequest,
};
use sealwax_conformance::{Counted, Fault, Faulty, Probe, Report, check_decorator};

fn checked<D: MasterKeyProvider>(decorate: impl Fn(Probe) -> D) -> Report {
    pollster::block_on(check_decorator(decorate))
}

fn failures(report: &Report) -> Vec<&'static str> {
    report.failures().map(|finding| finding.name()).collect()
}

#[test]
fn pointers_and_the_decorators_of_this_crate_pass() {
    let boxed = |probe| -> Box<dyn MasterKeyProvider> { Box::new(probe) };
    let leaked = |probe| -> &'static Probe { Box::leak(Box::new(probe)) };
    let reports = [
        checked(|probe| probe),
        checked(Box::new),
        checked(boxed),
        checked(Arc::new),
        checked(leaked),
        checked(Counted::new),
        checked(Faulty::new),
        // Late, but unchanged; a fault that is for another kind of call; one for a later call.
        checked(|probe| Faulty::new(probe).starting_at(1, Fault::Late(2))),
        checked(|probe| Counted::new(Faulty::new(probe).at(2, Fault::Hang))),
    ];
    for report in &reports {
        assert!(report.is_ok(), "{report}");
        assert_eq!((report.passed(), report.not_run()), (8, 0), "{report}");
    }
}

/// A decorator with a fault.
struct Bad {
    inner: Probe,
    fault: &'static str,
}

impl KeyWrapper for Bad {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        match self.fault {
            "retries" => ProviderFuture::boxed(async move {
                match self.inner.wrap_key(request).await {
                    Err(_) => self.inner.wrap_key(request).await,
                    wrapped => wrapped,
                }
            }),
            "changes errors" => self
                .inner
                .wrap_key(request)
                .map(|wrapped| wrapped.map_err(|error| error.kind().into())),
            "starts at once" => {
                ProviderFuture::ready(pollster::block_on(self.inner.wrap_key(request)))
            }
            "panics" => panic!("a planted fault"),
            _ => self.inner.wrap_key(request),
        }
    }

    fn kind(&self) -> WrapKind {
        if self.fault == "kind" { WrapKind::Provider } else { self.inner.kind() }
    }

    fn is_current(&self, body: &[u8]) -> bool {
        if self.fault == "is_current" { true } else { self.inner.is_current(body) }
    }

    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
        if self.fault != "wrap_keys" {
            return self.inner.wrap_keys(requests);
        }
        ProviderFuture::boxed(async move {
            let mut wrapped = Vec::new();
            for request in requests {
                wrapped.push(self.inner.wrap_key(*request).await);
            }
            wrapped
        })
    }

    fn check<'a>(&'a self, key_id: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        if self.fault == "check" {
            return ProviderFuture::ready(Ok(()));
        }
        self.inner.check(key_id)
    }
}

impl MasterKeyProvider for Bad {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        if self.fault == "changes bodies" {
            return ProviderFuture::boxed(async move {
                let body = [request.body(), b"!"].concat();
                let (id, suite) = (request.key_id(), request.suite());
                let changed = UnwrapRequest::new(id, suite, request.commitment(), &body);
                self.inner.unwrap_key(changed).await
            });
        }
        if self.fault == "opens nothing" {
            return ProviderFuture::ready(Err(ProviderErrorKind::Disabled.into()));
        }
        self.inner.unwrap_key(request)
    }

    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
        if self.fault == "short batches" {
            return self.inner.unwrap_keys(requests).map(|mut results| {
                results.pop();
                results
            });
        }
        self.inner.unwrap_keys(requests)
    }
}

#[test]
fn each_fault_of_a_decorator_is_found() {
    let table = [
        ("none", &[][..], ""),
        ("kind", &["kind"], "the inner kind is private-0xaa, but the decorator said provider"),
        ("is_current", &["is_current"], "returned false, but the decorator said true"),
        ("wrap_keys", &["wrap_keys"], "3 calls of wrap_key reached the inner provider"),
        ("check", &["check"], "the inner method was not called; forward it"),
        ("retries", &["wrap_key"], "2 calls of wrap_key"),
        ("changes errors", &["wrap_key"], "returned an error, and something else came back"),
        ("starts at once", &["unpolled"], "1 calls were made"),
        ("panics", &["wrap_key", "unpolled"], "it panicked"),
        ("changes bodies", &["unwrap_key"], "called with other arguments"),
        ("opens nothing", &["unwrap_key"], "was not called"),
        ("short batches", &["unwrap_keys"], "something else came back"),
    ];
    for (fault, expected, says) in table {
        let report = checked(|inner| Bad { inner, fault });
        assert_eq!(failures(&report), *expected, "{fault}: {report}");
        assert!(report.to_string().contains(says), "{fault}: {report}");
    }
    // Each check finds one of them.
    let all: Vec<_> = checked(|probe| probe).findings().map(|finding| finding.name()).collect();
    let found: Vec<_> = table.iter().flat_map(|(_, names, _)| names.iter()).collect();
    assert_eq!(all.len(), 8);
    assert!(all.iter().all(|name| found.contains(&name)), "{all:?}, {found:?}");
}

#[test]
fn a_decorator_around_all_methods_with_a_fault_is_found() {
    let all = ["wrap_key", "wrap_keys", "unwrap_key", "unwrap_keys"];
    let short = checked(|probe| Faulty::new(probe).starting_at(1, Fault::ShortBatch));
    assert_eq!(failures(&short), ["wrap_keys", "unwrap_keys"]);
    let long = checked(|probe| Faulty::new(probe).starting_at(1, Fault::BodyLen(3)));
    assert_eq!(failures(&long), ["wrap_key", "wrap_keys"]);
    let other = checked(|probe| Faulty::new(probe).starting_at(1, Fault::OtherKey));
    assert_eq!(failures(&other), ["unwrap_key", "unwrap_keys"]);
    let error = ProviderErrorKind::Throttled;
    let failing = checked(|probe| Faulty::new(probe).starting_at(1, Fault::Fail(error.into())));
    assert_eq!(failures(&failing).len(), all.len() + 1, "{failing}");
}
