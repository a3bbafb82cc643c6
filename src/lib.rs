// README's links lead to files; in the documentation they lead to the same pages here, because the
// first definition of a link wins.
//! [Format]: crate::docs::format
//! [Threat model]: crate::docs::threat_model
//! [Assurance]: crate::docs::assurance
//! [Performance]: crate::docs::performance
//! [Operations]: crate::docs::operations
//! [Providers]: crate::docs::providers
//! [Legacy]: crate::docs::legacy
//! [Cookbook]: crate::docs::cookbook
//! [Decisions]: crate::docs::decisions
#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

// Words: public names and sizes; nothing that runs.
mod context;
mod format_error;
mod key_id;
mod suite;
mod wrapped_key;

// Below what serde reads, secret or not: the one place that decides which of its errors are shown.
#[cfg(feature = "serde")]
mod serde;

// Public bytes: layout, parse, encode. May be logged, stored, fuzzed.
mod envelope;

// Secrets: wiped, redacted, used.
mod cipher;
mod key_bytes;
mod secret;

// Keys: what a key is; wrap and unwrap.
mod keys;

// Verbs: prepare, seal, verify, open; then what happens over a lifetime.
mod rewrapping;
pub mod sealing;

// Side rooms, apart from the envelope: iv:tag:ciphertext, the rows that exist ...
pub mod triplet;

// ... and on top of it the rows of services that take more than a layout.
pub mod legacy;

// The book: the format, the threat model, the reasons, and how to run and extend it.
pub mod docs;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use cipher::fuzzing;
pub use context::{ContextError, EncryptionContext, Held};
pub use envelope::Envelope;
pub use format_error::{Field, FormatError};
pub use key_bytes::KeyError;
pub use key_id::KeyId;
pub use keys::answer::Answer;
pub use keys::data_key::DataKey;
pub use keys::keyring::{KeyState, Keyring, KeyringError, LineProblem};
pub use keys::master_key::MasterKey;
pub use keys::provider::{
    MasterKeyProvider, ProviderError, ProviderErrorKind, UnwrapRequest, WrapRequest,
};
pub use rewrapping::RewrapError;
pub use sealing::{OpenError, SealError};
pub use secret::Secret;
pub use suite::Suite;
pub use wrapped_key::{WrapKind, WrappedKey};
