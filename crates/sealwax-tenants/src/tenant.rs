//! Tenants, and the ids of their keys.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sealwax::{EncryptionContext, Envelope, Held, KeyId};

/// The largest number of a key: a keyring has at most 1,024 keys, those that were destroyed included.
pub(crate) const MAX_NUMBER: u32 = 1000;
/// The longest tenant in bytes, so that the id of each of its keys is a key id.
const MAX_LEN: usize = 100;
const PREFIX: &str = "tenant/";

/// A tenant of the service, such as `42` or `acme/eu`, as it is written in the ids of its keys.
///
/// It has 1 to 100 characters from `A-Z a-z 0-9 . _ - /`, starts with a letter or digit, and is case-sensitive. It is in
/// envelopes, in logs and in errors, and what looks like a key is rejected, as in every [`KeyId`]. Never give the id of one
/// tenant to another.
///
/// Clones share the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// A text is not a [`TenantId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a tenant: 1 to 100 characters from A-Z a-z 0-9 . _ - /, starting with a letter or digit, and no key"
)]
pub struct TenantIdError;

impl TenantId {
    /// Returns the id of the tenant's key with this number.
    pub(crate) fn key(&self, number: u32) -> TenantKeyId {
        TenantKeyId { tenant: self.clone(), number }
    }
}

impl TryFrom<&str> for TenantId {
    type Error = TenantIdError;

    fn try_from(tenant: &str) -> Result<Self, TenantIdError> {
        // The first character is one that a key id begins with, and `@` comes only before the number.
        let is_key_id = !tenant.contains('@') && KeyId::try_from(tenant).is_ok();
        if tenant.len() > MAX_LEN || !is_key_id {
            return Err(TenantIdError);
        }
        Ok(Self(tenant.into()))
    }
}

impl TryFrom<String> for TenantId {
    type Error = TenantIdError;

    fn try_from(tenant: String) -> Result<Self, TenantIdError> {
        Self::try_from(tenant.as_str())
    }
}

impl FromStr for TenantId {
    type Err = TenantIdError;

    fn from_str(tenant: &str) -> Result<Self, TenantIdError> {
        Self::try_from(tenant)
    }
}

impl AsRef<str> for TenantId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TenantId").field(&self.as_ref()).finish()
    }
}

/// Which key of which tenant: `tenant/42@2` is the second key of the tenant `42`.
///
/// Numbers go from 1 to 1000. None is used twice, also not after the tenant's keys were destroyed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantKeyId {
    pub(crate) tenant: TenantId,
    pub(crate) number: u32,
}

/// A text is not a [`TenantKeyId`], or an envelope is not under one key of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the key of a tenant: tenant/, the tenant, @, and a number from 1 to 1000")]
pub struct TenantKeyIdError;

impl TenantKeyId {
    /// Returns the key that an envelope is wrapped for.
    ///
    /// # Errors
    ///
    /// Returns a [`TenantKeyIdError`] if it is wrapped for another key than a tenant's, or for several.
    pub fn of(envelope: &Envelope) -> Result<Self, TenantKeyIdError> {
        let mut key_ids = envelope.key_ids();
        match (key_ids.next(), key_ids.next()) {
            (Some(key_id), None) => key_id.as_ref().parse(),
            _ => Err(TenantKeyIdError),
        }
    }

    /// Returns the tenant.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Returns the number of the key.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Returns what [`FENCE`](crate::sql::postgres::FENCE) is about: the tenant and the number.
    #[must_use]
    pub fn parameters(&self) -> [String; 2] {
        [self.tenant.to_string(), self.number.to_string()]
    }

    /// Returns the context that the key is sealed in, so that nothing else is ever opened in its place.
    #[expect(clippy::expect_used, reason = "both values are shorter than a context takes")]
    pub(crate) fn context(&self) -> EncryptionContext {
        let key = self.to_string();
        EncryptionContext::new([("tenant", self.tenant.as_ref()), ("key", &key)])
            .and_then(|context| context.holding(Held::MasterKey))
            .expect("a context takes each tenant and each key id")
    }
}

impl FromStr for TenantKeyId {
    type Err = TenantKeyIdError;

    fn from_str(text: &str) -> Result<Self, TenantKeyIdError> {
        let rest = text.strip_prefix(PREFIX).ok_or(TenantKeyIdError)?;
        let (tenant, number) = rest.rsplit_once('@').ok_or(TenantKeyIdError)?;
        let tenant = tenant.parse().map_err(|TenantIdError| TenantKeyIdError)?;
        match decimal(number) {
            Some(number @ 1..=MAX_NUMBER) => Ok(Self { tenant, number }),
            _ => Err(TenantKeyIdError),
        }
    }
}

impl fmt::Display for TenantKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, number } = self;
        write!(f, "{PREFIX}{tenant}@{number}")
    }
}

impl From<&TenantKeyId> for KeyId {
    #[expect(clippy::expect_used, reason = "a tenant was checked, and has at most 100 bytes")]
    fn from(key: &TenantKeyId) -> Self {
        key.to_string().try_into().expect("the id of a tenant's key is a key id")
    }
}

/// Reads a number that is written in one way only.
pub(crate) fn decimal(text: &str) -> Option<u32> {
    let number = text.parse().ok()?;
    Some(number).filter(|number: &u32| number.to_string() == text)
}
