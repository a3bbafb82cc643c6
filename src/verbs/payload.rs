//! Encryption and decryption of the payload, over the same derivation, and the MAC.
//!
//! A data key is passed in as the [`Prf`] under it, which each operation sets up once.

use alloc::vec;

use rand_core::TryCryptoRng;

use crate::cipher::{self, Prf, is_equal};
use crate::format::binary::Frame;
use crate::format::context::EncryptionContext;
use crate::format::envelope::{Envelope, Unproven};
use crate::format::error::FormatError;
use crate::format::sizes::{COMMITMENT_LEN, IV_LEN, KEY_LEN, MAC_LEN, MAX_PLAINTEXT_LEN, TAG_LEN};
use crate::format::suite::Suite;
use crate::format::wrapped_key::Wrap;
use crate::secret::Secret;
use crate::secret::key_bytes::is_weak;
use crate::secret::wiping::Wiped;
use crate::verbs::errors::{OpenError, SealError, UnwrapError};

/// Empty, because the payload's key is derived from the context and commits to it, which associated data would not.
const NO_ASSOCIATED_DATA: &[u8] = &[];

/// The values that the payload's key and the commitment are derived from.
///
/// bound      = suite ‖ iv ‖ SHA-256(context)
/// key        = expand(DEK, "sw1/data" ‖ bound, 32)
/// commitment = expand(DEK, "sw1/comm" ‖ bound, 32)
pub(super) struct Bound<'a> {
    suite: [u8; 1],
    iv: &'a [u8; IV_LEN],
    context: [u8; 32],
}

impl<'a> Bound<'a> {
    fn new(suite: Suite, iv: &'a [u8; IV_LEN], context: &EncryptionContext) -> Self {
        Self { suite: [suite.id()], iv, context: cipher::sha256(&[context.encoded()]) }
    }

    fn key(&self, data_key: &Prf) -> Wiped<KEY_LEN> {
        data_key.expand(&[b"sw1/data", &self.suite, self.iv, &self.context])
    }

    fn commitment(&self, data_key: &Prf) -> Wiped<COMMITMENT_LEN> {
        data_key.expand(&[b"sw1/comm", &self.suite, self.iv, &self.context])
    }
}

/// Computes the MAC of an envelope.
///
/// mac = HMAC-SHA-256(DEK, "sw1/mac" ‖ head ‖ iv ‖ tag ‖ u32(length of ciphertext))[0..16]
fn mac(data_key: &Prf, envelope: &Envelope) -> [u8; MAC_LEN] {
    let len = envelope.ciphertext_len().to_be_bytes();
    *data_key.mac(&[b"sw1/mac", envelope.head(), envelope.iv(), envelope.tag(), &len])
}

/// An envelope without its wrapped keys and its MAC; everything in it is public.
pub(super) struct Sealed {
    pub(super) suite: Suite,
    iv: [u8; IV_LEN],
    pub(super) commitment: [u8; COMMITMENT_LEN],
    tag: [u8; TAG_LEN],
    frame: Frame,
}

/// Draws `DEK(32) ‖ iv(12)` in one call, and writes the key to `data_key`.
pub(super) fn draw(
    data_key: &mut [u8; KEY_LEN],
    rng: &mut (impl TryCryptoRng + ?Sized),
) -> Result<[u8; IV_LEN], SealError> {
    let mut drawn = Wiped::<{ KEY_LEN + IV_LEN }>::zeroed();
    rng.try_fill_bytes(drawn.as_mut_slice()).map_err(|_| SealError::Random)?;
    let (key, iv) = drawn.split_at(KEY_LEN);
    data_key.copy_from_slice(key);
    if is_weak(data_key) {
        return Err(SealError::Random);
    }
    drawn_iv(iv)
}

