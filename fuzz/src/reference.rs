//! The implementations that the crate is compared with. For the format, this is the reference that the library's own
//! tests also include. For rows from other programs, it is one written from the page *legacy* and the doc comments
//! there. Both are slow, and share only the ciphers themselves with the crate.

/// In `tests/`, because the tests are published and the fuzzers are not.
#[path = "../../tests/reference/format.rs"]
mod format;

pub mod legacy;
pub mod triplet;

pub use format::{Key, context, encoding, envelope, keyring, procedures};
