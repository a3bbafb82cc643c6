//! The sealed row: layout, parse, encode. Knows no key; everything in it is public.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::format::binary::{self, Frame, Layout};
use crate::format::error::{Field, FormatError};
use crate::format::key_id::KeyId;
use crate::format::sizes::{COMMITMENT_LEN, IV_LEN, MAC_LEN, TAG_LEN};
use crate::format::suite::Suite;
use crate::format::text;
use crate::format::wrapped_key::{Wrap, WrappedKey};

/// A sealed credential, as it stands in a column or a file. Everything in it is public.
///
/// One buffer in the binary form, checked when it was parsed:
///
/// ```text
/// head     = "SW" 0x01 ‖ suite ‖ u8(n) ‖ n × ( len8(key_id) ‖ u16(len) ‖ wrapped ) ‖ commitment(32)
/// envelope = head ‖ mac(16) ‖ iv(12) ‖ tag(16) ‖ ciphertext(rest)
/// ```
///
/// `Display` and `FromStr` are the text form, [`as_bytes`](Self::as_bytes) and
/// [`from_bytes`](Self::from_bytes) the binary one; each envelope has exactly one of either, so
/// what parses encodes back to the same bytes. [`crate::docs::format`] has every byte.
///
/// Parsing checks the layout only. That nobody altered the envelope is what
/// [`Keyring::verify`](crate::Keyring::verify) and [`Keyring::open`](crate::Keyring::open) tell.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Envelope {
    bytes: Vec<u8>,
    layout: Layout,
}

impl Envelope {
    /// Parses the binary form.
    ///
    /// # Errors
    ///
    /// [`FormatError`]: the first field that is not as the format asks for.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        Ok(Self { layout: Self::check(bytes)?, bytes: bytes.to_vec() })
    }

    fn from_vec(bytes: Vec<u8>) -> Result<Self, FormatError> {
        Ok(Self { layout: Self::check(&bytes)?, bytes })
    }

    fn check(bytes: &[u8]) -> Result<Layout, FormatError> {
        binary::check(bytes).map_err(|fault| match core::str::from_utf8(bytes) {
            Ok(text) if text.starts_with(text::PREFIX) => {
                FormatError::malformed(Field::Prefix, "\"SW\": this is the text form", 0)
            }
            // Bytes that were printed on their way are text.
            Ok(text) => fault.of_text(text, &[text::PREFIX, "SW\x01"]),
            Err(_) => fault,
        })
    }

    /// The binary form, as it lies in memory.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The cipher it was sealed with.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.layout.suite
    }

    /// The wrapped data keys, in the order they stand: as a seal wrote them, the primary's first.
    pub fn wrapped_keys(&self) -> impl Iterator<Item = WrappedKey> {
        self.wraps().filter_map(|wrap| wrap.to_wrapped_key().ok())
    }

    /// The ids of the master keys, any of which opens the envelope; in the order of the wraps.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.wraps().filter_map(|wrap| KeyId::try_from(wrap.key_id).ok())
    }

    /// What stands for data key, suite, iv and context: 32 bytes, different in every row.
    #[must_use]
    pub fn commitment(&self) -> &[u8; COMMITMENT_LEN] {
        self.layout.tail(&self.bytes).commitment
    }

    /// The MAC under the data key over everything else but the bytes of the ciphertext.
    #[must_use]
    pub fn mac(&self) -> &[u8; MAC_LEN] {
        self.layout.tail(&self.bytes).mac
    }

    /// The iv of the payload.
    #[must_use]
    pub fn iv(&self) -> &[u8; IV_LEN] {
        self.layout.tail(&self.bytes).iv
    }

    /// The tag of the payload.
    #[must_use]
    pub fn tag(&self) -> &[u8; TAG_LEN] {
        self.layout.tail(&self.bytes).tag
    }

    /// The encrypted payload: as long as the plaintext.
    #[must_use]
    pub fn ciphertext(&self) -> &[u8] {
        self.layout.tail(&self.bytes).ciphertext
    }

    /// The wrapped keys where they lie: no allocation.
    pub(crate) fn wraps(&self) -> impl Iterator<Item = Wrap<'_>> + Clone {
        self.layout.wraps(&self.bytes).filter_map(|(key_id, wrapped)| {
            Wrap::parse(core::str::from_utf8(key_id).ok()?, wrapped)
        })
    }

    /// The wrapped key under an id.
    pub(crate) fn wrap_of<'a>(&'a self, key_id: &'a str) -> Option<Wrap<'a>> {
        let is_its = |(found, _): &(&[u8], &[u8])| *found == key_id.as_bytes();
        let (_, wrapped) = self.layout.wraps(&self.bytes).find(is_its)?;
        Wrap::parse(key_id, wrapped)
    }

    /// Everything from the magic to the commitment: what the MAC covers first.
    pub(crate) fn head(&self) -> &[u8] {
        self.bytes.split_at(self.layout.mac_at()).0
    }

    /// The length of the ciphertext, as the MAC covers it.
    #[expect(clippy::expect_used, reason = "of at most 16 MiB, whoever made the envelope")]
    pub(crate) fn ciphertext_len(&self) -> u32 {
        self.ciphertext().len().try_into().expect("a u32 counts 16 MiB")
    }
}

