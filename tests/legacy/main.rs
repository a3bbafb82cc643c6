//! Rows that other stacks wrote: read, moved over, written back, and refused where a byte is wrong.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic: that is how it fails"
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
