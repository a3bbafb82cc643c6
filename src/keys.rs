//! The data key of one row, the master keys that wrap data keys, the keyrings and providers that hold master keys,
//! and the recorders of keyrings.

mod binding;
pub(crate) mod data_key;
pub(crate) mod derivation_key;
pub(crate) mod in_memory;
pub(crate) mod intermediate_key;
mod key_text;
pub(crate) mod keyring;
pub(crate) mod master_key;
#[cfg(feature = "hpke")]
pub(crate) mod pair;
pub(crate) mod provider;
pub(crate) mod provider_error;
pub(crate) mod provider_future;
pub(crate) mod recorder;
pub(crate) mod requests;
pub(crate) mod usable_key;
