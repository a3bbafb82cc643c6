// In the repository, these links of the README lead to files. The first definition of a link wins.
//! [sealwax]: sealwax
//! [recipes]: sealwax::docs::recipes
//! [operations]: sealwax::docs::operations
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod transport;

// What a caller configures.
mod location;
mod token;

// The protocol.
mod error;
mod version;
mod wire;

// The provider.
mod key;

// The transports that are behind features.
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "reqwest")]
mod reqwest;

pub use error::TransitError;
#[cfg(feature = "hyper")]
pub use hyper::HyperTransport;
pub use key::TransitKey;
pub use location::{ConfigError, KeyLocation};
#[cfg(feature = "reqwest")]
pub use reqwest::ReqwestTransport;
pub use token::Token;
pub use transport::{Body, Transport, TransportError, TransportErrorKind};
pub use version::KeyVersions;
pub use wire::version_of;
