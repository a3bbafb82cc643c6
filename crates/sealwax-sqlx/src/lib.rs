#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod census;
mod find;
mod retiring;
mod schema;
mod table;

pub use census::{Census, Head, Unopenable, census, unopenable};
pub use find::{Finding, Found, Waived, find};
pub use retiring::{Report, Scanned, Verdict, safe_to_destroy, safe_to_retire};
pub use schema::install;
pub use table::{Form, Table, TableError};
