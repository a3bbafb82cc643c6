//! The header that carries a key.

use alloc::borrow::Cow;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue, InvalidHeaderValue};
use sealwax::Secret;
use zeroize::Zeroizing;

/// The header in which a service expects its key: a name, and what comes in front of the key.
///
/// ```
/// use http::HeaderName;
/// use sealwax_credentials::KeyHeader;
///
/// assert_eq!(KeyHeader::BEARER, KeyHeader::new(http::header::AUTHORIZATION, "Bearer "));
/// let of_your_own = KeyHeader::new(HeaderName::from_static("xi-api-key"), "");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHeader {
    pub(super) name: HeaderName,
    prefix: Cow<'static, str>,
}

impl KeyHeader {
    /// `Authorization: Bearer …` (RFC 6750, section 2.1).
    pub const BEARER: Self = Self::of(header::AUTHORIZATION, "Bearer ");
    /// `Authorization: Key …`.
    pub const KEY: Self = Self::of(header::AUTHORIZATION, "Key ");
    /// `Authorization: Token …`.
    pub const TOKEN: Self = Self::of(header::AUTHORIZATION, "Token ");
    /// `x-api-key: …`.
    pub const X_API_KEY: Self = Self::of(HeaderName::from_static("x-api-key"), "");
    /// `x-goog-api-key: …`.
    pub const X_GOOG_API_KEY: Self = Self::of(HeaderName::from_static("x-goog-api-key"), "");

    pub(super) const fn of(name: HeaderName, prefix: &'static str) -> Self {
        Self { name, prefix: Cow::Borrowed(prefix) }
    }

    /// Creates a header of your own. The prefix includes the space after a scheme.
    #[must_use]
    pub fn new(name: HeaderName, prefix: impl Into<Cow<'static, str>>) -> Self {
        Self { name, prefix: prefix.into() }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Returns what comes in front of the key, which may be empty.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the value, in a buffer that is wiped when its last clone is dropped.
    pub(super) fn value(&self, secret: &Secret) -> Result<HeaderValue, InvalidHeaderValue> {
        // `concat` knows both lengths, so it writes the key only once, where it stays.
        let bytes = Zeroizing::new([self.prefix.as_bytes(), secret.expose_secret()].concat());
        // It takes `Bytes` without a copy.
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes))?;
        value.set_sensitive(true);
        Ok(value)
    }
}
