//! Tests that run the code of the pages Services and Recipes.
//!
//! They run the service with PostgreSQL, run it as a program, and run each recipe. The tests that need PostgreSQL are
//! skipped unless `SEALWAX_TEST_POSTGRES` is set: see CONTRIBUTING.md.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod census;
mod failures;
mod given;
mod http;
mod pages;
mod program;
mod recipes;
mod reload;
mod rotation;
mod server;
mod unlocking;
