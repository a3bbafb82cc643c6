//! Tenants' master keys, and the pairs of the dashboard.

use sealwax::{Envelope, KeyId};
use sealwax_sqlx::tables::Dialect;
use sealwax_tenants::TenantKeyId;
use sealwax_tenants::sql::{postgres, sqlite};
use sqlx::query::Query;

use super::Store;

impl Store {
    /// Writes a key's new envelope where the row still has the old one, unless its tenant's key was destroyed or replaced
    /// meanwhile. Returns whether it was written.
    pub async fn replace(&self, tenant: &str, provider: &str, old: &str, new: &Envelope) -> sqlx::Result<bool> {
        let Ok(key) = TenantKeyId::of(new) else { return Ok(false) };
        let mut transaction = self.begin().await?;
        let fence = match self.dialect {
            Dialect::Sqlite => sqlite::FENCE,
            Dialect::Postgres => postgres::FENCE,
        };
        let fence = key.parameters().into_iter().fold(sqlx::query(fence), Query::bind);
        if key.tenant().as_ref() != tenant || fence.fetch_optional(&mut *transaction).await?.is_none() {
            return Ok(false);
        }
        let replace = "UPDATE credentials SET envelope = $4 WHERE tenant = $1 AND provider = $2 AND envelope = $3";
        let replace = sqlx::query(replace).bind(tenant.to_owned()).bind(provider.to_owned()).bind(old.to_owned());
        let done = replace.bind(new.to_string()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Returns the envelopes of all tenants' keys, with their tenant and number.
    pub async fn tenant_keys(&self) -> sqlx::Result<Vec<(String, i64, String)>> {
        let all = "SELECT tenant, CAST(number AS BIGINT), envelope FROM sealwax_tenant_keys ORDER BY tenant, number";
        sqlx::query_as(all).fetch_all(&self.pool).await
    }

    /// Writes the new envelope of a tenant's key where the row still has the old one.
    pub async fn replace_key(&self, tenant: &str, number: i64, old: &str, new: &Envelope) -> sqlx::Result<bool> {
        let replace =
            "UPDATE sealwax_tenant_keys SET envelope = $4 WHERE tenant = $1 AND number = $2 AND envelope = $3";
        let replace = sqlx::query(replace).bind(tenant.to_owned()).bind(number).bind(old.to_owned());
        Ok(replace.bind(new.to_string()).execute(&self.writer).await?.rows_affected() == 1)
    }

    /// Puts a tenant's key back.
    pub async fn restore_key(&self, tenant: &str, number: i64, envelope: &str) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        let count = "INSERT INTO sealwax_tenants AS t (tenant, number, destroyed) VALUES ($1, $2, 0)
            ON CONFLICT (tenant) DO UPDATE SET number = excluded.number WHERE excluded.number > t.number";
        sqlx::query(count).bind(tenant.to_owned()).bind(number).execute(&mut *transaction).await?;
        // A key that the backup knows as destroyed stays so.
        let put = "INSERT INTO sealwax_tenant_keys (tenant, number, envelope) SELECT $1, CAST($2 AS INTEGER), $3
            WHERE NOT EXISTS (SELECT 1 FROM sealwax_tenants WHERE tenant = $1 AND destroyed >= $2)
            ON CONFLICT (tenant, number) DO UPDATE SET envelope = excluded.envelope";
        let put = sqlx::query(put).bind(tenant.to_owned()).bind(number).bind(envelope.to_owned());
        put.execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Returns the envelope of a pair of the dashboard.
    pub async fn pair(&self, key_id: &KeyId) -> sqlx::Result<Option<String>> {
        let find = "SELECT envelope FROM writer_pairs WHERE key_id = $1";
        let row: Option<(String,)> =
            sqlx::query_as(find).bind(key_id.as_ref().to_owned()).fetch_optional(&self.pool).await?;
        Ok(row.map(|(envelope,)| envelope))
    }

    /// Returns the ids of the dashboard's pairs.
    pub async fn pairs(&self) -> sqlx::Result<Vec<String>> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT key_id FROM writer_pairs ORDER BY key_id").fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(key_id,)| key_id).collect())
    }

    /// Inserts a pair of the dashboard.
    pub async fn insert_pair(&self, key_id: &KeyId, envelope: &Envelope) -> sqlx::Result<()> {
        let insert = sqlx::query("INSERT INTO writer_pairs (key_id, envelope) VALUES ($1, $2)");
        insert.bind(key_id.as_ref().to_owned()).bind(envelope.to_string()).execute(&self.writer).await.map(drop)
    }

    /// Deletes the customers' keys that are under a pair. Returns how many there were.
    pub async fn delete_under(&self, pair: &str) -> sqlx::Result<u64> {
        let delete = sqlx::query("DELETE FROM credentials WHERE envelope LIKE 'sw1:%:' || $1 || '=%'");
        Ok(delete.bind(pair.to_owned()).execute(&self.writer).await?.rows_affected())
    }

    /// Deletes a pair of the dashboard if no row is under it. Returns whether it did.
    pub async fn delete_pair(&self, key_id: &str) -> sqlx::Result<bool> {
        let mut transaction = self.begin().await?;
        // Whoever still seals under it has locked it, until the row is written.
        if self.dialect == Dialect::Postgres {
            let lock = "SELECT key_id FROM writer_pairs WHERE key_id = $1 FOR UPDATE";
            sqlx::query(lock).bind(key_id.to_owned()).fetch_optional(&mut *transaction).await?;
        }
        let delete = "DELETE FROM writer_pairs WHERE key_id = $1
            AND NOT EXISTS (SELECT 1 FROM credentials WHERE envelope LIKE 'sw1:%:' || $1 || '=%')";
        let done = sqlx::query(delete).bind(key_id.to_owned()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(done.rows_affected() == 1)
    }
}