impl Sealed {
    pub(super) fn encrypt(
        data_key: &Prf,
        iv: [u8; IV_LEN],
        secret: &Secret,
        context: &EncryptionContext,
        suite: Suite,
        room: usize,
    ) -> Result<Self, SealError> {
        if secret.len() > MAX_PLAINTEXT_LEN {
            return Err(SealError::TooLong);
        }
        let bound = Bound::new(suite, &iv, context);
        let (key, commitment) = (bound.key(data_key), *bound.commitment(data_key));
        let mut frame = Frame::zeroed(room, secret.len());
        let tag = cipher::encrypt(
            suite,
            &key,
            &iv,
            NO_ASSOCIATED_DATA,
            secret.expose_secret(),
            frame.ciphertext_mut(),
        )
        .map_err(|_| SealError::TooLong)?;
        Ok(Self { suite, iv, commitment, tag, frame })
    }

    pub(super) fn finish<'w>(
        self,
        data_key: &Prf,
        wraps: impl Iterator<Item = Wrap<'w>> + Clone,
    ) -> Result<Envelope, FormatError> {
        let Self { suite, iv, commitment, tag, frame } = self;
        let unproven = Unproven::assemble(suite, wraps, &commitment, &iv, &tag, frame)?;
        Ok(prove(unproven, data_key))
    }

    /// Assembles the envelope with the wraps of a keyring.
    #[expect(clippy::expect_used, reason = "a default would lose the credential")]
    pub(super) fn finish_for_keyring<'w>(
        self,
        data_key: &Prf,
        wraps: impl Iterator<Item = Wrap<'w>> + Clone,
    ) -> Envelope {
        self.finish(data_key, wraps).expect("a keyring seals with 1 to 8 keys, each id once")
    }
}

/// Returns the IV that was drawn, unless it is all zeros.
///
/// An RNG that left the end of its buffer unwritten must not seal. Any other IV is acceptable, because it is not secret
/// and its key is used once.
pub(super) fn drawn_iv(drawn: &[u8]) -> Result<[u8; IV_LEN], SealError> {
    match drawn.try_into() {
        Ok(iv) if iv != [0; IV_LEN] => Ok(iv),
        _ => Err(SealError::Random),
    }
}

/// Completes an envelope with the MAC under its data key.
pub(crate) fn prove(unproven: Unproven, data_key: &Prf) -> Envelope {
    let mac = mac(data_key, unproven.envelope());
    unproven.with_mac(&mac)
}

impl Envelope {
    /// Returns whether the envelope was sealed or rewrapped by someone who knew this data key.
    pub(super) fn is_proven_by(&self, data_key: &Prf) -> bool {
        is_equal(&mac(data_key, self), self.mac())
    }

    /// Returns an error unless the envelope is proven by this data key.
    pub(super) fn check_proof(&self, data_key: &Prf) -> Result<(), UnwrapError> {
        if self.is_proven_by(data_key) { Ok(()) } else { Err(UnwrapError::EnvelopeAltered) }
    }

    /// Opens the payload of an envelope that is intact under this data key.
    pub(super) fn open_payload(
        &self,
        data_key: &Prf,
        context: &EncryptionContext,
    ) -> Result<Secret, OpenError> {
        let bound = self.bound_to(context);
        if !self.is_committed_to(&bound, data_key) {
            return Err(OpenError::ContextMismatch);
        }
        self.decrypt(&bound, data_key)
    }

    pub(super) fn bound_to(&self, context: &EncryptionContext) -> Bound<'_> {
        Bound::new(self.suite(), self.iv(), context)
    }

    /// Returns whether an envelope that is intact under this data key was sealed for the context.
    pub(super) fn is_committed_to(&self, bound: &Bound<'_>, data_key: &Prf) -> bool {
        is_equal(&bound.commitment(data_key), self.commitment())
    }

    pub(super) fn decrypt(&self, bound: &Bound<'_>, data_key: &Prf) -> Result<Secret, OpenError> {
        let mut plaintext = vec![0; self.ciphertext().len()];
        cipher::decrypt(
            self.suite(),
            &bound.key(data_key),
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
