//! Customers' keys, sealed.

use sealwax::Envelope;
use sealwax_sqlx::tables::Dialect;
use sealwax_tenants::{TenantId, TenantRecord};

use super::Store;
use crate::clock;

/// What the dashboard shows of a key: nothing of its value.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Credential {
    pub provider: String,
    pub stored: i64,
    pub checked: Option<i64>,
    pub status: Option<i64>,
    pub held_micros: Option<i64>,
}

/// A row, with the record of its tenant's keys, read in the same statement.
#[derive(Clone, Debug)]
pub struct Found {
    pub envelope: String,
    pub record: TenantRecord,
}

/// Whether a key was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    Stored,
    /// Its owner has left.
    Left,
    /// An epoch has begun, and it was sealed under the pair of the one before: seal it again.
    OldPair,
}

impl Store {
    /// Returns which keys a tenant has.
    pub async fn credentials(&self, tenant: &TenantId) -> sqlx::Result<Vec<Credential>> {
        let list = "SELECT provider, stored, checked, status, held_micros FROM credentials WHERE tenant = $1 ORDER BY provider";
        sqlx::query_as(list).bind(tenant.as_ref().to_owned()).fetch_all(&self.pool).await
    }

    /// Stores a key that was sealed under the dashboard's pair, or replaces it.
    ///
    /// It locks the account and the pair until the row is written, so that nothing is written after its owner has left, or
    /// under a pair that is gone.
    pub async fn put(&self, tenant: &TenantId, provider: &str, envelope: &Envelope) -> sqlx::Result<Put> {
        let mut transaction = self.begin().await?;
        let (account, pair) = match self.dialect {
            Dialect::Sqlite => (
                "SELECT id FROM accounts WHERE id = $1 AND leaving IS NULL",
                "SELECT key_id FROM writer_pairs WHERE key_id = $1",
            ),
            Dialect::Postgres => (
                "SELECT id FROM accounts WHERE id = $1 AND leaving IS NULL FOR SHARE",
                "SELECT key_id FROM writer_pairs WHERE key_id = $1 FOR SHARE",
            ),
        };
        let account = sqlx::query(account).bind(tenant.as_ref().to_owned());
        if account.fetch_optional(&mut *transaction).await?.is_none() {
            return Ok(Put::Left);
        }
        let key_id = envelope.key_ids().next().map(|key_id| key_id.to_string()).unwrap_or_default();
        if sqlx::query(pair).bind(key_id).fetch_optional(&mut *transaction).await?.is_none() {
            return Ok(Put::OldPair);
        }
        let put = "INSERT INTO credentials (tenant, provider, envelope, stored) VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant, provider) DO UPDATE SET envelope = excluded.envelope, stored = excluded.stored,
                checked = NULL, status = NULL, held_micros = NULL";
        let put = sqlx::query(put).bind(tenant.as_ref().to_owned()).bind(provider.to_owned());
        put.bind(envelope.to_string()).bind(clock::column()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Put::Stored)
    }

    /// Deletes a key. Returns whether there was one.
    pub async fn delete(&self, tenant: &TenantId, provider: &str) -> sqlx::Result<bool> {
        let delete = sqlx::query("DELETE FROM credentials WHERE tenant = $1 AND provider = $2");
        let delete = delete.bind(tenant.as_ref().to_owned()).bind(provider.to_owned());
        Ok(delete.execute(&self.writer).await?.rows_affected() == 1)
    }

    /// Returns a key of a tenant who is not leaving, and the tenant's record.
    pub async fn find(&self, tenant: &TenantId, provider: &str) -> sqlx::Result<Option<Found>> {
        let find = "SELECT c.envelope, r.record FROM credentials c
            JOIN accounts a ON a.id = c.tenant AND a.leaving IS NULL
            LEFT JOIN sealwax_tenant_records r ON r.tenant = c.tenant
            WHERE c.tenant = $1 AND c.provider = $2";
        let find = sqlx::query_as(find).bind(tenant.as_ref().to_owned()).bind(provider.to_owned());
        let row: Option<(String, Option<String>)> = find.fetch_optional(&self.pool).await?;
        Ok(row.map(|(envelope, record)| Found {
            envelope,
            record: TenantRecord::from_row(tenant.clone(), record.as_deref()),
        }))
    }

    /// Returns a page of the keys that come after a tenant and provider, in order, each with its tenant's record.
    pub async fn page(&self, after: (&str, &str), rows: i64) -> sqlx::Result<Vec<(String, String, Found)>> {
        let page = "SELECT c.tenant, c.provider, c.envelope, r.record FROM credentials c
            JOIN accounts a ON a.id = c.tenant AND a.leaving IS NULL
            LEFT JOIN sealwax_tenant_records r ON r.tenant = c.tenant
            WHERE (c.tenant, c.provider) > ($1, $2) ORDER BY c.tenant, c.provider LIMIT $3";
        let page = sqlx::query_as(page).bind(after.0.to_owned()).bind(after.1.to_owned()).bind(rows);
        Ok(of_rows(page.fetch_all(&self.pool).await?))
    }

    /// Returns keys that the dashboard wrote and no worker has taken over.
    pub async fn written_by_the_dashboard(&self, rows: i64) -> sqlx::Result<Vec<(String, String, Found)>> {
        let written = "SELECT c.tenant, c.provider, c.envelope, r.record FROM credentials c
            JOIN accounts a ON a.id = c.tenant AND a.leaving IS NULL
            LEFT JOIN sealwax_tenant_records r ON r.tenant = c.tenant
            WHERE c.envelope NOT LIKE 'sw1:%:tenant/%' ORDER BY c.stored LIMIT $1";
        Ok(of_rows(sqlx::query_as(written).bind(rows).fetch_all(&self.pool).await?))
    }

    /// Returns the tenants, providers and envelopes of the keys that were not checked for some seconds.
    pub async fn due(&self, seconds: i64, rows: i64) -> sqlx::Result<Vec<(String, String, String)>> {
        let due =
            "SELECT c.tenant, c.provider, c.envelope FROM credentials c JOIN accounts a ON a.id = c.tenant AND a.leaving IS NULL
            WHERE c.checked IS NULL OR c.checked <= $1 ORDER BY coalesce(c.checked, 0) LIMIT $2";
        let due = sqlx::query_as(due).bind(clock::column().saturating_sub(seconds)).bind(rows);
        due.fetch_all(&self.pool).await
    }

    /// Writes what the worker found when it tried a key, unless there is another one by now: that one was not tried.
    pub async fn tried(
        &self,
        (tenant, provider, envelope): (&str, &str, &str),
        status: i64,
        held_micros: i64,
    ) -> sqlx::Result<()> {
        let write = "UPDATE credentials SET checked = $4, status = $5, held_micros = $6
            WHERE tenant = $1 AND provider = $2 AND envelope = $3";
        let write = sqlx::query(write).bind(tenant.to_owned()).bind(provider.to_owned());
        let write = write.bind(envelope.to_owned()).bind(clock::column());
        write.bind(status).bind(held_micros).execute(&self.writer).await.map(drop)
    }
}

fn of_rows(rows: Vec<(String, String, String, Option<String>)>) -> Vec<(String, String, Found)> {
    let found = rows.into_iter().filter_map(|(tenant, provider, envelope, record)| {
        let record = TenantRecord::from_row(tenant.parse().ok()?, record.as_deref());
        Some((tenant, provider, Found { envelope, record }))
    });
    found.collect()
}
