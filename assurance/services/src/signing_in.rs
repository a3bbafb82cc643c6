use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::credentials::Tenant;

/// Reads the tenant from the header `x-tenant`, and rejects a request without one.
///
/// Trusting this header is safe only behind a proxy that sets it and removes any that a client sends.
pub async fn signed_in(mut request: Request, next: Next) -> Response {
    let tenant = request.headers().get("x-tenant").and_then(|id| id.to_str().ok()?.parse().ok());
    let Some(id) = tenant else { return StatusCode::UNAUTHORIZED.into_response() };
    request.extensions_mut().insert(Tenant(id));
    next.run(request).await
}
