//! Tests that run the real program.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod census;
mod exit_codes;
#[cfg(unix)]
mod faults;
mod import;
mod keyring_texts;
mod rotation;
mod run;
mod sandbox;
mod story;
mod whole_life;
