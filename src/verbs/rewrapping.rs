//! What happens to an envelope over time: new master key, payload untouched.

use alloc::vec::Vec;

use crate::cipher::{Prf, is_equal};
use crate::format::binary::{self, Frame};
use crate::format::envelope::{Envelope, Unproven};
use crate::format::wrapped_key::{Wrap, WrappedKey};
use crate::keys::data_key::DataKey;
use crate::keys::keyring::Keyring;
use crate::keys::provider_error::{ProviderError, ProviderErrorKind};
use crate::keys::usable_key::UsableKey;
use crate::secret::wiping::Wiped;
use crate::secret::wiping::{wipe_stack_after_hashing, wipe_stack_after_polls};
use crate::verbs::errors::RewrapError;
use crate::verbs::payload::prove;
use crate::verbs::wrapping::{Wraps, wrap_later, wrap_now};

impl Keyring {
    /// Re-wraps the data key under the current keys: the primary and every escrow key. Returns none if the
    /// envelope [is current](Self::is_current) already; that follows from public bytes and checks nothing, for a
    /// rotation is no audit. [`verify`](Self::verify) is.
    ///
    /// Checks the MAC before it touches anything, and unwraps what it has wrapped before it
    /// returns it. Needs no context, draws no randomness, and leaves commitment, IV, tag and
    /// ciphertext as they are. Over local keys the same envelope always becomes the same bytes, so
    /// two workers that race write the same row. Store the result where the old envelope still is
    /// (compare and swap); until then nothing has happened.
    ///
    /// The whole list of wraps is replaced: an escrow key that this keyring lacks loses its wrap.
    /// All processes should share one keyring text.
    ///
    /// # Errors
    ///
    /// [`RewrapError`]; `envelope` is unchanged and still opens where it did.
    pub fn rewrap(&self, envelope: &Envelope) -> Result<Option<Envelope>, RewrapError> {
        let keys = self.sealing_keys().ok_or(RewrapError::NoPrimary)?;
        if is_wrapped_for(keys.clone(), envelope) {
            return Ok(None);
        }
        wipe_stack_after_hashing(|| {
            let mut data_key = Wiped::zeroed();
            let prf = self.unwrap_now(envelope, &mut data_key)?;
            let (suite, commitment) = (envelope.suite(), envelope.commitment());
            let mut wraps = Wraps::default();
            wrap_now(keys, suite, commitment, &data_key, &mut wraps)?;
            for (key, wrap) in wraps.with_keys() {
                let mut found = Wiped::zeroed();
                let unwrapped = key
                    .unwrap_now(suite, commitment, wrap.body, &mut found)
                    .ok_or_else(|| RewrapError::WouldBlock { key_id: key.key_id.clone() })?;
                check_wrap(key, unwrapped.map(|()| is_equal(&found, &data_key)))?;
            }
            envelope.with_wraps(&prf, wraps.iter()).map(Some)
        })
    }

    /// [`rewrap`](Self::rewrap) over remote keys. A service that does not wrap deterministically
    /// returns other bytes each time.
    ///
    /// In a spawned task, `stream::iter(&rows).map(|row| ring.rewrap_async(row))` does not compile ("`FnOnce` is
    /// not general enough"); over owned rows
    /// `let ring = ring.clone(); async move { (id, ring.rewrap_async(&row).await) }` does.
    ///
    /// # Errors
    ///
    /// As `rewrap`, without the two `WouldBlock`s.
    pub fn rewrap_async<'a>(
        &'a self,
        envelope: &'a Envelope,
    ) -> impl Future<Output = Result<Option<Envelope>, RewrapError>> + Send + use<'a> {
        wipe_stack_after_polls(async move {
            let keys = self.sealing_keys().ok_or(RewrapError::NoPrimary)?;
            if is_wrapped_for(keys.clone(), envelope) {
                return Ok(None);
            }
            let data_key = self.unwrap_later(envelope).await?;
            let (suite, commitment) = (envelope.suite(), envelope.commitment());
            let wraps = wrap_later(keys, suite, commitment, &data_key).await?;
            for (key, wrap) in wraps.with_keys() {
                let unwrapped = key.unwrap_later(suite, commitment, wrap.body).await;
                let is_same =
                    |found: DataKey| is_equal(found.expose_secret(), data_key.expose_secret());
                check_wrap(key, unwrapped.map(is_same))?;
            }
            envelope.with_wraps(&Prf::new(data_key.expose_secret()), wraps.iter()).map(Some)
        })
    }

    /// Whether the envelope is wrapped as this keyring would wrap it: for exactly the primary and
    /// the escrow keys, in this order, by the material they have here. Follows from public bytes
    /// alone. Exactly where it is false, [`rewrap`](Self::rewrap) returns an envelope or an error.
    #[must_use]
    pub fn is_current(&self, envelope: &Envelope) -> bool {
        self.sealing_keys().is_some_and(|keys| is_wrapped_for(keys, envelope))
    }
}

