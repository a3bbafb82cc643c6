//! A credential that goes only to the hosts that it was sealed for.

use core::fmt;
use core::ops::RangeInclusive;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Uri, request};
use sealwax::{EncryptionContext, Envelope, Keyring, OpenError, Secret};

// Where a request goes, and the header in it.
pub(crate) mod destination;
pub(crate) mod key_header;
pub(crate) mod providers;

// What comes back.
mod escapes;
mod forms;
pub(crate) mod redactor;

// What an operator does about an error.
mod error_class;

// The clients that are behind features.
#[cfg(feature = "hyper")]
pub(crate) mod hyper;
#[cfg(feature = "reqwest")]
pub(crate) mod reqwest;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
pub(crate) mod sending;

use destination::{DestinationError, Destinations};
use key_header::KeyHeader;
use redactor::{RedactError, Redactor};

/// The pair that [`EncryptionContext::holding`] adds.
const HOLDS: &str = "sw1/holds";

/// How many bytes a key may have: the filter for replies would find a shorter one by chance, above all in base64, and
/// common servers refuse longer header fields.
const LENGTHS: RangeInclusive<usize> = 8..=8 * 1024;

/// A server returns the head of a TRACE request in the body, and IIS that of a TRACK request too; a CONNECT request is
/// for a proxy. Some servers take a method in lower case for the same one.
const METHODS: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

/// Opens a credential that may go only to the hosts in its context.
///
/// The hosts are those of [`EncryptionContext::with_hosts`]. They are authenticated, because the envelope opens in no
/// other context: a credential sealed for `api.openai.com` does not open for another host, nor for one host more.
///
/// ```
/// # use sealwax::{EncryptionContext, Keyring, MasterKey, Secret};
/// # let keyring = Keyring::new("prod-2026".parse()?, MasterKey::generate()?)?;
/// use sealwax_credentials::{KeyHeader, open_bound};
///
/// let context = EncryptionContext::new([("tenant", "acme")])?.with_hosts(&["api.openai.com"])?;
/// let envelope = keyring.seal(&Secret::from("sk-proj-4Jq8Zr2Lw0"), &context)?;
///
/// let key = open_bound(&keyring, &envelope, &context)?;
/// let mut request = http::Request::post("https://api.openai.com/v1/responses").body(())?;
/// key.authorize(&mut request, &KeyHeader::BEARER)?;
/// assert_eq!(format!("{:?}", request.headers()["authorization"]), "Sensitive");
///
/// let mut elsewhere = http::Request::post("https://api.openai.com.example/v1").body(())?;
/// assert!(key.authorize(&mut elsewhere, &KeyHeader::BEARER).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// - [`OpenBoundError::NoHosts`] if the context names no hosts. Nothing is opened.
/// - [`OpenBoundError::NotACredential`] if the envelope holds a key of sealwax. Nothing is opened.
/// - [`OpenBoundError::Open`] if the envelope does not open in this context.
/// - [`OpenBoundError::NotForAHeader`] if the credential cannot be sent: see [`can_be_sent`].
pub fn open_bound(
    keyring: &Keyring,
    envelope: &Envelope,
    context: &EncryptionContext,
) -> Result<BoundSecret, OpenBoundError> {
    let destinations = destinations(context)?;
    BoundSecret::new(keyring.open(envelope, context)?, destinations)
}

/// Opens as [`open_bound`] does, and waits for remote keys.
///
/// # Errors
///
/// Returns the same errors as `open_bound`.
pub async fn open_bound_async(
    keyring: &Keyring,
    envelope: &Envelope,
    context: &EncryptionContext,
) -> Result<BoundSecret, OpenBoundError> {
    let destinations = destinations(context)?;
    BoundSecret::new(keyring.open_async(envelope, context).await?, destinations)
}

