//! Section 11: the procedures, over local keys. Failures of remote keys are only named.

use super::envelope::Envelope;
use super::keyring::{Entry, Keyring, State, is_weak};
use super::{Cipher, Key, decrypt, encrypt, expand, hmac, sha256, u8_of, u32_of};

/// Why an envelope does not open, verify or rewrap, with the ids that the error has to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    UnknownKey(Vec<String>),
    KeyDisabled(String),
    KeyLeaked(String),
    KeyDestroyed(String),
    WrongWrapKind(String),
    WrongKeyMaterial(String),
    WrapAltered(String),
    EnvelopeAltered,
    ContextMismatch,
    PayloadAltered,
    /// A remote key that would have to be waited for.
    WouldBlock(String),
    /// A remote key that did not unwrap.
    Provider {
        key_id: String,
        may_pass: bool,
    },
}

fn cipher(suite: u8) -> Cipher {
    if suite == 1 { Cipher::AesGcm } else { Cipher::ChaChaPoly }
}

/// Returns the payload key and the commitment.
pub fn derive(dek: &[u8], suite: u8, iv: &[u8], context: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let bound = [&[suite], iv, &sha256(&[context])].concat();
    (expand(dek, &[b"sw1/data", &bound], 32), expand(dek, &[b"sw1/comm", &bound], 32))
}

pub fn check_value(master: &Key) -> Vec<u8> {
    expand(master, &[b"sw1/check"], 4)
}

pub fn salt(master: &Key, key_id: &str, suite: u8, commitment: &[u8], dek: &[u8]) -> Vec<u8> {
    let len8 = u8_of(key_id.len());
    let bind = [&[1, suite], len8.as_slice(), key_id.as_bytes(), commitment].concat();
    expand(master, &[b"sw1/salt", &bind, dek], 24)
}

/// Applies the pad to a data key, or removes it.
pub fn padded(master: &Key, salt: &[u8], dek: &[u8]) -> Vec<u8> {
    let pad = expand(master, &[b"sw1/wrap", salt], 32);
    dek.iter().zip(pad).map(|(byte, pad)| byte ^ pad).collect()
}

pub fn wrap_local(master: &Key, key_id: &str, suite: u8, commitment: &[u8], dek: &[u8]) -> Vec<u8> {
    let salt = salt(master, key_id, suite, commitment, dek);
    wrapped(&check_value(master), &salt, &padded(master, &salt, dek))
}

/// Returns kind ‖ check ‖ salt ‖ padded data key.
pub fn wrapped(check: &[u8], salt: &[u8], padded: &[u8]) -> Vec<u8> {
    [&[1], check, salt, padded].concat()
}

/// Returns the salt and the padded data key of a local wrap of the right length.
pub fn salt_and_padded(wrapped: &[u8]) -> (&[u8], &[u8]) {
    (&wrapped[5..29], &wrapped[29..61])
}

fn unwrap_local(
    master: &Key,
    key_id: &str,
    suite: u8,
    commitment: &[u8],
    wrapped: &[u8],
) -> Result<Vec<u8>, Failure> {
    if wrapped[0] != 1 {
        return Err(Failure::WrongWrapKind(key_id.to_owned()));
    }
    let altered = || Failure::WrapAltered(key_id.to_owned());
    if wrapped.len() != 61 {
        return Err(altered());
    }
    if wrapped[1..5] != check_value(master) {
        return Err(Failure::WrongKeyMaterial(key_id.to_owned()));
    }
    let (found, under_pad) = salt_and_padded(wrapped);
    let dek = padded(master, found, under_pad);
    if found != salt(master, key_id, suite, commitment, &dek) || is_weak(&dek) {
        return Err(altered());
    }
    Ok(dek)
}

pub fn mac(dek: &[u8], envelope: &Envelope) -> Vec<u8> {
    let Envelope { iv, tag, ciphertext, .. } = envelope;
    let len = u32_of(ciphertext.len());
    hmac(dek, &[b"sw1/mac", &envelope.head(), iv, tag, &len])[..16].to_vec()
}

/// Returns the same envelope with the MAC that anyone who has the data key can compute.
pub fn with_mac(envelope: Envelope, dek: &[u8]) -> Envelope {
    Envelope { mac: mac(dek, &envelope), ..envelope }
}

/// Returns the keys that a seal wraps for: the primary, then the escrow keys.
fn sealing(keyring: &Keyring) -> impl Iterator<Item = &Entry> {
    let primary = keyring.iter().filter(|entry| entry.state == State::Primary);
    primary.chain(keyring.iter().filter(|entry| entry.state == State::Escrow))
}

