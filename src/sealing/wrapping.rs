//! A keyring's keys at work on one data key: wrap it for all that seal, unwrap it with any that
//! opens.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;

use super::OpenError;
use crate::envelope::Envelope;
use crate::key_id::KeyId;
use crate::keys::data_key::DataKey;
use crate::keys::keyring::{KeyState, Keyring, UsableKey};
use crate::keys::provider::{ProviderError, ProviderErrorKind, UnwrapRequest, WrapRequest};
use crate::suite::{COMMITMENT_LEN, Suite};
use crate::wrapped_key::{LOCAL_BODY_LEN, MAX_WRAPS, Wrap, WrapKind, WrappedKey};

/// The wraps of a new envelope, in its order.
#[derive(Default)]
pub(crate) struct Wraps([Option<WrappedKey>; MAX_WRAPS]);

impl Wraps {
    pub(crate) fn wrapped_keys(&self) -> impl Iterator<Item = &WrappedKey> + Clone {
        self.0.iter().flatten()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Wrap<'_>> + Clone {
        self.wrapped_keys().map(WrappedKey::as_wrap)
    }

    /// Takes in what a key answered; none where it would have been later.
    fn add(
        &mut self,
        key: &UsableKey,
        answer: Option<Result<Vec<u8>, ProviderError>>,
    ) -> Result<(), WrapFailure> {
        let failed = |source| WrapFailure { key_id: key.key_id.clone(), source };
        let body = answer.ok_or(failed(None))?.map_err(|error| failed(Some(error)))?;
        let other = |error| failed(Some(ProviderError::new(ProviderErrorKind::Other, error)));
        let kind = key.provider.kind();
        if !kind.is_usable() {
            return Err(other("a provider of a reserved kind of wrap".into()));
        }
        let wrapped = WrappedKey::from_vec(key.key_id.clone(), kind, body)
            .map_err(|error| other(Box::<dyn Error + Send + Sync>::from(error)))?;
        // A keyring has no more sealing keys than there are places.
        if let Some(place) = self.0.iter_mut().find(|place| place.is_none()) {
            *place = Some(wrapped);
        }
        Ok(())
    }
}

/// A key that did not wrap; without a source, one that would have had to be waited for.
pub(crate) struct WrapFailure {
    pub(crate) key_id: KeyId,
    pub(crate) source: Option<ProviderError>,
}

/// What came of the keys that were asked to unwrap.
struct Attempts<'e> {
    envelope: &'e Envelope,
    first_failure: Option<OpenError>,
}

impl<'e> Attempts<'e> {
    fn new(envelope: &'e Envelope) -> Self {
        Self { envelope, first_failure: None }
    }

    /// The data key, if this answer is it; otherwise the failure is remembered.
    fn take(
        &mut self,
        key: &UsableKey,
        answer: Option<Result<DataKey, ProviderError>>,
    ) -> Option<DataKey> {
        let key_id = || key.key_id.clone();
        let failure = match answer {
            Some(Ok(data_key)) if self.envelope.is_intact(&data_key) => return Some(data_key),
            Some(Ok(_)) => OpenError::EnvelopeAltered,
            Some(Err(source)) => OpenError::from_provider(key_id(), source),
            None => OpenError::WouldBlock { key_id: key_id() },
        };
        self.first_failure.get_or_insert(failure);
        None
    }

    fn into_failure(self, keyring: &Keyring) -> OpenError {
        self.first_failure.unwrap_or_else(|| keyring.no_usable_wrap(self.envelope))
    }
}

impl Keyring {
    /// Bytes before the ciphertext of an envelope that this keyring seals, if all its keys are
    /// local; otherwise nobody knows.
    pub(crate) fn front_len(&self) -> usize {
        Envelope::front_len(self.sealing_keys().map(|key| {
            let local = key.provider.kind() == WrapKind::Local;
            (key.key_id.as_ref().len(), if local { LOCAL_BODY_LEN } else { 0 })
        }))
    }

