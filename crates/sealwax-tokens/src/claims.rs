//! What a record says of a token, and its bytes.

use alloc::string::String;
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

/// Whether a token is for production or for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    /// Its last four characters, for lists, or nothing if another program made it.
    pub hint: String,
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
    /// 01 ‖ scheme ‖ state ‖ mode ‖ single use ‖ id ‖ u64(not before) ‖ u64(expires) ‖ len8 subject
    ///  ‖ u8(number of scopes) ‖ len8 scope … ‖ len8 hint ‖ len8 salt
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { id, grant, mode, state, hint, scheme } = self;
        let Grant { subject, scopes, not_before, expires, is_single_use } = grant;
        let flags = [VERSION, scheme.code(), state.code(), mode.code(), u8::from(*is_single_use)];
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&flags);
        bytes.extend_from_slice(&id.0);
        bytes.extend_from_slice(&not_before.to_be_bytes());
        bytes.extend_from_slice(&expires.to_be_bytes());
        push(&mut bytes, subject.as_bytes());
        bytes.push(len8(scopes.len()));
        scopes.iter().for_each(|scope| push(&mut bytes, scope.as_bytes()));
        push(&mut bytes, hint.as_bytes());
        push(&mut bytes, scheme.salt());
        bytes
    }

    /// Decodes what `encode` writes, and nothing else.
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
        let subject = take_text(&mut rest)?;
        let [count] = take(&mut rest)?;
        let scopes = (0..count).map(|_| take_text(&mut rest)).collect::<Option<_>>()?;
        let hint = take_text(&mut rest)?;
        let scheme = Scheme::of(scheme, take_sized(&mut rest)?)?;
        let is_single_use = is_single_use == 1;
        let grant = Grant { subject, scopes, not_before, expires, is_single_use };
        grant.check().ok()?;
        let is_hint =
            matches!(hint.len(), 0 | 4) && hint.bytes().all(|b| b.is_ascii_alphanumeric());
        (is_hint && rest.is_empty()).then_some(Self { id, grant, mode, state, hint, scheme })
    }
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

fn take_text(rest: &mut &[u8]) -> Option<String> {
    core::str::from_utf8(take_sized(rest)?).ok().map(String::from)
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
