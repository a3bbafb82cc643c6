//! Many rows, and key services that fail: whatever fails and whenever it does, no row is lost.
//!
//! `providers` tests what happens when a call fails during one operation on one row. Here a caller
//! works through a table, as a rotation does, and each of the calls fails in turn.

use core::fmt::Debug;
use core::pin::pin;
use core::task::{Context, Waker};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sealwax::{
    EncryptionContext, Envelope, KeyWrapper, Keyring, MasterKeyProvider, ProviderErrorKind,
    RewrapError, SealError, Secret, Suite, UnwrapRequest, WrapKind, WrapRequest, WrappedKey,
};

use crate::fixtures::{Counting, context, key_id, rewrap_outcome, seal_outcome};
use crate::providers::{FORMS, Fault, Form, KINDS, Log, When, is_transient, opened_as, remote};

/// Rows under `o` alone, under `o` and the escrow key `e`, and current; then the same again in the
/// other suite.
const ROWS: u8 = 6;
/// The calls in a rewrap of such a table: for each of four rows, one unwrap, two wraps and two
/// checks.
const REWRAP_CALLS: usize = 4 * 5;
/// The calls in a seal of such a table: two wraps per row.
const SEAL_CALLS: usize = 6 * 2;

fn credential(n: u8) -> Secret {
    Secret::from(format!("sk-test-row-{n}-0123456789abcdefghijklmnopqrst"))
}

fn place(n: u8) -> EncryptionContext {
    context(&[("tenant", &format!("tenant-{n}")), ("provider", "openai")])
}

fn suite(n: u8) -> Suite {
    if n < ROWS / 2 { Suite::Aes256Gcm } else { Suite::ChaCha20Poly1305 }
}

/// Seals row `n` with the keyring. Each row has its own randomness, which is the same in every run.
fn seal(form: Form, ring: &Keyring, n: u8) -> Result<Envelope, SealError> {
    let mut rng = Counting(40 * n + 1);
    match form {
        Form::Now => ring.seal_with_rng(&credential(n), &place(n), &mut rng),
        Form::Async | Form::Batch => {
            pollster::block_on(ring.seal_async_with_rng(&credential(n), &place(n), &mut rng))
        }
    }
}

/// Returns the keyring after the change, without `o`.
fn after(suite: Suite, when: When, log: &Arc<Log>) -> Keyring {
    Keyring::new(key_id("p"), remote(1, when, log))
        .unwrap()
        .with_escrow(key_id("e"), remote(2, when, log))
        .unwrap()
        .with_suite(suite)
}

fn during(when: When, log: &Arc<Log>) -> Keyring {
    after(Suite::default(), when, log).with_retired(key_id("o"), remote(9, when, log)).unwrap()
}

/// Returns when the services reply: later if the caller waits.
fn when(form: Form) -> When {
    match form {
        Form::Now => When::Now,
        Form::Async | Form::Batch => When::Later(1),
    }
}

/// Returns the table before the change.
fn table() -> Vec<Envelope> {
    let log = Arc::default();
    let old = || Keyring::new(key_id("o"), remote(9, When::Now, &log)).unwrap();
    let row = |n: u8| {
        let ring = match n % 3 {
            0 => old().with_suite(suite(n)),
            1 => {
                let escrow = remote(2, When::Now, &log);
                old().with_escrow(key_id("e"), escrow).unwrap().with_suite(suite(n))
            }
            _ => after(suite(n), When::Now, &log),
        };
        seal(Form::Now, &ring, n).unwrap()
    };
    (0..ROWS).map(row).collect()
}

/// Returns the number of rows that do not open to their own credential in their own context.
fn lost(ring: &Keyring, rows: &[Envelope]) -> usize {
    assert_eq!(rows.len(), usize::from(ROWS));
    let opens = |(n, row): (u8, &Envelope)| {
        ring.open(row, &place(n)).is_ok_and(|opened| opened == credential(n))
    };
    (0..).zip(rows).filter(|row| !opens(*row)).count()
}

