//! Issuing and verifying tokens, and the changes in between.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use rand_core::TryCryptoRng;
use sealwax::Secret;
use subtle::ConstantTimeEq;

use crate::claims::{Claims, ID_LEN, Mode, State, TokenId};
use crate::error::{ChangeError, TokenError};
use crate::existing::{Existing, Salt, Scheme};
use crate::grant::Grant;
use crate::pepper::Peppers;
use crate::record::{Change, LookupKey, Record};
use crate::show_once::ShowOnce;
use crate::text::{Prefix, Shape, hint};

/// Issues and verifies the tokens of a service, in one mode and with one prefix.
pub struct Tokens {
    peppers: Peppers,
    prefix: Prefix,
    mode: Mode,
    /// Whether tokens that another program issued are accepted, and the salts that many of them share.
    existing: Option<Vec<Salt>>,
}

/// A token that was issued.
#[derive(Debug)]
#[non_exhaustive]
pub struct Issued {
    /// The token, for its owner and nobody else.
    pub token: ShowOnce,
    /// What its record says.
    pub claims: Claims,
    /// What the table gets.
    pub record: Record,
}

/// An existing token that was converted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Converted {
    /// What its record says.
    pub claims: Claims,
    /// What the table gets.
    pub record: Record,
}

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
    /// Creates what issues and verifies tokens with a prefix. Tokens for tests should have another prefix, and must have
    /// another mode.
    #[must_use]
    pub const fn new(peppers: Peppers, mode: Mode, prefix: Prefix) -> Self {
        Self { peppers, prefix, mode, existing: None }
    }

    /// Also accepts tokens that another program issued, and that [`convert`](Self::convert) made records of.
    ///
    /// Give it the salts that many rows share, so that [`lookup_keys`](Self::lookup_keys) finds these. A row with a salt
    /// of its own can only be found by trying: see [`SALTED`](crate::sql::sqlite::SALTED).
    #[must_use]
    pub fn accept_existing(self, salts: impl IntoIterator<Item = Salt>) -> Self {
        Self { existing: Some(salts.into_iter().collect()), ..self }
    }

    /// Returns the peppers.
    #[must_use]
    pub const fn peppers(&self) -> &Peppers {
        &self.peppers
    }

    /// Issues a token, with the operating system's randomness.
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError::Random`] if the randomness source fails.
    #[cfg(feature = "getrandom")]
    pub fn issue(&self, grant: Grant) -> Result<Issued, ChangeError> {
        self.issue_with_rng(grant, &mut getrandom::SysRng)
    }

    /// Issues a token, with randomness from `rng`.
    ///
    /// # Errors
    ///
    /// As [`issue`](Self::issue).
    pub fn issue_with_rng(
        &self,
        grant: Grant,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Issued, ChangeError> {
        let id = draw_id(rng)?;
        let (token, claims, record) = self.draw(id, grant, State::Active, rng)?;
        Ok(Issued { token: ShowOnce::new(token), claims, record })
    }

    /// Makes a record of a token that another program issued, with a new public id.
    ///
    /// Do this once, for the whole table, while you trust it: nothing in it can prove that it was not altered.
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError::Existing`] if a plaintext cannot be such a token, and [`ChangeError::Random`] if the
    /// randomness source fails.
    #[cfg(feature = "getrandom")]
    pub fn convert(&self, existing: &Existing<'_>, grant: Grant) -> Result<Converted, ChangeError> {
        self.convert_with_rng(existing, grant, &mut getrandom::SysRng)
    }

    /// Makes a record of a token that another program issued, with an id from `rng`.
    ///
    /// # Errors
    ///
    /// As [`convert`](Self::convert).
    pub fn convert_with_rng(
        &self,
        existing: &Existing<'_>,
        grant: Grant,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Converted, ChangeError> {
        if matches!(existing, Existing::Plaintext(token) if self.prefix.shape_of(token) != Shape::Other)
        {
            return Err(ChangeError::Existing);
        }
        let id = draw_id(rng)?;
        let (pepper_id, pepper) = self.peppers.primary();
        let (mode, state, hint) = (self.mode, State::Active, String::new());
        let (claims, record) = pepper.derive(|expand| {
            let (scheme, digest) = existing.digest(expand);
            let claims = Claims { id, grant, mode, state, hint, scheme };
            let record = Record::new((pepper_id, expand), digest, &claims);
            (claims, record)
        });
        Ok(Converted { claims, record })
    }

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
        let keys = self.peppers.usable().flat_map(|(pepper_id, pepper)| {
            let key = |scheme: &Scheme| {
                LookupKey::new(pepper_id, &pepper.derive(|expand| scheme.digest(expand, token)))
            };
            schemes.iter().map(key)
        });
        Ok(keys.collect())
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

    /// Draws a token, and makes its record under the primary.
    fn draw(
        &self,
        id: TokenId,
        grant: Grant,
        state: State,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<(Secret, Claims, Record), ChangeError> {
        let (pepper_id, pepper) = self.peppers.primary();
        pepper.derive(|expand| {
            let token = self.prefix.draw(rng).ok_or(ChangeError::Random)?;
            let text = token.expose_str().map_err(|_| ChangeError::Random)?;
            let (mode, scheme) = (self.mode, Scheme::Plain);
            let digest = scheme.digest(expand, text);
            let claims = Claims { id, grant, mode, state, hint: hint(text), scheme };
            let record = Record::new((pepper_id, expand), digest, &claims);
            Ok((token, claims, record))
        })
    }

    fn check_text(&self, token: &str) -> Result<Shape, TokenError> {
        match self.prefix.shape_of(token) {
            Shape::Ours => Ok(Shape::Ours),
            Shape::Other if self.existing.is_some() => Ok(Shape::Other),
            Shape::OtherPrefix => Err(TokenError::WrongMode),
            Shape::Mistyped | Shape::Other | Shape::Nothing => Err(TokenError::Malformed),
        }
    }

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
        last_change(claims.id, seen, record)
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
        Ok(last_change(claims.id, seen, record))
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

/// A change after which the row has no token that was rotated out.
fn last_change(id: TokenId, seen: &Record, record: Record) -> Change {
    Change { id, seen: seen.clone(), record, previous: None, keeps_previous: false }
}

const fn is_open(claims: &Claims) -> Result<(), TokenError> {
    match claims.state {
        State::Active | State::Successor | State::Replaced => Ok(()),
        State::Spent => Err(TokenError::Spent),
        State::Revoked => Err(TokenError::Revoked),
    }
}

fn draw_id(rng: &mut (impl TryCryptoRng + ?Sized)) -> Result<TokenId, ChangeError> {
    let mut id = [0; ID_LEN];
    rng.try_fill_bytes(&mut id).map_err(|_| ChangeError::Random)?;
    Ok(TokenId(id))
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peppers, prefix, mode, existing } = self;
        f.debug_struct("Tokens")
            .field("peppers", peppers)
            .field("prefix", prefix)
            .field("mode", mode)
            .field("accepts_existing", &existing.is_some())
            .finish()
    }
}
