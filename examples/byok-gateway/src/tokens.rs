//! Tokens: API tokens for production and for tests, sign-in links, and sessions. All of them are in one table, as keyed digests.

use anyhow::Result;
use sealwax::Secret;
use sealwax_sqlx::tables::{TokenTableError, Used};
use sealwax_tenants::TenantId;
use sealwax_tokens::{ChangeError, Claims, Grant, Mode, Peppers, Record, Rotation, TokenError, TokenId, Tokens};

use crate::clock;
use crate::config::Home;
use crate::files::{LIVE, TEST, VISITORS};
use crate::store::Store;

/// A session ends after this, and a sign-in link after that.
pub const SESSION_SECONDS: u64 = 14 * 24 * 3600;
pub const LINK_SECONDS: u64 = 15 * 60;

/// The tokens that customers' programs have.
#[derive(Debug)]
pub struct ApiTokens {
    live: Tokens,
    test: Tokens,
}

impl ApiTokens {
    /// Reads the peppers.
    pub fn read(home: &Home) -> Result<Self> {
        let live = Tokens::new(home.parsed::<Peppers>(LIVE)?, Mode::Live, "bg_live_".parse()?);
        let test = Tokens::new(home.parsed::<Peppers>(TEST)?, Mode::Test, "bg_test_".parse()?);
        Ok(Self { live: live.accept_existing([]), test })
    }

    /// Returns those of a mode.
    #[must_use]
    pub const fn of(&self, mode: Mode) -> &Tokens {
        match mode {
            Mode::Test => &self.test,
            _ => &self.live,
        }
    }

    /// Returns what a token is for, if it has the scope.
    pub async fn verify(&self, store: &Store, token: &str, scope: &str) -> Result<Claims, TokenTableError> {
        // Of each mode, the peppers are others: a token of one is nothing to the other.
        let mode = if token.starts_with("bg_test_") { Mode::Test } else { Mode::Live };
        accepted(store.tokens().verify(self.of(mode), token, clock::seconds(), scope).await)
    }

    /// Does the same for one that another program issued with a salt of its own. After its first use, it need not be searched for.
    pub async fn search(&self, store: &Store, token: &str, scope: &str) -> Result<Claims, TokenTableError> {
        accepted(store.tokens().verify_salted(&self.live, token, clock::seconds(), scope).await)
    }

    /// Returns a tenant's tokens, and when each was last used.
    pub async fn list(&self, store: &Store, tenant: &TenantId) -> sqlx::Result<Vec<(Claims, Option<i64>)>> {
        let subject = subject(tenant);
        let rows = store.tokens().list(&subject).await?;
        let shown = rows.into_iter().filter_map(|(record, used)| {
            // A token that is not the tenant's is not shown: somebody wrote to the table.
            let claims = record.and_then(|record| self.inspect(&record).map(|(_, claims)| claims));
            let logged =
                |error: &TokenError| tracing::error!(reason = error.name(), "a token of {subject} is not shown");
            Some((claims.inspect_err(logged).ok()?, used))
        });
        Ok(shown.filter(|(claims, _)| claims.grant.subject() == subject).collect())
    }

    /// Issues a token, and returns it, for its owner alone.
    pub async fn issue(&self, store: &Store, mode: Mode, grant: Grant) -> Result<Secret> {
        issue(self.of(mode), store, grant).await
    }

    /// Replaces a tenant's token, and returns the new one. Without a grace, the old one ends in the same statement.
    pub async fn rotate(
        &self,
        store: &Store,
        tenant: &TenantId,
        id: &TokenId,
        rotation: Rotation,
    ) -> Result<Secret, TokenTableError> {
        let subject = subject(tenant);
        let rotate = |record: &Record| self.inspect(record)?.0.rotate(record, &subject, rotation);
        let rotated = store.tokens().change(id, rotate).await?;
        Ok(rotated.token.into_secret().ok_or(ChangeError::Replaced)?)
    }

    /// Revokes a tenant's token.
    pub async fn revoke(&self, store: &Store, tenant: &TenantId, id: &TokenId) -> Result<(), TokenTableError> {
        let subject = subject(tenant);
        let revoke = |record: &Record| self.inspect(record)?.0.revoke(record, &subject);
        store.tokens().change(id, revoke).await.map(drop)
    }

