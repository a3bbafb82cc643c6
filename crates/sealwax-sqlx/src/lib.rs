#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod job;
mod schema;
mod statements;
mod table;
mod worker;

pub use job::{Failures, Job, Kind, Options, PlanError, Status};
pub use schema::install;
pub use table::{Form, Table, TableError};
pub use worker::{Done, Limits, WorkError};
