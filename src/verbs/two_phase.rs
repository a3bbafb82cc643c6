//! Sealing in two phases, for callers with a transport of their own.

use alloc::vec::Vec;
use core::fmt;

use rand_core::TryCryptoRng;

use crate::cipher::Prf;
use crate::format::context::EncryptionContext;
use crate::format::envelope::Envelope;
use crate::format::error::FormatError;
use crate::format::sizes::{COMMITMENT_LEN, IV_LEN};
use crate::format::suite::Suite;
use crate::format::wrapped_key::WrappedKey;
use crate::keys::data_key::DataKey;
use crate::secret::Secret;
use crate::secret::key_bytes::KeyBytes;
use crate::secret::wiping::{wipe_stack_after, wipe_stack_after_hashing};
use crate::verbs::errors::SealError;
use crate::verbs::payload::{Sealed, draw, drawn_iv};

/// An envelope but for its wrapped keys, for a caller who has them wrapped by other means.
///
/// [`prepare`] makes it, [`finish`](Self::finish) turns it into an [`Envelope`]; the data key is
/// wiped when it is dropped.
pub struct Draft {
    pub(super) data_key: DataKey,
    pub(super) sealed: Sealed,
}

impl Draft {
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

/// A guess at the bytes before the ciphertext: two-phase callers' wraps have any size.
const NO_ROOM: usize = 0;

/// The first phase: draws a data key and encrypts. The second is [`Draft::finish`].
///
/// ```
/// use sealwax::{EncryptionContext, Secret, Suite, WrapKind, WrappedKey, sealing};
///
/// let context = EncryptionContext::new([("tenant", "acme")])?;
/// let draft = sealing::prepare(&Secret::from("s3cret"), &context, Suite::default())?;
/// # fn kms_encrypt(key: &[u8; 32], bound_to: &[u8; 32]) -> Vec<u8> {
/// #     key.iter().zip(bound_to).map(|(a, b)| a ^ b).collect()
/// # }
/// let body = kms_encrypt(draft.data_key().expose_secret(), draft.commitment());
/// let wrapped = WrappedKey::new("kms/eu".parse()?, WrapKind::Provider, &body)?;
/// let envelope = draft.finish(vec![wrapped])?;
/// # assert_eq!(envelope.wrapped_keys().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`SealError::TooLong`] over 16 MiB, [`SealError::Random`] when the randomness source fails.
#[cfg(feature = "getrandom")]
pub fn prepare(
    secret: &Secret,
    context: &EncryptionContext,
    suite: Suite,
) -> Result<Draft, SealError> {
    prepare_with_rng(secret, context, suite, &mut getrandom::SysRng)
}

/// [`prepare`] with the caller's randomness: 44 bytes in one call.
///
/// # Errors
///
/// As `prepare`.
pub fn prepare_with_rng(
    secret: &Secret,
    context: &EncryptionContext,
    suite: Suite,
    rng: &mut (impl TryCryptoRng + ?Sized),
) -> Result<Draft, SealError> {
    Draft::of(secret, context, suite, NO_ROOM, rng)
}

/// [`prepare`] over a data key that a KMS made, e.g. by a `GenerateDataKey` call.
///
/// It must be fresh: used for this one credential and for nothing before or after. Draws 12 bytes
/// of randomness for the iv.
///
/// # Errors
///
/// As `prepare`.
#[cfg(feature = "getrandom")]
pub fn prepare_with_data_key(
    data_key: DataKey,
    secret: &Secret,
    context: &EncryptionContext,
    suite: Suite,
) -> Result<Draft, SealError> {
    prepare_with_data_key_and_rng(data_key, secret, context, suite, &mut getrandom::SysRng)
}

/// [`prepare_with_data_key`] with the caller's randomness: 12 bytes in one call.
///
/// # Errors
///
/// As `prepare`.
pub fn prepare_with_data_key_and_rng(
    data_key: DataKey,
    secret: &Secret,
    context: &EncryptionContext,
    suite: Suite,
    rng: &mut (impl TryCryptoRng + ?Sized),
) -> Result<Draft, SealError> {
    wipe_stack_after(|| {
        let mut iv = [0; IV_LEN];
        rng.try_fill_bytes(&mut iv).map_err(|_| SealError::Random)?;
        let (iv, prf) = (drawn_iv(&iv)?, Prf::new(data_key.expose_secret()));
        let sealed = Sealed::encrypt(&prf, iv, secret, context, suite, NO_ROOM)?;
        Ok(Draft { data_key, sealed })
    })
}
