//! One batch of a rotation, without I/O.

use alloc::vec::Vec;
use core::time::Duration;

use thiserror::Error;

use crate::format::envelope::Envelope;
use crate::format::error::FormatError;
use crate::format::error_class::{ErrorClass, error_as_data};
use crate::format::key_id::KeyId;
use crate::keys::keyring::Keyring;
use crate::keys::provider_error::ProviderError;
use crate::keys::provider_future::ProviderFuture;
use crate::secret::wiping::wipe_stack_after_polls;
use crate::verbs::errors::{RewrapError, error_about_a_key};
use crate::verbs::rewrapping::next_of;

/// What became of the rows of a batch, as [`Keyring::rewrap_batch`] returns it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch<Id> {
    /// The rows to write, each only if it still holds the old envelope (compare and swap).
    pub changes: Vec<Change<Id>>,
    /// The number of rows that were already current.
    pub current: usize,
    /// The rows that were not rewrapped, and why; they are unchanged.
    pub failures: Vec<(Id, RowError)>,
}

/// A row to write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change<Id> {
    /// The caller's id of the row.
    pub id: Id,
    /// The envelope that was read, with the same text and the same bytes that were stored.
    pub old: Envelope,
    /// The envelope to write in its place.
    pub fresh: Envelope,
}

/// Why one row of a [batch](Keyring::rewrap_batch) was not rewrapped.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum RowError {
    /// The row is not an envelope.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The envelope was not rewrapped.
    #[error(transparent)]
    Rewrap(#[from] RewrapError),
}

impl RowError {
    fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::Format(error) => (error.name(), error.class()),
            Self::Rewrap(error) => error.as_data(),
        }
    }

    fn about(&self) -> (Option<&KeyId>, Option<&ProviderError>) {
        match self {
            Self::Format(_) => (None, None),
            Self::Rewrap(error) => error.about(),
        }
    }
}

error_as_data!(RowError);
error_about_a_key!(RowError);

impl<Id> Batch<Id> {
    fn new() -> Self {
        Self { changes: Vec::new(), current: 0, failures: Vec::new() }
    }

    fn add(
        &mut self,
        id: Id,
        old: Result<Envelope, FormatError>,
        rewrap: impl FnOnce(&Envelope) -> Result<Option<Envelope>, RewrapError>,
    ) {
        let rewrapped = old
            .map_err(RowError::Format)
            .and_then(|old| Ok(rewrap(&old)?.map(|fresh| (old, fresh))));
        match rewrapped {
            Ok(Some((old, fresh))) => self.changes.push(Change { id, old, fresh }),
            Ok(None) => self.current = self.current.saturating_add(1),
            Err(error) => self.failures.push((id, error)),
        }
    }

    /// Returns whether to stop the rotation and investigate.
    ///
    /// This is so if a key does not unwrap what it wraps, or if all rows of the batch failed in the same way, because
    /// of a misconfiguration or a mistake that the next batch will meet as well.
    #[must_use]
    pub fn must_stop(&self) -> bool {
        let errors = || self.failures.iter().map(|(_, error)| error);
        let is_unverified =
            |error: &RowError| matches!(error, RowError::Rewrap(RewrapError::Unverified { .. }));
        let Some(first) = errors().next() else { return false };
        let of_first = (first.class(), first.name(), first.key_id());
        let is_alike = |error: &RowError| (error.class(), error.name(), error.key_id()) == of_first;
        let is_of_us =
            |error: &RowError| matches!(error.class(), ErrorClass::Misconfigured | ErrorClass::Bug);
        let is_whole = self.changes.is_empty() && self.current == 0;
        errors().any(is_unverified) || (is_whole && is_of_us(first) && errors().all(is_alike))
    }
}

