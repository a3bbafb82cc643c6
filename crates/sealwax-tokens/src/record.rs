//! What a table has of a token.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use sealwax::KeyId;
use sealwax::companion::Expand;
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::claims::{Claims, TokenId, len8};
use crate::error::TokenError;

/// The maximum length of claims in bytes: all fields as long as they may be.
const MAX_CLAIMS_LEN: usize = 5 + 16 + 8 + 8 + (1 + 255) + 1 + 32 * (1 + 64) + (1 + 4) + (1 + 64);

/// What a table has of a token: which pepper, the token's digest, its claims, and the MAC of these.
///
/// As text, which `Display` writes and `FromStr` reads, it is `swt1:<pepper id>:<digest>:<claims>:<mac>`, with 94
/// characters and the pepper's id around the claims, which are typically another 100 to 200. It contains no secret, but
/// shows subjects and scopes.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    pub(crate) pepper_id: KeyId,
    pub(crate) digest: [u8; 32],
    /// As they are in the record. Nobody reads them before the MAC is found to be right.
    claims: Vec<u8>,
    mac: [u8; 32],
}

/// What a table is searched by: `<pepper id>:<digest>`, as in the record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupKey(String);

/// A change of a token's row, for one compare-and-swap: [`SWAP`](crate::sql::sqlite::SWAP) of the crate's SQL.
///
/// The row with this id, if its record is still `seen`, gets `record` and `previous`. If it is not, somebody else was
/// first: nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing changes until this is written to the table"]
#[non_exhaustive]
pub struct Change {
    /// The public id of the token, which identifies the row.
    pub id: TokenId,
    /// The record that the row must still have.
    pub seen: Record,
    /// The record that it gets.
    pub record: Record,
    /// The record of the token that was rotated out, for as long as its grace lasts. `None` ends that token.
    pub previous: Option<Record>,
    /// Whether the row keeps the `previous` that it has: when a token is rotated again before it was used.
    pub keeps_previous: bool,
}

/// The id, the record seen, the lookup key and the record that it gets, those of the previous one, and whether the row
/// keeps the previous one that it has.
pub type SwapParameters = (String, String, String, String, Option<String>, Option<String>, bool);

impl Record {
    /// Makes a record. The caller must wipe the stack.
    pub(crate) fn new(
        (pepper_id, expand): (&KeyId, Expand<'_>),
        digest: [u8; 32],
        claims: &Claims,
    ) -> Self {
        let claims = claims.encode();
        let mac = compute_mac(expand, pepper_id, &digest, &claims);
        Self { pepper_id: pepper_id.clone(), digest, claims, mac }
    }

    /// Checks the MAC, and only then reads the claims.
    pub(crate) fn open(&self, expand: Expand<'_>) -> Result<Claims, TokenError> {
        let mac = compute_mac(expand, &self.pepper_id, &self.digest, &self.claims);
        if !bool::from(mac.ct_eq(&self.mac)) {
            return Err(TokenError::Altered);
        }
        // Claims with a MAC that nobody here wrote are those of a later version.
        Claims::decode(&self.claims).ok_or(TokenError::Altered)
    }

    /// Returns what the table is searched by to find this record.
    #[must_use]
    pub fn lookup_key(&self) -> LookupKey {
        LookupKey::new(&self.pepper_id, &self.digest)
    }

    /// Returns the id of the pepper that the record is under.
    #[must_use]
    pub fn pepper_id(&self) -> &KeyId {
        &self.pepper_id
    }
}

impl Change {
    /// A change after which the row has no token that was rotated out.
    pub(crate) fn only(id: TokenId, seen: &Record, record: Record) -> Self {
        Self { id, seen: seen.clone(), record, previous: None, keeps_previous: false }
    }

    /// Returns the parameters of [`SWAP`](crate::sql::sqlite::SWAP), in order.
    #[must_use]
    pub fn parameters(&self) -> SwapParameters {
        let Self { id, seen, record, previous, keeps_previous } = self;
        let lookup = |record: &Record| record.lookup_key().0;
        (
            id.to_string(),
            seen.to_string(),
            lookup(record),
            record.to_string(),
            previous.as_ref().map(lookup),
            previous.as_ref().map(Record::to_string),
            *keeps_previous,
        )
    }
}

/// expand(pepper, "swt1/claims" ‖ len8 pepper id ‖ digest ‖ claims, 32)
fn compute_mac(
    expand: Expand<'_>,
    pepper_id: &KeyId,
    digest: &[u8; 32],
    claims: &[u8],
) -> [u8; 32] {
    let pepper_id = pepper_id.as_ref().as_bytes();
    expand.expand(&[b"swt1/claims", &[len8(pepper_id.len())], pepper_id, digest, claims])
}

impl LookupKey {
    pub(crate) fn new(pepper_id: &KeyId, digest: &[u8; 32]) -> Self {
        Self(alloc::format!("{pepper_id}:{}", Base64UrlUnpadded::encode_string(digest)))
    }
}

impl AsRef<str> for LookupKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<LookupKey> for String {
    fn from(key: LookupKey) -> Self {
        key.0
    }
}

impl fmt::Display for LookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [digest, claims, mac] =
            [&self.digest[..], &self.claims, &self.mac].map(Base64UrlUnpadded::encode_string);
        write!(f, "swt1:{}:{digest}:{claims}:{mac}", self.pepper_id)
    }
}

/// The text is not a record: its column was cut off or altered, or it is the row of another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It does not begin with `swt1:`.
    #[error("expected a record, which begins with swt1:")]
    Version,
    /// It does not have five parts.
    #[error("expected a record of five parts with colons between them")]
    Parts,
    /// The second part is not the id of a pepper.
    #[error("expected the id of a pepper")]
    PepperId,
    /// The digest is not 43 characters of base64url.
    #[error("expected a digest of 43 characters of base64url")]
    Digest,
    /// The claims are not base64url, or too long.
    #[error("expected claims of at most 2444 bytes in base64url")]
    Claims,
    /// The MAC is not 43 characters of base64url.
    #[error("expected a MAC of 43 characters of base64url")]
    Mac,
}

impl FromStr for Record {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let rest = text.strip_prefix("swt1:").ok_or(RecordError::Version)?;
        let mut parts = rest.split(':');
        let mut next = || parts.next().ok_or(RecordError::Parts);
        let (pepper_id, digest, claims, mac) = (next()?, next()?, next()?, next()?);
        if parts.next().is_some() {
            return Err(RecordError::Parts);
        }
        let pepper_id = pepper_id.parse().map_err(|_| RecordError::PepperId)?;
        let digest = decode_32(digest).ok_or(RecordError::Digest)?;
        let mac = decode_32(mac).ok_or(RecordError::Mac)?;
        let claims = Some(claims)
            .filter(|claims| claims.len() <= MAX_CLAIMS_LEN.div_ceil(3).saturating_mul(4))
            .and_then(|claims| Base64UrlUnpadded::decode_vec(claims).ok())
            .filter(|claims| claims.len() <= MAX_CLAIMS_LEN)
            .ok_or(RecordError::Claims)?;
        Ok(Self { pepper_id, digest, claims, mac })
    }
}

/// The decoder accepts no other text for the same bytes: not one with padding, or with bits set behind the end.
fn decode_32(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let decoded = Base64UrlUnpadded::decode(text, &mut bytes).ok()?;
    (decoded.len() == 32).then_some(bytes)
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pepper_id, digest: _, claims, mac: _ } = self;
        f.debug_struct("Record")
            .field("pepper_id", pepper_id)
            .field("claims_len", &claims.len())
            .finish_non_exhaustive()
    }
}
