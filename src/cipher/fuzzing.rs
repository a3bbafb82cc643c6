//! Functions that a fuzz target compares with the crates `hmac` and `hkdf`.
//!
//! They exist only with `--cfg fuzzing`, which cargo-fuzz sets, and are not part of the public interface.

use super::Prf;
use crate::format::sizes::KEY_LEN;

/// Computes HMAC under a key of at most one block.
///
/// # Panics
///
/// Panics if the key is longer.
#[must_use]
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    *Prf::keyed(key).mac(parts)
}

/// Computes HMAC under a key of the format, twice with the same `Prf`.
///
/// # Panics
///
/// Panics if the two results differ.
#[must_use]
pub fn hmac_under(key: &[u8; KEY_LEN], parts: &[&[u8]]) -> [u8; 32] {
    let prf = Prf::new(key);
    let [first, second] = [*prf.mac(parts), *prf.mac(parts)];
    assert_eq!(first, second, "a Prf can be used more than once");
    second
}

/// Computes HKDF-Expand to one block.
#[must_use]
pub fn expand<const N: usize>(key: &[u8; KEY_LEN], info: &[&[u8]]) -> [u8; N] {
    *Prf::new(key).expand(info)
}

/// Computes HKDF-Extract, then HMAC under the extracted key.
#[must_use]
pub fn extract_and_hmac(salt: &[u8], key_material: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    *Prf::extract(salt, key_material).mac(parts)
}

/// Computes HKDF-Extract and HKDF-Expand.
#[must_use]
pub fn extract_and_expand(salt: &[u8], key_material: &[u8], info: &[&[u8]]) -> [u8; 32] {
    *Prf::extract(salt, key_material).expand(info)
}
