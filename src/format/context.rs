//! What a credential belongs to.

use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

use crate::format::error_class::{ErrorClass, error_as_data};

const MAX_PAIRS: usize = 32;
const MAX_NAME_LEN: u16 = 64;
const MAX_VALUE_LEN: u16 = 1024;

/// What a credential belongs to: tenant, provider, row. Supplied at [`seal`](crate::Keyring::seal)
/// and again at [`open`](crate::Keyring::open); never stored in the envelope.
///
/// An envelope opens in the context it was sealed in and in no other, so a row that is moved to
/// another tenant does not open there. At most 32 pairs; names of 1 to 64 bytes and values of 0 to
/// 1024 bytes of UTF-8, no name twice; the order they are given in does not matter. Bytes are
/// compared as bytes: no trimming, no case folding, no Unicode normalisation.
///
/// ```
/// use sealwax::EncryptionContext;
///
/// let context = EncryptionContext::new([("tenant", "acme"), ("row", "7")])?;
/// assert_eq!(context, EncryptionContext::new([("row", "7"), ("tenant", "acme")])?);
/// assert_eq!(context.get("tenant"), Some("acme"));
/// # Ok::<(), sealwax::ContextError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EncryptionContext {
    /// u16(number of pairs) ‖ for each pair, in ascending order of name:
    /// u16(len name) ‖ name ‖ u16(len value) ‖ value
    encoded: Vec<u8>,
}

/// What begins the names of the format's own pairs.
const RESERVED: &str = "sw1/";
const HOLDS: &str = "sw1/holds";
const HOSTS: &str = "sw1/hosts";
const MAX_HOST_LEN: usize = 253;

/// What an envelope holds in place of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Held {
    /// The 32 bytes of a master key.
    MasterKey,
    /// The 64 bytes of an opening key.
    OpeningKey,
    /// The text of a keyring.
    Keyring,
}

impl Held {
    const fn as_str(self) -> &'static str {
        match self {
            Self::MasterKey => "swk1",
            Self::OpeningKey => "swo1",
            Self::Keyring => "ring",
        }
    }
}

impl EncryptionContext {
    /// Encodes the pairs, once.
    ///
    /// # Errors
    ///
    /// A [`ContextError`] when there are more than 32 pairs, a name or value has a length out of
    /// its range, a name is given twice, or one begins with `sw1/`: such pairs are set by
    /// [`holding`](Self::holding) and [`with_hosts`](Self::with_hosts).
    pub fn new(
        pairs: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Self, ContextError> {
        let mut given = Vec::new();
        for pair in pairs {
            if given.len() >= MAX_PAIRS {
                return Err(ContextError::TooManyPairs);
            }
            given.push(pair);
        }
        // Once: what is measured is what is encoded, whatever the caller's type answers next.
        let given: Vec<_> =
            given.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        if let Some(pair) = given.iter().position(|(name, _)| name.starts_with(RESERVED)) {
            return Err(ContextError::ReservedName { pair });
        }
        Self::encode(&given)
    }

    /// The same context, of an envelope that holds a key and no credential: the pair `sw1/holds`.
    ///
    /// So no key is opened as a credential, and no credential as a key.
    ///
    /// # Errors
    ///
    /// [`ContextError::DuplicateName`] when it says already what it holds,
    /// [`ContextError::TooManyPairs`] when there are 32 pairs.
    pub fn holding(self, held: Held) -> Result<Self, ContextError> {
        self.with(HOLDS, held.as_str())
    }

    /// The same context, with the hosts that the credential may be sent to: the pair `sw1/hosts`.
    ///
    /// A host is 1 to 253 bytes of `a-z 0-9 - _ .` without an empty label: so no port, wildcard,
    /// final dot or IPv6 literal, and no upper case. Together with a space between each two they
    /// are at most 1024 bytes. Their order does not matter.
    ///
    /// # Errors
    ///
    /// [`ContextError::NoHosts`], [`ContextError::Host`] and [`ContextError::DuplicateHost`] for the
    /// list; [`ContextError::ValueLength`] when it is too long; [`ContextError::DuplicateName`] when
    /// there are hosts already; [`ContextError::TooManyPairs`] when there are 32 pairs.
    pub fn with_hosts(self, hosts: &[&str]) -> Result<Self, ContextError> {
        if hosts.is_empty() {
            return Err(ContextError::NoHosts);
        }
        if let Some(host) = hosts.iter().position(|host| !is_host(host)) {
            return Err(ContextError::Host { host });
        }
        let mut sorted: Vec<_> = hosts.iter().enumerate().collect();
        // A stable sort: of two that are the same, the later one is the duplicate.
        sorted.sort_by_key(|(_, host)| **host);
        let repeated = |pair: &[(usize, &&str)]| match pair {
            [(_, host), (later, same)] if host == same => Some(*later),
            _ => None,
        };
        if let Some(host) = sorted.windows(2).find_map(repeated) {
            return Err(ContextError::DuplicateHost { host });
        }
        let sorted: Vec<&str> = sorted.into_iter().map(|(_, host)| *host).collect();
        self.with(HOSTS, &sorted.join(" "))
    }

    fn with(self, name: &str, value: &str) -> Result<Self, ContextError> {
        let pairs: Vec<_> = self.iter().chain([(name, value)]).collect();
        Self::encode(&pairs)
    }

    fn encode(pairs: &[(&str, &str)]) -> Result<Self, ContextError> {
        if pairs.len() > MAX_PAIRS {
            return Err(ContextError::TooManyPairs);
        }
        let mut sorted = Vec::with_capacity(pairs.len());
        for (pair, (name, value)) in pairs.iter().enumerate() {
            let name_len = match u16::try_from(name.len()) {
                Ok(len @ 1..=MAX_NAME_LEN) => len,
                _ => return Err(ContextError::NameLength { pair, found: name.len() }),
            };
            let value_len = match u16::try_from(value.len()) {
                Ok(len @ 0..=MAX_VALUE_LEN) => len,
                _ => return Err(ContextError::ValueLength { pair, found: value.len() }),
            };
            sorted.push((pair, *name, name_len, *value, value_len));
        }
        // A stable sort: of two pairs with one name, the later one is the duplicate.
        sorted.sort_by_key(|(_, name, ..)| *name);
        let mut previous = None;
        for (pair, name, ..) in &sorted {
            if previous.replace(*name) == Some(*name) {
                return Err(ContextError::DuplicateName { pair: *pair });
            }
        }

        let count = u16::try_from(sorted.len()).map_err(|_| ContextError::TooManyPairs)?;
        let lens = sorted.iter().map(|(_, name, _, value, _)| [4, name.len(), value.len()]);
        let mut encoded = Vec::with_capacity(lens.flatten().chain([2]).sum());
        encoded.extend_from_slice(&count.to_be_bytes());
        for (_, name, name_len, value, value_len) in &sorted {
            encoded.extend_from_slice(&name_len.to_be_bytes());
            encoded.extend_from_slice(name.as_bytes());
            encoded.extend_from_slice(&value_len.to_be_bytes());
            encoded.extend_from_slice(value.as_bytes());
        }
        Ok(Self { encoded })
    }

    /// The context without a pair, for a credential that belongs to nothing in particular.
    ///
    /// It has to be asked for by name: forgetting the context is not the same as having none.
    #[must_use]
    pub fn empty() -> Self {
        Self { encoded: alloc::vec![0, 0] }
    }

    /// The bytes that are bound into the envelope.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The value under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(found, value)| (found == name).then_some(value))
    }

