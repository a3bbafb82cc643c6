#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// The types of columns.
mod sealed;

// A table, and what the database keeps.
mod schema;
mod table;

// A job: what it does, its plan, its statements, its workers.
mod context;
mod job;
mod page;
mod plan;
mod statements;
mod step;
mod task;
mod worker;

pub use context::RowContext;
pub use job::{Failures, Job, Status};
pub use plan::{Options, PlanError};
pub use schema::install;
pub use sealed::{Sealed, SealedText, StoredKeyId};
pub use table::{Form, Table, TableError};
pub use task::Kind;
pub use worker::{Done, Limits, WorkError};
