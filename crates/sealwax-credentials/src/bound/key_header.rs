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

/// Headers with which a key would change the request, or reach a proxy: RFC 9110 (sections 6.6.2, 7.2, 7.6, 7.8, 8.4,
/// 8.6, 10.1, 11.7.2, 12.5.3), RFC 9112 (section 6.1) and RFC 9113 (section 8.2.2). `http2-settings` is from RFC 7540.
const NOT_FOR_THE_HOST: [&str; 16] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

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
    ///
    /// [`authorize`](super::BoundSecret::authorize) refuses a name that is not for the host alone: `host`, those that say
    /// where a message ends and how it is encoded (such as `content-length`, `transfer-encoding`, `expect` and
    /// `accept-encoding`), and those that are for the next machine on the way (such as `connection`, `upgrade` and
    /// `proxy-authorization`). A `cookie` goes to the host like any other header, and some services take a key in one.
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

    pub(super) fn is_for_the_host(&self) -> bool {
        !NOT_FOR_THE_HOST.contains(&self.name.as_str())
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
