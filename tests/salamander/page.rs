//! An envelope in parts, made by the format page and not by the crate.

use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, Suite};
use sha2::{Digest, Sha256};

use crate::ciphers::Cipher;

pub(crate) const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];

pub(crate) fn cipher(suite: Suite) -> Cipher {
    if suite == Suite::Aes256Gcm { Cipher::Gcm } else { Cipher::ChaCha }
}

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

/// Bytes that are the same for the same words, and look like any others.
pub(crate) fn drawn<const N: usize>(words: &str) -> [u8; N] {
    core::array::from_fn(|place| sha256(&[words.as_bytes(), &place.to_be_bytes()])[0])
}

/// RFC 2104, for a key of at most 64 bytes.
fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut pad = [byte; 64];
        pad.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        pad
    };
    sha256(&[&pad(0x5c), &sha256(&[&pad(0x36), data])])
}

/// The first block of HKDF-Expand, and no other.
fn expand(prk: &[u8; 32], info: &[&[u8]]) -> [u8; 32] {
    hmac(prk, &[&info.concat(), [1].as_slice()].concat())
}

/// The payload's key, and the commitment.
pub(crate) fn derive(
    data_key: &[u8; 32],
    suite: Suite,
    iv: &[u8; 12],
    context: &EncryptionContext,
) -> ([u8; 32], [u8; 32]) {
    let context = sha256(&[context.encoded()]);
    let derived = |label: &[u8]| expand(data_key, &[label, &[suite.id()], iv, &context]);
    (derived(b"sw1/data"), derived(b"sw1/comm"))
}

fn bind(suite: Suite, id: &str, commitment: &[u8; 32]) -> Vec<u8> {
    [&[1, suite.id(), len8(id)], id.as_bytes(), commitment].concat()
}

pub(crate) fn salt(
    master: &[u8; 32],
    id: &str,
    suite: Suite,
    commitment: &[u8; 32],
    data_key: &[u8; 32],
) -> [u8; 24] {
    let bind = bind(suite, id, commitment);
    *expand(master, &[b"sw1/salt", &bind, data_key]).first_chunk().unwrap()
}

pub(crate) fn pad(master: &[u8; 32], salt: &[u8; 24]) -> [u8; 32] {
    expand(master, &[b"sw1/wrap", salt])
}

pub(crate) fn check_value(master: &[u8; 32]) -> [u8; 4] {
    *expand(master, &[b"sw1/check"]).first_chunk().unwrap()
}

pub(crate) fn xor(one: &[u8; 32], other: &[u8; 32]) -> [u8; 32] {
    core::array::from_fn(|place| one[place] ^ other[place])
}

/// 01 ‖ check(4) ‖ salt(24) ‖ data key xor pad(32)
pub(crate) fn wrapped(check: &[u8; 4], salt: &[u8; 24], padded: &[u8; 32]) -> Vec<u8> {
    [&[1], check.as_slice(), salt, padded].concat()
}

pub(crate) fn wrap(
    master: &[u8; 32],
    id: &str,
    suite: Suite,
    commitment: &[u8; 32],
    data_key: &[u8; 32],
) -> Vec<u8> {
    let salt = salt(master, id, suite, commitment, data_key);
    wrapped(&check_value(master), &salt, &xor(data_key, &pad(master, &salt)))
}

/// The salt, and the data key xor pad, of a wrap.
pub(crate) fn salt_and_padded(wrapped: &[u8]) -> ([u8; 24], [u8; 32]) {
    assert_eq!((wrapped.len(), wrapped[0]), (61, 1), "a local wrap");
    (*wrapped[5..].first_chunk().unwrap(), *wrapped.last_chunk().unwrap())
}

fn len8(id: &str) -> u8 {
    id.len().try_into().unwrap()
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) suite: Suite,
    /// Key id, and kind ‖ body.
    pub(crate) wraps: Vec<(&'static str, Vec<u8>)>,
    pub(crate) commitment: [u8; 32],
    pub(crate) mac: [u8; 16],
    pub(crate) iv: [u8; 12],
    pub(crate) tag: [u8; 16],
    pub(crate) ciphertext: Vec<u8>,
}

