//! The floor below each verb: the same primitive calls in a straight line, one RNG call and one
//! allocation, and nothing else. No keyring, no checks, no errors, no wiping, no types.
//!
//! What a verb costs above its floor is what the crate around the primitives costs.

#![allow(dead_code, reason = "each program that shares this file uses a part of it")]

use std::hint::black_box;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sealwax::Suite;
use sha2::{Digest, Sha256};

use crate::turns::Contender;

/// What is known of a master key before the first row.
pub(crate) struct Master {
    prf: Hkdf<Sha256>,
    check: [u8; 4],
    key_id: &'static str,
}

impl Master {
    pub(crate) fn new(key: &[u8; 32], key_id: &'static str) -> Self {
        let prf = Hkdf::from_prk(key).unwrap();
        let mut check = [0; 4];
        prf.expand(b"sw1/check", &mut check).unwrap();
        Self { prf, check, key_id }
    }
}

/// Where the fields of an envelope of one local wrap lie.
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
        let commitment = body + 76;
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
    let okm = payload_keys(data_key, suite, iv, context);
    let key = okm[..32].try_into().unwrap();
    let tag = encrypt(suite, key, iv, &[], secret, ciphertext);
    front[at.commitment..at.mac].copy_from_slice(&okm[32..]);
    front[at.iv..at.tag].copy_from_slice(iv);
    front[at.tag..].copy_from_slice(&tag);

    write_head(front, master, suite);
    wrap(front, at, master, suite, data_key);
    let mac = mac(data_key, front, at);
    front[at.mac..at.iv].copy_from_slice(&mac);
    envelope
}

pub(crate) fn open(master: &Master, suite: Suite, envelope: &[u8], context: &[u8]) -> Vec<u8> {
    let at = At::new(master.key_id);
    let (front, ciphertext) = envelope.split_at(at.ciphertext);
    let data_key = unwrap(front, at, master, suite);
    assert!(front[at.mac..at.iv] == mac(&data_key, front, at));
    let iv = front[at.iv..at.tag].try_into().unwrap();
    let okm = payload_keys(&data_key, suite, iv, context);
    assert!(front[at.commitment..at.mac] == okm[32..]);
    let mut plaintext = vec![0; ciphertext.len()];
    let (key, tag) = (okm[..32].try_into().unwrap(), front[at.tag..].try_into().unwrap());
    decrypt(suite, key, iv, &[], ciphertext, tag, &mut plaintext);
    plaintext
}

pub(crate) fn verify(master: &Master, suite: Suite, envelope: &[u8]) {
    let at = At::new(master.key_id);
    let front = &envelope[..at.ciphertext];
    let data_key = unwrap(front, at, master, suite);
    assert!(front[at.mac..at.iv] == mac(&data_key, front, at));
}

/// From one master key to the next; unwraps what it has wrapped, as `Keyring::rewrap` does.
pub(crate) fn rewrap(from: &Master, to: &Master, suite: Suite, envelope: &[u8]) -> Vec<u8> {
    let (old, at) = (At::new(from.key_id), At::new(to.key_id));
    let data_key = unwrap(envelope, old, from, suite);
    let hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(&data_key).unwrap();
    let mac_of = |front: &[u8], at: At| {
        let mut hmac = hmac.clone();
        hmac.update(b"sw1/mac");
        hmac.update(&front[..at.mac]);
        hmac.update(&front[at.iv..at.ciphertext]);
        <[u8; 32]>::from(hmac.finalize().into_bytes())
    };
    assert!(envelope[old.mac..old.iv] == mac_of(envelope, old)[..16]);

    let mut fresh = vec![0; at.ciphertext + envelope.len() - old.ciphertext];
    fresh[at.iv..].copy_from_slice(&envelope[old.iv..]);
    fresh[at.commitment..at.mac].copy_from_slice(&envelope[old.commitment..old.mac]);
    write_head(&mut fresh, to, suite);
    wrap(&mut fresh, at, to, suite, &data_key);
    assert!(unwrap(&fresh, at, to, suite) == data_key);
    let mac = mac_of(&fresh, at);
    fresh[at.mac..at.iv].copy_from_slice(&mac[..16]);
    fresh
}

/// The text form of an envelope of one wrap.
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
    let len = len + 4 + suite.as_str().len() + 1 + key_id.len() + 1 + encoded(77);
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

/// The binary form of an envelope of one wrap.
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
    envelope[head - 2..head].copy_from_slice(&77_u16.to_be_bytes());
    envelope
}

/// AES-256-GCM under one key: iv, tag and ciphertext in one allocation.
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

/// Hex `iv:tag:ciphertext` with an iv of 12 bytes.
pub(crate) fn triplet_parse(row: &str) -> ([u8; 28], Vec<u8>) {
    let mut front = [0; 28];
    base16ct::lower::decode(&row[..24], &mut front[..12]).unwrap();
    base16ct::lower::decode(&row[25..57], &mut front[12..]).unwrap();
    let mut ciphertext = vec![0; (row.len() - 58) / 2];
    base16ct::lower::decode(&row[58..], &mut ciphertext).unwrap();
    (front, ciphertext)
}

