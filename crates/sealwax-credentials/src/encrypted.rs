//! What is already sealed, encrypted or compressed, and the keys of this project.

use crate::around::assigned;
use crate::reading::Reading;

/// The states of a key in a keyring.
const STATES: [&str; 6] = ["primary", "retired", "escrow", "disabled", "leaked", "destroyed"];

/// How the ciphertexts of other programs begin: LiteLLM, OpenSSL and CryptoJS, Vault and OpenBao,
/// Ansible (also as a tag of YAML), SOPS and eyaml, Jasypt, Spring, Jenkins, Kubernetes, Laravel, AWS
/// KMS, Cloak in base64, age and PGP (also in base64), Fernet in base64 once more, and the two forms of
/// PowerShell's `ConvertFrom-SecureString`, the first of which is that of Windows' DPAPI (also in base64).
///
/// n8n's rows, an id and base64, could be a pair. Some services issue a JWE as a token.
const CIPHERTEXTS: [&str; 24] = [
    "v2:gcm:",
    "v3:gcm:",
    "litellm_enc::",
    "U2FsdGVkX1",
    "vault:v",
    "$ANSIBLE_VAULT;",
    "!vault ",
    "ENC[",
    "ENC(",
    "{cipher}",
    "{AQAAAB",
    "k8s:enc:",
    "eyJpdiI6",
    "AQICAH",
    "AQpBRVMuR0NN",
    "age-encryption.org/",
    "YWdlLWVuY3J5cHRpb24ub3Jn",
    "-----BEGIN AGE ENCRYPTED FILE-----",
    "-----BEGIN PGP MESSAGE-----",
    "LS0tLS1CRUdJTiBQR1AgTUVTU0FHRS",
    "Z0FBQUFB",
    "01000000d08c9ddf0115d111",
    "AQAAANCMnd8BFdER",
    "76492d1116743f0423413b16050a5345",
];

/// An envelope of sealwax, of any version, as text or as bytes.
pub(crate) fn envelope(reading: &Reading<'_>) -> bool {
    let version = reading.core.strip_prefix("sw").and_then(|rest| rest.split_once(':'));
    version.is_some_and(|(version, _)| is_of(version, |byte| byte.is_ascii_digit()))
        || reading.bytes.starts_with(b"SW\x01")
}

pub(crate) fn master_key(reading: &Reading<'_>) -> bool {
    is_key(reading.core)
}

/// Returns whether a text starts like a key of sealwax: `sw`, one or two letters for its kind, `1_`.
///
/// These are the names of all kinds: also of those that later versions may have, and that are no key ids.
fn is_key(text: &str) -> bool {
    let kind = text.strip_prefix("sw").and_then(|rest| rest.split_once("1_"));
    kind.is_some_and(|(kind, _)| kind.len() <= 2 && is_of(kind, |byte| byte.is_ascii_lowercase()))
}

pub(crate) fn keyring(reading: &Reading<'_>) -> bool {
    let text = assigned(reading.core).unwrap_or(reading.core);
    !reading.is_document && text.split(['\n', ';']).any(is_entry)
}

/// Returns whether a line is an entry of a keyring. Some states have no key.
fn is_entry(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let is_state = words.next().is_some_and(|word| STATES.contains(&word));
    is_state && words.next().is_some() && words.next().is_none_or(is_key)
}

pub(crate) fn encrypted(reading: &Reading<'_>) -> bool {
    let text = reading.core;
    CIPHERTEXTS.iter().any(|start| text.starts_with(start))
        // Mule
        || (text.starts_with("![") && text.ends_with(']'))
        || [':', '.', '|'].into_iter().any(|separator| is_triplet(text, separator))
        || is_fernet(text)
        || is_sealed_secret(text)
        || (reading.is_document && text.starts_with('{') && text.contains("\"iv\""))
        || is_cloak(reading.bytes)
}

/// Returns whether the last three parts are an IV, a tag of 16 bytes and a ciphertext, in either order
/// of the last two.
fn is_triplet(text: &str, separator: char) -> bool {
    let mut parts = text.rsplit(separator);
    let (Some(third), Some(second), Some(first)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_hex =
        |part: &str| part.len().is_multiple_of(2) && is_of(part, |byte| byte.is_ascii_hexdigit());
    let in_hex = is_hex(first)
        && is_hex(second)
        && is_hex(third)
        && matches!(first.len(), 24 | 32)
        && [second, third].iter().any(|tag| tag.len() == 32);
    let is_16_bytes = |part: &str| part.len() == 24 && part.ends_with("==");
    let in_base64 = is_base64(first)
        && is_base64(second)
        && is_base64(third)
        && (first.len() == 16 || is_16_bytes(first))
        && [second, third].into_iter().any(is_16_bytes);
    in_hex || in_base64
}

/// Returns whether a text begins like a Fernet token: version 0x80, a time of 8 bytes that begins with
/// zeros, and an IV, in base64url.
///
/// The length is not checked further: a token that a column cut off is no credential either.
fn is_fernet(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    digits.starts_with("gAAAAA")
        && digits.len() >= 34
        && is_of(digits, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Returns whether a text is an item of a SealedSecret: the length of a wrapped key, which is 512 bytes,
/// that key, and the ciphertext, in base64.
fn is_sealed_secret(text: &str) -> bool {
    ["AgA", "AgB", "AgC", "AgD"].iter().any(|start| text.starts_with(start))
        && text.len() >= 708
        && is_base64(text)
}

/// Returns whether bytes are a row of Cloak: a tag 1, the length of the label, the label.
fn is_cloak(bytes: &[u8]) -> bool {
    let label = bytes.strip_prefix(b"\x01").and_then(|rest| rest.split_first());
    label.is_some_and(|(_, label)| label.starts_with(b"AES."))
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && is_of(digits, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

fn is_of(text: &str, class: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(class)
}

/// The headers of zlib, gzip, Zstandard, xz and zip, and of gzip in base64.
pub(crate) fn compressed(reading: &Reading<'_>) -> bool {
    let headers: [&[u8]; 7] = [
        b"\x78\x9c",
        b"\x78\x01",
        b"\x78\xda",
        b"\x1f\x8b",
        b"\x28\xb5\x2f\xfd",
        b"\xfd7zXZ\0",
        b"PK\x03\x04",
    ];
    headers.iter().any(|header| reading.bytes.starts_with(header))
        // The header of zlib at its second level is text.
        || (!reading.is_text && reading.bytes.starts_with(b"\x78\x5e"))
        || reading.core.starts_with("H4sIAA")
}
