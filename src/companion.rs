//! For the crates beside this one: keys for other purposes than sealing, the text of a ring of them,
//! and keys that a provider wraps.
//!
//! `sealwax-audit` has audit keys (`swa1_…`) and `sealwax-tokens` has peppers (`swh1_…`). They are written, checked,
//! compared and wiped like master keys, and listed in the grammar of a keyring's text. None is ever used as another.
//!
//! `sealwax-branch` has keys between a provider and data keys ([`IntermediateKey`]).

pub use crate::keys::derivation_key::{DerivationKey, Expand, Purpose};
pub use crate::keys::intermediate_key::IntermediateKey;
pub use crate::keys::keyring::lines::{KeyLine, LineKey, parse_key_lines};
