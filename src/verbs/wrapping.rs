//! Wraps a data key for all keys of a keyring that seal, and unwraps it with any key that opens.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;

use zeroize::Zeroize;

use crate::cipher::Prf;
use crate::format::binary;
use crate::format::envelope::Envelope;
use crate::format::key_id::KeyId;
use crate::format::sizes::{COMMITMENT_LEN, KEY_LEN, MAX_WRAPS};
use crate::format::suite::Suite;
use crate::format::wrapped_key::{Wrap, check_body_len};
use crate::keys::data_key::DataKey;
use crate::keys::keyring::Keyring;
use crate::keys::keyring::state::KeyState;
use crate::keys::provider_error::{ProviderError, ProviderErrorKind};
use crate::keys::requests::UnwrapRequest;
use crate::keys::usable_key::{Body, UsableKey};
use crate::secret::wiping::{wipe_stack, wipe_stack_after_hashing};
use crate::verbs::errors::{RewrapError, SealError, UnwrapError};

/// The wraps of a new envelope, in their order in the envelope.
#[derive(Default)]
pub(crate) struct Wraps<'k>([Option<(&'k UsableKey, Body)>; MAX_WRAPS]);

impl<'k> Wraps<'k> {
    /// Returns the wraps, and the keys that made them.
    pub(crate) fn with_keys(&self) -> impl Iterator<Item = (&'k UsableKey, Wrap<'_>)> + Clone {
        self.0.iter().map_while(Option::as_ref).map(|(key, body)| {
            (*key, Wrap { key_id: key.key_id.as_ref(), kind: key.kind, body: body.as_slice() })
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Wrap<'_>> + Clone {
        self.with_keys().map(|(_, wrap)| wrap)
    }

    /// Returns the body of the wrap that this key made.
    pub(crate) fn body_of(&self, key: &UsableKey) -> Option<&[u8]> {
        let mut wraps = self.0.iter().flatten();
        wraps.find(|(maker, _)| core::ptr::eq(*maker, key)).map(|(_, body)| body.as_slice())
    }

    /// Adds the body that a key returned, where `None` means that the key would have to be waited for.
    #[expect(clippy::expect_used, reason = "a wrap that is left out would be a lost escrow")]
    pub(super) fn add(
        &mut self,
        key: &'k UsableKey,
        body: Option<Result<Body, ProviderError>>,
    ) -> Result<(), WrapFailure> {
        let failed = |source| WrapFailure { key_id: key.key_id.clone(), source };
        let body = body.ok_or(failed(None))?.map_err(|error| failed(Some(error)))?;
        let other = |error| failed(Some(ProviderError::new(ProviderErrorKind::Other, error)));
        let (kind, len) = (key.kind, body.as_slice().len());
        if !kind.is_usable() {
            return Err(other("the provider's kind of wrap is reserved".into()));
        }
        if kind.body_len().is_some_and(|fixed| fixed != len) {
            return Err(other("the provider's wrap does not have the length of its kind".into()));
        }
        check_body_len(len).map_err(|error| other(Box::<dyn Error + Send + Sync>::from(error)))?;
        let place = self.0.iter_mut().find(|place| place.is_none());
        *place.expect("a keyring has at most 8 sealing keys") = Some((key, body));
        Ok(())
    }
}

/// A key that failed to wrap or, if there is no source, would have had to be waited for.
pub(crate) struct WrapFailure {
    pub(crate) key_id: KeyId,
    pub(crate) source: Option<ProviderError>,
}

macro_rules! from_wrap_failure {
    ($($error:ty),+) => {$(
        impl From<WrapFailure> for $error {
            fn from(WrapFailure { key_id, source }: WrapFailure) -> Self {
                match source {
                    Some(source) => Self::Wrap { key_id, source },
                    None => Self::WouldBlock { key_id },
                }
            }
        }
    )+};
}

from_wrap_failure!(SealError, RewrapError);

/// Returns the number of bytes before the ciphertext in an envelope that these keys seal.
///
/// If a key is remote, its wrap has an unknown length, and the result is only a guess.
pub(super) fn front_len<'k>(keys: impl Iterator<Item = &'k UsableKey>) -> usize {
    binary::front_len(
        keys.map(|key| (key.key_id.as_ref().len(), key.kind.body_len().unwrap_or_default())),
    )
}

/// Wraps a data key for each of these keys.
pub(super) fn wrap_now<'k>(
    keys: impl Iterator<Item = &'k UsableKey>,
    suite: Suite,
    commitment: &[u8; COMMITMENT_LEN],
    data_key: &[u8; KEY_LEN],
    wraps: &mut Wraps<'k>,
) -> Result<(), WrapFailure> {
    for key in keys {
        wraps.add(key, key.wrap_now(suite, commitment, data_key))?;
    }
    Ok(())
}

