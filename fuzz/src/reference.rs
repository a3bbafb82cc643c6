//! What the crate is compared with: of the format, the reference that the library's own tests include too;
//! of the rows of others, one written from the page *legacy* and the doc comments there. Both are slow, and
//! share no code with the crate but the ciphers themselves.

/// In `tests/`, because the tests are published and the fuzzers are not.
#[path = "../../tests/reference/format.rs"]
mod format;

pub mod legacy;
pub mod triplet;

pub use format::{Key, context, encoding, envelope, keyring, procedures};
