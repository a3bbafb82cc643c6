//! Tests over databases.
//!
//! The tests over PostgreSQL are skipped unless `SEALWAX_TEST_POSTGRES` is set: see CONTRIBUTING.md.

#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

mod columns;
mod given;
mod server;
mod table;
