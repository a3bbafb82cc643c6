//! Verifying tokens, and redeeming those for one use.

use alloc::vec::Vec;

use sealwax::KeyId;
use subtle::ConstantTimeEq;

use crate::claims::{Claims, State};
use crate::error::TokenError;
use crate::existing::Scheme;
use crate::pepper::Pepper;
use crate::record::{Change, LookupKey, Record};
use crate::text::Shape;
use crate::tokens::Tokens;

/// A token that was verified.
#[derive(Clone, Debug)]
#[must_use]
#[non_exhaustive]
pub struct Verified {
    /// What the token is for.
    pub claims: Claims,
    /// What should be written: this is the first use of a token that was rotated in, which ends the one before it, or
    /// the record is under an older pepper or of an older scheme. If somebody else is first, there is nothing to do.
    pub change: Option<Change>,
}

/// A token for one use that may be used if nobody else is first.
#[derive(Debug)]
#[must_use = "the token is not used up until the change is written"]
pub struct Redemption {
    claims: Claims,
    change: Change,
}

impl Tokens {
    /// Returns what to search the table for: one key for each usable pepper, the primary's first.
    ///
    /// With [`accept_existing`](Self::accept_existing), a text that is not of this crate has more.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError::Malformed`] or [`TokenError::WrongMode`] if no row can have this token.
    pub fn lookup_keys(&self, token: &str) -> Result<Vec<LookupKey>, TokenError> {
        let mut schemes = Vec::from([Scheme::Plain]);
        if self.check_text(token)? == Shape::Other {
            let salts = self.existing.iter().flatten();
            schemes.push(Scheme::Sha256);
            schemes.extend(salts.flat_map(|salt| {
                [Scheme::SaltBefore(salt.clone()), Scheme::SaltAfter(salt.clone())]
            }));
        }
        let keys_under = |(pepper_id, pepper): &(KeyId, Pepper)| {
            pepper.derive(|expand| {
                let key =
                    |scheme: &Scheme| LookupKey::new(pepper_id, &scheme.digest(expand, token));
                schemes.iter().map(key).collect::<Vec<_>>()
            })
        };
        Ok(self.peppers.usable().flat_map(keys_under).collect())
    }

    /// Verifies a token against the record that the table has, at a time in seconds since 1970, for a scope.
    ///
    /// # Errors
    ///
    /// Returns a [`TokenError`] that says why the token is refused. For a token that is for one use, that is
    /// [`TokenError::WrongUse`]: see [`redeem`](Self::redeem).
    pub fn verify(
        &self,
        token: &str,
        record: &Record,
        now: u64,
        scope: &str,
    ) -> Result<Verified, TokenError> {
        let claims = self.check(token, record, (now, scope), false)?;
        let is_current = record.pepper_id == self.peppers.primary().0
            && claims.scheme == Scheme::Plain
            && claims.state == State::Active;
        // A token that was rotated out is left as it is, because it ends soon.
        let change = (!is_current && claims.state != State::Replaced)
            .then(|| self.renew(token, record, &claims, State::Active));
        Ok(Verified { claims, change })
    }

    /// Verifies a token for one use. It is used up when the change is written: see [`Redemption`].
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify); [`TokenError::Spent`] if it was used before.
    pub fn redeem(
        &self,
        token: &str,
        record: &Record,
        now: u64,
        scope: &str,
    ) -> Result<Redemption, TokenError> {
        let claims = self.check(token, record, (now, scope), true)?;
        let change = self.renew(token, record, &claims, State::Spent);
        Ok(Redemption { claims, change })
    }

    /// Returns what a text is, if it may be a token.
    fn check_text(&self, token: &str) -> Result<Shape, TokenError> {
        match self.prefix.shape_of(token) {
            Shape::Ours => Ok(Shape::Ours),
            Shape::Other if self.existing.is_some() => Ok(Shape::Other),
            Shape::OtherPrefix => Err(TokenError::WrongMode),
            Shape::Mistyped | Shape::Other | Shape::Nothing => Err(TokenError::Malformed),
        }
    }

    /// Checks everything, in the order of the page.
    fn check(
        &self,
        token: &str,
        record: &Record,
        (now, scope): (u64, &str),
        is_single_use: bool,
    ) -> Result<Claims, TokenError> {
        self.check_text(token)?;
        let claims = self.peppers.find(&record.pepper_id)?.derive(|expand| {
            let claims = record.open(expand)?;
            let is_same = claims.scheme.digest(expand, token).ct_eq(&record.digest);
            if bool::from(is_same) { Ok(claims) } else { Err(TokenError::Unknown) }
        })?;
        if claims.mode != self.mode {
            return Err(TokenError::WrongMode);
        }
        is_open(&claims)?;
        if claims.grant.is_single_use != is_single_use {
            return Err(TokenError::WrongUse);
        }
        if now < claims.grant.not_before {
            return Err(TokenError::NotYet);
        }
        if now >= claims.grant.expires {
            return Err(TokenError::Expired);
        }
        if claims.grant.allows(scope) { Ok(claims) } else { Err(TokenError::Scope) }
    }

    /// Makes the record of a token that was verified, under the primary and by the plain scheme. It ends the token before.
    fn renew(&self, token: &str, seen: &Record, claims: &Claims, state: State) -> Change {
        let (pepper_id, pepper) = self.peppers.primary();
        let claims = Claims { state, scheme: Scheme::Plain, ..claims.clone() };
        let record = pepper.derive(|expand| {
            Record::new((pepper_id, expand), claims.scheme.digest(expand, token), &claims)
        });
        Change::only(claims.id, seen, record)
    }
}

impl Redemption {
    /// Returns what must be written before the token counts as used.
    pub const fn change(&self) -> &Change {
        &self.change
    }

    /// Returns what the token is for, if the change was written: `rows` is the number of rows that it changed.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError::Spent`] if it changed none, because somebody else was first.
    pub fn finish(self, rows: u64) -> Result<Claims, TokenError> {
        if rows == 0 { Err(TokenError::Spent) } else { Ok(self.claims) }
    }
}

pub(crate) const fn is_open(claims: &Claims) -> Result<(), TokenError> {
    match claims.state {
        State::Active | State::Successor | State::Replaced => Ok(()),
        State::Spent => Err(TokenError::Spent),
        State::Revoked => Err(TokenError::Revoked),
    }
}
