//! The trait from outside: what is asked of a provider and when, and what its answers lead to.

use core::future::{self, Future};
use core::mem;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rand_core::{TryCryptoRng, TryRng};
use sealwax::sealing::{self, Draft};
use sealwax::{
    Answer, ContextError, DataKey, EncryptionContext, Envelope, Field, FormatError, KeyError,
    KeyId, KeyState, Keyring, KeyringError, LineProblem, MasterKey, MasterKeyProvider, OpenError,
    ProviderError, ProviderErrorKind, RewrapError, SealError, Secret, Suite, UnwrapRequest,
    WrapKind, WrapRequest, WrappedKey,
};

use crate::fixtures::{
    CREDENTIAL, Counting, OffScript, SUITES, Scripted, acme, context, key_id, master_key,
    open_outcome, rewrap_outcome, seal_outcome, sealed,
};

pub(crate) const KINDS: [ProviderErrorKind; 8] = [
    ProviderErrorKind::NotFound,
    ProviderErrorKind::Denied,
    ProviderErrorKind::Disabled,
    ProviderErrorKind::Throttled,
    ProviderErrorKind::Unavailable,
    ProviderErrorKind::WrongKeyMaterial,
    ProviderErrorKind::Rejected,
    ProviderErrorKind::Other,
];

pub(crate) fn is_transient(kind: ProviderErrorKind) -> bool {
    matches!(kind, ProviderErrorKind::Throttled | ProviderErrorKind::Unavailable)
}

/// When a provider answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    Now,
    /// After so many polls that are pending.
    Later(usize),
    Never,
}

/// What a provider does at one call of its log.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Fail(ProviderErrorKind),
    /// Wraps another data key than it was given, or answers another than it unwrapped.
    AnotherKey,
    /// Answers this body when asked to wrap.
    Body(Vec<u8>),
    /// Answers so many bytes for a data key, of which the first 32 are those of [`seal`].
    KeyOf(usize),
    Panic,
}

/// What the providers of a keyring were asked, and what came of it; one for all of them.
#[derive(Default)]
pub(crate) struct Log {
    calls: Mutex<Vec<String>>,
    /// The call, counted from 1, at which something goes wrong.
    faults: Mutex<Vec<(usize, Fault)>>,
    polls: AtomicUsize,
    dropped: AtomicUsize,
}

impl Log {
    pub(crate) fn take_calls(&self) -> String {
        mem::take(&mut *self.calls.lock().unwrap()).join(" ")
    }

    pub(crate) fn set_faults(&self, faults: &[(usize, Fault)]) {
        *self.faults.lock().unwrap() = faults.to_vec();
    }

    fn record(&self, call: String) -> Option<Fault> {
        let mut calls = self.calls.lock().unwrap();
        calls.push(call);
        let faults = self.faults.lock().unwrap();
        faults.iter().find(|(number, _)| *number == calls.len()).map(|(_, fault)| fault.clone())
    }

    fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }
}

/// A key service: a master key that wraps, how long it takes, and what it was asked.
pub(crate) struct Remote {
    key: MasterKey,
    kind: WrapKind,
    when: When,
    log: Arc<Log>,
}

pub(crate) fn remote(number: u8, when: When, log: &Arc<Log>) -> Remote {
    Remote { key: master_key(number), kind: WrapKind::Provider, when, log: Arc::clone(log) }
}

impl Remote {
    fn answer<'a, T: Send + 'a>(
        &'a self,
        answer: Answer<'a, Result<T, ProviderError>>,
    ) -> Answer<'a, Result<T, ProviderError>> {
        match self.when {
            When::Now => answer,
            When::Later(pending) => Answer::later(Waiting { pending, answer, log: &self.log }),
            When::Never => Answer::later(Waiting { pending: usize::MAX, answer, log: &self.log }),
        }
    }
}

/// Pending so many times, waking each time, and then as `answer`.
struct Waiting<'a, F> {
    pending: usize,
    answer: F,
    log: &'a Log,
}

impl<F: Future + Unpin> Future for Waiting<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.log.polls.fetch_add(1, Ordering::SeqCst);
        if self.pending == 0 {
            return Pin::new(&mut self.answer).poll(context);
        }
        self.pending -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<F> Drop for Waiting<'_, F> {
    fn drop(&mut self) {
        self.log.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

fn another_key() -> DataKey {
    DataKey::generate_with_rng(&mut Counting(200)).unwrap()
}

impl MasterKeyProvider for Remote {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
        let answer = match self.log.record(format!("wrap:{}", request.key_id())) {
            None => self.key.wrap_key(request),
            Some(Fault::Fail(kind)) => Answer::now(Err(kind.into())),
            Some(Fault::AnotherKey) => {
                let (id, suite) = (request.key_id(), request.suite());
                let data_key = another_key();
                let lie = WrapRequest::new(id, suite, request.commitment(), &data_key);
                Answer::now(self.key.wrap_key(lie).into_now().unwrap())
            }
            Some(Fault::Body(body)) => Answer::now(Ok(body)),
            Some(Fault::Panic) => panic!("a provider that panics"),
            Some(fault @ Fault::KeyOf(_)) => panic!("{fault:?} is no fault of a wrap"),
        };
        self.answer(answer)
    }

    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> Answer<'a, Result<DataKey, ProviderError>> {
        let answer = match self.log.record(format!("unwrap:{}", request.key_id())) {
            None => self.key.unwrap_key(request),
            Some(Fault::Fail(kind)) => Answer::now(Err(kind.into())),
            Some(Fault::AnotherKey) => Answer::now(Ok(another_key())),
            Some(Fault::KeyOf(len)) => {
                let mut bytes: Vec<u8> = (1..=255).cycle().take(len).collect();
                Answer::now(DataKey::from_bytes(&mut bytes).map_err(ProviderError::from))
            }
            Some(Fault::Panic) => panic!("a provider that panics"),
            Some(fault @ Fault::Body(_)) => panic!("{fault:?} is no fault of an unwrap"),
        };
        self.answer(answer)
    }

    fn kind(&self) -> WrapKind {
        self.kind
    }
}

/// `p`, and the escrows `e` and `f`, all remote.
fn three(when: When, log: &Arc<Log>) -> Keyring {
    Keyring::new(key_id("p"), remote(1, when, log))
        .with_escrow(key_id("e"), remote(2, when, log))
        .and_then(|ring| ring.with_escrow(key_id("f"), remote(3, when, log)))
        .unwrap()
}

/// The keyring that [`three`] is the successor of.
fn old(when: When, log: &Arc<Log>) -> Keyring {
    Keyring::new(key_id("o"), remote(9, when, log))
}

