//! A keyring's keys at work on one data key: wrap it for all that seal, unwrap it with any that
//! opens.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;

use super::OpenError;
use crate::envelope::Envelope;
use crate::key_id::KeyId;
use crate::keys::answer::Answer;
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
        if kind == WrapKind::Local && body.len() != LOCAL_BODY_LEN {
            return Err(other("a local wrap that is not 76 bytes".into()));
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

/// The data key that a key answered, if the envelope is intact under it.
fn judge(
    envelope: &Envelope,
    key: &UsableKey,
    answer: Result<DataKey, ProviderError>,
) -> Result<DataKey, OpenError> {
    match answer {
        Ok(data_key) if envelope.is_intact(&data_key) => Ok(data_key),
        Ok(_) => Err(OpenError::EnvelopeAltered),
        Err(source) => Err(OpenError::from_provider(key.key_id.clone(), source)),
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
        let mut first_failure = None;
        for (key, wrap) in self.candidates(envelope) {
            let would_block = || OpenError::WouldBlock { key_id: key.key_id.clone() };
            let answer = unwrap_answer(envelope, key, &wrap).into_now();
            let judged = answer.map(|answer| judge(envelope, key, answer));
            match judged.unwrap_or_else(|| Err(would_block())) {
                Ok(data_key) => return Ok(data_key),
                Err(failure) => first_failure = first_failure.or(Some(failure)),
            }
        }
        Err(first_failure.unwrap_or_else(|| self.no_usable_wrap(envelope)))
    }

    /// [`unwrap_now`](Self::unwrap_now) over remote keys.
    pub(crate) async fn unwrap_later(&self, envelope: &Envelope) -> Result<DataKey, OpenError> {
        let mut first_failure = None;
        for (key, wrap) in self.candidates(envelope) {
            let answer = unwrap_answer(envelope, key, &wrap).await;
            match judge(envelope, key, answer) {
                Ok(data_key) => return Ok(data_key),
                Err(failure) => first_failure = first_failure.or(Some(failure)),
            }
        }
        Err(first_failure.unwrap_or_else(|| self.no_usable_wrap(envelope)))
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

/// Asks a key to unwrap; its entry in the keyring fixes the kind of wrap it accepts.
fn unwrap_answer<'a>(
    envelope: &'a Envelope,
    key: &'a UsableKey,
    wrap: &Wrap<'a>,
) -> Answer<'a, Result<DataKey, ProviderError>> {
    if wrap.kind != key.provider.kind() || !wrap.kind.is_usable() {
        return Answer::now(Err(ProviderErrorKind::Rejected.into()));
    }
    let (suite, commitment) = (envelope.suite(), envelope.commitment());
    key.provider.unwrap_key(UnwrapRequest::new(&key.key_id, suite, commitment, wrap.body))
}
