//! What went wrong, and which kind of error that is for the keyring.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::types::KeyState;
use aws_types::request_id::RequestId;
use sealwax::{KeyError, ProviderError, ProviderErrorKind};

/// The longest message of the service that an error keeps, in bytes.
const MAX_MESSAGE: usize = 400;
/// Longer words are left out of messages, except for ARNs and UUIDs: what a service quotes could be a session token.
const MAX_WORD: usize = 20;
/// Why a client makes no request, as far as can be told.
const NOT_SENT: &str =
    "its Region, its HTTP client or a source of credentials is missing, or the reply is not HTTP";

/// What the SDK's cache of credentials says if their source does not reply. Its type is private.
const TIMED_OUT: &str = "identity resolver timed out";

/// What went wrong: the source of the [`ProviderError`]s of this crate.
///
/// Downcast the error's `source()` to it, for instance to count the codes of the service. It never contains the error of
/// the SDK, which can hold the request, and in it the plaintext of a data key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KmsError {
    /// The service refused the request.
    #[error(
        "{operation}: the key service replied {code}{}{}",
        after_colon(message),
        in_brackets(request_id)
    )]
    #[non_exhaustive]
    Refused {
        /// The operation, such as `Decrypt`.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
        /// The code of the service, such as `DisabledException`; `HTTP 502` if the reply has none.
        code: String,
        /// What the service said: at most 400 characters of printable ASCII, without words longer than 20 characters that
        /// are no ARNs or UUIDs.
        message: String,
        /// The id of the request, by which CloudTrail and the support of AWS find it.
        request_id: Option<String>,
    },
    /// There was no complete reply.
    #[error("{operation}: no reply from the key service: {reason}")]
    #[non_exhaustive]
    NoReply {
        /// The operation.
        operation: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// The client could not fetch its credentials.
    #[error("{operation}: the client could not fetch its credentials{}", after_colon(message))]
    #[non_exhaustive]
    CredentialsAway {
        /// The operation.
        operation: &'static str,
        /// What their source says, as bounded as the message of a refusal. A source that is a program may say anything.
        message: String,
    },
    /// The client has no credentials.
    #[error("{operation}: the client has no credentials")]
    #[non_exhaustive]
    NoCredentials {
        /// The operation.
        operation: &'static str,
    },
    /// The client cannot make a request of what it was given.
    #[error("{operation}: the client made no request: {reason}")]
    #[non_exhaustive]
    NotSent {
        /// The operation.
        operation: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// The service reported success, but the reply is not what the operation returns.
    #[error("{operation}: the reply of the key service cannot be read{}", in_brackets(request_id))]
    #[non_exhaustive]
    Unreadable {
        /// The operation.
        operation: &'static str,
        /// The id of the request, if there is one.
        request_id: Option<String>,
    },
    /// The service used another key than the one that this provider stands for.
    #[error(
        "{operation}: the key service used another key than the one of this provider{}",
        in_brackets(request_id)
    )]
    #[non_exhaustive]
    OtherKey {
        /// The operation.
        operation: &'static str,
        /// The id of the request, if there is one.
        request_id: Option<String>,
    },
    /// The key cannot wrap data keys.
    #[error("the key is not suitable: {reason}")]
    #[non_exhaustive]
    UnsuitableKey {
        /// Why not.
        reason: &'static str,
    },
    /// The key is in a state in which it cannot be used.
    #[error("the key is in state {state}")]
    #[non_exhaustive]
    State {
        /// The state, such as `PendingDeletion`.
        state: String,
    },
    /// The wrapped key has a length that AWS KMS never returns. The service was not asked.
    #[error("the wrapped key has {len} bytes: expected 1 to 6144")]
    #[non_exhaustive]
    NotACiphertext {
        /// The length in bytes.
        len: usize,
    },
    /// The service decrypted something that is not a data key.
    #[error("the service decrypted something that is not a data key{}", in_brackets(request_id))]
    #[non_exhaustive]
    NotADataKey {
        /// What is wrong with it.
        source: KeyError,
        /// The id of the request, if there is one.
        request_id: Option<String>,
    },
}

