//! One ciphertext, two readings. A tag of GCM or Poly1305 does not commit to a key, so anyone who
//! knows two keys can make a ciphertext that decrypts under both, to two plaintexts. (Dodis and
//! others, "Fast message franking: from invisible salamanders to encryptment", 2018; Len, Grubbs
//! and Ristenpart, "Partitioning oracle attacks", 2021.)
//!
//! These tests make such ciphertexts, open them where nothing prevents it, and put them into
//! envelopes in every arrangement: an envelope has at most one reading. They also test what a wrap
//! can do in another row, and what a leaked data key allows.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod binary_field;
mod ciphers;
mod forgery;
mod page;
mod prime_field;

/// Included by path, as in all tests that compare the crate with it.
#[path = "../reference/format.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "other tests use more of it, and the fuzzers use it as a library"
)]
mod reference;

mod committed;
mod leaked;
mod naive;
mod wraps;
