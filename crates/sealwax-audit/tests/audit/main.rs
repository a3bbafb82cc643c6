//! Tests of keys, chains, sinks and texts.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic: that is how it fails"
)]

mod after;
mod alterations;
mod format;
mod given;
mod hand_over;
mod keys;
mod lines;
mod malformed;
mod openings;
mod python;
mod sinks;
mod sqlite;
mod thieves;
mod writers;
