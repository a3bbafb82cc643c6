//! What a record says of a token, and its bytes.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::existing::Scheme;
use crate::grant::Grant;

const VERSION: u8 = 1;
/// The length of an id in bytes.
pub(crate) const ID_LEN: usize = 16;

/// The public id of a token: 16 random bytes, written as 32 lowercase hex digits.
///
/// It stays the same when the token is rotated, and is safe to log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub(crate) [u8; ID_LEN]);

/// The last characters of a token.
pub(crate) type Hint = [u8; 4];

/// Whether a token is for production or for tests, as text `live` or `test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// For tests.
    Test,
    /// For production.
    Live,
}

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It is valid, if its times say so.
    Active,
    /// It was rotated in, and not used yet. Its first use ends the token before it.
    Successor,
    /// It was rotated out, and is valid until its grace is over or its successor is used.
    Replaced,
    /// It was for one use, and was used.
    Spent,
    /// It was revoked.
    Revoked,
}

/// What a record says of a token. A record's MAC covers all of it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// The public id of the token.
    pub id: TokenId,
    /// What the token is for.
    pub grant: Grant,
    /// Whether it is for production or for tests.
    pub mode: Mode,
    /// What became of it.
    pub state: State,
    /// The token's last characters, or `None` if another program made it.
    pub(crate) hint: Option<Hint>,
    /// How the token's digest is made.
    pub(crate) scheme: Scheme,
}

impl Mode {
    const fn code(self) -> u8 {
        match self {
            Self::Test => 0,
            Self::Live => 1,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Test),
            1 => Some(Self::Live),
            _ => None,
        }
    }
}

impl State {
    const fn code(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::Successor => 1,
            Self::Replaced => 2,
            Self::Spent => 3,
            Self::Revoked => 4,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Active),
            1 => Some(Self::Successor),
            2 => Some(Self::Replaced),
            3 => Some(Self::Spent),
            4 => Some(Self::Revoked),
            _ => None,
        }
    }
}

impl Claims {
    /// Returns the token's last four characters, for lists, or nothing if another program made it.
    #[must_use]
    pub fn hint(&self) -> &str {
        self.hint.as_ref().and_then(|hint| str::from_utf8(hint).ok()).unwrap_or_default()
    }

    /// Returns whether another program made the token.
    pub(crate) const fn is_existing(&self) -> bool {
        self.hint.is_none()
    }

    /// 01 ‖ scheme ‖ state ‖ mode ‖ single use ‖ id ‖ u64(not before) ‖ u64(expires) ‖ len8 subject
    ///  ‖ u8(number of scopes) ‖ len8 scope … ‖ len8 hint ‖ len8 salt
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { id, grant, mode, state, hint, scheme } = self;
        let is_single_use = u8::from(grant.is_single_use);
        let mut bytes = Vec::with_capacity(128);
        let flags = [VERSION, scheme.code(), state.code(), mode.code(), is_single_use];
        bytes.extend_from_slice(&flags);
        bytes.extend_from_slice(&id.0);
        bytes.extend_from_slice(&grant.not_before.to_be_bytes());
        bytes.extend_from_slice(&grant.expires.to_be_bytes());
        push(&mut bytes, grant.subject().as_bytes());
        bytes.push(len8(grant.scopes().count()));
        grant.scopes().for_each(|scope| push(&mut bytes, scope.as_bytes()));
        push(&mut bytes, hint.as_ref().map_or(&[], |hint| hint.as_slice()));
        push(&mut bytes, scheme.salt());
        bytes
    }

    /// Decodes what `encode` writes, and nothing else.
    #[inline]
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let [version, scheme, state, mode, is_single_use] = take(&mut rest)?;
        if version != VERSION || is_single_use > 1 {
            return None;
        }
        let (state, mode) = (State::of(state)?, Mode::of(mode)?);
        let id = TokenId(take(&mut rest)?);
        let not_before = u64::from_be_bytes(take(&mut rest)?);
        let expires = u64::from_be_bytes(take(&mut rest)?);
        let subject = take_sized(&mut rest)?;
        let [count] = take(&mut rest)?;
        let scopes = (0..count).map(|_| take_sized(&mut rest));
        let mut grant = Grant::of_sorted(subject, scopes).ok()?;
        (grant.not_before, grant.expires) = (not_before, expires);
        grant.is_single_use = is_single_use == 1;
        grant.check_times().ok()?;
        let hint = match take_sized(&mut rest)? {
            [] => None,
            hint => Some(hint.try_into().ok().filter(is_hint)?),
        };
        let scheme = Scheme::of(scheme, take_sized(&mut rest)?)?;
        rest.is_empty().then_some(Self { id, grant, mode, state, hint, scheme })
    }
}

fn is_hint(hint: &Hint) -> bool {
    hint.iter().all(u8::is_ascii_alphanumeric)
}

/// len8: u8(length) ‖ bytes
pub(crate) fn push(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.push(len8(field.len()));
    bytes.extend_from_slice(field);
}

/// Returns a length as one byte. A key id has at most 128 bytes, a salt 64, and a grant checks its texts.
#[expect(clippy::expect_used, reason = "no field has more than 255 bytes")]
pub(crate) fn len8(len: usize) -> u8 {
    len.try_into().expect("no field has more than 255 bytes")
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

fn take_sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let [len] = take(rest)?;
    let (taken, left) = rest.split_at_checked(len.into())?;
    *rest = left;
    Some(taken)
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, grant, mode, state, hint: _, scheme: _ } = self;
        f.debug_struct("Claims")
            .field("id", id)
            .field("grant", grant)
            .field("mode", mode)
            .field("state", state)
            .finish_non_exhaustive()
    }
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is not a [`Mode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected live or test")]
#[non_exhaustive]
pub struct ModeError;

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        [Self::Test, Self::Live].into_iter().find(|mode| mode.name() == text).ok_or(ModeError)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&base16ct::lower::encode_string(&self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

/// The text is not a [`TokenId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected 32 lowercase hex digits")]
#[non_exhaustive]
pub struct TokenIdError;

impl FromStr for TokenId {
    type Err = TokenIdError;

    fn from_str(text: &str) -> Result<Self, TokenIdError> {
        let mut id = [0; ID_LEN];
        let decoded = base16ct::lower::decode(text, &mut id).map_err(|_| TokenIdError)?;
        if decoded.len() == ID_LEN { Ok(Self(id)) } else { Err(TokenIdError) }
    }
}
