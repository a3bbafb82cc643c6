//! The crate's HMAC-SHA-256, HKDF-Extract and HKDF-Expand agree with the crates `hmac` and `hkdf` for every key,
//! however the message is cut into parts.
//!
//! The crate's functions are private. `--cfg fuzzing`, which cargo-fuzz sets, exposes them. Without it, this checks two
//! parts of the public interface that depend on them: the check value of a key, and LiteLLM's key, which is an HKDF
//! over a text of any length.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sealwax::legacy::litellm;
use sealwax::triplet::IvLen;
use sealwax::{MasterKey, Secret};
use sha2::Sha256;

use super::input::Input;
use super::material::{IV, Scripted};
use super::reference::triplet::Row;
use super::reference::{Key, keyring};

const MAX_KEY: usize = 64;
/// A little more than twice what the crate buffers before it compresses.
const MAX_LEN: usize = 600;
const MAX_CUTS: usize = 8;

/// Reads a key, the places to cut, and a message.
pub fn check(input: &[u8]) -> bool {
    let mut input = Input::new(input);
    let key_len = input.below(MAX_KEY + 1);
    let mut key = [0; MAX_KEY];
    let given = input.take(key_len);
    key[..given.len()].copy_from_slice(given);
    let whole: &Key = key.first_chunk().unwrap();
    let cuts: Vec<usize> = (0..input.below(MAX_CUTS)).map(|_| input.u16()).collect();
    let message = input.long(MAX_LEN);
    let parts = cut(&message, cuts);
    assert_eq!(parts.concat(), message);

    if !keyring::is_weak(whole) {
        let found = MasterKey::from_bytes(&mut { *whole }).unwrap().check_value();
        assert_eq!(found, expand::<4>(whole, b"sw1/check"));
    }
    litellm(&message);
    #[cfg(fuzzing)]
    inside::check(&key[..key_len], whole, &message, &parts);
    !message.is_empty()
}

/// Cuts a message at these places. Some of the parts are empty.
fn cut(message: &[u8], mut cuts: Vec<usize>) -> Vec<&[u8]> {
    cuts.iter_mut().for_each(|cut| *cut %= message.len() + 1);
    cuts.sort_unstable();
    let starts = [&[0], cuts.as_slice()].concat();
    let ends = [cuts.as_slice(), &[message.len()]].concat();
    starts.into_iter().zip(ends).map(|(start, end)| &message[start..end]).collect()
}

fn expand<const N: usize>(prk: &[u8], info: &[u8]) -> [u8; N] {
    let mut okm = [0; N];
    Hkdf::<Sha256>::from_prk(prk).unwrap().expand(info, &mut okm).unwrap();
    okm
}

fn hmac(key: &[u8], message: &[u8]) -> Key {
    let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
    hmac.update(message);
    hmac.finalize().into_bytes().into()
}

/// Compares LiteLLM's key. A key does not reveal its bytes, so this compares what it encrypts.
fn litellm(message: &[u8]) {
    let text: String = message.iter().map(|byte| char::from(byte & 0x7f)).collect();
    let found = litellm::insecure_key(litellm::Version::V3, &text);
    let found = found.encrypt_with_rng(&Secret::from("x"), IvLen::Twelve, &mut Scripted(&IV));
    let expected = expand(&hmac(&[], text.as_bytes()), b"litellm-at-rest-v3");
    let expected = Row::sealed(&expected, &IV, &[], b"x");
    assert_eq!(found.unwrap().tag().as_slice(), expected.tag, "a text of {} bytes", text.len());
}

#[cfg(fuzzing)]
mod inside {
    use sealwax::fuzzing as crates;

    use super::{Hkdf, Key, Sha256, expand, hmac};

    /// `whole` is the key that a derivation uses; `key` may be shorter, or up to one block long.
    pub(super) fn check(key: &[u8], whole: &Key, message: &[u8], parts: &[&[u8]]) {
        assert_eq!(crates::hmac(key, parts), hmac(key, message));
        assert_eq!(crates::hmac_under(whole, parts), hmac(whole, message));

        // The prefix is the same, however many bytes are requested.
        let expected: Key = expand(whole, message);
        assert_eq!(crates::expand::<32>(whole, parts), expected);
        assert_eq!(crates::expand::<24>(whole, parts), expected[..24]);
        assert_eq!(crates::expand::<4>(whole, parts), expected[..4]);

        let (prk, hkdf) = Hkdf::<Sha256>::extract(Some(key), message);
        let mut okm = [0; 32];
        hkdf.expand(&parts.concat(), &mut okm).unwrap();
        assert_eq!(crates::extract_and_hmac(key, message, parts), hmac(&prk, message));
        assert_eq!(crates::extract_and_expand(key, message, parts), okm);
    }
}
