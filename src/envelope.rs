//! The sealed row: layout, parse, encode. Knows no key; everything in it is public.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::format_error::{Field, FormatError};
use crate::key_id::KeyId;
use crate::suite::{
    COMMITMENT_LEN, FORMAT_VERSION, IV_LEN, MAC_LEN, MAX_PLAINTEXT_LEN, Suite, TAG_LEN,
};
use crate::wrapped_key::{MAX_WRAPS, Wrap, WrappedKey};

mod assembly;
#[cfg(feature = "serde")]
mod serde;
mod text;

pub(crate) use assembly::{Frame, Unproven};

const MAGIC: [u8; 2] = *b"SW";
const COUNT_EXPECTED: &str = "1 to 8 wrapped keys";
const ID_EXPECTED: &str = "each key id once";
const WRAPPED_EXPECTED: &str = "a kind other than 0 and a body of 1 to 65534 bytes";
const CIPHERTEXT_EXPECTED: &str = "0 to 16777216 bytes";

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
    suite: Suite,
    /// Where the wrapped keys end and the commitment starts.
    commitment_at: usize,
}

/// What follows the wrapped keys.
struct Tail<'a> {
    commitment: &'a [u8; COMMITMENT_LEN],
    mac: &'a [u8; MAC_LEN],
    iv: &'a [u8; IV_LEN],
    tag: &'a [u8; TAG_LEN],
    ciphertext: &'a [u8],
}

/// Where the wrapped keys start: after "SW", version, suite and their number.
const WRAPS_AT: usize = 5;
/// Bytes from the commitment to the ciphertext.
const TAIL_LEN: usize = COMMITMENT_LEN + MAC_LEN + IV_LEN + TAG_LEN;
const _: () = assert!(MAX_PLAINTEXT_LEN < 1 << 31, "a u32 counts a ciphertext");

impl Envelope {
    /// Parses the binary form.
    ///
    /// # Errors
    ///
    /// [`FormatError`]: the first field that is not as the format asks for.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let (suite, commitment_at) = Self::check(bytes)?;
        Ok(Self { bytes: bytes.to_vec(), suite, commitment_at })
    }

    fn from_vec(bytes: Vec<u8>) -> Result<Self, FormatError> {
        let (suite, commitment_at) = Self::check(&bytes)?;
        Ok(Self { bytes, suite, commitment_at })
    }

    /// Checks the whole layout; tells the suite, and where the commitment starts.
    fn check(bytes: &[u8]) -> Result<(Suite, usize), FormatError> {
        let mut reader = Reader { rest: bytes, offset: 0 };
        if reader.array(Field::Prefix, "\"SW\" and a version byte")? != &MAGIC {
            return Err(FormatError::malformed(Field::Prefix, "\"SW\"", 0));
        }
        match reader.byte(Field::Prefix, "a version byte")? {
            FORMAT_VERSION => (),
            0 => return Err(FormatError::malformed(Field::Prefix, "a version of at least 1", 2)),
            version => return Err(FormatError::NewerVersion { version }),
        }
        let at = reader.offset;
        let suite = Suite::from_id(reader.byte(Field::Suite, "a suite id")?)
            .ok_or(FormatError::malformed(Field::Suite, "suite id 1 or 2", at))?;
        let at = reader.offset;
        let count = usize::from(reader.byte(Field::WrapCount, COUNT_EXPECTED)?);
        if !(1..=MAX_WRAPS).contains(&count) {
            return Err(FormatError::malformed(Field::WrapCount, COUNT_EXPECTED, at));
        }
        let mut key_ids = [""; MAX_WRAPS];
        for i in 0..count {
            let at = reader.offset;
            let (key_id, _) = reader.wrap()?;
            if key_ids.contains(&key_id) {
                return Err(FormatError::malformed(Field::KeyId, ID_EXPECTED, at));
            }
            if let Some(slot) = key_ids.get_mut(i) {
                *slot = key_id;
            }
        }
        let commitment_at = reader.offset;
        reader.array::<COMMITMENT_LEN>(Field::Commitment, "32 bytes")?;
        reader.array::<MAC_LEN>(Field::Mac, "16 bytes")?;
        reader.array::<IV_LEN>(Field::Iv, "12 bytes")?;
        reader.array::<TAG_LEN>(Field::Tag, "16 bytes")?;
        if reader.rest.len() > MAX_PLAINTEXT_LEN {
            let expected = CIPHERTEXT_EXPECTED;
            return Err(FormatError::malformed(Field::Ciphertext, expected, reader.offset));
        }
        Ok((suite, commitment_at))
    }

    /// The binary form, as it lies in memory.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The cipher it was sealed with.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
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
        self.tail().commitment
    }

    /// The MAC under the data key over everything else but the bytes of the ciphertext.
    #[must_use]
    pub fn mac(&self) -> &[u8; MAC_LEN] {
        self.tail().mac
    }

    /// The iv of the payload.
    #[must_use]
    pub fn iv(&self) -> &[u8; IV_LEN] {
        self.tail().iv
    }

    /// The tag of the payload.
    #[must_use]
    pub fn tag(&self) -> &[u8; TAG_LEN] {
        self.tail().tag
    }

    /// The encrypted payload: as long as the plaintext.
    #[must_use]
    pub fn ciphertext(&self) -> &[u8] {
        self.tail().ciphertext
    }

    /// The wrapped keys where they lie: no allocation.
    pub(crate) fn wraps(&self) -> impl Iterator<Item = Wrap<'_>> + Clone {
        self.wraps_as_bytes().filter_map(|(key_id, wrapped)| {
            Wrap::parse(core::str::from_utf8(key_id).ok()?, wrapped)
        })
    }

    /// The wrapped key under an id.
    pub(crate) fn wrap_of<'a>(&'a self, key_id: &'a str) -> Option<Wrap<'a>> {
        let is_its = |(found, _): &(&[u8], &[u8])| *found == key_id.as_bytes();
        let (_, wrapped) = self.wraps_as_bytes().find(is_its)?;
        Wrap::parse(key_id, wrapped)
    }

    /// The wrapped keys as key id and kind ‖ body.
    fn wraps_as_bytes(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        let (_, mut rest) = self.bytes.split_at(self.commitment_at).0.split_at(WRAPS_AT);
        // The layout was checked when the envelope was made: this stops at the end, and only there.
        core::iter::from_fn(move || {
            let (len, after) = rest.split_first()?;
            let (key_id, after) = after.split_at_checked(usize::from(*len))?;
            let (len, after) = after.split_first_chunk()?;
            let (wrapped, after) = after.split_at_checked(u16::from_be_bytes(*len).into())?;
            rest = after;
            Some((key_id, wrapped))
        })
    }

    /// Everything from the magic to the commitment: what the MAC covers first.
    pub(crate) fn head(&self) -> &[u8] {
        self.bytes.split_at(self.mac_at()).0
    }

    /// Where the head ends and the MAC starts.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "a place in the buffer, whose layout was checked"
    )]
    fn mac_at(&self) -> usize {
        self.commitment_at + COMMITMENT_LEN
    }

    /// The length of the ciphertext, as the MAC covers it.
    #[expect(clippy::expect_used, reason = "of at most 16 MiB, whoever made the envelope")]
    pub(crate) fn ciphertext_len(&self) -> u32 {
        self.ciphertext().len().try_into().expect("a u32 counts 16 MiB")
    }

    #[expect(clippy::expect_used, reason = "the layout was checked when the envelope was made")]
    fn tail(&self) -> Tail<'_> {
        let (_, tail) = self.bytes.split_at(self.commitment_at);
        Tail::split(tail).expect("everything from the commitment on")
    }
}

