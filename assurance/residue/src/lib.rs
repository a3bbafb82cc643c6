//! The protocol between the probe and the search.
//!
//! The search makes every secret and sends it through a pipe. The probe reads it straight into the
//! buffer that the library will wipe, so it has no copy of its own.

pub mod pipe;
