//! Customers' keys: which are set, and nothing of a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{Markup, html};
use sealwax::Secret;
use sealwax_credentials::{Suspicion, can_be_sent, suspicions};

use super::Dashboard;
use super::pages::{Failure, Fields, page, time};
use super::visiting::{Visitor, enter};
use crate::providers::{self, Provider};
use crate::store::{Credential, Put};

const UNKNOWN: Failure = Failure(StatusCode::NOT_FOUND, "There is no such provider.");
/// Otherwise, the buffer of the connection would have the key until the next request.
const CLOSE: [(header::HeaderName, &str); 1] = [(header::CONNECTION, "close")];

/// What became of a key.
enum Outcome {
    Stored,
    /// It may be something else: its owner is asked.
    Doubtful(Vec<Suspicion>),
    /// No request can carry it.
    CannotBeSent,
    /// Its owner has left.
    SignedOut,
}

impl Outcome {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Stored => StatusCode::OK,
            Self::Doubtful(_) => StatusCode::CONFLICT,
            Self::CannotBeSent => StatusCode::UNPROCESSABLE_ENTITY,
            Self::SignedOut => StatusCode::UNAUTHORIZED,
        }
    }
}

impl Dashboard {
    /// Seals a key as it is, and stores it.
    async fn keep(
        &self,
        visitor: &Visitor,
        provider: &Provider,
        key: &Secret,
        anyway: bool,
    ) -> Result<Outcome, Failure> {
        if !can_be_sent(key) {
            return Ok(Outcome::CannotBeSent);
        }
        let doubts: Vec<_> = suspicions(key).collect();
        if !doubts.is_empty() && !anyway {
            return Ok(Outcome::Doubtful(doubts));
        }
        let context = provider.context(&visitor.tenant)?;
        for _ in 0..2 {
            let envelope = self.sealer.load().sealer.seal(key, &context)?;
            match self.store.put(&visitor.tenant, &provider.slug, &envelope).await? {
                Put::Stored => return Ok(Outcome::Stored),
                Put::Left => return Ok(Outcome::SignedOut),
                Put::OldPair => self.refresh()?,
            }
        }
        Err(anyhow::anyhow!("the sealer is that of an epoch that has ended").into())
    }

    /// Shows one provider, or all of them, with what became of the key of one.
    async fn cards(&self, visitor: &Visitor, of: &str, outcome: &Outcome, all: bool) -> Result<Markup, Failure> {
        let stored = self.store.credentials(&visitor.tenant).await?;
        let shown = providers::all().filter(|provider| all || provider.slug == of);
        Ok(html! {
            @for provider in shown {
                @let stored = stored.iter().find(|stored| stored.provider == provider.slug);
                (card(provider, stored, (provider.slug == of).then_some(outcome)))
            }
        })
    }
}

fn card(provider: &Provider, stored: Option<&Credential>, outcome: Option<&Outcome>) -> Markup {
    let (slug, name) = (&provider.slug, provider.name);
    let doubts = match outcome {
        Some(Outcome::Doubtful(doubts)) => doubts.as_slice(),
        _ => &[],
    };
    let is_open = matches!(outcome, Some(Outcome::Doubtful(_) | Outcome::CannotBeSent));
    html! {
        section .card id=(slug) aria-labelledby={ "name-" (slug) } {
            h2 id={ "name-" (slug) } {
                (name) " " @if stored.is_some() { span .set { "set" } } @else { span .unset { "not set" } }
            }
            @if let Some(stored) = stored { (state(stored)) }
            p .note { "Sent to " (provider.host) " only." }
            @if let Some(Outcome::Stored) = outcome { p .done role="status" tabindex="-1" { "The key is stored." } }
            details open[is_open] {
                summary { @if stored.is_some() { "Replace or delete" } @else { "Store a key" } }
                form method="post" action={ "/keys/" (slug) } data-method="PUT" {
                    @if let Some(Outcome::CannotBeSent) = outcome {
                        p .doubt role="alert" tabindex="-1" {
                            "This was not stored, because no request can carry it. A key has 8 to 8192 characters on one line, "
                            "and no white space at its ends."
                        }
                    }
                    @if !doubts.is_empty() {
                        div .doubt role="alert" tabindex="-1" {
                            p { "This was not stored yet. It does not look like a key:" }
                            ul { @for doubt in doubts { li { (doubt) } } }
                        }
                        input type="hidden" name="anyway" value="yes";
                    }
                    label for={ "key-" (slug) } { (name) " key" }
                    input id={ "key-" (slug) } name="key" type="password" autocomplete="off" required;
                    button { @if doubts.is_empty() { "Store" } @else { "Store it anyway" } }
                    output {}
                }
                @if stored.is_some() {
                    form method="post" action={ "/keys/" (slug) "/delete" } {
                        button .danger { "Delete the key of " (name) }
                    }
                }
            }
        }
    }
}

