//! The provider trait from outside: what a provider is asked and when, and what its replies lead to. This file has the
//! providers that the tests below share; each file below tests one rule.

use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sealwax::{
    Batch, DataKey, Envelope, KeyId, KeyWrapper, Keyring, MasterKey, MasterKeyProvider, OpenError,
    ProviderError, ProviderErrorKind, ProviderFuture, RewrapError, RowError, SealError, Secret,
    UnwrapError, UnwrapRequest, WrapKind, WrapRequest,
};

use crate::fixtures::{CREDENTIAL, Counting, acme, key_id, master_key};

mod batches;
mod calls;
mod checks;
mod failures;
mod futures;
mod mixed_up;
mod pointers;
mod threads;
mod two_phases;
mod waiting;
mod wrap_kinds;
mod wrong_answers;

pub(crate) const KINDS: [ProviderErrorKind; 9] = [
    ProviderErrorKind::NotFound,
    ProviderErrorKind::Unauthenticated,
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

/// When a provider replies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    Now,
    /// After this many pending polls.
    Later(usize),
    Never,
}

/// What a provider does at one call in its log.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Fail(ProviderErrorKind),
    /// Wraps a different data key than it was given, or returns a different one than it unwrapped.
    AnotherKey,
    /// Returns this body when asked to wrap.
    Body(Vec<u8>),
    /// Returns this many bytes as a data key, of which the first 32 are those of [`seal`].
    KeyOf(usize),
    Panic,
}

/// The calls to the providers of a keyring and their results; one log for all of them.
#[derive(Default)]
pub(crate) struct Log {
    calls: Mutex<Vec<String>>,
    /// The calls, counted from 1, at which something goes wrong.
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

/// A key service: a master key that wraps, how long it takes, and a log of the calls.
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
        answer: ProviderFuture<'a, Result<T, ProviderError>>,
    ) -> ProviderFuture<'a, Result<T, ProviderError>> {
        match self.when {
            When::Now => answer,
            When::Later(pending) => {
                ProviderFuture::boxed(Waiting { pending, answer, log: &self.log })
            }
            When::Never => {
                ProviderFuture::boxed(Waiting { pending: usize::MAX, answer, log: &self.log })
            }
        }
    }
}

/// A future that is pending this many times, waking each time, and then gives `answer`.
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

impl KeyWrapper for Remote {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        let answer = match self.log.record(format!("wrap:{}", request.key_id())) {
            None => self.key.wrap_key(request),
            Some(Fault::Fail(kind)) => ProviderFuture::ready(Err(kind.into())),
            Some(Fault::AnotherKey) => {
                let (id, suite) = (request.key_id(), request.suite());
                let data_key = another_key();
                let lie = WrapRequest::new(id, suite, request.commitment(), &data_key);
                ProviderFuture::ready(self.key.wrap_key(lie).into_ready().unwrap())
            }
            Some(Fault::Body(body)) => ProviderFuture::ready(Ok(body)),
            Some(Fault::Panic) => panic!("a provider that panics"),
            Some(fault @ Fault::KeyOf(_)) => panic!("{fault:?} does not apply to a wrap"),
        };
        self.answer(answer)
    }

    fn kind(&self) -> WrapKind {
        self.kind
    }

    fn check<'a>(&'a self, key_id: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        let answer = match self.log.record(format!("check:{key_id}")) {
            None => Ok(()),
            Some(Fault::Fail(kind)) => Err(kind.into()),
            Some(fault) => panic!("{fault:?} does not apply to a check"),
        };
        self.answer(ProviderFuture::ready(answer))
    }
}

impl MasterKeyProvider for Remote {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let answer = match self.log.record(format!("unwrap:{}", request.key_id())) {
            None => self.key.unwrap_key(request),
            Some(Fault::Fail(kind)) => ProviderFuture::ready(Err(kind.into())),
            Some(Fault::AnotherKey) => ProviderFuture::ready(Ok(another_key())),
            Some(Fault::KeyOf(len)) => {
                let mut bytes: Vec<u8> = (1..=255).cycle().take(len).collect();
                ProviderFuture::ready(DataKey::from_bytes(&mut bytes).map_err(ProviderError::from))
            }
            Some(Fault::Panic) => panic!("a provider that panics"),
            Some(fault @ Fault::Body(_)) => panic!("{fault:?} does not apply to an unwrap"),
        };
        self.answer(answer)
    }
}