impl Keyring {
    /// Re-wraps the rows of one batch, as [`rewrap`](Self::rewrap) does; a row that fails does not affect the others.
    ///
    /// A row is an id of any type, and an envelope or something that one is parsed from: `String`, `&str`, `Vec<u8>`,
    /// `&[u8]`, [`Envelope`]. Read a few hundred to a few thousand rows at a time, in the order of their ids. Write the
    /// changes in one statement that compares each old envelope.
    ///
    /// ```
    /// use sealwax::{EncryptionContext, Keyring, MasterKey};
    ///
    /// # let old = MasterKey::generate()?.to_text();
    /// let ring = Keyring::new("prod-2025".parse()?, old.expose_str()?.parse::<MasterKey>()?)?;
    /// let row = ring.seal(&"s3cret".into(), &EncryptionContext::empty())?.to_string();
    ///
    /// let next = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)?
    ///     .with_retired("prod-2025".parse()?, old.expose_str()?.parse::<MasterKey>()?)?;
    /// let batch = next.rewrap_batch([(1, row.as_str()), (2, "sk-in-the-clear")]);
    /// assert_eq!((batch.changes.len(), batch.current, batch.failures.len()), (1, 0, 1));
    /// assert!(!batch.must_stop());
    /// for change in batch.changes {
    ///     // UPDATE … SET envelope = fresh WHERE id = id AND envelope = old
    ///     assert_eq!(change.old.to_string(), row);
    ///     assert!(next.is_current(&change.fresh));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rewrap_batch<Id, E>(&self, rows: impl IntoIterator<Item = (Id, E)>) -> Batch<Id>
    where
        E: TryInto<Envelope>,
        FormatError: From<E::Error>,
    {
        let mut batch = Batch::new();
        for (id, row) in rows {
            let old = row.try_into().map_err(FormatError::from);
            batch.add(id, old, |old| self.rewrap(old));
        }
        batch
    }

    /// Re-wraps the rows of one batch as [`rewrap_batch`](Self::rewrap_batch) does, and waits for remote keys.
    ///
    /// Passes all rows that need a key to it at once: to [`unwrap_keys`](crate::MasterKeyProvider::unwrap_keys) for the
    /// old wraps, to [`wrap_keys`](crate::KeyWrapper::wrap_keys), and to `unwrap_keys` again to check the new wraps,
    /// which are in another order then, and one of them twice. A provider whose service takes many keys in one request
    /// splits them to its limit. Any other handles one row after the other; it is faster then to call
    /// [`rewrap_async`](Self::rewrap_async) for many rows concurrently.
    ///
    /// The rows are read before the method returns the future. While the future waits, it holds the data keys of the
    /// rows. If it is dropped, or if a provider hangs or panics, no row of the batch has a result.
    pub fn rewrap_batch_async<'a, Id, E>(
        &'a self,
        rows: impl IntoIterator<Item = (Id, E)>,
    ) -> ProviderFuture<'a, Batch<Id>>
    where
        Id: Send + 'a,
        E: TryInto<Envelope>,
        FormatError: From<E::Error>,
    {
        let parse = |(id, row): (Id, E)| (id, row.try_into().map_err(FormatError::from));
        let (ids, rows): (Vec<Id>, Vec<_>) = rows.into_iter().map(parse).unzip();
        // A named type, because `impl Future` would be tied to the types of the rows.
        ProviderFuture::boxed(wipe_stack_after_polls(async move {
            let mut batch = Batch::new();
            if self.usable_keys().all(|(key, _)| key.is_in_memory()) {
                // Nothing has to be waited for, and there is only one data key at a time.
                for (id, row) in ids.into_iter().zip(rows) {
                    batch.add(id, row, |old| self.rewrap(old));
                }
                return batch;
            }
            let envelopes = rows.iter().filter_map(|row| row.as_ref().ok());
            let mut rewrapped = self.rewrap_all(envelopes).await.into_iter();
            for (id, row) in ids.into_iter().zip(rows) {
                batch.add(id, row, |_| next_of(&mut rewrapped));
            }
            batch
        }))
    }
}
