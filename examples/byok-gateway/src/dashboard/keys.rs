//! Customers' keys: which are set, and nothing of a value.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::BytesRejection;
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{Markup, html};
use sealwax::Secret;
use sealwax_credentials::{Suspicion, can_be_sent, suspicions};

use super::pages::{Failure, Fields, page, time};
use super::visiting::{Visitor, enter};
use crate::providers::{self, Provider};
use crate::store::{Credential, Put};

const UNKNOWN: Failure = Failure(StatusCode::NOT_FOUND, "There is no such provider.");

/// What became of a key: 200, or 409 if it may be something else, 422 if no request can carry it, 401 if its owner has left.
struct Outcome {
    status: StatusCode,
    doubts: Vec<Suspicion>,
}

impl Visitor {
    /// Seals a key as it is, and stores it.
    async fn keep(&self, provider: &Provider, key: &Secret, anyway: bool) -> Result<Outcome, Failure> {
        let became = |status| Ok(Outcome { status, doubts: Vec::new() });
        if !can_be_sent(key) {
            return became(StatusCode::UNPROCESSABLE_ENTITY);
        }
        let doubts: Vec<_> = suspicions(key).collect();
        if !doubts.is_empty() && !anyway {
            return Ok(Outcome { status: StatusCode::CONFLICT, doubts });
        }
        let context = provider.context(&self.tenant)?;
        for _ in 0..2 {
            let envelope = self.dashboard.writer.load().sealer.seal(key, &context)?;
            match self.dashboard.store.put(&self.tenant, &provider.slug, &envelope).await? {
                Put::Stored => return became(StatusCode::OK),
                Put::Left => return became(StatusCode::UNAUTHORIZED),
                Put::OldPair => self.dashboard.refresh()?,
            }
        }
        Err(anyhow::anyhow!("the sealer is that of an epoch that has ended").into())
    }

    /// Shows some providers, and what became of the key of one.
    async fn cards(
        &self,
        providers: impl Iterator<Item = &Provider>,
        outcome: Option<(&Provider, &Outcome)>,
    ) -> Result<Markup, Failure> {
        let stored = self.dashboard.store.credentials(&self.tenant).await?;
        Ok(html! {
            @for provider in providers {
                @let stored = stored.iter().find(|stored| stored.provider == provider.slug);
                @let outcome = outcome.filter(|(of, _)| of.slug == provider.slug).map(|(_, outcome)| outcome);
                (card(provider, stored, outcome))
            }
        })
    }

    async fn key_page(&self, refused: Option<(&Provider, &Outcome)>) -> Result<Html<String>, Failure> {
        let content = html! {
            @if let Some((provider, _)) = refused {
                p .doubt { "The key was not stored. " a href={ "#" (provider.slug) } { "See why" } }
            }
            p { "A key is sealed as soon as it arrives, and never shown again. These pages cannot open it." }
            div .cards { (self.cards(providers::all(), refused).await?) }
        };
        Ok(page("Keys", Some(self), &content))
    }
}

fn card(provider: &Provider, stored: Option<&Credential>, outcome: Option<&Outcome>) -> Markup {
    let (slug, name) = (&provider.slug, provider.name);
    let status = outcome.map(|outcome| outcome.status);
    let doubts = outcome.map_or(&[][..], |outcome| &outcome.doubts);
    html! {
        section .card id=(slug) aria-labelledby={ "name-" (slug) } {
            h2 id={ "name-" (slug) } {
                (name) " " @if stored.is_some() { span .set { "set" } } @else { span .unset { "not set" } }
            }
            @if let Some(stored) = stored { (state(stored)) }
            p .note { "Sent to " (provider.host) " only." }
            @if status == Some(StatusCode::OK) { p .done role="status" tabindex="-1" { "The key is stored." } }
            details open[status.is_some_and(|status| status != StatusCode::OK)] {
                summary { @if stored.is_some() { "Replace or delete" } @else { "Store a key" } }
                form method="post" action={ "/keys/" (slug) } data-method="PUT" {
                    @if status == Some(StatusCode::UNPROCESSABLE_ENTITY) {
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
                    Some(0) => { "the provider did not answer." }
                    _ => { "it could not be opened. Store it again." }
                }
                @if let Some(micros @ 1..) = stored.held_micros.and_then(|held| u32::try_from(held).ok()) {
                    " It was open for " (format!("{:.1}", f64::from(micros) / 1000.0)) " ms."
                }
            }
        } @else {
            p { "Not checked yet." }
        }
    }
}

pub(super) async fn list(visitor: Visitor) -> Result<Html<String>, Failure> {
    visitor.key_page(None).await
}

/// Stores the body as the key. This is the one request that a page with JavaScript makes.
pub(super) async fn put(
    Path(slug): Path<String>,
    visitor: Visitor,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let provider = providers::find(&slug).ok_or(UNKNOWN)?;
    let body = body.map_err(|error| Failure(error.status(), "This is too long for a key."))?;
    let key = Secret::from(Vec::from(body));
    let outcome = visitor.keep(provider, &key, uri.query() == Some("anyway=yes")).await?;
    let card = visitor.cards([provider].into_iter(), Some((provider, &outcome))).await?;
    Ok((outcome.status, Html(card.into_string())).into_response())
}

/// Stores the key of a form.
pub(super) async fn post(Path(slug): Path<String>, visitor: Visitor, fields: Fields) -> Result<Response, Failure> {
    let provider = providers::find(&slug).ok_or(UNKNOWN)?;
    let key = Secret::from(fields.get("key"));
    let outcome = visitor.keep(provider, &key, fields.get("anyway") == "yes").await?;
    Ok(match outcome.status {
        StatusCode::OK => Redirect::to(&format!("/keys#{slug}")).into_response(),
        StatusCode::UNAUTHORIZED => enter("/", ""),
        status => (status, visitor.key_page(Some((provider, &outcome))).await?).into_response(),
    })
}

pub(super) async fn delete(Path(slug): Path<String>, visitor: Visitor) -> Result<Redirect, Failure> {
    let provider = providers::find(&slug).ok_or(UNKNOWN)?;
    visitor.dashboard.store.delete(&visitor.tenant, &provider.slug).await?;
    Ok(Redirect::to("/keys"))
}

/// Tells a program which keys are set.
pub(super) async fn which(visitor: Visitor) -> Result<impl IntoResponse, Failure> {
    let stored = visitor.dashboard.store.credentials(&visitor.tenant).await?;
    let is_set = |provider: &Provider| stored.iter().any(|stored| stored.provider == provider.slug);
    let set: BTreeMap<&str, bool> =
        providers::all().map(|provider| (provider.slug.as_str(), is_set(provider))).collect();
    Ok(([(header::CONTENT_TYPE, "application/json")], serde_json::to_string(&set)?))
}