/// [`three`], and `o` retired.
fn successor(when: When, log: &Arc<Log>) -> Keyring {
    three(when, log).with_retired(key_id("o"), remote(9, when, log)).unwrap()
}

fn secret() -> Secret {
    Secret::from(CREDENTIAL)
}

/// Sealed by a keyring whose providers answer now and do as they should.
fn seal(keyring: &Keyring) -> Envelope {
    keyring.seal_with_rng(&secret(), &acme(), &mut Counting(1)).unwrap()
}

/// A verb over one keyring, in its two forms, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Now,
    Async,
}

pub(crate) const FORMS: [Form; 2] = [Form::Now, Form::Async];

impl Form {
    fn seal(self, keyring: &Keyring) -> Result<Envelope, SealError> {
        let mut rng = Counting(1);
        match self {
            Self::Now => keyring.seal_with_rng(&secret(), &acme(), &mut rng),
            Self::Async => {
                pollster::block_on(keyring.seal_async_with_rng(&secret(), &acme(), &mut rng))
            }
        }
    }

    fn open(self, keyring: &Keyring, envelope: &Envelope) -> Result<Secret, OpenError> {
        match self {
            Self::Now => keyring.open(envelope, &acme()),
            Self::Async => pollster::block_on(keyring.open_async(envelope, &acme())),
        }
    }

    fn verify(self, keyring: &Keyring, envelope: &Envelope) -> Result<(), OpenError> {
        match self {
            Self::Now => keyring.verify(envelope),
            Self::Async => pollster::block_on(keyring.verify_async(envelope)),
        }
    }

    pub(crate) fn rewrap(
        self,
        ring: &Keyring,
        row: &Envelope,
    ) -> Result<Option<Envelope>, RewrapError> {
        match self {
            Self::Now => ring.rewrap(row),
            Self::Async => pollster::block_on(ring.rewrap_async(row)),
        }
    }
}

#[test]
fn each_verb_calls_each_provider_as_often_as_it_says_and_in_order() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let ring = successor(When::Now, &log);
    let current = seal(&ring);
    log.take_calls();
    for form in FORMS {
        form.seal(&ring).unwrap();
        assert_eq!(log.take_calls(), "wrap:p wrap:e wrap:f", "seal {form:?}");
        form.open(&ring, &current).unwrap();
        assert_eq!(log.take_calls(), "unwrap:p", "open {form:?}");
        form.verify(&ring, &current).unwrap();
        assert_eq!(log.take_calls(), "unwrap:p", "verify {form:?}");
        form.open(&ring, &row).unwrap();
        assert_eq!(log.take_calls(), "unwrap:o", "open an older row {form:?}");
        assert!(!ring.is_current(&row) && ring.is_current(&current));
        assert_eq!(log.take_calls(), "", "is_current {form:?}");
        assert_eq!(form.rewrap(&ring, &current).unwrap(), None);
        assert_eq!(log.take_calls(), "", "rewrap what is current {form:?}");

        assert_eq!(form.rewrap(&ring, &row).unwrap(), Some(current.clone()));
        let unwrap_wrap_check = "unwrap:o wrap:p wrap:e wrap:f unwrap:p unwrap:e unwrap:f";
        assert_eq!(log.take_calls(), unwrap_wrap_check, "rewrap {form:?}");
    }
}

/// As many polls as the providers are pending, and the same bytes as from keys that answer now.
#[test]
fn async_verbs_wait_for_providers_that_take_their_time() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let expected = seal(&successor(When::Now, &log));
    for pending in [0, 1, 5] {
        let log = Arc::new(Log::default());
        let ring = successor(When::Later(pending), &log);
        let mut polls = 0;
        let mut polled = |calls: usize| {
            polls += calls * (pending + 1);
            assert_eq!(log.polls(), polls);
        };
        assert_eq!(Form::Async.seal(&ring).unwrap(), expected);
        polled(3);
        assert_eq!(Form::Async.open(&ring, &expected).unwrap(), secret());
        polled(1);
        Form::Async.verify(&ring, &expected).unwrap();
        polled(1);
        assert_eq!(Form::Async.rewrap(&ring, &row).unwrap(), Some(expected.clone()));
        polled(7);
    }
}

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
                assert_eq!(seal_outcome(&result), format!("provider({id}) {kind:?}"), "{row}");
                assert_eq!(result.unwrap_err().is_transient(), is_transient(kind), "{row}");
                assert_eq!(log.take_calls().split(' ').count(), call, "{row}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * 8 * 3);
}

/// What opening makes of a kind of error.
pub(crate) fn opened_as(id: &str, kind: ProviderErrorKind) -> String {
    match kind {
        ProviderErrorKind::WrongKeyMaterial => format!("wrong_key_material({id})"),
        ProviderErrorKind::Rejected => format!("wrap_altered({id})"),
        ProviderErrorKind::Disabled => format!("key_disabled({id})"),
        other => format!("provider({id}) {other:?}"),
    }
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
            // Each of the three calls fails, the later ones with other kinds than the first.
            let kinds = [kind, KINDS[(i + 1) % 8], KINDS[(i + 3) % 8]];
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

            // One or two failures are made up for by the next provider, which is the last asked.
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
    assert_eq!(tried, 2 * 8 * 4);
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
            let failed = |id: &str| format!("provider({id}) {kind:?}");
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
                let transient = expected.starts_with("provider") && is_transient(kind);
                assert_eq!(result.unwrap_err().is_transient(), transient, "{at}");
                assert_eq!(log.take_calls().split(' ').count(), call, "{at}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * 8 * 7);
    // After all of which the row is as it was, and rewraps when the service is well.
    log.set_faults(&[]);
    assert_eq!(ring.rewrap(&row).unwrap(), Some(seal(&ring)));
}

/// Wraps the data key that it was given, but for this bit.
struct Flips {
    key: MasterKey,
    bit: usize,
}

impl MasterKeyProvider for Flips {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
        let mut bytes = *request.data_key().expose_secret();
        bytes[self.bit / 8] ^= 1 << (self.bit % 8);
        let data_key = DataKey::from_bytes(&mut bytes).unwrap();
        let (id, suite) = (request.key_id(), request.suite());
        let lie = WrapRequest::new(id, suite, request.commitment(), &data_key);
        Answer::now(self.key.wrap_key(lie).into_now().unwrap())
    }

    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> Answer<'a, Result<DataKey, ProviderError>> {
        self.key.unwrap_key(request)
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Provider
    }
}

