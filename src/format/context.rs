//! The encryption context: what a credential belongs to.

use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

use crate::format::error_class::{ErrorClass, error_as_data};

const MAX_PAIRS: usize = 32;
const MAX_NAME_LEN: u16 = 64;
const MAX_VALUE_LEN: u16 = 1024;

/// What a credential belongs to, such as a tenant, a provider and a row.
///
/// You supply the context to [`seal`](crate::Keyring::seal) and again to [`open`](crate::Keyring::open). It is never
/// stored in the envelope. An envelope opens only in the context it was sealed in, so a row that is moved to another
/// tenant does not open there.
///
/// A context has at most 32 pairs of a name and a value, both UTF-8. Names have 1 to 64 bytes and are unique; values
/// have 0 to 1024 bytes. The order in which you give the pairs does not matter. They are compared byte by byte: no
/// trimming, no case folding, no Unicode normalisation.
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

/// The prefix of the names of the format's own pairs.
const RESERVED: &str = "sw1/";
const HOLDS: &str = "sw1/holds";
const HOSTS: &str = "sw1/hosts";
const MAX_HOST_LEN: usize = 253;

/// What an envelope holds instead of a credential.
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
    /// Creates a context from pairs of a name and a value.
    ///
    /// The pairs are encoded here, once.
    ///
    /// # Errors
    ///
    /// Returns a [`ContextError`] if there are more than 32 pairs, the length of a name or value is out of range, a
    /// name is given twice, or a name begins with `sw1/`. Only [`holding`](Self::holding) and
    /// [`with_hosts`](Self::with_hosts) set such pairs.
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
        // `as_ref` is called once, so that what is checked is what is encoded: the caller's type may return something
        // else the next time.
        let given: Vec<_> =
            given.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        if let Some(pair) = given.iter().position(|(name, _)| name.starts_with(RESERVED)) {
            return Err(ContextError::ReservedName { pair });
        }
        Self::encode(&given)
    }

    /// Adds the pair `sw1/holds`, for an envelope that holds a key and not a credential.
    ///
    /// This way, a key is never opened as a credential, nor a credential as a key.
    ///
    /// # Errors
    ///
    /// Returns [`ContextError::DuplicateName`] if the context already has this pair, and
    /// [`ContextError::TooManyPairs`] if it already has 32 pairs.
    pub fn holding(self, held: Held) -> Result<Self, ContextError> {
        self.with(HOLDS, held.as_str())
    }

    /// Adds the pair `sw1/hosts`: the hosts that the credential may be sent to.
    ///
    /// A host is 1 to 253 bytes of `a-z 0-9 - _ .` without an empty label, so it cannot have a port, a wildcard, a
    /// final dot or upper case, or be an IPv6 literal. Joined by single spaces, the hosts are at most 1024 bytes. Their
    /// order does not matter.
    ///
    /// # Errors
    ///
    /// - [`ContextError::NoHosts`] if the list is empty
    /// - [`ContextError::Host`] if a host is invalid
    /// - [`ContextError::DuplicateHost`] if a host is given twice
    /// - [`ContextError::ValueLength`] if the list is too long
    /// - [`ContextError::DuplicateName`] if the context already has hosts
    /// - [`ContextError::TooManyPairs`] if the context already has 32 pairs
    pub fn with_hosts(self, hosts: &[&str]) -> Result<Self, ContextError> {
        if hosts.is_empty() {
            return Err(ContextError::NoHosts);
        }
        if let Some(host) = hosts.iter().position(|host| !is_host(host)) {
            return Err(ContextError::Host { host });
        }
        let mut sorted: Vec<_> = hosts.iter().enumerate().collect();
        // The sort is stable: of two equal hosts, the later one is the duplicate.
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
        // The sort is stable: of two pairs with the same name, the later one is the duplicate.
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

    /// Creates a context without pairs, for a credential that belongs to nothing in particular.
    ///
    /// There is no `Default`: forgetting the context is not the same as having none.
    #[must_use]
    pub fn empty() -> Self {
        Self { encoded: alloc::vec![0, 0] }
    }

    /// Returns the encoded context, which the envelope is bound to.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Returns the value of the pair with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(found, value)| (found == name).then_some(value))
    }

    /// Returns the pairs in ascending order of name.
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

/// Takes the next u16(len) ‖ text from an encoded context. Returns `None` at its end.
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

/// An error in the pairs of an [`EncryptionContext`].
///
/// Pairs are counted from 0, in the order given. A pair that [`holding`](EncryptionContext::holding) or
/// [`with_hosts`](EncryptionContext::with_hosts) adds comes after the existing ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContextError {
    /// There are more than 32 pairs.
    #[error("the encryption context has more than 32 pairs")]
    TooManyPairs,
    /// A name is empty or longer than 64 bytes.
    #[error("the name of context pair {pair} has {found} bytes: expected 1 to 64")]
    #[non_exhaustive]
    NameLength {
        /// The index of the pair.
        pair: usize,
        /// The length of its name in bytes.
        found: usize,
    },
    /// A value is longer than 1024 bytes.
    #[error("the value of context pair {pair} has {found} bytes: expected 0 to 1024")]
    #[non_exhaustive]
    ValueLength {
        /// The index of the pair.
        pair: usize,
        /// The length of its value in bytes.
        found: usize,
    },
    /// A name is given twice.
    #[error("context pair {pair} repeats the name of an earlier pair")]
    #[non_exhaustive]
    DuplicateName {
        /// The index of the later pair.
        pair: usize,
    },
    /// A name begins with `sw1/`, which is reserved for the format's own pairs.
    #[error("the name of context pair {pair} begins with sw1/, which is reserved")]
    #[non_exhaustive]
    ReservedName {
        /// The index of the pair.
        pair: usize,
    },
    /// The list of hosts is empty, which would allow none.
    #[error("the list of hosts is empty: expected at least one host")]
    NoHosts,
    /// A host is invalid, or not in the form in which hosts are bound.
    #[error(
        "host {host} in the list is invalid: expected 1 to 253 characters from a-z 0-9 - _ . without an empty label"
    )]
    #[non_exhaustive]
    Host {
        /// The index of the host, counted from 0.
        host: usize,
    },
    /// A host is given twice.
    #[error("host {host} in the list repeats an earlier host")]
    #[non_exhaustive]
    DuplicateHost {
        /// The index of the later one, counted from 0.
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
