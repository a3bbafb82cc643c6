//! The properties that the fuzz targets check, each a function over the bytes of an input; it answers
//! whether the input got as far as the property is about, and panics where the property fails.
//!
//! The targets in `fuzz_targets/` call them. So does `tests/corpora/main.rs` of the library, over the
//! inputs in `corpus/`: it includes this file by its path, and so nothing here may need a crate that
//! the library does not stand on, or a path that starts with `crate`.

pub mod agree;
mod edits;
mod heap;
mod input;
pub mod material;
pub mod reference;
pub mod remote;

pub mod context;
pub mod hmac;
pub mod import;
pub mod open_altered;
pub mod parse_binary;
pub mod parse_keyring;
pub mod parse_text;
pub mod parse_triplet;
pub mod stateful;

/// What a target checks.
pub type Property = fn(&[u8]) -> bool;

/// Every target, by its name.
pub const TARGETS: [(&str, Property); 9] = [
    ("context", context::check),
    ("hmac", hmac::check),
    ("import", import::check),
    ("open_altered", open_altered::check),
    ("parse_binary", parse_binary::check),
    ("parse_keyring", parse_keyring::check),
    ("parse_text", parse_text::check),
    ("parse_triplet", parse_triplet::check),
    ("stateful", stateful::check),
];
