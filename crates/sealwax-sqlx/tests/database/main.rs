//! Tests over databases.
//!
//! The tests over PostgreSQL are skipped unless `SEALWAX_TEST_POSTGRES` is set: see CONTRIBUTING.md.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic: that is how it fails"
)]

mod audit;
mod census;
mod chaos;
mod cluster;
mod columns;
mod contexts;
mod control;
mod find;
mod given;
mod guards;
mod head;
mod import;
mod macros;
mod offline_escrow;
mod others;
mod proof;
mod rotation;
mod server;
mod service;
mod table;
#[cfg(all(feature = "sqlite", feature = "tables"))]
mod tables;
mod tenants;
mod tokens;
mod transit;
