//! A small vault for customers' API keys: what a service could start from.
//!
//! Each credential is sealed by `sealwax` for one tenant, provider and row, and kept in SQLite.
//! Read on in this order: `row` (what is stored, and what its envelope is bound to), `store` (the
//! table, and all of the SQL), `rotation` (a new master key for every row), then the commands.

// What is said: exit codes, errors, faults of rows, numbers and names as people read them.
pub mod error;
pub mod exit;
pub mod formatting;
pub mod row_fault;

// What is kept, since when, and under which keys.
pub mod clock;
pub mod credential;
pub mod keys;
pub mod names;
pub mod row;
pub mod store;

// What other programs keep, and under which keys.
pub mod layout;
pub mod legacy_key;

// What happens to all rows at once.
pub mod census;
pub mod import;
pub mod rotation;

// The program.
pub mod cli;
pub mod commands;
pub mod story;
