//! Envelopes built by the reference, which follows the format page and not the crate, and a reader that leaves out one
//! check.

use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, Suite};

use crate::ciphers::Cipher;
pub(crate) use crate::reference::envelope::Envelope as Parts;
use crate::reference::keyring::{Entry, State};
use crate::reference::{Key, procedures, sha256};

pub(crate) const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];

pub(crate) fn cipher(suite: Suite) -> Cipher {
    if suite == Suite::Aes256Gcm { Cipher::Gcm } else { Cipher::ChaCha }
}

/// Returns bytes that are the same for the same words, and otherwise look random.
pub(crate) fn drawn<const N: usize>(words: &str) -> [u8; N] {
    core::array::from_fn(|place| sha256(&[words.as_bytes(), &place.to_be_bytes()])[0])
}

/// Returns the payload key and the commitment.
pub(crate) fn derive(
    data_key: &Key,
    suite: Suite,
    iv: &[u8],
    context: &EncryptionContext,
) -> (Key, Vec<u8>) {
    let (key, commitment) = procedures::derive(data_key, suite.id(), iv, context.encoded());
    (key.try_into().unwrap(), commitment)
}

pub(crate) fn pad(master: &Key, salt: &[u8]) -> Key {
    procedures::padded(master, salt, &[0; 32]).try_into().unwrap()
}

pub(crate) fn xor(one: &[u8], other: &[u8]) -> Key {
    core::array::from_fn(|place| one[place] ^ other[place])
}

impl Parts {
    /// Seals for these master keys.
    pub(crate) fn sealed(
        suite: Suite,
        data_key: &Key,
        iv: &[u8; 12],
        context: &EncryptionContext,
        plaintext: &[u8],
        masters: &[(&str, Key)],
    ) -> Self {
        let states = [State::Primary].into_iter().chain(std::iter::repeat(State::Escrow));
        let entries = states.zip(masters).map(|(state, (id, master))| entry(state, id, master));
        let keyring = entries.collect();
        procedures::seal(&keyring, suite.id(), context.encoded(), plaintext, data_key, iv)
    }

    /// Replaces the MAC with the one that someone with this data key computes.
    pub(crate) fn with_mac_under(self, data_key: &[u8]) -> Self {
        procedures::with_mac(self, data_key)
    }

    /// Opens the envelope as a reader of the format with one master key does.
    pub(crate) fn opened(
        &self,
        id: &str,
        master: &Key,
        context: &EncryptionContext,
    ) -> Option<Vec<u8>> {
        let keyring = vec![entry(State::Primary, id, master)];
        procedures::open(&keyring, self, context.encoded()).ok()
    }

    /// Opens the envelope as a reader that does not verify the salt, but checks everything else.
    pub(crate) fn opened_without_the_salt(
        &self,
        id: &str,
        master: &Key,
        context: &EncryptionContext,
    ) -> Option<Vec<u8>> {
        let (_, wrapped) = self.wraps.iter().find(|(found, _)| *found == id)?;
        let (salt, padded) = procedures::salt_and_padded(wrapped);
        let data_key = procedures::padded(master, salt, padded);
        let (key, commitment) =
            procedures::derive(&data_key, self.suite, &self.iv, context.encoded());
        if self.mac != procedures::mac(&data_key, self) || self.commitment != commitment {
            return None;
        }
        let cipher = if self.suite == 1 { Cipher::Gcm } else { Cipher::ChaCha };
        let (key, tag) = (key.try_into().unwrap(), self.tag.first_chunk().unwrap());
        cipher.decrypt(&key, &self.iv, &[], &self.ciphertext, tag)
    }

    pub(crate) fn envelope(&self) -> Envelope {
        Envelope::from_bytes(&self.binary()).unwrap()
    }
}

fn entry(state: State, id: &str, master: &Key) -> Entry {
    Entry { state, id: id.to_owned(), key: Some(*master) }
}

pub(crate) fn master_key(bytes: &[u8; 32]) -> MasterKey {
    MasterKey::from_bytes(&mut bytes.clone()).unwrap()
}

/// Returns a keyring that opens with these keys, tried in this order.
pub(crate) fn ring(keys: &[(&str, &[u8; 32])]) -> Keyring {
    let (id, primary) = keys[0];
    let ring = Keyring::new(id.parse().unwrap(), master_key(primary)).unwrap();
    keys[1..].iter().fold(ring, |ring, (id, key)| {
        ring.with_retired(id.parse().unwrap(), master_key(key)).unwrap()
    })
}
