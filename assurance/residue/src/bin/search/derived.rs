//! Derives again what the library derives from a key: texts, HMAC states, expanded keys, keystreams.
//!
//! Each value has the form that it has in memory. The control without wiping shows that the forms
//! are right, because it finds each of them.

use aes::Block;
use aes_gcm::AesGcm;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use hkdf::Hkdf;
use polyval::Polyval;
use polyval::universal_hash::UniversalHash;
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

use super::pairs::{COINS, EXPANDED, POLYNOMIAL, SCHEDULED, SHARED};
use super::tokens::TOKEN;
use super::windows::{Windows, word};

const KEY: &str = "key";
pub const TEXT: &str = "key's text";
/// A key as the words in which SHA-256 processes it.
const WORDS: &str = "key as words";
const PADDED: &str = "HMAC's padded key";
const STATE: &str = "HMAC's state";
/// HMAC's state within a message, after each of its blocks.
const INNER: &str = "HMAC's inner state";
/// Words of SHA-256's message schedule: any 16 consecutive ones yield the block. Not among [`KINDS`],
/// because the SHA instructions keep them in registers.
const SCHEDULE: &str = "hash's schedule";
const DERIVED: &str = "derived key";
/// What a data key is XORed with in a wrap.
const PAD: &str = "pad of a wrap";
const ROUND_KEYS: &str = "AES round keys";
const GHASH: &str = "GHASH key";
const KEYSTREAM: &str = "keystream";
const POLY: &str = "Poly1305 key";

/// The kinds of secrets, one for each form. The control has to find all of them.
pub const KINDS: [&str; 20] = [
    "plaintext",
    TOKEN,
    KEY,
    TEXT,
    WORDS,
    PADDED,
    STATE,
    INNER,
    DERIVED,
    PAD,
    ROUND_KEYS,
    GHASH,
    KEYSTREAM,
    POLY,
    "passphrase",
    EXPANDED,
    POLYNOMIAL,
    COINS,
    SHARED,
    SCHEDULED,
];
/// More of a keystream than any buffer holds.
const MOST: usize = 4096;

pub fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