/// Whether an envelope has exactly the wraps that these keys would make, in their order.
fn is_wrapped_for<'k>(mut keys: impl Iterator<Item = &'k UsableKey>, envelope: &Envelope) -> bool {
    let mut wraps = envelope.wraps();
    keys.all(|key| wraps.next().is_some_and(|wrap| is_current_wrap(key, &wrap)))
        && wraps.next().is_none()
}

fn is_current_wrap(key: &UsableKey, wrap: &Wrap<'_>) -> bool {
    wrap.key_id == key.key_id.as_ref() && key.accepts(wrap) && key.is_current(wrap.body)
}

/// Whether what a key has just wrapped is, unwrapped by the same key, the same data key.
fn check_wrap(key: &UsableKey, is_same: Result<bool, ProviderError>) -> Result<(), RewrapError> {
    let key_id = || key.key_id.clone();
    match is_same {
        Ok(true) => Ok(()),
        Err(source) if !is_verdict(&source) => Err(RewrapError::Wrap { key_id: key_id(), source }),
        Ok(false) | Err(_) => Err(RewrapError::Unverified { key_id: key_id() }),
    }
}

/// Whether a provider says that the wrap is bad, and not that it could not tell.
fn is_verdict(error: &ProviderError) -> bool {
    matches!(error.kind(), ProviderErrorKind::Rejected | ProviderErrorKind::WrongKeyMaterial)
}

impl Envelope {
    /// [`Keyring::rewrap`] for a caller who has the data key unwrapped and wrapped by other means.
    /// The wraps replace those of the envelope.
    ///
    /// # Errors
    ///
    /// [`EnvelopeAltered`](crate::UnwrapError::EnvelopeAltered) when it is not the data key of this envelope, or something
    /// before the ciphertext was altered, or the ciphertext has another length;
    /// [`RewrapError::InvalidWraps`] when there are no wraps, more than eight, or two under one key id.
    pub fn rewrap_with(
        &self,
        data_key: &DataKey,
        wraps: Vec<WrappedKey>,
    ) -> Result<Self, RewrapError> {
        wipe_stack_after_hashing(|| {
            let prf = Prf::new(data_key.expose_secret());
            self.check_proof(&prf)?;
            self.with_wraps(&prf, wraps.iter().map(WrappedKey::as_wrap))
        })
    }

    /// The same commitment, iv, tag and ciphertext under other wraps.
    fn with_wraps<'w>(
        &self,
        data_key: &Prf,
        wraps: impl Iterator<Item = Wrap<'w>> + Clone,
    ) -> Result<Self, RewrapError> {
        let room = binary::front_len(wraps.clone().map(|w| (w.key_id.len(), w.body.len())));
        let frame = Frame::of(room, self.ciphertext());
        let (commitment, iv, tag) = (self.commitment(), self.iv(), self.tag());
        Unproven::assemble(self.suite(), wraps, commitment, iv, tag, frame)
            .map(|unproven| prove(unproven, data_key))
            .map_err(|source| RewrapError::InvalidWraps { source })
    }
}
