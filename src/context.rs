//! What a credential belongs to.

use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

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

impl EncryptionContext {
    /// Encodes the pairs, once.
    ///
    /// # Errors
    ///
    /// A [`ContextError`] when there are more than 32 pairs, a name or value has a length out of
    /// its range, or a name stands twice.
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
        let mut sorted = Vec::with_capacity(given.len());
        for (pair, (name, value)) in given.iter().enumerate() {
            // Once: what is measured is what is encoded, whatever the caller's type answers next.
            let (name, value) = (name.as_ref(), value.as_ref());
            let name_len = match u16::try_from(name.len()) {
                Ok(len @ 1..=MAX_NAME_LEN) => len,
                _ => return Err(ContextError::NameLength { pair, found: name.len() }),
            };
            let value_len = match u16::try_from(value.len()) {
                Ok(len @ 0..=MAX_VALUE_LEN) => len,
                _ => return Err(ContextError::ValueLength { pair, found: value.len() }),
            };
            sorted.push((pair, name, name_len, value, value_len));
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
        let mut encoded = count.to_be_bytes().to_vec();
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
        let mut rest = self.encoded.get(2..).unwrap_or_default();
        core::iter::from_fn(move || Some((take_text(&mut rest)?, take_text(&mut rest)?)))
    }
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

/// Why pairs are not an [`EncryptionContext`]. Pairs are counted from 0, in the order given.
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
    /// A name stands twice.
    #[error("the name of pair {pair} stands before it already")]
    #[non_exhaustive]
    DuplicateName {
        /// The later one of the two pairs.
        pair: usize,
    },
}
