//! Sealing in two phases, for callers with their own transport.

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

/// An envelope without its wrapped keys, for a caller who has its data key wrapped by other means.
///
/// Use it to wrap data keys over your own transport, or many of them in one request. [`new`](Self::new) draws a data
/// key and encrypts the credential, and [`finish`](Self::finish) assembles the [`Envelope`]. The data key is wiped when
/// the draft is dropped. To open, unwrap the data key by the same means and pass it to [`Envelope::open_with`].
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

/// A guess at the number of bytes before the ciphertext: wraps that callers make may have any size.
const NO_ROOM: usize = 0;

impl Draft {
    /// Encrypts a credential under a fresh data key.
    ///
    /// Draws the data key and an IV, 44 bytes of the operating system's randomness, in one call.
    ///
    /// # Errors
    ///
    /// Returns [`SealError::TooLong`] if the credential is longer than 16 MiB, and [`SealError::Random`] if the
    /// randomness source fails.
    #[cfg(feature = "getrandom")]
    pub fn new(
        secret: &Secret,
        context: &EncryptionContext,
        suite: Suite,
    ) -> Result<Self, SealError> {
        Self::new_with_rng(secret, context, suite, &mut getrandom::SysRng)
    }

    /// Encrypts as [`new`](Self::new) does, with randomness from `rng`: 44 bytes in one call.
    ///
    /// # Errors
    ///
    /// Returns the same errors as `new`.
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

    /// Returns the data key to wrap.
    #[must_use]
    pub fn data_key(&self) -> &DataKey {
        &self.data_key
    }

    /// Returns the suite that the credential was encrypted with.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.sealed.suite
    }

    /// Returns the commitment that a wrap must be bound to, which is public and different in every draft.
    #[must_use]
    pub fn commitment(&self) -> &[u8; COMMITMENT_LEN] {
        &self.sealed.commitment
    }

    /// Returns the request to wrap the data key under the key with this id.
    #[must_use]
    pub fn wrap_request<'a>(&'a self, key_id: &'a KeyId) -> WrapRequest<'a> {
        WrapRequest::new(key_id, self.suite(), self.commitment(), self.data_key())
    }

    /// Assembles the envelope, with the wraps in the order given.
    ///
    /// # Errors
    ///
    /// Returns a [`FormatError`] if there are no wraps, more than eight, or two under one key id.
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
