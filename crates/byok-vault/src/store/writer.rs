//! A transaction that writes.

use rusqlite::{Transaction, named_params};
use sealwax::{Keyring, Secret};

use super::{OF_OWNER, find, while_};
use crate::error::VaultError;
use crate::row::{Owner, Place, Row};

/// A transaction that writes.
///
/// It changes nothing if it is dropped without [`Writer::commit`].
#[derive(Debug)]
pub struct Writer<'store> {
    pub(super) transaction: Transaction<'store>,
}

impl Writer<'_> {
    /// Returns the id of the next new row.
    ///
    /// It must be known before the row is inserted, because the envelope is bound to it. No other
    /// process can take it while this transaction is open.
    ///
    /// # Errors
    /// Returns an error if the last id has been used, or SQLite fails.
    pub fn next_id(&self) -> Result<i64, VaultError> {
        let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'credentials'";
        let last: i64 = self
            .transaction
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(while_("choosing a row id"))?;
        last.checked_add(1).ok_or(VaultError::NoRowId)
    }

    /// Returns the row of an owner.
    ///
    /// # Errors
    /// Returns an error if SQLite fails.
    pub fn find(&self, owner: &Owner) -> Result<Option<Row>, VaultError> {
        find(&self.transaction, owner)
    }

    /// Inserts a row, whose id is that of [`Writer::next_id`].
    ///
    /// # Errors
    /// Returns an error if SQLite fails.
    pub fn insert(&self, row: &Row) -> Result<(), VaultError> {
        let sql = "INSERT INTO credentials
                (id, tenant, provider, label, env_name, envelope, revision, created_at, updated_at)
            VALUES
                (:id, :tenant, :provider, :label, :env_name, :envelope, :revision, :created_at,
                 :updated_at)";
        let inserting = while_("storing a credential");
        self.transaction
            .prepare_cached(sql)
            .map_err(inserting)?
            .execute(named_params! {
                ":id": row.place.id,
                ":tenant": row.place.owner.tenant,
                ":provider": row.place.owner.provider,
                ":label": row.place.owner.label_or_empty(),
                ":env_name": row.place.env_name,
                ":envelope": row.envelope,
                ":revision": row.revision,
                ":created_at": row.created_at,
                ":updated_at": row.updated_at,
            })
            .map_err(inserting)?;
        Ok(())
    }

    /// Seals a credential for a new row and inserts the row.
    ///
    /// # Errors
    /// Returns an error if the credential cannot be sealed, or SQLite fails.
    pub fn add(
        &self,
        keyring: &Keyring,
        owner: Owner,
        env_name: String,
        credential: &Secret,
        now: i64,
    ) -> Result<Row, VaultError> {
        let place = Place { id: self.next_id()?, owner, env_name };
        let envelope = place.seal(keyring, credential)?;
        let row = Row { place, envelope, revision: 1, created_at: now, updated_at: now };
        self.insert(&row)?;
        Ok(row)
    }

    /// Replaces the credential of a row.
    ///
    /// # Errors
    /// Returns an error if SQLite fails.
    pub fn replace(&self, row: &Row) -> Result<(), VaultError> {
        let sql = "UPDATE credentials
            SET env_name = :env_name, envelope = :envelope, revision = :revision,
                updated_at = :updated_at
            WHERE id = :id";
        self.transaction
            .execute(
                sql,
                named_params! {
                    ":env_name": row.place.env_name,
                    ":envelope": row.envelope,
                    ":revision": row.revision,
                    ":updated_at": row.updated_at,
                    ":id": row.place.id,
                },
            )
            .map_err(while_("replacing a credential"))?;
        Ok(())
    }

    /// Replaces the envelope of a row if it is still the one that was read.
    ///
    /// Returns `false` if it is not. Nothing else in the row changes.
    ///
    /// # Errors
    /// Returns an error if SQLite fails.
    pub fn exchange_envelope(&self, id: i64, old: &str, new: &str) -> Result<bool, VaultError> {
        let sql = "UPDATE credentials SET envelope = :new WHERE id = :id AND envelope = :old";
        let exchanging = while_("replacing an envelope");
        self.transaction
            .prepare_cached(sql)
            .map_err(exchanging)?
            .execute(named_params! {":new": new, ":id": id, ":old": old})
            .map(|changed| changed == 1)
            .map_err(exchanging)
    }

    /// Deletes a row, and returns `false` if there is none.
    ///
    /// # Errors
    /// Returns an error if SQLite fails.
    pub fn delete(&self, owner: &Owner) -> Result<bool, VaultError> {
        let sql = format!("DELETE FROM credentials {OF_OWNER}");
        self.transaction
            .execute(
                &sql,
                named_params! {
                    ":tenant": owner.tenant,
                    ":provider": owner.provider,
                    ":label": owner.label_or_empty(),
                },
            )
            .map(|changed| changed == 1)
            .map_err(while_("deleting a credential"))
    }

    /// Commits the transaction, which makes it durable.
    ///
    /// # Errors
    /// Returns an error if SQLite fails, and then nothing of this transaction is stored.
    pub fn commit(self) -> Result<(), VaultError> {
        self.transaction.commit().map_err(while_("committing the changes"))
    }
}
