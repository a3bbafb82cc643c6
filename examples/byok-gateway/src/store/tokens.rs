//! Tokens: API tokens, sign-in links and sessions.

use sealwax_tokens::{Change, Converted, Issued, LookupKeys, Record, TokenError};

use super::{Kind, Store, bound, pick};
use crate::clock;

impl Store {
    /// Inserts a token that was issued.
    pub async fn insert_token(&self, issued: &Issued) -> sqlx::Result<()> {
        bound(pick!(self, sealwax_tokens::sql, INSERT), issued.parameters()).execute(&self.writer).await.map(drop)
    }

    /// Inserts a token that another program issued.
    pub async fn insert_converted(&self, converted: &Converted) -> sqlx::Result<()> {
        bound(pick!(self, sealwax_tokens::sql, INSERT), converted.parameters()).execute(&self.writer).await.map(drop)
    }

    /// Returns the records of salted tokens that another program issued, and that were not used since.
    pub async fn salted_tokens(&self) -> sqlx::Result<Vec<String>> {
        let rows: Vec<(String,)> =
            sqlx::query_as(pick!(self, sealwax_tokens::sql, SALTED)).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(record,)| record).collect())
    }

    /// Returns the record that a token has, and whether its last use is to be noted.
    pub async fn find_token(&self, keys: &LookupKeys) -> sqlx::Result<Result<(Record, bool), TokenError>> {
        let find = bound(pick!(self, sealwax_tokens::sql, FIND), keys.parameters(clock::seconds()));
        let row = find.fetch_optional(&self.pool).await?;
        let row = row.map(|row| {
            use sqlx::Row;
            let is_due = match self.kind {
                Kind::Sqlite => row.try_get::<i64, _>(1)? != 0,
                Kind::Postgres => row.try_get(1)?,
            };
            Ok::<_, sqlx::Error>((row.try_get::<Option<String>, _>(0)?, is_due))
        });
        let (record, is_due) = row.transpose()?.unwrap_or_default();
        Ok(Record::from_row(record).map(|record| (record, is_due)))
    }

    /// Writes a change of a token. Returns whether nobody else was first.
    pub async fn swap_token<T>(&self, change: &Change<T>) -> sqlx::Result<bool> {
        let swap = bound(pick!(self, sealwax_tokens::sql, SWAP), change.parameters());
        Ok(swap.execute(&self.writer).await?.rows_affected() == 1)
    }

    /// Notes that a token was used.
    pub async fn used_token(&self, id: &str) -> sqlx::Result<()> {
        let parameters = [id.to_owned(), clock::seconds().to_string()];
        bound(pick!(self, sealwax_tokens::sql, USED), parameters).execute(&self.writer).await.map(drop)
    }

    /// Returns the record with an id.
    pub async fn get_token(&self, id: &str) -> sqlx::Result<Result<Record, TokenError>> {
        let row: Option<(String,)> = sqlx::query_as(pick!(self, sealwax_tokens::sql, GET))
            .bind(id.to_owned())
            .fetch_optional(&self.pool)
            .await?;
        Ok(Record::from_row(row.map(|(record,)| record)))
    }

    /// Returns the records of a subject, and when each was last used.
    pub async fn list_tokens(&self, subject: &str) -> sqlx::Result<Vec<(String, Option<i64>)>> {
        let list = pick!(self, sealwax_tokens::sql, LIST);
        sqlx::query_as(list).bind(subject.to_owned()).fetch_all(&self.pool).await
    }

    /// Deletes the tokens that have expired.
    pub async fn purge_tokens(&self) -> sqlx::Result<u64> {
        let purge = bound(pick!(self, sealwax_tokens::sql, PURGE), [clock::seconds().to_string()]);
        Ok(purge.execute(&self.writer).await?.rows_affected())
    }
}
