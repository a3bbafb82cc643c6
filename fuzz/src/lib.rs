//! The properties that the fuzz targets check. Each is a function over the bytes of an input. It returns whether the
//! input got far enough to be checked, and panics if the property fails.
//!
//! The targets in `fuzz_targets/` call these functions. So does the library's `tests/corpora/main.rs`, over the inputs
//! in `corpus/`. It includes this file by path, so nothing here may use a crate that the library does not depend on, or
//! a path that starts with `crate`.

pub mod agree;
pub mod edits;
pub mod heap;
pub mod input;
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

/// The targets of the crates in `crates/`, by name. Their properties are in `companions/`, and the tests of each crate
/// call them over its corpora.
pub const COMPANIONS: [&str; 6] =
    ["audit", "branch", "destination", "redaction", "tenants", "tokens"];

/// The function that checks a property.
pub type Property = fn(&[u8]) -> bool;

/// Every target, by name.
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