impl<'a> Tail<'a> {
    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (commitment, rest) = bytes.split_first_chunk()?;
        let (mac, rest) = rest.split_first_chunk()?;
        let (iv, rest) = rest.split_first_chunk()?;
        let (tag, ciphertext) = rest.split_first_chunk()?;
        Some(Self { commitment, mac, iv, tag, ciphertext })
    }
}

/// Takes fields off the front and remembers where it is.
#[derive(Clone)]
struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn slice(
        &mut self,
        len: usize,
        field: Field,
        expected: &'static str,
    ) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(FormatError::malformed(
            field,
            expected,
            self.offset,
        ))?;
        self.rest = rest;
        self.offset = self.offset.saturating_add(len);
        Ok(taken)
    }

    fn array<const N: usize>(
        &mut self,
        field: Field,
        expected: &'static str,
    ) -> Result<&'a [u8; N], FormatError> {
        let fault = FormatError::malformed(field, expected, self.offset);
        self.slice(N, field, expected)?.first_chunk().ok_or(fault)
    }

    fn byte(&mut self, field: Field, expected: &'static str) -> Result<u8, FormatError> {
        self.array(field, expected).map(|[byte]| *byte)
    }

    /// len8(key_id) ‖ u16(len) ‖ kind ‖ body
    fn wrap(&mut self) -> Result<(&'a str, &'a [u8]), FormatError> {
        let len = self.byte(Field::KeyId, "a length and a key id")?;
        let at = self.offset;
        let key_id = self.slice(len.into(), Field::KeyId, "as many bytes as its length says")?;
        let key_id = KeyId::check(key_id).map_err(|error| error.moved_to(at))?;

        let len = *self.array(Field::WrappedKey, "a length and a wrapped key")?;
        let at = self.offset;
        let wrapped = self.slice(
            u16::from_be_bytes(len).into(),
            Field::WrappedKey,
            "as many bytes as its length says",
        )?;
        match Wrap::parse(key_id, wrapped) {
            Some(_) => Ok((key_id, wrapped)),
            None => Err(FormatError::malformed(Field::WrappedKey, WRAPPED_EXPECTED, at)),
        }
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
        envelope.to_text()
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("suite", &self.suite)
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
