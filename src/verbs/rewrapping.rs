//! Rewrapping: over time an envelope gets new master keys, and its payload stays as it is.

use alloc::vec::Vec;

use crate::cipher::{Prf, is_equal};
use crate::format::binary::{self, Frame};
use crate::format::envelope::{Envelope, Unproven};
use crate::format::sizes::{COMMITMENT_LEN, KEY_LEN};
use crate::format::suite::Suite;
use crate::format::wrapped_key::{Wrap, WrappedKey};
use crate::keys::data_key::DataKey;
use crate::keys::keyring::Keyring;
use crate::keys::provider_error::{ProviderError, ProviderErrorKind};
use crate::keys::requests::{UnwrapRequest, WrapRequest};
use crate::keys::usable_key::{Body, UsableKey};
use crate::secret::wiping::{Wiped, wipe_stack_after_hashing, wipe_stack_after_polls};
use crate::verbs::errors::RewrapError;
use crate::verbs::payload::prove;
use crate::verbs::wrapping::{Wraps, wrap_later, wrap_now};

impl Keyring {
    /// Re-wraps the data key under the current keys: the primary and every escrow key.
    ///
    /// Returns `None` if the envelope [is current](Self::is_current) already. That follows from public bytes and checks
    /// nothing, because a rotation is not an audit; [`verify`](Self::verify) is.
    ///
    /// Otherwise, this checks the MAC before it wraps the data key, and unwraps each new wrap as a check before it
    /// returns; that of an offline escrow, which it cannot unwrap, it makes twice and compares. It needs no context, draws no
    /// randomness, and does not change the commitment, IV, tag or ciphertext.
    /// With local keys, the same envelope always becomes the same bytes, so two workers that race write the same row.
    /// Store the result only if the row still holds the old envelope (compare and swap); until then nothing has
    /// happened.
    ///
    /// The whole list of wraps is replaced: an escrow key that this keyring lacks loses its wrap. All processes should
    /// share one keyring text.
    ///
    /// # Errors
    ///
    /// Returns a [`RewrapError`]; `envelope` is unchanged and still opens where it did.
    pub fn rewrap(&self, envelope: &Envelope) -> Result<Option<Envelope>, RewrapError> {
        let keys = self.sealing_keys().ok_or(RewrapError::NoPrimary)?;
        if is_wrapped_for(keys.clone(), envelope) {
            return Ok(None);
        }
        wipe_stack_after_hashing(|| {
            let mut data_key = Wiped::zeroed();
            let (prf, _) = self.unwrap_now(envelope, &mut data_key)?;
            let (suite, commitment) = (envelope.suite(), envelope.commitment());
            let mut wraps = Wraps::default();
            wrap_now(keys, suite, commitment, &data_key, &mut wraps)?;
            for (key, wrap) in wraps.with_keys() {
                key.wipe_stack_before();
                let mut found = Wiped::zeroed();
                let is_same =
                    holds_now(key, suite, commitment, wrap.body, &data_key, &mut found)
                        .ok_or_else(|| RewrapError::WouldBlock { key_id: key.key_id.clone() })?;
                check_wrap(key, is_same)?;
            }
            envelope.with_wraps(&prf, wraps.iter()).map(Some)
        })
    }

