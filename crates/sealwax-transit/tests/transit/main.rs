//! The tests of this crate: against a scripted transport, against small servers that misbehave, and against a real
//! OpenBao server, if `SEALWAX_TEST_OPENBAO` says where one is.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod batches;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod faults;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod jobs;
mod locations;
mod replies;
mod requests;
#[cfg(target_os = "linux")]
mod residue;
mod scripted;
#[cfg(feature = "hyper")]
mod server;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod socket_server;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod sockets;
mod versions;
