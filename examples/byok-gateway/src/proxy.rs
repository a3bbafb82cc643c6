//! The proxy: takes a customer's token, and sends the request on with the customer's key.
//!
//! `POST /openai/v1/chat/completions` goes to `https://api.openai.com/v1/chat/completions`. A token of a test goes nowhere.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use futures_util::stream;
use sealwax::ErrorClass;
use sealwax_credentials::{BoundSecret, Redactor, ReqwestClient, SendError};
use sealwax_sqlx::tables::TokenTableError;
use sealwax_tokens::{Claims, Mode, TokenError, TokenId};

use crate::config::{Egress, Home};
use crate::providers::{self, Provider};
use crate::store::Store;
use crate::tokens::{self, ApiTokens};
use crate::vault::{GONE, NOT_SET, Refused, Vault};
use crate::web::{self, Limit};

/// The headers of a customer's request that a provider gets: what the request is, and nothing that authorises it.
const REQUEST_HEADERS: [&str; 9] = [
    "accept",
    "content-type",
    "idempotency-key",
    "anthropic-beta",
    "anthropic-version",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "user-agent",
];
/// The headers of a reply that are between two neighbours (RFC 9110, section 7.6.1), and those that the proxy sets itself.
const NOT_PASSED_ON: [HeaderName; 12] = [
    header::ALT_SVC,
    HeaderName::from_static("clear-site-data"),
    header::CONNECTION,
    header::CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

#[derive(Debug)]
struct Proxy {
    vault: Arc<Vault>,
    tokens: ApiTokens,
    client: ReqwestClient,
    by_token: Limit<TokenId>,
    by_address: Limit<IpAddr>,
    unknown: Limit<IpAddr>,
}

/// An answer that the proxy gives itself. It says nothing of a key.
#[derive(Debug)]
struct Answer(StatusCode, &'static str);

const TOO_MANY: Answer = Answer(StatusCode::TOO_MANY_REQUESTS, "too_many_requests");

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let Self(status, error) = self;
        let body = format!("{{\"error\":\"{error}\"}}\n");
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Runs the proxy until the process is told to stop.
pub async fn run(home: &Home, store: &Store) -> Result<()> {
    let vault = Arc::new(Vault::unlock(home, store).await?);
    let limits = &home.config.limits;
    let minute = Duration::from_secs(60);
    let proxy = Proxy {
        vault: Arc::clone(&vault),
        tokens: ApiTokens::read(home)?,
        client: client(home, &home.config.egress)?,
        by_token: Limit::new(limits.token, minute),
        by_address: Limit::new(limits.address, minute),
        unknown: Limit::new(limits.unknown, minute),
    };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/{provider}/{*path}", any(pass_on))
        .with_state(Arc::new(proxy));
    let fresh = tokio::spawn(vault.keep_fresh("proxy"));
    let served = web::serve("proxy", home.config.proxy, &home.config, router).await;
    fresh.abort();
    served
}

/// Builds the client of proxy and worker.
///
/// Idle connections end soon, because their buffers still have the key of the last request.
pub fn client(home: &Home, egress: &Egress) -> Result<ReqwestClient> {
    let builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(120))
        .pool_idle_timeout(Duration::from_secs(1));
    let builder = match &egress.roots {
        None => builder,
        Some(file) => {
            let file = home.path(file);
            let pem = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)?;
            ensure!(!certificates.is_empty(), "`egress.roots`: {} has no certificate", file.display());
            builder.tls_certs_merge(certificates)
        }
    };
    Ok(match &egress.proxy {
        Some(proxy) => ReqwestClient::with_proxy(builder, proxy).context("`egress.proxy`")?,
        None => ReqwestClient::new(builder)?,
    })
}

async fn pass_on(
    State(proxy): State<Arc<Proxy>>,
    ConnectInfo(from): ConnectInfo<IpAddr>,
    request: Request,
) -> Result<Response, Answer> {
    if !proxy.by_address.allows(&from) {
        return Err(TOO_MANY);
    }
    let (provider, path) = request.uri().path().trim_start_matches('/').split_once('/').unwrap_or_default();
    let provider = providers::find(provider).ok_or(Answer(StatusCode::NOT_FOUND, "unknown_provider"))?;
    let claims = proxy.authorise(request.headers(), provider, &from).await?;
    if !proxy.by_token.allows(&claims.id) {
        return Err(TOO_MANY);
    }
    if claims.mode == Mode::Test {
        return Ok(mock(provider, request.method()));
    }
    let url = url(provider, path, request.uri().query())?;
    let key = proxy.open(&claims, provider).await?;
    proxy.send(provider, key, url, request).await
}