/// Returns whether a credential can become a [`BoundSecret`]: it has 8 to 8192 bytes, which are visible ASCII characters.
///
/// Ask before you seal, and have the customer correct the rest. It is sealed and opened like any other credential, but
/// [`open_bound`] refuses it each time: a text with white space at its end, PEM, and JSON with spaces, for instance.
///
/// ```
/// use sealwax::Secret;
/// use sealwax_credentials::can_be_sent;
///
/// assert!(can_be_sent(&Secret::from("sk-proj-4Jq8Zr2Lw0")));
/// assert!(!can_be_sent(&Secret::from("sk-proj-4Jq8Zr2Lw0\n")));
/// assert!(!can_be_sent(&Secret::from("hunter2")));
/// ```
#[must_use]
pub fn can_be_sent(credential: &Secret) -> bool {
    let bytes = credential.expose_secret();
    LENGTHS.contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

fn destinations(context: &EncryptionContext) -> Result<Destinations, OpenBoundError> {
    if context.get(HOLDS).is_some() {
        return Err(OpenBoundError::NotACredential);
    }
    Destinations::of(context).ok_or(OpenBoundError::NoHosts)
}

/// A credential that goes only to the hosts that it was sealed for, and into one header.
///
/// [`open_bound`] makes it. Nothing returns its bytes: there is no `expose_secret`, no `Deref`, no `Clone`, and `Debug`
/// shows the hosts alone.
///
/// ```compile_fail,E0599
/// # fn f(key: sealwax_credentials::BoundSecret) {
/// key.expose_secret();
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # fn f(key: sealwax_credentials::BoundSecret) {
/// let copy: sealwax_credentials::BoundSecret = key.clone();
/// # }
/// ```
///
/// ```compile_fail,E0308
/// # fn f(key: sealwax_credentials::BoundSecret) {
/// let secret: &sealwax::Secret = &key;
/// # }
/// ```
///
/// # Where it goes
///
/// [`check`](Self::check) accepts a URI whose scheme is `https` and whose authority is an allowed host, alone or with
/// `:443`. It compares **byte by byte**:
///
/// - Upper case is refused. The crate `url`, and so reqwest, writes hosts in lower case; `http::Uri` keeps them as they
///   are.
/// - So are user info, a final dot, and a percent sign, which no allowed host contains.
/// - A name with other letters than ASCII is allowed only in its ASCII form (`xn--…`), which is how it must be sealed.
/// - IP addresses are refused, in each notation of the URL standard, and also if one was sealed as a host. So are
///   `localhost` and the names below it.
///
/// The name of the host decides, not the machine behind it: what a resolver returns is up to TLS, which accepts only a
/// certificate for that name.
///
/// # What is left in memory
///
/// The credential and the value of each header are wiped when they are dropped. The header's value is shared by clones of
/// the request. The buffers of the HTTP client and of TLS contain copies that nobody wipes.
pub struct BoundSecret {
    secret: Secret,
    destinations: Destinations,
}

impl BoundSecret {
    fn new(secret: Secret, destinations: Destinations) -> Result<Self, OpenBoundError> {
        can_be_sent(&secret)
            .then_some(Self { secret, destinations })
            .ok_or(OpenBoundError::NotForAHeader)
    }

    /// Also allows this port, on each of the hosts.
    ///
    /// The port is not part of what was sealed. On a host that several programs share, another port may be another
    /// program.
    #[must_use]
    pub fn allowing_other_port(mut self, port: u16) -> Self {
        self.destinations.other_port = Some(port);
        self
    }

    /// Also allows this machine, for tests: `http` and `https`, on any port of `127.0.0.1`, `[::1]` and `localhost`.
    ///
    /// Whatever listens there gets the credential, in plaintext if the scheme is `http`.
    #[must_use]
    pub fn allowing_loopback_for_testing_only(mut self) -> Self {
        self.destinations.loopback = true;
        self
    }

    /// Returns the hosts that the credential was sealed for, in ascending order.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.destinations.hosts()
    }

    /// Checks whether the credential may go to a URI.
    ///
    /// [`authorize`](Self::authorize) does the same. Use this to refuse a setting before anything is sent.
    ///
    /// # Errors
    ///
    /// Returns a [`DestinationError`] that says why not.
    pub fn check(&self, uri: &Uri) -> Result<(), DestinationError> {
        self.destinations.check(uri)
    }

    /// Writes the credential into a request to one of its hosts, as a header that is marked as sensitive.
    ///
    /// It also sets `accept-encoding: identity`, so that a [`Redactor`] can read the reply.
    ///
    /// Afterwards the request contains the credential. Do not change its URI, and send it with a client that follows no
    /// redirects: many of them keep headers such as `x-api-key` when they follow one to another host. `HyperClient` and
    /// `ReqwestClient`, behind features, write the header at the moment of sending.
    ///
    /// # Errors
    ///
    /// Returns an [`AuthorizeError`], and leaves the request as it was.
    pub fn authorize<B>(
        &self,
        request: &mut Request<B>,
        header: &KeyHeader,
    ) -> Result<(), AuthorizeError> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        self.write(&method, &uri, request.headers_mut(), header)
    }

    /// Writes the credential into the head of a request, as [`authorize`](Self::authorize) does.
    ///
    /// # Errors
    ///
    /// Returns the same errors as `authorize`.
    pub fn authorize_parts(
        &self,
        parts: &mut request::Parts,
        header: &KeyHeader,
    ) -> Result<(), AuthorizeError> {
        self.write(&parts.method, &parts.uri, &mut parts.headers, header)
    }

    fn write(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
        header: &KeyHeader,
    ) -> Result<(), AuthorizeError> {
        self.check(uri)?;
        if METHODS.iter().any(|refused| method.as_str().eq_ignore_ascii_case(refused)) {
            return Err(AuthorizeError::Method);
        }
        if !header.is_for_the_host() {
            return Err(AuthorizeError::Name);
        }
        // Behind a front that many services share, this header says which of them gets the request.
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if headers.get_all(header::HOST).iter().any(|host| host != authority) {
            return Err(AuthorizeError::HostHeader);
        }
        if headers.contains_key(&header.name) {
            return Err(AuthorizeError::HeaderPresent);
        }
        let value = header.value(&self.secret).map_err(|_| AuthorizeError::Prefix)?;
        let identity = HeaderValue::from_static("identity");
        headers
            .try_reserve(2)
            .and_then(|()| headers.try_insert(header::ACCEPT_ENCODING, identity))
            .and_then(|_| headers.try_insert(header.name.clone(), value))
            .map_err(|_| AuthorizeError::TooManyHeaders)?;
        Ok(())
    }

    /// Removes the credential from the headers of a reply, and returns the filter for its body.
    ///
    /// A header whose name contains the credential, in any case, is removed.
    ///
    /// # Errors
    ///
    /// Returns [`RedactError::Encoded`] if the body is compressed, or encoded in another way than `identity` and `chunked`.
    /// Hand on nothing of the reply then.
    pub fn redactor(&self, headers: &mut HeaderMap) -> Result<Redactor, RedactError> {
        // Asked first, because the key may be the name of a header.
        let is_encoded = redactor::is_encoded(headers);
        let redactor = Redactor::new(&self.secret);
        redactor.headers(headers);
        if is_encoded { Err(RedactError::Encoded) } else { Ok(redactor) }
    }
}