    /// The pairs, in ascending order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let (_, mut rest) = self.encoded.split_at(2);
        core::iter::from_fn(move || Some((take_text(&mut rest)?, take_text(&mut rest)?)))
    }
}

fn is_host(host: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=MAX_HOST_LEN).contains(&host.len())
        && host.split('.').all(|label| !label.is_empty() && label.bytes().all(is_allowed))
}

/// The next u16(len) ‖ text of an encoded context; none at its end.
fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (len, after) = rest.split_first_chunk()?;
    let (text, after) = after.split_at_checked(u16::from_be_bytes(*len).into())?;
    *rest = after;
    core::str::from_utf8(text).ok()
}

impl fmt::Debug for EncryptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionContext ")?;
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Why pairs are not an [`EncryptionContext`]. Pairs are counted from 0, in the order given; one that
/// [`holding`](EncryptionContext::holding) or [`with_hosts`](EncryptionContext::with_hosts) sets
/// comes after those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContextError {
    /// More than 32 pairs.
    #[error("an encryption context has at most 32 pairs")]
    TooManyPairs,
    /// A name is empty or longer than 64 bytes.
    #[error("the name of pair {pair} has {found} bytes: expected 1 to 64")]
    #[non_exhaustive]
    NameLength {
        /// The pair.
        pair: usize,
        /// The bytes of its name.
        found: usize,
    },
    /// A value is longer than 1024 bytes.
    #[error("the value of pair {pair} has {found} bytes: expected 0 to 1024")]
    #[non_exhaustive]
    ValueLength {
        /// The pair.
        pair: usize,
        /// The bytes of its value.
        found: usize,
    },
    /// A name is given twice.
    #[error("pair {pair} repeats the name of an earlier pair")]
    #[non_exhaustive]
    DuplicateName {
        /// The later one of the two pairs.
        pair: usize,
    },
    /// A name begins with `sw1/`, as those of the format's own pairs do.
    #[error("the name of pair {pair} begins with sw1/, which is reserved")]
    #[non_exhaustive]
    ReservedName {
        /// The pair.
        pair: usize,
    },
    /// An empty list of hosts, which would allow none.
    #[error("expected at least one host")]
    NoHosts,
    /// Not a host, or not written as hosts are bound.
    #[error(
        "host {host} of the list: expected 1 to 253 characters out of a-z 0-9 - _ . without an empty label"
    )]
    #[non_exhaustive]
    Host {
        /// The host, counted from 0.
        host: usize,
    },
    /// A host is given twice.
    #[error("host {host} of the list is given twice")]
    #[non_exhaustive]
    DuplicateHost {
        /// The later one of the two.
        host: usize,
    },
}

impl ContextError {
    const fn as_data(&self) -> (&'static str, ErrorClass) {
        let name = match self {
            Self::TooManyPairs => "too_many_pairs",
            Self::NameLength { .. } => "name_length",
            Self::ValueLength { .. } => "value_length",
            Self::DuplicateName { .. } => "duplicate_name",
            Self::ReservedName { .. } => "reserved_name",
            Self::NoHosts => "no_hosts",
            Self::Host { .. } => "host",
            Self::DuplicateHost { .. } => "duplicate_host",
        };
        (name, ErrorClass::Bug)
    }
}

error_as_data!(ContextError);
