//! Faults planted in a provider, each of which is found by the checks that are for it, and by no other.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sealwax_conformance::{Expect, Outcome, Report, check};

use crate::plant::Plant::{self, *};
use crate::planted::Planted;

mod plant;
mod planted;

/// Checks a provider with this fault.
fn checked(plant: Plant) -> Report {
    checked_with(plant, Expect::default())
}

fn checked_with(plant: Plant, expect: Expect) -> Report {
    let provider = Planted::new(plant);
    let (requests, version) = (provider.requests(), provider.version());
    let expect = expect
        .within(Duration::from_millis(300))
        .other_key(provider.other())
        .counting(move || requests.load(Ordering::Relaxed))
        .rotated_by(async move {
            version.fetch_add(1, Ordering::Relaxed);
        });
    pollster::block_on(check(provider, "kms/prod".parse().unwrap(), expect))
}

fn failures(report: &Report) -> Vec<&'static str> {
    report.failures().map(|finding| finding.name()).collect()
}

#[test]
fn a_provider_without_a_fault_passes_every_check() {
    let report = checked(Nothing);
    assert!(report.is_ok(), "{report}");
    assert_eq!((report.passed(), report.failed(), report.not_run()), (33, 0, 0), "{report}");
}

/// Each fault, and the checks that find it.
const TABLE: &[(Plant, &[&str])] = &[
    (
        BindsNothing,
        &["wrong_commitment", "wrong_suite", "wrong_key_id", "batch_binding", "keyring_errors"],
    ),
    (IgnoresCommitment, &["wrong_commitment", "batch_binding", "keyring_errors"]),
    (IgnoresSuite, &["wrong_suite"]),
    (IgnoresKeyId, &["wrong_key_id"]),
    (IgnoresBindingInBatches, &["batch_binding"]),
    (OpensOtherKeys, &["other_key"]),
    (SameKeyForAll, &["round_trip"]),
    (NeverUnwraps, &["round_trip"]),
    (OneSuite, WHAT_USES_BOTH_SUITES),
    (ShortKeyIds, &["every_key_id"]),
    (ForgetsOlderWraps, &["wrap_twice"]),
    (SharedSlot, &["concurrent_calls"]),
    (LongBody, WHAT_NEEDS_AN_ENVELOPE),
    (BodyWithKey, &["body_hides_key"]),
    (BodyWithBase64OfKey, &["body_hides_key"]),
    (ReservedKind, WHAT_NEEDS_THE_KIND),
    (PanickingKind, WHAT_ASKS_FOR_THE_KIND),
    (ChangingKind, &["kind", "keyring_escrow", "keyring_batch", "keyring_errors"]),
    (NeverCurrent, &["fresh_is_current", "rotation"]),
    (PanickingIsCurrent, &["any_is_current"]),
    (FailingCheck, &["check", "keyring_check", "rotation"]),
    (TrailingByte, &["cut_bodies"]),
    (UncheckedLastByte, &["flipped_bytes"]),
    (DeniedForLength, &["cut_bodies", "foreign_bodies"]),
    (PanicOnEmpty, &["foreign_bodies", "batch_bad_item"]),
    (ErrorWithBody, &["errors_hide_body"]),
    (EverythingIsOther, WHAT_REFUSES),
    (DamageIsTransient, WHAT_REFUSES),
    (SendsBeforePoll, &["dropped_unpolled"]),
    (KeepsLock, &["dropped_in_flight"]),
    (WrapsReversed, &["batch_wraps", "keyring_batch"]),
    (UnwrapsReversedInChunks, &["batch_unwraps"]),
    (LosesResults, &["batch_wraps", "batch_unwraps"]),
    (StopsAtBadItem, &["batch_bad_item", "keyring_batch"]),
    (OneReady, &["keyring_sync"]),
    (OldVersionIsCurrent, &["rotation"]),
    (OldVersionIsLost, &["rotation"]),
    (LearnsVersionFromRows, &["rotation"]),
    (LearnsVersionFromWraps, &["rotation"]),
    (CachesByBody, &["wrong_commitment", "wrong_suite", "wrong_key_id"]),
    (CachesByBodyInBatches, &["batch_binding"]),
    (CachesRefusals, &["wrong_commitment", "wrong_suite", "wrong_key_id", "batch_binding"]),
    (SpawnsBeforePoll, &["dropped_unpolled"]),
    (ErrorWithBodyOfService, &["errors_hide_body"]),
    (ErrorWithBodyInBatches, &["errors_hide_body"]),
    (OneLinePerItem, &["batch_bad_item"]),
    (IgnoresCase, &["flipped_bytes"]),
    (IgnoresZeros, &["cut_bodies"]),
];

const WHAT_USES_BOTH_SUITES: &[&str] = &[
    "every_suite",
    "wrong_suite",
    "batch_wraps",
    "batch_unwraps",
    "batch_bad_item",
    "batch_binding",
    "keyring_primary",
];

const WHAT_NEEDS_AN_ENVELOPE: &[&str] = &[
    "body_length",
    "flipped_bytes",
    "cut_bodies",
    "keyring_primary",
    "keyring_escrow",
    "keyring_rewrap",
    "keyring_batch",
    "keyring_check",
    "keyring_errors",
    "keyring_sync",
];

