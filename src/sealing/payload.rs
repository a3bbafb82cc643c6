//! The payload: what encrypts it and what decrypts it, over the same derivation, and the mac.

use alloc::vec;

use rand_core::TryCryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{OpenError, SealError};
use crate::cipher::{self, Prf};
use crate::context::EncryptionContext;
use crate::envelope::{Envelope, Payload};
use crate::format_error::FormatError;
use crate::keys::data_key::DataKey;
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
pub(super) struct Sealing {
    pub(super) data_key: DataKey,
    pub(super) suite: Suite,
    iv: [u8; IV_LEN],
    pub(super) commitment: [u8; COMMITMENT_LEN],
    tag: [u8; TAG_LEN],
    payload: Payload,
}

impl Sealing {
    /// Draws `DEK(32) ‖ iv(12)` in one call, and encrypts.
    pub(super) fn draw(
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

    pub(super) fn encrypt(
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

    pub(super) fn finish<'w>(
        self,
        wraps: impl Iterator<Item = Wrap<'w>> + Clone,
    ) -> Result<Envelope, FormatError> {
        let Self { data_key, suite, iv, commitment, tag, payload } = self;
        Envelope::assemble(suite, wraps, &commitment, &iv, &tag, payload, |head| {
            mac(&data_key, head, &iv, &tag)
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
    /// Whether whoever sealed the envelope, or rewrapped it, knew this data key.
    pub(crate) fn is_intact(&self, data_key: &DataKey) -> bool {
        mac(data_key, self.head(), self.iv(), self.tag()).ct_eq(self.mac()).into()
    }

    /// Opens the payload of an envelope that is intact under this data key.
    pub(super) fn open_payload(
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