/// Returns a keyring of the same keys, whose services work.
fn well() -> Keyring {
    during(When::Now, &Arc::default())
}

/// Returns the same keyring without the key that is removed.
fn well_without_old() -> Keyring {
    after(Suite::default(), When::Now, &Arc::default())
}

/// Does what a rotation does: row by row, and a row that fails stays unchanged. If the error is
/// transient and the caller retries, the row is tried once more.
fn rewrap_all(
    form: Form,
    ring: &Keyring,
    rows: &mut [Envelope],
    retry: bool,
) -> Vec<Result<Option<Envelope>, RewrapError>> {
    let rewrap = |row: &mut Envelope| {
        let mut result = form.rewrap(ring, row);
        if retry && result.as_ref().is_err_and(RewrapError::is_transient) {
            result = form.rewrap(ring, row);
        }
        if let Ok(Some(fresh)) = &result {
            *row = fresh.clone();
        }
        result
    };
    rows.iter_mut().map(rewrap).collect()
}

/// One call of a batch in which nothing fails.
#[derive(Debug)]
struct Call {
    row: usize,
    /// The position among the calls for that row.
    number: usize,
    /// `wrap` or `unwrap`.
    verb: String,
    id: String,
}

/// Returns the table after the change, and the calls that were made.
fn undisturbed() -> (Vec<Envelope>, Vec<Call>) {
    let log = Arc::default();
    let ring = during(When::Now, &log);
    let mut rows = table();
    let mut calls = Vec::new();
    for (row, envelope) in rows.iter_mut().enumerate() {
        if let Some(fresh) = ring.rewrap(envelope).unwrap() {
            *envelope = fresh;
        }
        let asked = log.take_calls();
        for (number, call) in asked.split(' ').filter(|call| !call.is_empty()).enumerate() {
            let (verb, id) = call.split_once(':').unwrap();
            calls.push(Call { row, number, verb: verb.to_owned(), id: id.to_owned() });
        }
    }
    assert_eq!(calls.len(), REWRAP_CALLS, "{calls:?}");
    assert_eq!(lost(&well_without_old(), &rows), 0);
    (rows, calls)
}

/// Returns what can go wrong at a call.
fn faults_of(call: &Call) -> Vec<Fault> {
    let mut faults: Vec<_> = KINDS.map(Fault::Fail).into();
    faults.push(Fault::AnotherKey);
    match call.verb.as_str() {
        "wrap" => faults.extend([Fault::Body(vec![]), Fault::Body(vec![1])]),
        _ => faults.push(Fault::KeyOf(31)),
    }
    faults
}

/// Returns the outcome for the row.
fn outcome_of(call: &Call, fault: &Fault) -> String {
    let id = &call.id;
    let has_escrow = call.row % 3 == 1;
    match (call.number, fault) {
        // The other wrap opens instead.
        (0, _) if has_escrow => "done".to_owned(),
        (0, Fault::Fail(kind)) => opened_as(id, *kind),
        (0, Fault::AnotherKey) => "envelope_altered".to_owned(),
        (0, _) => format!("wrap_altered({id})"),
        (1 | 2, Fault::Fail(kind)) => format!("wrap({id}) {kind:?}"),
        (1 | 2, Fault::Body(body)) if body.is_empty() => format!("wrap({id}) Other"),
        (_, Fault::Fail(ProviderErrorKind::Rejected | ProviderErrorKind::WrongKeyMaterial)) => {
            format!("unverified({id})")
        }
        (_, Fault::Fail(kind)) => format!("wrap({id}) {kind:?}"),
        _ => format!("unverified({id})"),
    }
}

