//! Sealing in two phases, for callers with a transport of their own.

use alloc::vec::Vec;
use core::fmt;

use rand_core::TryCryptoRng;

use crate::cipher::Prf;
use crate::format::context::EncryptionContext;
use crate::format::envelope::Envelope;
use crate::format::error::FormatError;
use crate::format::key_id::KeyId;
use crate::format::sizes::COMMITMENT_LEN;
use crate::format::suite::Suite;
use crate::format::wrapped_key::WrappedKey;
use crate::keys::data_key::DataKey;
use crate::keys::requests::WrapRequest;
use crate::secret::Secret;
use crate::secret::key_bytes::KeyBytes;
use crate::secret::wiping::{wipe_stack_after, wipe_stack_after_hashing};
use crate::verbs::errors::SealError;
use crate::verbs::payload::{Sealed, draw};

/// An envelope without its wrapped keys, for a caller who has them wrapped by other means: over a transport of
/// its own, in a request of many.
///
/// [`new`](Self::new) draws a data key and encrypts, [`finish`](Self::finish) puts the [`Envelope`] together; the
/// data key is wiped when the draft is dropped. To open, unwrap the data key by the same means and pass it to
/// [`Envelope::open_with`].
///
/// ```
/// use sealwax::{Draft, EncryptionContext, Secret, Suite, WrapKind, WrappedKey};
///
/// let context = EncryptionContext::new([("tenant", "acme")])?;
/// let draft = Draft::new(&Secret::from("s3cret"), &context, Suite::default())?;
/// # fn kms_encrypt(key: &[u8; 32], bound_to: &[u8]) -> Vec<u8> {
/// #     key.iter().zip(bound_to).map(|(a, b)| a ^ b).collect()
/// # }
/// let key_id = "kms/eu".parse()?;
/// let request = draft.wrap_request(&key_id);
/// let body = kms_encrypt(request.data_key().expose_secret(), &request.associated_data());
/// let envelope = draft.finish(vec![WrappedKey::new(key_id, WrapKind::Provider, &body)?])?;
/// # assert_eq!(envelope.wrapped_keys().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Draft {
    pub(super) data_key: DataKey,
    pub(super) sealed: Sealed,
}

/// A guess at the bytes before the ciphertext: the wraps of others have any size.
const NO_ROOM: usize = 0;

impl Draft {
    /// Draws a data key and an IV, 44 bytes of the operating system's randomness in one call, and encrypts.
    ///
    /// # Errors
    ///
    /// [`SealError::TooLong`] over 16 MiB, [`SealError::Random`] when the randomness source fails.
    #[cfg(feature = "getrandom")]
    pub fn new(
        secret: &Secret,
        context: &EncryptionContext,
        suite: Suite,
    ) -> Result<Self, SealError> {
        Self::new_with_rng(secret, context, suite, &mut getrandom::SysRng)
    }

    /// [`new`](Self::new) with the caller's randomness: 44 bytes in one call.
    ///
    /// # Errors
    ///
    /// As `new`.
    pub fn new_with_rng(
        secret: &Secret,
        context: &EncryptionContext,
        suite: Suite,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Self, SealError> {
        Self::of(secret, context, suite, NO_ROOM, rng)
    }

    pub(super) fn of(
        secret: &Secret,
        context: &EncryptionContext,
        suite: Suite,
        room: usize,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Self, SealError> {
        wipe_stack_after(|| {
            let mut data_key = KeyBytes::zeroed();
            let iv = draw(data_key.expose_mut(), rng)?;
            let prf = Prf::new(data_key.expose());
            let sealed = Sealed::encrypt(&prf, iv, secret, context, suite, room)?;
            Ok(Self { data_key: DataKey::from_key_bytes(data_key), sealed })
        })
    }

    /// What is to be wrapped.
    #[must_use]
    pub fn data_key(&self) -> &DataKey {
        &self.data_key
    }

    /// The suite it was prepared with.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.sealed.suite
    }

    /// What a wrap is to be bound to: public, and different in every draft.
    #[must_use]
    pub fn commitment(&self) -> &[u8; COMMITMENT_LEN] {
        &self.sealed.commitment
    }

    /// What a provider is asked to wrap it under a key.
    #[must_use]
    pub fn wrap_request<'a>(&'a self, key_id: &'a KeyId) -> WrapRequest<'a> {
        WrapRequest::new(key_id, self.suite(), self.commitment(), self.data_key())
    }

    /// Puts the envelope together. The wraps stand in it in the order given.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when there are no wraps, more than eight, or two under one key id.
    pub fn finish(self, wraps: Vec<WrappedKey>) -> Result<Envelope, FormatError> {
        let Self { data_key, sealed } = self;
        wipe_stack_after_hashing(|| {
            let prf = Prf::new(data_key.expose_secret());
            sealed.finish(&prf, wraps.iter().map(WrappedKey::as_wrap))
        })
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { data_key: _, sealed } = self;
        f.debug_struct("Draft").field("suite", &sealed.suite).finish_non_exhaustive()
    }
}