impl Proxy {
    /// Returns what a token is for. The answer to one that is refused is always the same: a thief does not learn that it is right,
    /// and has another scope.
    async fn authorise(&self, headers: &HeaderMap, provider: &Provider, from: &IpAddr) -> Result<Claims, Answer> {
        let refused = || Answer(StatusCode::UNAUTHORIZED, "invalid_token");
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, token) = value.and_then(|value| value.split_once(' ')).ok_or_else(refused)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(refused());
        }
        let (store, token) = (&self.vault.store, token.trim());
        let mut verified = self.tokens.verify(store, token, &provider.slug).await;
        if matches!(verified, Err(TokenTableError::Token(TokenError::Unknown))) && !tokens::is_ours(token) {
            if !self.unknown.allows(from) {
                return Err(TOO_MANY);
            }
            verified = self.tokens.search(store, token, &provider.slug).await;
        }
        verified.map_err(|error| match error {
            TokenTableError::Token(error) => {
                tracing::info!(reason = error.name(), "a token was refused");
                refused()
            }
            error => {
                tracing::error!("a token was not verified: {error}");
                Answer(StatusCode::SERVICE_UNAVAILABLE, "try_again")
            }
        })
    }

    async fn open(&self, claims: &Claims, provider: &Provider) -> Result<BoundSecret, Answer> {
        let tenant = tokens::tenant(claims).ok_or(Answer(StatusCode::UNAUTHORIZED, "invalid_token"))?;
        let (who, why) = (format!("token {}", claims.id), format!("request to {}", provider.slug));
        self.vault.open(&tenant, provider, &who, &why).await.map_err(|error| {
            let Refused { name, class, .. } = &error;
            tracing::warn!(name, class = class.as_str(), "a key was not opened: {error}");
            match (*name, class) {
                (NOT_SET, _) => Answer(StatusCode::NOT_FOUND, "no_key"),
                (GONE, _) => Answer(StatusCode::GONE, "account_deleted"),
                (_, ErrorClass::Transient) => Answer(StatusCode::SERVICE_UNAVAILABLE, "try_again"),
                _ => Answer(StatusCode::INTERNAL_SERVER_ERROR, "key_not_usable"),
            }
        })
    }

    async fn send(
        &self,
        provider: &Provider,
        key: BoundSecret,
        url: reqwest::Url,
        request: Request,
    ) -> Result<Response, Answer> {
        let (parts, body) = request.into_parts();
        let mut to_send = reqwest::Request::new(parts.method, url);
        for name in REQUEST_HEADERS {
            if let Some(value) = parts.headers.get(name) {
                to_send.headers_mut().insert(HeaderName::from_static(name), value.clone());
            }
        }
        // A request without a body must not become one with an empty stream.
        if parts.headers.contains_key(header::CONTENT_LENGTH) || parts.headers.contains_key(header::TRANSFER_ENCODING) {
            if let Some(length) = parts.headers.get(header::CONTENT_LENGTH) {
                to_send.headers_mut().insert(header::CONTENT_LENGTH, length.clone());
            }
            *to_send.body_mut() = Some(reqwest::Body::wrap_stream(body.into_data_stream()));
        }
        let mut reply = self.client.send(to_send, &key, provider.header).await.map_err(|error| {
            tracing::warn!(provider = provider.slug, "the provider did not answer: {error}");
            match error {
                SendError::Authorize(_) => Answer(StatusCode::BAD_REQUEST, "not_sent"),
                SendError::Timeout => Answer(StatusCode::GATEWAY_TIMEOUT, "provider_timeout"),
                _ => Answer(StatusCode::BAD_GATEWAY, "provider_unavailable"),
            }
        })?;
        let redactor = key.redactor(reply.headers_mut());
        let redactor = redactor.map_err(|_| Answer(StatusCode::BAD_GATEWAY, "provider_encoded"))?;
        if reply.status().is_informational() {
            return Err(Answer(StatusCode::BAD_GATEWAY, "provider_unavailable"));
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = reply.status();
        *response.headers_mut() = std::mem::take(reply.headers_mut());
        let named = response.headers().get(header::CONNECTION).and_then(|names| names.to_str().ok()).map(str::to_owned);
        for name in named.iter().flat_map(|names| names.split(',')) {
            response.headers_mut().remove(name.trim());
        }
        for name in NOT_PASSED_ON {
            response.headers_mut().remove(name);
        }
        *response.body_mut() = redacted(reply, redactor);
        Ok(response)
    }
}

/// Passes a body on as it comes, with the key masked.
fn redacted(reply: reqwest::Response, redactor: Redactor) -> Body {
    let chunks = stream::unfold(Some((reply, redactor)), |state| async {
        let (mut reply, mut redactor) = state?;
        let mut passed = Vec::new();
        match reply.chunk().await {
            Ok(Some(chunk)) => {
                redactor.push(&chunk, |bytes| passed.extend_from_slice(bytes));
                Some((Ok(Bytes::from(passed)), Some((reply, redactor))))
            }
            Ok(None) => {
                redactor.finish(|bytes| passed.extend_from_slice(bytes));
                Some((Ok(Bytes::from(passed)), None))
            }
            // The customer sees that the body is not complete.
            Err(error) => Some((Err(SendError::from(error)), None)),
        }
    });
    Body::from_stream(chunks)
}

/// Returns where a request goes. The host is the provider's, whatever the path says.
fn url(provider: &Provider, path: &str, query: Option<&str>) -> Result<reqwest::Url, Answer> {
    let url = reqwest::Url::parse(&format!("https://{}/{path}", provider.host));
    let mut url = url
        .ok()
        .filter(|url| url.host_str() == Some(provider.host))
        .ok_or(Answer(StatusCode::BAD_REQUEST, "malformed_path"))?;
    url.set_query(query);
    Ok(url)
}

/// Answers a request of a test, without a key and without the provider.
fn mock(provider: &Provider, method: &Method) -> Response {
    let body = serde_json::json!({ "mock": true, "provider": provider.slug, "method": method.as_str() });
    ([(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}
