//! Makes tokens, and derives again what `sealwax-tokens` derives from them.

use super::derived::{expanded, key, sha256, words};
use super::windows::Windows;

/// A token, or the bytes that it was drawn from.
pub const TOKEN: &str = "token";
const RANDOM: usize = 43;
/// The salt that the rows of the probe's existing table share.
const SALT: &[u8] = b"shared by all rows";

fn base62(value: u8) -> u8 {
    match value {
        0..10 => b'0' + value,
        10..36 => b'A' + value - 10,
        _ => b'a' + value - 36,
    }
}

/// Returns the token that is drawn from some bytes, after a prefix of some length.
pub fn token(prefix_len: usize, draw: &[u8]) -> Vec<u8> {
    let mut token = vec![b'a'; prefix_len - 1];
    token.push(b'_');
    token
        .extend(draw.iter().filter(|byte| **byte < 248).take(RANDOM).map(|byte| base62(byte % 62)));
    let mut left = crc32(&token);
    let mut checksum = [0; 6];
    for place in checksum.iter_mut().rev() {
        *place = base62(u8::try_from(left % 62).unwrap_or_default());
        left /= 62;
    }
    [token.as_slice(), &checksum].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

/// Adds a token without its prefix, which is no secret. Nor are the last four characters alone, the hint.
pub fn secret_part(token: &[u8], windows: &mut Windows) {
    let (_, secret) = token.split_at(token.len() - RANDOM - 6);
    windows.add(TOKEN, secret);
    words(secret, windows);
}

pub fn old_token(token: &[u8], windows: &mut Windows) {
    windows.add(TOKEN, token);
    words(token, windows);
}

pub fn digest(pepper: &[u8], token: &[u8], windows: &mut Windows) {
    expanded(pepper, &[b"swt1/token", token], token, 32, windows);
}

pub fn fingerprint(pepper: &[u8], credential: &[u8], windows: &mut Windows) {
    expanded(pepper, &[b"swt1/print", credential], credential, 32, windows);
}

/// Returns what an existing table has of a token.
pub fn old_digest(scheme: u8, token: &[u8]) -> Vec<u8> {
    match scheme {
        1 => sha256(&[token]),
        2 => sha256(&[SALT, token]),
        _ => sha256(&[token, SALT]),
    }
}

/// Adds what existing tables have of a token, unless it was shown, and the states of the HMAC over it.
pub fn old_digests(pepper: &[u8], token: &[u8], is_shown: bool, windows: &mut Windows) {
    for scheme in 1..=3 {
        let old = old_digest(scheme, token);
        let salt = if scheme == 1 { &[] } else { SALT };
        let len = salt.len().try_into().unwrap_or_default();
        expanded(pepper, &[b"swt1/legacy", &[scheme, len], salt, &old], &old, 32, windows);
        if !is_shown {
            key(&old, windows);
        }
    }
}
