//! Tests that run the real program.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod arguments;
mod census;
mod exit_codes;
#[cfg(unix)]
mod faults;
mod import;
#[cfg(target_os = "linux")]
mod prompt;
mod rotation;
#[cfg(unix)]
mod process;
mod run;
mod sandbox;
mod story;
mod whole_life;
