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

// The floors: what stands lower knows nothing of what stands higher.

mod format;

mod secret;

mod cipher;

mod keys;

mod verbs;

// The side: `iv:tag:ciphertext`, the rows that exist ...
pub mod triplet;

// ... and on top of it the rows of services that take more than a layout.
pub mod legacy;

// The book: the format, the threat model, the reasons, and how to run and extend it.
pub mod docs;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use cipher::fuzzing;
pub use format::context::{ContextError, EncryptionContext, Held};
pub use format::envelope::Envelope;
pub use format::error::{Field, FormatError};
pub use format::error_class::ErrorClass;
pub use format::key_id::KeyId;
pub use format::suite::Suite;
pub use format::surrounding::Surrounding;
pub use format::wrapped_key::{WrapKind, WrappedKey};
pub use keys::data_key::DataKey;
pub use keys::keyring::errors::{KeyringError, LineProblem};
pub use keys::keyring::replacing::ReloadProblem;
pub use keys::keyring::{KeyState, Keyring};
pub use keys::master_key::MasterKey;
pub use keys::provider::{KeyWrapper, MasterKeyProvider};
pub use keys::provider_error::{ProviderError, ProviderErrorKind};
pub use keys::provider_future::ProviderFuture;
pub use keys::requests::{UnwrapRequest, WrapRequest};
pub use secret::Secret;
pub use secret::key_bytes::KeyError;
pub use verbs::batch::{Batch, Change, RowError};
pub use verbs::errors::{OpenError, RewrapError, SealError, UnwrapError};
pub use verbs::two_phase::Draft;
