//! Where well-known services expect their keys, as their documentation says.

use super::KeyHeader;

/// A service, the host of its API, and the header that it expects a key in.
///
/// It is data for a form in which a customer picks a service, and nothing in this crate uses it: a service may have
/// other hosts, for a region or for a kind of model, and may change them. What you seal for is up to you.
#[derive(Debug)]
#[non_exhaustive]
pub struct Provider {
    /// The name of the service.
    pub name: &'static str,
    /// The host, for [`with_hosts`](sealwax::EncryptionContext::with_hosts).
    pub host: &'static str,
    /// The header that carries the key.
    pub header: KeyHeader,
    /// The page that says so.
    pub page: &'static str,
}

const fn of(
    name: &'static str,
    host: &'static str,
    header: KeyHeader,
    page: &'static str,
) -> Provider {
    Provider { name, host, header, page }
}

/// Well-known services, in alphabetical order.
pub static PROVIDERS: [Provider; 1] = [of(
    "Anthropic",
    "api.anthropic.com",
    KeyHeader::X_API_KEY,
    "https://docs.anthropic.com/claude/reference/getting-started-with-the-api",
)];
