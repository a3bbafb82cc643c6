//! The payload: what encrypts it and what decrypts it, over the same derivation, and the mac.

use alloc::vec;

use rand_core::TryCryptoRng;

use super::{OpenError, SealError};
use crate::cipher::{self, Okm, Prf, is_equal};
use crate::context::EncryptionContext;
use crate::envelope::{Envelope, Payload};
use crate::format_error::FormatError;
use crate::key_bytes::{Wiped, is_weak};
use crate::secret::Secret;
use crate::suite::{COMMITMENT_LEN, IV_LEN, KEY_LEN, MAC_LEN, MAX_PLAINTEXT_LEN, Suite, TAG_LEN};
use crate::wrapped_key::Wrap;

/// The context is in the payload's key, which commits to it; associated data would not.
const NO_ASSOCIATED_DATA: &[u8] = &[];

/// The payload's key, and the commitment to data key, suite, iv and context.
///
/// info = "sw1/data" ‖ suite ‖ iv ‖ SHA-256(context)
/// okm  = expand(DEK, info, 64)        key = okm[0..32]        commitment = okm[32..64]
fn payload_keys(
    data_key: &[u8; KEY_LEN],
    suite: Suite,
    iv: &[u8; IV_LEN],
    context: &EncryptionContext,
) -> Okm<2, KEY_LEN> {
    let context = cipher::sha256(&[context.encoded()]);
    Prf::new(data_key).expand(&[b"sw1/data", &[suite.id()], iv, &context])
}

/// mac = HMAC-SHA-256(DEK, "sw1/mac" ‖ head ‖ iv ‖ tag)[0..16]
pub(crate) fn mac(
    data_key: &[u8; KEY_LEN],
    head: &[u8],
    iv: &[u8; IV_LEN],
    tag: &[u8; TAG_LEN],
) -> [u8; MAC_LEN] {
    cipher::mac(data_key, &[b"sw1/mac", head, iv, tag])
}

/// An envelope but for its wrapped keys and its mac. Everything in it is public.
pub(super) struct Sealing {
    pub(super) suite: Suite,
    iv: [u8; IV_LEN],
    pub(super) commitment: [u8; COMMITMENT_LEN],
    tag: [u8; TAG_LEN],
    payload: Payload,
}

/// Draws `DEK(32) ‖ iv(12)` in one call: the key into `data_key`.
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

impl Sealing {
    pub(super) fn encrypt(
        data_key: &[u8; KEY_LEN],
        iv: [u8; IV_LEN],
        secret: &Secret,
        context: &EncryptionContext,
        suite: Suite,
        room: usize,
    ) -> Result<Self, SealError> {
        if secret.len() > MAX_PLAINTEXT_LEN {
            return Err(SealError::TooLong);
        }
        let keys = payload_keys(data_key, suite, &iv, context);
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
        Ok(Self { suite, iv, commitment: *commitment, tag, payload })
    }

    pub(super) fn finish<'w>(
        self,
        data_key: &[u8; KEY_LEN],
        wraps: impl Iterator<Item = Wrap<'w>> + Clone,
    ) -> Result<Envelope, FormatError> {
        let Self { suite, iv, commitment, tag, payload } = self;
        Envelope::assemble(suite, wraps, &commitment, &iv, &tag, payload, |head| {
            mac(data_key, head, &iv, &tag)
        })
    }
}

/// An RNG that left the end of its buffer unwritten must not seal. Any other iv is as good as the
/// next: it is not secret, and its key is used once.
pub(super) fn drawn_iv(drawn: &[u8]) -> Result<[u8; IV_LEN], SealError> {
    match drawn.try_into() {
        Ok(iv) if iv != [0; IV_LEN] => Ok(iv),
        _ => Err(SealError::Random),
    }
}

impl Envelope {
    /// Checks that whoever sealed the envelope, or rewrapped it, knew this data key.
    pub(crate) fn check_mac(&self, data_key: &[u8; KEY_LEN]) -> Result<(), OpenError> {
        let expected = mac(data_key, self.head(), self.iv(), self.tag());
        if is_equal(&expected, self.mac()) { Ok(()) } else { Err(OpenError::EnvelopeAltered) }
    }

    /// Opens the payload of an envelope that is intact under this data key.
    pub(super) fn open_payload(
        &self,
        data_key: &[u8; KEY_LEN],
        context: &EncryptionContext,
    ) -> Result<Secret, OpenError> {
        let keys = payload_keys(data_key, self.suite(), self.iv(), context);
        let [key, commitment] = &*keys;
        if !is_equal(commitment, self.commitment()) {
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
