//! The pages Services and Recipes, run: over a PostgreSQL of the tests, as a program, and each recipe.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: that is how it fails")]

mod census;
mod failures;
mod given;
mod http;
mod measurement;
mod pages;
mod program;
mod recipes;
mod reload;
mod rotation;
mod server;
mod unlocking;