fn after_colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn in_brackets(id: &Option<String>) -> String {
    id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default()
}

impl KmsError {
    /// Takes over what may be kept of an error of the SDK.
    pub(crate) fn of_sdk<E: ProvideErrorMetadata>(
        operation: &'static str,
        error: &SdkError<E, HttpResponse>,
    ) -> Self {
        let request_id = || request_id_of(error);
        match error {
            SdkError::TimeoutError(_) => Self::NoReply { operation, reason: "timeout" },
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) if error.is_timeout() => Self::NoReply { operation, reason: "timeout" },
                Some(error) if error.is_io() || error.as_other().is_some() => {
                    Self::NoReply { operation, reason: "no connection, or one that broke" }
                }
                other => match other.and_then(|error| credentials_error(error)) {
                    Some(
                        CredentialsError::CredentialsNotLoaded(_)
                        | CredentialsError::InvalidConfiguration(_),
                    ) => Self::NoCredentials { operation },
                    Some(error) => Self::CredentialsAway { operation, message: chain(error) },
                    None => match other.map(|error| chain(error)) {
                        Some(message) if message.contains(TIMED_OUT) => {
                            Self::CredentialsAway { operation, message }
                        }
                        _ => Self::NotSent { operation, reason: NOT_SENT },
                    },
                },
            },
            SdkError::ConstructionFailure(_) => Self::NotSent { operation, reason: NOT_SENT },
            SdkError::ServiceError(error) if !error.raw().status().is_success() => {
                let (meta, status) = (error.err().meta(), error.raw().status().as_u16());
                let code = meta.code().map_or_else(|| format!("HTTP {status}"), code_of);
                let message = meta.message().map(printable).unwrap_or_default();
                Self::Refused { operation, status, code, message, request_id: request_id() }
            }
            // The head of the reply was there, and its body was not.
            SdkError::ResponseError(_) => {
                Self::NoReply { operation, reason: "the reply broke off" }
            }
            _ => Self::Unreadable { operation, request_id: request_id() },
        }
    }

    pub(crate) fn kind(&self) -> ProviderErrorKind {
        match self {
            Self::Refused { code, message, .. } if code == "KMSInvalidStateException" => {
                kind_of_invalid_state(message)
            }
            Self::Refused { code, status, .. } => kind_of(code, *status),
            Self::NoCredentials { .. } => ProviderErrorKind::Unauthenticated,
            Self::NoReply { .. } | Self::CredentialsAway { .. } => ProviderErrorKind::Unavailable,
            Self::NotSent { .. } | Self::Unreadable { .. } | Self::UnsuitableKey { .. } => {
                ProviderErrorKind::Other
            }
            Self::OtherKey { .. } => ProviderErrorKind::WrongKeyMaterial,
            Self::State { state } => kind_of_state(state),
            Self::NotACiphertext { .. } | Self::NotADataKey { .. } => ProviderErrorKind::Rejected,
        }
    }
}

/// The codes of the operations, and those that every AWS service has.
fn kind_of(code: &str, status: u16) -> ProviderErrorKind {
    match code {
        "NotFoundException" => ProviderErrorKind::NotFound,
        "AccessDeniedException"
        | "AccessDenied"
        | "InvalidGrantTokenException"
        | "NotAuthorized"
        | "OptInRequired" => ProviderErrorKind::Denied,
        "ExpiredTokenException"
        | "ExpiredToken"
        | "RequestExpired"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "AuthFailure"
        | "RequestTimeTooSkewed" => ProviderErrorKind::Unauthenticated,
        "DisabledException" => ProviderErrorKind::Disabled,
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "LimitExceededException"
        | "TooManyRequestsException"
        | "SlowDown" => ProviderErrorKind::Throttled,
        "KeyUnavailableException"
        | "DependencyTimeoutException"
        | "RequestTimeout"
        | "RequestTimeoutException" => ProviderErrorKind::Unavailable,
        "IncorrectKeyException" => ProviderErrorKind::WrongKeyMaterial,
        "InvalidCiphertextException" => ProviderErrorKind::Rejected,
        _ if status == 429 => ProviderErrorKind::Throttled,
        _ if status >= 500 || status == 408 || status == 425 => ProviderErrorKind::Unavailable,
        _ => ProviderErrorKind::Other,
    }
}

