//! Tests over databases.
//!
//! The tests over PostgreSQL are skipped unless `SEALWAX_TEST_POSTGRES` is set: see CONTRIBUTING.md.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may panic: that is how it fails"
)]

mod columns;
mod contexts;
mod given;
mod import;
mod rotation;
mod server;
mod table;
mod transit;
