//! Derives again what pairs, and wraps for them, are expanded to: X-Wing and HPKE's key schedule.

use hkdf::Hkdf;
#[expect(deprecated, reason = "for the private polynomials")]
use ml_kem::ExpandedKeyEncoding;
use ml_kem::MlKem768;
use ml_kem::kem::{FromSeed, KeyExport};
use sha2::Sha256;
use sha3::{Digest, Sha3_256, Sha3_512};
use shake::{ExtendableOutput, Shake256, Update, XofReader};

use super::derived::{self, base64, bind, expanded, extract, key_text, sha256, words};
use super::windows::Windows;

/// What a seed is expanded to: the seeds of both private keys, and that of ML-KEM's noise.
pub const EXPANDED: &str = "expanded seed";
/// ML-KEM's private key, 768 coefficients.
pub const POLYNOMIAL: &str = "private polynomial";
/// What an encapsulation draws, and what its noise is sampled from.
pub const COINS: &str = "coins";
/// The secrets of ML-KEM, of X25519 and of both.
pub const SHARED: &str = "shared secret";
/// HPKE's key schedule.
pub const SCHEDULED: &str = "HPKE's key";
/// The label of HPKE (RFC 9180 §4), with X-Wing, HKDF-SHA-256 and AES-256-GCM.
const LABEL: &[u8] = b"HPKE-v1HPKE\x64\x7a\x00\x01\x00\x02";

/// What is known of a pair of seed ‖ psk.
struct Pair<'a> {
    psk: &'a [u8],
    expanded: Vec<u8>,
    /// The seed of the noise.
    sigma: Vec<u8>,
    /// In memory, each coefficient is a word of 16 bits.
    polynomial: Vec<u8>,
    ml_kem: Vec<u8>,
    x25519: [u8; 32],
}

fn shake256(parts: &[&[u8]], len: usize) -> Vec<u8> {
    let mut hash = Shake256::default();
    parts.iter().for_each(|part| hash.update(part));
    let mut out = vec![0; len];
    hash.finalize_xof().read(&mut out);
    out
}

fn chunk(bytes: &[u8]) -> [u8; 32] {
    *bytes.first_chunk().expect("32 bytes")
}

fn public_point(scalar: &[u8]) -> [u8; 32] {
    x25519_dalek::x25519(chunk(scalar), x25519_dalek::X25519_BASEPOINT_BYTES)
}

impl<'a> Pair<'a> {
    #[expect(deprecated, reason = "the private polynomials have no other way out")]
    fn of(bytes: &'a [u8]) -> Self {
        let (seed, psk) = bytes.split_at(32);
        let expanded = shake256(&[seed], 96);
        let (private, public) =
            MlKem768::from_seed(&expanded[..64].try_into().expect("two seeds of 32 bytes"));
        let packed = private.to_expanded_bytes();
        // 12 bits each, two in three bytes.
        let unpacked = packed[..1152].chunks_exact(3).flat_map(|three| {
            let [a, b, c] = [three[0], three[1], three[2]].map(u16::from);
            [a | (b & 0x0f) << 8, b >> 4 | c << 4].map(u16::to_le_bytes)
        });
        let polynomial = unpacked.flatten().collect();
        let sigma = Sha3_512::digest([&expanded[..32], &[3]].concat())[32..].to_vec();
        let x25519 = public_point(&expanded[64..]);
        Self { psk, expanded, sigma, polynomial, ml_kem: public.to_bytes().to_vec(), x25519 }
    }

    fn public(&self) -> Vec<u8> {
        [&self.ml_kem[..], &self.x25519].concat()
    }
}

pub fn public_key(pair: &[u8]) -> Vec<u8> {
    Pair::of(pair).public()
}

pub fn opening_text(pair: &[u8]) -> Vec<u8> {
    key_text("swo1", "sw1", pair)
}