/// Asserts that each row is as before or as after the change, as `failed` says, that each of them
/// opens, and that another batch does the rest and nothing else. Returns how many rows were
/// checked.
#[track_caller]
fn finish(
    form: Form,
    ring: &Keyring,
    rows: &mut [Envelope],
    failed: &[usize],
    expected: &[Envelope],
    at: &dyn Debug,
) -> usize {
    let before = table();
    assert_eq!(lost(&well(), rows), 0, "{at:?}");
    for (n, row) in rows.iter().enumerate() {
        let wanted = if failed.contains(&n) { &before[n] } else { &expected[n] };
        assert_eq!(row, wanted, "row {n}, {at:?}");
    }
    for (n, result) in rewrap_all(form, ring, rows, false).iter().enumerate() {
        let wanted = if failed.contains(&n) { "done" } else { "current" };
        assert_eq!(rewrap_outcome(result), wanted, "row {n} of another batch, {at:?}");
    }
    assert_eq!(rows, expected, "{at:?}");
    assert_eq!(lost(&well_without_old(), rows), 0, "{at:?}");
    2 * rows.len()
}

#[test]
fn a_batch_of_rewraps_loses_no_row_to_a_fault_at_any_of_its_calls() {
    let (expected, calls) = undisturbed();
    let (mut tried, mut failed_rows, mut looked_at) = (0, 0, 0);
    for form in FORMS {
        let log = Arc::default();
        let ring = during(when(form), &log);
        for (call_number, call) in (1..).zip(&calls) {
            for fault in faults_of(call) {
                let mut rows = table();
                log.set_faults(&[(call_number, fault.clone())]);
                let results = rewrap_all(form, &ring, &mut rows, false);
                log.set_faults(&[]);
                log.take_calls();
                let at = (form, call_number, call, &fault);

                let outcome = outcome_of(call, &fault);
                let mut failed = Vec::new();
                for (n, result) in results.iter().enumerate() {
                    let wanted = match n {
                        n if n == call.row => outcome.as_str(),
                        n if n % 3 == 2 => "current",
                        _ => "done",
                    };
                    assert_eq!(rewrap_outcome(result), wanted, "row {n}, {at:?}");
                    if let Err(error) = result {
                        let transient = matches!(&fault, Fault::Fail(kind) if is_transient(*kind));
                        assert_eq!(error.is_transient(), transient, "{at:?}");
                        failed.push(n);
                    }
                }
                failed_rows += failed.len();
                looked_at += finish(form, &ring, &mut rows, &failed, &expected, &at);
                log.take_calls();
                tried += 1;
            }
        }
    }
    // Nine kinds and a wrong key at each call; two bodies at a wrap, and half a key at an unwrap.
    assert_eq!(tried, FORMS.len() * (REWRAP_CALLS * 10 + 8 * 2 + 12));
    // All except the first unwrap of the two rows that an escrow key also opens.
    assert_eq!(failed_rows, tried - FORMS.len() * 2 * 11);
    assert_eq!(looked_at, 8_208);
    println!("faults: {tried} rewrap batches, one call of each fails, {looked_at} rows, 0 lost");
}

