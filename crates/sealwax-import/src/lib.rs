// In the repository, these links of the README lead to files. The first definition of a link wins.
//! [sealwax]: sealwax
//! [Rows you already have]: sealwax::docs::legacy
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bytes;
mod catalogue;
mod declaration;
mod encoding;
pub mod json;
mod key;
mod layer;
mod matching;
mod path;
mod pattern;
mod row;

pub use catalogue::{CATALOGUE, Named};
pub use declaration::{Declaration, DeclarationError, DeclaredCell, Excluded, Template};
pub use key::{KeyForm, KeyTextError};
pub use path::CellPath;
pub use pattern::Pattern;
pub use row::{Cell, ForeignRow, Row, RowError};
