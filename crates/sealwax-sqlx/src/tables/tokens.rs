//! Tokens.

use sealwax_tokens::{Change, ChangeError, Claims, Converted, Issued, Record, TokenError, TokenId, Tokens};

use super::database::{Database, Value, first, pick, values};

/// How often a token is changed while others change it, too.
const TRIES: u32 = 10;

/// The table of tokens.
///
/// Create it with `sealwax_tokens::sql`.
#[derive(Clone, Debug)]
pub struct TokenTable<D>(D);

/// A token that was verified.
#[derive(Debug)]
#[non_exhaustive]
pub struct Used {
    /// What it is for.
    pub claims: Claims,
    /// What could not be written down, if anything: the token is valid all the same, so log it and go on.
    pub unwritten: Option<sqlx::Error>,
}

/// Why a token was refused, or not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenTableError {
    /// The token is refused.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token was not changed.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl<D: Database> TokenTable<D> {
    /// Takes the database that the table is in.
    pub const fn new(database: D) -> Self {
        Self(database)
    }

    /// Inserts a token that was issued. Then show it to its owner.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn insert(&self, issued: &Issued) -> sqlx::Result<()> {
        self.0.execute(pick!(&self.0, sealwax_tokens::sql, INSERT), values(issued.parameters())).await.map(drop)
    }

    /// Inserts a token that another program issued.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn insert_converted(&self, converted: &Converted) -> sqlx::Result<()> {
        self.0.execute(pick!(&self.0, sealwax_tokens::sql, INSERT), values(converted.parameters())).await.map(drop)
    }

    /// Verifies a token for a scope, at a time in seconds since 1970. What its first use changes is written, and that it was used.
    ///
    /// # Errors
    ///
    /// Returns a [`TokenTableError`].
    pub async fn verify(&self, tokens: &Tokens, token: &str, now: u64, scope: &str) -> Result<Used, TokenTableError> {
        let (record, is_due) = self.find(tokens, token, now).await?;
        self.accept(tokens, token, &record, now, scope, is_due).await
    }

    /// Does the same, and also tries each token that another program issued with a salt of its own.
    ///
    /// That costs about a microsecond each, for every wrong text that somebody sends: limit the rate.
    ///
    /// # Errors
    ///
    /// Returns a [`TokenTableError`].
    pub async fn verify_salted(
        &self,
        tokens: &Tokens,
        token: &str,
        now: u64,
        scope: &str,
    ) -> Result<Used, TokenTableError> {
        match self.verify(tokens, token, now, scope).await {
            Err(TokenTableError::Token(TokenError::Unknown)) => {}
            verified => return verified,
        }
        let rows = self.0.rows(pick!(&self.0, sealwax_tokens::sql, SALTED), Vec::new()).await?;
        let records = rows.into_iter().filter_map(|row| row.into_iter().next()?.text());
        match tokens.search(token, records) {
            // Its first use may have come between.
            Err(TokenError::Unknown) => self.verify(tokens, token, now, scope).await,
            found => self.accept(tokens, token, &found?, now, scope, true).await,
        }
    }

    /// Verifies a token for one use, and spends it. Of many at once, one is first.
    ///
    /// # Errors
    ///
    /// Returns a [`TokenTableError`].
    pub async fn redeem(&self, tokens: &Tokens, token: &str, now: u64, scope: &str) -> Result<Claims, TokenTableError> {
        let (record, _) = self.find(tokens, token, now).await?;
        let redemption = tokens.redeem(token, &record, now, scope)?;
        let is_written = self.swap(&redemption).await?;
        Ok(redemption.finish(is_written).map_err(|_| TokenError::Spent)?)
    }

    /// Returns what a token for one use is for, as [`redeem`](Self::redeem) would, and does not spend it.
    ///
    /// # Errors
    ///
    /// Returns a [`TokenTableError`].
    pub async fn peek(&self, tokens: &Tokens, token: &str, now: u64, scope: &str) -> Result<Claims, TokenTableError> {
        let (record, _) = self.find(tokens, token, now).await?;
        // What this would write is dropped.
        tokens.redeem(token, &record, now, scope).map(drop)?;
        Ok(tokens.inspect(&record)?)
    }

    /// Changes the token with an id: narrows, rotates or revokes it. If somebody else is first, `make` gets the record again.
    ///
    /// # Errors
    ///
    /// Returns a [`TokenTableError`]: what `make` returns, or `raced` if others change it all the time.
    pub async fn change<T>(
        &self,
        id: &TokenId,
        make: impl Fn(&Record) -> Result<Change<T>, ChangeError>,
    ) -> Result<T, TokenTableError> {
        let mut tries: u32 = 0;
        loop {
            let rows = self.0.rows(pick!(&self.0, sealwax_tokens::sql, GET), vec![id.to_string().into()]).await?;
            let change = make(&Record::from_row(first(rows).and_then(Value::text))?)?;
            let is_written = self.swap(&change).await?;
            tries = tries.saturating_add(1);
            match change.finish(is_written) {
                Ok(done) => return Ok(done),
                Err(raced) if tries >= TRIES => return Err(ChangeError::from(raced).into()),
                Err(_) => {}
            }
        }
    }

    /// Returns the records of a subject, and when each was last used, in seconds since 1970.
    ///
    /// What counts is the subject in the record: [inspect](Tokens::inspect) it.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn list(&self, subject: &str) -> sqlx::Result<Vec<(Result<Record, TokenError>, Option<i64>)>> {
        let rows = self.0.rows(pick!(&self.0, sealwax_tokens::sql, LIST), vec![subject.into()]).await?;
        let list = rows.into_iter().map(|row| {
            let mut columns = row.into_iter();
            let record = Record::from_row(columns.next().and_then(Value::text));
            (record, columns.next().and_then(|used| used.number()))
        });
        Ok(list.collect())
    }

    /// Deletes the tokens that had expired at a time in seconds since 1970. Returns how many.
    ///
    /// # Errors
    ///
    /// Returns an error if the database fails.
    pub async fn purge(&self, now: u64) -> sqlx::Result<u64> {
        self.0.execute(pick!(&self.0, sealwax_tokens::sql, PURGE), vec![now.to_string().into()]).await
    }

    async fn find(&self, tokens: &Tokens, token: &str, now: u64) -> Result<(Record, bool), TokenTableError> {
        let parameters = values(tokens.lookup_keys(token)?.parameters(now));
        let rows = self.0.rows(pick!(&self.0, sealwax_tokens::sql, FIND), parameters).await?;
        let mut columns = rows.into_iter().next().unwrap_or_default().into_iter();
        let record = Record::from_row(columns.next().and_then(Value::text))?;
        Ok((record, columns.next().and_then(|is_due| is_due.number()) != Some(0)))
    }

    async fn accept(
        &self,
        tokens: &Tokens,
        token: &str,
        record: &Record,
        now: u64,
        scope: &str,
        is_due: bool,
    ) -> Result<Used, TokenTableError> {
        let verified = tokens.verify(token, record, now, scope)?;
        let mut unwritten = None;
        if let Some(change) = verified.change {
            // If somebody else is first, there is nothing to do.
            unwritten = self.swap(&*change).await.err();
        }
        if is_due {
            let used = values([verified.claims.id.to_string(), now.to_string()]);
            let noted = self.0.execute(pick!(&self.0, sealwax_tokens::sql, USED), used).await;
            unwritten = unwritten.or(noted.err());
        }
        Ok(Used { claims: verified.claims, unwritten })
    }

    async fn swap<T>(&self, change: &Change<T>) -> sqlx::Result<bool> {
        Ok(self.0.execute(pick!(&self.0, sealwax_tokens::sql, SWAP), values(change.parameters())).await? == 1)
    }
}
