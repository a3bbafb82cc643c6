//! Rows that other stacks wrote: reading them, migrating them, writing them back, and rejecting
//! them if a byte is wrong.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod anatomy;
mod coding;
mod files;
mod kinds;
mod seeded;

mod damage;
mod interop;
mod node_accepts;
mod offsets;
mod vectors;
mod written;
