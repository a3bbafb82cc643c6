//! Tests that run the real program.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod accidents;
mod arguments;
mod audit;
mod backup;
mod census;
mod erasing;
mod exit_codes;
#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod files;
mod import;
mod keyring_texts;
mod labels;
mod log;
mod offline_escrow;
#[cfg(unix)]
mod process;
#[cfg(target_os = "linux")]
mod prompt;
mod repair;
mod reseal;
mod rotation;
mod run;
mod sandbox;
mod story;
mod suspicious;
mod whole_life;
