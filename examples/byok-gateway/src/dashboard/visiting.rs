//! Signing in, by a link that works once, and signing out.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::html;
use sealwax_sqlx::tables::TokenTableError;
use sealwax_tenants::TenantId;

use super::pages::{Failure, Fields, page};
use super::{Dashboard, TOO_MANY};
use crate::clock;
use crate::tokens::{SESSION_SECONDS, new_account};

/// With this prefix, a browser takes the cookie only from this host, for all paths, and over TLS or from this machine.
const COOKIE: &str = "__Host-session";
const SIGNED_OUT: Failure = Failure(StatusCode::UNAUTHORIZED, "You are signed out.");

/// Somebody who is signed in.
pub(super) struct Visitor {
    pub(super) dashboard: Arc<Dashboard>,
    pub(super) tenant: TenantId,
    pub(super) email: String,
}

impl FromRequestParts<Arc<Dashboard>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, dashboard: &Arc<Dashboard>) -> Result<Self, Response> {
        let visitor = find(dashboard, &parts.headers).await.map_err(IntoResponse::into_response)?;
        let is_page = [Method::GET, Method::POST].contains(&parts.method) && !parts.uri.path().starts_with("/api/");
        visitor.ok_or_else(|| if is_page { Redirect::to("/").into_response() } else { SIGNED_OUT.into_response() })
    }
}

async fn find(dashboard: &Arc<Dashboard>, headers: &HeaderMap) -> Result<Option<Visitor>, Failure> {
    let Some(session) = session(headers) else { return Ok(None) };
    let tenant = match dashboard.visitors.visitor(&dashboard.store, session).await {
        Err(TokenTableError::Token(error)) => {
            tracing::info!(reason = error.name(), "a session was refused");
            return Ok(None);
        }
        tenant => tenant?,
    };
    let email = dashboard.store.email(&dashboard.proofs, &tenant).await?;
    Ok(email.map(|email| Visitor { dashboard: Arc::clone(dashboard), tenant, email }))
}

fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// Goes to a page with another session, or with none.
pub(super) fn enter(path: &str, session: &str) -> Response {
    let seconds = if session.is_empty() { 0 } else { SESSION_SECONDS };
    let cookie = format!("{COOKIE}={session}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax; Secure");
    ([(header::SET_COOKIE, cookie)], Redirect::to(path)).into_response()
}

pub(super) async fn welcome(State(dashboard): State<Arc<Dashboard>>, headers: HeaderMap) -> Result<Response, Failure> {
    if find(&dashboard, &headers).await?.is_some() {
        return Ok(Redirect::to("/keys").into_response());
    }
    let content = html! {
        p { "Keep your API keys here, and give your programs tokens instead. Nobody reads a key here: not you, and not us." }
        form .card method="post" action="/sign-in" {
            label for="email" { "Your email address" }
            input #email name="email" type="email" autocomplete="email" maxlength="240" required;
            button { "Send me a link" }
        }
    };
    Ok(page("Sign in", None, &content).into_response())
}

/// Sends a link. The answer is the same whether or not there is an account: redeeming the link makes one.
pub(super) async fn send_link(
    State(dashboard): State<Arc<Dashboard>>,
    ConnectInfo(from): ConnectInfo<IpAddr>,
    fields: Fields,
) -> Result<Html<String>, Failure> {
    if !dashboard.sign_ins.allows(&from) {
        return Err(TOO_MANY);
    }
    let email = address(fields.get("email"));
    let email = email.ok_or(Failure(StatusCode::UNPROCESSABLE_ENTITY, "That is not an email address."))?;
    // Above the limit, the mails that were sent before have links that work.
    if dashboard.links.allows(&email) {
        let link = dashboard.visitors.invite(&dashboard.store, &email, clock::seconds()).await?;
        let config = &dashboard.home.config;
        let link = format!("{}/sign-in/link?token={}", config.origin, link.expose_str()?);
        let mail = format!("{}\n", serde_json::json!({ "to": email, "link": link }));
        let file = config.outbox.join(format!("{}-{}.json", clock::millis(), new_account()?));
        dashboard.home.write(&file.to_string_lossy(), mail.as_bytes())?;
    }
    let content = html! {
        p { "We have sent a link to " strong { (email) } ". It works once, within 15 minutes." }
        p { "Nothing came? Look at your spam, or " a href="/" { "ask for another link" } "." }
    };
    Ok(page("Check your mail", None, &content))
}

/// Returns an address as it is stored. What could be two addresses, or a header of the mail, is none.
pub fn address(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = |char: char| !char.is_whitespace() && !char.is_control() && !"\"(),:;<>[\\]".contains(char);
    let (local, domain) = text.split_once('@')?;
    let is_one = !local.is_empty() && !domain.is_empty() && !domain.contains('@') && text.len() <= 240;
    (is_one && text.chars().all(is_plain)).then(|| text.to_ascii_lowercase())
}

/// Shows a button, because programs that look for malware fetch the links of mails. It says for whom, because somebody may have
/// been given the link of a stranger, to store a key there.
pub(super) async fn show_link(State(dashboard): State<Arc<Dashboard>>, uri: Uri) -> Result<Html<String>, Failure> {
    let mut fields = uri.query().unwrap_or_default().split('&');
    let token = fields.find_map(|field| field.strip_prefix("token=")).unwrap_or_default();
    let email = dashboard.visitors.invited(&dashboard.store, token, clock::seconds()).await;
    let email = email.map_err(refused)?;
    let content = html! {
        form .card method="post" action="/sign-in/link" {
            input type="hidden" name="token" value=(token);
            button { "Sign in as " (email) }
        }
    };
    Ok(page("Welcome", None, &content))
}

fn refused(error: TokenTableError) -> Failure {
    let TokenTableError::Token(error) = error else { return error.into() };
    tracing::info!(reason = error.name(), "a link was refused");
    Failure(StatusCode::FORBIDDEN, "This link was used, or is too old. Ask for another one.")
}

pub(super) async fn redeem(State(dashboard): State<Arc<Dashboard>>, fields: Fields) -> Result<Response, Failure> {
    let now = clock::seconds();
    let email = dashboard.visitors.redeem(&dashboard.store, fields.get("token"), now).await.map_err(refused)?;
    let tenant = dashboard.store.account(&dashboard.proofs, &email, &new_account()?).await?;
    let tenant =
        tenant.ok_or(Failure(StatusCode::CONFLICT, "This account is being deleted. Try again in some minutes."))?;
    let session = dashboard.visitors.begin(&dashboard.store, &tenant, now).await?;
    Ok(enter("/keys", session.expose_str()?))
}

pub(super) async fn sign_out(Visitor { dashboard, .. }: Visitor, headers: HeaderMap) -> Result<Response, Failure> {
    dashboard.visitors.end(&dashboard.store, session(&headers).unwrap_or_default()).await?;
    Ok(enter("/", ""))
}
