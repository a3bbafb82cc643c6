//! What is left of a tenant whose keys were destroyed.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use sealwax::{Envelope, KeyId};

use crate::tenant::{TenantId, TenantKeyId};

/// All keys of a tenant up to a number are destroyed, and copies of them may be left under some roots.
///
/// A *root* is a key of the service's keyring that tenants' keys are sealed under. The roots of a tombstone are those that
/// the service had when the tenant was deleted: what they sealed opens until they are destroyed, from a backup for example.
///
/// As text it is one line for a file: `tenant/42@2 epoch-2026-10 epoch-2026-11`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tombstone {
    pub(crate) key: TenantKeyId,
    pub(crate) roots: BTreeSet<KeyId>,
}

/// A text is not a [`Tombstone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a tombstone: the key of a tenant and the ids of roots, each once and in order, separated by single spaces"
)]
pub struct TombstoneError;

impl Tombstone {
    /// Returns the tenant.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.key.tenant
    }

    /// Returns the newest key that is destroyed. So are all before it.
    #[must_use]
    pub const fn key(&self) -> &TenantKeyId {
        &self.key
    }

    /// Returns the roots that have to be destroyed before the tenant's rows are gone for good, in order.
    pub fn roots(&self) -> impl Iterator<Item = &KeyId> {
        self.roots.iter()
    }

    /// Adds the roots that the deleted envelopes name, as [`DESTROY`](crate::sql::postgres::DESTROY) selects them: one in each
    /// line, or `None`.
    ///
    /// A job may have moved them to a new root since the record was read.
    #[must_use]
    pub fn with_deleted(mut self, envelopes: Option<&str>) -> Self {
        self.roots.extend(roots_of(envelopes.unwrap_or_default().lines()));
        self
    }

    /// Returns what [`DESTROY`](crate::sql::postgres::DESTROY) and [`REPLAY`](crate::sql::postgres::REPLAY) bind: the
    /// tenant and the number.
    #[must_use]
    pub fn parameters(&self) -> [String; 2] {
        self.key.parameters()
    }
}

impl fmt::Display for Tombstone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, roots } = self;
        write!(f, "{key}")?;
        roots.iter().try_for_each(|root| write!(f, " {root}"))
    }
}

impl FromStr for Tombstone {
    type Err = TombstoneError;

    fn from_str(text: &str) -> Result<Self, TombstoneError> {
        let mut words = text.split(' ');
        let key = words.next().and_then(|word| word.parse().ok()).ok_or(TombstoneError)?;
        let roots = words.map(KeyId::try_from).collect::<Result<_, _>>();
        let tombstone = Self { key, roots: roots.map_err(|_| TombstoneError)? };
        // Each tombstone has one text.
        if tombstone.to_string() == text { Ok(tombstone) } else { Err(TombstoneError) }
    }
}

/// Returns the keys that envelopes name. A text that is no envelope opens nowhere.
pub(crate) fn roots_of<'a>(texts: impl Iterator<Item = &'a str>) -> impl Iterator<Item = KeyId> {
    let envelopes = texts.filter_map(|text| text.parse::<Envelope>().ok());
    envelopes.flat_map(|envelope| envelope.key_ids().collect::<Vec<_>>())
}
