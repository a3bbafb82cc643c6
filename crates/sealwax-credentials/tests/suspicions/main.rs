//! Which texts look like no credential, and which ones do.
//!
//! Every credential here is invented. No test prints one: a failure names the row of a table.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod accidents;
mod kinds;
mod programs;
mod providers;
mod public;
mod random;

use sealwax::Secret;
use sealwax_credentials::{Suspicion, suspicions};

fn of(text: impl AsRef<[u8]>) -> Vec<Suspicion> {
    suspicions(&Secret::from(text.as_ref())).collect()
}
