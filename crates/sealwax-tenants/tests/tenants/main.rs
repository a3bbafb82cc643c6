//! The tests of this crate, without a database: over keys in memory, and over a key service that waits and fails when it
//! is told to. Those of the SQL are in sealwax-sqlx.

#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests fail by panicking")]

mod ages;
mod bindings;
mod certificates;
mod records;
mod scene;
mod sharing;
mod states;
mod texts;
mod vector;
#[cfg(feature = "hpke")]
mod writers;
