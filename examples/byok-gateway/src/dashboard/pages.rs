//! What all pages have in common: the frame, errors, and the fields of forms.

use axum::extract::{Form, FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::visiting::Visitor;
use crate::clock;

const PAGES: [(&str, &str); 4] =
    [("/keys", "Keys"), ("/tokens", "Tokens"), ("/security", "Security"), ("/account", "Account")];

/// Returns a page; that of somebody who is signed in leads to the others.
pub(super) fn page(title: &str, visitor: Option<&Visitor>, content: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // With no referrer at all, a form would not say which origin it is from.
                meta name="referrer" content="same-origin";
                title { (title) " – BYOK gateway" }
                link rel="stylesheet" href="/style.css";
                script src="/app.js" defer {}
            }
            body {
                a .skip href="#content" { "Skip to the content" }
                header {
                    a .brand href="/" { "BYOK gateway" }
                    @if visitor.is_some() {
                        nav aria-label="Pages" {
                            @for (path, name) in PAGES {
                                a href=(path) aria-current=[(name == title).then_some("page")] { (name) }
                            }
                        }
                        form method="post" action="/sign-out" { button .quiet { "Sign out" } }
                    }
                }
                main #content { h1 { (title) } (content) }
                footer {
                    @if let Some(visitor) = visitor { p { "Signed in as " (visitor.email) "." } }
                    p { a href="/.well-known/security.txt" { "Report a weakness" } }
                }
            }
        }
    };
    Html(page.into_string())
}

/// Shows a time of a column.
pub(super) fn time(seconds: i64) -> Markup {
    let shown = clock::shown(seconds);
    html! { time datetime={ (shown.replace(' ', "T")) "Z" } { (shown) " UTC" } }
}

/// What was not done: the status, and a sentence for people. What happened is in the log.
#[derive(Debug)]
pub(super) struct Failure(pub(super) StatusCode, pub(super) &'static str);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(status, sentence) = self;
        let content = html! { p { (sentence) } p { a href="/" { "Back to the start" } } };
        (status, page("This was not done", None, &content)).into_response()
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        tracing::error!("a request failed: {:#}", error.into());
        Self(StatusCode::SERVICE_UNAVAILABLE, "Something failed here. Try again in a minute.")
    }
}

/// The fields of a form that was posted.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Returns a field, or nothing if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Returns all fields with a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        // What axum says of a form may repeat it.
        let form = Form::from_request(request, state).await;
        form.map(|Form(fields)| Self(fields)).map_err(|error| Failure(error.status(), "This form is malformed."))
    }
}
