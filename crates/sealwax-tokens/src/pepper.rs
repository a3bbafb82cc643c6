//! Peppers: the keys of the digests and MACs.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::iter;
use core::str::FromStr;

use sealwax::companion::{DerivationKey, LineKey, Purpose, parse_key_lines};
use sealwax::{KeyId, KeyState, KeyringError, Secret};

use crate::error::TokenError;
use crate::record::LookupKey;

/// The purpose of a [`Pepper`].
#[derive(Debug)]
pub enum ForTokens {}

impl Purpose for ForTokens {
    const NAME: &str = "swh1";
}

/// A key of 32 bytes for the digests and MACs of tokens. Its text is `swh1_…`, with a checksum.
///
/// It is no master key, and no audit key either:
///
/// ```compile_fail,E0308
/// # fn f(key: sealwax::MasterKey) {
/// let pepper: sealwax_tokens::Pepper = key;
/// # }
/// ```
///
/// ```compile_fail,E0308
/// # use sealwax::companion::{DerivationKey, Purpose};
/// # enum Audit {}
/// # impl Purpose for Audit { const NAME: &str = "swa1"; }
/// # fn f(key: DerivationKey<Audit>) {
/// let pepper: sealwax_tokens::Pepper = key;
/// # }
/// ```
pub type Pepper = DerivationKey<ForTokens>;

/// The peppers of a service: one that is primary, and those that it had before.
///
/// The text has the grammar of a [`Keyring`](sealwax::Keyring)'s, with three states:
///
/// ```text
/// primary tokens-2026 swh1_…    makes the records of new tokens, and of those that are used; exactly one
/// retired tokens-2025 swh1_…    verifies, and writes what is changed without the token
/// disabled tokens-2024          verifies nothing; the key may be left out
/// ```
#[derive(Clone)]
pub struct Peppers {
    primary: Named,
    retired: Vec<Named>,
}

type Named = (KeyId, Arc<Pepper>);

impl Peppers {
    /// Creates peppers with one, the primary.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError::KeyAsKeyId`] if the id is the text of a pepper without its prefix.
    pub fn new(pepper_id: KeyId, pepper: Pepper) -> Result<Self, KeyringError> {
        pepper.check_id(&pepper_id)?;
        Ok(Self { primary: (pepper_id, Arc::new(pepper)), retired: Vec::new() })
    }

    /// Returns the id of the primary.
    #[must_use]
    pub const fn primary_id(&self) -> &KeyId {
        &self.primary.0
    }

    /// Returns the keyed digest of a credential that you store, under the primary: what to keep with it.
    ///
    /// Equal credentials have equal digests, and that is what they are for: you find who stored a key that leaked, and
    /// whether it is stored twice. It is also their cost: a reader of the table sees which rows have the same
    /// credential, and whoever can store one as well sees whether a guess is right.
    ///
    /// expand(pepper, "swt1/print" ‖ credential, 32)
    #[must_use]
    pub fn fingerprint(&self, credential: &Secret) -> LookupKey {
        fingerprint(self.primary(), credential)
    }

    /// Returns the digest of a credential under each usable pepper, the primary first: what to search for.
    pub fn fingerprints(&self, credential: &Secret) -> impl Iterator<Item = LookupKey> {
        self.usable().map(|pepper| fingerprint(pepper, credential))
    }

    pub(crate) fn primary(&self) -> (&KeyId, &Pepper) {
        borrow(&self.primary)
    }

    /// Returns the primary, and then the retired ones.
    pub(crate) fn usable(&self) -> impl Iterator<Item = (&KeyId, &Pepper)> {
        iter::once(&self.primary).chain(&self.retired).map(borrow)
    }

    pub(crate) fn find(&self, pepper_id: &KeyId) -> Result<&Pepper, TokenError> {
        if self.is_primary(pepper_id) {
            return Ok(&self.primary.1);
        }
        let found = self.retired.iter().find(|(id, _)| id == pepper_id);
        let unusable = || TokenError::Pepper { pepper_id: pepper_id.clone() };
        found.map(|(_, pepper)| &**pepper).ok_or_else(unusable)
    }

    pub(crate) fn is_primary(&self, pepper_id: &KeyId) -> bool {
        self.primary.0 == *pepper_id
    }
}

fn borrow((pepper_id, pepper): &Named) -> (&KeyId, &Pepper) {
    (pepper_id, pepper)
}

fn fingerprint((pepper_id, pepper): (&KeyId, &Pepper), credential: &Secret) -> LookupKey {
    LookupKey::new(pepper_id, &pepper.expand(&[b"swt1/print", credential.expose_secret()]))
}

impl FromStr for Peppers {
    type Err = KeyringError;

    /// Parses the text of the peppers.
    fn from_str(text: &str) -> Result<Self, KeyringError> {
        let (mut primary, mut retired) = (None, Vec::new());
        for line in
            parse_key_lines(text, &[KeyState::Primary, KeyState::Retired, KeyState::Disabled])?
        {
            match (line.state, line.key) {
                (KeyState::Primary, Some(pepper)) => {
                    primary = Some((line.key_id, Arc::new(pepper)))
                }
                (_, Some(pepper)) => retired.push((line.key_id, Arc::new(pepper))),
                (_, None) => (), // disabled
            }
        }
        Ok(Self { primary: primary.ok_or(KeyringError::NoPrimary)?, retired })
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { primary: (primary, _), retired } = self;
        let retired: Vec<_> = retired.iter().map(|(id, _)| id).collect();
        f.debug_struct("Peppers").field("primary", primary).field("retired", &retired).finish()
    }
}
