//! The floor of each operation: the same calls to the primitives in a straight line, with one RNG
//! call and one allocation. There is no keyring, no check, no error, no wiping and no type.
//!
//! The difference between an operation and its floor is what this crate adds to the primitives.

#![allow(dead_code, reason = "each program that shares this file uses only part of it")]

use std::hint::black_box;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealwax::Suite;
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

use crate::turns::Contender;

/// What is computed from a master key before the first row.
pub(crate) struct Master {
    prf: Prf,
    check: [u8; 4],
    key_id: &'static str,
}

impl Master {
    pub(crate) fn new(key: &[u8; 32], key_id: &'static str) -> Self {
        let prf = Prf::new(key);
        let check = expand(&prf, &[b"sw1/check"])[..4].try_into().unwrap();
        Self { prf, check, key_id }
    }
}

/// Where the fields of an envelope with one local wrap are.
#[derive(Clone, Copy)]
struct At {
    body: usize,
    commitment: usize,
    mac: usize,
    iv: usize,
    tag: usize,
    ciphertext: usize,
}

impl At {
    fn new(key_id: &str) -> Self {
        let body = 5 + 1 + key_id.len() + 2 + 1;
        let commitment = body + 60;
        let mac = commitment + 32;
        Self { body, commitment, mac, iv: mac + 16, tag: mac + 28, ciphertext: mac + 44 }
    }
}

pub(crate) fn seal(master: &Master, suite: Suite, secret: &[u8], context: &[u8]) -> Vec<u8> {
    let mut drawn = [0; 44];
    getrandom::fill(&mut drawn).unwrap();
    let (data_key, iv) = drawn.split_first_chunk::<32>().unwrap();
    let iv: &[u8; 12] = iv.try_into().unwrap();

    let at = At::new(master.key_id);
    let mut envelope = vec![0; at.ciphertext + secret.len()];
    let (front, ciphertext) = envelope.split_at_mut(at.ciphertext);
    let prf = Prf::new(data_key);
    let (key, commitment) = payload_keys(&prf, suite, iv, context);
    let tag = encrypt(suite, &key, iv, &[], secret, ciphertext);
    front[at.commitment..at.mac].copy_from_slice(&commitment);
    front[at.iv..at.tag].copy_from_slice(iv);
    front[at.tag..].copy_from_slice(&tag);

    write_head(front, master, suite);
    wrap(front, at, master, suite, data_key);
    let mac = mac(&prf, front, at, secret.len());
    front[at.mac..at.iv].copy_from_slice(&mac);
    envelope
}

pub(crate) fn open(master: &Master, suite: Suite, envelope: &[u8], context: &[u8]) -> Vec<u8> {
    let at = At::new(master.key_id);
    let (front, ciphertext) = envelope.split_at(at.ciphertext);
    let prf = Prf::new(&unwrap(front, at, master, suite));
    assert!(front[at.mac..at.iv] == mac(&prf, front, at, ciphertext.len()));
    let iv = front[at.iv..at.tag].try_into().unwrap();
    let (key, commitment) = payload_keys(&prf, suite, iv, context);
    assert!(front[at.commitment..at.mac] == commitment);
    let mut plaintext = vec![0; ciphertext.len()];
    let tag = front[at.tag..].try_into().unwrap();
    decrypt(suite, &key, iv, &[], ciphertext, tag, &mut plaintext);
    plaintext
}

pub(crate) fn verify(master: &Master, suite: Suite, envelope: &[u8]) {
    let at = At::new(master.key_id);
    let (front, ciphertext) = envelope.split_at(at.ciphertext);
    let prf = Prf::new(&unwrap(front, at, master, suite));
    assert!(front[at.mac..at.iv] == mac(&prf, front, at, ciphertext.len()));
}