    /// Returns of which mode a record is, and what it says.
    fn inspect(&self, record: &Record) -> Result<(&Tokens, Claims), TokenError> {
        let of = |tokens| Tokens::inspect(tokens, record).map(|claims| (tokens, claims));
        of(&self.live).or_else(|error| of(&self.test).map_err(|_| error))
    }
}

/// Returns whether a token is one that the gateway issued, and not another program.
#[must_use]
pub fn is_ours(token: &str) -> bool {
    token.starts_with("bg_live_") || token.starts_with("bg_test_")
}

/// Returns a new id of an account: 16 hex digits.
pub fn new_account() -> Result<TenantId> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)).parse()?)
}

/// Returns the subject of a tenant's API tokens.
#[must_use]
pub fn subject(tenant: &TenantId) -> String {
    format!("tenant/{tenant}")
}

/// Returns the tenant that a token is for.
#[must_use]
pub fn tenant(claims: &Claims) -> Option<TenantId> {
    claims.grant.subject().strip_prefix("tenant/")?.parse().ok()
}

/// The links and sessions of people who visit the dashboard.
#[derive(Debug)]
pub struct Visitors {
    links: Tokens,
    sessions: Tokens,
}

impl Visitors {
    /// Reads the peppers.
    pub fn read(home: &Home) -> Result<Self> {
        let tokens =
            |prefix: &str| anyhow::Ok(Tokens::new(home.parsed::<Peppers>(VISITORS)?, Mode::Live, prefix.parse()?));
        Ok(Self { links: tokens("bg_link_")?, sessions: tokens("bg_session_")? })
    }

    /// Issues a link for an address, which works once.
    pub async fn invite(&self, store: &Store, email: &str, now: u64) -> Result<Secret> {
        let grant = Grant::new(format!("link/{email}"), ["sign-in"])?.single_use();
        issue(&self.links, store, grant.expires(now.saturating_add(LINK_SECONDS))).await
    }

    /// Returns the address that a link is for, and does not use it up.
    pub async fn invited(&self, store: &Store, link: &str, now: u64) -> Result<String, TokenTableError> {
        Ok(address(&store.tokens().peek(&self.links, link, now, "sign-in").await?))
    }

    /// Redeems a link, and returns the address that it was for.
    pub async fn redeem(&self, store: &Store, link: &str, now: u64) -> Result<String, TokenTableError> {
        Ok(address(&store.tokens().redeem(&self.links, link, now, "sign-in").await?))
    }

    /// Begins a session.
    pub async fn begin(&self, store: &Store, tenant: &TenantId, now: u64) -> Result<Secret> {
        let grant = Grant::new(format!("session/{tenant}"), ["session"])?;
        issue(&self.sessions, store, grant.expires(now.saturating_add(SESSION_SECONDS))).await
    }

    /// Returns whose session it is.
    pub async fn visitor(&self, store: &Store, session: &str) -> Result<TenantId, TokenTableError> {
        let claims = self.session(store, session).await?;
        let tenant = claims.grant.subject().strip_prefix("session/").and_then(|tenant| tenant.parse().ok());
        Ok(tenant.ok_or(TokenError::Unknown)?)
    }

    /// Ends a session.
    pub async fn end(&self, store: &Store, session: &str) -> Result<(), TokenTableError> {
        let Claims { id, grant, .. } = self.session(store, session).await?;
        let revoke = |record: &Record| self.sessions.revoke(record, grant.subject());
        store.tokens().change(&id, revoke).await.map(drop)
    }

    async fn session(&self, store: &Store, session: &str) -> Result<Claims, TokenTableError> {
        accepted(store.tokens().verify(&self.sessions, session, clock::seconds(), "session").await)
    }
}

fn address(link: &Claims) -> String {
    link.grant.subject().strip_prefix("link/").unwrap_or_default().into()
}

async fn issue(tokens: &Tokens, store: &Store, grant: Grant) -> Result<Secret> {
    let issued = tokens.issue(grant)?;
    store.tokens().insert(&issued).await?;
    issued.token.into_secret().ok_or_else(|| anyhow::anyhow!("the token was shown before"))
}

/// The token is valid, whether or not its use was written down.
fn accepted(verified: Result<Used, TokenTableError>) -> Result<Claims, TokenTableError> {
    verified.map(|Used { claims, unwritten, .. }| {
        if let Some(error) = unwritten {
            tracing::warn!("the use of token {} was not written: {error}", claims.id);
        }
        claims
    })
}
