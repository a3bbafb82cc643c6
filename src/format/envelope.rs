//! The sealed envelope: parsing, encoding and its fields. It needs no key, and everything in it is public.

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

/// A sealed credential, as stored in a column or a file.
///
/// Everything in it is public. It is one buffer in the binary form, which was checked when it was parsed:
///
/// ```text
/// head     = "SW" 0x01 ‖ suite ‖ u8(n) ‖ n × ( len8(key_id) ‖ u16(len) ‖ wrapped ) ‖ commitment(32)
/// envelope = head ‖ mac(16) ‖ iv(12) ‖ tag(16) ‖ ciphertext(rest)
/// ```
///
/// `Display` and `FromStr` use the text form, [`as_bytes`](Self::as_bytes) and [`from_bytes`](Self::from_bytes) the
/// binary form. Each envelope has exactly one encoding in each form, so whatever parses encodes back to the same bytes.
/// [`crate::docs::format`] specifies every byte.
///
/// Parsing checks only the layout. [`Keyring::open`](crate::Keyring::open) checks that nobody altered the envelope;
/// [`Keyring::verify`](crate::Keyring::verify) checks that too, except for the bytes of the ciphertext.
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
    /// Returns a [`FormatError`] about the first field that violates the format.
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
            // The bytes are text if a tool printed them on their way here.
            Ok(text) => fault.of_text(text, &[text::PREFIX, "SW\x01"]),
            Err(_) => fault,
        })
    }

    /// Returns the binary form, without copying it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the suite that the envelope was sealed with.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.layout.suite(&self.bytes)
    }

    /// Returns the wrapped data keys, in the order of the envelope.
    ///
    /// A seal writes the wrap of the primary first.
    pub fn wrapped_keys(&self) -> impl Iterator<Item = WrappedKey> {
        self.wraps().filter_map(|wrap| wrap.to_wrapped_key().ok())
    }

    /// Returns the ids of the master keys, in the order of the wraps.
    ///
    /// Any one of these keys opens the envelope.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.wraps().filter_map(|wrap| KeyId::try_from(wrap.key_id).ok())
    }

    /// Returns the commitment to the data key, suite, IV and context: 32 bytes, different in every row.
    #[must_use]
    pub fn commitment(&self) -> &[u8; COMMITMENT_LEN] {
        self.layout.tail(&self.bytes).commitment
    }

    /// Returns the MAC under the data key, over everything else except the bytes of the ciphertext.
    #[must_use]
    pub fn mac(&self) -> &[u8; MAC_LEN] {
        self.layout.tail(&self.bytes).mac
    }

    /// Returns the IV of the payload.
    #[must_use]
    pub fn iv(&self) -> &[u8; IV_LEN] {
        self.layout.tail(&self.bytes).iv
    }

    /// Returns the tag of the payload.
    #[must_use]
    pub fn tag(&self) -> &[u8; TAG_LEN] {
        self.layout.tail(&self.bytes).tag
    }

    /// Returns the encrypted payload, which is as long as the plaintext.
    #[must_use]
    pub fn ciphertext(&self) -> &[u8] {
        self.layout.tail(&self.bytes).ciphertext
    }

    /// Returns the wrapped keys without allocating.
    pub(crate) fn wraps(&self) -> impl Iterator<Item = Wrap<'_>> + Clone {
        self.layout.wraps(&self.bytes).filter_map(|(key_id, wrapped)| {
            Wrap::parse(core::str::from_utf8(key_id).ok()?, wrapped)
        })
    }

    /// Returns the wrapped key with this key id.
    pub(crate) fn wrap_of<'a>(&'a self, key_id: &'a str) -> Option<Wrap<'a>> {
        let is_its = |(found, _): &(&[u8], &[u8])| *found == key_id.as_bytes();
        let (_, wrapped) = self.layout.wraps(&self.bytes).find(is_its)?;
        Wrap::parse(key_id, wrapped)
    }

    /// Returns everything from the magic to the end of the commitment, which the MAC covers first.
    pub(crate) fn head(&self) -> &[u8] {
        self.bytes.split_at(self.layout.mac_at()).0
    }

    /// Returns the length of the ciphertext as the u32 that the MAC covers.
    #[expect(clippy::expect_used, reason = "a ciphertext has at most 16 MiB in every envelope")]
    pub(crate) fn ciphertext_len(&self) -> u32 {
        self.ciphertext().len().try_into().expect("a u32 holds 16 MiB")
    }
}

/// An envelope whose MAC is still zeros.
pub(crate) struct Unproven(Envelope);

impl Unproven {
    /// Assembles an envelope without its MAC.
    ///
    /// # Errors
    ///
    /// Returns a [`FormatError`] if there are no wraps, more than eight, or two with the same key id.
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

    /// Returns the envelope to compute the MAC over.
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

    /// Parses the text form.
    ///
    /// Parsing is strict: no white space, no padding, and one encoding per envelope.
    fn from_str(text: &str) -> Result<Self, FormatError> {
        let bytes = text::decode(text).map_err(|fault| fault.of_text(text, &[text::PREFIX]))?;
        // This check never fails after `decode`, but a single check defines for both forms what an envelope is.
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