impl Parts {
    /// Sealed for these master keys.
    pub(crate) fn sealed(
        suite: Suite,
        data_key: &[u8; 32],
        iv: [u8; 12],
        context: &EncryptionContext,
        plaintext: &[u8],
        masters: &[(&'static str, [u8; 32])],
    ) -> Self {
        let (key, commitment) = derive(data_key, suite, &iv, context);
        let (ciphertext, tag) = cipher(suite).encrypt(&key, &iv, &[], plaintext);
        let wraps = masters
            .iter()
            .map(|(id, master)| (*id, wrap(master, id, suite, &commitment, data_key)));
        let wraps = wraps.collect();
        let parts = Self { suite, wraps, commitment, mac: [0; 16], iv, tag, ciphertext };
        parts.with_mac_under(data_key)
    }

    fn head(&self) -> Vec<u8> {
        let mut head = vec![b'S', b'W', 1, self.suite.id(), self.wraps.len().try_into().unwrap()];
        for (id, wrapped) in &self.wraps {
            head.push(len8(id));
            head.extend_from_slice(id.as_bytes());
            head.extend_from_slice(&u16::try_from(wrapped.len()).unwrap().to_be_bytes());
            head.extend_from_slice(wrapped);
        }
        head.extend_from_slice(&self.commitment);
        head
    }

    /// The mac as somebody computes it who has this data key.
    pub(crate) fn with_mac_under(mut self, data_key: &[u8; 32]) -> Self {
        self.mac = self.mac_under(data_key);
        self
    }

    fn mac_under(&self, data_key: &[u8; 32]) -> [u8; 16] {
        let len = u32::try_from(self.ciphertext.len()).unwrap().to_be_bytes();
        let covered = [b"sw1/mac", self.head().as_slice(), &self.iv, &self.tag, &len].concat();
        *hmac(data_key, &covered).first_chunk().unwrap()
    }

    /// What a reader opens that has one master key: the reader of the format, who recomputes the salt, or
    /// one who takes it as it stands.
    pub(crate) fn opened(
        &self,
        id: &str,
        master: &[u8; 32],
        context: &EncryptionContext,
        recomputes: bool,
    ) -> Option<Vec<u8>> {
        let (_, wrapped) = self.wraps.iter().find(|(found, _)| *found == id)?;
        let (found, padded) = salt_and_padded(wrapped);
        let data_key = xor(&padded, &pad(master, &found));
        let is_right = salt(master, id, self.suite, &self.commitment, &data_key) == found;
        let (key, commitment) = derive(&data_key, self.suite, &self.iv, context);
        if (recomputes && !is_right)
            || self.mac != self.mac_under(&data_key)
            || self.commitment != commitment
        {
            return None;
        }
        cipher(self.suite).decrypt(&key, &self.iv, &[], &self.ciphertext, &self.tag)
    }

    pub(crate) fn envelope(&self) -> Envelope {
        let head = self.head();
        let parts = [head.as_slice(), &self.mac, &self.iv, &self.tag, &self.ciphertext];
        Envelope::from_bytes(&parts.concat()).unwrap()
    }
}

pub(crate) fn master_key(bytes: &[u8; 32]) -> MasterKey {
    MasterKey::from_bytes(&mut bytes.clone()).unwrap()
}

/// A keyring that opens with these keys, tried in this order.
pub(crate) fn ring(keys: &[(&str, &[u8; 32])]) -> Keyring {
    let (id, primary) = keys[0];
    let ring = Keyring::new(id.parse().unwrap(), master_key(primary));
    keys[1..].iter().fold(ring, |ring, (id, key)| {
        ring.with_retired(id.parse().unwrap(), master_key(key)).unwrap()
    })
}