impl fmt::Debug for BoundSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret: _, destinations } = self;
        f.debug_struct("BoundSecret").field("hosts", &destinations.hosts).finish_non_exhaustive()
    }
}

/// Why there is no [`BoundSecret`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenBoundError {
    /// The context names no hosts: see [`EncryptionContext::with_hosts`].
    #[error("the encryption context names no hosts that the credential may be sent to")]
    NoHosts,
    /// The envelope holds a key of sealwax: see [`EncryptionContext::holding`].
    #[error("the envelope holds a key of sealwax, which is sent to nobody")]
    NotACredential,
    /// The envelope does not open in this context.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The credential is shorter than 8 bytes or longer than 8 KiB, or contains something else than visible ASCII
    /// characters.
    ///
    /// White space at its end is the most frequent case. [`can_be_sent`] says so before the credential is sealed.
    #[error(
        "the credential cannot be sent in a header: expected 8 to 8192 visible ASCII characters"
    )]
    NotForAHeader,
}

/// Why a credential was not written into a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// The request goes elsewhere.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The method is TRACE or TRACK, whose reply contains the head of the request, or CONNECT, in any case.
    #[error("a request with the method TRACE, TRACK or CONNECT carries no credential")]
    Method,
    /// The request has a header `host` that differs from its URI.
    #[error("the host header of the request differs from its URI")]
    HostHeader,
    /// The request already has a header with the name of the one to write.
    ///
    /// It is not replaced, because it may be another credential, of your service or of another customer.
    #[error("the request already has a header of this name")]
    HeaderPresent,
    /// The name of the [`KeyHeader`] is one that is not for the host alone: see [`KeyHeader::new`].
    #[error("a header of this name frames or routes a message, and carries no credential")]
    Name,
    /// The prefix of the [`KeyHeader`] contains a character that no header can carry.
    #[error("the prefix contains a character that no header can carry")]
    Prefix,
    /// The request has more headers than the crate `http` can hold.
    #[error("the request has too many headers")]
    TooManyHeaders,
}
