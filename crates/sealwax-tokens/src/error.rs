//! Why a token is refused, and the one answer that its bearer gets.

use sealwax::{ErrorClass, KeyId};
use thiserror::Error;

use crate::change::Raced;
use crate::grant::GrantError;
use crate::record::RecordError;

/// Why a token is refused.
///
/// The log gets [`name`](Self::name) and [`class`](Self::class). The bearer gets the same answer for all of them:
/// [`http_answer`](Self::http_answer).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The text is no token: it was mistyped or cut off. No table has to be asked.
    #[error("the text is not a token")]
    Malformed,
    /// No row has this token, or the record is that of another token.
    #[error("the token is unknown")]
    Unknown,
    /// The record is not as it was written: somebody altered the table, or exchanged parts of records.
    #[error("the record of the token was altered")]
    Altered,
    /// The record is under a pepper that these peppers do not have, or that is disabled.
    #[error("pepper {pepper_id} is not among the usable peppers")]
    #[non_exhaustive]
    Pepper {
        /// The pepper.
        pepper_id: KeyId,
    },
    /// The token is for tests and this is production, or the other way round, or it has another prefix.
    #[error("the token is for another mode")]
    WrongMode,
    /// The token is for one use and was not redeemed but verified, or the other way round.
    #[error(
        "the token is for one use, and this is for tokens that are not, or the other way round"
    )]
    WrongUse,
    /// The token was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// The token was for one use, and was used.
    #[error("the token was used before")]
    Spent,
    /// The token is not valid yet.
    #[error("the token is not valid yet")]
    NotYet,
    /// The token expired, or the grace after its rotation is over.
    #[error("the token has expired")]
    Expired,
    /// The token does not allow this.
    #[error("the token does not have this scope")]
    Scope,
}

/// What an HTTP server answers to a token that is refused: nothing in it depends on why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpAnswer {
    /// 401
    pub status: u16,
    /// The value of the header `WWW-Authenticate`.
    pub www_authenticate: &'static str,
    /// The value of the header `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: &'static str,
}

impl TokenError {
    /// Returns what the error requires of the operator.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.as_data().1
    }

    /// Returns the name of the variant in snake case, for logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.as_data().0
    }

    /// Returns what an HTTP server answers: the same for every error.
    ///
    /// A separate answer for an expired token, or for a wrong scope, would tell a thief that the token was right.
    #[must_use]
    pub const fn http_answer(&self) -> HttpAnswer {
        HttpAnswer {
            status: 401,
            www_authenticate: "Bearer",
            content_type: "application/json",
            body: r#"{"error":"invalid_token"}"#,
        }
    }

    const fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::Malformed => ("malformed", ErrorClass::Refused),
            Self::Unknown => ("unknown", ErrorClass::Refused),
            Self::Altered => ("altered", ErrorClass::Altered),
            Self::Pepper { .. } => ("pepper", ErrorClass::Misconfigured),
            Self::WrongMode => ("wrong_mode", ErrorClass::Refused),
            Self::WrongUse => ("wrong_use", ErrorClass::Refused),
            Self::Revoked => ("revoked", ErrorClass::Refused),
            Self::Spent => ("spent", ErrorClass::Refused),
            Self::NotYet => ("not_yet", ErrorClass::Refused),
            Self::Expired => ("expired", ErrorClass::Refused),
            Self::Scope => ("scope", ErrorClass::Refused),
        }
    }
}

impl From<RecordError> for TokenError {
    /// A table that has something else than a record was altered.
    fn from(_: RecordError) -> Self {
        Self::Altered
    }
}

impl From<Raced> for TokenError {
    /// A token for one use that somebody else used first.
    fn from(_: Raced) -> Self {
        Self::Spent
    }
}

/// Why a token was not issued, converted or changed; nothing has to be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The randomness source failed, or what it returned does not look random.
    #[error("the randomness source failed")]
    Random,
    /// The token was refused: it was altered, or it has ended.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is another subject's: that of the request may not change it, or somebody moved its row.
    #[error("the token is another subject's")]
    OtherSubject,
    /// What the token would be for is nothing that a record can say.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The change was not written.
    #[error(transparent)]
    Raced(#[from] Raced),
    /// The record is that of a token that was rotated out: change the record that the row with its id has.
    #[error("the token was already rotated")]
    Replaced,
    /// What was asked for is more than the token has.
    #[error("a token can only be narrowed")]
    Wider,
    /// The plaintext of an existing token is empty, has more than 1024 bytes, or has the form of new tokens.
    #[error("expected an existing token of 1 to 1024 bytes in another form than new tokens")]
    Existing,
}

impl ChangeError {
    /// Returns what the error requires of the operator.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.as_data().1
    }

    /// Returns the name of the variant in snake case, or of the token's error, for logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.as_data().0
    }

    const fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::Token(error) => error.as_data(),
            Self::Random => ("random", ErrorClass::Transient),
            Self::OtherSubject => ("other_subject", ErrorClass::Refused),
            Self::Grant(_) => ("grant", ErrorClass::Refused),
            Self::Raced(_) => ("raced", ErrorClass::Transient),
            Self::Replaced => ("replaced", ErrorClass::Refused),
            Self::Wider => ("wider", ErrorClass::Refused),
            Self::Existing => ("existing", ErrorClass::Refused),
        }
    }
}
