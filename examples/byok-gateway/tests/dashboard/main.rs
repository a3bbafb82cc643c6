//! The dashboard from outside: its process, and real HTTP.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

mod connections;
mod elsewhere;
mod keys;
mod pages;
mod scene;
mod signing_in;
mod tokens;