/// Returns a keyring of `p` and the escrow keys `e` and `f`, all remote.
fn three(when: When, log: &Arc<Log>) -> Keyring {
    Keyring::new(key_id("p"), remote(1, when, log))
        .unwrap()
        .with_escrow(key_id("e"), remote(2, when, log))
        .and_then(|ring| ring.with_escrow(key_id("f"), remote(3, when, log)))
        .unwrap()
}

/// Returns the keyring that [`three`] succeeds.
fn old(when: When, log: &Arc<Log>) -> Keyring {
    Keyring::new(key_id("o"), remote(9, when, log)).unwrap()
}

/// Returns [`three`] with `o` retired.
fn successor(when: When, log: &Arc<Log>) -> Keyring {
    three(when, log).with_retired(key_id("o"), remote(9, when, log)).unwrap()
}

fn secret() -> Secret {
    Secret::from(CREDENTIAL)
}

/// Seals with a keyring whose providers reply at once and correctly.
fn seal(keyring: &Keyring) -> Envelope {
    keyring.seal_with_rng(&secret(), &acme(), &mut Counting(1)).unwrap()
}

/// Either form of an operation over one keyring, and its result.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Now,
    Async,
    /// Of the verbs, only rewrapping has this form. The others are asynchronous.
    Batch,
}

pub(crate) const FORMS: [Form; 3] = [Form::Now, Form::Async, Form::Batch];

impl Form {
    fn seal(self, keyring: &Keyring) -> Result<Envelope, SealError> {
        let mut rng = Counting(1);
        match self {
            Self::Now => keyring.seal_with_rng(&secret(), &acme(), &mut rng),
            Self::Async | Self::Batch => {
                pollster::block_on(keyring.seal_async_with_rng(&secret(), &acme(), &mut rng))
            }
        }
    }

    fn open(self, keyring: &Keyring, envelope: &Envelope) -> Result<Secret, OpenError> {
        match self {
            Self::Now => keyring.open(envelope, &acme()),
            Self::Async | Self::Batch => pollster::block_on(keyring.open_async(envelope, &acme())),
        }
    }

    fn verify(self, keyring: &Keyring, envelope: &Envelope) -> Result<(), UnwrapError> {
        match self {
            Self::Now => keyring.verify(envelope),
            Self::Async | Self::Batch => pollster::block_on(keyring.verify_async(envelope)),
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
            Self::Batch => {
                let batch = pollster::block_on(ring.rewrap_batch_async([(7, row.clone())]));
                result_of(&batch, 7)
            }
        }
    }
}

/// Returns what became of one row of a batch.
pub(crate) fn result_of(batch: &Batch<u32>, id: u32) -> Result<Option<Envelope>, RewrapError> {
    let change = batch.changes.iter().find(|change| change.id == id);
    let failure = batch.failures.iter().find(|(failed, _)| *failed == id);
    match (change, failure) {
        (Some(change), None) => Ok(Some(change.fresh.clone())),
        (None, Some((_, RowError::Rewrap(error)))) => Err(error.clone()),
        (None, None) => Ok(None),
        (_, other) => panic!("not one result for row {id}: {other:?}"),
    }
}

/// Returns the error that opening makes of a provider's error kind.
pub(crate) fn opened_as(id: &str, kind: ProviderErrorKind) -> String {
    match kind {
        ProviderErrorKind::WrongKeyMaterial => format!("wrong_key_material({id})"),
        ProviderErrorKind::Rejected => format!("wrap_altered({id})"),
        ProviderErrorKind::Disabled => format!("key_disabled({id})"),
        other => format!("provider({id}) {other:?}"),
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
