// In the repository, the README's links lead to files. In the documentation they lead to the modules with the same
// pages, because the first definition of a link wins.
//! [Format]: crate::format
//! [`ChainError`]: crate::ChainError
//! [`sql`]: crate::sql
#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

// Keys.
mod key;
mod keys;

// What is in a chain, and how it is written.
mod anchor;
mod entry;
mod hex;
mod lines;

// Verifying a chain.
mod verify;

// Appending to a chain.
mod log;
mod recorder;
mod sink;
pub mod sql;

#[doc = include_str!("../FORMAT.md")]
pub mod format {}

pub use anchor::{Anchor, AnchorError};
pub use entry::{Entry, EntryError, Field, Record};
pub use key::{Audit, AuditKey};
pub use keys::{AuditKeys, AuditKeysError};
pub use lines::{LineError, RecordError, read_lines};
pub use log::{Action, AppendError, AuditLog};
pub use recorder::Recorder;
pub use sink::{Appended, AuditSink};
pub use verify::{ChainError, Verified, Verifier, verify};