/// An envelope whose MAC is still zeros.
pub(crate) struct Unproven(Envelope);

impl Unproven {
    /// Puts an envelope together, up to its MAC.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when the wraps are none, more than eight, or two under one id.
    pub(crate) fn assemble<'w>(
        suite: Suite,
        wraps: impl Iterator<Item = Wrap<'w>> + Clone,
        commitment: &[u8; COMMITMENT_LEN],
        iv: &[u8; IV_LEN],
        tag: &[u8; TAG_LEN],
        frame: Frame,
    ) -> Result<Self, FormatError> {
        let (bytes, layout) = binary::assemble(suite, wraps, commitment, iv, tag, frame)?;
        Ok(Self(Envelope { bytes, layout }))
    }

    /// What the MAC is to cover.
    pub(crate) fn envelope(&self) -> &Envelope {
        &self.0
    }

    pub(crate) fn with_mac(self, mac: &[u8; MAC_LEN]) -> Envelope {
        let Self(mut envelope) = self;
        let at = envelope.layout.mac_at();
        envelope.bytes.split_at_mut(at).1.split_at_mut(MAC_LEN).0.copy_from_slice(mac);
        envelope
    }
}

impl FromStr for Envelope {
    type Err = FormatError;

    /// Parses the text form. Strict: no white space, no padding, one encoding per envelope.
    fn from_str(text: &str) -> Result<Self, FormatError> {
        let bytes = text::decode(text).map_err(|fault| fault.of_text(text, &[text::PREFIX]))?;
        // Finds nothing any more; but one check says for both forms what an envelope is.
        Self::from_vec(bytes)
    }
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::encode(&self.bytes, self.layout))
    }
}

impl TryFrom<&[u8]> for Envelope {
    type Error = FormatError;

    fn try_from(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::from_bytes(bytes)
    }
}

impl TryFrom<Vec<u8>> for Envelope {
    type Error = FormatError;

    /// Parses the binary form and keeps the buffer.
    fn try_from(bytes: Vec<u8>) -> Result<Self, FormatError> {
        Self::from_vec(bytes)
    }
}

impl TryFrom<&str> for Envelope {
    type Error = FormatError;

    fn try_from(text: &str) -> Result<Self, FormatError> {
        text.parse()
    }
}

impl TryFrom<String> for Envelope {
    type Error = FormatError;

    fn try_from(text: String) -> Result<Self, FormatError> {
        text.parse()
    }
}

impl From<Envelope> for Vec<u8> {
    fn from(envelope: Envelope) -> Self {
        envelope.bytes
    }
}

impl From<Envelope> for String {
    fn from(envelope: Envelope) -> Self {
        text::encode(&envelope.bytes, envelope.layout)
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("suite", &self.suite())
            .field("key_ids", &DebugKeyIds(self))
            .field("ciphertext_len", &self.ciphertext().len())
            .finish_non_exhaustive()
    }
}

struct DebugKeyIds<'a>(&'a Envelope);

impl fmt::Debug for DebugKeyIds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.wraps().map(|wrap| wrap.key_id)).finish()
    }
}
