// In the repository, these links of the README lead to files. The first definition of a link wins.
//! [sealwax]: sealwax
//! [Format]: crate::format
//! [threat model]: sealwax::docs::threat_model
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// The bytes.
mod body;
mod error;

// What a process keeps of its branches, and who asks the service about one.
mod known;

// The providers.
mod branch;
mod rebound;

#[doc = include_str!("../FORMAT.md")]
pub mod format {}

pub use body::{wrap_in_branch, wrap_in_rebound};
pub use branch::{BranchKeys, WhenAway};
pub use error::BodyError;
pub use rebound::Rebound;
