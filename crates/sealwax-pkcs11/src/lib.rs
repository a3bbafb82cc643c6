// In the repository, these links of the README lead to files. The first definition of a link wins.
//! [sealwax]: sealwax
//! [operations]: sealwax::docs::operations
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// What a caller configures, and what goes wrong.
mod config;
mod error;

// The bytes.
mod body;

// Threads that block, so that nobody else does.
mod threads;

// The token: its library, the login, a session, and what a session does with a key.
mod login;
mod module;
mod scheme;
mod session;
mod verdict;

// The provider.
mod key;

pub use body::version_of;
pub use config::TokenConfig;
pub use error::TokenError;
pub use key::TokenKey;
