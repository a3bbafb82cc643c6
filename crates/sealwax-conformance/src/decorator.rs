//! The checks of a decorator: whether it forwards every method.

use std::time::Duration;

use sealwax::{KeyId, MasterKeyProvider, ProviderFuture, UnwrapRequest, WrapRequest};

use crate::calls::{Calls, catch};
use crate::decorator::probe::{
    BODY, COMMITMENT, CURRENT, KIND, SUITE, are_same, body, data_key, described, described_unwrap,
    described_wrap, is_key, is_same,
};
use crate::report::{Outcome, Report};
use crate::subject::{Problem, Verdict, ensure};

pub use probe::Probe;

mod probe;

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Checks that a decorator forwards every method of both traits.
///
/// `decorate` puts the decorator around a probe; it is called several times. Each call must reach the same method of
/// the probe once, with the same arguments, and what the probe returns must come back unchanged.
///
/// A decorator that changes results on purpose fails the checks of these methods. Switch what it does off for this
/// check (a cache of size 0, no retries, a long deadline), or compare the names of the
/// [failures](Report::failures) with those that you expect.
///
/// ```
/// use sealwax_conformance::{Counted, check_decorator};
///
/// let report = pollster::block_on(check_decorator(Counted::new));
/// assert!(report.is_ok(), "{report}");
/// ```
pub async fn check_decorator<D: MasterKeyProvider>(decorate: impl Fn(Probe) -> D) -> Report {
    let check = Check { decorate, calls: Calls::new(DEADLINE) };
    let mut report = Report::new();
    let mut add = |name, matters, verdict| {
        let outcome = match verdict {
            Ok(()) => Outcome::Passed,
            Err(Problem::Failed(reason)) => Outcome::Failed(reason),
            Err(Problem::NotRun(reason)) => Outcome::NotRun(reason),
        };
        report.add(name, matters, outcome);
    };
    add(
        "wrap_key",
        "rows would be sealed in another way than without the decorator",
        check.wrap_key().await,
    );
    add("kind", "once the decorator is removed, the rows that it wrote are refused", check.kind());
    add("is_current", "a rewrap would replace every wrap each time, or none", check.is_current());
    add(
        "wrap_keys",
        "a batch would become single requests, one for each row",
        check.wrap_keys().await,
    );
    add("check", "a health check would call a key usable that is not", check.check().await);
    add(
        "unwrap_key",
        "rows would open in another way than without the decorator",
        check.unwrap_key().await,
    );
    add(
        "unwrap_keys",
        "a batch would become single requests, one for each row",
        check.unwrap_keys().await,
    );
    add(
        "unpolled",
        "a call that is dropped before it is polled must not send a request",
        check.unpolled(),
    );
    report
}

struct Check<F> {
    decorate: F,
    calls: Calls,
}

impl<D: MasterKeyProvider, F: Fn(Probe) -> D> Check<F> {
    /// Returns a decorator, and the probe in it.
    fn decorated(&self, fails: bool) -> Result<(D, Probe), Problem> {
        let probe = Probe::new(fails);
        let decorator = catch(|| (self.decorate)(probe.clone()));
        let decorator = decorator.map_err(|trouble| format!("when decorating, {trouble}"))?;
        probe.log().clear();
        Ok((decorator, probe))
    }

