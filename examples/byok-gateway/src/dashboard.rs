//! The dashboard: customers store keys in it, and nobody reads one there, because this process has no key that opens.
//!
//! Every form works without JavaScript: it is posted, and answered by a page or a redirect.

mod account;
mod keys;
mod pages;
mod security;
mod tokens;
mod visiting;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use sealwax::Sealer;

use crate::config::Home;
use crate::files::SEALER;
use crate::store::{Proofs, Store};
use crate::tokens::{ApiTokens, Visitors};
use crate::web::{self, Limit};
use pages::Failure;
pub use visiting::address;

/// No form and no key has more bytes.
const MAX_BODY: usize = 16 * 1024;
/// No request takes longer, so that whoever signs out does not finish one minutes later.
const MAX_TIME: Duration = Duration::from_secs(30);
const TOO_MANY: Failure = Failure(StatusCode::TOO_MANY_REQUESTS, "There were too many requests. Try again later.");

#[derive(Debug)]
struct Dashboard {
    home: Home,
    store: Store,
    writer: ArcSwap<Writer>,
    visitors: Visitors,
    proofs: Proofs,
    tokens: ApiTokens,
    by_address: Limit<IpAddr>,
    sign_ins: Limit<IpAddr>,
    links: Limit<String>,
}

/// What seals in this epoch, and the id of its pair.
#[derive(Debug)]
struct Writer {
    pair: String,
    sealer: Sealer,
}

/// Runs the dashboard until the process is told to stop.
pub async fn run(home: &Home, store: &Store) -> Result<()> {
    let limits = &home.config.limits;
    let dashboard = Arc::new(Dashboard {
        home: home.clone(),
        store: store.clone(),
        writer: ArcSwap::from_pointee(Writer::read(home)?),
        visitors: Visitors::read(home)?,
        proofs: Proofs::read(home)?,
        tokens: ApiTokens::read(home)?,
        by_address: Limit::new(limits.address, Duration::from_secs(60)),
        sign_ins: Limit::new(limits.sign_in, Duration::from_secs(3600)),
        links: Limit::new(limits.links, Duration::from_secs(3600)),
    });
    let router = Router::new()
        .route("/", get(visiting::welcome))
        .route("/sign-in", post(visiting::send_link))
        .route("/sign-in/link", get(visiting::show_link).post(visiting::redeem))
        .route("/sign-out", post(visiting::sign_out))
        .route("/keys", get(keys::list))
        .route("/keys/{provider}", put(keys::put).post(keys::post).delete(keys::delete))
        .route("/keys/{provider}/delete", post(keys::delete))
        .route("/api/keys", get(keys::which))
        .route("/tokens", get(tokens::list).post(tokens::issue))
        .route("/tokens/{id}/rotate", post(tokens::rotate))
        .route("/tokens/{id}/revoke", post(tokens::revoke))
        .route("/security", get(security::show))
        .route("/account", get(account::show))
        .route("/account/delete", post(account::delete))
        .route("/deleted", get(account::deleted))
        .route("/.well-known/security.txt", get(security::contact))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/style.css", get(|| file("text/css", include_str!("dashboard/style.css"))))
        .route("/app.js", get(|| file("text/javascript", include_str!("dashboard/app.js"))))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .fallback(|| async { Failure(StatusCode::NOT_FOUND, "There is no such page.") })
        .method_not_allowed_fallback(|| async { Failure(StatusCode::METHOD_NOT_ALLOWED, "That is not done here.") })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(&dashboard), guard))
        .with_state(Arc::clone(&dashboard));
    let fresh = tokio::spawn(dashboard.keep_fresh());
    let served = web::serve("dashboard", home.config.dashboard, &home.config, router).await;
    fresh.abort();
    served
}

async fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

/// Lets a request through if its address sends few, and if it changes nothing or is from a page of ours. What changes something
/// ends its connection, because the buffer would have the key until the next request.
async fn guard(
    State(dashboard): State<Arc<Dashboard>>,
    ConnectInfo(from): ConnectInfo<IpAddr>,
    request: Request,
    next: Next,
) -> Response {
    let is_safe = request.method().is_safe();
    let mut response = if !dashboard.by_address.allows(&from) {
        TOO_MANY.into_response()
    } else if !is_safe && !dashboard.is_own(request.headers()) {
        let said = request.headers().get(header::ORIGIN);
        tracing::warn!(?said, "a request was refused, because `origin` is {}", dashboard.home.config.origin);
        Failure(StatusCode::FORBIDDEN, "This request is not from a page of the dashboard.").into_response()
    } else {
        let late = |_| Failure(StatusCode::REQUEST_TIMEOUT, "This took too long.").into_response();
        tokio::time::timeout(MAX_TIME, next.run(request)).await.unwrap_or_else(late)
    };
    if !is_safe {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl Dashboard {
    /// Returns whether a request is from a page of ours. Other pages can set neither of these headers.
    fn is_own(&self, headers: &HeaderMap) -> bool {
        let is = |name, value: &str| headers.get(name).is_some_and(|header| header == value);
        is("origin", &self.home.config.origin) || is("sec-fetch-site", "same-origin")
    }

    /// Takes the sealer of a new epoch within a second, and says so in the database. It never returns.
    async fn keep_fresh(self: Arc<Self>) {
        loop {
            if let Err(error) = self.refresh() {
                tracing::warn!("the sealer was not read: {error:#}");
            }
            if let Err(error) = self.store.beat("dashboard", &self.writer.load().pair).await {
                tracing::warn!("this process is not noted: {error}");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn refresh(&self) -> Result<()> {
        self.writer.store(Arc::new(Writer::read(&self.home)?));
        Ok(())
    }
}

impl Writer {
    fn read(home: &Home) -> Result<Self> {
        let text = home.secret(SEALER)?;
        let text = text.expose_str()?;
        Ok(Self { pair: text.split_whitespace().nth(1).unwrap_or_default().into(), sealer: text.parse()? })
    }
}
