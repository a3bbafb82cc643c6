// In the repository, these links of the README lead to files. The first definition of a link wins.
//! [sealwax]: sealwax
//! [Operations]: sealwax::docs::operations
//! [Rotation]: docs
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// The types of columns.
mod sealed;

// A table, and what the database keeps.
mod schema;
mod table;

// Which keys the rows of tables name, and what nobody declared.
mod census;
mod find;
mod retiring;

// A job: what it does, its plan, its statements, its workers, its proof.
mod context;
mod job;
mod page;
mod plan;
mod proof;
mod statements;
mod step;
mod task;
mod witness;
mod worker;

// The tables of other crates.
#[cfg(feature = "tables")]
pub mod tables;

// In the repository, these links of the page lead to files. The first definition of a link wins.
/// [README]: crate
/// [Operations]: sealwax::docs::operations
/// [sealwax-import]: sealwax_import
#[doc = include_str!("../ROTATION.md")]
pub mod docs {}

pub use census::{Census, Head, Unopenable, census, unopenable};
pub use context::RowContext;
pub use find::{Finding, Found, Waived, find};
pub use job::{Failures, Job, Status};
pub use plan::{Options, PlanError};
pub use proof::{Proof, ProofVerdict};
pub use retiring::{Report, Scanned, Verdict, safe_to_destroy, safe_to_retire};
pub use schema::install;
pub use sealed::{Sealed, SealedText, StoredKeyId};
pub use table::{Form, Table, TableError};
pub use task::Kind;
pub use worker::{Done, Limits, WorkError};
