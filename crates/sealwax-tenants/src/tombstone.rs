//! What is left of a tenant whose keys were destroyed.

use std::fmt;
use std::str::FromStr;

use sealwax::KeyId;

use crate::roots::Roots;
use crate::tenant::{TenantId, TenantKeyId};

/// All keys of a tenant up to a number are destroyed, and copies of them may be left under some roots.
///
/// A *root* is a key of the service's keyring that tenants' keys are sealed under. The roots of a tombstone are those that
/// the service had when the tenant was deleted: what they sealed opens until they are destroyed, from a backup for example.
///
/// As text it is one line for a file: `tenant/42@2 epoch-2026-10:0a1b2c3d epoch-2026-11:4e5f6071 .` A root that was in memory
/// has its [check value](sealwax::Keyring::check_value). Without the dot at its end, a line was cut.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tombstone {
    pub(crate) key: TenantKeyId,
    pub(crate) roots: Roots,
}

/// A text is not a [`Tombstone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a tombstone: the key of a tenant, the ids of roots, each once and in order, and a dot, separated by single spaces"
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
        self.roots.key_ids()
    }

    /// Adds the roots that the deleted envelopes name, as [`DESTROY`](crate::sql::postgres::DESTROY) selects them: one in each
    /// line, or `None`.
    ///
    /// A job may have moved them to a new root since the record was read.
    #[must_use]
    pub fn with_deleted(mut self, envelopes: Option<&str>) -> Self {
        self.roots.add_named(envelopes.unwrap_or_default().lines());
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
        write!(f, "{key} {roots} .")
    }
}

impl FromStr for Tombstone {
    type Err = TombstoneError;

    fn from_str(text: &str) -> Result<Self, TombstoneError> {
        let text = text.strip_suffix(" .").ok_or(TombstoneError)?;
        let (key, roots) = text.split_once(' ').ok_or(TombstoneError)?;
        let key = key.parse().map_err(|_| TombstoneError)?;
        Ok(Self { key, roots: roots.parse()? })
    }
}
