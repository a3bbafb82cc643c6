//! Parsing and writing of the binary form: `"SW" 01 ‖ suite ‖ wraps ‖ commitment ‖ mac ‖ iv ‖ tag ‖ ciphertext`.
//!
//! Parsing rejects everything that the format does not allow. Writing has no fallback: if a field does not fit where it
//! is written, this crate has a bug, and a panic is better than an envelope that nobody can open.

use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use crate::format::error::{Field, FormatError};
use crate::format::key_id::{self, KeyId};
use crate::format::sizes::{
    COMMITMENT_LEN, FORMAT_VERSION, IV_LEN, MAC_LEN, MAX_PLAINTEXT_LEN, MAX_WRAPS, TAG_LEN,
};
use crate::format::suite::Suite;
use crate::format::wrapped_key::Wrap;

pub(super) const MAGIC: [u8; 2] = *b"SW";
pub(super) const COUNT_EXPECTED: &str = "1 to 8 wrapped keys";
pub(super) const ID_EXPECTED: &str = "each key id to appear only once";
pub(super) const WRAPPED_EXPECTED: &str = "a kind other than 0 and a body of 1 to 65534 bytes";
pub(super) const CIPHERTEXT_EXPECTED: &str = "0 to 16777216 bytes";

/// The offset of the suite: after "SW" and the version.
const SUITE_AT: usize = 3;
/// The offset of the wrapped keys: after "SW", the version, the suite and the number of wraps.
const WRAPS_AT: usize = 5;
/// The number of bytes from the start of the commitment to the start of the ciphertext.
const TAIL_LEN: usize = COMMITMENT_LEN + MAC_LEN + IV_LEN + TAG_LEN;

/// The positions of the parts of a checked envelope.
// Without the suite, which is in the bytes: a gap after a field of one byte would take along what was on the stack when
// an envelope was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Layout {
    /// The offset at which the wrapped keys end and the commitment starts.
    pub(super) commitment_at: usize,
}

impl Layout {
    #[expect(clippy::expect_used, reason = "the layout was checked")]
    pub(super) fn suite(&self, bytes: &[u8]) -> Suite {
        bytes.get(SUITE_AT).and_then(|id| Suite::from_id(*id)).expect("the suite is known")
    }

    /// Returns the offset at which the head ends and the MAC starts.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "an offset in the buffer, whose layout was checked"
    )]
    pub(super) fn mac_at(&self) -> usize {
        self.commitment_at + COMMITMENT_LEN
    }

    /// Returns the wrapped keys, each as its key id and kind ‖ body.
    pub(super) fn wraps<'a>(
        &self,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        let (_, mut rest) = bytes.split_at(self.commitment_at).0.split_at(WRAPS_AT);
        // The layout was checked, so this stops only at the end.
        core::iter::from_fn(move || {
            let (len, after) = rest.split_first()?;
            let (key_id, after) = after.split_at_checked(usize::from(*len))?;
            let (len, after) = after.split_first_chunk()?;
            let (wrapped, after) = after.split_at_checked(u16::from_be_bytes(*len).into())?;
            rest = after;
            Some((key_id, wrapped))
        })
    }

    #[expect(clippy::expect_used, reason = "the layout was checked")]
    pub(super) fn tail<'a>(&self, bytes: &'a [u8]) -> Tail<'a> {
        let (_, tail) = bytes.split_at(self.commitment_at);
        Tail::split(tail).expect("the tail is complete")
    }
}

/// The fields after the wrapped keys.
pub(super) struct Tail<'a> {
    pub(super) commitment: &'a [u8; COMMITMENT_LEN],
    pub(super) mac: &'a [u8; MAC_LEN],
    pub(super) iv: &'a [u8; IV_LEN],
    pub(super) tag: &'a [u8; TAG_LEN],
    pub(super) ciphertext: &'a [u8],
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

/// Checks the layout of a whole envelope.
pub(super) fn check(bytes: &[u8]) -> Result<Layout, FormatError> {
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
    Suite::from_id(reader.byte(Field::Suite, "a suite id")?).ok_or(FormatError::malformed(
        Field::Suite,
        "suite id 1 or 2",
        at,
    ))?;
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
    Ok(Layout { commitment_at })
}

/// Takes fields off the front of its input and keeps track of the offset.
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

/// A ciphertext with room in front of it, so that the fields before it can be written in place.
pub(crate) struct Frame {
    bytes: Vec<u8>,
    room: usize,
}

