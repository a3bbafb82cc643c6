//! The provider that a decorator is checked with, and what it returns.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealwax::{
    DataKey, KeyError, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind,
    ProviderFuture, Suite, UnwrapRequest, WrapKind, WrapRequest,
};

/// A kind that a decorator returns only if it forwards the method.
pub(super) const KIND: WrapKind = WrapKind::private::<0x2a>();
pub(super) const SUITE: Suite = Suite::ChaCha20Poly1305;
pub(super) const COMMITMENT: [u8; 32] = *b"the commitment of the probed row";
pub(super) const BODY: &[u8] = b"a body";
const KEY: [u8; 32] = *b"not a key: what the probe opens!";
/// The body that the probe calls current; it calls no other so.
pub(super) const CURRENT: &[u8] = b"current";
const WAIT: Duration = Duration::from_secs(7);

/// The provider that a decorator is checked with.
///
/// It records its calls, and returns values that a decorator has only if it forwards them.
#[derive(Clone)]
pub struct Probe {
    log: Arc<Mutex<Vec<String>>>,
    /// Whether the calls fail.
    pub(super) fails: bool,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log: _, fails } = self;
        f.debug_struct("Probe").field("fails", fails).finish_non_exhaustive()
    }
}

impl Probe {
    pub(super) fn new(fails: bool) -> Self {
        Self { log: Arc::default(), fails }
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Vec<String>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a future that records the call once it is polled.
    fn answer<'a, T: Send + 'a>(&'a self, call: String, answer: T) -> ProviderFuture<'a, T> {
        ProviderFuture::boxed(async move {
            self.log().push(call);
            answer
        })
    }

    fn result<T>(&self, value: T) -> Result<T, ProviderError> {
        if self.fails { Err(error()) } else { Ok(value) }
    }

    /// Returns the results of a batch: the item in the middle fails.
    fn results<T>(
        &self,
        count: usize,
        value: impl Fn(usize) -> T,
    ) -> Vec<Result<T, ProviderError>> {
        let middle = count / 2;
        (0..count)
            .map(|index| if index == middle { Err(error()) } else { self.result(value(index)) })
            .collect()
    }
}

/// The error of a probe: final, so that nothing tries again, but with a wait.
fn error() -> ProviderError {
    ProviderError::new(ProviderErrorKind::Disabled, "the probe").with_retry_after(WAIT)
}

/// Returns a valid data key; the made-up bytes are no secret.
pub(super) fn data_key(index: usize) -> Result<DataKey, KeyError> {
    let mut bytes = KEY;
    bytes.iter_mut().zip(index.to_le_bytes()).for_each(|(byte, index)| *byte ^= index);
    DataKey::from_bytes(&mut bytes)
}

pub(super) fn body(index: usize) -> Vec<u8> {
    format!("the probe's body {index}").into()
}

pub(super) fn described_wrap(request: &WrapRequest<'_>) -> String {
    let (bound, key) = (request.associated_data(), request.data_key().expose_secret());
    format!("wrap {bound:?} {key:?}")
}

pub(super) fn described_unwrap(request: &UnwrapRequest<'_>) -> String {
    format!("unwrap {:?} {:?}", request.associated_data(), request.body())
}

pub(super) fn described<T>(name: &str, requests: &[T], describe: impl Fn(&T) -> String) -> String {
    format!("{name} {:?}", requests.iter().map(describe).collect::<Vec<_>>())
}

impl KeyWrapper for Probe {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.answer(described_wrap(&request), self.result(body(0)))
    }

    fn kind(&self) -> WrapKind {
        KIND
    }

    fn is_current(&self, body: &[u8]) -> bool {
        body == CURRENT
    }

    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
        self.answer(
            described("wraps", requests, described_wrap),
            self.results(requests.len(), body),
        )
    }

    fn check<'a>(&'a self, key_id: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        self.answer(format!("check {key_id}"), self.result(()))
    }
}

impl MasterKeyProvider for Probe {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let answer = self.result(()).and_then(|()| Ok(data_key(0)?));
        self.answer(described_unwrap(&request), answer)
    }

    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
        let answers =
            self.results(requests.len(), data_key).into_iter().map(|key| Ok(key??)).collect();
        self.answer(described("unwraps", requests, described_unwrap), answers)
    }
}

pub(super) fn is_key(index: usize, found: &DataKey) -> bool {
    data_key(index).is_ok_and(|key| key.expose_secret() == found.expose_secret())
}

/// Returns whether a result is the one that the probe gave.
pub(super) fn is_same<T>(
    found: Result<T, ProviderError>,
    is_value: impl FnOnce(T) -> bool,
    fails: bool,
) -> bool {
    match found {
        Ok(value) => !fails && is_value(value),
        Err(found) => {
            let cause = found.source().map(ToString::to_string);
            let is_error =
                found.kind() == ProviderErrorKind::Disabled && found.retry_after() == Some(WAIT);
            fails && is_error && cause.as_deref() == Some("the probe")
        }
    }
}

/// Returns whether these are the results that the probe gave for a batch of `count`.
pub(super) fn are_same<T>(
    found: Vec<Result<T, ProviderError>>,
    is_value: impl Fn(usize, T) -> bool,
    fails: bool,
    count: usize,
) -> bool {
    let middle = count / 2;
    let is_right =
        |(index, found)| is_same(found, |value| is_value(index, value), fails || index == middle);
    found.len() == count && found.into_iter().enumerate().all(is_right)
}
