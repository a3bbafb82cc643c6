//! Rows of Cloak, LiteLLM and n8n.

use sealwax::legacy::litellm::Version;

use super::encoding::{BASE64, BASE64URL_PADDED, unhex};
use super::format::{Key, expand, hmac, sha256, take, take_u8, u8_of};
use super::triplet::Row;

/// Why a row does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Malformed,
    NotAuthentic,
    /// The row opened, but does not contain a key.
    Key,
}

fn open(row: &Row, key: &Key, bound: &[u8]) -> Result<Vec<u8>, Failure> {
    row.open(key, bound).ok_or(Failure::NotAuthentic)
}

pub mod cloak {
    use super::{Failure, Key, Row, open, take, take_u8, u8_of};

    const BOUND: &[u8] = b"AES256GCM";

    /// Returns the label, and the rest of the row.
    fn split(row: &[u8]) -> Option<(&[u8], &[u8])> {
        let mut rest = row;
        if take_u8(&mut rest)? != 1 {
            return None;
        }
        let len = take_u8(&mut rest)?;
        let label = take(&mut rest, len)?;
        (1..=127).contains(&len).then_some((label, rest))
    }

    pub fn label(row: &[u8]) -> Option<&[u8]> {
        split(row).map(|(label, _)| label)
    }

    fn parse(label: &str, iv_len: usize, row: &[u8]) -> Option<Row> {
        let (found, mut rest) = split(row)?;
        let (iv, tag) = (take(&mut rest, iv_len)?, take(&mut rest, 16)?);
        Row::of(iv, tag, rest).filter(|_| found == label.as_bytes())
    }

    pub fn decrypt(key: &Key, label: &str, iv_len: usize, row: &[u8]) -> Result<Vec<u8>, Failure> {
        open(&parse(label, iv_len, row).ok_or(Failure::Malformed)?, key, BOUND)
    }

    pub fn encrypt(key: &Key, label: &str, iv: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let Row { iv, tag, ciphertext } = Row::sealed(key, iv, BOUND, plaintext);
        [&[1], u8_of(label.len()).as_slice(), label.as_bytes(), &iv, &tag, &ciphertext].concat()
    }
}

pub mod litellm {
    use super::{BASE64URL_PADDED, Failure, Key, Row, Version, expand, hmac, open, sha256};

    fn prefix(version: Version) -> &'static str {
        match version {
            Version::V2 => "v2:gcm:",
            Version::V3 => "v3:gcm:",
            other => panic!("the reference has no such version: {other:?}"),
        }
    }

    pub fn key(version: Version, salt_key: &str) -> Key {
        match version {
            Version::V2 => sha256(&[salt_key.as_bytes()]),
            _ => {
                // An absent salt is 32 zeros.
                let prk = hmac(&[0; 32], &[salt_key.as_bytes()]);
                expand(&prk, &[b"litellm-at-rest-v3"], 32).try_into().unwrap()
            }
        }
    }

    fn parse(version: Version, row: &str) -> Option<Row> {
        let bytes = BASE64URL_PADDED.decode(row.strip_prefix(prefix(version))?)?;
        let (iv, rest) = bytes.split_at_checked(12)?;
        Row::of_joined(iv, rest)
    }

    pub fn decrypt(key: &Key, version: Version, row: &str) -> Result<Vec<u8>, Failure> {
        open(&parse(version, row).ok_or(Failure::Malformed)?, key, &[])
    }

    pub fn encrypt(key: &Key, version: Version, iv: &[u8], plaintext: &[u8]) -> String {
        let Row { iv, tag, ciphertext } = Row::sealed(key, iv, &[], plaintext);
        let encoded = BASE64URL_PADDED.encode(&[iv, ciphertext, tag].concat());
        format!("{}{encoded}", prefix(version))
    }
}

pub mod n8n {
    use super::{BASE64, Failure, Key, Row, hmac, open, sha256, take, take_u8, unhex};

    pub fn key_id(row: &str) -> Option<&str> {
        split(row).map(|(key_id, _)| key_id)
    }

    fn split(row: &str) -> Option<(&str, &str)> {
        let (key_id, blob) = row.split_once(':')?;
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let allowed = (1..=36).contains(&key_id.len()) && key_id.chars().all(is_allowed);
        allowed.then_some((key_id, blob))
    }

    /// Derives key ‖ IV of a row: two blocks of HKDF-Expand, of which the second starts with the
    /// first.
    fn derive(key: &Key, salt: &[u8]) -> (Key, Vec<u8>) {
        let (prk, info) = (hmac(salt, &[key]), b"n8n-encryption-v1");
        let first = hmac(&prk, &[info, &[1]]);
        let second = hmac(&prk, &[&first, info, &[2]]);
        (first, second[..12].to_vec())
    }

    /// Returns the row in a blob, and its key.
    fn parse(key: &Key, blob: &str) -> Option<(Row, Key)> {
        let bytes = BASE64.decode(blob)?;
        let mut rest = bytes.as_slice();
        if take_u8(&mut rest)? != 1 {
            return None;
        }
        let (key, iv) = derive(key, take(&mut rest, 32)?);
        let tag = take(&mut rest, 16)?;
        Some((Row::of(&iv, tag, rest)?, key))
    }

    fn decrypt_blob(key: &Key, blob: &str) -> Result<Vec<u8>, Failure> {
        let (row, key) = parse(key, blob).ok_or(Failure::Malformed)?;
        open(&row, &key, &[])
    }

    pub fn decrypt(key: &Key, row: &str) -> Result<Vec<u8>, Failure> {
        let (_, blob) = split(row).ok_or(Failure::Malformed)?;
        decrypt_blob(key, blob)
    }

    pub fn unwrap_key(instance_key: &str, value: &str) -> Result<Key, Failure> {
        let unwrapped = decrypt_blob(&sha256(&[instance_key.as_bytes()]), value)?;
        let text = String::from_utf8(unwrapped).map_err(|_| Failure::Key)?;
        let key = unhex(&text, true).and_then(|key| Key::try_from(key).ok());
        key.ok_or(Failure::Key)
    }

    fn blob(key: &Key, salt: &[u8; 32], plaintext: &[u8]) -> String {
        let (key, iv) = derive(key, salt);
        let Row { iv: _, tag, ciphertext } = Row::sealed(&key, &iv, &[], plaintext);
        BASE64.encode(&[&[1], salt.as_slice(), &tag, &ciphertext].concat())
    }

    pub fn encrypt(key: &Key, key_id: &str, salt: &[u8; 32], plaintext: &[u8]) -> String {
        format!("{key_id}:{}", blob(key, salt, plaintext))
    }

    /// Returns the content of the column `value` of `deployment_key`.
    pub fn wrap_key(instance_key: &str, salt: &[u8; 32], text: &[u8]) -> String {
        blob(&sha256(&[instance_key.as_bytes()]), salt, text)
    }
}