/// From one call on, no service replies. Then they work again.
#[test]
fn a_batch_of_rewraps_outlives_a_service_that_goes_away() {
    let (expected, calls) = undisturbed();
    let (mut tried, mut looked_at) = (0, 0);
    for form in FORMS {
        let log = Arc::default();
        let ring = during(when(form), &log);
        for kind in KINDS {
            for (call_number, call) in (1..).zip(&calls) {
                let mut rows = table();
                let gone: Vec<_> =
                    (call_number..1_000).map(|number| (number, Fault::Fail(kind))).collect();
                log.set_faults(&gone);
                let results = rewrap_all(form, &ring, &mut rows, false);
                log.set_faults(&[]);
                log.take_calls();
                let at = (form, call_number, call, kind);

                let mut failed = Vec::new();
                for (n, result) in results.iter().enumerate() {
                    let outcome = rewrap_outcome(result);
                    match n {
                        n if n % 3 == 2 => assert_eq!(outcome, "current", "row {n}, {at:?}"),
                        n if n < call.row => assert_eq!(outcome, "done", "row {n}, {at:?}"),
                        n => {
                            let wanted = match call.number {
                                0 => opened_as(&call.id, kind),
                                _ => outcome_of(call, &Fault::Fail(kind)),
                            };
                            if n == call.row {
                                assert_eq!(outcome, wanted, "row {n}, {at:?}");
                            }
                            let error = result.as_ref().unwrap_err();
                            assert_eq!(error.is_transient(), is_transient(kind), "{at:?}");
                            failed.push(n);
                        }
                    }
                }
                looked_at += finish(form, &ring, &mut rows, &failed, &expected, &at);
                log.take_calls();
                tried += 1;
            }
        }
    }
    assert_eq!(tried, FORMS.len() * 9 * REWRAP_CALLS);
    assert_eq!(looked_at, 6_480);
    println!("faults: {tried} rewrap batches, the service goes away, {looked_at} rows, 0 lost");
}

/// A caller that retries exactly when the error says so needs no other batch for a transient fault,
/// and asks nobody twice about a permanent one.
#[test]
fn who_tries_again_where_an_error_is_transient_gets_there() {
    let (expected, calls) = undisturbed();
    let (mut tried, mut got_there) = (0, 0);
    for form in FORMS {
        let log = Arc::default();
        let ring = during(when(form), &log);
        for kind in KINDS {
            for (call_number, call) in (1..).zip(&calls) {
                let mut rows = table();
                log.set_faults(&[(call_number, Fault::Fail(kind))]);
                let results = rewrap_all(form, &ring, &mut rows, true);
                log.set_faults(&[]);
                let asked = log.take_calls().split(' ').count();
                let at = (form, call_number, call, kind);
                let made_up_for = outcome_of(call, &Fault::Fail(kind)) == "done";
                let asked_in_vain = call.number + 1;
                if made_up_for {
                    assert_eq!(asked, REWRAP_CALLS + 1, "{at:?}");
                } else if is_transient(kind) {
                    assert_eq!(asked, REWRAP_CALLS + asked_in_vain, "{at:?}");
                } else {
                    assert_eq!(asked, REWRAP_CALLS - 5 + asked_in_vain, "{at:?}");
                }
                let failed: Vec<_> = (0..rows.len()).filter(|&row| results[row].is_err()).collect();
                let stays = !made_up_for && !is_transient(kind);
                assert_eq!(failed, if stays { vec![call.row] } else { vec![] }, "{at:?}");
                got_there += usize::from(failed.is_empty());
                finish(form, &ring, &mut rows, &failed, &expected, &at);
                log.take_calls();
                tried += 1;
            }
        }
    }
    assert_eq!(tried, FORMS.len() * 9 * REWRAP_CALLS);
    // Two kinds are transient. Of the other seven, only the two unwraps for which another wrap opens
    // succeed.
    assert_eq!(got_there, FORMS.len() * (2 * REWRAP_CALLS + 7 * 2));
}

#[test]
fn a_batch_of_rewraps_loses_no_row_to_a_provider_that_panics() {
    let (expected, calls) = undisturbed();
    let mut caught = 0;
    for form in FORMS {
        let log = Arc::default();
        let ring = during(when(form), &log);
        for (call_number, call) in (1..).zip(&calls) {
            let mut rows = table();
            log.set_faults(&[(call_number, Fault::Panic)]);
            let batch = AssertUnwindSafe(|| rewrap_all(form, &ring, &mut rows, false).len());
            assert!(catch_unwind(batch).is_err(), "call {call_number}");
            log.set_faults(&[]);
            log.take_calls();
            let failed: Vec<_> = (call.row..rows.len()).filter(|row| row % 3 != 2).collect();
            finish(form, &ring, &mut rows, &failed, &expected, &(form, call_number));
            log.take_calls();
            caught += 1;
        }
    }
    assert_eq!(caught, FORMS.len() * REWRAP_CALLS);
}