/// Without `body_length`, which is the first.
const WHAT_NEEDS_THE_KIND: &[&str] = WHAT_ASKS_FOR_THE_KIND.split_at(1).1;

const WHAT_ASKS_FOR_THE_KIND: &[&str] = &[
    "body_length",
    "kind",
    "keyring_primary",
    "keyring_escrow",
    "keyring_rewrap",
    "keyring_batch",
    "keyring_check",
    "keyring_errors",
    "keyring_sync",
];

/// The checks of what a provider must refuse, and with which kind.
const WHAT_REFUSES: &[&str] = &[
    "wrong_commitment",
    "wrong_suite",
    "wrong_key_id",
    "other_key",
    "flipped_bytes",
    "cut_bodies",
    "foreign_bodies",
    "batch_binding",
    "keyring_batch",
    "keyring_errors",
];

#[test]
fn each_fault_is_found_by_its_checks() {
    let mut wrong = Vec::new();
    for (plant, expected) in TABLE {
        let report = checked(*plant);
        if failures(&report) != *expected {
            wrong.push(format!("{plant:?}: {:?}\n{report}", failures(&report)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!(TABLE.len(), 48);
}

#[test]
fn each_check_finds_a_fault() {
    let found: BTreeSet<_> = TABLE.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let all: BTreeSet<_> = checked(Nothing).findings().map(|finding| finding.name()).collect();
    assert_eq!(found, all);
}

/// Returns the reason that a check gives, and why it matters.
fn reason(plant: Plant, name: &str) -> String {
    let report = checked(plant);
    let finding = report.findings().find(|finding| finding.name() == name).unwrap();
    finding.to_string()
}

#[test]
fn the_reasons_say_where_and_what_to_return() {
    let reason_of_flips = reason(UncheckedLastByte, "flipped_bytes");
    assert!(
        reason_of_flips.contains("of 62 bytes at position 61 (bit 0x01), 61 (bit 0x20): it opened"),
        "{reason_of_flips}"
    );
    let denied = reason(DeniedForLength, "foreign_bodies");
    assert!(denied.contains("60 zero bytes"), "{denied}");
    assert!(
        denied.contains("Denied, which sends operators after")
            && denied.contains("return Rejected or WrongKeyMaterial"),
        "{denied}"
    );
    // What helps against a wrap that opens is no advice for one that is refused.
    let (opened, refused) =
        (reason(BindsNothing, "wrong_commitment"), reason(EverythingIsOther, "wrong_commitment"));
    let advice = "it opened; pass associated_data() to the service";
    assert!(opened.contains(advice) && !refused.contains("associated_data"), "{opened} {refused}");
    let cached = reason(CachesByBody, "wrong_commitment");
    assert!(cached.contains("it opened; look it up by UnwrapRequest::cache_key()"), "{cached}");
    let transient = reason(DamageIsTransient, "flipped_bytes");
    assert!(transient.contains("Unavailable, which is transient"), "{transient}");
    let middle = reason(StopsAtBadItem, "batch_bad_item");
    assert!(middle.contains("whose first item is altered, item 1 gave Rejected"), "{middle}");
    let pairs = reason(KindOfPairs, "kind");
    assert!(pairs.contains("the kind hpke is not for providers"), "{pairs}");
    let hung = reason(KeepsLock, "dropped_in_flight");
    assert!(hung.contains("(poll 1): it hung"), "{hung}");
    let after = reason(KeepsLock, "rotation");
    assert_eq!(after, "not run rotation: a call hung in an earlier check");
}

#[test]
fn a_report_of_several_failures_says_where_to_start() {
    let several = checked(FailingCheck).to_string();
    assert!(several.ends_with("; start with the first failure, which may have caused the others"));
    for plant in [Nothing, IgnoresSuite] {
        let report = checked(plant).to_string();
        assert!(report.ends_with(" not run"), "{report}");
    }
}

#[test]
fn without_what_the_author_knows_three_checks_do_not_run() {
    let provider = Planted::new(Nothing);
    let report = pollster::block_on(check(provider, "k".parse().unwrap(), Expect::default()));
    let is_one = |outcome: &Outcome| matches!(outcome, Outcome::NotRun(_));
    let names: Vec<_> =
        report.findings().filter(|f| is_one(f.outcome())).map(|finding| finding.name()).collect();
    assert_eq!(names, ["other_key", "dropped_unpolled", "rotation"]);
    assert_eq!((report.passed(), report.is_ok()), (30, true), "{report}");
}

#[test]
fn a_service_that_binds_nothing_may_open_a_moved_wrap_to_its_own_key_only() {
    let report = checked_with(BindsNothing, Expect::default().binding_nothing());
    assert!(report.is_ok(), "{report}");
    let report = checked_with(EverythingIsOther, Expect::default().binding_nothing());
    assert_eq!(failures(&report), WHAT_REFUSES);
}

#[test]
fn a_lenient_service_may_open_an_altered_body_to_its_own_key_only() {
    for (plant, foreign) in
        [(TrailingByte, &[][..]), (UncheckedLastByte, &[]), (EverythingIsOther, WHAT_REFUSES)]
    {
        let report = checked_with(plant, Expect::default().reading_leniently());
        assert_eq!(failures(&report), *foreign, "{plant:?}: {report}");
    }
}
