//! Changing the record of a token: narrowing, revoking, rotating.

use core::time::Duration;

use rand_core::TryCryptoRng;

use crate::claims::{Claims, State};
use crate::error::{ChangeError, TokenError};
use crate::grant::Grant;
use crate::record::{Change, Record};
use crate::show_once::ShowOnce;
use crate::tokens::Tokens;
use crate::verifying::is_open;

/// A token that replaces another one.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rotated {
    /// The new token. Show it only after the change is written.
    pub token: ShowOnce,
    /// What its record says.
    pub claims: Claims,
    /// What the table gets.
    pub change: Change,
}

impl Tokens {
    /// Returns what a record says, without its token: for lists, and before a change.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError::Altered`], [`TokenError::Pepper`] or [`TokenError::WrongMode`].
    pub fn inspect(&self, record: &Record) -> Result<Claims, TokenError> {
        let pepper = self.peppers.find(&record.pepper_id)?;
        let claims = pepper.derive(|expand| record.open(expand))?;
        if claims.mode == self.mode { Ok(claims) } else { Err(TokenError::WrongMode) }
    }

    /// Narrows what a token is for: fewer scopes, a later start, an earlier end. Its text stays the same.
    ///
    /// A token that was rotated out, and has its grace, ends.
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError::Wider`] if the grant has something that the token's own does not have, and
    /// [`ChangeError::Token`] if the record was altered or its token ended.
    pub fn narrow(&self, record: &Record, grant: Grant) -> Result<Change, ChangeError> {
        let claims = self.changeable(record)?;
        if !grant.is_within(&claims.grant) {
            return Err(ChangeError::Wider);
        }
        self.rewrite(record, Claims { grant, state: State::Active, ..claims })
    }

    /// Revokes a token, also one that was rotated out and has its grace.
    ///
    /// If somebody else's change was first, read the record and revoke again.
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError::Token`] if the record was altered. Then delete the row.
    pub fn revoke(&self, record: &Record) -> Result<Change, ChangeError> {
        let claims = self.inspect(record)?;
        self.rewrite(record, Claims { state: State::Revoked, ..claims })
    }

    /// Replaces a token by a new one with the same public id, subject and scopes, with the operating system's randomness.
    ///
    /// The old token ends when the new one is used, or `grace` after `now`, or at its own expiry, whichever is first.
    /// The new one expires at `expires`, or with `None` when the old one would have.
    ///
    /// A token that was rotated in and never used ends at once, and the one before it keeps its grace: perhaps nobody
    /// received it.
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError::Token`] if the record was altered, its token ended, or it is for one use;
    /// [`ChangeError::Replaced`] if it was rotated out; and [`ChangeError::Random`] if the randomness source fails.
    #[cfg(feature = "getrandom")]
    pub fn rotate(
        &self,
        record: &Record,
        now: u64,
        grace: Duration,
        expires: Option<u64>,
    ) -> Result<Rotated, ChangeError> {
        self.rotate_with_rng(record, now, grace, expires, &mut getrandom::SysRng)
    }

    /// Replaces a token by a new one, with randomness from `rng`.
    ///
    /// # Errors
    ///
    /// As [`rotate`](Self::rotate).
    pub fn rotate_with_rng(
        &self,
        seen: &Record,
        now: u64,
        grace: Duration,
        expires: Option<u64>,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Rotated, ChangeError> {
        let old = self.changeable(seen)?;
        if old.grant.is_single_use {
            return Err(TokenError::WrongUse.into());
        }
        let grant = Grant { expires: expires.unwrap_or(old.grant.expires), ..old.grant.clone() };
        let (token, claims, record) = self.draw(old.id, grant, State::Successor, rng)?;
        let keeps_previous = old.state == State::Successor;
        let previous = if keeps_previous {
            None
        } else {
            let ends = now.saturating_add(grace.as_secs()).min(old.grant.expires);
            let claims = Claims { state: State::Replaced, grant: old.grant.expires(ends), ..old };
            Some(self.written_again(seen, &claims)?)
        };
        let change = Change { id: claims.id, seen: seen.clone(), record, previous, keeps_previous };
        Ok(Rotated { token: ShowOnce::new(token), claims, change })
    }

    /// Returns what an intact record says, if its token has not ended.
    fn changeable(&self, record: &Record) -> Result<Claims, ChangeError> {
        let claims = self.inspect(record)?;
        is_open(&claims)?;
        if claims.state == State::Replaced { Err(ChangeError::Replaced) } else { Ok(claims) }
    }

    /// Makes the same record with other claims: the digest stays, because the token is not here.
    fn written_again(&self, record: &Record, claims: &Claims) -> Result<Record, TokenError> {
        let pepper_id = &record.pepper_id;
        let pepper = self.peppers.find(pepper_id)?;
        Ok(pepper.derive(|expand| Record::new((pepper_id, expand), record.digest, claims)))
    }

    fn rewrite(&self, seen: &Record, claims: Claims) -> Result<Change, ChangeError> {
        let record = self.written_again(seen, &claims)?;
        Ok(Change::only(claims.id, seen, record))
    }
}
