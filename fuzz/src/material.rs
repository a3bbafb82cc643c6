//! Keys, keyrings and contexts that are the same in every run, for the crate and for the reference.

use std::convert::Infallible;
use std::sync::LazyLock;

use rand_core::{TryCryptoRng, TryRng};
use sealwax::{EncryptionContext, Keyring, MasterKey, Suite};

use super::reference;
use super::reference::Key;
use super::reference::keyring::{Entry, State};

/// Returns 32 bytes that count up from a number, so never one byte repeated.
pub const fn key(number: u8) -> Key {
    let mut key = [number; 32];
    let mut place = 0;
    while place < 32 {
        key[place] = number.wrapping_add(place as u8);
        place += 1;
    }
    key
}

/// The data key and the IV of anything that is sealed only once.
pub const DEK: Key = key(0x80);
pub const IV: [u8; 12] = *b"twelve bytes";

/// The key of rows from other programs.
pub const TRIPLET_KEY: Key = key(0);

/// One keyring, in the form of the crate and in that of the reference.
pub struct Ring {
    pub keyring: Keyring,
    pub reference: reference::keyring::Keyring,
}

impl Ring {
    /// Builds a keyring from the state, the id and the key number of each entry.
    pub fn new(entries: &[(State, &str, u8)]) -> Self {
        let entries = entries.iter().map(|(state, id, number)| Entry {
            state: *state,
            id: (*id).to_owned(),
            key: state.has_material().then_some(key(*number)),
        });
        let reference: reference::keyring::Keyring = entries.collect();
        let keyring = reference::keyring::text(&reference).parse().unwrap();
        Self { keyring, reference }
    }
}

/// The keyring that the parser targets open with.
pub static RING: LazyLock<Ring> = LazyLock::new(|| {
    Ring::new(&[
        (State::Primary, "prod", 1),
        (State::Retired, "prod-2026", 2),
        (State::Escrow, "dr", 3),
        (State::Disabled, "off", 0),
        (State::Leaked, "out", 0),
        (State::Destroyed, "gone", 0),
    ])
});

pub fn master_key(number: u8) -> MasterKey {
    MasterKey::from_bytes(&mut key(number)).unwrap()
}

pub fn suite(id: u8) -> Suite {
    if id == 1 { Suite::Aes256Gcm } else { Suite::ChaCha20Poly1305 }
}

pub fn context(row: &str) -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme"), ("row", row)]).unwrap()
}

/// An RNG that yields these bytes in one call.
pub struct Scripted<'a>(pub &'a [u8]);

impl TryRng for Scripted<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("the crate only fills buffers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("the crate only fills buffers")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(self.0);
        self.0 = &[];
        Ok(())
    }
}

impl TryCryptoRng for Scripted<'_> {}