pub fn base64(bytes: &[u8], standard: bool) -> Vec<u8> {
    let alphabet = |value: u8| match value {
        0..26 => b'A' + value,
        26..52 => b'a' + value - 26,
        52..62 => b'0' + value - 52,
        62 => {
            if standard {
                b'+'
            } else {
                b'-'
            }
        }
        _ => {
            if standard {
                b'/'
            } else {
                b'_'
            }
        }
    };
    let mut text = Vec::new();
    for group in bytes.chunks(3) {
        let mut three = [0; 4];
        three[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(three);
        for i in 0..=group.len() {
            let [.., value] = (bits >> (18 - 6 * i)).to_be_bytes();
            text.push(alphabet(value & 63));
        }
        if standard {
            text.extend(std::iter::repeat_n(b'=', 3 - group.len()));
        }
    }
    text
}

/// Returns the length prefix of bytes in postcard.
pub fn varint(mut len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = len.to_le_bytes();
        len >>= 7;
        if len == 0 {
            bytes.push(low & 0x7f);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

pub fn master_text(key: &[u8]) -> Vec<u8> {
    key_text("swk1", "sw1", key)
}

pub fn pepper_text(key: &[u8]) -> Vec<u8> {
    key_text("swh1", "swh1", key)
}

pub fn key_text(name: &str, label: &str, key: &[u8]) -> Vec<u8> {
    let checksum = sha256(&[label.as_bytes(), b"/key", key]);
    let body = base64(&[key, &checksum[..4]].concat(), false);
    [name.as_bytes(), b"_", &body].concat()
}

/// Adds a key as bytes, as hex and base64, and as words of a hash's block, at any offset in a word.
pub fn key(key: &[u8], windows: &mut Windows) {
    windows.add(KEY, key);
    windows.add(TEXT, &hex(key));
    windows.add(TEXT, &base64(key, true));
    windows.add(TEXT, &base64(key, false));
    words(key, windows);
}

pub fn words(key: &[u8], windows: &mut Windows) {
    for offset in 0..4.min(key.len()) {
        windows.add(WORDS, &swapped(&key[offset..]));
    }
}

/// Returns the whole words of big-endian bytes as they are in memory on this machine.
fn swapped(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks_exact(4).flat_map(|word| word.iter().rev().copied()).collect()
}

/// SHA-256's initial state.
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Adds a state as words, as bytes, and as the SHA instructions hold it: ABEF and CDGH, first word on top.
fn state(kind: &'static str, state: [u32; 8], windows: &mut Windows) {
    windows.add(kind, &state.map(u32::to_le_bytes).concat());
    windows.add(kind, &state.map(u32::to_be_bytes).concat());
    let [a, b, c, d, e, f, g, h] = state.map(u32::to_le_bytes);
    windows.add(kind, &[f, e, b, a].concat());
    windows.add(kind, &[h, g, d, c].concat());
}

/// Adds HMAC's key blocks, and the states that it keeps instead of the key.
pub fn hmac_key(key: &[u8], windows: &mut Windows) {
    for pad in [0x36, 0x5c] {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(place, byte)| *place ^= byte);
        windows.add(PADDED, &block[..key.len()]);
        windows.add(PADDED, &swapped(&block[..key.len()]));
        schedule(&block, windows);
        let mut after = START;
        compress256(&mut after, &[block]);
        state(STATE, after, windows);
    }
}

/// Adds the words that SHA-256 derives from a block's own 16 (FIPS 180-4 §6.2.2), as they are in memory.
fn schedule(block: &[u8; 64], windows: &mut Windows) {
    let mut words: Vec<u32> =
        block.as_chunks().0.iter().map(|word| u32::from_be_bytes(*word)).collect();
    for t in 16..64 {
        let (a, b) = (words[t - 15], words[t - 2]);
        let a = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
        let b = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
        words.push(a.wrapping_add(b).wrapping_add(words[t - 16]).wrapping_add(words[t - 7]));
    }
    windows
        .add(SCHEDULE, &words[16..].iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>());
}

/// Adds the states of HMAC's inner hash after each block of a message, and the schedules of the blocks that
/// contain a part of a secret. The output follows from the last of these states and the key's outer state.
fn inner_states(key: &[u8], message: &[u8], secret: &[u8], windows: &mut Windows) {
    let mut blocks = vec![0x36; 64];
    blocks.iter_mut().zip(key).for_each(|(place, byte)| *place ^= byte);
    blocks.extend_from_slice(message);
    let bits = 8 * u64::try_from(blocks.len()).unwrap_or_default();
    blocks.push(0x80);
    blocks.resize((blocks.len() + 8).next_multiple_of(64) - 8, 0);
    blocks.extend_from_slice(&bits.to_be_bytes());
    // As numbers, because this comparison was most of the search's time.
    let parts: Vec<u64> = secret.windows(8).map(word).collect();
    let holds = |block: &[u8]| block.windows(8).map(word).any(|eight| parts.contains(&eight));
    let mut after = START;
    for (i, block) in blocks.as_chunks().0.iter().enumerate() {
        compress256(&mut after, &[*block]);
        if i > 0 {
            state(INNER, after, windows);
            if holds(block) {
                schedule(block, windows);
            }
        }
    }
}

/// Adds the schedule of the outer hash's block, which is the inner hash and its padding.
fn outer_block(key: &[u8], message: &[u8], windows: &mut Windows) {
    let mut padded = [0x36; 64];
    padded.iter_mut().zip(key).for_each(|(place, byte)| *place ^= byte);
    let mut block = [0; 64];
    block[..32].copy_from_slice(&sha256(&[&padded, message]));
    (block[32], block[62]) = (0x80, 3);
    schedule(&block, windows);
}

/// Computes HKDF-Expand, and adds HMAC's states on the way to each block of the output.
pub fn expanded(
    prk: &[u8],
    info: &[&[u8]],
    secret: &[u8],
    len: usize,
    windows: &mut Windows,
) -> Vec<u8> {
    let okm = expand(prk, info, len);
    let mut before: &[u8] = &[];
    for (number, block) in (1..).zip(okm.chunks(32)) {
        let message = [before, &info.concat(), &[number]].concat();
        let secret = if before.is_empty() { secret } else { before };
        inner_states(prk, &message, secret, windows);
        outer_block(prk, &message, windows);
        before = block;
    }
    okm
}

pub fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().to_vec()
}

fn expand(prk: &[u8], info: &[&[u8]], len: usize) -> Vec<u8> {
    let mut okm = vec![0; len];
    let prk = Hkdf::<Sha256>::from_prk(prk).expect("32 bytes");
    prk.expand_multi_info(info, &mut okm).expect("a short output");
    okm
}

/// Computes HKDF-Extract, which is HMAC of the key material under the salt, and adds its states.
pub fn extract(salt: &[u8], key_material: &[u8], windows: &mut Windows) -> Vec<u8> {
    let (prk, _) = Hkdf::<Sha256>::extract(Some(salt), key_material);
    inner_states(salt, key_material, key_material, windows);
    outer_block(salt, key_material, windows);
    key(&prk, windows);
    hmac_key(&prk, windows);
    prk.to_vec()
}

/// Adds a derivation key, and the key that the probe derives from it.
pub fn derivation_key(bytes: &[u8], windows: &mut Windows) {
    let next = expanded(bytes, &[b"swi1/next"], &[], 32, windows);
    for bytes in [bytes, &next] {
        key(bytes, windows);
        hmac_key(bytes, windows);
        // The checksum at the end is that of another kind of key. It is public.
        windows.add(TEXT, &master_text(bytes)[5..][..42]);
    }
}

/// Returns the payload key and the commitment, which is public.
pub fn payload_keys(
    data_key: &[u8],
    suite: u8,
    iv: &[u8],
    context: &[u8],
    windows: &mut Windows,
) -> (Vec<u8>, Vec<u8>) {
    let context = sha256(&[context]);
    let mut derived =
        |label: &[u8]| expanded(data_key, &[label, &[suite], iv, &context], &[], 32, windows);
    (derived(b"sw1/data"), derived(b"sw1/comm"))
}

/// Returns what a wrap is bound to.
pub fn bind(suite: u8, id: &str, commitment: &[u8]) -> Vec<u8> {
    let len = id.len().try_into().unwrap_or_default();
    [&[1, suite, len], id.as_bytes(), commitment].concat()
}

/// Adds the secrets of a wrap: the pad, and the blocks with the data key from which the public salt follows.
pub fn wrap(
    master: &[u8],
    suite: u8,
    id: &str,
    commitment: &[u8],
    data_key: &[u8],
    windows: &mut Windows,
) {
    let bind = bind(suite, id, commitment);
    let salt = expanded(master, &[b"sw1/salt", &bind, data_key], data_key, 24, windows);
    let pad = expanded(master, &[b"sw1/wrap", &salt], &[], 32, windows);
    windows.add(PAD, &pad);
    for offset in 0..4 {
        windows.add(PAD, &swapped(&pad[offset..]));
    }
}

/// Returns the key and the IV of n8n's rows under a data key.
pub fn n8n_key(data_key: &[u8], salt: &[u8], windows: &mut Windows) -> (Vec<u8>, Vec<u8>) {
    let prk = extract(salt, data_key, windows);
    let okm = expanded(&prk, &[b"n8n-encryption-v1"], &[], 44, windows);
    (okm[..32].to_vec(), okm[32..].to_vec())
}

/// Returns the keys that are made from a passphrase: its hash, and LiteLLM's key.
pub fn passphrase_keys(text: &[u8]) -> [Vec<u8>; 2] {
    let (_, prk) = Hkdf::<Sha256>::extract(Some(&[]), text);
    let mut key = vec![0; 32];
    prk.expand(b"litellm-at-rest-v3", &mut key).expect("a short output");
    [sha256(&[text]), key]
}

pub fn passphrase(text: &[u8], windows: &mut Windows) {
    windows.add("passphrase", text);
    words(text, windows);
    extract(&[], text, windows);
    passphrase_keys(text).iter().for_each(|hashed| key(hashed, windows));
}

/// Adds the key of an AEAD, and what it is expanded to.
pub fn aead_key(suite: u8, key: &[u8], iv: &[u8], size: usize, windows: &mut Windows) {
    windows.add(DERIVED, key);
    words(key, windows);
    let len = size.min(MOST).next_multiple_of(64);
    match (suite, iv.len()) {
        (1, 12) => aes_gcm::<U12>(key, iv, len, windows),
        (1, _) => aes_gcm::<U16>(key, iv, len, windows),
        _ => chacha20_poly1305(key, iv, len, windows),
    }
}

fn aes_gcm<N: aes_gcm::aead::array::ArraySize>(
    key: &[u8],
    iv: &[u8],
    len: usize,
    windows: &mut Windows,
) where
    AesGcm<Aes256, N>: AeadInOut + KeyInit,
    AesGcm<Aes256, N>: aes_gcm::aead::AeadCore<NonceSize = N, TagSize = U16>,
{
    let round_keys = aes256_round_keys(key);
    // The first two are the key itself.
    windows.add(ROUND_KEYS, &round_keys[2..].concat());
    // The round keys for decryption. The library never decrypts with AES, but the cipher expands them anyway.
    let inverse = round_keys[1..14].iter().map(|round_key| {
        let mut block = Block::from(*round_key);
        aes::hazmat::inv_mix_columns(&mut block);
        <[u8; 16]>::from(block)
    });
    windows.add(ROUND_KEYS, &inverse.collect::<Vec<_>>().concat());

    let mut h = Block::default();
    Aes256::new(key.try_into().expect("32 bytes")).encrypt_block(&mut h);
    windows.add(GHASH, &h);
    let h = mul_x(h.into_iter().rev().collect::<Vec<_>>().try_into().expect("16 bytes"));
    // The powers of H, each computed from the one before.
    let mut power = h;
    for _ in 0..8 {
        windows.add(GHASH, &power);
        let mut next = Polyval::new(&h.into());
        next.update(&[power.into()]);
        power = next.finalize().into();
    }

    // Zeros encrypt to the keystream, and the tag of an empty message is what masks a tag.
    let cipher = AesGcm::<Aes256, N>::new(key.try_into().expect("32 bytes"));
    let nonce = iv.try_into().expect("an IV of this length");
    let mut stream = vec![0; len];
    let encrypted = cipher.encrypt_inout_detached(&nonce, &[], stream.as_mut_slice().into());
    encrypted.expect("a short text");
    windows.add(KEYSTREAM, &stream);
    // If the plaintext is empty, the mask is the tag, and public.
    if len > 0 {
        let mask = cipher.encrypt_inout_detached(&nonce, &[], (&mut [][..]).into());
        windows.add(KEYSTREAM, &mask.expect("no text"));
    }
}

/// Multiplies ByteReverse(H) by x, which turns GHASH into POLYVAL (RFC 8452, appendix A).
fn mul_x(reversed: [u8; 16]) -> [u8; 16] {
    let value = u128::from_le_bytes(reversed);
    let reduced = if value >> 127 == 1 { (0xc2 << 120) | 1 } else { 0 };
    ((value << 1) ^ reduced).to_le_bytes()
}

/// Expands an AES-256 key (FIPS 197 §5.2).
fn aes256_round_keys(key: &[u8]) -> [[u8; 16]; 15] {
    let sbox = sbox();
    let substituted = |word: [u8; 4]| word.map(|byte| sbox[usize::from(byte)]);
    let mut words: Vec<[u8; 4]> = key.chunks_exact(4).map(|w| [w[0], w[1], w[2], w[3]]).collect();
    let mut round_constant = 1;
    for i in 8..60 {
        let [a, b, c, d] = words[i - 1];
        let changed = match i % 8 {
            0 => {
                let [a, b, c, d] = substituted([b, c, d, a]);
                let changed = [a ^ round_constant, b, c, d];
                round_constant <<= 1;
                changed
            }
            4 => substituted([a, b, c, d]),
            _ => [a, b, c, d],
        };
        let earlier = words[i - 8];
        words.push(std::array::from_fn(|j| changed[j] ^ earlier[j]));
    }
    std::array::from_fn(|round| std::array::from_fn(|i| words[round * 4 + i / 4][i % 4]))
}

/// Computes the S-box from the inverses in GF(2^8) (FIPS 197 §5.1.1).
fn sbox() -> [u8; 256] {
    let mut sbox = [0x63; 256];
    let (mut p, mut q) = (1_u8, 1_u8);
    loop {
        // p runs through all elements except zero, multiplied by three each time. q is its inverse.
        p ^= (p << 1) ^ if p & 0x80 == 0 { 0 } else { 0x1b };
        q ^= q << 1;
        q ^= q << 2;
        q ^= q << 4;
        q ^= if q & 0x80 == 0 { 0 } else { 0x09 };
        let affine = (1..5).fold(q, |sum, turn| sum ^ q.rotate_left(turn));
        sbox[usize::from(p)] = affine ^ 0x63;
        if p == 1 {
            return sbox;
        }
    }
}

fn chacha20_poly1305(key: &[u8], iv: &[u8], len: usize, windows: &mut Windows) {
    let mut stream = vec![0; 64 + len];
    ChaCha20::new_from_slices(key, iv).expect("32 and 12 bytes").apply_keystream(&mut stream);
    windows.add(KEYSTREAM, &stream[64..]);
    // The rest of the first block is discarded, and useless to anyone.
    let (r, s) = (&stream[..16], &stream[16..32]);
    windows.add(POLY, &[r, s].concat());
    let clamped = u128::from_le_bytes(r.try_into().expect("16 bytes"))
        & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff;
    windows.add(POLY, &clamped.to_le_bytes());
    // In limbs of 26 bits.
    let limbs: Vec<u8> = (0..5)
        .flat_map(|i| u32::try_from(clamped >> (26 * i) & 0x03ff_ffff).unwrap_or(0).to_le_bytes())
        .collect();
    windows.add(POLY, &limbs);
}
