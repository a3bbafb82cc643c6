// In the repository, the README's links lead to files. In the documentation they lead to the modules with the same
// pages, because the first definition of a link wins.
//! [Format]: crate::format
//! [`sql`]: crate::sql
#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

// What is secret.
mod pepper;
mod show_once;
mod text;

// What is stored.
mod claims;
mod existing;
mod grant;
mod record;

// What is done.
mod change;
mod changing;
mod error;
mod tokens;
mod verifying;

pub mod sql;

#[doc = include_str!("../FORMAT.md")]
pub mod format {}

pub use change::{Change, Previous, Raced, SwapParameters};
pub use changing::{Rotated, Rotation};
pub use claims::{Claims, Mode, ModeError, State, TokenId, TokenIdError};
pub use error::{ChangeError, HttpAnswer, TokenError};
pub use existing::{Existing, HexError, OldDigest, Salt, SaltError};
pub use grant::{Grant, GrantError};
pub use pepper::{ForTokens, Pepper, Peppers};
pub use record::{FindParameters, LookupKey, LookupKeys, Record, RecordError};
pub use show_once::ShowOnce;
pub use text::{Prefix, PrefixError};
pub use tokens::{Converted, InsertParameters, Issued, Tokens};
pub use verifying::Verified;
