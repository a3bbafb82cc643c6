//! Section 10: the procedures, over local keys.

use super::envelope::Envelope;
use super::keyring::{Keyring, State, is_weak};
use super::{Cipher, Key, decrypt, encrypt, expand, hmac, sha256, u8_of};

/// Why an envelope does not open, verify or rewrap; with the ids that the error has to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    UnknownKey(Vec<String>),
    KeyDisabled(String),
    KeyDestroyed(String),
    WrongKeyMaterial(String),
    WrapAltered(String),
    EnvelopeAltered,
    ContextMismatch,
    PayloadAltered,
}

fn cipher(suite: u8) -> Cipher {
    if suite == 1 { Cipher::AesGcm } else { Cipher::ChaChaPoly }
}

/// The payload's key, and the commitment.
fn derive(dek: &[u8], suite: u8, iv: &[u8], context: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let okm = expand(dek, &[b"sw1/data", &[suite], iv, &sha256(&[context])], 64);
    (okm[..32].to_vec(), okm[32..].to_vec())
}

pub fn check_value(master: &Key) -> Vec<u8> {
    expand(master, &[b"sw1/check"], 4)
}

fn bind(key_id: &str, suite: u8, commitment: &[u8]) -> Vec<u8> {
    [&[1, suite], u8_of(key_id.len()).as_slice(), key_id.as_bytes(), commitment].concat()
}

fn wrap_local(master: &Key, key_id: &str, suite: u8, commitment: &[u8], dek: &[u8]) -> Vec<u8> {
    let bind = bind(key_id, suite, commitment);
    let salt = expand(master, &[b"sw1/salt", &bind, dek], 24);
    let key = expand(master, &[b"sw1/wrap", &[suite], &salt], 32);
    let encrypted = encrypt(cipher(suite), &key, &salt[12..24], &bind, dek);
    [&[1], check_value(master).as_slice(), &salt, &encrypted].concat()
}

fn unwrap_local(
    master: &Key,
    key_id: &str,
    suite: u8,
    commitment: &[u8],
    wrapped: &[u8],
) -> Result<Vec<u8>, Failure> {
    let altered = || Failure::WrapAltered(key_id.to_owned());
    if wrapped.len() != 77 || wrapped[0] != 1 {
        return Err(altered());
    }
    if wrapped[1..5] != check_value(master) {
        return Err(Failure::WrongKeyMaterial(key_id.to_owned()));
    }
    let salt = &wrapped[5..29];
    let key = expand(master, &[b"sw1/wrap", &[suite], salt], 32);
    let bind = bind(key_id, suite, commitment);
    let dek = decrypt(cipher(suite), &key, &salt[12..24], &bind, &wrapped[29..77]);
    // A reader may refuse a weak data key; the crate does, as a wrap that it did not make.
    dek.filter(|dek| !is_weak(dek)).ok_or_else(altered)
}

fn mac(dek: &[u8], envelope: &Envelope) -> Vec<u8> {
    let Envelope { iv, tag, .. } = envelope;
    hmac(dek, &[b"sw1/mac", &envelope.head(), iv, tag])[..16].to_vec()
}

/// The same envelope with the mac that whoever has the data key gives it.
pub fn with_mac(envelope: Envelope, dek: &[u8]) -> Envelope {
    Envelope { mac: mac(dek, &envelope), ..envelope }
}

/// The wraps that a keyring makes: the primary's, then the escrows'.
fn wraps(keyring: &Keyring, suite: u8, commitment: &[u8], dek: &[u8]) -> Vec<(String, Vec<u8>)> {
    let sealing = |state: &State| [State::Primary, State::Escrow].contains(state);
    let keys = keyring.iter().filter(|entry| sealing(&entry.state));
    keys.map(|entry| {
        let master = entry.key.as_ref().unwrap();
        (entry.id.clone(), wrap_local(master, &entry.id, suite, commitment, dek))
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
    let mut first_failure = None;
    for entry in keyring {
        let Some(master) = &entry.key else { continue };
        let Some((_, wrapped)) = envelope.wraps.iter().find(|(id, _)| *id == entry.id) else {
            continue;
        };
        let (suite, commitment) = (envelope.suite, &envelope.commitment);
        let failure = match unwrap_local(master, &entry.id, suite, commitment, wrapped) {
            Ok(dek) if mac(&dek, envelope) == envelope.mac => return Ok(dek),
            Ok(_) => Failure::EnvelopeAltered,
            Err(failure) => failure,
        };
        first_failure.get_or_insert(failure);
    }
    if let Some(failure) = first_failure {
        return Err(failure);
    }
    let ids: Vec<String> = envelope.wraps.iter().map(|(id, _)| id.clone()).collect();
    let first = |wanted: State| {
        let is_wanted =
            |id: &&String| keyring.iter().any(|entry| entry.id == **id && entry.state == wanted);
        ids.iter().find(is_wanted).cloned()
    };
    Err(match (first(State::Destroyed), first(State::Disabled)) {
        (Some(id), _) => Failure::KeyDestroyed(id),
        (None, Some(id)) => Failure::KeyDisabled(id),
        (None, None) => Failure::UnknownKey(ids),
    })
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
    let sealing = |state: &State| [State::Primary, State::Escrow].contains(state);
    let keys: Vec<_> = keyring.iter().filter(|entry| sealing(&entry.state)).collect();
    let is_current = |(entry, (id, wrapped)): (&&super::keyring::Entry, &(String, Vec<u8>))| {
        entry.id == *id
            && wrapped.len() == 77
            && wrapped[0] == 1
            && wrapped[1..5] == check_value(entry.key.as_ref().unwrap())
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
