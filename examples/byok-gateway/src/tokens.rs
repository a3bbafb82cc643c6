//! Tokens: API tokens for production and for tests, sign-in links, and sessions. All of them are in one table, as keyed digests.

use anyhow::Result;
use sealwax::Secret;
use sealwax_tenants::TenantId;
use sealwax_tokens::{Change, ChangeError, Claims, Grant, Mode, Peppers, Record, Rotation, TokenError, Tokens};

use crate::config::Home;
use crate::files::{LIVE, TEST, VISITORS};
use crate::store::Store;

/// A session ends after this, and a sign-in link after that.
pub const SESSION_SECONDS: u64 = 14 * 24 * 3600;
pub const LINK_SECONDS: u64 = 15 * 60;

/// Why a token is refused.
#[derive(Debug, thiserror::Error)]
pub enum Unauthorised {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Why a token was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Unchanged {
    #[error(transparent)]
    Token(#[from] ChangeError),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

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
    pub async fn verify(&self, store: &Store, token: &str, scope: &str) -> Result<Claims, Unauthorised> {
        // Of each mode, the peppers are others: a token of one is nothing to the other.
        let mode = if token.starts_with("bg_test_") { Mode::Test } else { Mode::Live };
        match verify(self.of(mode), store, token, scope).await {
            // A token that another program issued, with a salt of its own, is found by trying.
            Err(Unauthorised::Token(TokenError::Unknown)) if !token.starts_with("bg_") => {
                let record = self.live.search(token, store.salted_tokens().await?)?;
                accept(&self.live, store, token, (record, false), scope).await
            }
            verified => verified,
        }
    }

    /// Returns a tenant's tokens, and when each was last used.
    pub async fn list(&self, store: &Store, tenant: &TenantId) -> sqlx::Result<Vec<(Claims, Option<i64>)>> {
        let subject = subject(tenant);
        let rows = store.list_tokens(&subject).await?;
        let claims = |record: &str| {
            let claims =
                Record::from_row(Some(record)).and_then(|record| self.inspect(&record).map(|(_, claims)| claims));
            // A token that is not the tenant's is not shown: somebody wrote to the table.
            claims.inspect_err(|error| tracing::error!(reason = error.name(), "a token of {subject} is not shown")).ok()
        };
        let shown = rows.into_iter().filter_map(|(record, used)| Some((claims(&record)?, used)));
        Ok(shown.filter(|(claims, _)| claims.grant.subject() == subject).collect())
    }

    /// Issues a token for some providers, and returns it, for its owner alone.
    pub async fn issue(
        &self,
        store: &Store,
        tenant: &TenantId,
        mode: Mode,
        scopes: &[&str],
        expires: u64,
    ) -> Result<Secret> {
        issue(self.of(mode), store, Grant::new(subject(tenant), scopes)?.expires(expires)).await
    }

    /// Replaces a tenant's token, and returns the new one. Without a grace, the old one ends in the same statement.
    pub async fn rotate(
        &self,
        store: &Store,
        tenant: &TenantId,
        id: &str,
        rotation: Rotation,
    ) -> Result<Secret, Unchanged> {
        let subject = subject(tenant);
        let rotate = |record: &Record| self.inspect(record)?.0.rotate(record, &subject, rotation);
        let rotated = change(store, id, rotate).await?;
        Ok(rotated.token.into_secret().ok_or(ChangeError::Replaced)?)
    }

    /// Revokes a tenant's token.
    pub async fn revoke(&self, store: &Store, tenant: &TenantId, id: &str) -> Result<(), Unchanged> {
        let subject = subject(tenant);
        change(store, id, |record| self.inspect(record)?.0.revoke(record, &subject)).await.map(drop)
    }

    /// Returns of which mode a record is, and what it says.
    fn inspect(&self, record: &Record) -> Result<(&Tokens, Claims), TokenError> {
        let of = |tokens| Tokens::inspect(tokens, record).map(|claims| (tokens, claims));
        of(&self.live).or_else(|error| of(&self.test).map_err(|_| error))
    }
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

    /// Redeems a link, and returns the address that it was for.
    pub async fn redeem(&self, store: &Store, link: &str, now: u64) -> Result<String, Unauthorised> {
        let (record, _) = store.find_token(&self.links.lookup_keys(link)?).await??;
        let redemption = self.links.redeem(link, &record, now, "sign-in")?;
        let is_written = store.swap_token(&redemption).await?;
        let claims = redemption.finish(is_written).map_err(|_| TokenError::Spent)?;
        Ok(claims.grant.subject().strip_prefix("link/").unwrap_or_default().into())
    }

    /// Begins a session.
    pub async fn begin(&self, store: &Store, tenant: &TenantId, now: u64) -> Result<Secret> {
        let grant = Grant::new(Self::subject(tenant), ["session"])?;
        issue(&self.sessions, store, grant.expires(now.saturating_add(SESSION_SECONDS))).await
    }

    /// Returns whose session it is.
    pub async fn visitor(&self, store: &Store, session: &str) -> Result<TenantId, Unauthorised> {
        let claims = verify(&self.sessions, store, session, "session").await?;
        let tenant = claims.grant.subject().strip_prefix("session/").and_then(|tenant| tenant.parse().ok());
        Ok(tenant.ok_or(TokenError::Unknown)?)
    }

    /// Ends a session.
    pub async fn end(&self, store: &Store, session: &str) -> Result<()> {
        let (record, _) = store.find_token(&self.sessions.lookup_keys(session)?).await??;
        let claims = self.sessions.inspect(&record)?;
        let revoke = |record: &Record| self.sessions.revoke(record, claims.grant.subject());
        Ok(change(store, &claims.id.to_string(), revoke).await.map(drop)?)
    }

    /// Returns the subject of a tenant's sessions.
    #[must_use]
    pub fn subject(tenant: &TenantId) -> String {
        format!("session/{tenant}")
    }
}

async fn issue(tokens: &Tokens, store: &Store, grant: Grant) -> Result<Secret> {
    let issued = tokens.issue(grant)?;
    store.insert_token(&issued).await?;
    issued.token.into_secret().ok_or_else(|| anyhow::anyhow!("the token was shown before"))
}

/// Changes the token with an id, and reads its record again if somebody else was first.
async fn change<T>(
    store: &Store,
    id: &str,
    make: impl Fn(&Record) -> Result<Change<T>, ChangeError>,
) -> Result<T, Unchanged> {
    let mut tries: u32 = 0;
    loop {
        let record = store.get_token(id).await?.map_err(ChangeError::from)?;
        let change = make(&record)?;
        let is_written = store.swap_token(&change).await?;
        tries = tries.saturating_add(1);
        match change.finish(is_written) {
            Err(raced) if tries >= 10 => return Err(ChangeError::from(raced).into()),
            Err(_) => {}
            Ok(done) => return Ok(done),
        }
    }
}

async fn verify(tokens: &Tokens, store: &Store, token: &str, scope: &str) -> Result<Claims, Unauthorised> {
    let found = store.find_token(&tokens.lookup_keys(token)?).await??;
    accept(tokens, store, token, found, scope).await
}

async fn accept(
    tokens: &Tokens,
    store: &Store,
    token: &str,
    (record, is_due): (Record, bool),
    scope: &str,
) -> Result<Claims, Unauthorised> {
    let now = crate::clock::seconds();
    let verified = tokens.verify(token, &record, now, scope)?;
    // The token is valid, whether or not this is written.
    if let Some(change) = verified.change
        && let Err(error) = store.swap_token(&change).await
    {
        tracing::warn!("the change of token {} was not written: {error}", change.id);
    }
    if is_due && let Err(error) = store.used_token(&verified.claims.id.to_string()).await {
        tracing::warn!("the use of token {} was not noted: {error}", verified.claims.id);
    }
    Ok(verified.claims)
}
