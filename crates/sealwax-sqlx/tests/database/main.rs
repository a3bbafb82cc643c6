//! Tests over PostgreSQL: `ci/servers cargo test --manifest-path crates/sealwax-sqlx/Cargo.toml --locked`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod chaos;
mod server;
