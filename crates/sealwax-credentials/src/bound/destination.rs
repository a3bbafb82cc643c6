//! Where a request may go: the check of a URI against the hosts of a context.

use alloc::string::String;

use http::Uri;
use sealwax::EncryptionContext;

/// The pair that [`EncryptionContext::with_hosts`] adds: hosts, joined by single spaces.
const HOSTS: &str = "sw1/hosts";

/// The ways to write this machine that are accepted on request.
pub(super) const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// The hosts of a context, and what the caller allows besides.
pub(super) struct Destinations {
    pub(super) hosts: String,
    pub(super) other_port: Option<u16>,
    pub(super) loopback: bool,
}

impl Destinations {
    /// Returns `None` if the context has no hosts.
    pub(super) fn of(context: &EncryptionContext) -> Option<Self> {
        let hosts = context.get(HOSTS)?.into();
        Some(Self { hosts, other_port: None, loopback: false })
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.split(' ')
    }

    /// Nothing of the URI is decoded, folded or normalised: what differs from a host by one byte is another host.
    pub(super) fn check(&self, uri: &Uri) -> Result<(), DestinationError> {
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(DestinationError::NotAbsolute);
        };
        // Written after the host, another path would continue it: `https://api.openai.com` and `.evil.example/`.
        if !uri.path().starts_with('/') {
            return Err(DestinationError::Path);
        }
        let authority = authority.as_str();
        if authority.contains('@') {
            return Err(DestinationError::UserInfo);
        }
        let (host, port) = split(authority);
        let number = port.and_then(number);
        if self.loopback
            && LOOPBACK.contains(&host)
            && port.is_some() == number.is_some()
            && matches!(scheme, "http" | "https")
        {
            return Ok(());
        }
        match () {
            () if scheme != "https" => Err(DestinationError::NotHttps),
            () if is_address(host) => Err(DestinationError::IpAddress),
            () if is_loopback(host) => Err(DestinationError::Loopback),
            () if self.hosts().all(|allowed| allowed != host) => Err(DestinationError::Host),
            () if port.is_none() || number == Some(443) => Ok(()),
            () if number.is_some() && number == self.other_port => Ok(()),
            () => Err(DestinationError::Port),
        }
    }
}

/// Splits an authority without user info. The colons in brackets belong to an IPv6 literal.
fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Reads a port in its only form: no sign, no zero in front, no other digits.
fn number(port: &str) -> Option<u16> {
    let is_canonical = !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|_| is_canonical)
}

/// Returns whether a URL parser of a browser would take a host for an IP address.
///
/// That is the rule "ends in a number" of the URL standard (section 3.5, host parsing): `127.1`, `0x7f000001`,
/// `017700000001` and `2130706433` are addresses too.
fn is_address(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or(host);
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    host.starts_with('[')
        || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
        || hex.is_some_and(is_hex)
}

/// Returns whether a host is `localhost`, or below it (RFC 6761, section 6.3).
fn is_loopback(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

/// Why a credential does not go to a URI.
///
/// It contains nothing of the URI, which may have come from a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// The URI has no scheme or no host, like the path alone.
    #[error("the URI has no scheme or no host")]
    NotAbsolute,
    /// The scheme is not `https`.
    #[error("the scheme of the URI is not https")]
    NotHttps,
    /// There is user info in front of the host, even if it is empty.
    #[error("the URI has user info in front of the host")]
    UserInfo,
    /// The host is an IP address, or a number that URL parsers take for one.
    #[error("the host of the URI is an IP address")]
    IpAddress,
    /// The host is `localhost`, or ends in `.localhost`.
    #[error("the host of the URI is this machine")]
    Loopback,
    /// The host is not one that the credential was sealed for.
    #[error("the credential was not sealed for the host of the URI")]
    Host,
    /// The port is not 443.
    #[error("the port of the URI is not 443")]
    Port,
    /// The path does not begin with `/`.
    #[error("the path of the URI does not begin with /")]
    Path,
}
