//! Tests over PostgreSQL. They are skipped unless `SEALWAX_TEST_POSTGRES` is set: see the README.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic: that is how it fails"
)]

mod census;
mod find;
mod head;
mod server;
