//! Seal, verify, open; and [`prepare_with_rng`]: sealing in two phases.

use rand_core::TryCryptoRng;

use crate::context::EncryptionContext;
use crate::envelope::Envelope;
use crate::keys::answer::Answer;
use crate::keys::data_key::DataKey;
use crate::keys::keyring::Keyring;
use crate::secret::{Secret, wipe_stack_after, wipe_stack_after_polls};

mod draft;
mod errors;
mod payload;
mod wrapping;

pub use draft::{Draft, prepare_with_data_key_and_rng, prepare_with_rng};
#[cfg(feature = "getrandom")]
pub use draft::{prepare, prepare_with_data_key};
pub(crate) use errors::List;
pub use errors::{OpenError, SealError};
use payload::Sealing;
pub(crate) use payload::mac;
pub(crate) use wrapping::WrapFailure;

impl Keyring {
    /// Seals a credential for a context: encrypts it under a fresh data key, and the data key
    /// under the primary and every escrow key. Draws 44 bytes of the operating system's
    /// randomness, in one call.
    ///
    /// # Errors
    ///
    /// [`SealError::TooLong`] over 16 MiB, [`SealError::Random`] when the randomness source fails,
    /// [`SealError::Provider`] when a key does not wrap, [`SealError::WouldBlock`] when one is
    /// remote: that is what [`seal_async`](Self::seal_async) is for.
    #[cfg(feature = "getrandom")]
    pub fn seal(
        &self,
        secret: &Secret,
        context: &EncryptionContext,
    ) -> Result<Envelope, SealError> {
        self.seal_with_rng(secret, context, &mut getrandom::SysRng)
    }

    /// [`seal`](Self::seal) with the caller's randomness: 44 bytes in one call.
    ///
    /// # Errors
    ///
    /// As `seal`.
    pub fn seal_with_rng(
        &self,
        secret: &Secret,
        context: &EncryptionContext,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Envelope, SealError> {
        wipe_stack_after(|| {
            let sealing = Sealing::draw(secret, context, self.suite(), self.front_len(), rng)?;
            let wraps = self.wrap_now(sealing.suite, &sealing.commitment, &sealing.data_key)?;
            sealing.finish(wraps.iter()).map_err(|error| SealError::impossible(self, error))
        })
    }

    /// [`seal`](Self::seal) over remote keys. The randomness is drawn and the payload encrypted
    /// before the future is returned; the keys are asked when it is polled.
    ///
    /// # Errors
    ///
    /// As `seal`, without [`SealError::WouldBlock`].
    #[cfg(feature = "getrandom")]
    pub fn seal_async<'a>(
        &'a self,
        secret: &Secret,
        context: &EncryptionContext,
    ) -> Answer<'a, Result<Envelope, SealError>> {
        self.seal_async_with_rng(secret, context, &mut getrandom::SysRng)
    }

    /// [`seal_async`](Self::seal_async) with the caller's randomness: 44 bytes in one call. The
    /// future does not hold the RNG, so it is `Send` also where the RNG is not.
    ///
    /// # Errors
    ///
    /// As `seal_async`.
    pub fn seal_async_with_rng<'a>(
        &'a self,
        secret: &Secret,
        context: &EncryptionContext,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Answer<'a, Result<Envelope, SealError>> {
        let sealing = wipe_stack_after(|| {
            Sealing::draw(secret, context, self.suite(), self.front_len(), rng)
        });
        let sealing = match sealing {
            Ok(sealing) => sealing,
            Err(error) => return Answer::now(Err(error)),
        };
        Answer::later(wipe_stack_after_polls(async move {
            let wraps =
                self.wrap_later(sealing.suite, &sealing.commitment, &sealing.data_key).await?;
            sealing.finish(wraps.iter()).map_err(|error| SealError::impossible(self, error))
        }))
    }

    /// Opens a credential in the context it was sealed for.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: each variant is a different thing to do about it. It is safe to tell them
    /// apart, also to a caller: each follows from public bytes, or is the verdict of a MAC.
    pub fn open(
        &self,
        envelope: &Envelope,
        context: &EncryptionContext,
    ) -> Result<Secret, OpenError> {
        wipe_stack_after(|| envelope.open_payload(&self.unwrap_now(envelope)?, context))
    }

    /// [`open`](Self::open) over remote keys.
    ///
    /// # Errors
    ///
    /// As `open`, without [`OpenError::WouldBlock`].
    pub fn open_async<'a>(
        &'a self,
        envelope: &'a Envelope,
        context: &'a EncryptionContext,
    ) -> Answer<'a, Result<Secret, OpenError>> {
        Answer::later(wipe_stack_after_polls(async move {
            envelope.open_payload(&self.unwrap_later(envelope).await?, context)
        }))
    }

    /// Checks that nobody altered the envelope: unwraps the data key and compares the mac. Needs
    /// no context and decrypts nothing, so it answers an auditor who may see no credential.
    ///
    /// It does not read the ciphertext: only opening tells [`OpenError::PayloadAltered`].
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), without [`OpenError::ContextMismatch`] and
    /// [`OpenError::PayloadAltered`].
    pub fn verify(&self, envelope: &Envelope) -> Result<(), OpenError> {
        wipe_stack_after(|| self.unwrap_now(envelope).map(drop))
    }

    /// [`verify`](Self::verify) over remote keys.
    ///
    /// # Errors
    ///
    /// As `verify`, without [`OpenError::WouldBlock`].
    pub fn verify_async<'a>(&'a self, envelope: &'a Envelope) -> Answer<'a, Result<(), OpenError>> {
        Answer::later(wipe_stack_after_polls(
            async move { self.unwrap_later(envelope).await.map(drop) },
        ))
    }
}

impl Envelope {
    /// [`Keyring::verify`] for a caller who has unwrapped the data key.
    ///
    /// # Errors
    ///
    /// [`OpenError::EnvelopeAltered`] when it is not the data key of this envelope, or something
    /// before the ciphertext was altered.
    pub fn verify_with(&self, data_key: &DataKey) -> Result<(), OpenError> {
        wipe_stack_after(|| self.check_mac(data_key))
    }

    /// [`Keyring::open`] for a caller who has unwrapped the data key.
    ///
    /// # Errors
    ///
    /// [`OpenError::EnvelopeAltered`], [`OpenError::ContextMismatch`] or
    /// [`OpenError::PayloadAltered`].
    pub fn open_with(
        &self,
        data_key: &DataKey,
        context: &EncryptionContext,
    ) -> Result<Secret, OpenError> {
        wipe_stack_after(|| {
            self.check_mac(data_key)?;
            self.open_payload(data_key, context)
        })
    }

    fn check_mac(&self, data_key: &DataKey) -> Result<(), OpenError> {
        if self.is_intact(data_key) { Ok(()) } else { Err(OpenError::EnvelopeAltered) }
    }
}
