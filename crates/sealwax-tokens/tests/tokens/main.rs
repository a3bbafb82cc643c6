//! Tests of tokens, records, changes and the table.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic: that is how it fails"
)]

mod alterations;
mod changes;
mod existing;
mod format;
mod given;
mod peppers;
mod python;
mod show_once;
mod sqlite;
mod text;
mod times;
mod verifying;