/// Everything that goes wrong in a key store outside of AWS has this code, and only the message says what it was. Most of
/// it passes.
fn kind_of_invalid_state(message: &str) -> ProviderErrorKind {
    const SENTENCES: [(&str, ProviderErrorKind); 7] = [
        ("pending", ProviderErrorKind::Disabled),
        ("disabled", ProviderErrorKind::Disabled),
        ("is not enabled", ProviderErrorKind::Disabled),
        // AWS says that of a fault of the store's proxy too.
        ("corrupted", ProviderErrorKind::Rejected),
        ("does not support", ProviderErrorKind::Other),
        ("could not find the external key", ProviderErrorKind::NotFound),
        ("denied access", ProviderErrorKind::Denied),
    ];
    let message = message.to_ascii_lowercase();
    let said = SENTENCES.iter().find(|(sentence, _)| message.contains(sentence));
    said.map_or(ProviderErrorKind::Unavailable, |(_, kind)| *kind)
}

fn kind_of_state(state: &str) -> ProviderErrorKind {
    match KeyState::from(state) {
        // Soon over: it is being made, moved to a primary in another Region, or its key store is not connected.
        KeyState::Creating | KeyState::Updating | KeyState::Unavailable => {
            ProviderErrorKind::Unavailable
        }
        _ => ProviderErrorKind::Disabled,
    }
}

impl From<KmsError> for ProviderError {
    fn from(error: KmsError) -> Self {
        Self::new(error.kind(), error)
    }
}

fn is_uuid(word: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|c| c.is_ascii_hexdigit());
    word.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && word.split('-').all(is_hex)
}

/// Returns whether this is an ARN, also in quotes or before a full stop.
fn is_arn(word: &str) -> bool {
    let arn = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_part = |c: u8| c.is_ascii_alphanumeric() || b":/-_.@+=,".contains(&c);
    let has_parts = arn.starts_with("arn:aws") && arn.split(':').count() >= 6;
    has_parts && word.len() <= 200 && arn.bytes().all(is_part)
}

/// Finds why the client has no credentials, if that is what went wrong.
fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref())
}

/// Returns what an error and its sources say.
fn chain(error: &(dyn Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |&error| error.source());
    printable(&all.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// Returns the id of a request, or of the one that failed.
pub(crate) fn request_id_of(answer: &impl RequestId) -> Option<String> {
    answer.request_id().map(printable)
}

/// Makes a text of the service fit for a log: one line of printable ASCII, bounded, and without anything that could be a
/// session token that a proxy or the service quotes.
fn printable(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| !c.is_ascii_graphic()).filter(|word| !word.is_empty()) {
        let is_kept = word.len() <= MAX_WORD || is_uuid(word) || is_arn(word) || is_code(word);
        let word = if is_kept { word } else { "[...]" };
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

/// A code in a message, such as `MissingAuthenticationTokenException`: letters alone.
fn is_code(word: &str) -> bool {
    word.len() <= 50 && word.bytes().all(|c| c.is_ascii_alphabetic()) && word.ends_with("Exception")
}

/// Makes the code of a reply fit for a log.
fn code_of(code: &str) -> String {
    let is_code = code.len() <= 50 && code.bytes().all(|c| c.is_ascii_alphanumeric());
    if is_code { code.to_owned() } else { "[...]".to_owned() }
}
