//! A keyring's keys at work on one data key: wrap it for all that seal, unwrap it with any that
//! opens.

use alloc::boxed::Box;
use core::error::Error;

use zeroize::Zeroize;

use super::OpenError;
use crate::envelope::Envelope;
use crate::key_id::KeyId;
use crate::keys::data_key::DataKey;
use crate::keys::keyring::{Body, KeyState, Keyring, UsableKey};
use crate::keys::provider::{ProviderError, ProviderErrorKind};
use crate::suite::{COMMITMENT_LEN, KEY_LEN, Suite};
use crate::wrapped_key::{LOCAL_BODY_LEN, MAX_WRAPS, Wrap, WrapKind, check_body_len};

/// The wraps of a new envelope, in its order.
#[derive(Default)]
pub(crate) struct Wraps<'k>([Option<(&'k UsableKey, Body)>; MAX_WRAPS]);

impl<'k> Wraps<'k> {
    /// The wraps, and the keys that made them.
    pub(crate) fn with_keys(&self) -> impl Iterator<Item = (&'k UsableKey, Wrap<'_>)> + Clone {
        self.0.iter().map_while(Option::as_ref).map(|(key, body)| {
            (*key, Wrap { key_id: key.key_id.as_ref(), kind: key.kind, body: body.as_slice() })
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Wrap<'_>> + Clone {
        self.with_keys().map(|(_, wrap)| wrap)
    }

    /// Takes in what a key answered; none where it would have been later.
    fn add(
        &mut self,
        key: &'k UsableKey,
        answer: Option<Result<Body, ProviderError>>,
    ) -> Result<(), WrapFailure> {
        let failed = |source| WrapFailure { key_id: key.key_id.clone(), source };
        let body = answer.ok_or(failed(None))?.map_err(|error| failed(Some(error)))?;
        let other = |error| failed(Some(ProviderError::new(ProviderErrorKind::Other, error)));
        let (kind, len) = (key.kind, body.as_slice().len());
        if !kind.is_usable() {
            return Err(other("a provider of a reserved kind of wrap".into()));
        }
        if kind == WrapKind::Local && len != LOCAL_BODY_LEN {
            return Err(other("a local wrap that is not 76 bytes".into()));
        }
        check_body_len(len).map_err(|error| other(Box::<dyn Error + Send + Sync>::from(error)))?;
        // A keyring has no more sealing keys than there are places.
        if let Some(place) = self.0.iter_mut().find(|place| place.is_none()) {
            *place = Some((key, body));
        }
        Ok(())
    }
}

/// A key that did not wrap; without a source, one that would have had to be waited for.
pub(crate) struct WrapFailure {
    pub(crate) key_id: KeyId,
    pub(crate) source: Option<ProviderError>,
}

impl Keyring {
    /// Bytes before the ciphertext of an envelope that this keyring seals, if all its keys are
    /// local; otherwise nobody knows.
    pub(crate) fn front_len(&self) -> usize {
        Envelope::front_len(self.sealing_keys().map(|key| {
            (key.key_id.as_ref().len(), if key.is_local() { LOCAL_BODY_LEN } else { 0 })
        }))
    }

    /// Wraps a data key for the primary and every escrow key.
    pub(crate) fn wrap_now<'k>(
        &'k self,
        suite: Suite,
        commitment: &[u8; COMMITMENT_LEN],
        data_key: &[u8; KEY_LEN],
        wraps: &mut Wraps<'k>,
    ) -> Result<(), WrapFailure> {
        for key in self.sealing_keys() {
            wraps.add(key, key.wrap_now(suite, commitment, data_key))?;
        }
        Ok(())
    }

    /// [`wrap_now`](Self::wrap_now) over remote keys, one after the other.
    pub(crate) async fn wrap_later(
        &self,
        suite: Suite,
        commitment: &[u8; COMMITMENT_LEN],
        data_key: &DataKey,
    ) -> Result<Wraps<'_>, WrapFailure> {
        let mut wraps = Wraps::default();
        for key in self.sealing_keys() {
            let answer = key.wrap_later(suite, commitment, data_key).await;
            wraps.add(key, Some(answer.map(Body::Answered)))?;
        }
        Ok(wraps)
    }

    /// Unwraps the data key under which the envelope is intact, into `data_key`. Where a wrap fails,
    /// or the mac under what it held, the next is tried; if none is left, the first failure is the
    /// answer.
    pub(crate) fn unwrap_now(
        &self,
        envelope: &Envelope,
        data_key: &mut [u8; KEY_LEN],
    ) -> Result<(), OpenError> {
        let mut first_failure = None;
        for (key, wrap) in self.candidates(envelope) {
            let (suite, commitment) = (envelope.suite(), envelope.commitment());
            let answer = if is_accepted(key, &wrap) {
                key.unwrap_now(suite, commitment, wrap.body, data_key)
            } else {
                Some(Err(ProviderErrorKind::Rejected.into()))
            };
            let judged = match answer {
                Some(Ok(())) => envelope.check_mac(data_key),
                Some(Err(source)) => Err(OpenError::from_provider(key.key_id.clone(), source)),
                None => Err(OpenError::WouldBlock { key_id: key.key_id.clone() }),
            };
            match judged {
                Ok(()) => return Ok(()),
                Err(failure) => first_failure = first_failure.or(Some(failure)),
            }
        }
        // What a key answered whose mac did not verify.
        data_key.zeroize();
        Err(first_failure.unwrap_or_else(|| self.no_usable_wrap(envelope)))
    }

    /// [`unwrap_now`](Self::unwrap_now) over remote keys.
    pub(crate) async fn unwrap_later(&self, envelope: &Envelope) -> Result<DataKey, OpenError> {
        let mut first_failure = None;
        for (key, wrap) in self.candidates(envelope) {
            let answer = if is_accepted(key, &wrap) {
                let (suite, commitment) = (envelope.suite(), envelope.commitment());
                key.unwrap_later(suite, commitment, wrap.body).await
            } else {
                Err(ProviderErrorKind::Rejected.into())
            };
            let judged = match answer {
                Ok(data_key) => envelope.check_mac(data_key.expose_secret()).map(|()| data_key),
                Err(source) => Err(OpenError::from_provider(key.key_id.clone(), source)),
            };
            match judged {
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
        self.opening_keys()
            .filter_map(|key| envelope.wrap_of(key.key_id.as_ref()).map(|wrap| (key, wrap)))
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

/// A key's entry in the keyring fixes the kind of wrap it is asked to unwrap.
fn is_accepted(key: &UsableKey, wrap: &Wrap<'_>) -> bool {
    wrap.kind == key.kind && wrap.kind.is_usable()
}
