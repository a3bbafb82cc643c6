//! Receives what the search sends, and makes values from it.

use std::ops::{Deref, DerefMut};
use std::panic::resume_unwind;

use rand_core::{TryCryptoRng, TryRng};
use residue::pipe::{self, role};
use sealwax::{DataKey, EncryptionContext, KeyId, Keyring, MasterKey, OpeningKey, Secret, Suite};

/// Requests bytes of a role, and returns how many there are.
fn ask(role: u8, number: u8, size: usize) -> usize {
    pipe::write(&pipe::message(pipe::GIVE, role, number, size));
    let mut len = [0; 4];
    pipe::read(&mut len);
    u32::from_le_bytes(len).try_into().unwrap_or_default()
}

/// Returns bytes in a buffer of exactly their size, which the library can take over.
pub fn bytes(role: u8, number: u8, size: usize) -> Vec<u8> {
    let mut buffer = vec![0; ask(role, number, size)];
    pipe::read(&mut buffer);
    buffer
}

/// Returns text in such a buffer.
pub fn text(role: u8, number: u8, size: usize) -> String {
    String::from_utf8(bytes(role, number, size)).expect("the search sends text for it")
}

/// Bytes that the probe lends to the library. A caller has to wipe what it keeps.
pub struct Lent(Vec<u8>);

impl Lent {
    pub fn new(role: u8, number: u8, size: usize) -> Self {
        Self(bytes(role, number, size))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the search sends text for it")
    }
}

impl Deref for Lent {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        for byte in &mut self.0 {
            // SAFETY: a byte that we own. Not wiped with zeroize, which the control switches off.
            unsafe { std::ptr::from_mut(byte).write_volatile(0) };
        }
    }
}

/// Draws what the search sends, straight into the library's buffer, or misbehaves.
pub enum Rng {
    Of(u8, u8),
    Fails,
    Panics,
    RepeatsAByte,
}

/// Draws the 44 bytes of a seal.
pub const DRAWN: Rng = Rng::Of(role::DRAWN, 0);
/// Draws the IV of a row.
pub const IV: Rng = Rng::Of(role::IV, 0);

#[derive(Debug)]
pub struct Failed;

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no randomness")
    }
}

impl std::error::Error for Failed {}

impl TryRng for Rng {
    type Error = Failed;

    fn try_next_u32(&mut self) -> Result<u32, Failed> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Failed> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Failed> {
        match self {
            Self::Of(role, number) => {
                assert_eq!(ask(*role, *number, buffer.len()), buffer.len());
                pipe::read(buffer);
                Ok(())
            }
            // A source that fails halfway leaves what it has written.
            Self::Fails | Self::Panics => {
                let (half, _) = buffer.split_at_mut(buffer.len() / 2);
                assert_eq!(ask(role::DATA_KEY, 0, half.len()), half.len());
                pipe::read(half);
                if matches!(self, Self::Panics) {
                    resume_unwind(Box::new(()));
                }
                Err(Failed)
            }
            Self::RepeatsAByte => {
                buffer.fill(0x77);
                Ok(())
            }
        }
    }
}

impl TryCryptoRng for Rng {}

pub fn id(id: &str) -> KeyId {
    id.parse().expect("a key id")
}

pub fn master_key(number: u8) -> MasterKey {
    MasterKey::from_bytes(&mut bytes(role::MASTER_KEY, number, 32)).expect("32 random bytes")
}

pub fn data_key(number: u8) -> DataKey {
    DataKey::from_bytes(&mut bytes(role::DATA_KEY, number, 32)).expect("32 random bytes")
}

pub fn pair(number: u8) -> OpeningKey {
    OpeningKey::from_bytes(&mut bytes(role::PAIR, number, 64)).expect("64 random bytes")
}

/// Returns a keyring in which `prod` seals and `dr` is its escrow.
pub fn keyring(suite: Suite) -> Keyring {
    Keyring::new(id("prod"), master_key(0))
        .unwrap()
        .with_escrow(id("dr"), master_key(1))
        .expect("two ids")
        .with_suite(suite)
}

/// Returns the keyring after a rotation.
pub fn next_keyring(suite: Suite) -> Keyring {
    Keyring::new(id("next"), master_key(2))
        .unwrap()
        .with_retired(id("prod"), master_key(0))
        .expect("two ids")
        .with_suite(suite)
}

pub fn secret(size: usize) -> Secret {
    Secret::from(bytes(role::PLAINTEXT, 0, size))
}

pub fn context() -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme"), ("row", "1")]).expect("two pairs")
}

/// Formats everything that an error says.
pub fn says(error: &dyn std::error::Error) {
    std::hint::black_box(format!("{error} {error:?} {:?}", error.source()));
}