    /// Waits for a call, and checks what of it reached the probe and what came back.
    async fn forwarded<'a, T>(
        &self,
        probe: &Probe,
        call: impl FnOnce() -> ProviderFuture<'a, T>,
        expected: &str,
        is_answer: impl FnOnce(T) -> bool,
    ) -> Verdict {
        let answer = self.calls.wait(call).await;
        reached(&probe.log(), expected)?;
        let answer = answer.map_err(|trouble| trouble.to_string())?;
        let when = if probe.fails { "an error" } else { "a value" };
        ensure(is_answer(answer), || {
            format!("the inner method returned {when}, and something else came back")
        })
    }

    async fn wrap_key(&self) -> Verdict {
        let (key_id, key) = (key_id()?, data_key(9)?);
        for fails in [false, true] {
            let (decorator, probe) = self.decorated(fails)?;
            let request = WrapRequest::new(&key_id, SUITE, &COMMITMENT, &key);
            let is_answer = |answer| is_same(answer, |found: Vec<u8>| found == body(0), fails);
            self.forwarded(
                &probe,
                || decorator.wrap_key(request),
                &described_wrap(&request),
                is_answer,
            )
            .await?;
        }
        Ok(())
    }

    fn kind(&self) -> Verdict {
        let (decorator, _) = self.decorated(false)?;
        let kind = catch(|| decorator.kind()).map_err(|trouble| trouble.to_string())?;
        ensure(kind == KIND, || format!("the inner kind is {KIND}, but the decorator said {kind}"))
    }

    fn is_current(&self) -> Verdict {
        let (decorator, _) = self.decorated(false)?;
        for (body, expected) in [(CURRENT, true), (b"another".as_slice(), false), (b"", false)] {
            let found =
                catch(|| decorator.is_current(body)).map_err(|trouble| trouble.to_string())?;
            ensure(found == expected, || {
                format!("the inner method returned {expected}, but the decorator said {found}")
            })?;
        }
        Ok(())
    }

    async fn wrap_keys(&self) -> Verdict {
        let (key_id, keys) = (key_id()?, [data_key(1)?, data_key(2)?, data_key(3)?]);
        for fails in [false, true] {
            let (decorator, probe) = self.decorated(fails)?;
            let requests =
                keys.each_ref().map(|key| WrapRequest::new(&key_id, SUITE, &COMMITMENT, key));
            let expected = described("wraps", &requests, described_wrap);
            let is_answer = |answers| {
                are_same(
                    answers,
                    |index, found: Vec<u8>| found == body(index),
                    fails,
                    requests.len(),
                )
            };
            self.forwarded(&probe, || decorator.wrap_keys(&requests), &expected, is_answer).await?;
        }
        Ok(())
    }

    async fn check(&self) -> Verdict {
        let key_id = key_id()?;
        for fails in [false, true] {
            let (decorator, probe) = self.decorated(fails)?;
            let is_answer = |answer| is_same(answer, |()| true, fails);
            self.forwarded(
                &probe,
                || decorator.check(&key_id),
                &format!("check {key_id}"),
                is_answer,
            )
            .await?;
        }
        Ok(())
    }

    async fn unwrap_key(&self) -> Verdict {
        let key_id = key_id()?;
        for fails in [false, true] {
            let (decorator, probe) = self.decorated(fails)?;
            let request = UnwrapRequest::new(&key_id, SUITE, &COMMITMENT, BODY);
            let is_answer = |answer| is_same(answer, |key| is_key(0, &key), fails);
            self.forwarded(
                &probe,
                || decorator.unwrap_key(request),
                &described_unwrap(&request),
                is_answer,
            )
            .await?;
        }
        Ok(())
    }

    async fn unwrap_keys(&self) -> Verdict {
        let key_id = key_id()?;
        for fails in [false, true] {
            let (decorator, probe) = self.decorated(fails)?;
            let requests = [BODY, b"another", b"", b"one more", BODY];
            let requests =
                requests.map(|body| UnwrapRequest::new(&key_id, SUITE, &COMMITMENT, body));
            let expected = described("unwraps", &requests, described_unwrap);
            let is_answer = |answers| {
                are_same(answers, |index, key| is_key(index, &key), fails, requests.len())
            };
            self.forwarded(&probe, || decorator.unwrap_keys(&requests), &expected, is_answer)
                .await?;
        }
        Ok(())
    }

    fn unpolled(&self) -> Verdict {
        let (key_id, key) = (key_id()?, data_key(9)?);
        let (decorator, probe) = self.decorated(false)?;
        let wrap = WrapRequest::new(&key_id, SUITE, &COMMITMENT, &key);
        let unwrap = UnwrapRequest::new(&key_id, SUITE, &COMMITMENT, BODY);
        let dropped = catch(|| {
            drop(decorator.wrap_key(wrap));
            drop(decorator.unwrap_key(unwrap));
            drop(decorator.wrap_keys(&[wrap]));
            drop(decorator.unwrap_keys(&[unwrap]));
            drop(decorator.check(&key_id));
        });
        dropped.map_err(|trouble| trouble.to_string())?;
        let calls = probe.log().len();
        ensure(calls == 0, || {
            format!("five futures were dropped unpolled, but {calls} calls were made")
        })
    }
}

fn key_id() -> Result<KeyId, Problem> {
    KeyId::try_from("probed/key@7").map_err(|error| Problem::NotRun(error.to_string()))
}

/// Checks that one call was recorded, and that it is the expected one.
fn reached(log: &[String], expected: &str) -> Verdict {
    let method = |call: &String| match call.split(' ').next() {
        Some("wrap") => "wrap_key",
        Some("unwrap") => "unwrap_key",
        Some("wraps") => "wrap_keys",
        Some("unwraps") => "unwrap_keys",
        _ => "check",
    };
    let mut methods: Vec<_> = log.iter().map(method).collect();
    methods.dedup();
    match log {
        [call] if call == expected => Ok(()),
        [call] if method(call) == method(&expected.to_owned()) => {
            Err(Problem::Failed("the inner method was called with other arguments".into()))
        }
        [] => Err(Problem::Failed("the inner method was not called; forward it".into())),
        _ => Err(Problem::Failed(format!(
            "instead of one call of the same method, {} calls of {} reached the inner provider",
            log.len(),
            methods.join(" and ")
        ))),
    }
}
