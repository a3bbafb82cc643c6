//! The cryptographic primitives.
//!
//! No other module uses the crates that provide an AEAD, a KDF, a KEM or a hash.
//!
//! Each backend for the two AEADs has its own file: [`rust_crypto`], and [`aws_lc`] with the feature of that name. Both
//! produce the same bytes. The hash, HMAC and HKDF are in [`hashing`]. With the feature `hpke`, the file of that name has
//! HPKE and its KEM.

use subtle::ConstantTimeEq;

#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hashing;
#[cfg(feature = "hpke")]
mod hpke;
mod rust_crypto;

#[cfg(feature = "hpke")]
pub(crate) use self::hpke::{
    ENCAPSULATED_LEN, Message, OtherCoins, PUBLIC_KEY_LEN, PrivateKey, PublicKey, Shared,
    decrypt_with, encrypt_to,
};
#[cfg(feature = "aws-lc")]
pub(crate) use aws_lc::{decrypt, encrypt};
pub(crate) use hashing::{Prf, sha256};
#[cfg(not(feature = "aws-lc"))]
pub(crate) use rust_crypto::{decrypt, encrypt};
pub(crate) use rust_crypto::{decrypt_long_iv, encrypt_long_iv};

/// The only error that decryption returns, whatever the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

/// The lengths of input and output differ, or the message is too long for the cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadLength;

/// The length of the long IV that AES-256-GCM takes in rows that other programs wrote. No suite uses it.
pub(crate) const LONG_IV_LEN: usize = 16;

/// Compares two secrets, or a secret and a guess at it, in constant time.
// `subtle` adds a barrier after each value that it compares, so it compares one: what differs in any word.
pub(crate) fn is_equal<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    const { assert!(N.is_multiple_of(8), "whole words") };
    let (a, _) = a.as_chunks::<8>();
    let (b, _) = b.as_chunks::<8>();
    let difference = |(a, b): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b);
    a.iter().zip(b).map(difference).fold(0, core::ops::BitOr::bitor).ct_eq(&0).into()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;
