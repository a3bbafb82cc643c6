//! The tests of this crate: against a service in memory that fails, waits and rotates when it is told to, and against
//! AES-KW, which binds nothing.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod ages;
mod attacks;
mod known_answers;
mod moving;
mod rebound;
mod requests;
mod service;
mod sharing;
