//! A change of a token's row.

use alloc::string::{String, ToString};

use thiserror::Error;

use crate::claims::{Claims, TokenId};
use crate::record::Record;

/// A change of a token's row, for one compare-and-swap: [`SWAP`](crate::sql::sqlite::SWAP) of the crate's SQL.
///
/// The row with this id, if its record is still the one that was seen, gets another. If it is not, somebody else was
/// first, and nothing was written. [`finish`](Self::finish) is told which, and returns what the change was for.
#[derive(Debug)]
#[must_use = "nothing changes until this is written to the table"]
#[non_exhaustive]
pub struct Change<T = ()> {
    /// The public id of the token, which identifies the row.
    pub id: TokenId,
    /// The record that the row must still have.
    pub seen: Record,
    /// The record that it gets.
    pub record: Record,
    /// What becomes of the token that was rotated out.
    pub previous: Previous,
    /// When the row's tokens have expired, in seconds since 1970. If the previous one [stays](Previous::Stays), the row keeps
    /// the later of this and what it has.
    pub expires: u64,
    outcome: T,
}

/// What becomes of the token that was rotated out, which a row has next to its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Previous {
    /// It ends: the row has only its own record.
    Ends,
    /// It stays as it is, because the token that is replaced was never used.
    Stays,
    /// It is the token that is replaced, with this record, for as long as its grace lasts.
    Is(Record),
}

/// Somebody else changed the row first: read it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("somebody else changed the token first")]
#[non_exhaustive]
pub struct Raced;

/// The parameters of [`SWAP`](crate::sql::sqlite::SWAP), in order.
pub type SwapParameters = [Option<String>; 8];

impl<T> Change<T> {
    /// Returns the parameters of [`SWAP`](crate::sql::sqlite::SWAP), in order.
    #[must_use]
    pub fn parameters(&self) -> SwapParameters {
        let Self { id, seen, record, previous, expires, outcome: _ } = self;
        let previous_record = match previous {
            Previous::Is(record) => Some(record),
            Previous::Ends | Previous::Stays => None,
        };
        [
            Some(id.to_string()),
            Some(seen.to_string()),
            Some(record.lookup_key().into()),
            Some(record.to_string()),
            Some(column(*expires)),
            previous_record.map(|record| record.lookup_key().into()),
            previous_record.map(Record::to_string),
            (*previous == Previous::Stays).then(|| "stays".into()),
        ]
    }

    /// Returns what the change was for, if it was written: if the statement changed one row, and not none.
    ///
    /// # Errors
    ///
    /// Returns [`Raced`] if it was not, because the row had another record.
    pub fn finish(self, is_written: bool) -> Result<T, Raced> {
        if is_written { Ok(self.outcome) } else { Err(Raced) }
    }

    pub(crate) fn map<U>(self, outcome: impl FnOnce(T) -> U) -> Change<U> {
        let Self { id, seen, record, previous, expires, outcome: of } = self;
        Change { id, seen, record, previous, expires, outcome: outcome(of) }
    }

    pub(crate) fn with_previous(self, record: Record, claims: &Claims) -> Self {
        let expires = self.expires.max(claims.grant.expires);
        Self { previous: Previous::Is(record), expires, ..self }
    }

    pub(crate) fn keeping_previous(self) -> Self {
        Self { previous: Previous::Stays, ..self }
    }
}

impl Change {
    /// A change after which the row has only its own record.
    pub(crate) fn new(seen: &Record, record: Record, claims: &Claims) -> Self {
        let Claims { id, grant, .. } = claims;
        let (seen, previous) = (seen.clone(), Previous::Ends);
        Self { id: *id, seen, record, previous, expires: grant.expires, outcome: () }
    }
}

/// Returns a time as the text of an integer column, whose largest value means never.
pub(crate) fn column(time: u64) -> String {
    i64::try_from(time).unwrap_or(i64::MAX).to_string()
}