#[test]
fn a_data_key_that_differs_in_any_one_bit_is_another() {
    let row = sealed(Suite::default(), 1);
    for bit in 0..256 {
        let ring = Keyring::new(key_id("next"), Flips { key: master_key(3), bit })
            .with_retired(key_id("prod"), master_key(1))
            .unwrap();
        assert_eq!(rewrap_outcome(&ring.rewrap(&row)), "unverified(next)", "bit {bit}");
        // What it seals, nobody opens.
        let sealed = ring.seal(&secret(), &acme()).unwrap();
        assert_eq!(open_outcome(&ring.open(&sealed, &acme())), "envelope_altered", "bit {bit}");
    }
}

#[test]
fn another_data_key_opens_nothing_and_is_noticed_when_it_is_wrapped() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let ring = successor(When::Now, &log);
    let current = seal(&ring);
    log.take_calls();
    let mut tried = 0;
    for form in FORMS {
        // Opening: the mac does not verify under it; the next provider is asked.
        log.set_faults(&[(1, Fault::AnotherKey)]);
        assert_eq!(open_outcome(&form.open(&ring, &row)), "envelope_altered");
        assert_eq!(log.take_calls(), "unwrap:o");
        assert_eq!(open_outcome(&form.verify(&ring, &row)), "envelope_altered");
        assert_eq!(log.take_calls(), "unwrap:o");
        assert_eq!(form.open(&ring, &current).unwrap(), secret());
        assert_eq!(log.take_calls(), "unwrap:p unwrap:e");

        let rows = [
            (1, "envelope_altered"),
            // It wrapped another data key than it was given.
            (2, "unverified(p)"),
            (3, "unverified(e)"),
            (4, "unverified(f)"),
            // It answers another than it wrapped.
            (5, "unverified(p)"),
            (6, "unverified(e)"),
            (7, "unverified(f)"),
        ];
        for (call, expected) in rows {
            log.set_faults(&[(call, Fault::AnotherKey)]);
            let result = form.rewrap(&ring, &row);
            assert_eq!(rewrap_outcome(&result), expected, "at call {call}, {form:?}");
            assert!(!result.unwrap_err().is_transient());
            log.take_calls();
            tried += 1;
        }

        // A seal does not ask back. What it wrote is refused, or opened by another wrap.
        log.set_faults(&[(1, Fault::AnotherKey)]);
        let envelope = form.seal(&ring).unwrap();
        log.set_faults(&[]);
        log.take_calls();
        assert_eq!(form.open(&ring, &envelope).unwrap(), secret());
        assert_eq!(log.take_calls(), "unwrap:p unwrap:e");
        let primary = Keyring::new(key_id("p"), remote(1, When::Now, &log));
        assert_eq!(open_outcome(&form.open(&primary, &envelope)), "envelope_altered");
        log.take_calls();
    }
    assert_eq!(tried, 2 * 7);
}

#[test]
fn an_answer_that_is_no_data_key_is_refused_as_an_altered_wrap() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    for form in FORMS {
        for len in [0, 1, 16, 24, 31, 33, 64, 65_536] {
            log.set_faults(&[(1, Fault::KeyOf(len))]);
            log.take_calls();
            let opened = form.open(&old(When::Now, &log), &row);
            assert_eq!(open_outcome(&opened), "wrap_altered(o)", "{len} bytes, {form:?}");
            log.take_calls();
            let rewrapped = form.rewrap(&successor(When::Now, &log), &row);
            assert_eq!(rewrap_outcome(&rewrapped), "wrap_altered(o)", "{len} bytes, {form:?}");
            // When it checks what it has wrapped.
            log.set_faults(&[(5, Fault::KeyOf(len))]);
            log.take_calls();
            let rewrapped = form.rewrap(&successor(When::Now, &log), &row);
            assert_eq!(rewrap_outcome(&rewrapped), "unverified(p)", "{len} bytes, {form:?}");
        }
        // A control: the same bytes are the data key where there are 32 of them.
        log.set_faults(&[(1, Fault::KeyOf(32))]);
        log.take_calls();
        let opened = form.open(&old(When::Now, &log), &row);
        assert_eq!(open_outcome(&opened), "done", "{form:?}");
        log.take_calls();
    }

    let error = ProviderError::from(DataKey::from_bytes(&mut [7; 31]).unwrap_err());
    assert_eq!(error.kind(), ProviderErrorKind::Rejected);
    let source = error.source().and_then(|source| source.downcast_ref());
    assert!(matches!(source, Some(KeyError::Length { expected: 32, found: 31, .. })));
    let error = ProviderError::from(DataKey::from_bytes(&mut [7; 32]).unwrap_err());
    let source = error.source().and_then(|source| source.downcast_ref());
    assert_eq!((error.kind(), source), (ProviderErrorKind::Rejected, Some(&KeyError::Weak)));
}

#[test]
fn a_body_that_fits_no_envelope_is_the_fault_of_its_provider() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let ring = successor(When::Now, &log);
    log.take_calls();
    let mut tried = 0;
    for form in FORMS {
        for len in [0, 65_535, 65_536, 131_072] {
            for (call, id) in [(1, "p"), (2, "e"), (3, "f")] {
                log.set_faults(&[(call, Fault::Body(vec![1; len]))]);
                let result = form.seal(&ring);
                let at = format!("{len} bytes from {id}, {form:?}");
                assert_eq!(seal_outcome(&result), format!("provider({id}) Other"), "{at}");
                log.take_calls();

                // What is wrong with it is told by the source.
                let error = result.unwrap_err();
                assert!(!error.is_transient());
                let field = match error.source().unwrap().source().unwrap().downcast_ref() {
                    Some(FormatError::Malformed { field, .. }) => *field,
                    other => panic!("{at}: {other:?}"),
                };
                assert_eq!(field, Field::WrappedKey, "{at}");

                log.set_faults(&[(call + 1, Fault::Body(vec![1; len]))]);
                let result = form.rewrap(&ring, &row);
                assert_eq!(rewrap_outcome(&result), format!("provider({id}) Other"), "{at}");
                log.take_calls();
                tried += 1;
            }
        }
        // The shortest and the longest body there is; only a wrap that unwraps is rewrapped to.
        for len in [1, 65_534] {
            log.set_faults(&[(2, Fault::Body(vec![1; len]))]);
            let envelope = form.seal(&ring).unwrap();
            assert_eq!(envelope.wrapped_keys().nth(1).unwrap().body(), vec![1; len]);
            log.take_calls();
            let text: Envelope = envelope.to_string().parse().unwrap();
            assert_eq!(text, envelope);
            assert_eq!(form.open(&ring, &text).unwrap(), secret());
            log.take_calls();
            log.set_faults(&[(3, Fault::Body(vec![1; len]))]);
            let result = form.rewrap(&ring, &row);
            assert_eq!(rewrap_outcome(&result), "unverified(e)", "{len} bytes, {form:?}");
            log.take_calls();
            tried += 1;
        }
    }
    assert_eq!(tried, 2 * (4 * 3 + 2));
}

