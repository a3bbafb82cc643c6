//! Issuing tokens, and making records of existing ones.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use rand_core::TryCryptoRng;
use sealwax::Secret;

use crate::change::column;
use crate::claims::{Claims, ID_LEN, Mode, State, TokenId};
use crate::error::ChangeError;
use crate::existing::{Existing, Salt, Scheme};
use crate::grant::Grant;
use crate::pepper::Peppers;
use crate::record::Record;
use crate::show_once::ShowOnce;
use crate::text::{Prefix, Shape, hint};

/// Issues and verifies the tokens of a service, in one mode and with one prefix.
pub struct Tokens {
    pub(crate) peppers: Peppers,
    pub(crate) prefix: Prefix,
    pub(crate) mode: Mode,
    /// Whether tokens that another program issued are accepted, and the salts that many of them share.
    pub(crate) existing: Option<Vec<Salt>>,
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

/// The parameters of [`INSERT`](crate::sql::sqlite::INSERT), in order.
pub type InsertParameters = [String; 5];

impl Issued {
    /// Returns the parameters of [`INSERT`](crate::sql::sqlite::INSERT), in order.
    #[must_use]
    pub fn parameters(&self) -> InsertParameters {
        insert(&self.claims, &self.record)
    }
}

impl Converted {
    /// Returns the parameters of [`INSERT`](crate::sql::sqlite::INSERT), in order.
    #[must_use]
    pub fn parameters(&self) -> InsertParameters {
        insert(&self.claims, &self.record)
    }
}

fn insert(claims: &Claims, record: &Record) -> InsertParameters {
    let Claims { id, grant, .. } = claims;
    let lookup = record.lookup_key().into();
    [id.to_string(), grant.subject().into(), lookup, record.to_string(), column(grant.expires)]
}

impl Tokens {
    /// Creates what issues and verifies tokens with a prefix. Tokens for tests should have another prefix, and must have
    /// another mode.
    #[must_use]
    pub const fn new(peppers: Peppers, mode: Mode, prefix: Prefix) -> Self {
        Self { peppers, prefix, mode, existing: None }
    }

    /// Also accepts tokens that another program issued, and that [`convert`](Self::convert) made records of. They may have
    /// the same prefix.
    ///
    /// Give it the salts that many rows share, so that [`lookup_keys`](Self::lookup_keys) finds these. A row whose
    /// salt no other row has can only be found by trying: see [`SALTED`](crate::sql::sqlite::SALTED).
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
    /// Returns [`ChangeError::Grant`] if a time is not in seconds, and [`ChangeError::Random`] if the randomness source
    /// fails.
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
    /// Returns [`ChangeError::Existing`] if a plaintext cannot be such a token, [`ChangeError::Grant`] if a time is not in
    /// seconds, and [`ChangeError::Random`] if the randomness source fails.
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
        grant.check_times()?;
        let id = draw_id(rng)?;
        let (pepper_id, pepper) = self.peppers.primary();
        let (mode, state, hint) = (self.mode, State::Active, None);
        let (claims, record) = pepper.derive(|expand| {
            let (scheme, digest) = existing.digest(expand);
            let claims = Claims { id, grant, mode, state, hint, scheme };
            let record = Record::new((pepper_id, expand), digest, &claims);
            (claims, record)
        });
        Ok(Converted { claims, record })
    }

    /// Draws a token, and makes its record under the primary.
    pub(crate) fn draw(
        &self,
        id: TokenId,
        grant: Grant,
        state: State,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<(Secret, Claims, Record), ChangeError> {
        grant.check_times()?;
        let (pepper_id, pepper) = self.peppers.primary();
        pepper.derive(|expand| {
            let token = self.prefix.draw(rng).ok_or(ChangeError::Random)?;
            let text = token.expose_secret();
            let (mode, scheme) = (self.mode, Scheme::Plain);
            let digest = scheme.digest(expand, text);
            let claims = Claims { id, grant, mode, state, hint: hint(text), scheme };
            let record = Record::new((pepper_id, expand), digest, &claims);
            Ok((token, claims, record))
        })
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
