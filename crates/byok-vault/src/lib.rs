//! A small vault for customers' API keys, as a starting point for a service.
//!
//! `sealwax` seals each credential for one tenant, provider and row, and SQLite stores it. Read the
//! modules in this order: `row` (what is stored, and what its envelope is bound to), `store` (the
//! tables and all of the SQL), `log` (what is opened, recorded before it is opened), `rotation` (a new
//! master key for every row), then the commands.

// What the system must not keep.
pub mod core_dumps;

// What the program reports: exit codes, errors, faulty rows, and readable numbers and names; files.
pub mod error;
pub mod exit;
pub mod files;
pub mod formatting;
pub mod row_fault;

// What tools do to the text of an envelope.
mod around;

// What the vault stores, since when, and under which keys.
pub mod clock;
pub mod credential;
pub mod key_text;
pub mod keys;
pub mod names;
pub mod row;
pub mod store;
pub mod variables;

// What is written down before anything is opened.
pub mod audit_keys;
pub mod log;

// What other programs store, and under which keys.
pub mod legacy_key;

// The operations on all rows.
pub mod audit;
pub mod census;
pub mod import;
pub mod repair;
pub mod reseal;
pub mod rotation;

// The program.
pub mod cli;
pub mod commands;
pub mod story;
