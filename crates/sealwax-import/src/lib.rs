// In the repository, these links of the README lead to files. The first definition of a link wins.
//! [sealwax]: sealwax
//! [Rows you already have]: sealwax::docs::legacy
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod catalogue;
mod declaration;
mod encoding;
pub mod json;
mod key;
mod matching;
mod pattern;
mod row;

pub use catalogue::{CATALOGUE, Named};
pub use declaration::{CellPath, Declaration, DeclarationError, DeclaredCell, Excluded, Template};
pub use key::{KeyForm, KeyTextError};
pub use pattern::Pattern;
pub use row::{Cell, ForeignRow, Row, RowError};