    /// Re-wraps as [`rewrap`](Self::rewrap) does, and waits for remote keys.
    ///
    /// If a service does not wrap deterministically, the bytes are different each time.
    ///
    /// In a spawned task, `stream::iter(&rows).map(|row| ring.rewrap_async(row))` does not compile ("`FnOnce` is
    /// not general enough"). Move owned rows into the calls instead, as in
    /// `let ring = ring.clone(); async move { (id, ring.rewrap_async(&row).await) }`.
    ///
    /// # Errors
    ///
    /// Returns the same errors as `rewrap`, except the two `WouldBlock`s.
    pub fn rewrap_async<'a>(
        &'a self,
        envelope: &'a Envelope,
    ) -> impl Future<Output = Result<Option<Envelope>, RewrapError>> + Send + use<'a> {
        wipe_stack_after_polls(async move {
            let keys = self.sealing_keys().ok_or(RewrapError::NoPrimary)?;
            if is_wrapped_for(keys.clone(), envelope) {
                return Ok(None);
            }
            let (data_key, _) = self.unwrap_later(envelope).await?;
            let (suite, commitment) = (envelope.suite(), envelope.commitment());
            let wraps = wrap_later(keys, suite, commitment, &data_key).await?;
            for (key, wrap) in wraps.with_keys() {
                let is_same = holds_later(key, suite, commitment, wrap.body, &data_key).await;
                check_wrap(key, is_same)?;
            }
            envelope.with_wraps(&Prf::new(data_key.expose_secret()), wraps.iter()).map(Some)
        })
    }

    /// Re-wraps each envelope as [`rewrap_async`](Self::rewrap_async) does, and passes all of them to each key at once.
    pub(super) async fn rewrap_all(
        &self,
        envelopes: impl Iterator<Item = &Envelope>,
    ) -> Vec<Result<Option<Envelope>, RewrapError>> {
        let Some(keys) = self.sealing_keys() else {
            return envelopes.map(|_| Err(RewrapError::NoPrimary)).collect();
        };
        let is_due = |envelope: &&Envelope| !is_wrapped_for(keys.clone(), envelope);
        let due: Vec<Option<&Envelope>> =
            envelopes.map(|envelope| Some(envelope).filter(is_due)).collect();
        let due_envelopes: Vec<&Envelope> = due.iter().copied().flatten().collect();
        let data_keys = self.unwrap_all(&due_envelopes).await;
        let mut rows: Vec<Result<Row<'_>, RewrapError>> = due_envelopes
            .into_iter()
            .zip(data_keys)
            .map(|(envelope, data_key)| Ok(Row::new(envelope, data_key?)))
            .collect();
        for key in keys.clone() {
            let (places, asked): (Vec<_>, Vec<_>) = unfailed(&rows).unzip();
            let requests: Vec<_> = asked.iter().map(|row| row.to_wrap(key)).collect();
            let bodies = key.wrap_all(&requests).await;
            proceed(&mut rows, places, bodies, |row, body| row.add(key, body));
        }
        for key in keys {
            let (places, asked): (Vec<_>, Vec<_>) = to_check(unfailed(&rows)).unzip();
            if key.is_offline() {
                let requests: Vec<_> = asked.iter().map(|row| row.to_wrap(key)).collect();
                let again = key.wrap_all(&requests).await;
                // If one row differs, the others may have been mixed up the same way twice.
                let differs = |(row, again): (&&Row<'_>, &Result<Vec<u8>, _>)| {
                    again.as_ref().is_ok_and(|again| row.wraps.body_of(key) != Some(&**again))
                };
                let are_the_same = !asked.iter().zip(&again).any(differs);
                proceed(&mut rows, places, again, |_, again| {
                    check_wrap(key, again.map(|_| are_the_same))
                });
                continue;
            }
            let requests: Vec<_> = asked.iter().map(|row| row.to_unwrap(key)).collect();
            let unwrapped = key.unwrap_all(&requests).await;
            let are_mixed_up = are_mixed_up(&asked, &unwrapped);
            proceed(&mut rows, places, unwrapped, |row, found| match found {
                Ok(_) if are_mixed_up => {
                    Err(RewrapError::Unverified { key_id: key.key_id.clone() })
                }
                found => row.check(key, found),
            });
        }
        let mut rows = rows.into_iter();
        let mut finish = |_| next_of(&mut rows).and_then(Row::finish);
        due.into_iter().map(|due| due.map(&mut finish).transpose()).collect()
    }

    /// Returns whether the envelope is wrapped the way this keyring would wrap it.
    ///
    /// That means for exactly the primary and the escrow keys, in this order, by the key material that they have here.
    /// The result follows from public bytes alone. If it is `false`, and only then, [`rewrap`](Self::rewrap) returns an
    /// envelope or an error.
    #[must_use]
    pub fn is_current(&self, envelope: &Envelope) -> bool {
        self.sealing_keys().is_some_and(|keys| is_wrapped_for(keys, envelope))
    }
}