/// Rewraps from one master key to another, and unwraps the new wrap, as `Keyring::rewrap` does.
pub(crate) fn rewrap(from: &Master, to: &Master, suite: Suite, envelope: &[u8]) -> Vec<u8> {
    let (old, at) = (At::new(from.key_id), At::new(to.key_id));
    let data_key = unwrap(envelope, old, from, suite);
    let prf = Prf::new(&data_key);
    let len = envelope.len() - old.ciphertext;
    assert!(envelope[old.mac..old.iv] == mac(&prf, envelope, old, len));

    let mut fresh = vec![0; at.ciphertext + len];
    fresh[at.iv..].copy_from_slice(&envelope[old.iv..]);
    fresh[at.commitment..at.mac].copy_from_slice(&envelope[old.commitment..old.mac]);
    write_head(&mut fresh, to, suite);
    wrap(&mut fresh, at, to, suite, &data_key);
    assert!(unwrap(&fresh, at, to, suite) == data_key);
    let mac = mac(&prf, &fresh, at, len);
    fresh[at.mac..at.iv].copy_from_slice(&mac);
    fresh
}

/// Encodes a context of a few short pairs.
pub(crate) fn context<const N: usize>(mut pairs: [(&str, &str); N]) -> Vec<u8> {
    pairs.sort_unstable();
    let len = pairs.iter().map(|(name, value)| 4 + name.len() + value.len()).sum::<usize>();
    let mut encoded = Vec::with_capacity(2 + len);
    encoded.extend_from_slice(&(N as u16).to_be_bytes());
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        encoded.extend_from_slice(&(part.len() as u16).to_be_bytes());
        encoded.extend_from_slice(part.as_bytes());
    }
    encoded
}

/// Returns the text form of an envelope with one wrap.
pub(crate) fn encode_text(suite: Suite, key_id: &str, envelope: &[u8]) -> String {
    let at = At::new(key_id);
    let fields = [
        &envelope[at.commitment..at.iv],
        &envelope[at.iv..at.tag],
        &envelope[at.tag..at.ciphertext],
        &envelope[at.ciphertext..],
    ];
    let encoded = |len: usize| (len * 4).div_ceil(3);
    let len = fields.iter().map(|field| 1 + encoded(field.len())).sum::<usize>();
    let len = len + 4 + suite.as_str().len() + 1 + key_id.len() + 1 + encoded(61);
    let mut text = vec![0; len];
    let mut written = 0;
    let mut put = |bytes: &[u8]| {
        text[written..written + bytes.len()].copy_from_slice(bytes);
        written += bytes.len();
    };
    put(b"sw1:");
    put(suite.as_str().as_bytes());
    put(b":");
    put(key_id.as_bytes());
    put(b"=");
    written += URL_SAFE_NO_PAD
        .encode_slice(&envelope[at.body - 1..at.commitment], &mut text[written..])
        .unwrap();
    for field in fields {
        text[written] = b':';
        written += 1;
        written += URL_SAFE_NO_PAD.encode_slice(field, &mut text[written..]).unwrap();
    }
    String::from_utf8(text).unwrap()
}

/// Returns the binary form of an envelope with one wrap.
pub(crate) fn parse_text(suite: Suite, key_id: &str, text: &str) -> Vec<u8> {
    let at = At::new(key_id);
    let mut fields = text["sw1:".len() + suite.as_str().len() + 1..].split(':');
    let wrapped = &fields.next().unwrap()[key_id.len() + 1..];
    let [proof, iv, tag, ciphertext] = std::array::from_fn(|_| fields.next().unwrap());
    let mut envelope =
        vec![
            0;
            at.ciphertext + ciphertext.len() / 4 * 3 + (ciphertext.len() % 4).saturating_sub(1)
        ];
    let mut decode = |field: &str, from: usize, to: usize| {
        URL_SAFE_NO_PAD.decode_slice(field, &mut envelope[from..to]).unwrap();
    };
    decode(wrapped, at.body - 1, at.commitment);
    decode(proof, at.commitment, at.iv);
    decode(iv, at.iv, at.tag);
    decode(tag, at.tag, at.ciphertext);
    let end = envelope.len();
    URL_SAFE_NO_PAD.decode_slice(ciphertext, &mut envelope[at.ciphertext..end]).unwrap();
    let head = at.body - 1;
    envelope[..5].copy_from_slice(&[b'S', b'W', 1, suite.id(), 1]);
    envelope[5] = key_id.len() as u8;
    envelope[6..head - 2].copy_from_slice(key_id.as_bytes());
    envelope[head - 2..head].copy_from_slice(&61_u16.to_be_bytes());
    envelope
}

