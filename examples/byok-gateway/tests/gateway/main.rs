//! The gateway from outside: its three processes, real HTTP, and providers that are servers on this machine.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

mod and;
mod browser;
mod chaos;
mod connections;
mod database_writer;
mod leftovers;
mod life;
mod memory;
mod postgres;
mod promise_000;
mod promise_001;
mod promise_002;
mod promise_003;
mod promise_004;
mod recovery;
mod scene;
mod seed;
mod servers;
mod upstream;