/// Returns whether an envelope has exactly the wraps that these keys would make, in the order of the keys.
fn is_wrapped_for<'k>(mut keys: impl Iterator<Item = &'k UsableKey>, envelope: &Envelope) -> bool {
    let mut wraps = envelope.wraps();
    keys.all(|key| wraps.next().is_some_and(|wrap| is_current_wrap(key, &wrap)))
        && wraps.next().is_none()
}

fn is_current_wrap(key: &UsableKey, wrap: &Wrap<'_>) -> bool {
    wrap.key_id == key.key_id.as_ref() && key.accepts(wrap) && key.is_current(wrap.body)
}

/// A row of a batch whose data key is known.
struct Row<'a> {
    envelope: &'a Envelope,
    data_key: DataKey,
    wraps: Wraps<'a>,
}

impl<'a> Row<'a> {
    fn new(envelope: &'a Envelope, data_key: DataKey) -> Self {
        Self { envelope, data_key, wraps: Wraps::default() }
    }

    fn to_wrap<'r>(&'r self, key: &'r UsableKey) -> WrapRequest<'r> {
        let (suite, commitment) = (self.envelope.suite(), self.envelope.commitment());
        WrapRequest::new(&key.key_id, suite, commitment, &self.data_key)
    }

    fn add(
        &mut self,
        key: &'a UsableKey,
        body: Result<Vec<u8>, ProviderError>,
    ) -> Result<(), RewrapError> {
        Ok(self.wraps.add(key, Some(body.map(Body::Returned)))?)
    }

    fn to_unwrap<'r>(&'r self, key: &'r UsableKey) -> UnwrapRequest<'r> {
        let (suite, commitment) = (self.envelope.suite(), self.envelope.commitment());
        let body = self.wraps.body_of(key).unwrap_or_default();
        UnwrapRequest::new(&key.key_id, suite, commitment, body)
    }

    fn check(
        &self,
        key: &UsableKey,
        found: Result<DataKey, ProviderError>,
    ) -> Result<(), RewrapError> {
        check_wrap(key, found.map(|found| self.has(&found)))
    }

    fn has(&self, data_key: &DataKey) -> bool {
        is_equal(data_key.expose_secret(), self.data_key.expose_secret())
    }

    fn finish(self) -> Result<Envelope, RewrapError> {
        let Self { envelope, data_key, wraps } = self;
        wipe_stack_after_hashing(|| {
            envelope.with_wraps(&Prf::new(data_key.expose_secret()), wraps.iter())
        })
    }
}

/// Returns the rows that have not failed so far, each with its place.
fn unfailed<'r, 'a: 'r>(
    rows: &'r [Result<Row<'a>, RewrapError>],
) -> impl Iterator<Item = (usize, &'r Row<'a>)> {
    rows.iter().enumerate().filter_map(|(place, row)| Some((place, row.as_ref().ok()?)))
}

/// Returns the rows in the order in which their new wraps are checked: not the one in which they were wrapped, and with
/// the first row once more at the end.
///
/// If a service binds nothing, and its provider returns the results of each batch in reverse, each row gets the wrap of
/// another one. In the same order, the second reversal would hide the first. Whatever the order of the results, a row
/// that occurs twice among others that occur once passes only with its own wrap.
fn to_check<'r, 'a: 'r>(
    rows: impl Iterator<Item = (usize, &'r Row<'a>)>,
) -> impl Iterator<Item = (usize, &'r Row<'a>)> {
    let mut rows: Vec<_> = rows.collect();
    let first = if rows.len() > 1 { rows.first().copied() } else { None };
    // A commitment is as good as random.
    rows.sort_unstable_by_key(|(_, row)| *row.envelope.commitment());
    rows.into_iter().chain(first)
}

