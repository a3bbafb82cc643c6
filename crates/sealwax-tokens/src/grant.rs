//! What a token is for.

use alloc::string::String;
use alloc::vec::Vec;

use thiserror::Error;

/// The maximum length of a subject in bytes. One byte holds the length.
const MAX_SUBJECT_LEN: usize = 255;
/// The maximum length of a scope in bytes.
const MAX_SCOPE_LEN: usize = 64;
/// The maximum number of scopes.
const MAX_SCOPES: usize = 32;

/// What a token is for: its subject, what it allows, and when.
///
/// ```
/// use sealwax_tokens::Grant;
///
/// let grant = Grant::new("tenant/42", ["read", "write"])?.expires(1_800_000_000);
/// assert!(grant.allows("read") && !grant.allows("admin"));
/// # Ok::<(), sealwax_tokens::GrantError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub(crate) subject: String,
    /// Sorted, each once.
    pub(crate) scopes: Vec<String>,
    pub(crate) not_before: u64,
    /// `u64::MAX` if it never does.
    pub(crate) expires: u64,
    pub(crate) is_single_use: bool,
}

impl Grant {
    /// Creates a grant for a subject, such as a tenant or a user, that is valid from now on and does not expire.
    ///
    /// The subject has 1 to 255 bytes of UTF-8 without control characters. There are 1 to 32 scopes, each of 1 to 64
    /// visible ASCII characters. A scope means what you make it mean: no scope contains another.
    ///
    /// # Errors
    ///
    /// Returns a [`GrantError`] if the subject or a scope is not like this.
    pub fn new<S: Into<String>>(
        subject: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self, GrantError> {
        let mut scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        scopes.sort_unstable();
        scopes.dedup();
        let subject = subject.into();
        let (not_before, expires, is_single_use) = (0, u64::MAX, false);
        let grant = Self { subject, scopes, not_before, expires, is_single_use };
        grant.check()?;
        Ok(grant)
    }

    /// The token is valid from this time on, in seconds since 1970.
    #[must_use]
    pub fn not_before(self, time: u64) -> Self {
        Self { not_before: time, ..self }
    }

    /// The token is valid until before this time, in seconds since 1970. The largest `u64` means that it never expires.
    #[must_use]
    pub fn expires(self, time: u64) -> Self {
        Self { expires: time, ..self }
    }

    /// The token is valid once: for a link to sign in, or to confirm an address.
    #[must_use]
    pub fn single_use(self) -> Self {
        Self { is_single_use: true, ..self }
    }

    /// Replaces what it allows, for [`Tokens::narrow`](crate::Tokens::narrow).
    ///
    /// # Errors
    ///
    /// Returns a [`GrantError`] if [`new`](Self::new) would.
    pub fn with_scopes<S: Into<String>>(
        self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self, GrantError> {
        let Self { scopes, .. } = Self::new("any", scopes)?;
        Ok(Self { scopes, ..self })
    }

    /// Returns whom the token is for.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns what it allows, sorted.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Returns whether it allows this.
    #[must_use]
    pub fn allows(&self, scope: &str) -> bool {
        self.scopes.iter().any(|allowed| allowed == scope)
    }

    /// Returns from when on it is valid, in seconds since 1970.
    #[must_use]
    pub fn valid_from(&self) -> u64 {
        self.not_before
    }

    /// Returns when it expires, in seconds since 1970, if it does.
    #[must_use]
    pub fn valid_until(&self) -> Option<u64> {
        (self.expires != u64::MAX).then_some(self.expires)
    }

    /// Returns whether it is valid once.
    #[must_use]
    pub fn is_single_use(&self) -> bool {
        self.is_single_use
    }

    /// Returns whether it allows nothing that the other one does not.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.subject == other.subject
            && self.scopes.iter().all(|scope| other.allows(scope))
            && self.not_before >= other.not_before
            && self.expires <= other.expires
            && self.is_single_use >= other.is_single_use
    }

    /// Checks lengths, characters and order.
    pub(crate) fn check(&self) -> Result<(), GrantError> {
        let subject = &self.subject;
        if !(1..=MAX_SUBJECT_LEN).contains(&subject.len()) || subject.chars().any(char::is_control)
        {
            return Err(GrantError::Subject);
        }
        if !(1..=MAX_SCOPES).contains(&self.scopes.len()) || !self.scopes.is_sorted_by(|a, b| a < b)
        {
            return Err(GrantError::Scopes);
        }
        let is_scope = |scope: &String| {
            (1..=MAX_SCOPE_LEN).contains(&scope.len())
                && scope.bytes().all(|b| b.is_ascii_graphic())
        };
        if self.scopes.iter().all(is_scope) { Ok(()) } else { Err(GrantError::Scope) }
    }
}

/// What no grant has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The subject is empty, too long, or has a control character.
    #[error("expected a subject of 1 to 255 bytes without control characters")]
    Subject,
    /// There is no scope, or there are too many.
    #[error("expected 1 to 32 scopes")]
    Scopes,
    /// A scope is empty, too long, or has other characters.
    #[error("expected a scope of 1 to 64 visible ASCII characters")]
    Scope,
}
