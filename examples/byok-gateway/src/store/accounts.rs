//! Accounts. The id of an account is the tenant.

use anyhow::{Context, Result, ensure};
use sealwax_tenants::TenantId;
use sealwax_tokens::{Grant, Mode, Peppers, Record, Tokens};

use super::Store;
use crate::clock;
use crate::config::Home;
use crate::files::{LEAVING, PROOFS};

const DELETE_KEYS: &str = "DELETE FROM credentials WHERE tenant = $1";
/// API tokens, sessions, and links.
const DELETE_TOKENS: &str = "DELETE FROM sealwax_tokens WHERE subject IN ('tenant/' || $1, 'session/' || $1)
    OR subject IN (SELECT 'link/' || email FROM accounts WHERE id = $1)";

/// Proves what the table of accounts says: whose an address is. Whoever writes the table cannot.
///
/// A proof is the record of a token that nobody gets: it has a MAC. Keep each of its peppers: nothing writes the proofs of
/// accounts again.
#[derive(Debug)]
pub struct Proofs(Tokens);

impl Proofs {
    /// Reads the peppers.
    pub fn read(home: &Home) -> Result<Self> {
        Ok(Self(Tokens::new(home.parsed::<Peppers>(PROOFS)?, Mode::Live, "bg_account_".parse()?)))
    }

    fn prove(&self, what: &str, tenant: &TenantId) -> Result<String> {
        Ok(self.0.issue(Grant::new(what, [tenant])?)?.record.to_string())
    }

    fn check(&self, proof: &str, what: &str, tenant: &TenantId) -> Result<()> {
        let altered = || format!("somebody has written to the account of tenant {tenant}");
        let claims = self.0.inspect(&proof.parse::<Record>().with_context(altered)?).with_context(altered)?;
        ensure!(claims.grant == Grant::new(what, [tenant])?, "{}: its proof is of something else", altered());
        Ok(())
    }
}

fn has(email: &str) -> String {
    format!("account/{email}")
}

impl Store {
    /// Returns the account with an address, and creates it if there is none: whoever has the link owns the address.
    pub async fn account(&self, proofs: &Proofs, email: &str, new_id: &TenantId) -> Result<Option<TenantId>> {
        let create = "INSERT INTO accounts (id, email, proof, created) VALUES ($1, $2, $3, $4)
            ON CONFLICT (email) DO NOTHING";
        let create = sqlx::query(create).bind(new_id.as_ref()).bind(email).bind(proofs.prove(&has(email), new_id)?);
        create.bind(clock::column()).execute(&self.writer).await?;
        self.account_of(proofs, email).await
    }

    /// Returns the account with an address, unless it is leaving.
    pub async fn account_of(&self, proofs: &Proofs, email: &str) -> Result<Option<TenantId>> {
        let find = "SELECT id, proof FROM accounts WHERE email = $1 AND leaving IS NULL";
        let row: Option<(String, String)> = sqlx::query_as(find).bind(email).fetch_optional(&self.pool).await?;
        let Some((id, proof)) = row else { return Ok(None) };
        let tenant = id.parse()?;
        proofs.check(&proof, &has(email), &tenant)?;
        Ok(Some(tenant))
    }

    /// Returns the address of an account that is not leaving.
    pub async fn email(&self, proofs: &Proofs, tenant: &TenantId) -> Result<Option<String>> {
        let find = "SELECT email, proof FROM accounts WHERE id = $1 AND leaving IS NULL";
        let row: Option<(String, String)> =
            sqlx::query_as(find).bind(tenant.as_ref()).fetch_optional(&self.pool).await?;
        let Some((email, proof)) = row else { return Ok(None) };
        proofs.check(&proof, &has(&email), tenant)?;
        Ok(Some(email))
    }

    /// Ends an account: from now on nothing of it opens, and its keys, tokens and sessions are deleted. The worker destroys the
    /// tenant's master key, and deletes the rest.
    ///
    /// That the customer asked for it is in a file: who writes the database can neither ask nor take it back, because proxy and
    /// worker read the file, too.
    pub async fn leave(&self, home: &Home, tenant: &TenantId) -> Result<()> {
        home.append(LEAVING, tenant.as_ref())?;
        Ok(self.end(tenant).await?)
    }

    /// Does what [`leave`](Self::leave) does to the database.
    pub async fn end(&self, tenant: &TenantId) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        let leave = "UPDATE accounts SET leaving = $2 WHERE id = $1";
        sqlx::query(leave).bind(tenant.as_ref()).bind(clock::column()).execute(&mut *transaction).await?;
        for delete in [DELETE_KEYS, DELETE_TOKENS] {
            sqlx::query(delete).bind(tenant.as_ref()).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    /// Returns the tenants that are leaving, if the table is right.
    pub async fn leaving(&self) -> sqlx::Result<Vec<TenantId>> {
        let left = "SELECT id FROM accounts WHERE leaving IS NOT NULL ORDER BY id";
        let rows: Vec<(String,)> = sqlx::query_as(left).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().filter_map(|(id,)| id.parse().ok()).collect())
    }

    /// Deletes what is left of a tenant whose master key is destroyed. Returns whether there was an account.
    pub async fn forget(&self, tenant: &TenantId) -> sqlx::Result<bool> {
        let mut transaction = self.begin().await?;
        // Also the tokens that a request issued while the tenant left, and what somebody has put back.
        for delete in [DELETE_KEYS, DELETE_TOKENS, "DELETE FROM sealwax_tenant_keys WHERE tenant = $1"] {
            sqlx::query(delete).bind(tenant.as_ref()).execute(&mut *transaction).await?;
        }
        let delete = sqlx::query("DELETE FROM accounts WHERE id = $1").bind(tenant.as_ref());
        let done = delete.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(done.rows_affected() == 1)
    }
}
