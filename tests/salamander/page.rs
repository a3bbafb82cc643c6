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

/// T1 ‖ T2
fn expand(prk: &[u8; 32], info: &[&[u8]]) -> [u8; 64] {
    let info = info.concat();
    let first = hmac(prk, &[&info, [1].as_slice()].concat());
    let second = hmac(prk, &[&first, info.as_slice(), &[2]].concat());
    let mut okm = [0; 64];
    okm[..32].copy_from_slice(&first);
    okm[32..].copy_from_slice(&second);
    okm
}

/// The payload's key, and the commitment.
pub(crate) fn derive(
    data_key: &[u8; 32],
    suite: Suite,
    iv: &[u8; 12],
    context: &EncryptionContext,
) -> ([u8; 32], [u8; 32]) {
    let context = sha256(&[context.encoded()]);
    let okm = expand(data_key, &[b"sw1/data", &[suite.id()], iv, &context]);
    (*okm.first_chunk().unwrap(), *okm.last_chunk().unwrap())
}

pub(crate) fn bind(suite: Suite, id: &str, commitment: &[u8; 32]) -> Vec<u8> {
    [&[1, suite.id(), len8(id)], id.as_bytes(), commitment].concat()
}

/// 01 ‖ check(4) ‖ salt(24) ‖ encrypted data key(32) ‖ tag(16)
pub(crate) fn wrap(
    master: &[u8; 32],
    id: &str,
    suite: Suite,
    commitment: &[u8; 32],
    data_key: &[u8; 32],
) -> Vec<u8> {
    let bind = bind(suite, id, commitment);
    let salt = &expand(master, &[b"sw1/salt", &bind, data_key])[..24];
    let key = wrap_key(master, suite, salt);
    let (sealed, tag) = cipher(suite).encrypt(&key, &salt[12..], &bind, data_key);
    [&[1], check_value(master).as_slice(), salt, &sealed, &tag].concat()
}

pub(crate) fn check_value(master: &[u8; 32]) -> [u8; 4] {
    *expand(master, &[b"sw1/check"]).first_chunk().unwrap()
}

pub(crate) fn wrap_key(master: &[u8; 32], suite: Suite, salt: &[u8]) -> [u8; 32] {
    *expand(master, &[b"sw1/wrap", &[suite.id()], salt]).first_chunk().unwrap()
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
        let covered = [b"sw1/mac", self.head().as_slice(), &self.iv, &self.tag].concat();
        self.mac = *hmac(data_key, &covered).first_chunk().unwrap();
        self
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