#[test]
fn sync_verbs_do_not_wait_and_do_not_poll() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let current = seal(&three(When::Now, &log));
    log.take_calls();
    for when in [When::Later(0), When::Later(3), When::Never] {
        let ring = successor(when, &log);
        assert_eq!(seal_outcome(&Form::Now.seal(&ring)), "would_block(p)", "{when:?}");
        assert_eq!(open_outcome(&Form::Now.open(&ring, &current)), "would_block(p)", "{when:?}");
        assert_eq!(open_outcome(&Form::Now.open(&ring, &row)), "would_block(o)", "{when:?}");
        assert_eq!(open_outcome(&Form::Now.verify(&ring, &row)), "would_block(o)", "{when:?}");
        assert_eq!(rewrap_outcome(&Form::Now.rewrap(&ring, &row)), "would_block(o)", "{when:?}");
        assert!(!Form::Now.rewrap(&ring, &row).unwrap_err().is_transient());
        // A local key that opens, and remote ones to wrap for.
        let ring = three(when, &log).with_retired(key_id("prod"), master_key(1)).unwrap();
        let local = sealed(Suite::default(), 1);
        assert_eq!(rewrap_outcome(&Form::Now.rewrap(&ring, &local)), "would_block(p)", "{when:?}");
        // A remote escrow only.
        let ring = Keyring::new(key_id("prod"), master_key(1))
            .with_escrow(key_id("e"), remote(2, when, &log))
            .unwrap();
        assert_eq!(seal_outcome(&Form::Now.seal(&ring)), "would_block(e)", "{when:?}");
        assert_eq!(rewrap_outcome(&Form::Now.rewrap(&ring, &local)), "would_block(e)", "{when:?}");
        // What is current is told without a call.
        assert_eq!(successor(when, &log).rewrap(&current).unwrap(), None);
    }
    assert_eq!(log.polls(), 0);
}

/// One that answers now when it wraps and later when it unwraps, so that the check would block.
#[test]
fn a_rewrap_whose_check_would_block_is_no_rewrap() {
    struct Mixed(Remote);

    impl MasterKeyProvider for Mixed {
        fn wrap_key<'a>(
            &'a self,
            request: WrapRequest<'a>,
        ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
            self.0.key.wrap_key(request)
        }

        fn unwrap_key<'a>(
            &'a self,
            request: UnwrapRequest<'a>,
        ) -> Answer<'a, Result<DataKey, ProviderError>> {
            self.0.unwrap_key(request)
        }
    }

    let log = Arc::new(Log::default());
    let ring = Keyring::new(key_id("p"), Mixed(remote(1, When::Later(0), &log)))
        .with_retired(key_id("prod"), master_key(1))
        .unwrap();
    let row = sealed(Suite::default(), 1);
    assert_eq!(rewrap_outcome(&ring.rewrap(&row)), "would_block(p)");
    assert_eq!(log.polls(), 0);
    let fresh = Form::Async.rewrap(&ring, &row).unwrap().unwrap();
    assert_eq!(Form::Async.open(&ring, &fresh).unwrap(), secret());
}

#[test]
fn a_remote_primary_does_not_keep_a_local_escrow_from_opening() {
    for when in [When::Later(1), When::Never] {
        let log = Arc::new(Log::default());
        let ring = Keyring::new(key_id("p"), remote(1, when, &log))
            .with_escrow(key_id("remote"), remote(2, when, &log))
            .and_then(|ring| ring.with_escrow(key_id("local"), master_key(3)))
            .unwrap();
        let quick = Log::default().into();
        let row = seal(
            &Keyring::new(key_id("p"), remote(1, When::Now, &quick))
                .with_escrow(key_id("remote"), remote(2, When::Now, &quick))
                .and_then(|ring| ring.with_escrow(key_id("local"), master_key(3)))
                .unwrap(),
        );
        assert_eq!(Form::Now.open(&ring, &row).unwrap(), secret(), "{when:?}");
        Form::Now.verify(&ring, &row).unwrap();
        // Primary, then the local escrow; the remote one stands before it and is not asked.
        assert_eq!(log.take_calls(), "unwrap:p unwrap:p", "{when:?}");
        assert_eq!(log.polls(), 0, "{when:?}");
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The four async verbs: pending for ever, polled so often, dropped.
#[test]
fn an_async_verb_starts_when_it_is_polled_and_ends_when_it_is_dropped() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let current = seal(&three(When::Now, &log));
    log.take_calls();
    let (acme, secret) = (acme(), secret());
    let ring = successor(When::Never, &log);
    let mut dropped = 0;
    for polls in 0..3 {
        let verbs: [(&str, &str, Answer<'_, bool>); 5] = [
            ("seal", "wrap:p", {
                ring.seal_async_with_rng(&secret, &acme, &mut Counting(1)).map(|r| r.is_ok())
            }),
            ("open", "unwrap:p", ring.open_async(&current, &acme).map(|result| result.is_ok())),
            ("open an older row", "unwrap:o", ring.open_async(&row, &acme).map(|r| r.is_ok())),
            ("verify", "unwrap:p", ring.verify_async(&current).map(|result| result.is_ok())),
            ("rewrap", "unwrap:o", ring.rewrap_async(&row).map(|result| result.is_ok())),
        ];
        for (verb, call, answer) in verbs {
            assert_eq!(log.take_calls(), "", "{verb}, before the first poll");
            let before = log.polls();
            let mut answer = Box::pin(answer);
            for _ in 0..polls {
                assert_eq!(poll_once(answer.as_mut()), Poll::Pending, "{verb}");
            }
            assert_eq!(log.polls() - before, polls, "{verb}");
            assert_eq!(log.take_calls(), if polls == 0 { "" } else { call }, "{verb}");
            drop(answer);
            dropped += usize::from(polls > 0);
            assert_eq!(log.dropped.load(Ordering::SeqCst), dropped, "{verb}");
            assert_eq!(log.polls() - before, polls, "{verb}, dropped");
        }
    }
    assert_eq!(dropped, 2 * 5);
}

/// Half-way through a rewrap of which each call takes two polls.
#[test]
fn a_rewrap_dropped_at_any_poll_has_done_nothing_and_can_be_repeated() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let ring = successor(When::Later(1), &log);
    let mut dropped = 0;
    for polls in 0..8 {
        let mut rewrap = pin!(ring.rewrap_async(&row));
        for poll in 0..polls {
            assert!(poll_once(rewrap.as_mut()).is_pending(), "poll {poll} of {polls}");
        }
        dropped += 1;
    }
    assert_eq!(dropped, 8);
    let fresh = Form::Async.rewrap(&ring, &row).unwrap();
    assert_eq!(fresh, Some(seal(&successor(When::Now, &log))));
}

#[test]
fn the_same_is_asked_and_answered_when_a_provider_is_called_again() {
    let log = Arc::new(Log::default());
    let ring = three(When::Now, &log);
    let row = seal(&ring);
    for form in FORMS {
        for _ in 0..3 {
            assert_eq!(form.seal(&ring).unwrap(), row);
            assert_eq!(form.open(&ring, &row).unwrap(), secret());
        }
    }
    // Two requests that are pending at once, polled in turn.
    let slow = three(When::Later(2), &log);
    let acme = acme();
    let (first, second) = (slow.open_async(&row, &acme), slow.open_async(&row, &acme));
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut ready = 0;
    for _ in 0..3 {
        for open in [&mut first, &mut second] {
            if let Poll::Ready(opened) = poll_once(open.as_mut()) {
                assert_eq!(opened.unwrap(), secret());
                ready += 1;
            }
        }
    }
    assert_eq!(ready, 2);
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

/// A provider with answers of its own to everything that a pointer could forget to forward.
struct Peculiar(MasterKey);

impl MasterKeyProvider for Peculiar {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
        self.0.wrap_key(request)
    }

    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> Answer<'a, Result<DataKey, ProviderError>> {
        self.0.unwrap_key(request)
    }

    fn kind(&self) -> WrapKind {
        WrapKind::from_byte(0x80).unwrap()
    }

    fn is_current(&self, body: &[u8]) -> bool {
        body.last().is_some_and(|last| last % 2 == 0)
    }
}

