use axum::http::HeaderValue;
use axum::http::header::InvalidHeaderValue;
use sealwax::Secret;

/// Returns the value of `Authorization`. A request's `Debug` output does not show it.
pub fn bearer(api_key: &Secret) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_bytes(api_key.with_prefix("Bearer ").expose_secret())?;
    value.set_sensitive(true);
    Ok(value)
}