    /// Wraps a data key for the primary and every escrow key.
    pub(crate) fn wrap_now(
        &self,
        suite: Suite,
        commitment: &[u8; COMMITMENT_LEN],
        data_key: &DataKey,
    ) -> Result<Wraps, WrapFailure> {
        let mut wraps = Wraps::default();
        for key in self.sealing_keys() {
            let request = WrapRequest::new(&key.key_id, suite, commitment, data_key);
            wraps.add(key, key.provider.wrap_key(request).into_now())?;
        }
        Ok(wraps)
    }

    /// [`wrap_now`](Self::wrap_now) over remote keys, one after the other.
    pub(crate) async fn wrap_later(
        &self,
        suite: Suite,
        commitment: &[u8; COMMITMENT_LEN],
        data_key: &DataKey,
    ) -> Result<Wraps, WrapFailure> {
        let mut wraps = Wraps::default();
        for key in self.sealing_keys() {
            let request = WrapRequest::new(&key.key_id, suite, commitment, data_key);
            wraps.add(key, Some(key.provider.wrap_key(request).await))?;
        }
        Ok(wraps)
    }

    /// Unwraps the data key under which the envelope is intact. Where a wrap fails, or the mac
    /// under what it held, the next is tried; if none is left, the first failure is the answer.
    pub(crate) fn unwrap_now(&self, envelope: &Envelope) -> Result<DataKey, OpenError> {
        let mut attempts = Attempts::new(envelope);
        for (key, wrap) in self.candidates(envelope) {
            let answer = match unwrap_request(envelope, key, &wrap) {
                Ok(request) => key.provider.unwrap_key(request).into_now(),
                Err(error) => Some(Err(error)),
            };
            if let Some(data_key) = attempts.take(key, answer) {
                return Ok(data_key);
            }
        }
        Err(attempts.into_failure(self))
    }

    /// [`unwrap_now`](Self::unwrap_now) over remote keys. The data key comes in a box: it outlives
    /// a poll, and to move it on would leave copies behind.
    pub(crate) async fn unwrap_later(
        &self,
        envelope: &Envelope,
    ) -> Result<Box<DataKey>, OpenError> {
        let mut attempts = Attempts::new(envelope);
        for (key, wrap) in self.candidates(envelope) {
            let answer = match unwrap_request(envelope, key, &wrap) {
                Ok(request) => key.provider.unwrap_key(request).await,
                Err(error) => Err(error),
            };
            if let Some(data_key) = attempts.take(key, Some(answer)) {
                return Ok(Box::new(data_key));
            }
        }
        Err(attempts.into_failure(self))
    }

    /// The keys that may open the envelope, each with its wrap, in the order they are tried.
    fn candidates<'a>(
        &'a self,
        envelope: &'a Envelope,
    ) -> impl Iterator<Item = (&'a UsableKey, Wrap<'a>)> {
        self.opening_keys().filter_map(|key| {
            let wrap = envelope.wraps().find(|wrap| wrap.key_id == key.key_id.as_ref())?;
            Some((key, wrap))
        })
    }

    /// Why no key opens the envelope: what is final is named before what can be mended.
    fn no_usable_wrap(&self, envelope: &Envelope) -> OpenError {
        let named = |wanted| {
            envelope.wraps().find_map(|wrap| {
                let known = |(key_id, state): &(&KeyId, KeyState)| {
                    key_id.as_ref() == wrap.key_id && *state == wanted
                };
                self.keys().find(known).map(|(key_id, _)| key_id.clone())
            })
        };
        if let Some(key_id) = named(KeyState::Destroyed) {
            OpenError::KeyDestroyed { key_id }
        } else if let Some(key_id) = named(KeyState::Disabled) {
            OpenError::KeyDisabled { key_id }
        } else {
            OpenError::UnknownKey { key_ids: envelope.key_ids().collect() }
        }
    }
}

/// The entry of a keyring fixes the kind of wrap it accepts.
fn unwrap_request<'a>(
    envelope: &'a Envelope,
    key: &'a UsableKey,
    wrap: &Wrap<'a>,
) -> Result<UnwrapRequest<'a>, ProviderError> {
    if wrap.kind != key.provider.kind() || !wrap.kind.is_usable() {
        return Err(ProviderErrorKind::Rejected.into());
    }
    Ok(UnwrapRequest::new(&key.key_id, envelope.suite(), envelope.commitment(), wrap.body))
}
