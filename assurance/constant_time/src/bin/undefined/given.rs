//! Secrets that are marked as undefined, and the values that are made from them.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sealwax::triplet::TripletKey;
use sealwax::{DataKey, EncryptionContext, Envelope, KeyId, Keyring, MasterKey, Secret, Suite};

use crate::memcheck::{public, published, secret};

/// Returns 32 bytes that count up from `first` in steps of 7, so that no two keys are equal.
pub fn public_bytes(first: u8) -> Vec<u8> {
    (0..32).map(|i: u8| i.wrapping_mul(7).wrapping_add(first)).collect()
}

/// Returns the same bytes, marked as secret.
pub fn bytes(first: u8) -> Vec<u8> {
    let bytes = public_bytes(first);
    secret(&bytes);
    bytes
}

/// Returns a text, all of it marked as secret.
pub fn text(text: &str) -> String {
    let text = text.to_owned();
    secret(text.as_bytes());
    text
}

/// Draws what a function fills each buffer with.
pub struct Draws<F>(pub F);

/// Draws a secret that is one repeated byte, except for its last byte.
///
/// A check for weak keys that ended at the first difference would be reported at each byte. The IV that
/// follows the secret in a seal is public.
pub fn drawn() -> Draws<impl FnMut(&mut [u8])> {
    Draws(|buffer: &mut [u8]| {
        buffer.fill(11);
        if let Some(key) = buffer.get_mut(..32) {
            key[31] = 12;
            secret(key);
        }
    })
}

impl<F: FnMut(&mut [u8])> TryRng for Draws<F> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(4)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(4)
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        (self.0)(buffer);
        Ok(())
    }
}

impl<F: FnMut(&mut [u8])> TryCryptoRng for Draws<F> {}

/// Returns a master key whose bytes are secret. Its check value is public, because every wrap contains it.
pub fn master_key(first: u8) -> MasterKey {
    let key = MasterKey::from_bytes(&mut bytes(first)).expect("not a weak key");
    public(&block_of(&key)[check_at()..][..4]);
    key
}

/// Finds the check value in the block that a master key points to, using a key that is not secret.
fn check_at() -> usize {
    let key = MasterKey::from_bytes(&mut public_bytes(1)).expect("not a weak key");
    let (block, check) = (block_of(&key), key.check_value());
    // The padding between its fields was never written.
    public(block);
    block.windows(4).position(|four| four == check).expect("a check value in a master key")
}

fn block_of(key: &MasterKey) -> &[u8] {
    assert_eq!(size_of::<MasterKey>(), size_of::<*mut u8>(), "a master key is one pointer");
    // SAFETY: a master key is a box, as just asserted, and the allocator returns the length of the block.
    unsafe {
        let block = *std::ptr::from_ref(key).cast::<*mut u8>();
        std::slice::from_raw_parts(block, libc::malloc_usable_size(block.cast()))
    }
}

pub fn data_key(first: u8) -> DataKey {
    published(DataKey::from_bytes(&mut bytes(first))).expect("not a weak key")
}

pub fn row_key(first: u8) -> TripletKey {
    published(TripletKey::from_bytes(&mut bytes(first))).expect("not a weak key")
}

pub fn credential(len: usize) -> Secret {
    let bytes: Vec<u8> = (0..len).map(|i| b'!' + u8::try_from(i % 90).unwrap_or(0)).collect();
    secret(&bytes);
    Secret::from(bytes)
}

pub fn id(id: &str) -> KeyId {
    id.parse().expect("a key id")
}

pub fn keyring(suite: Suite) -> Keyring {
    Keyring::new(id("prod"), master_key(1))
        .unwrap()
        .with_escrow(id("dr"), master_key(2))
        .expect("two ids")
        .with_suite(suite)
}

pub fn next_keyring(suite: Suite) -> Keyring {
    Keyring::new(id("next"), master_key(3))
        .unwrap()
        .with_retired(id("prod"), master_key(1))
        .expect("two ids")
        .with_suite(suite)
}

pub fn context() -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme"), ("row", "1")]).expect("two pairs")
}

/// Marks an envelope as public.
pub fn public_envelope(envelope: Envelope) -> Envelope {
    public(envelope.as_bytes());
    envelope
}

pub fn sealed(suite: Suite, len: usize) -> Envelope {
    let sealed = keyring(suite).seal_with_rng(&credential(len), &context(), &mut drawn());
    public_envelope(sealed.expect("sealed"))
}

/// Returns the envelope with one byte changed, counted from its end.
pub fn altered(envelope: &Envelope, from_end: usize) -> Envelope {
    let mut bytes = Vec::from(envelope.clone());
    let at = bytes.len() - from_end;
    bytes[at] ^= 1;
    bytes.try_into().expect("the layout is unchanged")
}
