//! The tests of this crate against a real token: `SEALWAX_TEST_PKCS11` is the path of SoftHSM's library, and
//! `SOFTHSM2_CONF` that of its configuration, as `ci/servers` sets them.
//!
//! Login belongs to a process and a token, so each test has its own token.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod conformance;
mod connecting;
mod example;
mod known;
mod logins;
#[cfg(target_os = "linux")]
mod replaced;
mod residue;
mod rows;
mod sharing;
mod token;
mod versions;
