//! What a table has of a token.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;
use core::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use sealwax::KeyId;
use sealwax::companion::Expand;
use thiserror::Error;

use crate::change::column;
use crate::claims::{Claims, len8};
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

/// What a table is searched by: `<pepper id>:<digest>`, of a token or of a stored credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupKey(String);

/// What a table is searched by for a token: a key for each usable pepper, the primary's first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupKeys(pub(crate) Vec<LookupKey>);

/// The parameters of [`FIND`](crate::sql::sqlite::FIND), in order.
pub type FindParameters = [String; 2];

impl Record {
    /// Makes a record. The caller must wipe the stack.
    pub(crate) fn new(
        (pepper_id, expand): (&KeyId, Expand<'_>),
        digest: [u8; 32],
        claims: &Claims,
    ) -> Self {
        let claims = claims.encode();
        let bytes = pepper_id.as_ref().as_bytes();
        let mac = expand.expand(&mac_info(bytes, &[len8(bytes.len())], &digest, &claims));
        Self { pepper_id: pepper_id.clone(), digest, claims, mac }
    }

    /// Checks the MAC, and only then reads the claims.
    #[inline]
    pub(crate) fn open(&self, expand: Expand<'_>) -> Result<Claims, TokenError> {
        let pepper_id = self.pepper_id.as_ref().as_bytes();
        let len = [len8(pepper_id.len())];
        if !expand.matches(&mac_info(pepper_id, &len, &self.digest, &self.claims), &self.mac) {
            return Err(TokenError::Altered);
        }
        // Claims with a MAC that nobody here wrote are those of a later version.
        Claims::decode(&self.claims).ok_or(TokenError::Altered)
    }

    /// Reads the record of a row that was searched for.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError::Unknown`] if there is no row, and [`TokenError::Altered`] if it has no record.
    pub fn from_row(row: Option<impl AsRef<str>>) -> Result<Self, TokenError> {
        Ok(row.ok_or(TokenError::Unknown)?.as_ref().parse::<Self>()?)
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

/// expand(pepper, "swt1/claims" ‖ len8 pepper id ‖ digest ‖ claims, 32)
const fn mac_info<'a>(
    pepper_id: &'a [u8],
    len: &'a [u8; 1],
    digest: &'a [u8; 32],
    claims: &'a [u8],
) -> [&'a [u8]; 5] {
    [b"swt1/claims", len, pepper_id, digest, claims]
}

impl LookupKey {
    pub(crate) fn new(pepper_id: &KeyId, digest: &[u8; 32]) -> Self {
        Self(alloc::format!("{pepper_id}:{}", Base64UrlUnpadded::encode_string(digest)))
    }
}

impl LookupKeys {
    /// Returns the parameters of [`FIND`](crate::sql::sqlite::FIND), in order, at a time in seconds since 1970.
    #[must_use]
    pub fn parameters(&self, now: u64) -> FindParameters {
        let keys: Vec<_> =
            self.0.iter().map(|LookupKey(key)| alloc::format!("\"{key}\"")).collect();
        // A key has no character that JSON escapes.
        [alloc::format!("[{}]", keys.join(",")), column(now)]
    }
}

impl Deref for LookupKeys {
    type Target = [LookupKey];

    fn deref(&self) -> &[LookupKey] {
        &self.0
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