/// Encrypts with AES-256-GCM under one key: IV, tag and ciphertext in one allocation.
pub(crate) fn triplet_encrypt(key: &[u8; 32], secret: &[u8]) -> Vec<u8> {
    let mut row = vec![0; 28 + secret.len()];
    let (front, ciphertext) = row.split_at_mut(28);
    getrandom::fill(&mut front[..12]).unwrap();
    let iv = front[..12].try_into().unwrap();
    let tag = encrypt(Suite::Aes256Gcm, key, &iv, &[], secret, ciphertext);
    front[12..].copy_from_slice(&tag);
    row
}

pub(crate) fn triplet_decrypt(key: &[u8; 32], row: &[u8]) -> Vec<u8> {
    let mut plaintext = vec![0; row.len() - 28];
    let (iv, tag) = (row[..12].try_into().unwrap(), row[12..28].try_into().unwrap());
    decrypt(Suite::Aes256Gcm, key, iv, &[], &row[28..], tag, &mut plaintext);
    plaintext
}

/// Parses `iv:tag:ciphertext` in hex, with an IV of 12 bytes.
pub(crate) fn triplet_parse(row: &str) -> ([u8; 28], Vec<u8>) {
    let mut front = [0; 28];
    base16ct::lower::decode(&row[..24], &mut front[..12]).unwrap();
    base16ct::lower::decode(&row[25..57], &mut front[12..]).unwrap();
    let mut ciphertext = vec![0; (row.len() - 58) / 2];
    base16ct::lower::decode(&row[58..], &mut ciphertext).unwrap();
    (front, ciphertext)
}

/// Returns the parts of a seal, to be timed one by one.
pub(crate) fn parts<'a>(
    master: &'a Master,
    suite: Suite,
    secret: &'a [u8],
    context: &'a [u8],
) -> Vec<Contender<'a>> {
    /// The same as in `src/secret/wiping.rs`.
    const STACK_LEN: usize = if cfg!(feature = "aws-lc") { 6 * 1024 } else { 14 * 1024 };
    let sealed = seal(master, suite, secret, context);
    let (front, at) = (sealed.clone(), At::new(master.key_id));
    let (data_key, iv) = ([7; 32], [9; 12]);
    let mut ciphertext = vec![0; secret.len()];
    let prf = Prf::new(&data_key);
    let len = secret.len();
    vec![
        Contender::new("randomness: 44 bytes in one call", || {
            let mut drawn = [0_u8; 44];
            getrandom::fill(&mut drawn).unwrap();
            black_box(drawn);
        }),
        Contender::new("data key set up for HMAC", move || {
            black_box(Prf::new(black_box(&data_key)));
        }),
        Contender::new("payload key and commitment: context hashed, two HMACs", {
            let prf = prf.clone();
            move || {
                black_box(payload_keys(black_box(&prf), suite, &iv, context));
            }
        }),
        Contender::new("payload encrypted under its fresh key", move || {
            black_box(encrypt(suite, black_box(&data_key), &iv, &[], secret, &mut ciphertext));
        }),
        Contender::new("wrap: salt and pad, two HMACs", {
            let mut front = front.clone();
            move || {
                wrap(black_box(&mut front), at, master, suite, black_box(&data_key));
            }
        }),
        Contender::new("MAC", move || {
            black_box(mac(black_box(&prf), &front, at, len));
        }),
        Contender::new("envelope allocated and freed", move || {
            black_box(vec![0_u8; black_box(sealed.len())]);
        }),
        Contender::new("stack wiped", zeroize::zeroize_stack::<STACK_LEN>),
    ]
}

fn write_head(front: &mut [u8], master: &Master, suite: Suite) {
    let key_id = master.key_id.as_bytes();
    front[..5].copy_from_slice(&[b'S', b'W', 1, suite.id(), 1]);
    front[5] = key_id.len() as u8;
    front[6..6 + key_id.len()].copy_from_slice(key_id);
    front[6 + key_id.len()..9 + key_id.len()].copy_from_slice(&[0, 61, 1]);
}