#[test]
fn a_batch_of_rewraps_loses_no_row_when_it_is_dropped_at_any_poll() {
    let (expected, calls) = undisturbed();
    let log = Arc::default();
    let ring = during(When::Later(1), &log);
    let mut dropped = 0;
    // Each call is pending once.
    for polls in 1..=REWRAP_CALLS {
        let mut rows = table();
        {
            let mut batch = pin!(async {
                for row in &mut rows {
                    if let Some(fresh) = ring.rewrap_async(row).await.unwrap() {
                        *row = fresh;
                    }
                }
            });
            for poll in 0..polls {
                let mut context = Context::from_waker(Waker::noop());
                assert!(batch.as_mut().poll(&mut context).is_pending(), "{poll} of {polls}");
            }
        }
        let waiting_for = calls[polls - 1].row;
        let failed: Vec<_> = (waiting_for..rows.len()).filter(|row| row % 3 != 2).collect();
        finish(Form::Async, &ring, &mut rows, &failed, &expected, &polls);
        dropped += 1;
    }
    assert_eq!(dropped, REWRAP_CALLS);
}

/// Seals the rows that are missing, as an import does. A row that fails stays missing.
fn seal_missing(
    form: Form,
    ring: &Keyring,
    rows: &mut [Option<Envelope>],
) -> Vec<Option<Result<(), SealError>>> {
    let seal = |(n, row): (u8, &mut Option<Envelope>)| {
        row.is_none().then(|| seal(form, ring, n).map(|envelope| *row = Some(envelope)))
    };
    (0..).zip(rows).map(seal).collect()
}

#[test]
fn a_batch_of_seals_loses_no_row_to_a_fault_at_any_of_its_calls() {
    let well = well_without_old();
    let expected: Vec<_> = (0..ROWS).map(|n| seal(Form::Now, &well, n).unwrap()).collect();
    assert_eq!(lost(&well, &expected), 0);
    let (mut tried, mut failed_rows) = (0, 0);
    for form in FORMS {
        let log = Arc::default();
        let ring = after(Suite::default(), when(form), &log);
        let faults = KINDS.into_iter().map(Fault::Fail).chain([Fault::Body(vec![])]);
        for fault in faults {
            let kind = match &fault {
                Fault::Fail(kind) => *kind,
                _ => ProviderErrorKind::Other,
            };
            for call in 0..SEAL_CALLS {
                // Only this call fails, or all calls from this one on.
                for last in [call, 1_000] {
                    let at = (form, &fault, call, last);
                    let mut rows = vec![None; usize::from(ROWS)];
                    let wrong: Vec<_> =
                        (call..=last).map(|call| (call + 1, fault.clone())).collect();
                    log.set_faults(&wrong);
                    let results = seal_missing(form, &ring, &mut rows);
                    log.set_faults(&[]);
                    let asked = log.take_calls().split(' ').count();

                    let first = call / 2;
                    let mut failed = 0;
                    for (n, result) in results.into_iter().enumerate() {
                        let result = result.unwrap();
                        let hit = n == first || (n > first && last > call);
                        let id = if n == first && call % 2 == 1 { "e" } else { "p" };
                        let wanted = match hit {
                            true => format!("wrap({id}) {kind:?}"),
                            false => "done".to_owned(),
                        };
                        assert_eq!(seal_outcome(&result), wanted, "row {n}, {at:?}");
                        assert_eq!(rows[n].is_none(), hit, "row {n}, {at:?}");
                        if let Err(error) = result {
                            assert_eq!(error.is_transient(), is_transient(kind), "{at:?}");
                            failed += 1;
                        }
                    }
                    // If the first wrap of a seal fails, there is no second one.
                    if last == call {
                        assert_eq!(asked, SEAL_CALLS - (1 - call % 2), "{at:?}");
                    }
                    let again = seal_missing(form, &ring, &mut rows);
                    assert_eq!(again.iter().flatten().count(), failed, "{at:?}");
                    let rows: Vec<_> = rows.into_iter().flatten().collect();
                    assert_eq!(rows, expected, "{at:?}");
                    assert_eq!(lost(&well, &rows), 0, "{at:?}");
                    log.take_calls();
                    failed_rows += failed;
                    tried += 1;
                }
            }
        }
    }
    assert_eq!(tried, FORMS.len() * 10 * SEAL_CALLS * 2);
    // One row, or all rows from the one that the call was for: 6 + 6 + 5 + 5 + … + 1 + 1.
    assert_eq!(failed_rows, FORMS.len() * 10 * (SEAL_CALLS + 42));
    println!("faults: {tried} seal batches with calls that fail, {failed_rows} repeated, 0 lost");
}

