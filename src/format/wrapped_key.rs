//! A data key as one master key wrapped it.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::format::error::{Field, FormatError};
use crate::format::key_id::KeyId;
use crate::format::sizes::MAX_BODY_LEN;

/// How a data key was wrapped, and so which body stands in the [`WrappedKey`].
///
/// An entry of a keyring accepts one kind only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WrapKind {
    /// 0x01: under a [`MasterKey`](crate::MasterKey) held in memory; the body is 60 bytes.
    Local,
    /// 0x02: the opaque answer of a KMS, an HSM or the like.
    Provider,
    /// 0x03: under a sealing key, by HPKE with X-Wing. Parsed, refused when used.
    Hpke,
    /// 0x04: under a local key that a provider wrapped once. Parsed, refused when used.
    Branch,
    /// 0x05: under a fresh key that a service wrapped, which binds nothing itself. Parsed, refused
    /// when used.
    Rebound,
    /// 0x80 to 0xff: private use, for providers of your own. Made by [`WrapKind::private`].
    #[non_exhaustive]
    Private(u8),
    /// 0x06 to 0x7f: not assigned. Parsed, refused when used.
    #[non_exhaustive]
    Unassigned(u8),
}

impl WrapKind {
    /// The kind that a byte names; none for 0x00.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x00 => None,
            0x01 => Some(Self::Local),
            0x02 => Some(Self::Provider),
            0x03 => Some(Self::Hpke),
            0x04 => Some(Self::Branch),
            0x05 => Some(Self::Rebound),
            0x80.. => Some(Self::Private(byte)),
            _ => Some(Self::Unassigned(byte)),
        }
    }

    /// The kind 0x80 + `N`, for a provider of your own.
    ///
    /// ```
    /// use sealwax::WrapKind;
    ///
    /// const OURS: WrapKind = WrapKind::private::<0x01>();
    /// assert_eq!(OURS.byte(), 0x81);
    /// ```
    ///
    /// There are 128 of them:
    ///
    /// ```compile_fail,E0080
    /// sealwax::WrapKind::private::<0x80>();
    /// ```
    #[must_use]
    pub const fn private<const N: u8>() -> Self {
        const { assert!(N <= 0x7f, "private kinds are 0x80 + 0x00 to 0x7f") };
        #[expect(clippy::arithmetic_side_effects, reason = "at most 0xff, as was asserted")]
        Self::Private(0x80 + N)
    }

    /// The byte that names the kind in an envelope.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Local => 0x01,
            Self::Provider => 0x02,
            Self::Hpke => 0x03,
            Self::Branch => 0x04,
            Self::Rebound => 0x05,
            Self::Private(byte) | Self::Unassigned(byte) => byte,
        }
    }

    /// Whether this release can have a provider for it.
    pub(crate) const fn is_usable(self) -> bool {
        matches!(self, Self::Local | Self::Provider | Self::Private(_))
    }
}

impl fmt::Display for WrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.pad("local"),
            Self::Provider => f.pad("provider"),
            Self::Hpke => f.pad("hpke"),
            Self::Branch => f.pad("branch"),
            Self::Rebound => f.pad("rebound"),
            Self::Private(byte) => write!(f, "private-{byte:#04x}"),
            Self::Unassigned(byte) => write!(f, "unassigned-{byte:#04x}"),
        }
    }
}

impl FromStr for WrapKind {
    type Err = FormatError;

    /// Reads what `Display` writes.
    fn from_str(name: &str) -> Result<Self, FormatError> {
        let named = |kind: &Self| kind.to_string() == name;
        (1..=u8::MAX).filter_map(Self::from_byte).find(named).ok_or(FormatError::malformed(
            Field::WrapKind,
            "local, provider, hpke, branch, rebound, private-0x80 to -0xff or unassigned-0x06 to -0x7f",
            0,
        ))
    }
}

/// A data key as one master key wrapped it: what a provider answers, under the id of its key.
///
/// Everything in it is public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WrappedKey {
    key_id: KeyId,
    kind: WrapKind,
    body: Vec<u8>,
}

impl WrappedKey {
    /// Puts a provider's answer under the id of its key. The body is 1 to 65,534 bytes.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] when the body is empty or too long for an envelope.
    pub fn new(key_id: KeyId, kind: WrapKind, body: &[u8]) -> Result<Self, FormatError> {
        Self::from_vec(key_id, kind, body.to_vec())
    }

    pub(crate) fn from_vec(
        key_id: KeyId,
        kind: WrapKind,
        body: Vec<u8>,
    ) -> Result<Self, FormatError> {
        check_body_len(body.len())?;
        Ok(Self { key_id, kind, body })
    }

    /// The id of the master key that wrapped it.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// How it was wrapped.
    #[must_use]
    pub fn kind(&self) -> WrapKind {
        self.kind
    }

    /// The wrapped data key, in the form that its kind prescribes.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn as_wrap(&self) -> Wrap<'_> {
        Wrap { key_id: self.key_id.as_ref(), kind: self.kind, body: &self.body }
    }
}

pub(crate) fn check_body_len(len: usize) -> Result<(), FormatError> {
    if (1..=MAX_BODY_LEN).contains(&len) {
        Ok(())
    } else {
        Err(FormatError::malformed(Field::WrappedKey, "a body of 1 to 65534 bytes", 0))
    }
}

/// A wrapped key where it lies, inside an envelope or a [`WrappedKey`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrap<'a> {
    pub(crate) key_id: &'a str,
    pub(crate) kind: WrapKind,
    pub(crate) body: &'a [u8],
}

impl<'a> Wrap<'a> {
    /// Takes kind ‖ body apart; none where the kind is 0 or there is no body.
    pub(crate) fn parse(key_id: &'a str, wrapped: &'a [u8]) -> Option<Self> {
        let (kind, body) = wrapped.split_first()?;
        let kind = WrapKind::from_byte(*kind)?;
        (!body.is_empty()).then_some(Self { key_id, kind, body })
    }

    /// The length of kind ‖ body, as two bytes count it.
    #[expect(clippy::expect_used, reason = "a body is at most 65,534 bytes")]
    #[expect(clippy::arithmetic_side_effects, reason = "the kind is one byte more")]
    pub(crate) fn wrapped_len(&self) -> u16 {
        (1 + self.body.len()).try_into().expect("two bytes count a wrapped key")
    }

    pub(crate) fn to_wrapped_key(self) -> Result<WrappedKey, FormatError> {
        WrappedKey::new(KeyId::try_from(self.key_id)?, self.kind, self.body)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::WrapKind;

    #[test]
    fn every_kind_is_read_from_its_name() {
        let kinds = (1..=u8::MAX).filter_map(WrapKind::from_byte);
        let read = kinds.filter(|kind| kind.to_string().parse() == Ok(*kind));
        assert_eq!(read.count(), 255);
        for name in ["", "Local", "private-0x7f", "private-0x8", "unassigned-0x04", "0x02"] {
            assert!(name.parse::<WrapKind>().is_err(), "{name}");
        }
    }
}