/// Returns whether a row got the data key of another one. Then no result tells anything about its row.
fn are_mixed_up(rows: &[&Row<'_>], unwrapped: &[Result<DataKey, ProviderError>]) -> bool {
    let found = unwrapped.iter().map(|found| found.as_ref().ok());
    let mut of_others =
        rows.iter().zip(found).filter_map(|(row, found)| found.filter(|key| !row.has(key)));
    of_others.any(|found| rows.iter().any(|row| row.has(found)))
}

/// Takes the next step with the rows in these places, given the key's result for each.
fn proceed<R, T>(
    rows: &mut [Result<R, RewrapError>],
    places: Vec<usize>,
    results: Vec<T>,
    step: impl Fn(&mut R, T) -> Result<(), RewrapError>,
) {
    let mut results = results.into_iter();
    for place in places {
        let result = next_of(&mut results);
        if let Some(row) = rows.get_mut(place)
            && let Err(error) = row.as_mut().map_or(Ok(()), |row| step(row, result))
        {
            *row = Err(error);
        }
    }
}

#[expect(clippy::expect_used, reason = "a row without a result would pass for one that is done")]
pub(super) fn next_of<T>(results: &mut impl Iterator<Item = T>) -> T {
    results.next().expect("there is one result for each row")
}

/// Returns whether a wrap that was just made holds the data key, or `None` if its key would have to be waited for.
///
/// An offline escrow cannot unwrap it, so it makes the wrap again. What others unwrap goes to `found`: with a buffer in here,
/// a refused rewrap left words of an HMAC in its caller's frame.
fn holds_now(
    key: &UsableKey,
    suite: Suite,
    commitment: &[u8; COMMITMENT_LEN],
    body: &[u8],
    data_key: &[u8; KEY_LEN],
    found: &mut [u8; KEY_LEN],
) -> Option<Result<bool, ProviderError>> {
    if key.is_offline() {
        let again = key.wrap_now(suite, commitment, data_key)?;
        return Some(again.map(|again| again.as_slice() == body));
    }
    let unwrapped = key.unwrap_now(suite, commitment, body, found)?;
    Some(unwrapped.map(|()| is_equal(found, data_key)))
}

/// Returns what [`holds_now`] does, and waits for remote keys.
pub(super) async fn holds_later(
    key: &UsableKey,
    suite: Suite,
    commitment: &[u8; COMMITMENT_LEN],
    body: &[u8],
    data_key: &DataKey,
) -> Result<bool, ProviderError> {
    if key.is_offline() {
        return Ok(key.wrap_later(suite, commitment, data_key).await? == body);
    }
    let found = key.unwrap_later(suite, commitment, body).await?;
    Ok(is_equal(found.expose_secret(), data_key.expose_secret()))
}

/// Checks that a new wrap holds the data key.
fn check_wrap(key: &UsableKey, is_same: Result<bool, ProviderError>) -> Result<(), RewrapError> {
    let key_id = || key.key_id.clone();
    match is_same {
        Ok(true) => Ok(()),
        Err(source) if !is_verdict(&source) => Err(RewrapError::Wrap { key_id: key_id(), source }),
        Ok(false) | Err(_) => Err(RewrapError::Unverified { key_id: key_id() }),
    }
}

/// Returns whether the provider says that the wrap is bad, and not that it could not find out.
pub(super) fn is_verdict(error: &ProviderError) -> bool {
    matches!(error.kind(), ProviderErrorKind::Rejected | ProviderErrorKind::WrongKeyMaterial)
}

impl Envelope {
    /// Replaces the wraps of the envelope, for a caller who unwraps and wraps the data key by other means.
    ///
    /// Use it in place of [`Keyring::rewrap`]. It checks the MAC, but cannot unwrap the new wraps to check them.
    ///
    /// # Errors
    ///
    /// Returns [`EnvelopeAltered`](crate::UnwrapError::EnvelopeAltered) as a [`RewrapError::Unwrap`] if this is not the
    /// data key of the envelope, if something before the ciphertext was altered, or if the ciphertext has another
    /// length. Returns [`RewrapError::InvalidWraps`] if there are no wraps, more than eight, or two under one key id.
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

    /// Returns the same commitment, IV, tag and ciphertext under other wraps.
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
