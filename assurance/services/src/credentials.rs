use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Extension, Json, Path, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Router, middleware};
use sealwax::{ContextError, EncryptionContext, Envelope, Keyring, Secret};
use sealwax_audit::{AuditLog, Recorder};
use sealwax_credentials::{BoundSecret, KeyHeader, can_be_sent, open_bound_async, suspicions};
use serde::Deserialize;
use sqlx::PgPool;

use crate::audit::Table;
use crate::failure::Failure;
use crate::signing_in::signed_in;

#[derive(Clone, Debug)]
pub struct App {
    pub ring: Arc<ArcSwap<Keyring>>,
    pub log: Arc<AuditLog<Table>>,
    pub db: PgPool,
    pub send: fn(Request) -> Reply, // Your HTTP client.
}

pub type Reply = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Who is signed in. Your authentication puts it into the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Tenant(pub i64);

/// The providers that customers have keys for: a closed set, so no text of theirs is in a context.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    OpenAi,
    Mistral,
}

impl Provider {
    /// Its name in rows and contexts, its host, and where its requests go.
    const fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::OpenAi => ("openai", "api.openai.com", "https://api.openai.com/v1/chat/completions"),
            Self::Mistral => ("mistral", "api.mistral.ai", "https://api.mistral.ai/v1/chat/completions"),
        }
    }
}

/// Builds the context from who is signed in and what the request names, never from the row.
pub fn context(tenant: Tenant, provider: Provider) -> Result<EncryptionContext, ContextError> {
    let (tenant, (provider, host, _)) = (tenant.0.to_string(), provider.parts());
    EncryptionContext::new([("tenant", tenant.as_str()), ("provider", provider)])?.with_hosts(&[host])
}

#[derive(Debug, Deserialize)]
pub struct Put {
    api_key: Secret,
    /// The customer has read why it does not look like a credential, and wants it stored all the same.
    #[serde(default)]
    anyway: bool,
}

async fn store(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    Path(provider): Path<Provider>,
    Json(Put { api_key, anyway }): Json<Put>,
) -> Result<StatusCode, Failure> {
    let suspicions: Vec<_> = suspicions(&api_key).map(|suspicion| suspicion.to_string()).collect();
    if !suspicions.is_empty() && !anyway {
        return Err(Failure::Doubtful(suspicions.join("; ")));
    }
    // This rejects a line feed at the end now, and not at the first call.
    if !can_be_sent(&api_key) {
        return Err(Failure::CannotBeSent);
    }
    let envelope = app.ring.load().seal(&api_key, &context(tenant, provider)?)?;
    let sql = "INSERT INTO credentials (tenant, provider, envelope) VALUES ($1, $2, $3)
        ON CONFLICT (tenant, provider) DO UPDATE SET envelope = excluded.envelope";
    let insert = sqlx::query(sql).bind(tenant.0).bind(provider.parts().0);
    insert.bind(envelope.as_bytes()).execute(&app.db).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens a tenant's credential. It is in the audit log before it is decrypted.
async fn open(app: &App, tenant: Tenant, provider: Provider) -> Result<BoundSecret, Failure> {
    let sql = "SELECT envelope FROM credentials WHERE tenant = $1 AND provider = $2";
    let select = sqlx::query_scalar(sql).bind(tenant.0).bind(provider.parts().0);
    let column: Option<Vec<u8>> = select.fetch_optional(&app.db).await?;
    let envelope = Envelope::try_from(column.ok_or(Failure::Request(StatusCode::NOT_FOUND))?)?;

    let (who, why) = (format!("tenant {}", tenant.0), format!("call of {}", provider.parts().0));
    let recorder = Recorder::new(&app.log, tenant.0.to_string(), who, why)?;
    let ring = Keyring::clone(&app.ring.load()).with_recorder(recorder);
    Ok(open_bound_async(&ring, &envelope, &context(tenant, provider)?).await?)
}

/// Lists the providers of a tenant, which needs no key.
async fn list(State(app): State<App>, Extension(tenant): Extension<Tenant>) -> Result<Json<Vec<String>>, Failure> {
    let sql = "SELECT provider FROM credentials WHERE tenant = $1 ORDER BY provider";
    Ok(Json(sqlx::query_scalar(sql).bind(tenant.0).fetch_all(&app.db).await?))
}

async fn delete(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    Path(provider): Path<Provider>,
) -> Result<StatusCode, Failure> {
    let sql = "DELETE FROM credentials WHERE tenant = $1 AND provider = $2";
    sqlx::query(sql).bind(tenant.0).bind(provider.parts().0).execute(&app.db).await?;
    Ok(StatusCode::NO_CONTENT)
}

const LONGEST_REPLY: usize = 16 * 1024 * 1024;

async fn call(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    Path(provider): Path<Provider>,
    body: Bytes,
) -> Result<Response, Failure> {
    let api_key = open(&app, tenant, provider).await?;
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(provider.parts().2);
    api_key.authorize(&mut request, &KeyHeader::BEARER)?;
    let (mut head, body) = (app.send)(request).await.into_parts();

    // Providers repeat keys in their errors. The reason phrase is in the extensions, and would be sent on.
    head.extensions.clear();
    let mut redactor = api_key.redactor(&mut head.headers)?;
    let bad_gateway = |_| Failure::Request(StatusCode::BAD_GATEWAY);
    let (body, mut masked) = (to_bytes(body, LONGEST_REPLY).await.map_err(bad_gateway)?, Vec::new());
    redactor.push(&body, |bytes| masked.extend_from_slice(bytes));
    redactor.finish(|bytes| masked.extend_from_slice(bytes));
    Ok(Response::from_parts(head, masked.into()))
}

/// Public: two processes with the same keyring text show the same.
async fn health(State(app): State<App>) -> String {
    format!("{:016x}", u64::from_be_bytes(app.ring.load().fingerprint()))
}

pub fn router(app: App) -> Router {
    Router::new()
        .route("/credentials", get(list))
        .route("/credentials/{provider}", put(store).delete(delete))
        .route("/call/{provider}", post(call))
        .layer(middleware::from_fn(signed_in))
        .route("/health", get(health))
        .with_state(app)
}
