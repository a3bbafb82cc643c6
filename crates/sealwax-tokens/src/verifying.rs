//! Verifying tokens, and redeeming those for one use.

use alloc::boxed::Box;
use alloc::vec::Vec;

use sealwax::KeyId;
use sealwax::companion::Expand;

use crate::change::Change;
use crate::claims::{Claims, State};
use crate::error::TokenError;
use crate::existing::Scheme;
use crate::pepper::Pepper;
use crate::record::{LookupKey, LookupKeys, Record};
use crate::text::Shape;
use crate::tokens::Tokens;

/// A token that was verified.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct Verified {
    /// What the token is for.
    pub claims: Claims,
    /// What should be written: this is the first use of a token that was rotated in, which ends the one before it, or
    /// the record is under an older pepper or of an older scheme. If somebody else is first, there is nothing to do, so
    /// there is no need to [`finish`](Change::finish) it.
    // Most have none, and a move of one would cost as much as the comparisons.
    pub change: Option<Box<Change>>,
}

impl Tokens {
    /// Returns what to search the table for: one key for each usable pepper, the primary's first.
    ///
    /// With [`accept_existing`](Self::accept_existing), a text that is not of this crate has more.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError::Malformed`] or [`TokenError::WrongMode`] if no row can have this token.
    pub fn lookup_keys(&self, token: &str) -> Result<LookupKeys, TokenError> {
        let mut schemes = Vec::from([Scheme::Plain]);
        if self.check_text(token)? == Shape::Other {
            let salts = self.existing.iter().flatten();
            schemes.push(Scheme::Sha256);
            schemes.extend(salts.flat_map(|salt| {
                [Scheme::SaltBefore(salt.clone()), Scheme::SaltAfter(salt.clone())]
            }));
        }
        let keys_under = |(pepper_id, pepper): (&KeyId, &Pepper)| {
            pepper.derive(|expand| {
                let key = |scheme: &Scheme| {
                    LookupKey::new(pepper_id, &scheme.digest(expand, token.as_bytes()))
                };
                schemes.iter().map(key).collect::<Vec<_>>()
            })
        };
        Ok(LookupKeys(self.peppers.usable().flat_map(keys_under).collect()))
    }

    /// Returns which of some rows is the token's, for rows that no lookup key finds: see
    /// [`SALTED`](crate::sql::sqlite::SALTED).
    ///
    /// It passes over rows that were altered, or are under a pepper that is missing: one of them would otherwise refuse
    /// every token. [`inspect`](Self::inspect) them all from time to time.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError::Unknown`] if none is, and the errors of [`lookup_keys`](Self::lookup_keys).
    pub fn search<R: AsRef<str>>(
        &self,
        token: &str,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Record, TokenError> {
        self.check_text(token)?;
        let is_of_token = |record: &Record| {
            let pepper = self.peppers.find(&record.pepper_id);
            pepper.is_ok_and(|pepper| pepper.derive(|expand| open(record, expand, token).is_ok()))
        };
        rows.into_iter()
            .filter_map(|row| row.as_ref().parse().ok())
            .find(is_of_token)
            .ok_or(TokenError::Unknown)
    }

    /// Verifies a token against the record that the table has, at a time in seconds since 1970, for a scope.
    ///
    /// Write the [`change`](Verified::change), if there is one: otherwise the token before a rotation goes on, and the next
    /// rotation ends this one at once. If that fails, the token is valid all the same.
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
        let claims = self.authenticate(token, record)?;
        self.check(&claims, now, scope, false)?;
        let is_current = self.peppers.is_primary(&record.pepper_id)
            && claims.scheme == Scheme::Plain
            && claims.state == State::Active;
        // A token that was rotated out is left as it is, because it ends soon.
        let change = (!is_current && claims.state != State::Replaced)
            .then(|| Box::new(self.renew(token, record, &claims, State::Active)));
        Ok(Verified { claims, change })
    }

    /// Verifies a token for one use. The change uses it up: what the token is for is returned when that is written.
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
    ) -> Result<Change<Claims>, TokenError> {
        let claims = self.authenticate(token, record)?;
        self.check(&claims, now, scope, true)?;
        Ok(self.renew(token, record, &claims, State::Spent).map(|()| claims))
    }

    /// Returns what a text is, if it may be a token.
    fn check_text(&self, token: &str) -> Result<Shape, TokenError> {
        match self.prefix.shape_of(token) {
            Shape::Ours => Ok(Shape::Ours),
            Shape::Other if self.existing.is_some() => Ok(Shape::Other),
            Shape::OtherPrefix => Err(TokenError::WrongMode),
            Shape::Other | Shape::Nothing => Err(TokenError::Malformed),
        }
    }

    /// Returns what a record says, if it is as it was written, and a token's.
    #[inline]
    fn authenticate(&self, token: &str, record: &Record) -> Result<Claims, TokenError> {
        if !self.prefix.fits(token) {
            self.check_text(token)?;
        }
        let pepper = self.peppers.find(&record.pepper_id);
        let opened = pepper.and_then(|pepper| pepper.derive(|expand| open(record, expand, token)));
        // A token of this crate whose digest is right has a right checksum, so only others may have a typo.
        if opened.as_ref().map_or(true, Claims::is_existing) {
            self.check_text(token)?;
        }
        opened
    }

    /// Checks what a record says, in the order of the page.
    fn check(
        &self,
        claims: &Claims,
        now: u64,
        scope: &str,
        is_single_use: bool,
    ) -> Result<(), TokenError> {
        let Claims { grant, mode, .. } = claims;
        if *mode != self.mode {
            return Err(TokenError::WrongMode);
        }
        is_open(claims)?;
        if grant.is_single_use != is_single_use {
            return Err(TokenError::WrongUse);
        }
        if now < grant.not_before {
            return Err(TokenError::NotYet);
        }
        if now >= grant.expires {
            return Err(TokenError::Expired);
        }
        if grant.allows(scope) { Ok(()) } else { Err(TokenError::Scope) }
    }

    /// Makes the record of a token that was verified, under the primary and by the plain scheme. It ends the token before.
    fn renew(&self, token: &str, seen: &Record, claims: &Claims, state: State) -> Change {
        let (pepper_id, pepper) = self.peppers.primary();
        let claims = Claims { state, scheme: Scheme::Plain, ..claims.clone() };
        let record = pepper.derive(|expand| {
            Record::new(
                (pepper_id, expand),
                claims.scheme.digest(expand, token.as_bytes()),
                &claims,
            )
        });
        Change::new(seen, record, &claims)
    }
}

/// Returns what a record says, if it is a token's. The caller must wipe the stack.
#[inline]
fn open(record: &Record, expand: Expand<'_>, token: &str) -> Result<Claims, TokenError> {
    let claims = record.open(expand)?;
    if claims.scheme.matches(expand, token.as_bytes(), &record.digest) {
        Ok(claims)
    } else {
        Err(TokenError::Unknown)
    }
}

pub(crate) const fn is_open(claims: &Claims) -> Result<(), TokenError> {
    match claims.state {
        State::Active | State::Successor | State::Replaced => Ok(()),
        State::Spent => Err(TokenError::Spent),
        State::Revoked => Err(TokenError::Revoked),
    }
}
