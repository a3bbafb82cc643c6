//! Changing the record of a token: narrowing, revoking, rotating.

use core::time::Duration;

use rand_core::TryCryptoRng;

use crate::change::Change;
use crate::claims::{Claims, State};
use crate::error::{ChangeError, TokenError};
use crate::grant::Grant;
use crate::record::Record;
use crate::show_once::ShowOnce;
use crate::tokens::Tokens;
use crate::verifying::is_open;

/// When a token is rotated, and what becomes of the old one and the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "its fields are arguments with names")]
pub struct Rotation {
    /// The time in seconds since 1970.
    pub now: u64,
    /// For how long the old token is still valid, in whole seconds, if the new one is not used before.
    ///
    /// If the token that is replaced was never used itself, the one before it keeps the grace that it has. Only a grace of
    /// less than a second ends it, and so does revoking.
    pub grace: Duration,
    /// When the new token expires, or `None` for when the old one does.
    pub expires: Option<u64>,
}

/// A token that replaces another one.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rotated {
    /// The new token, for its owner and nobody else.
    pub token: ShowOnce,
    /// What its record says.
    pub claims: Claims,
}

/// Whoever changes a token says whose it is: from the authorisation of the request, not from the row. Somebody who can
/// write the table can give any row to any subject's list.
impl Tokens {
    /// Returns what a record says, without its token: for lists, and for an operator who may change every token.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError::Altered`], [`TokenError::Pepper`] or [`TokenError::WrongMode`].
    pub fn inspect(&self, record: &Record) -> Result<Claims, TokenError> {
        let pepper = self.peppers.find(&record.pepper_id)?;
        let claims = pepper.derive(|expand| record.open(expand))?;
        if claims.mode == self.mode { Ok(claims) } else { Err(TokenError::WrongMode) }
    }

    /// Narrows what a subject's token is for: fewer scopes, a later start, an earlier end. Its text stays the same.
    ///
    /// A token that was rotated out, and has its grace, ends.
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError::Wider`] if the grant has something that the token's own does not have,
    /// [`ChangeError::Grant`] if a time is not in seconds, and [`ChangeError::Token`] if the token was spent or revoked.
    /// Also returns the errors of [`revoke`](Self::revoke).
    pub fn narrow(
        &self,
        record: &Record,
        subject: &str,
        grant: Grant,
    ) -> Result<Change<Claims>, ChangeError> {
        let claims = self.changeable(record, subject)?;
        is_open(&claims)?;
        if !grant.is_within(&claims.grant) {
            return Err(ChangeError::Wider);
        }
        self.rewrite(record, Claims { grant, state: State::Active, ..claims })
    }

    /// Revokes a subject's token, and the one before it that was rotated out and has its grace.
    ///
    /// It is revoked when the change is written. If somebody else is first, read the record and revoke again.
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError::OtherSubject`] if the token is another subject's. Returns [`ChangeError::Token`] with
    /// [`TokenError::Altered`] if the record was altered (delete the row), or with [`TokenError::Pepper`] or
    /// [`TokenError::WrongMode`] if it is not for these peppers. Returns [`ChangeError::Replaced`] if it is the record of a token that was
    /// rotated out: [`inspect`](Self::inspect) it, and revoke the record that the row with its id has.
    pub fn revoke(&self, record: &Record, subject: &str) -> Result<Change<Claims>, ChangeError> {
        let claims = self.changeable(record, subject)?;
        self.rewrite(record, Claims { state: State::Revoked, ..claims })
    }

    /// Replaces a subject's token by a new one with the same public id, subject and scopes, with the operating system's
    /// randomness.
    ///
    /// The old token ends when the new one is used, or when its grace is over, or at its own expiry, whichever is first.
    ///
    /// A token that was rotated in and never used ends at once, and the one before it keeps its grace: perhaps nobody
    /// received the new one. Without a grace, both end.
    ///
    /// If a token may authorise its own rotation, refuse one in [`State::Replaced`]: its owner rotated it, perhaps because
    /// it leaked, and a thief would rotate it once more.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`revoke`](Self::revoke). Also returns [`ChangeError::Token`] if the token was spent or
    /// revoked, is for one use, or the new one would have expired; [`ChangeError::Grant`] if a time is not in seconds;
    /// and [`ChangeError::Random`] if the randomness source fails.
    #[cfg(feature = "getrandom")]
    pub fn rotate(
        &self,
        record: &Record,
        subject: &str,
        rotation: Rotation,
    ) -> Result<Change<Rotated>, ChangeError> {
        self.rotate_with_rng(record, subject, rotation, &mut getrandom::SysRng)
    }

    /// Replaces a subject's token by a new one, with randomness from `rng`.
    ///
    /// # Errors
    ///
    /// As [`rotate`](Self::rotate).
    pub fn rotate_with_rng(
        &self,
        record: &Record,
        subject: &str,
        rotation: Rotation,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Change<Rotated>, ChangeError> {
        let Rotation { now, grace, expires } = rotation;
        let old = self.changeable(record, subject)?;
        is_open(&old)?;
        if old.grant.is_single_use {
            return Err(TokenError::WrongUse.into());
        }
        let grant = old.grant.clone().expires(expires.unwrap_or(old.grant.expires));
        if grant.expires <= now {
            return Err(TokenError::Expired.into());
        }
        let was_used = old.state != State::Successor;
        let ends = now.saturating_add(grace.as_secs()).min(old.grant.expires);
        let of_old = Claims { state: State::Replaced, grant: old.grant.expires(ends), ..old };
        let (token, claims, new) = self.draw(of_old.id, grant, State::Successor, rng)?;
        let change = Change::new(record, new, &claims);
        let change = if was_used {
            change.with_previous(self.written_again(record, &of_old)?, &of_old)
        } else if grace.as_secs() == 0 {
            change
        } else {
            change.keeping_previous()
        };
        Ok(change.map(|()| Rotated { token: ShowOnce::new(token), claims }))
    }

    /// Returns what a record says, if it is the one that a subject's row has.
    fn changeable(&self, record: &Record, subject: &str) -> Result<Claims, ChangeError> {
        let claims = self.inspect(record)?;
        if claims.grant.subject() != subject {
            return Err(ChangeError::OtherSubject);
        }
        if claims.state == State::Replaced { Err(ChangeError::Replaced) } else { Ok(claims) }
    }

    /// Makes the same record with other claims: the digest stays, because the token is not here.
    fn written_again(&self, record: &Record, claims: &Claims) -> Result<Record, ChangeError> {
        claims.grant.check_times()?;
        let pepper_id = &record.pepper_id;
        let pepper = self.peppers.find(pepper_id)?;
        Ok(pepper.derive(|expand| Record::new((pepper_id, expand), record.digest, claims)))
    }

    fn rewrite(&self, seen: &Record, claims: Claims) -> Result<Change<Claims>, ChangeError> {
        let record = self.written_again(seen, &claims)?;
        Ok(Change::new(seen, record, &claims).map(|()| claims))
    }
}