pub fn sealing_text(pair: &[u8]) -> Vec<u8> {
    let pair = Pair::of(pair);
    key_text("sws1", "sw1", &[&pair.public(), pair.psk].concat())
}

/// Adds both halves of a pair, its texts, and what its seed is expanded to.
pub fn pair(bytes: &[u8], windows: &mut Windows) {
    bytes.chunks(32).for_each(|half| derived::key(half, windows));
    windows.add(derived::TEXT, &opening_text(bytes)[5..]);
    // The start is the public key.
    windows.add(derived::TEXT, &sealing_text(bytes)[5 + 1622..]);
    // At the offset that the psk has in a sealing key.
    windows.add(derived::TEXT, &base64(&[&[0], &bytes[32..]].concat(), false)[2..]);
    let pair = Pair::of(bytes);
    windows.add(EXPANDED, &pair.expanded);
    windows.add(EXPANDED, &pair.sigma);
    windows.add(POLYNOMIAL, &pair.polynomial);
}

/// Returns the coins of a wrap, m ‖ e, and adds how they are derived.
pub fn coins(pair: &[u8], bind: &[u8], data_key: &[u8], windows: &mut Windows) -> Vec<u8> {
    let digest = sha256(&[&public_key(pair)]);
    let mut coin = |label: &[u8]| expanded(data_key, &[label, bind, &digest], &[], 32, windows);
    [coin(b"sw1/mlkem"), coin(b"sw1/x25519")].concat()
}

/// Adds the secrets of a wrap for a pair.
pub fn wrap(
    bytes: &[u8],
    suite: u8,
    id: &str,
    commitment: &[u8],
    data_key: &[u8],
    windows: &mut Windows,
) {
    let (pair, bind) = (Pair::of(bytes), bind(suite, id, commitment));
    let coins = coins(bytes, &bind, data_key, windows);
    let (m, e) = coins.split_at(32);
    // FIPS 203, algorithm 17, and algorithm 14 lines 9 to 17: the inputs of the samplers.
    let drawn = Sha3_512::digest([m, &Sha3_256::digest(&pair.ml_kem)[..]].concat());
    let (of_ml_kem, r) = drawn.split_at(32);
    [m, e, r].iter().for_each(|coin| windows.add(COINS, coin));
    (0..7).for_each(|n| windows.add(COINS, &shake256(&[r, &[n]], 128)));

    let of_x25519 = x25519_dalek::x25519(chunk(e), pair.x25519);
    let parts = [of_ml_kem, &of_x25519, &public_point(e), &pair.x25519, br"\.//^\"];
    let shared = Sha3_256::digest(parts.concat());
    for secret in [of_ml_kem, &of_x25519, &shared[..]] {
        windows.add(SHARED, secret);
        words(secret, windows);
    }
    derived::hmac_key(&shared, windows);
    scheduled(&shared, pair.psk, id, &[b"sw1/hpke", &bind[..]].concat(), windows);
}

/// Adds HPKE's key schedule in mode_psk (RFC 9180 §5.1).
fn scheduled(shared: &[u8], psk: &[u8], id: &str, info: &[u8], windows: &mut Windows) {
    // Both are public.
    let hashed = |label: &[u8], bytes: &[u8]| {
        Hkdf::<Sha256>::extract(Some(&[]), &[LABEL, label, bytes].concat()).0
    };
    let context =
        [&[1], &hashed(b"psk_id_hash", id.as_bytes())[..], &hashed(b"info_hash", info)].concat();
    let secret = extract(shared, &[LABEL, b"secret", psk].concat(), windows);
    let mut expand = |label: &[u8], len: u8| {
        let okm = expanded(&secret, &[&[0, len], LABEL, label, &context], &[], len.into(), windows);
        windows.add(SCHEDULED, &okm);
        okm
    };
    let (key, nonce, _) = (expand(b"key", 32), expand(b"base_nonce", 12), expand(b"exp", 32));
    derived::aead_key(1, &key, &nonce, 32, windows);
}