fn forwards(name: &str, provider: impl MasterKeyProvider + 'static) {
    assert_eq!(provider.kind().byte(), 0x80, "{name}");
    assert!(provider.is_current(&[1, 2]) && !provider.is_current(&[2, 1]), "{name}");

    let (id, data_key) = (key_id("p"), another_key());
    let request = WrapRequest::new(&id, Suite::Aes256Gcm, &[3; 32], &data_key);
    let body = provider.wrap_key(request).into_now().unwrap().unwrap();
    assert_eq!(body, master_key(1).wrap_key(request).into_now().unwrap().unwrap(), "{name}");
    let request = UnwrapRequest::new(&id, Suite::Aes256Gcm, &[3; 32], &body);
    let unwrapped = provider.unwrap_key(request).into_now().unwrap().unwrap();
    assert_eq!(unwrapped.expose_secret(), data_key.expose_secret(), "{name}");

    let ring = Keyring::new(id, provider);
    let row = seal(&ring);
    assert_eq!(row.wrapped_keys().next().unwrap().kind().byte(), 0x80, "{name}");
    assert_eq!(ring.open(&row, &acme()).unwrap(), secret(), "{name}");
}

#[test]
fn pointers_to_a_provider_are_the_provider() {
    let peculiar = || Peculiar(master_key(1));
    forwards("itself", peculiar());
    forwards("Arc", Arc::new(peculiar()));
    forwards("Box", Box::new(peculiar()));
    forwards("&", &*Box::leak(Box::new(peculiar())));
    let shared: Arc<dyn MasterKeyProvider> = Arc::new(peculiar());
    forwards("Arc<dyn>", shared);
    let boxed: Box<dyn MasterKeyProvider> = Box::new(peculiar());
    forwards("Arc<Box<dyn>>", Arc::new(boxed));
    let boxed: Box<dyn MasterKeyProvider> = Box::new(peculiar());
    forwards("Box<dyn>", boxed);
    let borrowed: &'static dyn MasterKeyProvider = Box::leak(Box::new(peculiar()));
    forwards("&dyn", borrowed);
}

/// One that has a better wrap to offer, as long as it says so.
#[test]
fn a_provider_that_calls_its_wraps_outdated_has_them_renewed() {
    struct Renewing(Remote, AtomicUsize);

    impl MasterKeyProvider for Renewing {
        fn wrap_key<'a>(
            &'a self,
            request: WrapRequest<'a>,
        ) -> Answer<'a, Result<Vec<u8>, ProviderError>> {
            self.0.wrap_key(request)
        }

        fn unwrap_key<'a>(
            &'a self,
            request: UnwrapRequest<'a>,
        ) -> Answer<'a, Result<DataKey, ProviderError>> {
            self.0.unwrap_key(request)
        }

        fn is_current(&self, _body: &[u8]) -> bool {
            self.1.load(Ordering::SeqCst) == 0
        }
    }

    let log = Arc::new(Log::default());
    let provider = Arc::new(Renewing(remote(1, When::Now, &log), AtomicUsize::new(0)));
    let ring = Keyring::new(key_id("p"), Arc::clone(&provider));
    let row = seal(&ring);
    for (outdated, current) in [(0, true), (1, false), (0, true)] {
        provider.1.store(outdated, Ordering::SeqCst);
        assert_eq!(ring.is_current(&row), current);
        log.take_calls();
        for form in FORMS {
            let rewrapped = form.rewrap(&ring, &row).unwrap();
            assert_eq!(rewrapped.is_none(), current);
            let calls = if current { "" } else { "unwrap:p wrap:p unwrap:p" };
            assert_eq!(log.take_calls(), calls);
        }
    }
}

/// An envelope with one wrap, for `p`, of any kind: its body is what the key of [`remote`] makes.
fn of_kind(kind: WrapKind, suite: Suite) -> Envelope {
    let draft = sealing::prepare_with_rng(&secret(), &acme(), suite, &mut Counting(1)).unwrap();
    let id = key_id("p");
    let request = WrapRequest::new(&id, suite, draft.commitment(), draft.data_key());
    let body = master_key(1).wrap_key(request).into_now().unwrap().unwrap();
    let wrapped = WrappedKey::new(id, kind, &body).unwrap();
    draft.finish(vec![wrapped]).unwrap()
}

const KIND_BYTES: [u8; 10] = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x7f, 0x80, 0x81, 0xff];

