//! What the probe and the search say to each other.
//!
//! The search makes every secret and hands it over through a pipe; the probe reads it straight into
//! the buffer that the library will wipe, and so holds no copy of its own.

pub mod pipe;