fn payload_keys(prf: &Prf, suite: Suite, iv: &[u8; 12], context: &[u8]) -> ([u8; 32], [u8; 32]) {
    let context: [u8; 32] = Sha256::digest(context).into();
    let expand = |label| expand(prf, &[label, &[suite.id()], iv, &context]);
    (expand(b"sw1/data"), expand(b"sw1/comm"))
}

/// Returns what a wrap is bound to: version, suite, key id and commitment.
fn binding(front: &[u8], at: At, master: &Master, suite: Suite) -> ([u8; 256], usize) {
    let mut bytes = [0; 256];
    let id = master.key_id.as_bytes();
    bytes[..3].copy_from_slice(&[1, suite.id(), id.len() as u8]);
    bytes[3..3 + id.len()].copy_from_slice(id);
    bytes[3 + id.len()..35 + id.len()].copy_from_slice(&front[at.commitment..at.mac]);
    (bytes, 35 + id.len())
}

fn wrap(front: &mut [u8], at: At, master: &Master, suite: Suite, data_key: &[u8; 32]) {
    let salt = salt(front, at, master, suite, data_key);
    let pad = expand(&master.prf, &[b"sw1/wrap", &salt]);
    let body = &mut front[at.body..at.commitment];
    body[..4].copy_from_slice(&master.check);
    body[4..28].copy_from_slice(&salt);
    body[28..].copy_from_slice(&xor(data_key, &pad));
}

fn unwrap(front: &[u8], at: At, master: &Master, suite: Suite) -> [u8; 32] {
    let body = &front[at.body..at.commitment];
    assert!(body[..4] == master.check);
    let pad = expand(&master.prf, &[b"sw1/wrap", &body[4..28]]);
    let data_key = xor(body[28..].try_into().unwrap(), &pad);
    assert!(body[4..28] == salt(front, at, master, suite, &data_key));
    data_key
}

fn salt(front: &[u8], at: At, master: &Master, suite: Suite, data_key: &[u8; 32]) -> [u8; 24] {
    let (binding, len) = binding(front, at, master, suite);
    let full = expand(&master.prf, &[b"sw1/salt", &binding[..len], data_key]);
    full[..24].try_into().unwrap()
}

fn xor(one: &[u8; 32], other: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|i| one[i] ^ other[i])
}

fn mac(prf: &Prf, front: &[u8], at: At, len: usize) -> [u8; 16] {
    let len = (len as u32).to_be_bytes();
    let parts: [&[u8]; 4] = [b"sw1/mac", &front[..at.mac], &front[at.iv..at.ciphertext], &len];
    hmac(prf, &parts)[..16].try_into().unwrap()
}

