// In the repository, the README's links lead to files. In the documentation they lead to the modules with the same
// pages, because the first definition of a link wins.
//! [Services]: crate::docs::services
//! [Recipes]: crate::docs::recipes
//! [Operations]: crate::docs::operations
//! [Providers]: crate::docs::providers
//! [Legacy]: crate::docs::legacy
//! [Cookbook]: crate::docs::cookbook
//! [Threat model]: crate::docs::threat_model
//! [Assurance]: crate::docs::assurance
//! [Performance]: crate::docs::performance
//! [FIPS 140]: crate::docs::fips
//! [Format]: crate::docs::format
//! [Decisions]: crate::docs::decisions
//! [Architecture]: crate::docs::architecture
//! [Compare]: crate::docs::compare
//! [Contributing]: crate::docs::contributing
//! [Security policy]: crate::docs::security
//! [Changelog]: crate::docs::changelog
#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

// The layers, lowest first. A module imports nothing from the layers above it.

mod format;

mod secret;

mod cipher;

mod keys;

mod verbs;

// Not a layer: what the crates beside this one share with it.
pub mod companion;

// Not a layer: existing rows of the form `iv:tag:ciphertext`.
pub mod triplet;

// Built on `triplet`: the rows of services whose format is more than a layout.
pub mod legacy;

// The documentation pages.
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
pub use keys::keyring::Keyring;
pub use keys::keyring::errors::{KeyringError, LineProblem};
pub use keys::keyring::replacing::ReloadProblem;
pub use keys::keyring::state::KeyState;
pub use keys::master_key::MasterKey;
#[cfg(feature = "hpke")]
pub use keys::pair::{OpeningKey, SealingKey};
pub use keys::provider::{KeyWrapper, MasterKeyProvider};
pub use keys::provider_error::{ProviderError, ProviderErrorKind};
pub use keys::provider_future::ProviderFuture;
pub use keys::recorder::{OpenEvent, OpenOutcome, OpenRecorder, RecorderError, RecorderRequired};
pub use keys::requests::{UnwrapRequest, WrapRequest};
pub use secret::Secret;
pub use secret::key_bytes::KeyError;
pub use verbs::batch::{Batch, Change, RowError};
pub use verbs::errors::{OpenError, RewrapError, SealError, UnwrapError};
#[cfg(feature = "hpke")]
pub use verbs::sealer::Sealer;
pub use verbs::two_phase::Draft;
