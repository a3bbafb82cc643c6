use std::error::Error;
use std::iter::successors;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use sealwax::{ContextError, ErrorClass, FormatError, SealError};
use sealwax_audit::EntryError;
use sealwax_credentials::{AuthorizeError, OpenBoundError, RedactError};

/// Why a handler failed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum Failure {
    Seal(#[from] SealError),
    Context(#[from] ContextError),
    Format(#[from] FormatError),
    Database(#[from] sqlx::Error),
    Entry(#[from] EntryError),
    Bound(#[from] OpenBoundError),
    Authorize(#[from] AuthorizeError),
    Redact(#[from] RedactError),
    #[error("the credential does not look like one: {0}")]
    Doubtful(String),
    #[error("no request can carry the credential: it must have 8 to 8192 characters, all of them visible ASCII")]
    CannotBeSent,
    #[error("{0}")]
    Request(StatusCode),
}

/// Returns the status for the customer, and who must be alerted, as in the tables on the page Operations and in the
/// README of `sealwax-credentials`.
pub fn verdict(class: ErrorClass, name: &str) -> (StatusCode, &'static str) {
    match (class, name) {
        (ErrorClass::Transient, _) => (StatusCode::SERVICE_UNAVAILABLE, "if it persists"),
        (ErrorClass::Gone, _) | (_, "key_leaked") => (StatusCode::GONE, "nobody"),
        (_, "too_long") => (StatusCode::PAYLOAD_TOO_LARGE, "nobody"),
        (_, "not_for_a_header") => (StatusCode::UNPROCESSABLE_ENTITY, "nobody"),
        (_, "encoded") => (StatusCode::BAD_GATEWAY, "if it persists"),
        (ErrorClass::Altered, _) => (StatusCode::INTERNAL_SERVER_ERROR, "security"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "page"),
    }
}

/// Returns whether the same statement may succeed later: after errors of connections, locks, resources and shutdowns.
pub fn is_transient(error: &sqlx::Error) -> bool {
    let state = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    ["08", "40", "53", "55P03", "57"].iter().any(|prefix| state.starts_with(prefix))
        || matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (class, name, retry_after) = match &self {
            Self::Seal(error) => (error.class(), error.name(), error.retry_after()),
            Self::Context(error) => (error.class(), error.name(), None),
            Self::Format(error) => (error.class(), error.name(), None),
            Self::Entry(_) => (ErrorClass::Bug, "entry", None),
            Self::Bound(OpenBoundError::Open(error)) => (error.class(), error.name(), error.retry_after()),
            Self::Bound(error) => (error.class(), error.name(), None),
            Self::Authorize(error) => (error.class(), error.name(), None),
            Self::Redact(error) => (error.class(), error.name(), None),
            Self::Database(error) if is_transient(error) => (ErrorClass::Transient, "database", None),
            Self::Database(_) => (ErrorClass::Misconfigured, "database", None),
            Self::Doubtful(_) | Self::CannotBeSent => {
                return (StatusCode::UNPROCESSABLE_ENTITY, self.to_string()).into_response();
            }
            Self::Request(status) => return status.into_response(),
        };
        let (status, alert) = verdict(class, name);
        let causes = successors(self.source(), |&cause| cause.source());
        let report = causes.fold(self.to_string(), |line, cause| format!("{line}: {cause}"));
        eprintln!("{name} ({class}), alert: {alert}: {report}");
        let retry_after = retry_after.filter(|_| class == ErrorClass::Transient);
        let seconds = retry_after.map(|wait| wait.as_millis().div_ceil(1000).to_string());
        (status, seconds.map(|seconds| [(RETRY_AFTER, seconds)]), ()).into_response()
    }
}
