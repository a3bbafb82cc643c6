//! The dashboard from outside: its process, and real HTTP.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

mod connections;
mod elsewhere;
mod keys;
mod pages;
#[path = "../gateway/postgres.rs"]
mod postgres;
mod scene;
mod servers;
mod signing_in;
mod tokens;
