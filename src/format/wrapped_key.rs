//! Data keys wrapped by a master key, and the kinds of wraps.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::format::error::{Field, FormatError};
use crate::format::key_id::KeyId;
use crate::format::sizes::{HPKE_BODY_LEN, LOCAL_BODY_LEN, MAX_BODY_LEN};

/// How a data key was wrapped, which determines the body of the [`WrappedKey`].
///
/// Each entry of a keyring accepts only one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WrapKind {
    /// 0x01: under a [`MasterKey`](crate::MasterKey) held in memory; the body is 60 bytes.
    Local,
    /// 0x02: by a KMS, an HSM or similar; the body is opaque.
    Provider,
    /// 0x03: under a sealing key, by HPKE with X-Wing; the body is 1172 bytes. Without the feature `hpke`, parsed but
    /// rejected when used.
    Hpke,
    /// 0x04: under a branch key, which a provider wrapped once. The crate `sealwax-branch` makes and opens such wraps.
    Branch,
    /// 0x05: under a fresh key, which a service wrapped that binds nothing. The crate `sealwax-branch` makes and opens
    /// such wraps.
    Rebound,
    /// 0x80 to 0xff: private use, for your own providers. Created by [`WrapKind::private`].
    #[non_exhaustive]
    Private(u8),
    /// 0x06 to 0x7f: not assigned. Parsed, but rejected when used.
    #[non_exhaustive]
    Unassigned(u8),
}

impl WrapKind {
    /// Returns the kind that a byte identifies, or `None` for 0x00.
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

    /// Returns the kind 0x80 + `N`, for your own provider.
    ///
    /// ```
    /// use sealwax::WrapKind;
    ///
    /// const OURS: WrapKind = WrapKind::private::<0x01>();
    /// assert_eq!(OURS.byte(), 0x81);
    /// ```
    ///
    /// There are 128 such kinds:
    ///
    /// ```compile_fail,E0080
    /// sealwax::WrapKind::private::<0x80>();
    /// ```
    #[must_use]
    pub const fn private<const N: u8>() -> Self {
        const { assert!(N <= 0x7f, "N must be 0x00 to 0x7f: private kinds are 0x80 + N") };
        #[expect(clippy::arithmetic_side_effects, reason = "at most 0xff, as asserted above")]
        Self::Private(0x80 + N)
    }

    /// Returns the byte that identifies the kind in an envelope.
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

    /// Whether this build supports providers of this kind.
    pub(crate) const fn is_usable(self) -> bool {
        let needs_feature = matches!(self, Self::Hpke) && cfg!(not(feature = "hpke"));
        !needs_feature && !matches!(self, Self::Unassigned(_))
    }

    /// Returns the length of the body, if the format fixes it.
    pub(crate) const fn body_len(self) -> Option<usize> {
        match self {
            Self::Local => Some(LOCAL_BODY_LEN),
            Self::Hpke => Some(HPKE_BODY_LEN),
            _ => None,
        }
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

    /// Parses the name that `Display` writes.
    fn from_str(name: &str) -> Result<Self, FormatError> {
        let named = |kind: &Self| kind.to_string() == name;
        (1..=u8::MAX).filter_map(Self::from_byte).find(named).ok_or(FormatError::malformed(
            Field::WrapKind,
            "local, provider, hpke, branch, rebound, private-0x80 to private-0xff or unassigned-0x06 to unassigned-0x7f",
            0,
        ))
    }
}

/// A data key wrapped by one master key.
///
/// It consists of the id of that key, the kind, and the body that the provider returned. Everything in it is public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WrappedKey {
    key_id: KeyId,
    kind: WrapKind,
    body: Vec<u8>,
}

impl WrappedKey {
    /// Creates a wrapped key from the body that a provider returned.
    ///
    /// The body must have 1 to 65,534 bytes.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Malformed`] if the body is empty or too long for an envelope.
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

    /// Returns the id of the master key that wrapped the data key.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Returns how the data key was wrapped.
    #[must_use]
    pub fn kind(&self) -> WrapKind {
        self.kind
    }

    /// Returns the wrapped data key, in the form that its kind prescribes.
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

/// A wrapped key, borrowed from an envelope or a [`WrappedKey`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrap<'a> {
    pub(crate) key_id: &'a str,
    pub(crate) kind: WrapKind,
    pub(crate) body: &'a [u8],
}

impl<'a> Wrap<'a> {
    /// Splits kind ‖ body. Returns `None` if the kind is 0 or the body is empty.
    pub(crate) fn parse(key_id: &'a str, wrapped: &'a [u8]) -> Option<Self> {
        let (kind, body) = wrapped.split_first()?;
        let kind = WrapKind::from_byte(*kind)?;
        (!body.is_empty()).then_some(Self { key_id, kind, body })
    }

    /// Returns the length of kind ‖ body, which two bytes hold.
    #[expect(clippy::expect_used, reason = "a body is at most 65,534 bytes")]
    #[expect(clippy::arithmetic_side_effects, reason = "the kind adds one byte")]
    pub(crate) fn wrapped_len(&self) -> u16 {
        (1 + self.body.len()).try_into().expect("two bytes hold the length of a wrapped key")
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
