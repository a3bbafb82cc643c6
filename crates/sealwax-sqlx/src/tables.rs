//! The tables of sealwax's other crates, with the calls that a service makes: the audit log, tokens, and tenants' keys.
//!
//! They are in PostgreSQL or SQLite. Each call is one statement, or several that need no transaction, on a connection that the
//! pool has free.

mod audit;
mod database;
mod log_verifier;
mod tenants;
mod tokens;

pub use audit::{AuditTable, AuditTableError};
pub use database::{Database, Dialect, Value};
pub use log_verifier::LogVerifier;
pub use tenants::TenantTable;
pub use tokens::{TokenTable, TokenTableError, Used};
