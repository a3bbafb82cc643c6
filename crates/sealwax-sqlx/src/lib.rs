#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod sealed;
mod table;

pub use sealed::{Sealed, SealedText, StoredKeyId};
pub use table::{Form, Table, TableError};
