//! What a fuzz target compares with the crates `hmac` and `hkdf`. There only with `--cfg fuzzing`, which
//! cargo-fuzz sets, and no part of the interface.

use super::Prf;
use crate::format::sizes::KEY_LEN;

/// HMAC under a key of at most one block.
///
/// # Panics
///
/// Where the key is longer.
#[must_use]
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    *Prf::keyed(key).mac(parts)
}

/// HMAC under a key of the format. The second answer of one `Prf` is the first.
///
/// # Panics
///
/// Where it is not.
#[must_use]
pub fn hmac_under(key: &[u8; KEY_LEN], parts: &[&[u8]]) -> [u8; 32] {
    let prf = Prf::new(key);
    let [first, second] = [*prf.mac(parts), *prf.mac(parts)];
    assert_eq!(first, second, "a Prf is used more than once");
    second
}

/// HKDF-Expand to one block.
#[must_use]
pub fn expand<const N: usize>(key: &[u8; KEY_LEN], info: &[&[u8]]) -> [u8; N] {
    *Prf::new(key).expand(info)
}

/// HKDF-Extract, and HMAC under what it extracted.
#[must_use]
pub fn extract_and_hmac(salt: &[u8], key_material: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    *Prf::extract(salt, key_material).mac(parts)
}

/// HKDF.
#[must_use]
pub fn extract_and_expand(salt: &[u8], key_material: &[u8], info: &[&[u8]]) -> [u8; 32] {
    *Prf::extract(salt, key_material).expand(info)
}
