// In the repository, these links of the README lead to files. The first definition of a link wins.
//! [sealwax]: sealwax
//! [other clouds]: crate::other_clouds
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod error;
mod key;

/// How a provider over another cloud service would be written.
#[doc = include_str!("../OTHER_CLOUDS.md")]
pub mod other_clouds {}

pub use config::ConfigError;
pub use error::KmsError;
pub use key::KmsKey;
