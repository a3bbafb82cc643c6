//! What went wrong, and which kind of error that is for the keyring.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode, Uri, header};
use sealwax::{KeyError, ProviderError, ProviderErrorKind};

use crate::transport::{Body, TransportError, TransportErrorKind};

/// The longest message of the service that an error keeps, in bytes.
const MAX_MESSAGE: usize = 200;
/// Longer words are left out of messages, except for UUIDs: a token has 26 characters or more.
const MAX_WORD: usize = 20;
/// The longest wait that a service may ask for.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// What went wrong: the source of the [`ProviderError`]s of this crate.
///
/// Downcast the error's `source()` to it, for instance to count the statuses of the service. It contains no token, no
/// data key and no request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransitError {
    /// There was no complete reply.
    #[error("no reply from the key service")]
    #[non_exhaustive]
    Transport {
        /// Why not.
        source: TransportError,
    },
    /// The service refused the request, or one item of a batch.
    #[error(
        "the key service replied with status {status} to {path}{}{}",
        after_colon(message),
        in_brackets(request_id)
    )]
    #[non_exhaustive]
    Refused {
        /// The HTTP status; for an item of a batch, the status that the item would have had alone.
        status: u16,
        /// The path that was asked, such as `/v1/transit/encrypt/byok`: it names the mount and the key.
        path: String,
        /// What the service said: at most 200 characters of printable ASCII, without words longer than 20 characters that
        /// are not UUIDs.
        message: String,
        /// The id of the request in the service's audit log, for one item of a batch. The service does not say it when
        /// it refuses a whole request.
        request_id: Option<String>,
        /// How long the service asked to wait: the header `Retry-After` in seconds, at most one hour, and not zero.
        retry_after: Option<Duration>,
    },
    /// The service reported success, but the rest of its reply is not what Transit says.
    #[error(
        "the reply of the key service, with status {status}, is not one of Transit{}",
        in_brackets(request_id)
    )]
    #[non_exhaustive]
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// The id of the request, if it could be read.
        request_id: Option<String>,
    },
    /// The key at the service has a lower version than before, so it is not the key that it was.
    #[error(
        "the key has version {now} but had version {before}: it was made from scratch, or restored from a backup"
    )]
    #[non_exhaustive]
    VersionWentBack {
        /// The highest version that this provider had seen.
        before: u32,
        /// The version that the service used now.
        now: u32,
    },
    /// A version of the key was created at another time than before, so it is not the key that it was.
    #[error(
        "version {version} of the key was created at another time than before: the key was made from scratch"
    )]
    #[non_exhaustive]
    KeyReplaced {
        /// The version, which was the latest one when its time was noted.
        version: u32,
    },
    /// The key, or the service, cannot wrap data keys so that they are bound to their rows.
    #[error("the key is not suitable: {reason}")]
    #[non_exhaustive]
    UnsuitableKey {
        /// Why not.
        reason: &'static str,
    },
    /// The key at the service is soft-deleted.
    #[error("the key is soft-deleted")]
    SoftDeleted,
    /// The wrapped key was not made by Transit. The service was not asked.
    #[error("the wrapped key is not a ciphertext of Transit")]
    NotACiphertext,
    /// The service decrypted something that is not a data key.
    #[error("the service decrypted something that is not a data key")]
    #[non_exhaustive]
    NotADataKey {
        /// What is wrong with it.
        source: KeyError,
    },
}

fn after_colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn in_brackets(id: &Option<String>) -> String {
    id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default()
}

impl TransitError {
    /// Makes the error of a refused request out of what the service said.
    pub(crate) fn refused(
        response: &Response<Body>,
        errors: &[String],
        request_id: Option<&str>,
    ) -> Self {
        let message = if response.status().is_redirection() {
            String::from("a standby or a proxy redirects to another address, which is not asked")
        } else {
            printable(&errors.join("; "))
        };
        Self::Refused {
            status: response.status().as_u16(),
            path: path(response),
            message,
            request_id: request_id.map(printable),
            retry_after: wait(response.headers()),
        }
    }

