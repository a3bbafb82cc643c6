//! Seal, verify, open; and sealing in two phases, for callers with a transport of their own.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use rand_core::TryCryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::cipher::{self, Prf};
use crate::context::EncryptionContext;
use crate::envelope::{Envelope, Payload};
use crate::format_error::FormatError;
use crate::keys::answer::Answer;
use crate::keys::data_key::DataKey;
use crate::keys::keyring::Keyring;
use crate::secret::{Secret, wipe_stack_after, wipe_stack_after_polls};
use crate::suite::{COMMITMENT_LEN, IV_LEN, KEY_LEN, MAC_LEN, MAX_PLAINTEXT_LEN, Suite, TAG_LEN};
use crate::wrapped_key::{Wrap, WrappedKey};

mod errors;
mod wrapping;

pub(crate) use errors::List;
pub use errors::{OpenError, SealError};
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
            let mut sealing = Sealing::draw(secret, context, self.suite(), self.front_len(), rng)?;
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
        let draft = wipe_stack_after(|| {
            Sealing::draw(secret, context, self.suite(), self.front_len(), rng).map(Draft::new)
        });
        let Draft(mut sealing) = match draft {
            Ok(draft) => draft,
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
            envelope.open_payload(&*self.unwrap_later(envelope).await?, context)
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

    /// Whether whoever sealed the envelope, or rewrapped it, knew this data key.
    pub(crate) fn is_intact(&self, data_key: &DataKey) -> bool {
        mac(data_key, self.head(), self.iv(), self.tag()).ct_eq(self.mac()).into()
    }

    /// Opens the payload of an envelope that is intact under this data key.
    fn open_payload(
        &self,
        data_key: &DataKey,
        context: &EncryptionContext,
    ) -> Result<Secret, OpenError> {
        let keys = payload_keys(data_key, self.suite(), self.iv(), context);
        let [key, commitment] = &*keys;
        if !bool::from(commitment.ct_eq(self.commitment())) {
            return Err(OpenError::ContextMismatch);
        }
        let mut plaintext = vec![0; self.ciphertext().len()];
        cipher::decrypt(
            self.suite(),
            key,
            self.iv(),
            NO_ASSOCIATED_DATA,
            self.ciphertext(),
            self.tag(),
            &mut plaintext,
        )
        .map_err(|_| OpenError::PayloadAltered)?;
        Ok(Secret::from(plaintext))
    }
}

/// The context is in the payload's key, which commits to it; associated data would not.
const NO_ASSOCIATED_DATA: &[u8] = &[];

/// The payload's key, and the commitment to data key, suite, iv and context.
///
/// info = "sw1/data" ‖ suite ‖ iv ‖ SHA-256(context)
/// okm  = expand(DEK, info, 64)        key = okm[0..32]        commitment = okm[32..64]
fn payload_keys(
    data_key: &DataKey,
    suite: Suite,
    iv: &[u8; IV_LEN],
    context: &EncryptionContext,
) -> Zeroizing<[[u8; KEY_LEN]; 2]> {
    let context = cipher::sha256(&[context.encoded()]);
    Prf::new(data_key.expose_secret()).expand(&[b"sw1/data", &[suite.id()], iv, &context])
}

/// mac = HMAC-SHA-256(DEK, "sw1/mac" ‖ head ‖ iv ‖ tag)[0..16]
pub(crate) fn mac(
    data_key: &DataKey,
    head: &[u8],
    iv: &[u8; IV_LEN],
    tag: &[u8; TAG_LEN],
) -> [u8; MAC_LEN] {
    cipher::mac(data_key.expose_secret(), &[b"sw1/mac", head, iv, tag])
}

/// An envelope but for its wrapped keys.
struct Sealing {
    data_key: DataKey,
    suite: Suite,
    iv: [u8; IV_LEN],
    commitment: [u8; COMMITMENT_LEN],
    tag: [u8; TAG_LEN],
    payload: Payload,
}