/// HMAC-SHA-256 under one key, whose two blocks have already been hashed.
#[derive(Clone)]
struct Prf {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl Prf {
    fn new(key: &[u8; 32]) -> Self {
        let keyed = |pad: u8| {
            let mut block = [pad; 64];
            for (place, byte) in block.iter_mut().zip(key) {
                *place ^= byte;
            }
            compressed(INITIAL, &[block])
        };
        Self { inner: keyed(0x36), outer: keyed(0x5c) }
    }
}

#[rustfmt::skip]
const INITIAL: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

fn compressed(mut state: [u32; 8], blocks: &[[u8; 64]]) -> [u32; 8] {
    compress256(&mut state, blocks);
    state
}

fn expand(prf: &Prf, info: &[&[u8]]) -> [u8; 32] {
    match info {
        [one, two] => hmac(prf, &[one, two, &[1]]),
        [one, two, three] => hmac(prf, &[one, two, three, &[1]]),
        [one, two, three, four] => hmac(prf, &[one, two, three, four, &[1]]),
        other => hmac(prf, &[&other.concat(), &[1]]),
    }
}

/// Computes HMAC over the parts, which are less than eight blocks and are compressed in one call.
fn hmac(prf: &Prf, parts: &[&[u8]]) -> [u8; 32] {
    let mut blocks = [[0; 64]; 8];
    let message = blocks.as_flattened_mut();
    let mut len = 0;
    for part in parts {
        message[len..len + part.len()].copy_from_slice(part);
        len += part.len();
    }
    message[len] = 0x80;
    let count = (len + 9).div_ceil(64);
    message[64 * count - 8..64 * count]
        .copy_from_slice(&(64 + len as u64).wrapping_mul(8).to_be_bytes());
    let inner = compressed(prf.inner, &blocks[..count]);

    let mut block = [0; 64];
    for (place, word) in block.chunks_exact_mut(4).zip(inner) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    block[32] = 0x80;
    block[56..].copy_from_slice(&(96_u64 * 8).to_be_bytes());
    let mut hash = [0; 32];
    for (place, word) in hash.chunks_exact_mut(4).zip(compressed(prf.outer, &[block])) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    hash
}

#[cfg(not(feature = "aws-lc"))]
pub(crate) use rust_crypto::{decrypt, encrypt};

#[cfg(not(feature = "aws-lc"))]
mod rust_crypto {
    use aes_gcm::Aes256Gcm;
    use aes_gcm::aead::inout::InOutBuf;
    use aes_gcm::aead::{AeadInOut, KeyInit};
    use chacha20poly1305::ChaCha20Poly1305;
    use sealwax::Suite;

    pub(crate) fn encrypt(
        suite: Suite,
        key: &[u8; 32],
        iv: &[u8; 12],
        aad: &[u8],
        from: &[u8],
        to: &mut [u8],
    ) -> [u8; 16] {
        let buffer = InOutBuf::new(from, to).unwrap();
        match suite {
            Suite::Aes256Gcm => {
                Aes256Gcm::new(key.into()).encrypt_inout_detached(iv.into(), aad, buffer)
            }
            _ => ChaCha20Poly1305::new(key.into()).encrypt_inout_detached(iv.into(), aad, buffer),
        }
        .unwrap()
        .into()
    }

    pub(crate) fn decrypt(
        suite: Suite,
        key: &[u8; 32],
        iv: &[u8; 12],
        aad: &[u8],
        from: &[u8],
        tag: &[u8; 16],
        to: &mut [u8],
    ) {
        let buffer = InOutBuf::new(from, to).unwrap();
        match suite {
            Suite::Aes256Gcm => Aes256Gcm::new(key.into()).decrypt_inout_detached(
                iv.into(),
                aad,
                buffer,
                tag.into(),
            ),
            _ => ChaCha20Poly1305::new(key.into()).decrypt_inout_detached(
                iv.into(),
                aad,
                buffer,
                tag.into(),
            ),
        }
        .unwrap();
    }
}

#[cfg(feature = "aws-lc")]
pub(crate) use aws_lc::{decrypt, encrypt};

#[cfg(feature = "aws-lc")]
mod aws_lc {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
    use sealwax::Suite;

    fn schedule(suite: Suite, key: &[u8; 32]) -> LessSafeKey {
        let algorithm = match suite {
            Suite::Aes256Gcm => &AES_256_GCM,
            _ => &CHACHA20_POLY1305,
        };
        LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap())
    }

    pub(crate) fn encrypt(
        suite: Suite,
        key: &[u8; 32],
        iv: &[u8; 12],
        aad: &[u8],
        from: &[u8],
        to: &mut [u8],
    ) -> [u8; 16] {
        let (iv, aad) = (Nonce::assume_unique_for_key(*iv), Aad::from(aad));
        let mut tag = [0; 16];
        schedule(suite, key).seal_out_of_place_scatter(iv, aad, from, to, &[], &mut tag).unwrap();
        tag
    }

    pub(crate) fn decrypt(
        suite: Suite,
        key: &[u8; 32],
        iv: &[u8; 12],
        aad: &[u8],
        from: &[u8],
        tag: &[u8; 16],
        to: &mut [u8],
    ) {
        let (iv, aad) = (Nonce::assume_unique_for_key(*iv), Aad::from(aad));
        schedule(suite, key).open_separate_gather(iv, aad, from, tag, to).unwrap();
    }
}