/// Wraps a data key for each of these keys, one after the other, and waits for remote keys.
pub(super) async fn wrap_later<'k>(
    keys: impl Iterator<Item = &'k UsableKey>,
    suite: Suite,
    commitment: &[u8; COMMITMENT_LEN],
    data_key: &DataKey,
) -> Result<Wraps<'k>, WrapFailure> {
    let mut wraps = Wraps::default();
    for key in keys {
        let body = key.wrap_later(suite, commitment, data_key).await;
        wraps.add(key, Some(body.map(Body::Returned)))?;
    }
    Ok(wraps)
}

impl Keyring {
    /// Unwraps into `data_key` the data key under which the envelope is intact.
    ///
    /// Returns the PRF under it, and the key that unwrapped it.
    ///
    /// If a wrap does not unwrap, or the MAC does not verify under what it held, the next wrap is tried.
    pub(crate) fn unwrap_now(
        &self,
        envelope: &Envelope,
        data_key: &mut [u8; KEY_LEN],
    ) -> Result<(Prf, &KeyId), UnwrapError> {
        let mut failures = Failures::default();
        for (key, wrap) in self.candidates(envelope)? {
            let (suite, commitment) = (envelope.suite(), envelope.commitment());
            if !key.accepts(&wrap) {
                failures.add(UnwrapError::WrongWrapKind { key_id: key.key_id.clone() });
                continue;
            }
            match key.unwrap_now(suite, commitment, wrap.body, data_key) {
                Some(Ok(())) => {
                    let prf = Prf::new(data_key);
                    if envelope.is_proven_by(&prf) {
                        return Ok((prf, &key.key_id));
                    }
                    // This is not the data key of the envelope.
                    data_key.zeroize();
                    failures.add(UnwrapError::EnvelopeAltered);
                }
                Some(Err(source)) => {
                    failures.add(UnwrapError::of_key(key, source));
                }
                None => failures.add(UnwrapError::WouldBlock { key_id: key.key_id.clone() }),
            }
            // The next key may be third-party code.
            wipe_stack();
        }
        Err(failures.verdict(self, envelope))
    }

    /// Unwraps as [`unwrap_now`](Self::unwrap_now) does, and waits for remote keys.
    pub(crate) async fn unwrap_later(
        &self,
        envelope: &Envelope,
    ) -> Result<(DataKey, &KeyId), UnwrapError> {
        let mut failures = Failures::default();
        for (key, wrap) in self.candidates(envelope)? {
            let (suite, commitment) = (envelope.suite(), envelope.commitment());
            if !key.accepts(&wrap) {
                failures.add(UnwrapError::WrongWrapKind { key_id: key.key_id.clone() });
                continue;
            }
            let unwrapped = key.unwrap_later(suite, commitment, wrap.body).await;
            match proven(envelope, key, unwrapped) {
                Ok(data_key) => return Ok((data_key, &key.key_id)),
                Err(failure) => failures.add(failure),
            }
        }
        Err(failures.verdict(self, envelope))
    }

    /// Unwraps each envelope as [`unwrap_later`](Self::unwrap_later) does, and passes all envelopes to each key at once.
    pub(crate) async fn unwrap_all(
        &self,
        envelopes: &[&Envelope],
    ) -> Vec<Result<DataKey, UnwrapError>> {
        let mut rows: Vec<_> = envelopes.iter().map(|envelope| Row::new(self, envelope)).collect();
        // Each envelope meets the keys in the order in which it would if it were alone.
        for key in self.opening_keys() {
            let (mut asked, mut requests) = (Vec::new(), Vec::new());
            for row in &mut rows {
                let envelope = row.envelope;
                match row.wrap_to_try(key) {
                    Some(wrap) if key.accepts(&wrap) => {
                        let (suite, commitment) = (envelope.suite(), envelope.commitment());
                        let (key_id, body) = (&key.key_id, wrap.body);
                        requests.push(UnwrapRequest::new(key_id, suite, commitment, body));
                        asked.push(row);
                    }
                    Some(_) => {
                        let key_id = key.key_id.clone();
                        row.failures.add(UnwrapError::WrongWrapKind { key_id });
                    }
                    None => {}
                }
            }
            let unwrapped = key.unwrap_all(&requests).await;
            for (row, unwrapped) in asked.into_iter().zip(unwrapped) {
                match proven(row.envelope, key, unwrapped) {
                    Ok(data_key) => row.result = Some(Ok(data_key)),
                    Err(failure) => row.failures.add(failure),
                }
            }
        }
        rows.into_iter().map(|row| row.verdict(self)).collect()
    }

