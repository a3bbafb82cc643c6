//! One ciphertext, two readings: a tag of GCM or of Poly1305 commits to no key, so whoever knows two
//! keys can make a ciphertext that decrypts under both, to two plaintexts. (Dodis and others, "Fast
//! message franking: from invisible salamanders to encryptment", 2018; Len, Grubbs and Ristenpart,
//! "Partitioning oracle attacks", 2021.)
//!
//! Here such ciphertexts are made, opened where nothing stands against them, and put into envelopes
//! in every arrangement: an envelope reads one way at most. Next to it, what a wrap is good for in
//! another row, and a data key that leaked.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic: that is how it fails"
)]

mod binary_field;
mod ciphers;
mod forgery;
mod page;
mod prime_field;

/// Included by its path, as by all who compare the crate with it.
#[path = "../reference/format.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "others use more of it, and the fuzzers as a library"
)]
mod reference;

mod committed;
mod leaked;
mod naive;
mod wraps;