fn wraps(keyring: &Keyring, suite: u8, commitment: &[u8], dek: &[u8]) -> Vec<(String, Vec<u8>)> {
    sealing(keyring)
        .map(|Entry { id, key, .. }| {
            (id.clone(), wrap_local(key.as_ref().unwrap(), id, suite, commitment, dek))
        })
        .collect()
}

pub fn seal(
    keyring: &Keyring,
    suite: u8,
    context: &[u8],
    plaintext: &[u8],
    dek: &Key,
    iv: &[u8; 12],
) -> Envelope {
    let (key, commitment) = derive(dek, suite, iv, context);
    let mut ciphertext = encrypt(cipher(suite), &key, iv, &[], plaintext);
    let tag = ciphertext.split_off(plaintext.len());
    let wraps = wraps(keyring, suite, &commitment, dek);
    let iv = iv.to_vec();
    with_mac(Envelope { suite, wraps, commitment, mac: Vec::new(), iv, tag, ciphertext }, dek)
}

fn data_key(keyring: &Keyring, envelope: &Envelope) -> Result<Vec<u8>, Failure> {
    // The first wrap, in the order of the envelope, whose key is in this state.
    let first = |wanted: State| {
        let is_wanted =
            |id: &&String| keyring.iter().any(|entry| entry.id == **id && entry.state == wanted);
        envelope.wraps.iter().map(|(id, _)| id).find(is_wanted).cloned()
    };
    let opening = |state: State| [State::Primary, State::Retired, State::Escrow].contains(&state);
    let primary = keyring.iter().filter(|entry| entry.state == State::Primary);
    let others = keyring.iter().filter(|entry| entry.state != State::Primary);
    let candidates: Vec<(&Entry, &Vec<u8>)> = primary
        .chain(others)
        .filter(|entry| opening(entry.state))
        .filter_map(|entry| {
            let wrap = envelope.wraps.iter().find(|(id, _)| *id == entry.id)?;
            Some((entry, &wrap.1))
        })
        .collect();
    if candidates.is_empty() {
        let ids = || envelope.wraps.iter().map(|(id, _)| id.clone()).collect();
        return Err(match [State::Destroyed, State::Leaked, State::Disabled].map(first) {
            [Some(id), _, _] => Failure::KeyDestroyed(id),
            [_, Some(id), _] => Failure::KeyLeaked(id),
            [_, _, Some(id)] => Failure::KeyDisabled(id),
            _ => Failure::UnknownKey(ids()),
        });
    }
    if let Some(id) = first(State::Leaked) {
        return Err(Failure::KeyLeaked(id));
    }
    let mut first_failure = None;
    for (Entry { id, key, .. }, wrapped) in candidates {
        let (master, suite, commitment) =
            (key.as_ref().unwrap(), envelope.suite, &envelope.commitment);
        let failure = match unwrap_local(master, id, suite, commitment, wrapped) {
            Ok(dek) if mac(&dek, envelope) == envelope.mac => return Ok(dek),
            Ok(_) => Failure::EnvelopeAltered,
            Err(failure) => failure,
        };
        first_failure.get_or_insert(failure);
    }
    Err(first_failure.unwrap())
}

pub fn verify(keyring: &Keyring, envelope: &Envelope) -> Result<(), Failure> {
    data_key(keyring, envelope).map(drop)
}

pub fn open(keyring: &Keyring, envelope: &Envelope, context: &[u8]) -> Result<Vec<u8>, Failure> {
    let dek = data_key(keyring, envelope)?;
    let Envelope { suite, commitment, iv, tag, ciphertext, .. } = envelope;
    let (key, expected) = derive(&dek, *suite, iv, context);
    if expected != *commitment {
        return Err(Failure::ContextMismatch);
    }
    let sealed = [ciphertext.as_slice(), tag].concat();
    decrypt(cipher(*suite), &key, iv, &[], &sealed).ok_or(Failure::PayloadAltered)
}

pub fn is_current(keyring: &Keyring, envelope: &Envelope) -> bool {
    let keys: Vec<_> = sealing(keyring).collect();
    let is_current = |(entry, (id, wrapped)): (&&Entry, &(String, Vec<u8>))| {
        let check = check_value(entry.key.as_ref().unwrap());
        entry.id == *id && wrapped.len() == 61 && wrapped[0] == 1 && wrapped[1..5] == check
    };
    keys.len() == envelope.wraps.len() && keys.iter().zip(&envelope.wraps).all(is_current)
}

pub fn rewrap(keyring: &Keyring, envelope: &Envelope) -> Result<Option<Envelope>, Failure> {
    if is_current(keyring, envelope) {
        return Ok(None);
    }
    let dek = data_key(keyring, envelope)?;
    let wraps = wraps(keyring, envelope.suite, &envelope.commitment, &dek);
    Ok(Some(with_mac(Envelope { wraps, ..envelope.clone() }, &dek)))
}
