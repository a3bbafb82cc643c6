//! Putting an envelope together from what the verbs made.
//!
//! Nothing here falls back to anything: what does not fit where it is written is a fault of this crate, and
//! a panic is better than an envelope that nobody can open.

use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use super::{COUNT_EXPECTED, Envelope, ID_EXPECTED, MAGIC, TAIL_LEN, WRAPS_AT};
use crate::format_error::{Field, FormatError};
use crate::key_id;
use crate::suite::{COMMITMENT_LEN, FORMAT_VERSION, IV_LEN, MAC_LEN, Suite, TAG_LEN};
use crate::wrapped_key::{MAX_WRAPS, Wrap};

/// A ciphertext with room in front of it, so that what precedes it is written into place.
pub(crate) struct Frame {
    bytes: Vec<u8>,
    room: usize,
}

impl Frame {
    /// `room` is a guess: [`Envelope::front_len`] if it is right, more copying if not.
    #[expect(clippy::arithmetic_side_effects, reason = "lengths of what lies in memory")]
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
        mut frame: Frame,
    ) -> Result<Self, FormatError> {
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
        assert!(front.rest.is_empty(), "the front has the length that was reckoned");
        #[expect(clippy::arithmetic_side_effects, reason = "the front ends in the tail")]
        let commitment_at = front_len - TAIL_LEN;
        debug_assert_eq!(Envelope::check(&bytes), Ok((suite, commitment_at)), "it parses again");
        Ok(Self(Envelope { bytes, suite, commitment_at }))
    }

    /// What the MAC is to cover.
    pub(crate) fn envelope(&self) -> &Envelope {
        &self.0
    }

    pub(crate) fn with_mac(self, mac: &[u8; MAC_LEN]) -> Envelope {
        let Self(mut envelope) = self;
        let at = envelope.mac_at();
        envelope.bytes.split_at_mut(at).1.split_at_mut(MAC_LEN).0.copy_from_slice(mac);
        envelope
    }
}

impl Envelope {
    /// Bytes before the ciphertext, for wraps of these key ids and bodies.
    pub(crate) fn front_len(wraps: impl Iterator<Item = (usize, usize)>) -> usize {
        // len8(key_id) ‖ u16(len) ‖ kind ‖ body
        wraps.flat_map(|(key_id, body)| [1, key_id, 2, 1, body]).chain([WRAPS_AT, TAIL_LEN]).sum()
    }
}

/// Refuses what could not be parsed again: no wraps, more than eight, or one id under two of them.
/// Answers how many there are, and the bytes before the ciphertext.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "there are at most eight, and a front has a tail"
)]
fn check_wraps<'w>(
    wraps: impl Iterator<Item = Wrap<'w>> + Clone,
) -> Result<(u8, usize), FormatError> {
    let count_fault = FormatError::malformed(Field::WrapCount, COUNT_EXPECTED, WRAPS_AT - 1);
    let mut key_ids = [""; MAX_WRAPS];
    let mut count = 0;
    for (place, wrap) in wraps.clone().enumerate() {
        // A place that is still free holds "", which is no key id.
        if key_ids.contains(&wrap.key_id) {
            let before = wraps.clone().take(place).map(|wrap| (wrap.key_id.len(), wrap.body.len()));
            let at = Envelope::front_len(before) - TAIL_LEN;
            return Err(FormatError::malformed(Field::KeyId, ID_EXPECTED, at));
        }
        *key_ids.get_mut(place).ok_or(count_fault.clone())? = wrap.key_id;
        count += 1;
    }
    if count == 0 {
        return Err(count_fault);
    }
    let lens = wraps.map(|wrap| (wrap.key_id.len(), wrap.body.len()));
    Ok((count, Envelope::front_len(lens)))
}

/// Fills a buffer of the right size from the front.
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
