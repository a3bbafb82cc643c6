//! Tokens that another program issued, as its table has them.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use sealwax::companion::Expand;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::claims::len8;

/// The maximum length of a salt in bytes.
const MAX_SALT_LEN: usize = 64;

/// A token of an existing table: in plaintext, or only its SHA-256.
#[derive(Clone)]
#[non_exhaustive]
pub enum Existing<'a> {
    /// The token, 1 to 1024 bytes.
    Plaintext(&'a str),
    /// SHA-256(token)
    Sha256(OldDigest),
    /// SHA-256(salt ‖ token)
    SaltBefore(Salt, OldDigest),
    /// SHA-256(token ‖ salt)
    SaltAfter(Salt, OldDigest),
}

/// A SHA-256 of an existing table, from 32 bytes or, by `FromStr`, from 64 hex digits in either case.
#[derive(Clone, Copy)]
pub struct OldDigest([u8; 32]);

/// A salt of an existing table: the 1 to 64 bytes that were hashed.
///
/// Programs store a salt as hex. Some hash the bytes that it means: use [`from_hex`](Self::from_hex). Others hash the
/// hex digits themselves: use [`new`](Self::new) with the text's bytes, in the case that it has.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(Vec<u8>);

/// How the digest of a record is made from its token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// expand(pepper, "swt1/token" ‖ token, 32)
    Plain,
    /// Over SHA-256(token).
    Sha256,
    /// Over SHA-256(salt ‖ token).
    SaltBefore(Salt),
    /// Over SHA-256(token ‖ salt).
    SaltAfter(Salt),
}

impl Scheme {
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Sha256 => 1,
            Self::SaltBefore(_) => 2,
            Self::SaltAfter(_) => 3,
        }
    }

    pub(crate) fn salt(&self) -> &[u8] {
        match self {
            Self::Plain | Self::Sha256 => &[],
            Self::SaltBefore(Salt(salt)) | Self::SaltAfter(Salt(salt)) => salt,
        }
    }

    pub(crate) fn of(code: u8, salt: &[u8]) -> Option<Self> {
        match code {
            0 if salt.is_empty() => Some(Self::Plain),
            1 if salt.is_empty() => Some(Self::Sha256),
            2 => Some(Self::SaltBefore(Salt::new(salt).ok()?)),
            3 => Some(Self::SaltAfter(Salt::new(salt).ok()?)),
            _ => None,
        }
    }

    /// Returns the digest of a token. The caller must wipe the stack.
    pub(crate) fn digest(&self, expand: Expand<'_>, token: &[u8]) -> [u8; 32] {
        match self.old_digest(token) {
            None => expand.expand(&plain_info(token)),
            Some(old) => self.digest_of_old(expand, &old),
        }
    }

    /// Returns whether a digest is that of a token, in constant time. The caller must wipe the stack.
    pub(crate) fn matches(&self, expand: Expand<'_>, token: &[u8], digest: &[u8; 32]) -> bool {
        match self.old_digest(token) {
            None => expand.matches(&plain_info(token), digest),
            Some(old) => expand.matches(&self.info(&self.header(), &old), digest),
        }
    }

    fn digest_of_old(&self, expand: Expand<'_>, old: &[u8; 32]) -> [u8; 32] {
        expand.expand(&self.info(&self.header(), old))
    }

    /// Returns what the existing table has of a token, if it has a hash.
    fn old_digest(&self, token: &[u8]) -> Option<[u8; 32]> {
        let [first, second] = match self {
            Self::Plain => return None,
            Self::Sha256 => [token, &[]],
            Self::SaltBefore(Salt(salt)) => [salt, token],
            Self::SaltAfter(Salt(salt)) => [token, salt],
        };
        Some(Sha256::new().chain_update(first).chain_update(second).finalize().into())
    }

    fn header(&self) -> [u8; 2] {
        [self.code(), len8(self.salt().len())]
    }

    /// expand(pepper, "swt1/legacy" ‖ u8(scheme) ‖ len8 salt ‖ old digest, 32)
    fn info<'a>(&'a self, header: &'a [u8; 2], old: &'a [u8; 32]) -> [&'a [u8]; 4] {
        [b"swt1/legacy", header, self.salt(), old]
    }
}

/// expand(pepper, "swt1/token" ‖ token, 32)
const fn plain_info(token: &[u8]) -> [&[u8]; 2] {
    [b"swt1/token", token]
}

impl Existing<'_> {
    /// Returns the scheme, and the digest in a record. The caller must wipe the stack.
    pub(crate) fn digest(&self, expand: Expand<'_>) -> (Scheme, [u8; 32]) {
        let (scheme, old) = match self {
            Self::Plaintext(token) => {
                return (Scheme::Plain, Scheme::Plain.digest(expand, token.as_bytes()));
            }
            Self::Sha256(old) => (Scheme::Sha256, old),
            Self::SaltBefore(salt, old) => (Scheme::SaltBefore(salt.clone()), old),
            Self::SaltAfter(salt, old) => (Scheme::SaltAfter(salt.clone()), old),
        };
        let digest = scheme.digest_of_old(expand, &old.0);
        (scheme, digest)
    }
}

impl Salt {
    /// Takes the bytes that were hashed.
    ///
    /// # Errors
    ///
    /// Returns a [`SaltError`] if it is empty or has more than 64 bytes.
    pub fn new(salt: &[u8]) -> Result<Self, SaltError> {
        if (1..=MAX_SALT_LEN).contains(&salt.len()) {
            Ok(Self(salt.into()))
        } else {
            Err(SaltError)
        }
    }

    /// Decodes the bytes that were hashed, from hex digits in either case.
    ///
    /// # Errors
    ///
    /// Returns a [`SaltError`] if these are no hex digits, or too few or too many.
    pub fn from_hex(text: &str) -> Result<Self, SaltError> {
        let salt = base16ct::mixed::decode_vec(text).map_err(|_| SaltError)?;
        Self::new(&salt)
    }
}

impl From<[u8; 32]> for OldDigest {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl FromStr for OldDigest {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let mut digest = [0; 32];
        let decoded = base16ct::mixed::decode(text, &mut digest).map_err(|_| HexError)?;
        if decoded.len() == 32 { Ok(Self(digest)) } else { Err(HexError) }
    }
}

/// The text is not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected 64 hex digits")]
#[non_exhaustive]
pub struct HexError;

/// The salt is empty or too long, or its text is no hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected a salt of 1 to 64 bytes")]
#[non_exhaustive]
pub struct SaltError;

// An old digest without a pepper is worth as much as the token is guessable, and a plaintext is the token.
impl fmt::Debug for Existing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plaintext(_) => "Plaintext([REDACTED])",
            Self::Sha256(_) => "Sha256([REDACTED])",
            Self::SaltBefore(..) => "SaltBefore([REDACTED])",
            Self::SaltAfter(..) => "SaltAfter([REDACTED])",
        })
    }
}

impl fmt::Debug for OldDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("OldDigest([REDACTED])")
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Salt([REDACTED])")
    }
}
