//! The operations on a credential: it is sealed, verified and opened, and over time rewrapped.

pub(crate) mod batch;
pub(crate) mod checking;
pub(crate) mod errors;
mod payload;
mod recording;
pub(crate) mod rewrapping;
#[cfg(feature = "hpke")]
pub(crate) mod sealer;
pub(crate) mod sealing;
pub(crate) mod two_phase;
mod wrapping;
