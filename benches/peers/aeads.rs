//! The AEADs that a suite could be made of, by backend. `ciphers` and `tables` run them.
//!
//! All of them encrypt without associated data, and return a separate tag of 16 bytes. Key objects
//! of RustCrypto and AWS-LC are wiped when they are dropped; those of ring are not.

#![allow(dead_code, reason = "each program that shares this file uses only part of it")]

use std::hint::black_box;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::array::typenum::Unsigned;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit, Nonce};
use aes_gcm_siv::Aes256GcmSiv;
use aws_lc_rs::aead as aws_lc;
use chacha20poly1305::{ChaCha20Poly1305, XChaCha20Poly1305};
use ring::aead as ring_aead;
use xaes_256_gcm::Xaes256Gcm;

use crate::turns::Contender;

/// An API key, a service-account file, and two sizes at which only the cipher matters.
pub(crate) const SIZES: [usize; 4] = [51, 2048, 64 * 1024, 1024 * 1024];
const AES_256_GCM: &str = "AES-256-GCM";
const CHACHA20_POLY1305: &str = "ChaCha20-Poly1305";

type Tag = [u8; 16];

/// One cipher of one backend, with the three pieces of work that are timed.
pub(crate) struct Aead {
    pub(crate) cipher: &'static str,
    pub(crate) backend: &'static str,
    /// Makes a key object from 32 bytes.
    pub(crate) set_up: Box<dyn Fn() -> Contender<'static>>,
    /// Encrypts that many bytes under an existing key object.
    pub(crate) message: Box<dyn Fn(usize) -> Contender<'static>>,
    /// Does both, as envelope encryption does for each message.
    pub(crate) fresh_key: Box<dyn Fn(usize) -> Contender<'static>>,
    /// The ciphertext and tag of one message.
    answer: (Vec<u8>, Tag),
}

/// What is encrypted, and the buffer that it is encrypted in.
struct Message {
    /// As long as the longest nonce of a cipher. The others use the start of it.
    nonce: [u8; 24],
    plaintext: Vec<u8>,
    buffer: Vec<u8>,
}

impl Message {
    fn new(size: usize) -> Self {
        let plaintext = vec![b'k'; size];
        Self { nonce: [7; 24], buffer: plaintext.clone(), plaintext }
    }

    fn short_nonce(&self) -> [u8; 12] {
        std::array::from_fn(|i| self.nonce[i])
    }
}

pub(crate) fn all() -> Vec<Aead> {
    let aeads = vec![
        Aead::new(AES_256_GCM, "RustCrypto", Aes256Gcm::new_from, in_place),
        Aead::new(AES_256_GCM, "ring", |key| in_ring(&ring_aead::AES_256_GCM, key), by_ring),
        Aead::new(AES_256_GCM, "aws-lc-rs", |key| in_aws_lc(&aws_lc::AES_256_GCM, key), by_aws_lc),
        Aead::new(CHACHA20_POLY1305, "RustCrypto", ChaCha20Poly1305::new_from, in_place),
        Aead::new(
            CHACHA20_POLY1305,
            "ring",
            |key| in_ring(&ring_aead::CHACHA20_POLY1305, key),
            by_ring,
        ),
        Aead::new(
            CHACHA20_POLY1305,
            "aws-lc-rs",
            |key| in_aws_lc(&aws_lc::CHACHA20_POLY1305, key),
            by_aws_lc,
        ),
        Aead::new("XChaCha20-Poly1305", "RustCrypto", XChaCha20Poly1305::new_from, in_place),
        Aead::new("AES-256-GCM-SIV", "RustCrypto", Aes256GcmSiv::new_from, from_plaintext),
        Aead::new("XAES-256-GCM", "RustCrypto", Xaes256Gcm::new_from, in_place),
    ];
    for (i, one) in aeads.iter().enumerate() {
        for other in &aeads[..i] {
            assert_eq!(one.cipher == other.cipher, one.answer == other.answer);
        }
    }
    aeads
}