// Checks that a lost row is noticed.

#[test]
fn a_row_that_is_lost_is_counted() {
    assert_eq!(lost(&well(), &table()), 0);
    assert_eq!(lost(&well_without_old(), &table()), 2, "under o alone");
    let rows = table();
    for n in 0..rows.len() {
        // In the place of another row.
        let mut exchanged = rows.clone();
        exchanged.swap(n, (n + 1) % rows.len());
        assert_eq!(lost(&well(), &exchanged), 2, "row {n}");
        // Another credential in the same place.
        let mut other = rows.clone();
        let row = u8::try_from(n).unwrap();
        other[n] = well().seal(&credential(row + 1), &place(row)).unwrap();
        assert_eq!(lost(&well(), &other), 1, "row {n}");
    }
}

/// Rewraps like a caller that does not check the new wraps before the old ones are gone.
fn careless_rewrap(log: &Arc<Log>, row: &Envelope) -> Envelope {
    let old = row.wrapped_keys().next().unwrap();
    let (suite, commitment) = (row.suite(), row.commitment());
    let request = UnwrapRequest::new(old.key_id(), suite, commitment, old.body());
    let data_key = remote(9, When::Now, log).unwrap_key(request).into_ready().unwrap().unwrap();
    let wrap = |(id, number)| {
        let id = key_id(id);
        let request = WrapRequest::new(&id, suite, commitment, &data_key);
        let body = remote(number, When::Now, log).wrap_key(request).into_ready().unwrap().unwrap();
        WrappedKey::new(id, WrapKind::Provider, &body).unwrap()
    };
    row.rewrap_with(&data_key, [("p", 1), ("e", 2)].map(wrap).into()).unwrap()
}

/// Two services that wrap something other than what they were given, from one call on.
#[test]
fn who_does_not_check_a_wrap_loses_rows_where_a_keyring_loses_none() {
    let lie = |from: usize| (from..1_000).map(|call| (call, Fault::AnotherKey)).collect::<Vec<_>>();
    let log: Arc<Log> = Arc::default();
    let mut lost_rows = 0;
    for call in [2, 3] {
        let mut rows = table();
        for n in [0, 3] {
            log.set_faults(&lie(call));
            rows[n] = careless_rewrap(&log, &rows[n]);
            log.set_faults(&[]);
            log.take_calls();
        }
        lost_rows += lost(&well(), &rows);
    }
    // If both wraps are wrong, the row is lost. If only one is, the other still opens it.
    assert_eq!(lost_rows, 2);

    let ring = during(When::Now, &log);
    for call in 1..=REWRAP_CALLS {
        let mut rows = table();
        log.set_faults(&lie(call));
        let results = rewrap_all(Form::Now, &ring, &mut rows, false);
        assert!(results.iter().any(Result::is_err), "call {call}");
        log.set_faults(&[]);
        log.take_calls();
        assert_eq!(lost(&well(), &rows), 0, "call {call}");
    }
}
