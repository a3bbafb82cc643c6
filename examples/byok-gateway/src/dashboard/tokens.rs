//! The tokens that customers give to their programs.

use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use maud::{Markup, html};
use sealwax::{ErrorClass, Secret};
use sealwax_sqlx::tables::TokenTableError;
use sealwax_tokens::{Claims, Grant, Mode, Rotation, State as Life, TokenId};

use super::pages::{Failure, Fields, page, time};
use super::visiting::Visitor;
use crate::{clock, providers, tokens};

/// How long a token may be valid: in days, and for people.
const LIFETIMES: [(u64, &str); 3] = [(30, "30 days"), (90, "90 days"), (365, "a year")];
/// How many tokens a customer may have, with those that were revoked and have not expired.
const MAX_TOKENS: usize = 100;
/// For how many seconds an old token may still be valid.
const MAX_GRACE: u64 = 3600;

impl Visitor {
    async fn token_page(&self, new: Option<&Secret>) -> Result<Html<String>, Failure> {
        let tokens = self.dashboard.tokens.list(&self.dashboard.store, &self.tenant).await?;
        let content = html! {
            @if let Some(new) = new {
                div .done role="status" {
                    label for="new" { "Your new token. It is shown this once: copy it now." }
                    input #new .token readonly value=(new.expose_str()?);
                }
            }
            p { "Your programs send a token to the proxy, and the proxy uses the key. A token for tests gets answers that are made up." }
            p { "For example: " code { "curl " (self.dashboard.home.config.api) "/openai/v1/models -H 'authorization: Bearer TOKEN'" } }
            @if tokens.is_empty() { p { "You have no tokens yet." } }
            div .cards { @for (claims, used) in &tokens { (card(claims, *used)) } }
            h2 { "A new token" }
            (form())
        };
        Ok(page("Tokens", Some(self), &content))
    }
}

fn card(claims: &Claims, used: Option<i64>) -> Markup {
    let expires = i64::try_from(claims.grant.valid_until().unwrap_or_default()).unwrap_or(i64::MAX);
    let (is_over, is_revoked) = (expires > 0 && expires <= clock::column(), claims.state == Life::Revoked);
    let name = format!("{} token …{}", claims.mode, claims.hint());
    html! {
        section .card aria-label=(name) {
            h2 {
                (name) " "
                @if is_revoked { span .unset { "revoked" } } @else if is_over { span .unset { "expired" } }
                @else { span .set { "valid" } }
            }
            p .note { "Id " (claims.id) }
            p { "For " (claims.grant.scopes().collect::<Vec<_>>().join(", ")) "." }
            p { @if expires > 0 { "Expires " (time(expires)) "." } @else { "Does not expire." } }
            p { @if let Some(used) = used { "Last used " (time(used)) ", to five minutes." } @else { "It was never used." } }
            @if !is_revoked && !is_over {
                details {
                    summary { "Replace or revoke" }
                    p .note { "You get a new token. The old one ends now, or at the first use of the new one, after an hour at most." }
                    form method="post" action={ "/tokens/" (claims.id) "/rotate" } {
                        button name="grace" value="3600" { "Replace within an hour" }
                        button name="grace" value="0" { "Replace now" }
                    }
                    form method="post" action={ "/tokens/" (claims.id) "/revoke" } { button .danger { "Revoke" } }
                }
            }
        }
    }
}

fn form() -> Markup {
    html! {
        form .card method="post" action="/tokens" {
            fieldset {
                legend { "Providers that it may use" }
                div .choices {
                    @for provider in providers::all() {
                        label { input type="checkbox" name="scope" value=(provider.slug); " " (provider.name) }
                    }
                }
            }
            label for="mode" { "For" }
            select #mode name="mode" { option value="live" { "production" } option value="test" { "tests" } }
            label for="days" { "Valid for" }
            select #days name="days" { @for (days, name) in LIFETIMES { option value=(days) { (name) } } }
            button { "Make a token" }
        }
    }
}

pub(super) async fn list(visitor: Visitor) -> Result<Html<String>, Failure> {
    visitor.token_page(None).await
}

pub(super) async fn issue(visitor: Visitor, fields: Fields) -> Result<Html<String>, Failure> {
    let Visitor { dashboard, tenant, .. } = &visitor;
    let malformed = |sentence| Failure(StatusCode::UNPROCESSABLE_ENTITY, sentence);
    let mode: Mode =
        fields.get("mode").parse().map_err(|_| malformed("Say whether it is for production or for tests."))?;
    let days = LIFETIMES.iter().map(|(days, _)| *days).find(|days| days.to_string() == fields.get("days"));
    let days = days.ok_or(malformed("Say how long it is valid."))?;
    let scopes: Vec<&str> = fields.all("scope").collect();
    if scopes.is_empty() || scopes.iter().any(|scope| providers::find(scope).is_none()) {
        return Err(malformed("Choose which providers it may use."));
    }
    if dashboard.tokens.list(&dashboard.store, tenant).await?.len() >= MAX_TOKENS {
        return Err(Failure(StatusCode::CONFLICT, "You have 100 tokens, with those that were revoked. Replace one."));
    }
    let expires = clock::seconds().saturating_add(days.saturating_mul(24 * 3600));
    let grant = Grant::new(tokens::subject(tenant), &scopes)?.expires(expires);
    let new = dashboard.tokens.issue(&dashboard.store, mode, grant).await?;
    visitor.token_page(Some(&new)).await
}

pub(super) async fn rotate(Path(id): Path<String>, visitor: Visitor, fields: Fields) -> Result<Html<String>, Failure> {
    let Visitor { dashboard, tenant, .. } = &visitor;
    // Whoever does not say it has no grace.
    let grace = fields.get("grace").parse::<u64>().unwrap_or_default().min(MAX_GRACE);
    let rotation = Rotation { now: clock::seconds(), grace: Duration::from_secs(grace), expires: None };
    let new = dashboard.tokens.rotate(&dashboard.store, tenant, &parsed(&id)?, rotation).await.map_err(unchanged)?;
    visitor.token_page(Some(&new)).await
}

pub(super) async fn revoke(Path(id): Path<String>, visitor: Visitor) -> Result<Redirect, Failure> {
    let Visitor { dashboard, tenant, .. } = &visitor;
    dashboard.tokens.revoke(&dashboard.store, tenant, &parsed(&id)?).await.map_err(unchanged)?;
    Ok(Redirect::to("/tokens"))
}

const NO_TOKEN: Failure = Failure(StatusCode::NOT_FOUND, "You have no such token that is valid.");

fn parsed(id: &str) -> Result<TokenId, Failure> {
    id.parse().map_err(|_| NO_TOKEN)
}

/// Says the same of a token that is somebody else's and of one that there never was.
fn unchanged(error: TokenTableError) -> Failure {
    let (name, class) = match &error {
        TokenTableError::Token(error) => (error.name(), error.class()),
        TokenTableError::Change(error) => (error.name(), error.class()),
        _ => return error.into(),
    };
    tracing::info!(reason = name, "a token was not changed");
    if class == ErrorClass::Refused { NO_TOKEN } else { error.into() }
}
