#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod table;

pub use table::{Form, Table, TableError};