impl Sealing {
    /// Draws `DEK(32) ‖ iv(12)` in one call, and encrypts.
    fn draw(
        secret: &Secret,
        context: &EncryptionContext,
        suite: Suite,
        room: usize,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Self, SealError> {
        let mut drawn = Zeroizing::new([0; KEY_LEN + IV_LEN]);
        rng.try_fill_bytes(drawn.as_mut_slice()).map_err(|_| SealError::Random)?;
        let (data_key, iv) = drawn.split_at_mut(KEY_LEN);
        let data_key = DataKey::from_bytes(data_key).map_err(|_| SealError::Random)?;
        Self::encrypt(data_key, drawn_iv(iv)?, secret, context, suite, room)
    }

    fn encrypt(
        data_key: DataKey,
        iv: [u8; IV_LEN],
        secret: &Secret,
        context: &EncryptionContext,
        suite: Suite,
        room: usize,
    ) -> Result<Self, SealError> {
        if secret.len() > MAX_PLAINTEXT_LEN {
            return Err(SealError::TooLong);
        }
        let keys = payload_keys(&data_key, suite, &iv, context);
        let [key, commitment] = &*keys;
        let mut payload = Payload::zeroed(room, secret.len());
        let tag = cipher::encrypt(
            suite,
            key,
            &iv,
            NO_ASSOCIATED_DATA,
            secret.expose_secret(),
            payload.ciphertext_mut(),
        )
        .map_err(|_| SealError::TooLong)?;
        Ok(Self { data_key, suite, iv, commitment: *commitment, tag, payload })
    }

    /// By reference, so that the data key is wiped where it lies: a move would leave a copy.
    fn finish<'w>(
        &mut self,
        wraps: impl Iterator<Item = Wrap<'w>> + Clone,
    ) -> Result<Envelope, FormatError> {
        let Self { data_key, suite, iv, commitment, tag, payload } = self;
        let payload = core::mem::take(payload);
        Envelope::assemble(*suite, wraps, commitment, iv, tag, payload, |head| {
            mac(data_key, head, iv, tag)
        })
    }
}

/// An RNG that left the end of its buffer unwritten must not seal.
fn drawn_iv(drawn: &[u8]) -> Result<[u8; IV_LEN], SealError> {
    match drawn.try_into() {
        Ok(iv) if iv != [0; IV_LEN] => Ok(iv),
        _ => Err(SealError::Random),
    }
}

/// An envelope but for its wrapped keys, for a caller who has them wrapped in a way of his own.
///
/// [`prepare`] makes it, [`finish`](Self::finish) turns it into an [`Envelope`]; the data key is
/// wiped when it is dropped.
// In a box, so that moving the draft moves a pointer and leaves no copy of the data key behind.
pub struct Draft(Box<Sealing>);

impl Draft {
    fn new(sealing: Sealing) -> Self {
        Self(Box::new(sealing))
    }

    /// What is to be wrapped.
    #[must_use]
    pub fn data_key(&self) -> &DataKey {
        &self.0.data_key
    }

    /// The suite it was prepared with.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.0.suite
    }

    /// What a wrap is to be bound to: public, and different in every draft.
    #[must_use]
    pub fn commitment(&self) -> &[u8; COMMITMENT_LEN] {
        &self.0.commitment
    }

    /// Puts the envelope together. The wraps stand in it in the order given.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when there are no wraps, more than eight, or two under one key id.
    pub fn finish(mut self, wraps: Vec<WrappedKey>) -> Result<Envelope, FormatError> {
        wipe_stack_after(|| self.0.finish(wraps.iter().map(WrappedKey::as_wrap)))
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sealing { data_key: _, suite, iv: _, commitment: _, tag: _, payload: _ } = &*self.0;
        f.debug_struct("Draft").field("suite", suite).finish_non_exhaustive()
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
    wipe_stack_after(|| Sealing::draw(secret, context, suite, NO_ROOM, rng).map(Draft::new))
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
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is used up: it seals once, and is wiped where the caller's value lies"
)]
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
        let iv = drawn_iv(&iv)?;
        // A duplicate, and not the key itself: to move it would leave a copy in the caller's frame,
        // where no wipe reaches.
        Sealing::encrypt(data_key.duplicate(), iv, secret, context, suite, NO_ROOM).map(Draft::new)
    })
}
