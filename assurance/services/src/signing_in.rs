use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::credentials::Tenant;

/// Trusts a header: right only behind a proxy that sets it and lets none through.
pub async fn signed_in(mut request: Request, next: Next) -> Response {
    let tenant = request.headers().get("x-tenant").and_then(|id| id.to_str().ok()?.parse().ok());
    let Some(id) = tenant else { return StatusCode::UNAUTHORIZED.into_response() };
    request.extensions_mut().insert(Tenant(id));
    next.run(request).await
}