/// The entry of a keyring accepts the kind its provider has, and a reserved kind never.
#[test]
fn a_wrap_of_another_kind_is_refused_unasked_and_a_reserved_kind_always() {
    let mut opened = 0;
    let mut refused = 0;
    for in_row in KIND_BYTES {
        let row = of_kind(WrapKind::from_byte(in_row).unwrap(), Suite::Aes256Gcm);
        assert_eq!(Envelope::from_bytes(row.as_bytes()).unwrap(), row);
        for in_ring in KIND_BYTES {
            let log = Arc::new(Log::default());
            let provider = Remote {
                kind: WrapKind::from_byte(in_ring).unwrap(),
                ..remote(1, When::Now, &log)
            };
            let ring = Keyring::new(key_id("p"), provider);
            for form in FORMS {
                let at = format!("{in_row:#04x} under {in_ring:#04x}, {form:?}");
                let usable = matches!(in_row, 1 | 2 | 0x80..);
                if in_row == in_ring && usable {
                    assert_eq!(form.open(&ring, &row).unwrap(), secret(), "{at}");
                    assert_eq!(log.take_calls(), "unwrap:p", "{at}");
                    // A provider of the local kind that does not say is not current: it might stand
                    // around other key material than the row's.
                    assert_eq!(ring.is_current(&row), in_row != 0x01, "{at}");
                    opened += 1;
                    continue;
                }
                let expected = "wrong_wrap_kind(p)";
                assert_eq!(open_outcome(&form.open(&ring, &row)), expected, "{at}");
                assert_eq!(open_outcome(&form.verify(&ring, &row)), expected, "{at}");
                assert!(!ring.is_current(&row), "{at}");
                assert_eq!(rewrap_outcome(&form.rewrap(&ring, &row)), expected, "{at}");
                assert_eq!(log.take_calls(), "", "{at}");
                refused += 1;
            }
        }
    }
    assert_eq!((opened, refused), (2 * 5, 2 * (100 - 5)));
    assert_eq!(WrapKind::from_byte(0), None);
}

#[test]
fn nothing_is_sealed_or_rewrapped_under_a_reserved_kind() {
    let row = sealed(Suite::default(), 1);
    let mut tried = 0;
    for byte in KIND_BYTES {
        let usable = matches!(byte, 1 | 2 | 0x80..);
        let log = Arc::new(Log::default());
        let provider =
            Remote { kind: WrapKind::from_byte(byte).unwrap(), ..remote(1, When::Now, &log) };
        let ring = Keyring::new(key_id("p"), provider)
            .with_retired(key_id("prod"), master_key(1))
            .unwrap();
        for form in FORMS {
            let expected = if usable { "done" } else { "provider(p) Other" };
            assert_eq!(seal_outcome(&form.seal(&ring)), expected, "{byte:#04x}, {form:?}");
            let rewrapped = form.rewrap(&ring, &row);
            assert_eq!(rewrap_outcome(&rewrapped), expected, "{byte:#04x}, {form:?}");
            tried += 1;
        }
    }
    assert_eq!(tried, 10 * 2);
}

