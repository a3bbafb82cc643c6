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
/// The last time that a grant may name, in the year 5138. One in milliseconds is later.
const MAX_TIME: u64 = 100_000_000_000;
const NEVER: u64 = u64::MAX;

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
    /// The subject, and then the scopes, sorted and each once: a line each, since none of them has a line break.
    lines: String,
    subject_len: usize,
    pub(crate) not_before: u64,
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
    pub fn new<S: AsRef<str>>(
        subject: impl AsRef<str>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self, GrantError> {
        let scopes: Vec<S> = scopes.into_iter().collect();
        let mut scopes: Vec<&str> = scopes.iter().map(AsRef::as_ref).collect();
        scopes.sort_unstable();
        scopes.dedup();
        let scopes = scopes.into_iter().map(|scope| Some(scope.as_bytes()));
        Self::of_sorted(subject.as_ref().as_bytes(), scopes)
    }

    /// Creates a grant for a subject and sorted scopes; one that is not there is `None`.
    #[inline]
    pub(crate) fn of_sorted<'a>(
        subject: &[u8],
        scopes: impl Iterator<Item = Option<&'a [u8]>>,
    ) -> Result<Self, GrantError> {
        let mut lines = Vec::with_capacity(128);
        lines.extend_from_slice(check_subject(subject).ok_or(GrantError::Subject)?);
        let (mut count, mut last) = (0_usize, None);
        for scope in scopes {
            let scope = scope.filter(|scope| is_scope(scope)).ok_or(GrantError::Scope)?;
            count = count.saturating_add(1);
            if last.is_some_and(|last| scope <= last) || count > MAX_SCOPES {
                return Err(GrantError::Scopes);
            }
            last = Some(scope);
            lines.push(b'\n');
            lines.extend_from_slice(scope);
        }
        if count == 0 {
            return Err(GrantError::Scopes);
        }
        let lines = String::from_utf8(lines).map_err(|_| GrantError::Subject)?;
        let (subject_len, not_before, expires) = (subject.len(), 0, NEVER);
        Ok(Self { lines, subject_len, not_before, expires, is_single_use: false })
    }

    /// The token is valid from this time on, in seconds since 1970.
    #[must_use]
    pub fn not_before(self, time: u64) -> Self {
        Self { not_before: time, ..self }
    }

    /// The token is valid until before this time, in seconds since 1970. The largest `u64` means that it never expires.
    ///
    /// It is a time and not a lifetime: add one to the time of your clock. A time in milliseconds is an error when the token
    /// is issued or changed: [`GrantError::Time`].
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
    pub fn with_scopes<S: AsRef<str>>(
        self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self, GrantError> {
        let Self { lines, .. } = Self::new(self.subject(), scopes)?;
        Ok(Self { lines, ..self })
    }

    /// Returns whom the token is for.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.lines.get(..self.subject_len).unwrap_or_default()
    }

    /// Returns what it allows, sorted.
    pub fn scopes(&self) -> impl Iterator<Item = &str> + Clone {
        let (_, scopes) = self.lines.split_at_checked(self.subject_len).unwrap_or_default();
        scopes.split('\n').skip(1)
    }

    /// Returns whether it allows this.
    #[must_use]
    pub fn allows(&self, scope: &str) -> bool {
        let scopes = self.lines.as_bytes().get(self.subject_len..).unwrap_or_default();
        scopes.split(|byte| *byte == b'\n').skip(1).any(|allowed| allowed == scope.as_bytes())
    }

    /// Returns from when on it is valid, in seconds since 1970.
    #[must_use]
    pub const fn valid_from(&self) -> u64 {
        self.not_before
    }

    /// Returns when it expires, in seconds since 1970, if it does.
    #[must_use]
    pub fn valid_until(&self) -> Option<u64> {
        (self.expires != NEVER).then_some(self.expires)
    }

    /// Returns whether it is valid once.
    #[must_use]
    pub const fn is_single_use(&self) -> bool {
        self.is_single_use
    }

    /// Returns whether it allows nothing that the other one does not.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.subject() == other.subject()
            && self.scopes().all(|scope| other.allows(scope))
            && self.not_before >= other.not_before
            && self.expires <= other.expires
            && self.is_single_use >= other.is_single_use
    }

    /// Checks that its times are seconds.
    pub(crate) const fn check_times(&self) -> Result<(), GrantError> {
        let Self { not_before, expires, .. } = *self;
        if not_before <= MAX_TIME && (expires <= MAX_TIME || expires == NEVER) {
            Ok(())
        } else {
            Err(GrantError::Time)
        }
    }
}

fn check_subject(text: &[u8]) -> Option<&[u8]> {
    let has_control = || Some(str::from_utf8(text).ok()?.chars().any(char::is_control));
    // Most are ASCII, which takes no decoding.
    let is_visible = text.iter().all(|byte| matches!(byte, b' '..=b'~')) || !has_control()?;
    ((1..=MAX_SUBJECT_LEN).contains(&text.len()) && is_visible).then_some(text)
}

fn is_scope(text: &[u8]) -> bool {
    (1..=MAX_SCOPE_LEN).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
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
    /// A time is after the year 5138: it was probably meant in milliseconds.
    #[error("expected times in seconds since 1970, up to 100,000,000,000")]
    Time,
}