/// What a seal does, each part by itself.
pub(crate) fn parts<'a>(
    master: &'a Master,
    suite: Suite,
    secret: &'a [u8],
    context: &'a [u8],
) -> Vec<Contender<'a>> {
    /// As in `src/secret.rs`.
    const STACK_LEN: usize = if cfg!(feature = "aws-lc") { 6 * 1024 } else { 14 * 1024 };
    let sealed = seal(master, suite, secret, context);
    let (front, at) = (sealed.clone(), At::new(master.key_id));
    let (data_key, iv) = ([7; 32], [9; 12]);
    let mut ciphertext = vec![0; secret.len()];
    let (mut wrapped, mut salt) = ([0; 32], [0; 24]);
    vec![
        Contender::new("randomness: 44 bytes in one call", || {
            let mut drawn = [0_u8; 44];
            getrandom::fill(&mut drawn).unwrap();
            black_box(drawn);
        }),
        Contender::new("payload key and commitment: context hashed, 64 bytes derived", move || {
            black_box(payload_keys(black_box(&data_key), suite, &iv, context));
        }),
        Contender::new("payload encrypted under its fresh key", move || {
            black_box(encrypt(suite, black_box(&data_key), &iv, &[], secret, &mut ciphertext));
        }),
        Contender::new("synthetic salt: 24 bytes derived", {
            let front = front.clone();
            move || {
                let (binding, len) = binding(&front, at, master, suite);
                let info: [&[u8]; 3] = [b"sw1/salt", &binding[..len], black_box(&data_key)];
                master.prf.expand_multi_info(&info, &mut salt).unwrap();
                black_box(salt);
            }
        }),
        Contender::new("wrapping key: 32 bytes derived", move || {
            black_box(wrapping_key(master, suite, black_box(&salt)));
        }),
        Contender::new("data key encrypted under the wrapping key", {
            let front = front.clone();
            move || {
                let (binding, len) = binding(&front, at, master, suite);
                let bound = &binding[..len];
                black_box(encrypt(
                    suite,
                    black_box(&data_key),
                    &iv,
                    bound,
                    &data_key,
                    &mut wrapped,
                ));
            }
        }),
        Contender::new("mac", move || {
            black_box(mac(black_box(&data_key), &front, at));
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
    front[6 + key_id.len()..9 + key_id.len()].copy_from_slice(&[0, 77, 1]);
}

fn payload_keys(data_key: &[u8; 32], suite: Suite, iv: &[u8; 12], context: &[u8]) -> [u8; 64] {
    let context: [u8; 32] = Sha256::digest(context).into();
    let mut okm = [0; 64];
    let prf = Hkdf::<Sha256>::from_prk(data_key).unwrap();
    prf.expand_multi_info(&[b"sw1/data", &[suite.id()], iv, &context], &mut okm).unwrap();
    okm
}

/// The parts of what a wrap is bound to: version, suite, key id, commitment.
fn binding(front: &[u8], at: At, master: &Master, suite: Suite) -> ([u8; 256], usize) {
    let mut bytes = [0; 256];
    let id = master.key_id.as_bytes();
    bytes[..3].copy_from_slice(&[1, suite.id(), id.len() as u8]);
    bytes[3..3 + id.len()].copy_from_slice(id);
    bytes[3 + id.len()..35 + id.len()].copy_from_slice(&front[at.commitment..at.mac]);
    (bytes, 35 + id.len())
}

fn wrap(front: &mut [u8], at: At, master: &Master, suite: Suite, data_key: &[u8; 32]) {
    let (binding, len) = binding(front, at, master, suite);
    let mut salt = [0; 24];
    let info: [&[u8]; 3] = [b"sw1/salt", &binding[..len], data_key];
    master.prf.expand_multi_info(&info, &mut salt).unwrap();
    let key = wrapping_key(master, suite, &salt);
    let iv = salt[12..].try_into().unwrap();
    let body = &mut front[at.body..at.commitment];
    body[..4].copy_from_slice(&master.check);
    body[4..28].copy_from_slice(&salt);
    let tag = encrypt(suite, &key, iv, &binding[..len], data_key, &mut body[28..60]);
    body[60..].copy_from_slice(&tag);
}

fn unwrap(front: &[u8], at: At, master: &Master, suite: Suite) -> [u8; 32] {
    let (binding, len) = binding(front, at, master, suite);
    let body = &front[at.body..at.commitment];
    assert!(body[..4] == master.check);
    let salt = body[4..28].try_into().unwrap();
    let key = wrapping_key(master, suite, salt);
    let (iv, tag) = (salt[12..].try_into().unwrap(), body[60..].try_into().unwrap());
    let mut data_key = [0; 32];
    decrypt(suite, &key, iv, &binding[..len], &body[28..60], tag, &mut data_key);
    data_key
}

fn wrapping_key(master: &Master, suite: Suite, salt: &[u8; 24]) -> [u8; 32] {
    let mut key = [0; 32];
    master.prf.expand_multi_info(&[b"sw1/wrap", &[suite.id()], salt], &mut key).unwrap();
    key
}

fn mac(data_key: &[u8; 32], front: &[u8], at: At) -> [u8; 16] {
    let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(data_key).unwrap();
    hmac.update(b"sw1/mac");
    hmac.update(&front[..at.mac]);
    hmac.update(&front[at.iv..at.ciphertext]);
    let full: [u8; 32] = hmac.finalize().into_bytes().into();
    full[..16].try_into().unwrap()
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