impl Aead {
    /// Wraps two closures: `set_up` makes a key object, `encrypt` fills the message's buffer and
    /// returns the tag.
    fn new<Key: 'static>(
        cipher: &'static str,
        backend: &'static str,
        set_up: impl Fn(&[u8; 32]) -> Key + Copy + 'static,
        encrypt: impl Fn(&Key, &mut Message) -> Tag + Copy + 'static,
    ) -> Self {
        let key: [u8; 32] = std::array::from_fn(|i| i as u8);
        let name = format!("{cipher}, {backend}");
        let names = [name.clone(), name.clone(), name];
        let [for_set_up, for_message, for_fresh_key] = names;
        let mut message = Message::new(SIZES[0]);
        let tag = encrypt(&set_up(&key), &mut message);
        Self {
            cipher,
            backend,
            set_up: Box::new(move || {
                Contender::new(&*for_set_up, move || {
                    black_box(set_up(black_box(&key)));
                })
            }),
            message: Box::new(move |size| {
                let key = set_up(&key);
                repeating(&for_message, size, move |message| encrypt(black_box(&key), message))
            }),
            fresh_key: Box::new(move |size| {
                repeating(&for_fresh_key, size, move |message| {
                    encrypt(&set_up(black_box(&key)), message)
                })
            }),
            answer: (message.buffer, tag),
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("{}, {}", self.cipher, self.backend)
    }
}

/// Encrypts one message again and again, and asserts the tag each time.
///
/// A cipher that works in place takes the last ciphertext as the next plaintext. Under one key and
/// nonce the keystream is the same, so every other result is the plaintext, and two tags alternate.
fn repeating(
    name: &str,
    size: usize,
    encrypt: impl Fn(&mut Message) -> Tag + 'static,
) -> Contender<'static> {
    let mut message = Message::new(size);
    let tags = [encrypt(&mut message), encrypt(&mut message)];
    let mut turn = 0;
    Contender::new(name, move || {
        let tag = encrypt(black_box(&mut message));
        assert_eq!(tag, tags[turn]);
        turn = 1 - turn;
    })
}

trait NewFrom: KeyInit {
    fn new_from(key: &[u8; 32]) -> Self {
        Self::new_from_slice(key).unwrap()
    }
}

impl<C: KeyInit> NewFrom for C {}

fn in_place<C: AeadInOut>(key: &C, message: &mut Message) -> Tag {
    let nonce = rust_crypto_nonce::<C>(message);
    let tag = key.encrypt_inout_detached(&nonce, &[], message.buffer.as_mut_slice().into());
    tag.unwrap().as_slice().try_into().unwrap()
}

/// For a cipher whose keystream depends on the plaintext: in place, no two results would be equal.
fn from_plaintext<C: AeadInOut>(key: &C, message: &mut Message) -> Tag {
    let nonce = rust_crypto_nonce::<C>(message);
    let buffer = InOutBuf::new(&message.plaintext, &mut message.buffer).unwrap();
    key.encrypt_inout_detached(&nonce, &[], buffer).unwrap().as_slice().try_into().unwrap()
}

fn rust_crypto_nonce<C: AeadInOut>(message: &Message) -> Nonce<C> {
    message.nonce[..C::NonceSize::USIZE].try_into().unwrap()
}

fn in_ring(algorithm: &'static ring_aead::Algorithm, key: &[u8; 32]) -> ring_aead::LessSafeKey {
    ring_aead::LessSafeKey::new(ring_aead::UnboundKey::new(algorithm, key).unwrap())
}

fn by_ring(key: &ring_aead::LessSafeKey, message: &mut Message) -> Tag {
    let nonce = ring_aead::Nonce::assume_unique_for_key(message.short_nonce());
    let none = ring_aead::Aad::empty();
    let tag = key.seal_in_place_separate_tag(nonce, none, &mut message.buffer).unwrap();
    tag.as_ref().try_into().unwrap()
}

fn in_aws_lc(algorithm: &'static aws_lc::Algorithm, key: &[u8; 32]) -> aws_lc::LessSafeKey {
    aws_lc::LessSafeKey::new(aws_lc::UnboundKey::new(algorithm, key).unwrap())
}

fn by_aws_lc(key: &aws_lc::LessSafeKey, message: &mut Message) -> Tag {
    let nonce = aws_lc::Nonce::assume_unique_for_key(message.short_nonce());
    let none = aws_lc::Aad::empty();
    let tag = key.seal_in_place_separate_tag(nonce, none, &mut message.buffer).unwrap();
    tag.as_ref().try_into().unwrap()
}