    /// Makes the error of one item of a batch.
    pub(crate) fn refused_item(
        response: &Response<Body>,
        error: &str,
        request_id: Option<&str>,
    ) -> Self {
        Self::Refused {
            status: 400,
            path: path(response),
            message: printable(error),
            request_id: request_id.map(printable),
            retry_after: None,
        }
    }

    pub(crate) fn unreadable(status: StatusCode, request_id: Option<&str>) -> Self {
        Self::Unreadable { status: status.as_u16(), request_id: request_id.map(printable) }
    }

    fn kind(&self) -> ProviderErrorKind {
        match self {
            Self::Transport { source } => match source.kind() {
                TransportErrorKind::TooLarge | TransportErrorKind::Config => {
                    ProviderErrorKind::Other
                }
                _ => ProviderErrorKind::Unavailable,
            },
            Self::Refused { status, message, .. } => kind_of(*status, message),
            Self::Unreadable { .. } | Self::UnsuitableKey { .. } => ProviderErrorKind::Other,
            Self::VersionWentBack { .. } | Self::KeyReplaced { .. } => {
                ProviderErrorKind::WrongKeyMaterial
            }
            Self::SoftDeleted => ProviderErrorKind::Disabled,
            Self::NotACiphertext | Self::NotADataKey { .. } => ProviderErrorKind::Rejected,
        }
    }
}

/// Decides by the status first, and by the text only where the service has one status for everything.
fn kind_of(status: u16, message: &str) -> ProviderErrorKind {
    let says = |text| message.contains(text);
    match status {
        401 => ProviderErrorKind::Unauthenticated,
        // The bare text is for a token that is missing, wrong or expired. A policy wraps it: "1 error occurred: * …".
        403 if message == "permission denied" || says("invalid token") => {
            ProviderErrorKind::Unauthenticated
        }
        403 => ProviderErrorKind::Denied,
        404 => ProviderErrorKind::NotFound,
        429 => ProviderErrorKind::Throttled,
        // A redirect of a standby; a node that has not caught up; disaster recovery and performance standbys.
        300..=399 | 412 | 472 | 473 | 500..=599 => ProviderErrorKind::Unavailable,
        400 if says("missing client token") => ProviderErrorKind::Unauthenticated,
        400 if says("encryption key not found") => ProviderErrorKind::NotFound,
        400 if says("disallowed by policy (too old)") || says("soft-deleted key") => {
            ProviderErrorKind::Disabled
        }
        400 if says("version is too new") => ProviderErrorKind::WrongKeyMaterial,
        400 if says("message authentication failed") || says("invalid ciphertext") => {
            ProviderErrorKind::Rejected
        }
        _ => ProviderErrorKind::Other,
    }
}

impl From<TransitError> for ProviderError {
    fn from(error: TransitError) -> Self {
        let wait = match &error {
            TransitError::Refused { retry_after, .. } => *retry_after,
            _ => None,
        };
        let error = Self::new(error.kind(), error);
        match wait {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }
}

/// Returns the path that was asked, which the provider leaves in the reply.
fn path(response: &Response<Body>) -> String {
    response.extensions().get::<Uri>().map_or("", Uri::path).to_owned()
}

/// Returns the wait of `Retry-After`. With its quotas, OpenBao sends 0, which says nothing; dates need a clock.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = Duration::from_secs(seconds.parse().ok()?);
    (!wait.is_zero()).then(|| wait.min(MAX_WAIT))
}

fn is_uuid(word: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|c| c.is_ascii_hexdigit());
    word.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && word.split('-').all(is_hex)
}

/// Makes a text of the service fit for a log: one line of printable ASCII, bounded, and without anything that could be
/// a key or a token that a proxy quotes.
fn printable(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| !c.is_ascii_graphic()).filter(|word| !word.is_empty()) {
        let word = if word.len() > MAX_WORD && !is_uuid(word) { "[...]" } else { word };
        if line.len().saturating_add(word.len()) >= MAX_MESSAGE {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}
