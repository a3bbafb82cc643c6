//! Seal, verify, open.

use rand_core::TryCryptoRng;

use crate::cipher::Prf;
use crate::format::context::EncryptionContext;
use crate::format::envelope::Envelope;
use crate::keys::data_key::DataKey;
use crate::keys::keyring::Keyring;
use crate::keys::provider_future::ProviderFuture;
use crate::secret::Secret;
use crate::secret::wiping::Wiped;
use crate::secret::wiping::{wipe_stack_after, wipe_stack_after_hashing, wipe_stack_after_polls};
use crate::verbs::errors::{OpenError, SealError, UnwrapError};
use crate::verbs::payload::{Sealed, draw};
use crate::verbs::two_phase::Draft;
use crate::verbs::wrapping::{Wraps, front_len, wrap_later, wrap_now};

impl Keyring {
    /// Seals a credential for a context: encrypts it under a fresh data key, and the data key
    /// under the primary and every escrow key. Draws 44 bytes of the operating system's
    /// randomness, in one call.
    ///
    /// # Errors
    ///
    /// [`SealError::TooLong`] over 16 MiB, [`SealError::Random`] when the randomness source fails,
    /// [`SealError::NoPrimary`] when the keyring only opens, [`SealError::Wrap`] when a key does not wrap,
    /// [`SealError::WouldBlock`] when one is remote: that is what [`seal_async`](Self::seal_async) is for.
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
            let keys = self.sealing_keys().ok_or(SealError::NoPrimary)?;
            let mut data_key = Wiped::zeroed();
            let iv = draw(&mut data_key, rng)?;
            let (suite, room) = (self.suite(), front_len(keys.clone()));
            let prf = Prf::new(&data_key);
            let sealed = Sealed::encrypt(&prf, iv, secret, context, suite, room)?;
            let mut wraps = Wraps::default();
            wrap_now(keys, suite, &sealed.commitment, &data_key, &mut wraps)?;
            Ok(sealed.finish_for_keyring(&prf, wraps.iter()))
        })
    }

    /// [`seal`](Self::seal) over remote keys.
    ///
    /// **The randomness is drawn and the payload encrypted before the future is returned**; the keys are asked
    /// when it is polled.
    ///
    /// # Errors
    ///
    /// As `seal`, without [`SealError::WouldBlock`].
    #[cfg(feature = "getrandom")]
    pub fn seal_async<'a>(
        &'a self,
        secret: &Secret,
        context: &EncryptionContext,
    ) -> impl Future<Output = Result<Envelope, SealError>> + Send + use<'a> {
        self.finish_async(self.draft(secret, context, &mut getrandom::SysRng))
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
    ) -> ProviderFuture<'a, Result<Envelope, SealError>> {
        // Named, because `impl Future` would be tied to the type of the RNG.
        ProviderFuture::boxed(self.finish_async(self.draft(secret, context, rng)))
    }

    fn draft(
        &self,
        secret: &Secret,
        context: &EncryptionContext,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Draft, SealError> {
        let keys = self.sealing_keys().ok_or(SealError::NoPrimary)?;
        Draft::of(secret, context, self.suite(), front_len(keys), rng)
    }

    fn finish_async(
        &self,
        draft: Result<Draft, SealError>,
    ) -> impl Future<Output = Result<Envelope, SealError>> + Send {
        wipe_stack_after_polls(async move {
            let Draft { data_key, sealed } = draft?;
            let keys = self.sealing_keys().ok_or(SealError::NoPrimary)?;
            let wraps = wrap_later(keys, sealed.suite, &sealed.commitment, &data_key).await?;
            Ok(sealed.finish_for_keyring(&Prf::new(data_key.expose_secret()), wraps.iter()))
        })
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
        wipe_stack_after(|| {
            let mut data_key = Wiped::zeroed();
            let prf = self.unwrap_now(envelope, &mut data_key)?;
            envelope.open_payload(&prf, context)
        })
    }

    /// [`open`](Self::open) over remote keys.
    ///
    /// In a spawned task, `stream::iter(&rows).map(|row| ring.open_async(row, …))` does not compile ("`FnOnce` is
    /// not general enough"): move what each call needs into it, as in
    /// `let ring = ring.clone(); async move { ring.open_async(&row, &context).await }`.
    ///
    /// # Errors
    ///
    /// As `open`, without [`UnwrapError::WouldBlock`].
    pub fn open_async<'a>(
        &'a self,
        envelope: &'a Envelope,
        context: &'a EncryptionContext,
    ) -> impl Future<Output = Result<Secret, OpenError>> + Send + use<'a> {
        wipe_stack_after_polls(async move {
            let data_key = self.unwrap_later(envelope).await?;
            envelope.open_payload(&Prf::new(data_key.expose_secret()), context)
        })
    }

    /// Checks that nobody altered the envelope: unwraps the data key and compares the MAC. Needs
    /// no context and decrypts nothing, so it answers an auditor who may see no credential.
    ///
    /// It reads the length of the ciphertext, not its bytes: it finds a row that a column cut, and
    /// only opening finds [`OpenError::PayloadAltered`].
    ///
    /// # Errors
    ///
    /// [`UnwrapError`].
    pub fn verify(&self, envelope: &Envelope) -> Result<(), UnwrapError> {
        wipe_stack_after_hashing(|| self.unwrap_now(envelope, &mut Wiped::zeroed()).map(drop))
    }

    /// [`verify`](Self::verify) over remote keys.
    ///
    /// # Errors
    ///
    /// As `verify`, without [`UnwrapError::WouldBlock`].
    pub fn verify_async<'a>(
        &'a self,
        envelope: &'a Envelope,
    ) -> impl Future<Output = Result<(), UnwrapError>> + Send + use<'a> {
        wipe_stack_after_polls(async move { self.unwrap_later(envelope).await.map(drop) })
    }
}

impl Envelope {
    /// [`Keyring::verify`] for a caller who has unwrapped the data key.
    ///
    /// # Errors
    ///
    /// [`UnwrapError::EnvelopeAltered`] when it is not the data key of this envelope, something before
    /// the ciphertext was altered, or the ciphertext has another length.
    pub fn verify_with(&self, data_key: &DataKey) -> Result<(), UnwrapError> {
        wipe_stack_after_hashing(|| self.check_proof(&Prf::new(data_key.expose_secret())))
    }

    /// [`Keyring::open`] for a caller who has unwrapped the data key.
    ///
    /// # Errors
    ///
    /// [`UnwrapError::EnvelopeAltered`], [`OpenError::ContextMismatch`] or
    /// [`OpenError::PayloadAltered`].
    pub fn open_with(
        &self,
        data_key: &DataKey,
        context: &EncryptionContext,
    ) -> Result<Secret, OpenError> {
        wipe_stack_after(|| {
            let prf = Prf::new(data_key.expose_secret());
            self.check_proof(&prf)?;
            self.open_payload(&prf, context)
        })
    }
}
