//! The crate from outside: what it promises, and what it rejects.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod fixtures;
/// Included by path, as in all tests that compare the crate with it.
#[path = "../reference/format.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "other tests use more of it, and the fuzzers use it as a library"
)]
mod reference;

mod bad_input;
mod bindings;
mod broken_vectors;
mod canary;
mod companion;
mod context;
mod cut;
mod damage;
mod faults;
mod hosts;
mod key_ids;
mod keyring;
mod kinds;
mod leaked;
mod leaked_data_key;
mod offline_escrow;
mod properties;
mod providers;
mod randomness;
mod recorders;
mod rewrapping;
mod rings;
mod same_key;
#[cfg(feature = "hpke")]
mod sealing_keys;
#[cfg(feature = "serde")]
mod serde;
mod several_wraps;
mod siv;
mod test_keys;
mod triplet;
mod triplet_damage;
mod two_data_keys;
mod vectors;
mod verdicts;
mod versions;
#[cfg(not(feature = "hpke"))]
mod without_hpke;
mod words;
