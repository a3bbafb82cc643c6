//! The envelope format: sizes, names, and the binary and text forms.
//!
//! Nothing in this module holds a key, runs a cipher or is secret. All of it may be logged, stored and fuzzed.

pub(crate) mod binary;
pub(crate) mod context;
pub(crate) mod envelope;
pub(crate) mod error;
pub(crate) mod error_class;
pub(crate) mod key_id;
#[cfg(feature = "serde")]
pub(crate) mod reading;
#[cfg(feature = "serde")]
pub(crate) mod serde;
pub(crate) mod sizes;
pub(crate) mod suite;
pub(crate) mod surrounding;
mod text;
pub(crate) mod wrapped_key;