#[test]
fn a_private_kind_goes_through_both_forms_and_a_rewrap() {
    let mut tried = 0;
    for suite in SUITES {
        for byte in [0x80, 0x9c, 0xff] {
            let log = Arc::new(Log::default());
            let kind = WrapKind::from_byte(byte).unwrap();
            let ring = Keyring::new(key_id("p"), Remote { kind, ..remote(1, When::Now, &log) })
                .with_retired(key_id("prod"), master_key(1))
                .unwrap()
                .with_suite(suite);
            let row = seal(&ring);
            let fresh = ring.rewrap(&sealed(suite, 1)).unwrap().unwrap();
            assert_eq!(fresh, row);
            for envelope in [
                row.to_string().parse().unwrap(),
                Envelope::from_bytes(row.as_bytes()).unwrap(),
                fresh,
            ] {
                assert_eq!(envelope, row);
                let wrapped = envelope.wrapped_keys().next().unwrap();
                assert_eq!((wrapped.kind(), wrapped.kind().byte()), (kind, byte));
                assert_eq!(ring.open(&envelope, &acme()).unwrap(), secret());
                assert!(ring.is_current(&envelope));
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * 3 * 3);
}

/// What a request tells is what a provider binds: one that exchanged any of it would unwrap
/// nothing.
#[test]
fn requests_tell_what_to_bind() {
    for (suite, suite_byte) in SUITES.into_iter().zip([1, 2]) {
        for len in [1, 9, 128] {
            let id = key_id(&"k".repeat(len));
            let data_key = another_key();
            let commitment: [u8; 32] = core::array::from_fn(|i| u8::try_from(i).unwrap());
            let expected =
                [&[1, suite_byte, u8::try_from(len).unwrap()], id.as_ref().as_bytes(), &commitment]
                    .concat();
            let wrap = WrapRequest::new(&id, suite, &commitment, &data_key);
            assert_eq!(wrap.associated_data(), expected);
            assert_eq!((wrap.key_id(), wrap.suite(), wrap.commitment()), (&id, suite, &commitment));
            assert_eq!(wrap.data_key().expose_secret(), data_key.expose_secret());
            let unwrap = UnwrapRequest::new(&id, suite, &commitment, b"body");
            assert_eq!(unwrap.associated_data(), expected);
            assert_eq!(
                (unwrap.key_id(), unwrap.suite(), unwrap.commitment(), unwrap.body()),
                (&id, suite, &commitment, b"body".as_slice())
            );
            let copy = unwrap;
            assert_eq!(copy.body(), unwrap.body());
        }
    }
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
    assert_eq!(messages.len(), 8);

    // It is reached from the errors of the verbs.
    let log = Arc::new(Log::default());
    log.set_faults(&[(1, Fault::Fail(ProviderErrorKind::Denied))]);
    let error = Form::Now.seal(&three(When::Now, &log)).unwrap_err();
    let source = error.source().unwrap().downcast_ref::<ProviderError>().unwrap();
    assert_eq!(source.kind(), ProviderErrorKind::Denied);
}

// Answers.

#[test]
fn an_answer_is_there_now_or_later_and_map_keeps_it_so() {
    assert_eq!(Answer::now(7).into_now(), Some(7));
    assert_eq!(Answer::later(future::ready(7)).into_now(), None);
    assert_eq!(Answer::now(7).map(|n| n * 6).into_now(), Some(42));
    assert_eq!(Answer::later(future::ready(7)).map(|n| n * 6).into_now(), None);
    assert_eq!(pollster::block_on(Answer::now(7)), 7);
    assert_eq!(pollster::block_on(Answer::later(future::ready(7))), 7);
    assert_eq!(pollster::block_on(Answer::now(7).map(|n| n * 6)), 42);
    assert_eq!(pollster::block_on(Answer::later(future::ready(7)).map(|n| n * 6)), 42);

    let log = Log::default();
    let waiting = Waiting { pending: 2, answer: future::ready(7), log: &log };
    assert_eq!(pollster::block_on(Answer::later(waiting).map(|n| n.to_string())), "7");
    assert_eq!(log.polls(), 3);
}

#[test]
fn an_answer_polled_after_it_was_given_stays_pending() {
    for answer in [Answer::now(7), Answer::later(future::ready(7)), Answer::now(6).map(|n| n + 1)] {
        let mut answer = answer;
        assert_eq!(poll_once(Pin::new(&mut answer)), Poll::Ready(7));
        for _ in 0..3 {
            assert_eq!(poll_once(Pin::new(&mut answer)), Poll::Pending);
        }
        let mut mapped = answer.map(|n| n + 1);
        assert_eq!(poll_once(Pin::new(&mut mapped)), Poll::Pending);
        assert_eq!(mapped.into_now(), None);
    }
    // Nor does the future in it see a poll after it was ready: it might panic.
    let log = Log::default();
    let mut answer = Answer::later(Waiting { pending: 0, answer: future::ready(7), log: &log });
    for _ in 0..3 {
        let _ = poll_once(Pin::new(&mut answer));
    }
    assert_eq!(log.polls(), 1);
    // And it is dropped as soon as it was ready.
    assert_eq!(log.dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn an_answer_that_is_dropped_or_taken_too_early_starts_nothing() {
    let log = Log::default();
    let waiting = || Waiting { pending: 0, answer: future::ready(7), log: &log };
    drop(Answer::later(waiting()));
    drop(Answer::later(waiting()).map(|n| n + 1));
    assert_eq!(Answer::later(waiting()).into_now(), None);
    assert_eq!(log.polls(), 0);
    assert_eq!(log.dropped.load(Ordering::SeqCst), 3);
}

#[test]
fn an_answer_shows_its_state_and_not_what_it_holds() {
    let mut answer = Answer::now("canary");
    assert_eq!(format!("{answer:?}"), "Answer::Now(..)");
    let _ = poll_once(Pin::new(&mut answer));
    assert_eq!(format!("{answer:?}"), "Answer::Taken");
    assert_eq!(format!("{:?}", Answer::later(future::ready("canary"))), "Answer::Later(..)");
}

const fn is_send_and_sync<T: Send + Sync + ?Sized>() {}
const fn is_send_and_unpin<T: Send + Unpin>() {}

/// Of the compiler, and not of a run: that this test compiles is what it says.
#[test]
fn all_types_are_send_and_sync_and_answers_are_send_and_unpin() {
    is_send_and_sync::<ContextError>();
    is_send_and_sync::<DataKey>();
    is_send_and_sync::<Draft>();
    is_send_and_sync::<EncryptionContext>();
    is_send_and_sync::<Envelope>();
    is_send_and_sync::<Field>();
    is_send_and_sync::<FormatError>();
    is_send_and_sync::<KeyError>();
    is_send_and_sync::<KeyId>();
    is_send_and_sync::<KeyState>();
    is_send_and_sync::<Keyring>();
    is_send_and_sync::<KeyringError>();
    is_send_and_sync::<LineProblem>();
    is_send_and_sync::<MasterKey>();
    is_send_and_sync::<dyn MasterKeyProvider>();
    is_send_and_sync::<OpenError>();
    is_send_and_sync::<ProviderError>();
    is_send_and_sync::<ProviderErrorKind>();
    is_send_and_sync::<RewrapError>();
    is_send_and_sync::<SealError>();
    is_send_and_sync::<Secret>();
    is_send_and_sync::<Suite>();
    is_send_and_sync::<UnwrapRequest<'_>>();
    is_send_and_sync::<WrapKind>();
    is_send_and_sync::<WrapRequest<'_>>();
    is_send_and_sync::<WrappedKey>();

    is_send_and_unpin::<Answer<'_, Result<Envelope, SealError>>>();
    is_send_and_unpin::<Answer<'_, Result<DataKey, ProviderError>>>();
    // Also where what it answers is pinned to its place.
    is_send_and_unpin::<Answer<'_, core::marker::PhantomPinned>>();
}

/// Randomness that must not leave its thread.
struct NotSend(Rc<()>, Counting);

impl TryRng for NotSend {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.1.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.1.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        assert_eq!(Rc::strong_count(&self.0), 1);
        self.1.try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for NotSend {}

/// Moves a future to another thread and waits for it there.
fn elsewhere<'scope, T: Send + 'scope>(future: impl Future<Output = T> + Send + 'scope) -> T {
    std::thread::scope(|scope| scope.spawn(|| pollster::block_on(future)).join().unwrap())
}

#[test]
fn futures_are_send_whatever_the_randomness_was() {
    let log = Arc::new(Log::default());
    let row = seal(&old(When::Now, &log));
    let ring = successor(When::Later(1), &log);
    let acme = acme();
    let sealing = {
        let mut rng = NotSend(Rc::new(()), Counting(1));
        // Neither the RNG nor the secret nor the context is held by the future.
        ring.seal_async_with_rng(&secret(), &context(&[("a", "b")]), &mut rng)
    };
    let envelope = elsewhere(sealing).unwrap();
    let opened = elsewhere(ring.open_async(&envelope, &context(&[("a", "b")]))).unwrap();
    assert_eq!(opened, secret());
    elsewhere(ring.verify_async(&envelope)).unwrap();
    let fresh = elsewhere(ring.rewrap_async(&row)).unwrap().unwrap();
    assert_eq!(elsewhere(ring.open_async(&fresh, &acme)).unwrap(), secret());
}

/// The RNG has been drawn from, once, when the future is there; and no provider was asked yet.
#[test]
fn randomness_is_drawn_before_the_future_is_returned() {
    let log = Arc::new(Log::default());
    let ring = three(When::Later(1), &log);
    let mut rng = Scripted(vec![(1..=44).collect()]);
    let future = ring.seal_async_with_rng(&secret(), &acme(), &mut rng);
    assert!(rng.0.is_empty());
    assert_eq!(log.take_calls(), "");
    assert_eq!(pollster::block_on(future).unwrap(), seal(&three(When::Now, &log)));

    // Where it fails, the answer is there at once and nobody is asked.
    let failed = ring.seal_async_with_rng(&secret(), &acme(), &mut Scripted(vec![]));
    assert!(matches!(failed.into_now(), Some(Err(SealError::Random))));
    let _: OffScript = Scripted(vec![]).try_fill_bytes(&mut [0]).unwrap_err();
    log.take_calls();
    let long = Secret::from(vec![0; 16 * 1024 * 1024 + 1]);
    let failed = ring.seal_async_with_rng(&long, &acme(), &mut Counting(1));
    assert!(matches!(failed.into_now(), Some(Err(SealError::TooLong))));
    assert_eq!(log.take_calls(), "");
}

// Two phases: without the trait.

fn wraps_of(keys: &[(&str, u8)], suite: Suite, draft: &Draft) -> Vec<WrappedKey> {
    let wrap = |(id, number): &(&str, u8)| {
        let id = key_id(id);
        let request = WrapRequest::new(&id, suite, draft.commitment(), draft.data_key());
        let body = master_key(*number).wrap_key(request).into_now().unwrap().unwrap();
        WrappedKey::new(id, WrapKind::Local, &body).unwrap()
    };
    keys.iter().map(wrap).collect()
}

#[test]
fn two_phases_make_the_same_bytes_as_a_keyring() {
    let mut tried = 0;
    for suite in SUITES {
        let prepare =
            || sealing::prepare_with_rng(&secret(), &acme(), suite, &mut Counting(1)).unwrap();
        // A data key that a KMS made: the same bytes, drawn in two places.
        let from_data_key = || {
            let mut bytes: Vec<u8> = (1..=32).collect();
            let data_key = DataKey::from_bytes(&mut bytes).unwrap();
            let mut rng = Scripted(vec![(33..=44).collect()]);
            sealing::prepare_with_data_key_and_rng(data_key, &secret(), &acme(), suite, &mut rng)
                .unwrap()
        };
        for draft in [prepare(), from_data_key()] {
            let expected = sealed(suite, 1);
            assert_eq!(draft.suite(), suite);
            assert_eq!(draft.commitment(), expected.commitment());
            let data_key = draft.data_key().duplicate();
            assert!(data_key.expose_secret().iter().copied().eq(1..=32));
            let wraps = wraps_of(&[("prod", 1), ("dr", 2)], suite, &draft);
            let envelope = draft.finish(wraps).unwrap();
            assert_eq!(envelope, expected);

            envelope.verify_with(&data_key).unwrap();
            assert_eq!(envelope.open_with(&data_key, &acme()).unwrap(), secret());
            let elsewhere = envelope.open_with(&data_key, &context(&[("tenant", "other")]));
            assert_eq!(open_outcome(&elsewhere), "context_mismatch");
            let other = another_key();
            assert_eq!(open_outcome(&envelope.verify_with(&other)), "envelope_altered");
            assert_eq!(open_outcome(&envelope.open_with(&other, &acme())), "envelope_altered");
            let mut damaged = envelope.as_bytes().to_vec();
            *damaged.last_mut().unwrap() ^= 1;
            let damaged = Envelope::from_bytes(&damaged).unwrap();
            damaged.verify_with(&data_key).unwrap();
            let opened = damaged.open_with(&data_key, &acme());
            assert_eq!(open_outcome(&opened), "payload_altered");
            tried += 1;
        }
    }
    assert_eq!(tried, 4);

    // With the operating system's randomness, no two drafts are alike.
    let drafts = [(); 2].map(|()| {
        let data_key = DataKey::generate().unwrap();
        sealing::prepare_with_data_key(data_key, &secret(), &acme(), Suite::default()).unwrap()
    });
    assert_ne!(drafts[0].commitment(), drafts[1].commitment());
    let drafts = [(); 2].map(|()| sealing::prepare(&secret(), &acme(), Suite::default()).unwrap());
    assert_ne!(drafts[0].commitment(), drafts[1].commitment());
}

/// Wraps that make no envelope, and the field that says so.
fn bad_wraps(suite: Suite, draft: &Draft) -> [(&'static str, Vec<WrappedKey>, Field); 4] {
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let nine = wraps_of(&ids.map(|id| (id, 1)), suite, draft);
    let many = (0..300)
        .map(|i| WrappedKey::new(key_id(&format!("k{i}")), WrapKind::Provider, b"body").unwrap());
    [
        ("none", vec![], Field::WrapCount),
        ("nine", nine, Field::WrapCount),
        ("300, more than a byte counts", many.collect(), Field::WrapCount),
        ("two of one id", wraps_of(&[("a", 1), ("b", 2), ("a", 3)], suite, draft), Field::KeyId),
    ]
}

fn field(error: &FormatError) -> Field {
    match error {
        FormatError::Malformed { field, .. } => *field,
        other => panic!("not malformed: {other}"),
    }
}

#[test]
fn wraps_that_make_no_envelope_are_refused_in_both_phases() {
    let mut tried = 0;
    for suite in SUITES {
        let prepare =
            || sealing::prepare_with_rng(&secret(), &acme(), suite, &mut Counting(1)).unwrap();
        let draft = prepare();
        let row = sealed(suite, 1);
        for (name, wraps, expected) in bad_wraps(suite, &draft) {
            let refused = prepare().finish(wraps.clone()).unwrap_err();
            assert_eq!(field(&refused), expected, "{name}");
            match row.rewrapped(draft.data_key(), wraps.clone()) {
                Err(RewrapError::InvalidWraps { source, .. }) => {
                    assert_eq!(field(&source), expected, "{name}");
                }
                other => panic!("{name}: {other:?}"),
            }
            // The mac is checked first, whatever the wraps are.
            let result = row.rewrapped(&another_key(), wraps);
            assert!(matches!(result, Err(RewrapError::EnvelopeAltered)), "{name}");
            tried += 1;
        }
        // Eight are accepted, and those that were there are gone.
        let ids = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|id| (id, 4));
        let fresh = row.rewrapped(draft.data_key(), wraps_of(&ids, suite, &draft)).unwrap();
        assert_eq!(fresh.key_ids().count(), 8);
        for (id, number) in ids {
            let ring = Keyring::new(key_id(id), master_key(number));
            assert_eq!(ring.open(&fresh, &acme()).unwrap(), secret(), "{id}");
        }
        let before = Keyring::new(key_id("prod"), master_key(1));
        assert_eq!(open_outcome(&before.open(&fresh, &acme())), "unknown_key(a,b,c,d,e,f,g,h)");
    }
    assert_eq!(tried, 2 * 4);
}

/// A rewrap in two phases blesses nothing: each bit before the ciphertext, but for the wraps' own.
#[test]
fn an_altered_envelope_is_not_rewrapped_by_the_holder_of_its_data_key() {
    let suite = Suite::default();
    let draft = sealing::prepare_with_rng(&secret(), &acme(), suite, &mut Counting(1)).unwrap();
    let row = sealed(suite, 1);
    let front = row.as_bytes().len() - row.ciphertext().len();
    let mut refused = 0;
    let mut unparsable = 0;
    for bit in 0..front * 8 {
        let mut bytes = row.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(altered) = Envelope::from_bytes(&bytes) else {
            unparsable += 1;
            continue;
        };
        let wraps = wraps_of(&[("next", 3)], suite, &draft);
        let result = altered.rewrapped(draft.data_key(), wraps);
        assert!(matches!(result, Err(RewrapError::EnvelopeAltered)), "bit {bit}");
        refused += 1;
    }
    assert_eq!(refused + unparsable, front * 8);
    assert!(refused > unparsable * 10, "{refused} refused, {unparsable} unparsable");
}
