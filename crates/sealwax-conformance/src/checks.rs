//! The checks of a provider, in the order in which they run.

use std::sync::Arc;

use sealwax::{KeyId, MasterKeyProvider};

use crate::calls::{Calls, guarded};
use crate::expect::Expect;
use crate::report::{Outcome, Report};
use crate::subject::{Problem, Subject, Verdict};

mod batches;
mod binding;
mod bodies;
mod damage;
mod futures;
mod keyrings;
mod rows;
mod versions;

/// Checks that a provider does what sealwax expects of it.
///
/// `key_id` is the id that the provider would have in a keyring. To keep the provider, pass an `Arc` of it. The checks
/// make about 1,100 calls for bodies of 60 bytes, and two more for each further byte up to 1,024, with data keys that
/// seal nothing stored. Nobody else may use the provider meanwhile.
///
/// This does not panic: a provider that panics fails the check that called it.
///
/// ```
/// use sealwax::MasterKey;
/// use sealwax_conformance::{Expect, check};
///
/// let key = MasterKey::generate()?;
/// let report = pollster::block_on(check(key, "prod-2026".parse()?, Expect::default()));
/// assert!(report.is_ok(), "{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn check(
    provider: impl MasterKeyProvider + 'static,
    key_id: KeyId,
    expect: Expect,
) -> Report {
    let calls = Calls::new(expect.deadline);
    let s = &Subject { provider: Arc::new(provider), key_id, expect, calls };
    let mut run = Run { subject: s, report: Report::new(), stopped: None };

    run.check("round_trip", "nothing that is sealed can ever be opened", rows::round_trip(s)).await;
    if run.report.failed() > 0 {
        run.stopped = Some("the provider must pass round_trip first");
    }
    run.check("every_suite", "rows sealed with the other suite are lost", rows::every_suite(s))
        .await;
    run.check(
        "every_key_id",
        "an operator may put the key into a keyring under any valid id",
        rows::every_key_id(s),
    )
    .await;
    run.check(
        "wrap_twice",
        "two processes that rewrap one row would make each other's wrap unreadable",
        rows::wrap_twice(s),
    )
    .await;
    run.check(
        "concurrent_calls",
        "a service opens many rows at once, and would mix up their data keys",
        rows::concurrent_calls(s),
    )
    .await;
    run.check("body_length", "an envelope cannot hold such a wrap", bodies::length(s)).await;
    run.check(
        "body_hides_key",
        "anyone who reads the database can decrypt the row",
        bodies::hides_key(s),
    )
    .await;
    run.check(
        "kind",
        "the keyring asks once and then refuses every wrap of another kind",
        bodies::kind(s),
    )
    .await;
    run.check(
        "fresh_is_current",
        "every run of a rotation would rewrap every row again",
        bodies::fresh_is_current(s),
    )
    .await;
    run.check(
        "any_is_current",
        "rows are not trusted: a body that somebody wrote into the database would stop the process",
        bodies::any_is_current(s),
    )
    .await;
    run.check("check", "a health check would report a working key as broken", bodies::check(s))
        .await;

    run.check(
        "wrong_commitment",
        "if a data key leaks with its wrap, a thief can put that wrap into a new row",
        binding::wrong_commitment(s),
    )
    .await;
    run.check("wrong_suite", "a wrap must not serve two ciphers", binding::wrong_suite(s)).await;
    run.check(
        "wrong_key_id",
        "a wrap must not pass for one of another keyring entry",
        binding::wrong_key_id(s),
    )
    .await;
    run.check("other_key", "each key must open only what it wrapped", binding::other_key(s)).await;

    run.check(
        "flipped_bytes",
        "an altered row must raise the alert for altered rows, and no other",
        damage::flipped_bytes(s),
    )
    .await;
    run.check(
        "cut_bodies",
        "a column that is too short cuts rows off, and this must be reported as an altered row",
        damage::cut_bodies(s),
    )
    .await;
    run.check(
        "foreign_bodies",
        "rows are not trusted: anything may be in them, and it must be reported as an altered row",
        damage::foreign_bodies(s),
    )
    .await;
    run.check(
        "errors_hide_body",
        "errors are logged, and what a log repeats of a request today is a token tomorrow",
        damage::errors_hide_body(s),
    )
    .await;

    run.check(
        "dropped_unpolled",
        "a caller that gives up before it waits must not cause requests",
        futures::dropped_unpolled(s),
    )
    .await;
    run.check(
        "dropped_in_flight",
        "callers drop futures at any point, for example at a timeout, and others must not be affected",
        futures::dropped_in_flight(s),
    )
    .await;

    run.check(
        "batch_wraps",
        "in a batch, a row would get another row's wrap, or none",
        batches::wraps(s),
    )
    .await;
    run.check(
        "batch_unwraps",
        "in a batch, a row would get another row's data key, or none",
        batches::unwraps(s),
    )
    .await;
    run.check(
        "batch_bad_item",
        "one bad row must not fail the other rows of its batch, and must fail the way it fails alone",
        batches::bad_item(s),
    )
    .await;
    run.check(
        "batch_binding",
        "the batch methods must bind each item to its own row, the same way the single ones do",
        batches::binding(s),
    )
    .await;

    run.check("keyring_primary", "a keyring cannot use the key to seal", keyrings::primary(s))
        .await;
    run.check(
        "keyring_escrow",
        "the day the primary is lost, the rows would be lost too",
        keyrings::escrow(s),
    )
    .await;
    run.check(
        "keyring_rewrap",
        "rows cannot be moved to the key or away from it",
        keyrings::rewrap(s),
    )
    .await;
    run.check(
        "keyring_batch",
        "a rotation in batches would fail, or one bad row would fail others",
        keyrings::batch(s),
    )
    .await;
    run.check(
        "keyring_check",
        "a service that checks its keys when it starts would not start",
        keyrings::check(s),
    )
    .await;
    run.check(
        "keyring_errors",
        "an altered or moved row would get the wrong error, and so the wrong alert",
        keyrings::errors(s),
    )
    .await;
    run.check(
        "keyring_sync",
        "the synchronous methods use only keys that are ready at once, and must do the same as the others",
        keyrings::sync(s),
    )
    .await;

    run.check(
        "rotation",
        "after a rotation at the service, old rows must open, and a rewrap must find and renew them",
        versions::rotation(s),
    )
    .await;
    run.report
}

struct Run<'a> {
    subject: &'a Subject,
    report: Report,
    /// Why the other checks do not run.
    stopped: Option<&'static str>,
}

impl Run<'_> {
    async fn check(
        &mut self,
        name: &'static str,
        matters: &'static str,
        check: impl Future<Output = Verdict>,
    ) {
        let verdict = match self.stopped {
            Some(reason) => Err(Problem::NotRun(reason.into())),
            None => guarded(check)
                .await
                .unwrap_or_else(|trouble| Err(Problem::Failed(trouble.to_string()))),
        };
        self.report.add(
            name,
            matters,
            match verdict {
                Ok(()) => Outcome::Passed,
                Err(Problem::Failed(reason)) => Outcome::Failed(reason),
                Err(Problem::NotRun(reason)) => Outcome::NotRun(reason),
            },
        );
        if self.subject.calls.have_hung() {
            self.stopped = Some("a call hung in an earlier check");
        }
    }
}
