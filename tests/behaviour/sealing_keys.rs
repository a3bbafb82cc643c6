//! Feature `hpke`: sealing keys, opening keys, and what each of them can and cannot do.

use sealwax::{
    Draft, EncryptionContext, Envelope, KeyWrapper, Keyring, OpeningKey, SealingKey, Secret, Suite,
    WrapKind, WrappedKey,
};

use crate::fixtures::{Counting, Parts, base64url, key_id, sha256};
use crate::reference::encoding::BASE64URL;

mod forging;
mod reading;
mod refused_points;
mod sealers;
mod texts;
mod vectors;

/// Bytes of the public key, before the psk.
const PUBLIC_KEY_LEN: usize = 1216;
/// Bytes of the check value, at the start of a body.
const CHECK_LEN: usize = 4;
/// Bytes of the check value and the encapsulated key.
const UP_TO_ENC: usize = CHECK_LEN + 1120;

/// Returns a pair that is the same for the same number.
fn pair(number: u8) -> OpeningKey {
    OpeningKey::generate_with_rng(&mut Counting(number)).unwrap()
}

fn text(key: &SealingKey) -> String {
    key.to_text().expose_str().unwrap().to_owned()
}

/// Returns public key ‖ psk.
fn bytes_of(key: &SealingKey) -> Vec<u8> {
    let mut bytes = BASE64URL.decode(&text(key)[5..]).unwrap();
    bytes.truncate(bytes.len() - 4);
    bytes
}

/// Returns the text of a key of these bytes.
fn text_of(name: &str, bytes: &[u8]) -> String {
    let check = sha256(&[b"sw1/key", bytes].concat());
    format!("{name}_{}", base64url(&[bytes, &check[..4]].concat()))
}

/// Returns a sealing key with the public key of one key and the psk of another.
fn mixed(public: &SealingKey, psk: &SealingKey) -> SealingKey {
    let bytes = [&bytes_of(public)[..PUBLIC_KEY_LEN], &bytes_of(psk)[PUBLIC_KEY_LEN..]].concat();
    text_of("sws1", &bytes).parse().unwrap()
}

/// Returns what a key wraps for a draft, under this id.
fn wrap_of(key: &impl KeyWrapper, id: &str, draft: &Draft) -> WrappedKey {
    let id = key_id(id);
    let body = key.wrap_key(draft.wrap_request(&id)).into_ready().unwrap().unwrap();
    WrappedKey::new(id, WrapKind::Hpke, &body).unwrap()
}

fn with_body(wrap: &WrappedKey, change: impl FnOnce(&mut Vec<u8>)) -> WrappedKey {
    let mut body = wrap.body().to_vec();
    change(&mut body);
    WrappedKey::new(wrap.key_id().clone(), wrap.kind(), &body).unwrap()
}

fn draft(suite: Suite, seed: u8, context: &EncryptionContext) -> Draft {
    let secret = Secret::from(crate::fixtures::CREDENTIAL);
    Draft::new_with_rng(&secret, context, suite, &mut Counting(seed)).unwrap()
}

/// Returns a keyring with this pair alone, under `dashboard`.
fn reader(pair: OpeningKey) -> Keyring {
    Keyring::new(key_id("dashboard"), pair).unwrap()
}

fn only_wrap(envelope: &Envelope) -> WrappedKey {
    let mut wraps = envelope.wrapped_keys();
    let wrap = wraps.next().unwrap();
    assert!(wraps.next().is_none());
    wrap
}

fn with_wrap(envelope: &Envelope, wrap: WrappedKey) -> Parts {
    Parts::of(envelope).with_wraps(&[wrap])
}