/// What is known of a key that is stored.
fn state(stored: &Credential) -> Markup {
    html! {
        p { "Stored " (time(stored.stored)) "." }
        @if let Some(checked) = stored.checked {
            p {
                "Checked " (time(checked)) ": "
                @match stored.status {
                    Some(status @ 200..=299) => { "it works (status " (status) ")." }
                    Some(status @ (401 | 403)) => { strong { "the provider refuses it (status " (status) ")." } }
                    Some(status) if status > 0 => { "the provider answered with status " (status) "." }
                    _ => { "the provider did not answer." }
                }
                @if let Some(held) = stored.held_micros {
                    " It was open for " (held / 1000) "." ((held % 1000) / 100) " ms."
                }
            }
        } @else {
            p { "Not checked yet." }
        }
    }
}

pub(super) async fn list(State(dashboard): State<Arc<Dashboard>>, visitor: Visitor) -> Result<Html<String>, Failure> {
    dashboard.key_page(&visitor, "", &Outcome::Stored).await
}

impl Dashboard {
    async fn key_page(&self, visitor: &Visitor, of: &str, outcome: &Outcome) -> Result<Html<String>, Failure> {
        let cards = self.cards(visitor, of, outcome, true).await?;
        let is_refused = matches!(outcome, Outcome::Doubtful(_) | Outcome::CannotBeSent);
        let content = html! {
            @if is_refused { p .doubt { "The key was not stored. " a href={ "#" (of) } { "See why" } } }
            p { "A key is sealed as soon as it arrives, and never shown again. These pages cannot open it." }
            div .cards { (cards) }
        };
        Ok(page("Keys", Some(visitor), &content))
    }
}

/// Stores the body as the key. This is the one request that a page with JavaScript makes.
pub(super) async fn put(
    State(dashboard): State<Arc<Dashboard>>,
    Path(slug): Path<String>,
    visitor: Visitor,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let provider = providers::find(&slug).ok_or(UNKNOWN)?;
    let body = body.map_err(|error| Failure(error.status(), "This is too long for a key."))?;
    let key = Secret::from(Vec::from(body));
    let outcome = dashboard.keep(&visitor, provider, &key, uri.query() == Some("anyway=yes")).await?;
    let card = dashboard.cards(&visitor, &slug, &outcome, false).await?;
    Ok((outcome.status(), CLOSE, Html(card.into_string())).into_response())
}

/// Stores the key of a form.
pub(super) async fn post(
    State(dashboard): State<Arc<Dashboard>>,
    Path(slug): Path<String>,
    visitor: Visitor,
    fields: Fields,
) -> Result<Response, Failure> {
    let provider = providers::find(&slug).ok_or(UNKNOWN)?;
    let key = Secret::from(fields.get("key"));
    let outcome = dashboard.keep(&visitor, provider, &key, fields.get("anyway") == "yes").await?;
    let answer = match outcome {
        Outcome::Stored => Redirect::to(&format!("/keys#{slug}")).into_response(),
        Outcome::SignedOut => enter("/", ""),
        doubtful => (doubtful.status(), dashboard.key_page(&visitor, &slug, &doubtful).await?).into_response(),
    };
    Ok((CLOSE, answer).into_response())
}

pub(super) async fn delete(
    State(dashboard): State<Arc<Dashboard>>,
    Path(slug): Path<String>,
    visitor: Visitor,
) -> Result<StatusCode, Failure> {
    let provider = providers::find(&slug).ok_or(UNKNOWN)?;
    let was_there = dashboard.store.delete(&visitor.tenant, &provider.slug).await?;
    Ok(if was_there { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
}

pub(super) async fn post_delete(
    dashboard: State<Arc<Dashboard>>,
    slug: Path<String>,
    visitor: Visitor,
) -> Result<Redirect, Failure> {
    delete(dashboard, slug, visitor).await?;
    Ok(Redirect::to("/keys"))
}

/// Tells a program which keys are set.
pub(super) async fn which(
    State(dashboard): State<Arc<Dashboard>>,
    visitor: Visitor,
) -> Result<impl IntoResponse, Failure> {
    let stored = dashboard.store.credentials(&visitor.tenant).await?;
    let is_set = |provider: &Provider| stored.iter().any(|stored| stored.provider == provider.slug);
    let set: BTreeMap<&str, bool> =
        providers::all().map(|provider| (provider.slug.as_str(), is_set(provider))).collect();
    Ok(([(header::CONTENT_TYPE, "application/json")], serde_json::to_string(&set)?))
}
