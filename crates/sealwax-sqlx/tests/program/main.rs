//! Tests of the program `sealwax-rotate`, over a real server.
//!
//! They are skipped unless `SEALWAX_TEST_POSTGRES` is set: see CONTRIBUTING.md.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic: that is how it fails"
)]

mod census;
mod control;
mod jobs;
mod readme;
mod refusals;
mod rotation;
mod scene;
#[path = "../database/server.rs"]
#[expect(dead_code, reason = "these tests install the schema with the program")]
mod server;
