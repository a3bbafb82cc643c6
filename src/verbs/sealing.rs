//! Sealing, verifying and opening.

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
use crate::verbs::recording::Recording;
use crate::verbs::two_phase::Draft;
use crate::verbs::wrapping::{Wraps, front_len, wrap_later, wrap_now};

impl Keyring {
    /// Seals a credential for a context.
    ///
    /// Encrypts the credential under a fresh data key, and the data key under the primary and every escrow key. Draws
    /// 44 bytes of the operating system's randomness, in one call.
    ///
    /// # Errors
    ///
    /// Returns [`SealError::TooLong`] if the credential is longer than 16 MiB, [`SealError::Random`] if the randomness
    /// source fails, [`SealError::NoPrimary`] if the keyring only opens, [`SealError::Wrap`] if a key fails to wrap,
    /// and [`SealError::WouldBlock`] if a key is remote; use [`seal_async`](Self::seal_async) for remote keys.
    #[cfg(feature = "getrandom")]
    pub fn seal(
        &self,
        secret: &Secret,
        context: &EncryptionContext,
    ) -> Result<Envelope, SealError> {
        self.seal_with_rng(secret, context, &mut getrandom::SysRng)
    }

    /// Seals as [`seal`](Self::seal) does, with randomness from `rng`: 44 bytes in one call.
    ///
    /// # Errors
    ///
    /// Returns the same errors as `seal`.
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

    /// Seals as [`seal`](Self::seal) does, and waits for remote keys.
    ///
    /// **The method draws the randomness and encrypts the payload before it returns the future**; the keys are called
    /// when the future is polled.
    ///
    /// # Errors
    ///
    /// Returns the same errors as `seal`, except [`SealError::WouldBlock`].
    #[cfg(feature = "getrandom")]
    pub fn seal_async<'a>(
        &'a self,
        secret: &Secret,
        context: &EncryptionContext,
    ) -> impl Future<Output = Result<Envelope, SealError>> + Send + use<'a> {
        self.finish_async(self.draft(secret, context, &mut getrandom::SysRng))
    }

    /// Seals as [`seal_async`](Self::seal_async) does, with randomness from `rng`: 44 bytes in one call.
    ///
    /// The future does not hold the RNG, so it is `Send` even if the RNG is not.
    ///
    /// # Errors
    ///
    /// Returns the same errors as `seal_async`.
    pub fn seal_async_with_rng<'a>(
        &'a self,
        secret: &Secret,
        context: &EncryptionContext,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> ProviderFuture<'a, Result<Envelope, SealError>> {
        // A named type, because `impl Future` would be tied to the type of the RNG.
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
    /// Returns an [`OpenError`], each variant of which calls for a different action. Distinguishing the
    /// variants tells an attacker nothing new: each follows from public bytes, or is the verdict of a MAC. The page
    /// [operations](crate::docs::operations) says what to show to customers.
    pub fn open(
        &self,
        envelope: &Envelope,
        context: &EncryptionContext,
    ) -> Result<Secret, OpenError> {
        wipe_stack_after(|| match self.recorder() {
            None => {
                let mut data_key = Wiped::zeroed();
                let (prf, _) = self.unwrap_now(envelope, &mut data_key)?;
                envelope.open_payload(&prf, context)
            }
            Some(recorder) => self.open_recorded(&Recording { recorder, envelope, context }),
        })
    }

    /// Opens as [`open`](Self::open) does, and waits for remote keys.
    ///
    /// In a spawned task, `stream::iter(&rows).map(|row| ring.open_async(row, …))` does not compile ("`FnOnce` is
    /// not general enough"). Move what each call needs into it instead, as in
    /// `let ring = ring.clone(); async move { ring.open_async(&row, &context).await }`.
    ///
    /// # Errors
    ///
    /// Returns the same errors as `open`, except [`UnwrapError::WouldBlock`].
    pub fn open_async<'a>(
        &'a self,
        envelope: &'a Envelope,
        context: &'a EncryptionContext,
    ) -> impl Future<Output = Result<Secret, OpenError>> + Send + use<'a> {
        wipe_stack_after_polls(async move {
            match self.recorder() {
                None => {
                    let (data_key, _) = self.unwrap_later(envelope).await?;
                    envelope.open_payload(&Prf::new(data_key.expose_secret()), context)
                }
                Some(recorder) => {
                    self.open_recorded_async(&Recording { recorder, envelope, context }).await
                }
            }
        })
    }

    /// Checks that nobody altered the envelope.
    ///
    /// Unwraps the data key and compares the MAC. This needs no context and decrypts nothing, so it is suitable for an
    /// auditor who must not see a credential. [`RecorderRequired`](crate::RecorderRequired) checks the context, too.
    ///
    /// The MAC covers the length of the ciphertext, not its bytes: this finds a row that a column cut off, but only
    /// opening finds [`OpenError::PayloadAltered`].
    ///
    /// # Errors
    ///
    /// Returns an [`UnwrapError`] if there is no data key under which the envelope is intact.
    pub fn verify(&self, envelope: &Envelope) -> Result<(), UnwrapError> {
        wipe_stack_after_hashing(|| self.unwrap_now(envelope, &mut Wiped::zeroed()).map(drop))
    }

    /// Verifies as [`verify`](Self::verify) does, and waits for remote keys.
    ///
    /// # Errors
    ///
    /// Returns the same errors as `verify`, except [`UnwrapError::WouldBlock`].
    pub fn verify_async<'a>(
        &'a self,
        envelope: &'a Envelope,
    ) -> impl Future<Output = Result<(), UnwrapError>> + Send + use<'a> {
        wipe_stack_after_polls(async move { self.unwrap_later(envelope).await.map(drop) })
    }
}

impl Envelope {
    /// Verifies as [`Keyring::verify`] does, for a caller who has unwrapped the data key.
    ///
    /// # Errors
    ///
    /// Returns [`UnwrapError::EnvelopeAltered`] if this is not the data key of the envelope, if something before the
    /// ciphertext was altered, or if the ciphertext has another length.
    pub fn verify_with(&self, data_key: &DataKey) -> Result<(), UnwrapError> {
        wipe_stack_after_hashing(|| self.check_proof(&Prf::new(data_key.expose_secret())))
    }

    /// Opens as [`Keyring::open`] does, for a caller who has unwrapped the data key.
    ///
    /// # Errors
    ///
    /// Returns [`UnwrapError::EnvelopeAltered`] as an [`OpenError::Unwrap`], [`OpenError::ContextMismatch`] or
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