impl Frame {
    /// Creates a frame of zeros.
    ///
    /// `room` is a guess: unless it is exactly [`front_len`], the ciphertext must be copied later.
    #[expect(clippy::arithmetic_side_effects, reason = "lengths of data in memory")]
    pub(crate) fn zeroed(room: usize, ciphertext_len: usize) -> Self {
        Self { bytes: vec![0; room + ciphertext_len], room }
    }

    pub(crate) fn of(room: usize, ciphertext: &[u8]) -> Self {
        let mut frame = Self::zeroed(room, ciphertext.len());
        frame.ciphertext_mut().copy_from_slice(ciphertext);
        frame
    }

    pub(crate) fn ciphertext_mut(&mut self) -> &mut [u8] {
        self.bytes.split_at_mut(self.room).1
    }
}

/// Assembles an envelope whose MAC is still zeros.
pub(super) fn assemble<'w>(
    suite: Suite,
    wraps: impl Iterator<Item = Wrap<'w>> + Clone,
    commitment: &[u8; COMMITMENT_LEN],
    iv: &[u8; IV_LEN],
    tag: &[u8; TAG_LEN],
    mut frame: Frame,
) -> Result<(Vec<u8>, Layout), FormatError> {
    let (count, front_len) = check_wraps(wraps.clone())?;
    if frame.room != front_len {
        frame = Frame::of(front_len, frame.ciphertext_mut());
    }
    let Frame { mut bytes, .. } = frame;

    let mut front = Writer { rest: bytes.split_at_mut(front_len).0 };
    front.put(&MAGIC);
    front.put(&[FORMAT_VERSION, suite.id(), count]);
    for wrap in wraps {
        front.put(&[key_id::len_byte(wrap.key_id)]);
        front.put(wrap.key_id.as_bytes());
        front.put(&wrap.wrapped_len().to_be_bytes());
        front.put(&[wrap.kind.byte()]);
        front.put(wrap.body);
    }
    front.put(commitment);
    front.put(&[0; MAC_LEN]);
    front.put(iv);
    front.put(tag);
    assert!(front.rest.is_empty(), "the front has the computed length");
    #[expect(clippy::arithmetic_side_effects, reason = "the front ends with the tail")]
    let commitment_at = front_len - TAIL_LEN;
    let layout = Layout { commitment_at };
    debug_assert_eq!(check(&bytes), Ok(layout), "the envelope parses again");
    Ok((bytes, layout))
}

/// Returns the number of bytes before the ciphertext, given the lengths of each wrap's key id and body.
pub(crate) fn front_len(wraps: impl Iterator<Item = (usize, usize)>) -> usize {
    // len8(key_id) ‖ u16(len) ‖ kind ‖ body
    wraps.flat_map(|(key_id, body)| [1, key_id, 2, 1, body]).chain([WRAPS_AT, TAIL_LEN]).sum()
}

/// Rejects wraps that could not be parsed again: none, more than eight, or two with the same key id.
///
/// Returns how many wraps there are, and the number of bytes before the ciphertext.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "at most eight wraps, and every front has a tail"
)]
fn check_wraps<'w>(
    wraps: impl Iterator<Item = Wrap<'w>> + Clone,
) -> Result<(u8, usize), FormatError> {
    let count_fault = FormatError::malformed(Field::WrapCount, COUNT_EXPECTED, WRAPS_AT - 1);
    let mut key_ids = [""; MAX_WRAPS];
    let mut count = 0;
    for (place, wrap) in wraps.clone().enumerate() {
        // An unused slot holds "", which is not a key id.
        if key_ids.contains(&wrap.key_id) {
            let before = wraps.clone().take(place).map(|wrap| (wrap.key_id.len(), wrap.body.len()));
            let at = front_len(before) - TAIL_LEN;
            return Err(FormatError::malformed(Field::KeyId, ID_EXPECTED, at));
        }
        *key_ids.get_mut(place).ok_or(count_fault.clone())? = wrap.key_id;
        count += 1;
    }
    if count == 0 {
        return Err(count_fault);
    }
    let lens = wraps.map(|wrap| (wrap.key_id.len(), wrap.body.len()));
    Ok((count, front_len(lens)))
}

/// Fills a buffer of exactly the right size from the front.
struct Writer<'a> {
    rest: &'a mut [u8],
}

impl Writer<'_> {
    #[inline]
    fn put(&mut self, field: &[u8]) {
        let (place, rest) = mem::take(&mut self.rest).split_at_mut(field.len());
        place.copy_from_slice(field);
        self.rest = rest;
    }
}
