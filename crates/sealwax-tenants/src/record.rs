//! What the database has of a tenant.

use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

use crate::error::TenantError;
use crate::tenant::{MAX_NUMBER, TenantId, decimal};

/// What a caller has just read of a tenant: how many keys the tenant ever had, how many of them are destroyed, and the
/// envelopes of the others.
///
/// It is the text of one column, and is parsed only if the tenant's keyring is not kept: the first line has two numbers, and
/// each other one the number of a key and its envelope, in ascending order.
///
/// ```text
/// 3 1
/// 2 sw1:…
/// 3 sw1:…
/// ```
///
/// Here the keys up to number 1 are destroyed, and the newest is number 3.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TenantRecord {
    tenant: TenantId,
    text: Arc<str>,
}

/// Which keys a tenant has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TenantState {
    /// None, and it never had one.
    NeverHad,
    /// At least one, the newest included.
    Live,
    /// None any more: all of them were destroyed.
    Destroyed,
}

impl TenantState {
    /// Returns the name of the state in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverHad => "never_had",
            Self::Live => "live",
            Self::Destroyed => "destroyed",
        }
    }
}

impl fmt::Display for TenantState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is wrong with the text of a [`TenantRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A line does not have a number from 0 to 1000, a space and the rest.
    #[error("a line does not have its two parts")]
    Malformed,
    /// More keys are destroyed than the tenant ever had.
    #[error("more keys are destroyed than there were")]
    TooManyDestroyed,
    /// The keys are not in ascending order, or one has a number that the tenant has not reached.
    #[error("the keys are not in order, or have a number that the tenant has not reached")]
    Disordered,
}

/// A record, parsed.
pub(crate) struct Parsed<'a> {
    /// The number of the newest key that the tenant ever had, or 0.
    pub(crate) number: u32,
    pub(crate) destroyed: u32,
    /// Those that are not destroyed: the number and the text of the envelope, in ascending order.
    pub(crate) keys: Vec<(u32, &'a str)>,
}

impl TenantRecord {
    /// Takes the column that [`READ`](crate::sql::postgres::READ) selects, or `None` if it selects no row or null.
    #[must_use]
    pub fn from_row(tenant: TenantId, text: Option<&str>) -> Self {
        Self { tenant, text: text.unwrap_or("0 0").into() }
    }

    /// Creates the same from its parts, for a database of another kind: the largest number that a key of the tenant ever
    /// had, the number up to which they are destroyed, and the number and envelope of each key, in ascending order.
    #[must_use]
    pub fn new(
        tenant: TenantId,
        number: u32,
        destroyed: u32,
        keys: impl IntoIterator<Item = (u32, impl AsRef<str>)>,
    ) -> Self {
        let mut text = format!("{number} {destroyed}");
        for (number, envelope) in keys {
            // Writing to a string does not fail.
            let _ = write!(text, "\n{number} {}", envelope.as_ref());
        }
        Self::from_row(tenant, Some(&text))
    }

    /// Returns the tenant.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Parses the text. Keys up to `buried` count as destroyed, whatever the text says.
    pub(crate) fn parse(&self, buried: u32) -> Result<Parsed<'_>, TenantError> {
        let parsed = self.parse_incomplete(buried)?;
        // Without the newest key, an older one would seal, perhaps one that was replaced because it leaked.
        let newest = parsed.keys.last().map_or(parsed.destroyed, |(number, _)| *number);
        if newest < parsed.number {
            let key_id = (&self.tenant.key(parsed.number)).into();
            return Err(TenantError::Missing { key_id });
        }
        Ok(parsed)
    }

    /// Does the same, even if the newest key is missing.
    pub(crate) fn parse_incomplete(&self, buried: u32) -> Result<Parsed<'_>, TenantError> {
        let parsed = self.parse_text();
        let mut parsed =
            parsed.map_err(|source| TenantError::Record { tenant: self.tenant.clone(), source })?;
        parsed.destroyed = parsed.destroyed.max(buried);
        let destroyed = parsed.destroyed;
        parsed.keys.retain(|(number, _)| *number > destroyed);
        Ok(parsed)
    }

    fn parse_text(&self) -> Result<Parsed<'_>, RecordError> {
        let mut lines = self.text.split('\n').map(numbered);
        let (number, destroyed) = lines.next().unwrap_or(Err(RecordError::Malformed))?;
        let destroyed = decimal(destroyed).ok_or(RecordError::Malformed)?;
        if destroyed > number {
            return Err(RecordError::TooManyDestroyed);
        }
        let (mut keys, mut last) = (Vec::new(), 0);
        for line in lines {
            let (key, envelope) = line?;
            // At each line, so that there are never more keys than numbers, however long the text is.
            if key <= last || key > number {
                return Err(RecordError::Disordered);
            }
            last = key;
            keys.push((key, envelope));
        }
        Ok(Parsed { number, destroyed, keys })
    }
}

impl Parsed<'_> {
    pub(crate) fn state(&self) -> TenantState {
        match (self.keys.is_empty(), self.destroyed) {
            (true, 0) => TenantState::NeverHad,
            (true, _) => TenantState::Destroyed,
            (false, _) => TenantState::Live,
        }
    }
}

fn numbered(line: &str) -> Result<(u32, &str), RecordError> {
    let (number, rest) = line.split_once(' ').ok_or(RecordError::Malformed)?;
    let number = decimal(number).filter(|number| *number <= MAX_NUMBER);
    Ok((number.ok_or(RecordError::Malformed)?, rest))
}

/// Shows no envelope.
impl fmt::Debug for TenantRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, text: _ } = self;
        f.debug_struct("TenantRecord").field("tenant", tenant).finish_non_exhaustive()
    }
}