    /// Returns the keys that may open the envelope, each with its wrap, in the order in which they are tried.
    ///
    /// If there are any, but one of the wraps is under a leaked key, this fails: whatever the other keys would do, the
    /// data key is known.
    fn candidates<'k: 'e, 'e>(
        &'k self,
        envelope: &'e Envelope,
    ) -> Result<impl Iterator<Item = (&'k UsableKey, Wrap<'e>)>, UnwrapError> {
        let mut candidates = self
            .opening_keys()
            .filter_map(|key| envelope.wrap_of(key.key_id.as_ref()).map(|wrap| (key, wrap)))
            .peekable();
        match self.named(envelope, KeyState::Leaked) {
            Some(key_id) if candidates.peek().is_some() => Err(UnwrapError::KeyLeaked { key_id }),
            _ => Ok(candidates),
        }
    }

    /// Returns the first key of the envelope that is in this state.
    fn named(&self, envelope: &Envelope, state: KeyState) -> Option<KeyId> {
        // Most keyrings have no such key, and then the envelope need not be searched.
        let refused = || self.refused_keys(state);
        refused().next()?;
        let named = |wrap: Wrap<'_>| refused().find(|key_id| key_id.as_ref() == wrap.key_id);
        envelope.wraps().find_map(named).cloned()
    }

    /// Returns the first test key that the envelope is wrapped for, unless this is a keyring for tests.
    fn test_key_of(&self, envelope: &Envelope) -> Option<KeyId> {
        let mut key_ids = envelope.key_ids().filter(KeyId::is_for_tests);
        key_ids.next().filter(|_| self.test_key().is_none())
    }

    /// Returns why no key of the keyring may open the envelope: a final reason before one that can be mended.
    fn no_usable_wrap(&self, envelope: &Envelope) -> UnwrapError {
        if let Some(key_id) = self.named(envelope, KeyState::Destroyed) {
            UnwrapError::KeyDestroyed { key_id }
        } else if let Some(key_id) = self.named(envelope, KeyState::Leaked) {
            UnwrapError::KeyLeaked { key_id }
        } else if let Some(key_id) = self.named(envelope, KeyState::Disabled) {
            UnwrapError::KeyDisabled { key_id, source: None }
        } else if let Some(key_id) = self.test_key_of(envelope) {
            UnwrapError::TestKey { key_id }
        } else {
            UnwrapError::UnknownKey { key_ids: envelope.key_ids().collect() }
        }
    }
}

/// Returns the data key that a key unwrapped, if the envelope is intact under it.
fn proven(
    envelope: &Envelope,
    key: &UsableKey,
    unwrapped: Result<DataKey, ProviderError>,
) -> Result<DataKey, UnwrapError> {
    let data_key = unwrapped.map_err(|source| UnwrapError::of_key(key, source))?;
    // Wiped at once, because values that the same poll moves into the future next could carry along what is left on the
    // stack.
    let is_proven =
        wipe_stack_after_hashing(|| envelope.is_proven_by(&Prf::new(data_key.expose_secret())));
    if is_proven { Ok(data_key) } else { Err(UnwrapError::EnvelopeAltered) }
}

/// One of several envelopes that are unwrapped together.
struct Row<'a> {
    envelope: &'a Envelope,
    result: Option<Result<DataKey, UnwrapError>>,
    failures: Failures,
}

impl<'a> Row<'a> {
    fn new(keyring: &Keyring, envelope: &'a Envelope) -> Self {
        let refused = keyring.candidates(envelope).err();
        Self { envelope, result: refused.map(Err), failures: Failures::default() }
    }

    /// Returns the wrap under this key, unless the envelope needs no further key.
    fn wrap_to_try(&self, key: &'a UsableKey) -> Option<Wrap<'a>> {
        if self.result.is_some() { None } else { self.envelope.wrap_of(key.key_id.as_ref()) }
    }

    fn verdict(self, keyring: &Keyring) -> Result<DataKey, UnwrapError> {
        let Self { envelope, result, failures } = self;
        result.unwrap_or_else(|| Err(failures.verdict(keyring, envelope)))
    }
}

/// The failure to report out of several: the first of those with the lowest rank.
#[derive(Default)]
struct Failures(Option<UnwrapError>);

impl Failures {
    fn add(&mut self, failure: UnwrapError) {
        if self.0.as_ref().is_none_or(|told| failure.rank() < told.rank()) {
            self.0 = Some(failure);
        }
    }

    fn verdict(self, keyring: &Keyring, envelope: &Envelope) -> UnwrapError {
        self.0.unwrap_or_else(|| keyring.no_usable_wrap(envelope))
    }
}
