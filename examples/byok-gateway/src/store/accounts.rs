//! Accounts. The id of an account is the tenant.

use sealwax_tenants::TenantId;

use super::Store;
use crate::clock;

const DELETE_KEYS: &str = "DELETE FROM credentials WHERE tenant = $1";
/// API tokens, sessions, and links.
const DELETE_TOKENS: &str = "DELETE FROM sealwax_tokens WHERE subject IN ('tenant/' || $1, 'session/' || $1)
    OR subject IN (SELECT 'link/' || email FROM accounts WHERE id = $1)";

impl Store {
    /// Returns the account with an address, and creates it if there is none: whoever has the link owns the address.
    pub async fn account(&self, email: &str, new_id: &str) -> sqlx::Result<Option<TenantId>> {
        let create = "INSERT INTO accounts (id, email, created) VALUES ($1, $2, $3) ON CONFLICT (email) DO NOTHING";
        sqlx::query(create).bind(new_id).bind(email).bind(clock::column()).execute(&self.writer).await?;
        let find = "SELECT id FROM accounts WHERE email = $1 AND leaving IS NULL";
        let id: Option<(String,)> = sqlx::query_as(find).bind(email).fetch_optional(&self.pool).await?;
        Ok(id.and_then(|(id,)| id.parse().ok()))
    }

    /// Returns the address of an account that is not leaving.
    pub async fn email(&self, tenant: &TenantId) -> sqlx::Result<Option<String>> {
        let find = "SELECT email FROM accounts WHERE id = $1 AND leaving IS NULL";
        let row: Option<(String,)> = sqlx::query_as(find).bind(tenant.as_ref()).fetch_optional(&self.pool).await?;
        Ok(row.map(|(email,)| email))
    }

    /// Ends an account: from now on nothing of it opens, and its keys, tokens and sessions are deleted. The worker destroys the
    /// tenant's master key, and deletes the rest.
    pub async fn leave(&self, tenant: &TenantId) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        let leave = "UPDATE accounts SET leaving = $2 WHERE id = $1 AND leaving IS NULL";
        sqlx::query(leave).bind(tenant.as_ref()).bind(clock::column()).execute(&mut *transaction).await?;
        for delete in [DELETE_KEYS, DELETE_TOKENS] {
            sqlx::query(delete).bind(tenant.as_ref()).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    /// Returns the tenants that are leaving.
    pub async fn leaving(&self) -> sqlx::Result<Vec<TenantId>> {
        let rows: Vec<(String,)> = sqlx::query_as("SELECT id FROM accounts WHERE leaving IS NOT NULL ORDER BY id")
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().filter_map(|(id,)| id.parse().ok()).collect())
    }

    /// Deletes what is left of a tenant who is leaving, once the master key is destroyed.
    pub async fn forget(&self, tenant: &TenantId) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        for delete in [
            DELETE_KEYS,
            // Those that a request issued while the tenant left.
            DELETE_TOKENS,
            "DELETE FROM accounts WHERE id = $1 AND leaving IS NOT NULL",
        ] {
            sqlx::query(delete).bind(tenant.as_ref()).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }
}
